// SPDX-License-Identifier: GPL-2.0

//! What a Proposal offers: SMC v1 and v2, SMC-R and SMC-D (SMC v2, "SMC v2
//! Proposal"; smc_clc.h).

use super::header::Modes;
use super::ip::IpArea;
use super::list::{count_of, read_list, Entries, GidChid};
use super::ClcError;
use crate::wire::codec::{NoSpace, Reader, Writer};
use crate::wire::types::{Eid, Gid};

/// Length of [`SmcdArea`] in bytes.
pub(super) const SMCD_AREA_LEN: usize = 40;
/// Length of the v2 extension without its EIDs.
pub(super) const V2_EXT_LEN: usize = 40;
/// From the end of the field `smcd_v2_ext_offset` to the EIDs.
const AFTER_SMCD_OFFSET: usize = 32;
/// Length of the SMC-Dv2 extension without its GIDs.
pub(super) const SMCD_V2_EXT_LEN: usize = 48;
/// The largest distance to the SMC-Dv2 extension that the C module follows.
const MAX_SMCD_OFFSET: u16 = 288;

/// Enterprise IDs that the client's administrator defined (UEIDs), at most 8.
pub type Eids<'a> = Entries<'a, Eid, 8>;
/// ISM devices of the client, at most 8 entries.
pub type GidChids<'a> = Entries<'a, GidChid, 8>;

/// Eight bytes that a vendor may use (SMC v2.1, third edition): see
/// [`ext`](crate::wire::ext) for ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VendorOptions {
    /// The vendor's organizationally unique identifier.
    pub oui: [u8; 3],
    /// The vendor's own.
    pub options: [u8; 5],
}

/// The SMC-D area of a Proposal: the client's ISM device for SMC-D v1, and
/// what version 2 put behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmcdArea<'a> {
    /// GID and channel of the client's own ISM device; zero for none.
    pub ism: GidChid,
    /// Vendor options (v2.1).
    pub vendor: VendorOptions,
    /// Reserved, zero.
    pub(crate) reserved: &'a [u8; 20],
}

impl<'a> SmcdArea<'a> {
    /// An area with nothing in it.
    pub(crate) const EMPTY: SmcdArea<'static> = SmcdArea {
        ism: GidChid { gid: 0, chid: 0 },
        vendor: VendorOptions {
            oui: [0; 3],
            options: [0; 5],
        },
        reserved: &[0; 20],
    };

    /// Gives the area, and its field `v2_ext_offset`.
    pub(super) fn read(r: &mut Reader<'a>) -> Result<(Self, u16), ClcError> {
        let ism = GidChid {
            gid: r.be64()?,
            chid: r.be16()?,
        };
        let v2_ext_offset = r.be16()?;
        let area = SmcdArea {
            ism,
            vendor: VendorOptions {
                oui: *r.array()?,
                options: *r.array()?,
            },
            reserved: r.array()?,
        };
        Ok((area, v2_ext_offset))
    }

    pub(super) fn write(&self, w: &mut Writer<'_>, v2_ext_offset: u16) -> Result<(), NoSpace> {
        w.be64(self.ism.gid)?;
        w.be16(self.ism.chid)?;
        w.be16(v2_ext_offset)?;
        w.bytes(&self.vendor.oui)?;
        w.bytes(&self.vendor.options)?;
        w.bytes(self.reserved)
    }
}

/// Kinds of SMC v1 that a client offers: at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum V1Modes {
    /// SMC-R.
    R,
    /// SMC-D.
    D,
    /// Both.
    Both,
}

impl V1Modes {
    /// The same as [`Modes`].
    pub const fn modes(self) -> Modes {
        match self {
            V1Modes::R => Modes::R,
            V1Modes::D => Modes::D,
            V1Modes::Both => Modes::Both,
        }
    }

