// SPDX-License-Identifier: GPL-2.0

//! CLC Accept and Confirm: what each end chose, and where the other may write
//! (RFC 7609 Appendix A.2.3 and A.2.4; SMC v2, "SMC v2 Accept", "SMC v2
//! Confirm").
//!
//! Version 1 messages have one length each. Those of version 2 have a least
//! length and may be longer, by the first contact extension or by what future
//! releases add; the latter is kept as [`SmcrV2::tail`], [`SmcdV2::tail`].

use super::fce::{FirstContact, Place};
use super::header::{Eyecatcher, Header, Kind, Modes, Version, HEADER_LEN};
use super::proposal::Sender;
use super::{framer, ClcError};
use crate::wire::codec::{NoSpace, Reader, Writer};
use crate::wire::types::{AlertToken, BufSize, Eid, Psn, QpMtu, Qpn, Rkey, RmbAddr, RmbeIndex};

/// Which of the two messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// From the server.
    Accept,
    /// From the client.
    Confirm,
}

impl Role {
    const fn kind(self) -> Kind {
        match self {
            Role::Accept => Kind::Accept,
            Role::Confirm => Kind::Confirm,
        }
    }
}

/// The part of SMC-R: a queue pair and a receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmcrBody {
    /// Host and RoCE port of the sender.
    pub sender: Sender,
    /// Its queue pair.
    pub qpn: Qpn,
    /// Remote key of its RMB.
    pub rkey: Rkey,
    /// The connection's element in the RMB.
    pub rmbe_index: RmbeIndex,
    /// What the peer names the connection by in CDC messages to the sender.
    pub token: AlertToken,
    /// Size of the element.
    pub rmbe_size: BufSize,
    /// MTU of the queue pair.
    pub mtu: QpMtu,
    /// Reserved, zero.
    pub reserved1: u8,
    /// Address of the RMB.
    pub rmb_addr: RmbAddr,
    /// Reserved, zero.
    pub reserved2: u8,
    /// First packet sequence number of the queue pair.
    pub psn: Psn,
}

impl SmcrBody {
    const LEN: usize = Sender::LEN + 26;

    /// Address of the connection's element, where the sender's peer writes;
    /// `None` if not all of it lies in the address space.
    pub fn element_addr(&self) -> Option<u64> {
        let offset = self.rmbe_index.offset(self.rmbe_size);
        let addr = self.rmb_addr.0.checked_add(offset)?;
        addr.checked_add(self.rmbe_size.bytes().into())
            .map(|_end| addr)
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, ClcError> {
        let sender = Sender::read(r)?;
        let qpn = Qpn::read(r)?;
        let rkey = Rkey(r.be32()?);
        let rmbe_index = RmbeIndex::new(r.u8()?).ok_or(ClcError::RmbeIndex)?;
        let token = AlertToken(r.be32()?);
        let size_mtu = r.u8()?;
        Ok(SmcrBody {
            sender,
            qpn,
            rkey,
            rmbe_index,
            token,
            rmbe_size: BufSize::from_low_nibble(size_mtu >> 4),
            mtu: QpMtu::from_low_nibble(size_mtu),
            reserved1: r.u8()?,
            rmb_addr: RmbAddr(r.be64()?),
            reserved2: r.u8()?,
            psn: Psn::read(r)?,
        })
    }

    fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        self.sender.write(w)?;
        self.qpn.write(w)?;
        w.be32(self.rkey.0)?;
        w.u8(self.rmbe_index.get())?;
        w.be32(self.token.0)?;
        w.u8(self.rmbe_size.bits() << 4 | self.mtu.bits())?;
        w.u8(self.reserved1)?;
        w.be64(self.rmb_addr.0)?;
        w.u8(self.reserved2)?;
        self.psn.write(w)
    }
}

/// The part of SMC-D: an ISM device and a receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmcdBody {
    /// GID of the sender's ISM device.
    pub gid: u64,
    /// Names its DMB.
    pub token: u64,
    /// The connection's element in the DMB; counts from 0.
    pub dmbe_index: u8,
    /// Size of the element.
    pub dmbe_size: BufSize,
    /// Reserved, zero: the low four bits beside the size, and two bytes.
    pub reserved: [u8; 3],
    /// The sender's name of the link group.
    pub link_id: [u8; 4],
}

