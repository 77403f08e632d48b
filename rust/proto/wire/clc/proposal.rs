// SPDX-License-Identifier: GPL-2.0

//! CLC Proposal: what the client can do (RFC 7609 Appendix A.2.2; SMC v2,
//! "SMC v2 Proposal").
//!
//! In version 1 the parts follow each other as
//! `header, sender, area (0 to 40 bytes), IP area, trailer`, and in version 2 as
//! `header, sender, SMC-D area (40 bytes), [IP area], [v2 extension with EIDs,
//! [SMC-Dv2 extension]], trailer`. The message also carries offsets to the
//! parts. As the length must be the exact sum of the parts, the order above is
//! the only one in which they do not overlap, so the offsets carry no freedom:
//! one that leads elsewhere is an error here.

use super::header::{Eyecatcher, Header, Kind, Modes, Version, HEADER_LEN};
use super::ip::{IpArea, IP_AREA_LEN};
use super::offer::{
    sum, SmcdArea, V1Modes, V1Offer, V2Offer, SMCD_AREA_LEN, SMCD_V2_EXT_LEN, V2_EXT_LEN,
};
use super::ClcError;
use crate::wire::codec::{NoSpace, Reader, Writer};
use crate::wire::types::{Gid, Mac, PeerId};

/// From the end of the field `v2_ext_offset` to the end of [`SmcdArea`].
const AFTER_V2_OFFSET: usize = 28;
/// Header, sender and the offset to the IP area.
const BASE_LEN: usize = HEADER_LEN + Sender::LEN + 2;

/// The longest Proposal: everything, with 8 IPv6 prefixes, 8 EIDs and 8 ISM
/// GIDs.
pub const MAX_PROPOSAL_LEN: usize = BASE_LEN
    + SMCD_AREA_LEN
    + IP_AREA_LEN
    + 8 * 17
    + V2_EXT_LEN
    + 8 * 32
    + SMCD_V2_EXT_LEN
    + 8 * 10
    + Eyecatcher::LEN;

/// Who sends a message: the host and its RoCE port (RFC 7609 Appendix A.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// The sending host.
    pub peer_id: PeerId,
    /// GID of its RoCE port. In a Proposal: for SMC-Rv1 only.
    pub gid: Gid,
    /// MAC address of its RoCE port.
    pub mac: Mac,
}

impl Sender {
    /// Length on the wire in bytes.
    pub(super) const LEN: usize = PeerId::LEN + Gid::LEN + Mac::LEN;

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, ClcError> {
        Ok(Sender {
            peer_id: PeerId::read(r)?,
            gid: Gid::read(r)?,
            mac: Mac::read(r)?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        self.peer_id.write(w)?;
        self.gid.write(w)?;
        self.mac.write(w)
    }
}

/// Body of a Proposal of version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProposalV1<'a> {
    /// What is offered.
    pub modes: V1Modes,
    /// The two bits where version 2 has its modes; no meaning, kept.
    pub reserved_bits: u8,
    /// What stands between the sender and the IP area, 0 to 40 bytes: of
    /// meaning with SMC-D only, see [`ProposalV1::smcd`].
    pub area: &'a [u8],
    /// The client's subnets.
    pub ip: IpArea<'a>,
}

impl<'a> ProposalV1<'a> {
    /// GID of the client's ISM device, where SMC-D is offered and the area is
    /// as long as it must be (smc_clc.h, `smc_get_clc_msg_smcd`).
    pub fn smcd(&self) -> Option<u64> {
        if !self.modes.modes().ism() || self.area.len() != SMCD_AREA_LEN {
            return None;
        }
        self.area.first_chunk().map(|gid| u64::from_be_bytes(*gid))
    }
}

/// Body of a Proposal of version 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProposalV2<'a> {
    version: Version,
    ip_offset: u16,
    v2_ext_offset: u16,
    /// The client's own ISM device, vendor options.
    pub smcd: SmcdArea<'a>,
    /// Offer of SMC v1, if any.
    pub v1: Option<V1Offer<'a>>,
    /// Offer of SMC v2, if any.
    pub v2: Option<V2Offer<'a>>,
}

