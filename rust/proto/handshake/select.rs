// SPDX-License-Identifier: GPL-2.0

//! The server's choice among what a Proposal offers (af_smc.c,
//! `smc_listen_v2_check`, `smc_listen_find_device`).
//!
//! The order is: SMC-D version 2, SMC-D version 1, SMC-R version 2, SMC-R
//! version 1. Each is tried until one works, SMC-D version 2 with every device
//! of the client that one of ours leads to; if none does, the first reason that
//! was met is the reason of the Decline.

use super::{GroupKey, IsmKey, RdmaKey, RELEASE};
use crate::wire::clc::{
    GidChid, IpArea, Modes, Proposal, ProposalBody, Reason, Sender, V2Offer, Version,
};
use crate::wire::types::{Eid, Gid};

/// The way to a peer's RoCE port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// In one subnet.
    Direct,
    /// By a gateway.
    Gateway,
}

/// What a server asks its host about one connection while it chooses. None of
/// the answers takes long or needs the peer. Devices that are found are
/// remembered by who answers, until the next question of the same kind.
pub trait Lookup {
    /// Whether SMC-D version 2 can be spoken at all.
    fn ism_v2_capable(&mut self) -> bool;
    /// Whether an ISM device leads to this device of the client, version 2. It
    /// is asked about each device that is offered, and again about one whose turn
    /// has come.
    fn ism_v2(&mut self, peer: &IsmKey) -> bool;
    /// Whether an ISM device leads to the client, version 1.
    fn ism_v1(&mut self, gid: u64) -> bool;
    /// Whether a RoCE device and a route lead to this GID of the client.
    fn roce_v2(&mut self, gid: &Gid) -> bool;
    /// Whether a RoCE device belongs to the interface of the TCP connection,
    /// version 1.
    fn roce_v1(&mut self) -> bool;
    /// Whether the interface of the TCP connection is in one of these subnets:
    /// [`IpArea::matches`] for one of its addresses.
    fn same_subnet(&mut self, ip: &IpArea<'_>) -> bool;
    /// Whether the VLAN of the interface could be found out.
    fn vlan(&mut self) -> bool;
    /// Whether the administrator defined this EID here.
    fn has_ueid(&mut self, eid: &Eid) -> bool;
    /// EID of the machine, where it is switched on.
    fn seid(&mut self) -> Option<Eid>;
}

/// Most ISM devices that a Proposal can name: its own and those in the list.
const MAX_ISM: usize = 9;

/// Devices of the client for SMC-D version 2 that are still to be tried, in its
/// order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct IsmV2 {
    peers: [Option<IsmKey>; MAX_ISM],
    /// What both ends have.
    eid: Eid,
}

/// What to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) key: GroupKey,
    pub(super) eid: Eid,
}

/// Which is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    IsmV2,
    IsmV1,
    RdmaV2,
    RdmaV1,
    End,
}

/// What a Proposal offers and the server could do, without the Proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Selection {
    stage: Stage,
    sender: Sender,
    /// SMC-R is offered in some version.
    any_rdma: bool,
    ism_v2: IsmV2,
    ism_v1: Option<u64>,
    rdma_v2: Option<(Gid, Eid)>,
    rdma_v1: bool,
    /// Version 1 can't be used, whatever devices there are.
    no_v1: Option<Reason>,
    /// No VLAN: nothing behind SMC-Dv2 can be used.
    no_vlan: bool,
    first_reason: Option<Reason>,
}

/// Version 2 as far as the server can go along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    /// SMC-R version 2 is possible, so that its limits count.
    pub(super) rdma_v2: bool,
    /// SMC-D version 2 is possible.
    pub(super) ism_v2: bool,
    /// The lower of both releases.
    pub(super) release: u8,
}