    /// The same out of [`Modes`]; `None` for [`Modes::None`].
    pub const fn from_modes(modes: Modes) -> Option<Self> {
        match modes {
            Modes::R => Some(V1Modes::R),
            Modes::D => Some(V1Modes::D),
            Modes::Both => Some(V1Modes::Both),
            Modes::None => None,
        }
    }
}

/// A client's offer of SMC v1 inside a Proposal of version 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct V1Offer<'a> {
    /// What is offered.
    pub modes: V1Modes,
    /// The client's subnets.
    pub ip: IpArea<'a>,
}

/// The SMC-Dv2 extension (SMC v2, "SMC-Dv2 Extension").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmcdV2Ext<'a> {
    offset: Option<u16>,
    /// EID of the client's machine (SEID); counts where the flag
    /// [`V2Offer::seid`] is set.
    pub system_eid: Eid,
    /// Reserved, zero.
    reserved: &'a [u8; 16],
    /// ISM devices of the client.
    pub gids: GidChids<'a>,
}

impl<'a> SmcdV2Ext<'a> {
    /// The extension with these devices.
    pub(crate) const fn new(system_eid: Eid, gids: GidChids<'a>) -> Self {
        SmcdV2Ext {
            offset: None,
            system_eid,
            reserved: &[0; 16],
            gids,
        }
    }

    /// Whether the message says where the extension is. With an offset of 0 or
    /// above 288 the message stands, but SMC-Dv2 is not usable
    /// (smc_clc.h, `smc_get_clc_smcd_v2_ext`).
    pub const fn is_announced(&self) -> bool {
        self.offset.is_none()
    }

    fn len(&self) -> usize {
        SMCD_V2_EXT_LEN + self.gids.as_bytes().len()
    }

    fn read(r: &mut Reader<'a>, count: u8, offset: Option<u16>) -> Result<Self, ClcError> {
        Ok(SmcdV2Ext {
            offset,
            system_eid: Eid::read(r)?,
            reserved: r.array()?,
            gids: read_list(r, count)?,
        })
    }

    fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        self.system_eid.write(w)?;
        w.bytes(self.reserved)?;
        w.bytes(self.gids.as_bytes())
    }
}

/// Fields of the v2 extension that count with SMC-D only, kept as they are in
/// an offer without it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RsvdIsm {
    /// Where the number of ISM devices would stand.
    gid_count: u8,
    /// Where the offset to the SMC-Dv2 extension would stand.
    ext_offset: u16,
}

/// Kinds of SMC v2 that a client offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum V2Kind<'a> {
    /// SMC-R.
    R(RsvdIsm),
    /// SMC-D.
    D(SmcdV2Ext<'a>),
    /// Both.
    Both(SmcdV2Ext<'a>),
}

impl<'a> V2Kind<'a> {
    /// The same as [`Modes`].
    pub const fn modes(&self) -> Modes {
        match self {
            V2Kind::R(_) => Modes::R,
            V2Kind::D(_) => Modes::D,
            V2Kind::Both(_) => Modes::Both,
        }
    }

    /// The SMC-Dv2 extension, with SMC-D.
    pub const fn smcd(&self) -> Option<&SmcdV2Ext<'a>> {
        match self {
            V2Kind::R(_) => None,
            V2Kind::D(ext) | V2Kind::Both(ext) => Some(ext),
        }
    }
}

/// A client's offer of SMC v2: the v2 extension and what hangs on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct V2Offer<'a> {
    /// SMC-R, SMC-D or both.
    pub kind: V2Kind<'a>,
    /// Release of version 2, 0 to 15: 1 is "v2.1". More than four bits are cut.
    pub release: u8,
    /// Whether the client's SEID counts.
    pub seid: bool,
    /// Reserved byte and the three reserved bits of the flags byte.
    pub(crate) reserved1: [u8; 2],
    /// Reserved, zero.
    pub(crate) reserved2: [u8; 2],
    /// GID of the client's RoCE port for SMC-Rv2.
    pub roce: Gid,
    /// Most connections in a link group that the client wants (release 1).
    pub max_conns: u8,
    /// Most links in a link group that the client wants (release 1).
    pub max_links: u8,
    /// Supplemental features (release 1).
    pub feature_mask: u16,
    /// Reserved, zero.
    pub(crate) reserved3: &'a [u8; 12],
    /// EIDs of the client, in its order of preference.
    pub eids: Eids<'a>,
}

