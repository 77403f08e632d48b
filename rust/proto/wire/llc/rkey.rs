// SPDX-License-Identifier: GPL-2.0

//! LLC messages about remote keys (RFC 7609 Appendix A.3.3 and A.3.5 to
//! A.3.7).

use super::link::LinkNum;
use super::{LlcError, LLC_LEN};
use crate::wire::codec::{NoSpace, Reader, Truncated, Writer};
use crate::wire::types::{Rkey, RmbAddr};

/// Length of a pair of keys, in bytes.
pub(super) const PAIR_LEN: usize = 16;
/// Pairs of keys in one ADD LINK CONTINUATION.
pub const PAIRS_PER_CONT: usize = 2;
/// Keys for other links in one CONFIRM RKEY.
pub const OTHER_KEYS: usize = 2;
/// Keys in one DELETE RKEY of version 1.
const MAX_DELETE_V1: usize = 8;
/// Keys in one DELETE RKEY of version 2.
const MAX_DELETE_V2: usize = 255;

/// Length of the fixed part of DELETE RKEY, header included, in bytes.
const DELETE_FIXED_LEN: usize = 8;

/// Where the peer's RDMA writes to an RMB go on one link: key and address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rtoken {
    /// Remote key of the RMB on that link.
    pub rkey: Rkey,
    /// Address of the RMB on that link.
    pub addr: RmbAddr,
}

impl Rtoken {
    fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(Rtoken {
            rkey: Rkey(r.be32()?),
            addr: RmbAddr(r.be64()?),
        })
    }

    fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        w.be32(self.rkey.0)?;
        w.be64(self.addr.0)
    }
}

/// One RMB on a new link: named by its key on a link that both know, and what
/// it is on the new link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeyPair {
    /// Key on the link over which the message travels.
    pub known: Rkey,
    /// Key and address on the new link.
    pub new: Rtoken,
}

impl KeyPair {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(KeyPair {
            known: Rkey(r.be32()?),
            new: Rtoken::read(r)?,
        })
    }

    /// Appends the pair to a list.
    ///
    /// # Errors
    ///
    /// [`NoSpace`] where the pair does not fit.
    pub fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        w.be32(self.known.0)?;
        self.new.write(w)
    }
}

/// The bytes of a list of [`KeyPair`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyPairs<'a>(&'a [u8]);

impl<'a> KeyPairs<'a> {
    /// A list in `bytes`; what is left behind the last whole pair counts for
    /// nothing.
    pub const fn new(bytes: &'a [u8]) -> Self {
        KeyPairs(bytes)
    }

    /// The bytes of the list.
    pub(super) const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The pairs.
    pub(super) fn iter(&self) -> impl Iterator<Item = KeyPair> + 'a {
        self.0
            .chunks_exact(PAIR_LEN)
            .filter_map(|c| KeyPair::read(&mut Reader::new(c)).ok())
    }
}

/// Key of an RMB on a link that is named by its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LinkKey {
    /// Number of the link.
    pub link: LinkNum,
    /// Key and address on it.
    pub token: Rtoken,
}

impl LinkKey {
    fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(LinkKey {
            link: LinkNum(r.u8()?),
            token: Rtoken::read(r)?,
        })
    }

    fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        w.u8(self.link.0)?;
        self.token.write(w)
    }
}

/// CONFIRM RKEY (RFC 7609 Appendix A.3.5): tells the keys of one new RMB on
/// all links. Version 2 uses the same layout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfirmRkey {
    /// How many keys for other links the sender has.
    pub count: u8,
    /// Key and address on the link over which the message travels.
    pub here: Rtoken,
    /// Keys on other links; `count` says how many of the two count.
    pub others: [LinkKey; OTHER_KEYS],
    /// Reserved.
    pub reserved: u8,
}

impl ConfirmRkey {
    /// The largest count that smc_llc.c accepts. It reads two keys even then.
    pub(crate) const MAX_COUNT: u8 = 3;

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(ConfirmRkey {
            count: r.u8()?,
            here: Rtoken::read(r)?,
            others: [LinkKey::read(r)?, LinkKey::read(r)?],
            reserved: r.u8()?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        w.u8(self.count)?;
        self.here.write(w)?;
        for key in &self.others {
            key.write(w)?;
        }
        w.u8(self.reserved)
    }

    /// The keys for other links that count.
    pub fn others(&self) -> impl Iterator<Item = LinkKey> + '_ {
        self.others.iter().copied().take(usize::from(self.count))
    }
}