impl Agreed {
    /// Which of the versions that are offered remain (`smc_listen_v2_check`).
    pub(super) fn check(proposal: &Proposal<'_>, lookup: &mut dyn Lookup) -> Result<Self, Reason> {
        let (v1, offer) = match &proposal.body {
            ProposalBody::V1(v1) => (v1.modes.modes(), None),
            ProposalBody::V2(v2) => (
                v2.v1.map_or(Modes::None, |offer| offer.modes.modes()),
                v2.v2.as_ref(),
            ),
        };
        let mut agreed = Agreed {
            rdma_v2: false,
            ism_v2: false,
            release: 0,
        };
        let mut reason = Reason::PeerNoSmc;
        if let Some(offer) = offer {
            agreed.release = offer.release.min(RELEASE);
            if let Some(ext) = offer.kind.smcd() {
                if !lookup.ism_v2_capable() {
                    reason = Reason::NoIsmV2;
                } else if !ext.is_announced() {
                    reason = Reason::NoSmcdV2Extension;
                } else if offer.eids.is_empty() && !offer.seid {
                    reason = Reason::NoUeid;
                } else {
                    agreed.ism_v2 = true;
                }
            }
            if offer.kind.modes().rdma() {
                if offer.eids.is_empty() {
                    reason = Reason::NoUeid;
                } else {
                    agreed.rdma_v2 = true;
                }
            }
        }
        if agreed.rdma_v2 || agreed.ism_v2 || v1 != Modes::None {
            Ok(agreed)
        } else {
            Err(reason)
        }
    }
}

impl Selection {
    /// Collects what may be tried. What the answer needs the Proposal for is
    /// asked here, the rest when its turn comes.
    pub(super) fn new(proposal: &Proposal<'_>, agreed: &Agreed, lookup: &mut dyn Lookup) -> Self {
        let mut s = Selection {
            stage: Stage::IsmV2,
            sender: proposal.sender,
            any_rdma: false,
            ism_v2: IsmV2::default(),
            ism_v1: None,
            rdma_v2: None,
            rdma_v1: false,
            no_v1: None,
            no_vlan: false,
            first_reason: None,
        };
        let ip = match &proposal.body {
            ProposalBody::V1(v1) => {
                let modes = v1.modes.modes();
                s.ism_v1 = v1.smcd();
                s.rdma_v1 = modes.rdma();
                // The C module looks at the bits of version 2 even here.
                s.any_rdma = modes.rdma() || Modes::from_bits(v1.reserved_bits).rdma();
                Some(v1.ip)
            }
            ProposalBody::V2(v2) => {
                let modes = v2.v1.map_or(Modes::None, |offer| offer.modes.modes());
                s.ism_v1 = modes.ism().then_some(v2.smcd.ism.gid);
                s.rdma_v1 = modes.rdma();
                s.any_rdma = modes.rdma();
                if let Some(offer) = &v2.v2 {
                    s.any_rdma |= offer.kind.modes().rdma();
                    if agreed.ism_v2 {
                        s.find_ism_v2(&v2.smcd.ism, offer, lookup);
                    }
                    if agreed.rdma_v2 {
                        s.rdma_v2 = common_ueid(offer, lookup).map(|eid| (offer.roce, eid));
                    }
                }
                v2.v1.map(|offer| offer.ip)
            }
        };
        if let Some(ip) = ip {
            if !lookup.same_subnet(&ip) {
                s.no_v1 = Some(Reason::DifferentPrefix);
            }
        }
        s.no_vlan = !lookup.vlan();
        s
    }

    fn find_ism_v2(&mut self, native: &GidChid, offer: &V2Offer<'_>, lookup: &mut dyn Lookup) {
        let mut found = ism_peers(native, offer)
            .filter(|peer| lookup.ism_v2(peer))
            .peekable();
        if found.peek().is_none() {
            self.note(Reason::NoSmcdV2Device);
            return;
        }
        let mut peers = [None; MAX_ISM];
        for (slot, peer) in peers.iter_mut().zip(found) {
            *slot = Some(peer);
        }
        let theirs = offer.kind.smcd().filter(|_| offer.seid);
        let machine = match (theirs, lookup.seid()) {
            (Some(ext), Some(ours)) if ext.system_eid == ours => Some(ours),
            _ => None,
        };
        if let Some(eid) = machine.or_else(|| common_ueid(offer, lookup)) {
            self.ism_v2 = IsmV2 { peers, eid };
        }
    }

    /// Keeps the first reason.
    pub(super) fn note(&mut self, reason: Reason) {
        self.first_reason.get_or_insert(reason);
    }