impl<'a> V2Offer<'a> {
    /// Bits of the flags byte that are reserved.
    const RSVD_FLAGS: u8 = 0b0000_1110;
    const SEID: u8 = 1;

    pub(super) fn len(&self) -> usize {
        let smcd = self.kind.smcd().map_or(0, SmcdV2Ext::len);
        V2_EXT_LEN + self.eids.as_bytes().len() + smcd
    }

    fn smcd_offset(&self) -> u16 {
        match &self.kind {
            V2Kind::R(rsvd) => rsvd.ext_offset,
            V2Kind::D(ext) | V2Kind::Both(ext) => ext
                .offset
                .unwrap_or_else(|| sum(AFTER_SMCD_OFFSET, self.eids.as_bytes().len())),
        }
    }

    pub(super) fn read(r: &mut Reader<'a>, modes: Modes) -> Result<Self, ClcError> {
        let eid_count = r.u8()?;
        let gid_count = r.u8()?;
        let rsvd = r.u8()?;
        let flags = r.u8()?;
        let reserved2 = *r.array()?;
        let ext_offset = r.be16()?;
        let roce = Gid::read(r)?;
        let max_conns = r.u8()?;
        let max_links = r.u8()?;
        let feature_mask = r.be16()?;
        let reserved3 = r.array()?;
        let eids: Eids<'a> = read_list(r, eid_count)?;
        let kind = match modes {
            Modes::None => return Err(ClcError::Modes),
            Modes::R => V2Kind::R(RsvdIsm {
                gid_count,
                ext_offset,
            }),
            Modes::D | Modes::Both => {
                let found = if ext_offset == 0 || ext_offset > MAX_SMCD_OFFSET {
                    Some(ext_offset)
                } else if ext_offset == sum(AFTER_SMCD_OFFSET, eids.as_bytes().len()) {
                    None
                } else {
                    return Err(ClcError::Offset(ext_offset));
                };
                let ext = SmcdV2Ext::read(r, gid_count, found)?;
                if modes == Modes::D {
                    V2Kind::D(ext)
                } else {
                    V2Kind::Both(ext)
                }
            }
        };
        Ok(V2Offer {
            kind,
            release: flags >> 4,
            seid: flags & Self::SEID != 0,
            reserved1: [rsvd, flags & Self::RSVD_FLAGS],
            reserved2,
            roce,
            max_conns,
            max_links,
            feature_mask,
            reserved3,
            eids,
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        let [rsvd, rsvd_flags] = self.reserved1;
        let gid_count = match &self.kind {
            V2Kind::R(rsvd) => rsvd.gid_count,
            V2Kind::D(ext) | V2Kind::Both(ext) => count_of(&ext.gids),
        };
        w.u8(count_of(&self.eids))?;
        w.u8(gid_count)?;
        w.u8(rsvd)?;
        w.u8(self.release << 4 | rsvd_flags & Self::RSVD_FLAGS | u8::from(self.seid))?;
        w.bytes(&self.reserved2)?;
        w.be16(self.smcd_offset())?;
        self.roce.write(w)?;
        w.u8(self.max_conns)?;
        w.u8(self.max_links)?;
        w.be16(self.feature_mask)?;
        w.bytes(self.reserved3)?;
        w.bytes(self.eids.as_bytes())?;
        match self.kind.smcd() {
            Some(ext) => ext.write(w),
            None => Ok(()),
        }
    }
}

/// A sum of two lengths that are both far below 2^15.
pub(super) fn sum(a: usize, b: usize) -> u16 {
    u16::try_from(a.saturating_add(b)).unwrap_or(u16::MAX)
}
