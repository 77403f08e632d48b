// SPDX-License-Identifier: GPL-2.0

//! Bounded lists of equal entries inside a message.

use core::fmt;
use core::marker::PhantomData;

use super::ClcError;
use crate::wire::codec::{NoSpace, Reader, Truncated, Writer};
use crate::wire::types::{Eid, Gid};

/// One entry of a list, of a fixed length.
pub trait Entry: Sized {
    /// Length on the wire in bytes, above 0.
    const LEN: usize;

    /// Reads one entry.
    ///
    /// # Errors
    ///
    /// [`Truncated`] where fewer bytes are left than an entry has.
    fn read(r: &mut Reader<'_>) -> Result<Self, Truncated>;

    /// Writes the entry.
    ///
    /// # Errors
    ///
    /// [`NoSpace`] where the entry does not fit.
    fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace>;
}

/// At most `MAX` entries of type `T`, borrowed as the bytes of the wire.
pub struct Entries<'a, T, const MAX: usize> {
    bytes: &'a [u8],
    entry: PhantomData<T>,
}

impl<'a, T: Entry, const MAX: usize> Entries<'a, T, MAX> {
    /// No entry.
    pub const EMPTY: Self = Entries {
        bytes: &[],
        entry: PhantomData,
    };

    /// The entries that `bytes` hold; `None` where they are not a whole number
    /// of entries or more than `MAX`.
    fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() % T::LEN != 0 || bytes.len() / T::LEN > MAX {
            return None;
        }
        Some(Entries {
            bytes,
            entry: PhantomData,
        })
    }

    /// Writes `items` to the front of `buf` and gives the list of them; `None`
    /// where they are more than `MAX` or don't fit.
    pub fn fill(buf: &'a mut [u8], items: impl IntoIterator<Item = T>) -> Option<Self> {
        let mut w = Writer::new(buf);
        for item in items {
            item.write(&mut w).ok()?;
        }
        let len = w.written();
        Self::from_bytes(buf.get(..len)?)
    }

    /// How many entries there are, at most `MAX`.
    pub const fn len(&self) -> usize {
        self.bytes.len() / T::LEN
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The entries, in the order of the wire.
    pub fn iter(&self) -> impl Iterator<Item = T> + 'a {
        self.bytes
            .chunks_exact(T::LEN)
            .filter_map(|entry| T::read(&mut Reader::new(entry)).ok())
    }

    /// The entries as they stand on the wire.
    pub(super) const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Reads `count` entries.
    pub(super) fn read(r: &mut Reader<'a>, count: usize) -> Result<Option<Self>, Truncated> {
        let len = count.checked_mul(T::LEN).ok_or(Truncated)?;
        r.take(len).map(Self::from_bytes)
    }
}

/// Reads a list of `count` entries, which may be at most 8.
pub(super) fn read_list<'a, T: Entry>(
    r: &mut Reader<'a>,
    count: u8,
) -> Result<Entries<'a, T, 8>, ClcError> {
    if count > 8 {
        return Err(ClcError::Count(count));
    }
    Entries::read(r, usize::from(count))?.ok_or(ClcError::Count(count))
}

/// How many entries a list of at most 8 has.
pub(super) fn count_of<T: Entry>(list: &Entries<'_, T, 8>) -> u8 {
    // At most 8, so the fallback is never used.
    u8::try_from(list.len()).unwrap_or(u8::MAX)
}

// Written out, because a derive would ask the same of `T`.
impl<T, const MAX: usize> Clone for Entries<'_, T, MAX> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, const MAX: usize> Copy for Entries<'_, T, MAX> {}

impl<T, const MAX: usize> PartialEq for Entries<'_, T, MAX> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<T, const MAX: usize> Eq for Entries<'_, T, MAX> {}

impl<T: Entry + fmt::Debug, const MAX: usize> fmt::Debug for Entries<'_, T, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Entry for Eid {
    const LEN: usize = 32;

    fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        Eid::read(r)
    }

    fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        Eid::write(self, w)
    }
}

impl Entry for Gid {
    const LEN: usize = 16;

    fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        Gid::read(r)
    }

    fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        Gid::write(self, w)
    }
}

/// An IPv6 prefix of the client's interface (RFC 7609 Appendix A.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct V6Prefix {
    /// The prefix; bits behind `len` are zero when we send it.
    pub addr: [u8; 16],
    /// Significant bits, 0 to 128. Not judged when parsed: a length above 128
    /// equals that of no interface, so it matches none.
    pub len: u8,
}

impl Entry for V6Prefix {
    const LEN: usize = 17;

    fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(V6Prefix {
            addr: *r.array()?,
            len: r.u8()?,
        })
    }

    fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        w.bytes(&self.addr)?;
        w.u8(self.len)
    }
}

/// An ISM device: its GID and the channel that it is on (SMC v2, "SMC-Dv2
/// Extension").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GidChid {
    /// GID of the ISM device.
    pub gid: u64,
    /// Channel ID; 0xff00 to 0xffff are emulated devices, which take two
    /// entries with the same channel (upper, then lower half of the GID).
    pub chid: u16,
}

impl Entry for GidChid {
    const LEN: usize = 10;

    fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(GidChid {
            gid: r.be64()?,
            chid: r.be16()?,
        })
    }

    fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        w.be64(self.gid)?;
        w.be16(self.chid)
    }
}

#[cfg(all(test, not(MODULE)))]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn a_list_holds_whole_entries_up_to_its_maximum() {
        let bytes = [7u8; 40];
        let list = Entries::<GidChid, 4>::from_bytes(&bytes).unwrap();
        assert_eq!(list.len(), 4);
        assert_eq!(list.iter().count(), 4);
        assert_eq!(
            list.iter().next(),
            Some(GidChid {
                gid: 0x0707_0707_0707_0707,
                chid: 0x0707
            })
        );
        assert!(Entries::<GidChid, 3>::from_bytes(&bytes).is_none());
        assert!(Entries::<GidChid, 4>::from_bytes(&bytes[..39]).is_none());
        assert!(Entries::<GidChid, 4>::EMPTY.is_empty());
    }

    #[test]
    fn a_list_is_filled_up_to_its_maximum() {
        let mut buf = [0; 64];
        let gid = Gid([3; 16]);
        let list = Entries::<Gid, 2>::fill(&mut buf, [gid, gid]).unwrap();
        assert_eq!(list.iter().collect::<Vec<_>>(), [gid, gid]);
        assert!(std::format!("{list:?}").starts_with('['));
        assert!(Entries::<Gid, 2>::fill(&mut buf, [gid, gid, gid]).is_none());
        assert!(Entries::<Gid, 9>::fill(&mut buf, [gid; 5]).is_none());
    }
}