/// CONFIRM RKEY CONTINUATION (RFC 7609 Appendix A.3.6): keys of further links.
/// Known, so that it can be told from noise; neither smc_llc.c nor this crate
/// has so many links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfirmRkeyCont {
    /// How many keys the sender has still to tell.
    pub count: u8,
    /// The keys.
    pub keys: [LinkKey; 3],
}

impl ConfirmRkeyCont {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(ConfirmRkeyCont {
            count: r.u8()?,
            keys: [LinkKey::read(r)?, LinkKey::read(r)?, LinkKey::read(r)?],
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        w.u8(self.count)?;
        for key in &self.keys {
            key.write(w)?;
        }
        Ok(())
    }
}

/// DELETE RKEY (RFC 7609 Appendix A.3.7): the sender takes RMBs back, each
/// named by its key on the link over which the message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeleteRkey<'a> {
    /// How many keys follow: at most 8 count in version 1.
    pub count: u8,
    /// Response. Version 1: a bit for each key that is not known, the highest
    /// for the first. Version 2: how many are not known.
    pub errors: u8,
    /// Reserved.
    reserved: &'a [u8; 2],
    /// All bytes behind, keys first; version 1 has 36.
    key_bytes: &'a [u8],
    /// Whether the message is of version 2, where all of `key_bytes` may be
    /// keys.
    v2: bool,
}

impl<'a> DeleteRkey<'a> {
    /// A request for the keys in `key_bytes`, four bytes each, big-endian; it
    /// is filled up with zeros to 44 bytes.
    pub const fn new(count: u8, key_bytes: &'a [u8], v2: bool) -> Self {
        DeleteRkey {
            count,
            errors: 0,
            reserved: &[0; 2],
            key_bytes,
            v2,
        }
    }

    pub(super) fn read(mut r: Reader<'a>, v2: bool, response: bool) -> Result<Self, LlcError> {
        let m = DeleteRkey {
            count: r.u8()?,
            errors: r.u8()?,
            reserved: r.array()?,
            key_bytes: r.into_rest(),
            v2,
        };
        // A response keeps the count, but has 44 bytes (smc_llc.c).
        if v2 && !response && usize::from(m.count).saturating_mul(4) > m.key_bytes.len() {
            return Err(LlcError::ListPastEnd);
        }
        Ok(m)
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        w.u8(self.count)?;
        w.u8(self.errors)?;
        w.bytes(self.reserved)?;
        w.bytes(self.key_bytes)?;
        w.zeros(LLC_LEN.saturating_sub(w.written()))
    }

    pub(super) fn wire_len(&self) -> usize {
        DELETE_FIXED_LEN
            .saturating_add(self.key_bytes.len())
            .max(LLC_LEN)
    }

    /// The keys that count.
    pub fn keys(&self) -> impl Iterator<Item = Rkey> + 'a {
        let max = if self.v2 {
            MAX_DELETE_V2
        } else {
            MAX_DELETE_V1
        };
        self.key_bytes
            .chunks_exact(4)
            .take(usize::from(self.count).min(max))
            .filter_map(|c| Reader::new(c).be32().ok().map(Rkey))
    }

    /// The body of the response, given for each key (first key first) whether
    /// it was known; and whether all were.
    ///
    /// Version 1 sends the request back with a bit for each unknown key;
    /// version 2 sends their number, and zeros for the keys (smc_llc.c).
    pub fn response(&self, known: impl Iterator<Item = bool>) -> (Self, bool) {
        let mut bits = 0u8;
        let mut unknown = 0u8;
        for (i, _) in known.enumerate().filter(|(_, known)| !known) {
            unknown = unknown.saturating_add(1);
            bits |= u8::try_from(i).map_or(0, |i| 0x80u8.checked_shr(i.into()).unwrap_or(0));
        }
        let body = if self.v2 {
            DeleteRkey {
                errors: if unknown > 0 { unknown } else { self.errors },
                key_bytes: &[],
                ..*self
            }
        } else {
            DeleteRkey {
                errors: if unknown > 0 { bits } else { self.errors },
                ..*self
            }
        };
        (body, unknown == 0)
    }
}