impl SmcdBody {
    const LEN: usize = 24;

    fn read(r: &mut Reader<'_>) -> Result<Self, ClcError> {
        let gid = r.be64()?;
        let token = r.be64()?;
        let dmbe_index = r.u8()?;
        let size = r.u8()?;
        let [a, b] = *r.array()?;
        Ok(SmcdBody {
            gid,
            token,
            dmbe_index,
            dmbe_size: BufSize::from_low_nibble(size >> 4),
            reserved: [size & 0x0f, a, b],
            link_id: *r.array()?,
        })
    }

    fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        let [low, a, b] = self.reserved;
        w.be64(self.gid)?;
        w.be64(self.token)?;
        w.u8(self.dmbe_index)?;
        w.u8(self.dmbe_size.bits() << 4 | low & 0x0f)?;
        w.bytes(&[a, b])?;
        w.bytes(&self.link_id)
    }
}

/// What version 2 adds with SMC-R.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmcrV2<'a> {
    /// The number in the header, above 1; a Confirm repeats the Accept's.
    pub version: Version,
    /// The EID that both have.
    pub eid: Eid,
    /// Reserved, zero.
    pub reserved: [u8; 8],
    /// There on first contact.
    pub first_contact: Option<FirstContact<'a>>,
    /// What the sender added and this release does not know.
    pub tail: &'a [u8],
}

/// What version 2 adds with SMC-D.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmcdV2<'a> {
    /// The number in the header, above 1; a Confirm repeats the Accept's.
    pub version: Version,
    /// Channel of the ISM device.
    pub chid: u16,
    /// The EID that both have.
    pub eid: Eid,
    /// Lower half of the GID of an emulated ISM device; otherwise zero.
    pub gid_ext: u64,
    /// There on first contact.
    pub first_contact: Option<FirstContact<'a>>,
    /// What the sender added and this release does not know.
    pub tail: &'a [u8],
}

/// What follows the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// SMC-R version 1.
    RV1 {
        /// A new link group begins.
        first_contact: bool,
        /// Queue pair and buffer.
        smcr: SmcrBody,
    },
    /// SMC-D version 1.
    DV1 {
        /// A new link group begins.
        first_contact: bool,
        /// Device and buffer.
        smcd: SmcdBody,
        /// Reserved, zero.
        reserved: &'a [u8; 12],
    },
    /// SMC-R version 2.
    RV2 {
        /// Queue pair and buffer.
        smcr: SmcrBody,
        /// The rest.
        v2: SmcrV2<'a>,
    },
    /// SMC-D version 2.
    DV2 {
        /// Device and buffer.
        smcd: SmcdBody,
        /// The rest.
        v2: SmcdV2<'a>,
    },
}

/// A CLC Accept or Confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptConfirm<'a> {
    /// Which of the two.
    pub role: Role,
    /// Name at the front.
    eyecatcher: Eyecatcher,
    /// Name at the end.
    trailer: Eyecatcher,
    /// The bit beside the first contact flag; no meaning, kept.
    reserved_bit: bool,
    /// What was chosen.
    pub body: Body<'a>,
}

impl<'a> AcceptConfirm<'a> {
    const RESERVED_BIT: u8 = 0b0100;

    /// A message as Linux sends it: with the name of its kind at both ends.
    pub const fn new(role: Role, body: Body<'a>) -> Self {
        let name = match body {
            Body::RV1 { .. } | Body::RV2 { .. } => Eyecatcher::SmcR,
            Body::DV1 { .. } | Body::DV2 { .. } => Eyecatcher::SmcD,
        };
        AcceptConfirm {
            role,
            eyecatcher: name,
            trailer: name,
            reserved_bit: false,
            body,
        }
    }