impl<'a> ProposalV2<'a> {
    /// A body of version 2 with these offers.
    pub(crate) const fn new(
        smcd: SmcdArea<'a>,
        v1: Option<V1Offer<'a>>,
        v2: Option<V2Offer<'a>>,
    ) -> Self {
        ProposalV2 {
            version: Version::V2,
            ip_offset: 0,
            v2_ext_offset: 0,
            smcd,
            v1,
            v2,
        }
    }

    /// The number in the header, above 1.
    pub const fn version(&self) -> Version {
        self.version
    }
}

/// What follows the sender of a Proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProposalBody<'a> {
    /// Version 1.
    V1(ProposalV1<'a>),
    /// Version 2 and above.
    V2(ProposalV2<'a>),
}

/// A CLC Proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal<'a> {
    /// Name at the front.
    pub eyecatcher: Eyecatcher,
    /// Name at the end.
    pub trailer: Eyecatcher,
    /// Who proposes.
    pub sender: Sender,
    /// What is proposed.
    pub body: ProposalBody<'a>,
}

impl<'a> Proposal<'a> {
    /// A Proposal as Linux sends it, with "SMCR" at both ends.
    pub const fn new(sender: Sender, body: ProposalBody<'a>) -> Self {
        Proposal {
            eyecatcher: Eyecatcher::SmcR,
            trailer: Eyecatcher::SmcR,
            sender,
            body,
        }
    }

