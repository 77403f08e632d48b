// SPDX-License-Identifier: GPL-2.0

//! Cursors: positions in a ring, and what a peer may claim about them.
//!
//! Each direction of a connection has two cursors, the producer's and the
//! consumer's. A cursor is an offset into the receive buffer element (RMBE, or
//! DMBE for SMC-D) and a 16-bit number of the times it has wrapped (RFC 7609
//! §4.3, A.4; `struct smc_cdc_cursor` in net/smc/smc_cdc.h).
//!
//! What arrives from a peer is a [`RawCursor`]: any 48 bits. It becomes a
//! position only through [`Cursor::step_to`], which knows the ring's size, where
//! the cursor was before and how far it may have moved. A peer that claims
//! anything else has broken the protocol, and the connection ends with an abort:
//! a cursor taken on trust is an out-of-bounds read or write.
//!
//! Both cursors start at wrap 0, offset 0, and an offset is always smaller than
//! the ring: the position after the last byte is offset 0 of the next wrap.

/// Why a peer's cursor was refused. Each of these ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorError {
    /// The offset is not inside the ring.
    OutsideRing,
    /// The wrap number is neither that of the last cursor nor a neighbour of it,
    /// or it contradicts the offset.
    WrapMismatch,
    /// The cursor moved farther than the protocol allows: a producer past the
    /// space it was granted, or a consumer past what was sent to it.
    Overrun,
}

impl CursorError {
    /// One sentence for logs and traces.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::OutsideRing => "The peer's cursor lies outside the ring.",
            Self::WrapMismatch => "The peer's cursor has an impossible wrap number.",
            Self::Overrun => "The peer's cursor moved farther than it was allowed to.",
        }
    }
}

/// A cursor as it stands in a CDC message: two numbers, host byte order, nothing
/// known about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RawCursor {
    /// How often the cursor has wrapped, modulo 65536.
    pub wrap: u16,
    /// Byte offset into the ring.
    pub count: u32,
}

/// The size in bytes of a ring: one of the sizes that a peer can announce.
///
/// A CLC message carries the size in 4 bits: 0 is 16 KiB and each step doubles
/// it, up to 15 for 512 MiB (RFC 7609 A.2.3; `smc_uncompress_bufsize` in
/// net/smc/smc_core.c). An SMC-D element gives up its first 32 bytes to the CDC
/// area (`sizeof(struct smcd_cdc_msg)`), and its ring is so much smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RingSize(u32);

impl RingSize {
    /// The smallest element, 16 KiB.
    pub const MIN: Self = Self(1 << Self::MIN_SHIFT);
    /// The largest element, 512 MiB.
    const MAX: Self = Self(1 << (Self::MIN_SHIFT + Self::MAX_COMPRESSED as u32));
    /// Bytes at the start of an SMC-D element that hold its CDC area.
    const DMBE_HEADER: u32 = 32;

    const MIN_SHIFT: u32 = 14;
    const MAX_COMPRESSED: u8 = 15;

    /// The ring of an SMC-R element from the compressed size of a CLC message;
    /// `None` above 15.
    pub const fn from_compressed(compressed: u8) -> Option<Self> {
        if compressed > Self::MAX_COMPRESSED {
            return None;
        }
        Some(Self(1 << (Self::MIN_SHIFT + compressed as u32)))
    }

    /// The ring of an SMC-D element: as [`RingSize::from_compressed`], less the
    /// CDC area.
    pub const fn dmbe_from_compressed(compressed: u8) -> Option<Self> {
        match Self::from_compressed(compressed) {
            Some(Self(bytes)) => Some(Self(bytes - Self::DMBE_HEADER)),
            None => None,
        }
    }

    /// The smallest announceable size that holds `bytes`, or the largest one if
    /// none does.
    pub const fn at_least(bytes: u32) -> Self {
        if bytes <= Self::MIN.0 {
            Self::MIN
        } else if bytes >= Self::MAX.0 {
            Self::MAX
        } else {
            // Below 2^29, so the next power of two fits.
            Self(bytes.next_power_of_two())
        }
    }

    /// Exactly `bytes`, if that is an announceable size of an SMC-R element.
    pub const fn from_bytes(bytes: u32) -> Option<Self> {
        if bytes.is_power_of_two() && bytes >= Self::MIN.0 && bytes <= Self::MAX.0 {
            Some(Self(bytes))
        } else {
            None
        }
    }

    /// The compressed notation of the element that holds this ring, 0..=15.
    pub const fn compressed(self) -> u8 {
        // An SMC-D ring is a little smaller than its element; rounding up finds
        // the element in either case.
        (self.0.next_power_of_two().trailing_zeros() - Self::MIN_SHIFT) as u8
    }

