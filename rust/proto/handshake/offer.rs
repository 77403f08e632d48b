// SPDX-License-Identifier: GPL-2.0

//! What a client has to offer, and the Proposal that says so.

use super::{MAX_CONNS, MAX_LINKS, MIN_CONNS, RELEASE};
use crate::wire::clc::{
    Eids, GidChid, GidChids, Modes, Proposal, ProposalBody, ProposalV2, RsvdIsm, Sender, SmcdArea,
    SmcdV2Ext, V1Offer, V2Kind, V2Offer,
};
use crate::wire::ext::{self, Features};
use crate::wire::types::{Eid, Gid};

/// SMC v2 of a client, by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferV2Kind<'a> {
    /// SMC-R, from this GID.
    R(Gid),
    /// SMC-D, from these ISM devices.
    D(GidChids<'a>),
    /// Both.
    Both(Gid, GidChids<'a>),
}

impl OfferV2Kind<'_> {
    const fn modes(&self) -> Modes {
        match self {
            OfferV2Kind::R(_) => Modes::R,
            OfferV2Kind::D(_) => Modes::D,
            OfferV2Kind::Both(..) => Modes::Both,
        }
    }
}

/// SMC v2 of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferV2<'a> {
    /// Devices.
    pub kind: OfferV2Kind<'a>,
    /// EIDs of this host. SMC-R is not offered without one.
    pub eids: Eids<'a>,
    /// EID of the machine, with SMC-D where it is switched on.
    pub seid: Option<Eid>,
    /// Most connections in a link group, 16 to 255; less counts as 16.
    pub max_conns: u8,
    /// Most links in a link group, 1 or 2; else the nearest.
    pub max_links: u8,
    /// Supplemental features of SMC v2.1: bit 0 for SMC-D over emulated ISM
    /// devices (smc.h, `SMC_SPF_EMULATED_ISM_DEV`), no others so far.
    pub feature_mask: u16,
}

/// Everything that a client has for one connection: what its device lookup
/// found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer<'a> {
    /// This host, and its RoCE port. The GID is for SMC-Rv1; MAC address and
    /// peer ID are filled for SMC-Rv2 too.
    pub sender: Sender,
    /// ISM device for SMC-Dv1; zero for none.
    pub ism: GidChid,
    /// SMC v1, with the subnets of the interface.
    pub v1: Option<V1Offer<'a>>,
    /// SMC v2.
    pub v2: Option<OfferV2<'a>>,
}

impl<'a> Offer<'a> {
    /// The kinds of SMC v1 that are offered.
    pub(super) fn modes_v1(&self) -> Modes {
        self.v1.map_or(Modes::None, |v1| v1.modes.modes())
    }

    /// The kinds of SMC v2 that are offered: SMC-R only with an EID
    /// (af_smc.c, `smc_find_proposal_devices`).
    pub(super) fn modes_v2(&self) -> Modes {
        self.v2.map_or(Modes::None, |v2| {
            let modes = v2.kind.modes();
            Modes::of(modes.rdma() && !v2.eids.is_empty(), modes.ism())
        })
    }

    /// The Proposal of this offer. `features` is what we tell our like about
    /// this host.
    pub fn proposal(&self, features: Features) -> Proposal<'a> {
        let smcd = SmcdArea {
            ism: self.ism,
            vendor: ext::to_proposal(features),
            ..SmcdArea::EMPTY
        };
        let v2 = self.v2.and_then(|v2| v2.wire(self.modes_v2()));
        Proposal::new(
            self.sender,
            ProposalBody::V2(ProposalV2::new(smcd, self.v1, v2)),
        )
    }
}

impl<'a> OfferV2<'a> {
    fn wire(&self, modes: Modes) -> Option<V2Offer<'a>> {
        let ext = |gids| SmcdV2Ext::new(self.seid.unwrap_or_default(), gids);
        let (kind, roce) = match (self.kind, modes) {
            (_, Modes::None) => return None,
            (OfferV2Kind::R(gid), _) => (V2Kind::R(RsvdIsm::default()), gid),
            (OfferV2Kind::D(gids), _) | (OfferV2Kind::Both(_, gids), Modes::D) => {
                (V2Kind::D(ext(gids)), Gid::default())
            }
            (OfferV2Kind::Both(gid, gids), _) => (V2Kind::Both(ext(gids)), gid),
        };
        let (max_conns, max_links) = if modes.rdma() {
            (
                self.max_conns.clamp(MIN_CONNS, MAX_CONNS),
                self.max_links.clamp(1, MAX_LINKS),
            )
        } else {
            (0, 0)
        };
        Some(V2Offer {
            kind,
            release: RELEASE,
            seid: self.seid.is_some() && modes.ism(),
            reserved1: [0; 2],
            reserved2: [0; 2],
            roce,
            max_conns,
            max_links,
            feature_mask: self.feature_mask,
            reserved3: &[0; 12],
            eids: self.eids,
        })
    }
}