    /// Parses a Proposal, which must be all of `bytes`.
    ///
    /// # Errors
    ///
    /// See [`ClcError`]. As in the C module, and in addition for offsets that
    /// make parts overlap.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ClcError> {
        let header = Header::peek(bytes)?;
        if header.kind != Kind::Proposal {
            return Err(ClcError::Kind(header.kind.code()));
        }
        if usize::from(header.len) != bytes.len() {
            return Err(ClcError::Length(header.len));
        }
        let mut r = Reader::new(bytes);
        r.take(HEADER_LEN)?;
        let body_len = r
            .remaining()
            .checked_sub(Eyecatcher::LEN)
            .ok_or(ClcError::Length(header.len))?;
        let mut body = r.sub(body_len)?;
        let trailer = Eyecatcher::read_trailer(&mut r)?;
        let sender = Sender::read(&mut body)?;
        let ip_offset = body.be16()?;
        let parsed = if header.version.is_v1() {
            ProposalBody::V1(Self::read_v1(&mut body, &header, ip_offset)?)
        } else {
            if header.modes_v1() == Modes::None {
                check_unused_ip_area(bytes, ip_offset)?;
            }
            ProposalBody::V2(Self::read_v2(&mut body, &header, ip_offset)?)
        };
        if !body.is_empty() {
            // In-tree peers reject a Proposal that is longer than its parts.
            return Err(ClcError::Length(header.len));
        }
        Ok(Proposal {
            eyecatcher: header.eyecatcher,
            trailer,
            sender,
            body: parsed,
        })
    }

    fn read_v1(
        r: &mut Reader<'a>,
        header: &Header,
        ip_offset: u16,
    ) -> Result<ProposalV1<'a>, ClcError> {
        let modes = V1Modes::from_modes(header.modes_v1()).ok_or(ClcError::Modes)?;
        if usize::from(ip_offset) > SMCD_AREA_LEN {
            return Err(ClcError::Offset(ip_offset));
        }
        Ok(ProposalV1 {
            modes,
            reserved_bits: header.modes_v2().bits(),
            area: r.take(usize::from(ip_offset))?,
            ip: IpArea::read(r)?,
        })
    }

    fn read_v2(
        r: &mut Reader<'a>,
        header: &Header,
        ip_offset: u16,
    ) -> Result<ProposalV2<'a>, ClcError> {
        let (smcd, v2_ext_offset) = SmcdArea::read(r)?;
        let v1 = match V1Modes::from_modes(header.modes_v1()) {
            Some(modes) => {
                if usize::from(ip_offset) != SMCD_AREA_LEN {
                    return Err(ClcError::Offset(ip_offset));
                }
                let ip = IpArea::read(r)?;
                Some(V1Offer { modes, ip })
            }
            None => None,
        };
        let v2 = if header.modes_v2() == Modes::None {
            None
        } else {
            let ip_len = v1.as_ref().map_or(0, |offer| offer.ip.len());
            if v2_ext_offset != sum(AFTER_V2_OFFSET, ip_len) {
                return Err(ClcError::Offset(v2_ext_offset));
            }
            Some(V2Offer::read(r, header.modes_v2())?)
        };
        Ok(ProposalV2 {
            version: header.version,
            ip_offset: if v1.is_some() { 0 } else { ip_offset },
            v2_ext_offset: if v2.is_some() { 0 } else { v2_ext_offset },
            smcd,
            v1,
            v2,
        })
    }

    /// Length of the message in bytes, at most [`MAX_PROPOSAL_LEN`] (a version
    /// 1 area beyond 40 bytes apart, which can't be emitted).
    pub fn emitted_len(&self) -> usize {
        let parts = match &self.body {
            ProposalBody::V1(v1) => v1.area.len() + v1.ip.len(),
            ProposalBody::V2(v2) => {
                SMCD_AREA_LEN
                    + v2.v1.as_ref().map_or(0, |offer| offer.ip.len())
                    + v2.v2.as_ref().map_or(0, V2Offer::len)
            }
        };
        BASE_LEN + parts + Eyecatcher::LEN
    }

    /// Writes the message to the front of `buf`; gives its length in bytes.
    ///
    /// # Errors
    ///
    /// [`NoSpace`] where `buf` is shorter than the message, or a part of it longer
    /// than a message may be; `buf` may then hold some of it.
    pub fn emit(&self, buf: &mut [u8]) -> Result<usize, NoSpace> {
        let (version, low, ip_offset) = match &self.body {
            ProposalBody::V1(v1) => (
                Version::V1,
                (v1.reserved_bits & 3) << 2 | v1.modes.modes().bits(),
                u16::try_from(v1.area.len()).map_err(|_| NoSpace)?,
            ),
            ProposalBody::V2(v2) => {
                let modes = v2.v1.map_or(Modes::None, |offer| offer.modes.modes());
                let modes_v2 = v2.v2.map_or(Modes::None, |offer| offer.kind.modes());
                let offset = match v2.v1 {
                    Some(_) => sum(SMCD_AREA_LEN, 0),
                    None => v2.ip_offset,
                };
                (v2.version, modes_v2.bits() << 2 | modes.bits(), offset)
            }
        };
        let mut w = Writer::new(buf);
        let header = Header {
            eyecatcher: self.eyecatcher,
            kind: Kind::Proposal,
            len: u16::try_from(self.emitted_len()).map_err(|_| NoSpace)?,
            version,
            low,
        };
        header.write(&mut w)?;
        self.sender.write(&mut w)?;
        w.be16(ip_offset)?;
        match &self.body {
            ProposalBody::V1(v1) => {
                w.bytes(v1.area)?;
                v1.ip.write(&mut w)?;
            }
            ProposalBody::V2(v2) => Self::write_v2(v2, &mut w)?,
        }
        w.bytes(&self.trailer.bytes())?;
        Ok(w.written())
    }

    fn write_v2(v2: &ProposalV2<'_>, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        let ip_len = v2.v1.as_ref().map_or(0, |offer| offer.ip.len());
        let ext_offset = match v2.v2 {
            Some(_) => sum(AFTER_V2_OFFSET, ip_len),
            None => v2.v2_ext_offset,
        };
        v2.smcd.write(w, ext_offset)?;
        if let Some(offer) = &v2.v1 {
            offer.ip.write(w)?;
        }
        if let Some(offer) = &v2.v2 {
            offer.write(w)?;
        }
        Ok(())
    }
}

/// Without an offer of v1 there is no IP area, but the C module still wants
/// the offset to it within the SMC-D area, and at most 8 in the byte of
/// `message` that would be its number of prefixes (smc_clc.c,
/// `smc_clc_msg_prop_valid`). Beyond the message its buffer is zero.
fn check_unused_ip_area(message: &[u8], ip_offset: u16) -> Result<(), ClcError> {
    let offset = usize::from(ip_offset);
    if offset > SMCD_AREA_LEN {
        return Err(ClcError::Offset(ip_offset));
    }
    match message.get(BASE_LEN + offset + IP_AREA_LEN - 1) {
        Some(&count) if count > 8 => Err(ClcError::Count(count)),
        _ => Ok(()),
    }
}
