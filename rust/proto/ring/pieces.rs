// SPDX-License-Identifier: GPL-2.0

//! How much of a ring goes with one message.

use crate::cursor::RingSize;

/// What is worth a message where they are to be few, whatever the ring.
const WORTH: u32 = 64 << 10;

/// How much of a ring goes with one message, of an application that has that much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pieces {
    /// The copies at both ends and the wire are busy at a time, if the copies are what
    /// takes the time.
    Quarters,
    /// On a link that is slow ([`super::Pace`]) the copies are a small part. It is kept
    /// busy by two messages, one of which is on its way while the other one is read,
    /// reported and written again. They end with the halves of the ring: when one does
    /// not, the other end has a part and a half to read, and reports them together; the
    /// link stands still then once for each ring, and that goes on for ever.
    Halves,
    /// A link that others send on as well does not stand still, and on a slow one what is
    /// not a stream has nothing that could go meanwhile: messages are to be as few as can
    /// be.
    Wholes,
}

impl Pieces {
    /// Those of a connection on such a link, which is to send a stream or not.
    pub(super) const fn of(slow: bool, shared: bool, stream: bool) -> Self {
        match (slow, shared) {
            (false, false) => Self::Quarters,
            (true, false) if stream => Self::Halves,
            _ => Self::Wholes,
        }
    }

    /// Bytes of a piece: a quarter of the ring at least, and a power of two.
    pub(super) const fn bytes(self, ring: RingSize) -> u32 {
        let quarter = ring.bytes() / 4;
        let part = match self {
            Self::Quarters => quarter,
            Self::Halves => ring.bytes() / 2,
            Self::Wholes => ring.bytes(),
        };
        if quarter >= WORTH {
            quarter
        } else if part > WORTH {
            WORTH
        } else {
            part
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_its_part_of_the_ring_or_what_is_worth_a_message() {
        for (compressed, quarter, half, whole) in [
            (0, 4, 8, 16),
            (1, 8, 16, 32),
            (2, 16, 32, 64),
            (3, 32, 64, 64),
            (4, 64, 64, 64),
            (6, 256, 256, 256),
        ] {
            let ring = RingSize::from_compressed(compressed).unwrap();
            for (slow, shared, single, stream) in [
                (false, false, quarter, quarter),
                (true, false, whole, half),
                (false, true, whole, whole),
                (true, true, whole, whole),
            ] {
                for (is_stream, kib) in [(false, single), (true, stream)] {
                    let pieces = Pieces::of(slow, shared, is_stream);
                    assert_eq!(pieces.bytes(ring), kib << 10);
                    assert!(pieces.bytes(ring).is_power_of_two());
                }
            }
        }
    }
}