    /// The next candidate, or why there is none.
    pub(super) fn next(&mut self, lookup: &mut dyn Lookup) -> Result<Candidate, Reason> {
        loop {
            match self.stage {
                Stage::IsmV2 => {
                    if let Some(candidate) = self.try_ism_v2(lookup) {
                        return Ok(candidate);
                    }
                    self.stage = Stage::IsmV1;
                }
                Stage::IsmV1 => {
                    self.stage = Stage::RdmaV2;
                    if let Some(candidate) = self.try_ism_v1(lookup)? {
                        return Ok(candidate);
                    }
                }
                Stage::RdmaV2 => {
                    self.stage = Stage::RdmaV1;
                    if let Some(candidate) = self.try_rdma_v2(lookup)? {
                        return Ok(candidate);
                    }
                }
                Stage::RdmaV1 => {
                    self.stage = Stage::End;
                    return self.try_rdma_v1(lookup);
                }
                Stage::End => return Err(self.first_reason.unwrap_or(Reason::NoDevice)),
            }
        }
    }

    fn try_ism_v2(&mut self, lookup: &mut dyn Lookup) -> Option<Candidate> {
        let eid = self.ism_v2.eid;
        let mut left = self.ism_v2.peers.iter_mut().filter_map(Option::take);
        let peer = left.find(|peer| lookup.ism_v2(peer))?;
        Some(Candidate {
            key: GroupKey::Ism(peer),
            eid,
        })
    }

    fn try_ism_v1(&mut self, lookup: &mut dyn Lookup) -> Result<Option<Candidate>, Reason> {
        if let Some(reason) = self.no_v1 {
            self.note(reason);
        }
        if self.no_vlan {
            return Err(self.first_reason.unwrap_or(Reason::VlanUnknown));
        }
        let (None, Some(gid)) = (self.no_v1, self.ism_v1) else {
            return Ok(None);
        };
        if lookup.ism_v1(gid) {
            return Ok(Some(Candidate {
                key: GroupKey::Ism(IsmKey {
                    version: Version::V1,
                    gid,
                    gid_ext: 0,
                    chid: 0,
                }),
                eid: Eid::default(),
            }));
        }
        self.note(Reason::NoSmcdDevice);
        Ok(None)
    }

    fn try_rdma_v2(&mut self, lookup: &mut dyn Lookup) -> Result<Option<Candidate>, Reason> {
        if !self.any_rdma {
            return Err(self.first_reason.unwrap_or(Reason::NoSmcdDevice));
        }
        let Some((gid, eid)) = self.rdma_v2 else {
            return Ok(None);
        };
        if lookup.roce_v2(&gid) {
            return Ok(Some(Candidate {
                key: self.rdma_key(Version::V2, gid),
                eid,
            }));
        }
        self.note(Reason::NoSmcrDevice);
        Ok(None)
    }

    fn try_rdma_v1(&mut self, lookup: &mut dyn Lookup) -> Result<Candidate, Reason> {
        if let Some(reason) = self.no_v1 {
            return Err(reason);
        }
        if self.rdma_v1 && lookup.roce_v1() {
            return Ok(Candidate {
                key: self.rdma_key(Version::V1, self.sender.gid),
                eid: Eid::default(),
            });
        }
        self.note(Reason::NoDevice);
        Err(self.first_reason.unwrap_or(Reason::NoDevice))
    }

    fn rdma_key(&self, version: Version, gid: Gid) -> GroupKey {
        GroupKey::Rdma(RdmaKey {
            version,
            peer_id: self.sender.peer_id,
            gid,
            mac: self.sender.mac,
            qpn: None,
        })
    }
}

/// The first of the client's EIDs that is defined here.
fn common_ueid(offer: &V2Offer<'_>, lookup: &mut dyn Lookup) -> Option<Eid> {
    offer.eids.iter().find(|eid| lookup.has_ueid(eid))
}

/// The ISM devices of a Proposal: its own, then the listed ones, of which an
/// emulated device takes two entries of one channel (smc_clc.h).
fn ism_peers<'a>(native: &GidChid, offer: &V2Offer<'a>) -> impl Iterator<Item = IsmKey> + 'a {
    let device = |entry: GidChid, gid_ext| IsmKey {
        version: Version::V2,
        gid: entry.gid,
        gid_ext,
        chid: entry.chid,
    };
    let first = (native.chid != 0).then(|| device(*native, 0));
    let mut list = offer
        .kind
        .smcd()
        .map(|ext| ext.gids.iter())
        .into_iter()
        .flatten()
        .peekable();
    let rest = core::iter::from_fn(move || loop {
        let entry = list.next()?;
        if entry.chid < 0xff00 {
            return Some(device(entry, 0));
        }
        // An upper half without its lower half is no device.
        if let Some(lower) = list.next_if(|next| next.chid == entry.chid) {
            return Some(device(entry, lower.gid));
        }
    });
    first.into_iter().chain(rest)
}
