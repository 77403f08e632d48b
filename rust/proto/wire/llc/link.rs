// SPDX-License-Identifier: GPL-2.0

//! LLC messages about links (RFC 7609 Appendix A.3.1 to A.3.4 and A.3.8; SMC
//! v2 for the extension of ADD LINK and for REQUEST ADD LINK).

use super::rkey::{KeyPair, KeyPairs, PAIRS_PER_CONT, PAIR_LEN};
use super::{ByteOrder, LlcError, LLC_LEN};
use crate::wire::codec::{NoSpace, Reader, Truncated, Writer};
use crate::wire::types::{Gid, Mac, Psn, QpMtu, Qpn};

/// Length of the fixed part of the v2 extension of ADD LINK, in bytes.
pub(super) const EXT_LEN: usize = 28;
/// Length of the fixed part of REQUEST ADD LINK, header included, in bytes.
const REQ_FIXED_LEN: usize = 28;

/// Number of a link within its group: given by the server, and again only when
/// all have been (RFC 7609 §2.2.4); never 0, as in the C module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkNum(pub u8);

/// Name of a link for operators, unique on the sending host (RFC 7609 §2.2.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LinkUid(pub [u8; 4]);

/// Why an ADD LINK is rejected (RFC 7609 Appendix A.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RejectReason {
    /// The client has no other path to offer, or wants no other link.
    NoAlternatePath,
    /// The MTU is none.
    InvalidMtu,
    /// Any other value of the four bits.
    Other(u8),
}

impl RejectReason {
    /// From the low four bits of byte 2.
    pub(super) const fn from_bits(byte: u8) -> Self {
        match byte & 0x0f {
            1 => RejectReason::NoAlternatePath,
            2 => RejectReason::InvalidMtu,
            other => RejectReason::Other(other),
        }
    }

    /// The four bits of the wire.
    pub(super) const fn bits(self) -> u8 {
        match self {
            RejectReason::NoAlternatePath => 1,
            RejectReason::InvalidMtu => 2,
            RejectReason::Other(other) => other & 0x0f,
        }
    }
}

/// Why a link or a group is deleted (RFC 7609 Appendix A.3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeleteReason {
    /// A response that has nothing to complain about.
    None,
    /// The path of the link is lost.
    LostPath,
    /// An operator ended the link or group.
    Operator,
    /// The stack ended the link or group, for it is idle or goes away.
    Program,
    /// The peer broke the protocol.
    ProtocolViolation,
    /// The link that shares a port with another is not needed any more.
    AsymmetricNotNeeded,
    /// Response: there is no such link.
    UnknownLink,
    /// Response: there is no such link group.
    UnknownGroup,
    /// Any other value.
    Other(u32),
}

impl DeleteReason {
    /// From the code of the wire.
    const fn from_code(code: u32) -> Self {
        match code {
            0 => DeleteReason::None,
            0x0001_0000 => DeleteReason::LostPath,
            0x0002_0000 => DeleteReason::Operator,
            0x0003_0000 => DeleteReason::Program,
            0x0004_0000 => DeleteReason::ProtocolViolation,
            0x0005_0000 => DeleteReason::AsymmetricNotNeeded,
            0x0010_0000 => DeleteReason::UnknownLink,
            0x0020_0000 => DeleteReason::UnknownGroup,
            other => DeleteReason::Other(other),
        }
    }

    /// The code of the wire.
    pub const fn code(self) -> u32 {
        match self {
            DeleteReason::None => 0,
            DeleteReason::LostPath => 0x0001_0000,
            DeleteReason::Operator => 0x0002_0000,
            DeleteReason::Program => 0x0003_0000,
            DeleteReason::ProtocolViolation => 0x0004_0000,
            DeleteReason::AsymmetricNotNeeded => 0x0005_0000,
            DeleteReason::UnknownLink => 0x0010_0000,
            DeleteReason::UnknownGroup => 0x0020_0000,
            DeleteReason::Other(other) => other,
        }
    }

    /// The reason as a sentence for people.
    pub const fn sentence(self) -> &'static str {
        match self {
            DeleteReason::None => "No reason is given.",
            DeleteReason::LostPath => "The path of the link is lost.",
            DeleteReason::Operator => "An operator ended it.",
            DeleteReason::Program => "The SMC stack ended it.",
            DeleteReason::ProtocolViolation => "The peer broke the LLC protocol.",
            DeleteReason::AsymmetricNotNeeded => "The asymmetric link is not needed any more.",
            DeleteReason::UnknownLink => "The link group has no such link.",
            DeleteReason::UnknownGroup => "There is no such link group.",
            DeleteReason::Other(_) => "The reason code is not known.",
        }
    }
}

/// CONFIRM LINK (RFC 7609 Appendix A.3.1): sent over the link it is about, by
/// the server as a request, by the client as the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfirmLink<'a> {
    /// MAC address of the sender's port.
    pub mac: Mac,
    /// GID of the sender's port.
    pub gid: Gid,
    /// The sender's queue pair.
    pub qpn: Qpn,
    /// Number of the link, which the server gives.
    pub link: LinkNum,
    /// The sender's name for the link.
    pub uid: LinkUid,
    /// How many links the sender wants in the group at most.
    pub max_links: u8,
    /// How many connections the sender wants in the group at most; SMC v2.1,
    /// else 0.
    pub max_conns: u8,
    /// Reserved.
    pub reserved: &'a [u8; 8],
}