    /// The ring's size in bytes, 16 KiB - 32 ..= 512 MiB.
    pub const fn bytes(self) -> u32 {
        self.0
    }
}

/// Where a peer's cursor went, seen from the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It advanced by so many bytes; 0 if it stands where it stood.
    Forward(u32),
    /// It is behind the one already known. A peer that resends after it moved to
    /// another link reports such cursors (RFC 7609 §4.6.2); they say nothing new.
    Stale,
}

/// A position in a ring of a known size.
///
/// # Invariants
///
/// `count < size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    size: RingSize,
    wrap: u16,
    count: u32,
}

impl Cursor {
    /// The position at which every connection starts: wrap 0, offset 0.
    pub const fn start(size: RingSize) -> Self {
        Self {
            size,
            wrap: 0,
            count: 0,
        }
    }

    /// The ring this cursor moves in.
    pub(crate) const fn size(self) -> RingSize {
        self.size
    }

    /// Byte offset into the ring, smaller than its size.
    pub(crate) const fn offset(self) -> u32 {
        self.count
    }

    /// The cursor as a CDC message carries it.
    pub const fn raw(self) -> RawCursor {
        RawCursor {
            wrap: self.wrap,
            count: self.count,
        }
    }

    /// The cursor `bytes` further on; at most one ring further, more is cut off.
    #[must_use]
    pub const fn advanced(self, bytes: u32) -> Self {
        let size = self.size.bytes();
        let bytes = if bytes > size { size } else { bytes };
        // Both terms are at most 2^29. The remainder is below `size` because
        // `count < size` and `bytes <= size`.
        let end = self.count + bytes;
        if end >= size {
            Self {
                size: self.size,
                wrap: self.wrap.wrapping_add(1),
                count: end - size,
            }
        } else {
            Self { count: end, ..self }
        }
    }

    /// The cursor `bytes` back; at most one ring back, more is cut off.
    #[must_use]
    pub(crate) const fn retreated(self, bytes: u32) -> Self {
        let size = self.size.bytes();
        let bytes = if bytes > size { size } else { bytes };
        if bytes > self.count {
            Self {
                size: self.size,
                wrap: self.wrap.wrapping_sub(1),
                // `bytes - count` is in 1..=size.
                count: size - (bytes - self.count),
            }
        } else {
            Self {
                count: self.count - bytes,
                ..self
            }
        }
    }