    /// Parses an Accept or Confirm. `bytes` is the whole message, or of one
    /// that is longer than the C module's buffer (160 bytes for an Accept, 652
    /// for a Confirm) what fits in there; then the rest and the trailer are
    /// not known, and not checked.
    ///
    /// # Errors
    ///
    /// See [`ClcError`]. As in the C module, and in addition for RMBE index 0 and
    /// for a first contact extension that is missing or cut.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ClcError> {
        let header = Header::peek(bytes)?;
        let role = match header.kind {
            Kind::Accept => Role::Accept,
            Kind::Confirm => Role::Confirm,
            other => return Err(ClcError::Kind(other.code())),
        };
        let whole = usize::from(header.len) == bytes.len();
        let cut = usize::from(header.len) > bytes.len() && bytes.len() == framer::kept(header.kind);
        if !whole && !cut {
            return Err(ClcError::Length(header.len));
        }
        check_len(&header)?;
        let mut r = Reader::new(bytes);
        r.take(HEADER_LEN)?;
        let (mut body, trailer) = if cut {
            (r, header.eyecatcher)
        } else {
            // check_len() leaves room for a trailer.
            let len = r.remaining().saturating_sub(Eyecatcher::LEN);
            (r.sub(len)?, Eyecatcher::read_trailer(&mut r)?)
        };
        Ok(AcceptConfirm {
            role,
            eyecatcher: header.eyecatcher,
            trailer,
            reserved_bit: header.low & Self::RESERVED_BIT != 0,
            body: Body::read(&mut body, &header, role, cut)?,
        })
    }

    /// Whether the sender begins a new link group.
    pub const fn is_first_contact(&self) -> bool {
        match &self.body {
            Body::RV1 { first_contact, .. } | Body::DV1 { first_contact, .. } => *first_contact,
            Body::RV2 { v2, .. } => v2.first_contact.is_some(),
            Body::DV2 { v2, .. } => v2.first_contact.is_some(),
        }
    }

    /// The number of the version.
    pub const fn version(&self) -> Version {
        match &self.body {
            Body::RV1 { .. } | Body::DV1 { .. } => Version::V1,
            Body::RV2 { v2, .. } => v2.version,
            Body::DV2 { v2, .. } => v2.version,
        }
    }

    /// Length of the message in bytes.
    fn emitted_len(&self) -> usize {
        HEADER_LEN + self.body.len() + Eyecatcher::LEN
    }

    /// Writes the message to the front of `buf`; gives its length in bytes.
    ///
    /// # Errors
    ///
    /// [`NoSpace`] where `buf` is shorter than the message, or a part of it longer
    /// than a message may be; `buf` may then hold some of it.
    pub fn emit(&self, buf: &mut [u8]) -> Result<usize, NoSpace> {
        let mut low = match self.body {
            Body::RV1 { .. } | Body::RV2 { .. } => Modes::R.bits(),
            Body::DV1 { .. } | Body::DV2 { .. } => Modes::D.bits(),
        };
        if self.is_first_contact() {
            low |= Header::FLAG;
        }
        if self.reserved_bit {
            low |= Self::RESERVED_BIT;
        }
        let mut w = Writer::new(buf);
        let header = Header {
            eyecatcher: self.eyecatcher,
            kind: self.role.kind(),
            len: u16::try_from(self.emitted_len()).map_err(|_| NoSpace)?,
            version: self.version(),
            low,
        };
        header.write(&mut w)?;
        self.body.write(&mut w)?;
        w.bytes(&self.trailer.bytes())?;
        Ok(w.written())
    }
}

/// The lengths that smc_clc.c, `smc_clc_msg_acc_conf_valid`, allows.
pub(super) fn check_len(header: &Header) -> Result<(), ClcError> {
    let len = usize::from(header.len);
    let fixed = HEADER_LEN + Eyecatcher::LEN;
    let allowed = match (header.modes_v1(), header.version.is_v1()) {
        (Modes::R, true) => len == fixed + SmcrBody::LEN,
        (Modes::D, true) => len == fixed + Body::DV1_LEN,
        (Modes::R, false) => len >= fixed + Body::RV2_LEN,
        (Modes::D, false) => len >= fixed + Body::DV2_LEN,
        (Modes::None | Modes::Both, _) => return Err(ClcError::Modes),
    };
    if allowed {
        Ok(())
    } else {
        Err(ClcError::Length(header.len))
    }
}

impl<'a> Body<'a> {
    const DV1_LEN: usize = SmcdBody::LEN + 12;
    const RV2_LEN: usize = SmcrBody::LEN + 40;
    const DV2_LEN: usize = SmcdBody::LEN + 42;

