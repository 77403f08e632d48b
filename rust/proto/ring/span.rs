// SPDX-License-Identifier: GPL-2.0

//! A run of bytes in a ring: one contiguous piece, or two around the end.

use crate::cursor::RingSize;

/// A contiguous piece of a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Byte offset into the ring; `offset + len` never exceeds the ring's size.
    pub offset: u32,
    /// Length in bytes.
    pub len: u32,
}

/// A run of bytes as it lies in a ring: up to two pieces, in stream order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spans {
    head: Span,
    tail: Span,
}

impl Spans {
    /// The run of `len` bytes from `offset`. Callers hold `offset < size` and
    /// `len <= size`; anything else is cut to fit.
    pub(crate) const fn new(size: RingSize, offset: u32, len: u32) -> Self {
        let size = size.bytes();
        let len = if len > size { size } else { len };
        let to_end = size.saturating_sub(offset);
        if len > to_end {
            Self {
                head: Span {
                    offset,
                    len: to_end,
                },
                tail: Span {
                    offset: 0,
                    len: len - to_end,
                },
            }
        } else {
            Self {
                head: Span { offset, len },
                tail: Span { offset: 0, len: 0 },
            }
        }
    }

    /// All bytes of the run.
    pub const fn len(&self) -> u32 {
        // Together at most one ring, 2^29 bytes.
        self.head.len + self.tail.len
    }

    /// Whether the run has no bytes.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The piece the run starts with, as far as it is contiguous.
    pub const fn first(&self) -> Span {
        self.head
    }

    /// The pieces that have bytes, in stream order.
    pub fn iter(&self) -> impl Iterator<Item = Span> {
        self.pieces().into_iter().filter(|s| s.len > 0)
    }

    /// Both pieces; either may be empty.
    pub(crate) const fn pieces(&self) -> [Span; 2] {
        [self.head, self.tail]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const SIZE: u32 = 16 * 1024;

    fn pieces(offset: u32, len: u32) -> Vec<(u32, u32)> {
        Spans::new(RingSize::MIN, offset, len)
            .iter()
            .map(|s| (s.offset, s.len))
            .collect()
    }

    #[test]
    fn a_run_splits_exactly_at_the_end_of_the_ring() {
        assert_eq!(pieces(5, 0), []);
        assert_eq!(pieces(5, 7), [(5, 7)]);
        assert_eq!(pieces(0, SIZE), [(0, SIZE)]);
        assert_eq!(pieces(SIZE - 3, 3), [(SIZE - 3, 3)]);
        assert_eq!(pieces(SIZE - 3, 4), [(SIZE - 3, 3), (0, 1)]);
        assert_eq!(pieces(1, SIZE), [(1, SIZE - 1), (0, 1)]);
        assert_eq!(pieces(1, SIZE + 9), [(1, SIZE - 1), (0, 1)]);
        assert!(Spans::new(RingSize::MIN, 9, 0).is_empty());
        assert_eq!(Spans::new(RingSize::MIN, 9, 8).first().offset, 9);
    }
}
