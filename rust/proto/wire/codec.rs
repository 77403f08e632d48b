// SPDX-License-Identifier: GPL-2.0

//! Bounded reading and writing of wire bytes.
//!
//! Every field of every message passes through a [`Reader`] or a [`Writer`]:
//! the one place where a position is compared with a length. Integers on the
//! wire are big-endian (network order, RFC 7609 Appendix A); they leave the
//! reader, and enter the writer, in host order, so that a value in network
//! order never has a Rust type.

/// The input ended inside a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated;

/// The caller's buffer is too small for the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSpace;

/// Reads fields from the front of a byte slice; never past its end.
///
/// A read that does not fit fails with [`Truncated`] and consumes nothing.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from their beginning.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    /// How many bytes are left.
    pub(super) const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Whether every byte was read.
    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Gives all bytes that are left and ends the reader.
    pub(super) const fn into_rest(self) -> &'a [u8] {
        self.rest
    }

    /// Takes the next `n` bytes.
    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], Truncated> {
        let head = self.rest.get(..n).ok_or(Truncated)?;
        self.rest = self.rest.get(n..).ok_or(Truncated)?;
        Ok(head)
    }

    /// Takes the next `n` bytes as a reader of their own, which can't run into
    /// what follows them.
    pub(super) fn sub(&mut self, n: usize) -> Result<Reader<'a>, Truncated> {
        self.take(n).map(Reader::new)
    }

    /// Takes the next `N` bytes as an array, without a copy.
    pub(super) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Truncated> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    /// Takes one byte.
    pub(super) fn u8(&mut self) -> Result<u8, Truncated> {
        let [b] = *self.array::<1>()?;
        Ok(b)
    }

    /// Takes two bytes, big-endian.
    pub(super) fn be16(&mut self) -> Result<u16, Truncated> {
        self.array::<2>().map(|b| u16::from_be_bytes(*b))
    }

    /// Takes three bytes, big-endian; the value is below 2^24.
    pub(super) fn be24(&mut self) -> Result<u32, Truncated> {
        let [a, b, c] = *self.array::<3>()?;
        Ok(u32::from_be_bytes([0, a, b, c]))
    }

    /// Takes four bytes, big-endian.
    pub(super) fn be32(&mut self) -> Result<u32, Truncated> {
        self.array::<4>().map(|b| u32::from_be_bytes(*b))
    }

    /// Takes eight bytes, big-endian.
    pub(super) fn be64(&mut self) -> Result<u64, Truncated> {
        self.array::<8>().map(|b| u64::from_be_bytes(*b))
    }
}

/// Writes fields to the front of a caller's buffer; never past its end.
///
/// A write that does not fit fails with [`NoSpace`] and writes nothing.
#[derive(Debug)]
pub struct Writer<'a> {
    buf: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    /// Writes into `buf` from its beginning.
    pub fn new(buf: &'a mut [u8]) -> Self {
        Writer { buf, at: 0 }
    }

    /// How many bytes were written.
    pub const fn written(&self) -> usize {
        self.at
    }

    /// Appends `bytes`.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), NoSpace> {
        let end = self.at.checked_add(bytes.len()).ok_or(NoSpace)?;
        self.buf
            .get_mut(self.at..end)
            .ok_or(NoSpace)?
            .copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }

    /// Appends `n` zero bytes.
    pub(super) fn zeros(&mut self, n: usize) -> Result<(), NoSpace> {
        let end = self.at.checked_add(n).ok_or(NoSpace)?;
        self.buf.get_mut(self.at..end).ok_or(NoSpace)?.fill(0);
        self.at = end;
        Ok(())
    }

    /// Appends one byte.
    pub(super) fn u8(&mut self, v: u8) -> Result<(), NoSpace> {
        self.bytes(&[v])
    }

    /// Appends two bytes, big-endian.
    pub(super) fn be16(&mut self, v: u16) -> Result<(), NoSpace> {
        self.bytes(&v.to_be_bytes())
    }

    /// Appends the low three bytes of `v`, big-endian. The types that hold a
    /// 24 bit value keep it below 2^24.
    pub(super) fn be24(&mut self, v: u32) -> Result<(), NoSpace> {
        let [_, a, b, c] = v.to_be_bytes();
        self.bytes(&[a, b, c])
    }

    /// Appends four bytes, big-endian.
    pub(super) fn be32(&mut self, v: u32) -> Result<(), NoSpace> {
        self.bytes(&v.to_be_bytes())
    }

    /// Appends eight bytes, big-endian.
    pub(super) fn be64(&mut self, v: u64) -> Result<(), NoSpace> {
        self.bytes(&v.to_be_bytes())
    }
}