impl<'a> ConfirmLink<'a> {
    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, Truncated> {
        Ok(ConfirmLink {
            mac: Mac::read(r)?,
            gid: Gid::read(r)?,
            qpn: Qpn::read(r)?,
            link: LinkNum(r.u8()?),
            uid: LinkUid(*r.array()?),
            max_links: r.u8()?,
            max_conns: r.u8()?,
            reserved: r.array()?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        self.mac.write(w)?;
        self.gid.write(w)?;
        self.qpn.write(w)?;
        w.u8(self.link.0)?;
        w.bytes(&self.uid.0)?;
        w.u8(self.max_links)?;
        w.u8(self.max_conns)?;
        w.bytes(self.reserved)
    }
}

/// ADD LINK (RFC 7609 Appendix A.3.2): the server offers a queue pair for a
/// new link, the client answers with its own, or rejects. From the client as a
/// request it is a hint that another port is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddLink<'a> {
    /// MAC address of the sender's port.
    pub mac: Mac,
    /// Reserved.
    pub reserved2: &'a [u8; 2],
    /// GID of the sender's port.
    pub gid: Gid,
    /// The sender's queue pair.
    pub qpn: Qpn,
    /// Number of the new link.
    pub link: LinkNum,
    /// Path MTU of the sender. smc_llc.c rejects an offer without one (0).
    pub mtu: QpMtu,
    /// High four bits of the byte that holds the MTU; reserved.
    pub mtu_reserved: u8,
    /// Packet sequence number that the sender's queue pair begins with.
    pub psn: Psn,
    /// Reserved.
    pub reserved: &'a [u8; 8],
    /// The keys of RMBs on the new link: version 2 only, and not in a
    /// rejection.
    pub ext: Option<AddLinkExt<'a>>,
}

impl<'a> AddLink<'a> {
    pub(super) fn read(r: &mut Reader<'a>, v2: bool) -> Result<Self, LlcError> {
        let mac = Mac::read(r)?;
        let reserved2 = r.array()?;
        let gid = Gid::read(r)?;
        let qpn = Qpn::read(r)?;
        let link = LinkNum(r.u8()?);
        let mtu_byte = r.u8()?;
        Ok(AddLink {
            mac,
            reserved2,
            gid,
            qpn,
            link,
            mtu: QpMtu::from_low_nibble(mtu_byte),
            mtu_reserved: mtu_byte & 0xf0,
            psn: Psn::read(r)?,
            reserved: r.array()?,
            ext: if v2 && !r.is_empty() {
                Some(AddLinkExt::read(r)?)
            } else {
                None
            },
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        self.mac.write(w)?;
        w.bytes(self.reserved2)?;
        self.gid.write(w)?;
        self.qpn.write(w)?;
        w.u8(self.link.0)?;
        w.u8(self.mtu.bits() | (self.mtu_reserved & 0xf0))?;
        self.psn.write(w)?;
        w.bytes(self.reserved)?;
        match &self.ext {
            Some(ext) => ext.write(w),
            None => Ok(()),
        }
    }

    pub(super) fn ext_len(&self) -> usize {
        self.ext
            .map_or(0, |e| EXT_LEN.saturating_add(e.keys.as_bytes().len()))
    }

    pub(super) fn without_ext(self) -> Self {
        AddLink { ext: None, ..self }
    }
}

/// The extension of ADD LINK in version 2: it carries the keys that version 1
/// exchanges in continuations (SMC v2, ADD LINK).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddLinkExt<'a> {
    /// First byte; its high bit says that no gateway is between the ports.
    pub direct: u8,
    /// Reserved.
    pub reserved2: u8,
    /// GID that the peer should use as its target. smc_llc.c writes its own
    /// GID and reads none.
    pub target_gid: Gid,
    /// Reserved.
    pub reserved3: &'a [u8; 8],
    /// How many pairs of keys follow, as it stands on the wire.
    pub count: [u8; 2],
    /// All bytes behind the count.
    pub keys: KeyPairs<'a>,
}

impl<'a> AddLinkExt<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, Truncated> {
        Ok(AddLinkExt {
            direct: r.u8()?,
            reserved2: r.u8()?,
            target_gid: Gid::read(r)?,
            reserved3: r.array()?,
            count: *r.array()?,
            keys: KeyPairs::new(r.take(r.remaining())?),
        })
    }

    fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        w.u8(self.direct)?;
        w.u8(self.reserved2)?;
        self.target_gid.write(w)?;
        w.bytes(self.reserved3)?;
        w.bytes(&self.count)?;
        w.bytes(self.keys.as_bytes())
    }

    /// The number of pairs that the count claims.
    ///
    /// Groups have at most 255 RMBs, so one of the two bytes is 0 in either
    /// byte order, and the other one is the number; where neither is 0 the low
    /// byte of the little-endian reading counts, as in smc_llc.c.
    pub const fn claimed(&self) -> u8 {
        match self.count {
            [0, n] | [n, _] => n,
        }
    }

    /// The pairs: as many as the count claims, but none that the message does
    /// not hold.
    ///
    /// smc_llc.c counts connections, not RMBs, when it fills in the count
    /// (`conns_num`), so an honest peer may claim more than it sends, and its
    /// receiver reads on behind the message. Here the message ends the list.
    pub fn pairs(&self) -> impl Iterator<Item = KeyPair> + 'a {
        self.keys.iter().take(usize::from(self.claimed()))
    }

    /// The two bytes of a count of `n` pairs.
    pub const fn count_bytes(order: ByteOrder, n: u8) -> [u8; 2] {
        order.put(n as u16)
    }
}

/// ADD LINK CONTINUATION (RFC 7609 Appendix A.3.3): keys on the new link, two
/// RMBs in a message; request and response take turns until both sides have
/// told all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddLinkCont<'a> {
    /// Number of the new link.
    pub link: LinkNum,
    /// How many RMBs the sender has still to tell, those of this message
    /// included.
    pub remaining: u8,
    /// Reserved.
    pub reserved2: &'a [u8; 2],
    /// The keys; `remaining` says how many of the two count.
    pub pairs: [KeyPair; PAIRS_PER_CONT],
    /// Reserved.
    pub reserved: &'a [u8; 4],
}

impl<'a> AddLinkCont<'a> {
    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, Truncated> {
        Ok(AddLinkCont {
            link: LinkNum(r.u8()?),
            remaining: r.u8()?,
            reserved2: r.array()?,
            pairs: [KeyPair::read(r)?, KeyPair::read(r)?],
            reserved: r.array()?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        w.u8(self.link.0)?;
        w.u8(self.remaining)?;
        w.bytes(self.reserved2)?;
        for pair in &self.pairs {
            pair.write(w)?;
        }
        w.bytes(self.reserved)
    }

    /// The pairs that count.
    pub fn pairs(&self) -> impl Iterator<Item = KeyPair> + '_ {
        self.pairs.iter().copied().take(usize::from(self.remaining))
    }
}

/// DELETE LINK (RFC 7609 Appendix A.3.4): the server orders it, the client
/// asks for it; the flags say whether it is about all links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeleteLink<'a> {
    /// Number of the link.
    pub link: LinkNum,
    /// Why.
    pub reason: DeleteReason,
    /// Reserved.
    pub reserved: &'a [u8; 35],
}

impl<'a> DeleteLink<'a> {
    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, Truncated> {
        Ok(DeleteLink {
            link: LinkNum(r.u8()?),
            reason: DeleteReason::from_code(r.be32()?),
            reserved: r.array()?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        w.u8(self.link.0)?;
        w.be32(self.reason.code())?;
        w.bytes(self.reserved)
    }
}

/// REQUEST ADD LINK (SMC v2): the client asks for another link and names its
/// ports. The response, all zero, says that there will be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReqAddLink<'a> {
    /// Reserved.
    pub reserved: &'a [u8; 20],
    /// How many GIDs follow, as it stands on the wire.
    pub count: u8,
    /// Reserved.
    pub reserved2: &'a [u8; 3],
    /// All bytes behind.
    pub gid_bytes: &'a [u8],
}

impl<'a> ReqAddLink<'a> {
    pub(super) fn read(mut r: Reader<'a>) -> Result<Self, Truncated> {
        Ok(ReqAddLink {
            reserved: r.array()?,
            count: r.u8()?,
            reserved2: r.array()?,
            gid_bytes: r.into_rest(),
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        w.bytes(self.reserved)?;
        w.u8(self.count)?;
        w.bytes(self.reserved2)?;
        w.bytes(self.gid_bytes)?;
        w.zeros(LLC_LEN.saturating_sub(w.written()))
    }

    pub(super) fn wire_len(&self) -> usize {
        REQ_FIXED_LEN
            .saturating_add(self.gid_bytes.len())
            .max(LLC_LEN)
    }

    /// The GIDs: as many as the count claims, but none that the message does
    /// not hold.
    pub fn gids(&self) -> impl Iterator<Item = Gid> + 'a {
        self.gid_bytes
            .chunks_exact(Gid::LEN)
            .take(usize::from(self.count))
            .filter_map(|c| Gid::read(&mut Reader::new(c)).ok())
    }
}

/// TEST LINK (RFC 7609 Appendix A.3.8): the response brings the data back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestLink<'a> {
    /// What the requester wants back.
    pub user_data: &'a [u8; 16],
    /// Reserved.
    pub reserved: &'a [u8; 24],
}

impl<'a> TestLink<'a> {
    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, Truncated> {
        Ok(TestLink {
            user_data: r.array()?,
            reserved: r.array()?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        w.bytes(self.user_data)?;
        w.bytes(self.reserved)
    }
}

const _: () = assert!(LLC_LEN == 4 + 6 + 2 + 16 + 3 + 1 + 1 + 3 + 8);
const _: () = assert!(LLC_LEN == 4 + 4 + PAIRS_PER_CONT * PAIR_LEN + 4);
