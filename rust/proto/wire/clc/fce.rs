// SPDX-License-Identifier: GPL-2.0

//! First contact extension of an Accept or Confirm of version 2, and the list
//! of GIDs behind it (SMC v2, "First Contact Extension"; release 1 adds 16
//! bytes, smc_clc.h `struct smc_clc_first_contact_ext_v2x`).

use super::list::Entries;
use super::ClcError;
use crate::wire::codec::{NoSpace, Reader, Writer};
use crate::wire::types::{Gid, Hostname};

/// Length of what release 1 adds.
const V2X_LEN: usize = 16;
/// Length of the head of [`GidList`].
const GID_HEAD_LEN: usize = 4;

/// Operating system of a peer: four bits. 1 is z/OS, 2 Linux, 3 AIX; others are
/// kept (smc_clc.h, `SMC_CLC_OS_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OsType(u8);

impl OsType {
    /// Not said.
    pub const UNKNOWN: OsType = OsType(0);
    /// Linux.
    pub const LINUX: OsType = OsType(2);

    /// The number on the wire, 0 to 15.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// From the upper half of a byte.
    pub(super) const fn from_high_nibble(byte: u8) -> Self {
        OsType(byte >> 4)
    }
}

/// What release 1 ("v2.1") adds to the first contact extension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirstContactV2x {
    /// Most connections in the link group, 16 to 255; SMC-R only.
    pub max_conns: u8,
    /// Most links in the link group, 1 or 2; SMC-R only.
    pub max_links: u8,
    /// Supplemental features: in an Accept what the server has, in a Confirm
    /// what both have.
    pub feature_mask: u16,
    /// The vendor's own: see [`ext`](crate::wire::ext) for ours.
    pub vendor: [u8; 4],
    /// Reserved, zero.
    pub reserved: [u8; 8],
}

impl FirstContactV2x {
    fn read(r: &mut Reader<'_>) -> Result<Self, ClcError> {
        Ok(FirstContactV2x {
            max_conns: r.u8()?,
            max_links: r.u8()?,
            feature_mask: r.be16()?,
            vendor: *r.array()?,
            reserved: *r.array()?,
        })
    }

    fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        w.u8(self.max_conns)?;
        w.u8(self.max_links)?;
        w.be16(self.feature_mask)?;
        w.bytes(&self.vendor)?;
        w.bytes(&self.reserved)
    }
}

/// GIDs of the client's RoCE ports, in the Confirm of a first contact of
/// SMC-Rv2 (smc_clc.h, `struct smc_clc_fce_gid_ext`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GidList<'a> {
    /// Reserved, zero.
    pub reserved: [u8; 3],
    /// The GIDs: the one of the first link, then others that can be reached.
    pub gids: Entries<'a, Gid, 255>,
}

impl<'a> GidList<'a> {
    /// Reads the list where all of it is there. `cut`: the message goes on
    /// behind the reader's end, so that fewer GIDs than announced are fine.
    fn read(r: &mut Reader<'a>, cut: bool) -> Option<Self> {
        let mut ahead = r.clone();
        let count = usize::from(ahead.u8().ok()?);
        let reserved = *ahead.array().ok()?;
        let there = if cut {
            count.min(ahead.remaining() / Gid::LEN)
        } else {
            count
        };
        let gids = Entries::read(&mut ahead, there).ok()??;
        *r = ahead;
        Some(GidList { reserved, gids })
    }

    fn len(&self) -> usize {
        GID_HEAD_LEN + self.gids.as_bytes().len()
    }

    fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        w.u8(u8::try_from(self.gids.len()).map_err(|_| NoSpace)?)?;
        w.bytes(&self.reserved)?;
        w.bytes(self.gids.as_bytes())
    }
}

/// First contact extension: there on the first contact of two peers, when a
/// new link group begins, and only then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstContact<'a> {
    /// The sender reaches its peer without a gateway (SMC-R only).
    pub v2_direct: bool,
    /// The other bits of that byte, in its low seven bits; zero.
    pub reserved_flags: u8,
    /// Operating system of the sender.
    pub os: OsType,
    /// Release of version 2 that was agreed on, 0 to 15.
    pub release: u8,
    /// Reserved, zero.
    pub reserved: [u8; 2],
    /// Name of the sender.
    pub hostname: Hostname,
    /// What release 1 added. Always there in release 1 and above; Linux since
    /// 6.6 sends it, zero, with SMC-R in release 0 too.
    pub v2x: Option<FirstContactV2x>,
    /// The client's GIDs: SMC-R Confirm only.
    pub gids: Option<GidList<'a>>,
}

/// Where a first contact extension stands: what may follow it depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    SmcrAccept,
    SmcrConfirm,
    Smcd,
}

impl<'a> FirstContact<'a> {
    /// Length without what release 1 adds.
    const BASE_LEN: usize = 36;
    const DIRECT: u8 = 0x80;

    /// Reads the extension. The C module reads past the end of a message that
    /// is too short for it; here that is an error.
    pub(super) fn read(r: &mut Reader<'a>, place: Place, cut: bool) -> Result<Self, ClcError> {
        if r.remaining() < Self::BASE_LEN {
            return Err(ClcError::FirstContact);
        }
        let flags = r.u8()?;
        let os_release = r.u8()?;
        let mut fce = FirstContact {
            v2_direct: flags & Self::DIRECT != 0,
            reserved_flags: flags & !Self::DIRECT,
            os: OsType::from_high_nibble(os_release),
            release: os_release & 0x0f,
            reserved: *r.array()?,
            hostname: Hostname::read(r)?,
            v2x: None,
            gids: None,
        };
        if fce.has_v2x(r, place)? {
            fce.v2x = Some(FirstContactV2x::read(r)?);
        }
        if place == Place::SmcrConfirm {
            // The C server does not look at the list; one that does not fit
            // is left for what follows.
            fce.gids = GidList::read(r, cut);
        }
        Ok(fce)
    }

    /// Whether the 16 bytes of release 1 are next.
    fn has_v2x(&self, r: &Reader<'_>, place: Place) -> Result<bool, ClcError> {
        let fits = r.remaining() >= V2X_LEN;
        if self.release >= 1 {
            return if fits {
                Ok(true)
            } else {
                Err(ClcError::FirstContact)
            };
        }
        Ok(match place {
            Place::Smcd => false,
            Place::SmcrAccept => fits,
            // Without them the list of GIDs is next and fills the message
            // (Linux before 6.6).
            Place::SmcrConfirm => {
                let mut ahead = r.clone();
                let list = GidList::read(&mut ahead, false);
                fits && !(list.is_some() && ahead.is_empty())
            }
        })
    }

    pub(super) fn len(&self) -> usize {
        Self::BASE_LEN
            + if self.v2x.is_some() { V2X_LEN } else { 0 }
            + self.gids.as_ref().map_or(0, GidList::len)
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        let direct = if self.v2_direct { Self::DIRECT } else { 0 };
        w.u8(direct | self.reserved_flags & !Self::DIRECT)?;
        w.u8(self.os.number() << 4 | self.release & 0x0f)?;
        w.bytes(&self.reserved)?;
        self.hostname.write(w)?;
        if let Some(v2x) = &self.v2x {
            v2x.write(w)?;
        }
        match &self.gids {
            Some(gids) => gids.write(w),
            None => Ok(()),
        }
    }
}