#[cfg(all(test, not(MODULE)))]
mod tests {
    use super::*;

    #[test]
    fn reader_takes_fields_in_network_order() {
        let bytes = [
            1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 0xff,
        ];
        let mut r = Reader::new(&bytes);
        assert_eq!(r.u8(), Ok(1));
        assert_eq!(r.be16(), Ok(0x0203));
        assert_eq!(r.be24(), Ok(0x0004_0506));
        assert_eq!(r.be32(), Ok(0x0708_090a));
        assert_eq!(r.be64(), Ok(0x0b0c_0d0e_0f10_1112));
        assert_eq!(r.remaining(), 1);
        assert!(!r.is_empty());
        assert_eq!(r.into_rest(), &[0xff]);
    }

    #[test]
    fn a_read_past_the_end_fails_and_consumes_nothing() {
        let bytes = [1, 2];
        let mut r = Reader::new(&bytes);
        assert_eq!(r.be24(), Err(Truncated));
        assert_eq!(r.be32(), Err(Truncated));
        assert_eq!(r.be64(), Err(Truncated));
        assert_eq!(r.take(3), Err(Truncated));
        assert_eq!(r.take(usize::MAX), Err(Truncated));
        assert_eq!(r.remaining(), 2);
        assert_eq!(r.be16(), Ok(0x0102));
        assert_eq!(r.u8(), Err(Truncated));
        assert_eq!(r.take(0), Ok(&[][..]));
    }

    #[test]
    fn a_sub_reader_is_bounded() {
        let bytes = [1, 2, 3];
        let mut r = Reader::new(&bytes);
        let mut s = r.sub(2).unwrap();
        assert_eq!(s.be24(), Err(Truncated));
        assert_eq!(s.be16(), Ok(0x0102));
        assert!(s.is_empty());
        assert_eq!(r.u8(), Ok(3));
        assert!(r.sub(1).is_err());
    }

    #[test]
    fn writer_writes_what_reader_reads() {
        let mut buf = [0xaa; 24];
        let mut w = Writer::new(&mut buf);
        w.u8(1).unwrap();
        w.be16(0x0203).unwrap();
        w.be24(0xff04_0506).unwrap();
        w.be32(0x0708_090a).unwrap();
        w.be64(0x0b0c_0d0e_0f10_1112).unwrap();
        w.zeros(2).unwrap();
        w.bytes(&[7, 8]).unwrap();
        assert_eq!(w.written(), 22);
        let mut want = [0u8; 18];
        for (i, b) in (1u8..).zip(want.iter_mut()) {
            *b = i;
        }
        assert_eq!(&buf[..18], &want);
        assert_eq!(&buf[18..], &[0, 0, 7, 8, 0xaa, 0xaa]);
    }

    #[test]
    fn a_write_past_the_end_fails_and_writes_nothing() {
        let mut buf = [0xaa; 3];
        let mut w = Writer::new(&mut buf);
        w.be16(0x0102).unwrap();
        assert_eq!(w.be16(1), Err(NoSpace));
        assert_eq!(w.zeros(2), Err(NoSpace));
        assert_eq!(w.zeros(usize::MAX), Err(NoSpace));
        assert_eq!(w.written(), 2);
        assert_eq!(buf, [1, 2, 0xaa]);
    }
}