    /// What the peer's next cursor means, if `allowed` bytes is as far as it may
    /// have advanced from this one.
    ///
    /// # Errors
    ///
    /// Any cursor that a peer which keeps to the protocol can't send:
    /// see [`CursorError`].
    pub const fn step_to(self, next: RawCursor, allowed: u32) -> Result<Step, CursorError> {
        let size = self.size.bytes();
        if next.count >= size {
            return Err(CursorError::OutsideRing);
        }
        // Between two cursors of a well-behaved peer there is never more than
        // one ring, so the wrap numbers are equal or neighbours. Both counts are
        // below 2^29, so the sums fit.
        let ahead = match next.wrap.wrapping_sub(self.wrap) {
            0 if next.count >= self.count => next.count - self.count,
            0 => return Ok(Step::Stale),
            1 => size - self.count + next.count,
            u16::MAX if next.count >= self.count => return Ok(Step::Stale),
            _ => return Err(CursorError::WrapMismatch),
        };
        if ahead > allowed {
            return Err(CursorError::Overrun);
        }
        Ok(Step::Forward(ahead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RING: RingSize = RingSize::MIN;
    const SIZE: u32 = 16 * 1024;

    fn raw(wrap: u16, count: u32) -> RawCursor {
        RawCursor { wrap, count }
    }

    #[test]
    fn compressed_sizes_are_those_of_the_rfc() {
        assert_eq!(RingSize::from_compressed(0), Some(RingSize::MIN));
        assert_eq!(RingSize::from_compressed(15), Some(RingSize::MAX));
        assert_eq!(RingSize::MAX.bytes(), 512 << 20);
        for bad in 16..=255 {
            assert_eq!(RingSize::from_compressed(bad), None);
            assert_eq!(RingSize::dmbe_from_compressed(bad), None);
        }
        for compressed in 0..=15 {
            let size = RingSize::from_compressed(compressed).unwrap();
            assert_eq!(size.bytes(), 16384 << compressed);
            assert_eq!(size.compressed(), compressed);
            assert_eq!(RingSize::from_bytes(size.bytes()), Some(size));
            let dmbe = RingSize::dmbe_from_compressed(compressed).unwrap();
            assert_eq!(dmbe.bytes(), size.bytes() - 32);
            assert_eq!(dmbe.compressed(), compressed);
        }
    }

    #[test]
    fn only_announceable_sizes_can_be_made_from_bytes() {
        for bad in [0, 1, 8192, 16383, 16385, 3 << 14, 1 << 30, u32::MAX] {
            assert_eq!(RingSize::from_bytes(bad), None, "{bad}");
        }
        assert_eq!(RingSize::at_least(0), RingSize::MIN);
        assert_eq!(RingSize::at_least(16384), RingSize::MIN);
        assert_eq!(RingSize::at_least(16385).bytes(), 32768);
        assert_eq!(RingSize::at_least((512 << 20) - 1), RingSize::MAX);
        assert_eq!(RingSize::at_least(u32::MAX), RingSize::MAX);
    }

    #[test]
    fn advancing_and_retreating_cross_the_end_with_the_wrap_number() {
        let end = Cursor::start(RING).advanced(SIZE - 1);
        assert_eq!(end.raw(), raw(0, SIZE - 1));
        assert_eq!(end.advanced(1).raw(), raw(1, 0));
        assert_eq!(end.advanced(SIZE).raw(), raw(1, SIZE - 1));
        assert_eq!(end.advanced(u32::MAX).raw(), raw(1, SIZE - 1));
        assert_eq!(end.advanced(1).retreated(1), end);
        assert_eq!(Cursor::start(RING).retreated(1).raw(), raw(65535, SIZE - 1));
        assert_eq!(
            Cursor::start(RING).retreated(u32::MAX).raw(),
            raw(65535, 0),
            "one ring is the most a cursor goes back"
        );
        assert_eq!(end.offset(), SIZE - 1);
        assert_eq!(end.size(), RING);
    }

    #[test]
    fn a_step_may_go_as_far_as_allowed_and_no_farther() {
        let at = Cursor::start(RING).advanced(SIZE - 10);
        assert_eq!(at.step_to(at.raw(), 0), Ok(Step::Forward(0)));
        assert_eq!(at.step_to(raw(0, SIZE - 5), 5), Ok(Step::Forward(5)));
        assert_eq!(
            at.step_to(raw(0, SIZE - 5), 4),
            Err(CursorError::Overrun),
            "inside the same wrap"
        );
        assert_eq!(at.step_to(raw(1, 20), 30), Ok(Step::Forward(30)));
        assert_eq!(
            at.step_to(raw(1, 20), 29),
            Err(CursorError::Overrun),
            "across the end"
        );
        // A full ring: same offset, next wrap.
        assert_eq!(at.step_to(raw(1, SIZE - 10), SIZE), Ok(Step::Forward(SIZE)));
        assert_eq!(
            at.step_to(raw(1, SIZE - 9), SIZE),
            Err(CursorError::Overrun)
        );
    }

    #[test]
    fn offsets_outside_the_ring_are_refused_whatever_the_wrap() {
        let at = Cursor::start(RING);
        for wrap in [0, 1, 2, 65535] {
            for count in [SIZE, SIZE + 1, 1 << 31, u32::MAX] {
                assert_eq!(
                    at.step_to(raw(wrap, count), SIZE),
                    Err(CursorError::OutsideRing)
                );
            }
        }
    }

    #[test]
    fn cursors_behind_are_stale_for_one_ring_and_impossible_beyond() {
        let at = Cursor::start(RING).advanced(SIZE).advanced(100);
        assert_eq!(at.step_to(raw(1, 99), SIZE), Ok(Step::Stale));
        assert_eq!(at.step_to(raw(0, 100), SIZE), Ok(Step::Stale));
        assert_eq!(at.step_to(raw(0, 99), SIZE), Err(CursorError::WrapMismatch));
        for wrap in [3, 4, 1000, 32769, 65535] {
            assert_eq!(
                at.step_to(raw(wrap, 100), SIZE),
                Err(CursorError::WrapMismatch),
                "{wrap}"
            );
        }
    }

    #[test]
    fn the_wrap_number_itself_wraps() {
        let before = Cursor::start(RING).retreated(4);
        assert_eq!(before.raw(), raw(65535, SIZE - 4));
        assert_eq!(before.step_to(raw(0, 4), 8), Ok(Step::Forward(8)));
        let after = before.advanced(8);
        assert_eq!(after.step_to(raw(65535, SIZE - 4), 0), Ok(Step::Stale));
    }

    #[test]
    fn every_error_has_its_own_sentence() {
        let all = [
            CursorError::OutsideRing,
            CursorError::WrapMismatch,
            CursorError::Overrun,
        ];
        for (n, one) in all.iter().enumerate() {
            assert!(one.reason().ends_with('.'));
            for other in all.iter().skip(n + 1) {
                assert_ne!(one.reason(), other.reason());
            }
        }
    }
}