    fn read(r: &mut Reader<'a>, header: &Header, role: Role, cut: bool) -> Result<Self, ClcError> {
        let first_contact = header.low & Header::FLAG != 0;
        match (header.modes_v1(), header.version.is_v1()) {
            (Modes::R, true) => Ok(Body::RV1 {
                first_contact,
                smcr: SmcrBody::read(r)?,
            }),
            (Modes::D, true) => Ok(Body::DV1 {
                first_contact,
                smcd: SmcdBody::read(r)?,
                reserved: r.array()?,
            }),
            (Modes::R, false) => {
                let place = match role {
                    Role::Accept => Place::SmcrAccept,
                    Role::Confirm => Place::SmcrConfirm,
                };
                Ok(Body::RV2 {
                    smcr: SmcrBody::read(r)?,
                    v2: SmcrV2 {
                        version: header.version,
                        eid: Eid::read(r)?,
                        reserved: *r.array()?,
                        first_contact: first_contact
                            .then(|| FirstContact::read(r, place, cut))
                            .transpose()?,
                        tail: r.clone().into_rest(),
                    },
                })
            }
            (Modes::D, false) => Ok(Body::DV2 {
                smcd: SmcdBody::read(r)?,
                v2: SmcdV2 {
                    version: header.version,
                    chid: r.be16()?,
                    eid: Eid::read(r)?,
                    gid_ext: r.be64()?,
                    first_contact: first_contact
                        .then(|| FirstContact::read(r, Place::Smcd, cut))
                        .transpose()?,
                    tail: r.clone().into_rest(),
                },
            }),
            (Modes::None | Modes::Both, _) => Err(ClcError::Modes),
        }
    }

    fn len(&self) -> usize {
        let v2 = |fce: &Option<FirstContact<'_>>, tail: &[u8]| {
            fce.as_ref().map_or(0, FirstContact::len) + tail.len()
        };
        match self {
            Body::RV1 { .. } => SmcrBody::LEN,
            Body::DV1 { .. } => Self::DV1_LEN,
            Body::RV2 { v2: more, .. } => Self::RV2_LEN + v2(&more.first_contact, more.tail),
            Body::DV2 { v2: more, .. } => Self::DV2_LEN + v2(&more.first_contact, more.tail),
        }
    }

    fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        match self {
            Body::RV1 { smcr, .. } => smcr.write(w),
            Body::DV1 { smcd, reserved, .. } => {
                smcd.write(w)?;
                w.bytes(*reserved)
            }
            Body::RV2 { smcr, v2 } => {
                smcr.write(w)?;
                v2.eid.write(w)?;
                w.bytes(&v2.reserved)?;
                if let Some(fce) = &v2.first_contact {
                    fce.write(w)?;
                }
                w.bytes(v2.tail)
            }
            Body::DV2 { smcd, v2 } => {
                smcd.write(w)?;
                w.be16(v2.chid)?;
                v2.eid.write(w)?;
                w.be64(v2.gid_ext)?;
                if let Some(fce) = &v2.first_contact {
                    fce.write(w)?;
                }
                w.bytes(v2.tail)
            }
        }
    }
}

#[cfg(all(test, not(MODULE)))]
mod tests {
    use super::*;

    fn body(addr: u64, index: u8, size: BufSize) -> SmcrBody {
        SmcrBody {
            sender: Sender::default(),
            qpn: Qpn::default(),
            rkey: Rkey(1),
            rmbe_index: RmbeIndex::new(index).unwrap(),
            token: AlertToken(1),
            rmbe_size: size,
            mtu: QpMtu::default(),
            reserved1: 0,
            rmb_addr: RmbAddr(addr),
            reserved2: 0,
            psn: Psn::default(),
        }
    }

    #[test]
    fn an_element_lies_within_the_address_space() {
        let size = BufSize::from_low_nibble(0);
        let bytes = u64::from(size.bytes());
        assert_eq!(body(5000, 3, size).element_addr(), Some(5000 + 2 * bytes));
        let last = u64::MAX - bytes;
        assert_eq!(body(last, 1, size).element_addr(), Some(last));
        assert_eq!(body(last + 1, 1, size).element_addr(), None);
        assert_eq!(body(last, 2, size).element_addr(), None);
        // The address of the element is beyond it already.
        let addr = u64::MAX - (100 << 20);
        assert_eq!(body(addr, 255, BufSize::MAX).element_addr(), None);
    }
}
