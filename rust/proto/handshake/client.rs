// SPDX-License-Identifier: GPL-2.0

//! The client's end of the handshake (RFC 7609 §3.5.1, §3.5.2; af_smc.c,
//! `__smc_connect`).

use super::message::{self, Local, WriteError};
use super::offer::{Offer, OfferV2Kind};
use super::select::Route;
use super::{
    link_reason, Action, Cause, DeclineVersion, Ending, Fallback, GroupKey, IsmKey, Negotiated,
    Peer, RdmaKey, CLC_WAIT, DECLINE_GRACE, MAX_LINKS, MIN_CONNS,
};
use crate::group::{FirstError, Millis};
use crate::wire::clc::{
    AcceptConfirm, Body, FirstContact, Kind, Message, Modes, Reason, Role, Version,
};
use crate::wire::codec::NoSpace;
use crate::wire::ext::{self, Features};

/// Where a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// TCP connects; nothing is sent.
    Connecting,
    /// TCP connects; the Proposal rides in the SYN.
    InSyn,
    /// TCP is connected; the owner looks for devices.
    Offering,
    /// The owner sends the Proposal.
    Proposing,
    /// The server's Accept is waited for.
    AwaitAccept,
    /// The owner looks for a route.
    Routing(GroupKey),
    /// The owner looks for the group, or makes it.
    Grouping,
    /// The owner gets buffers and a queue pair ready.
    Preparing,
    /// The owner sends the Confirm.
    Confirming,
    /// The first link is being confirmed.
    Linking,
    /// It was not, in time: the server's Decline is waited for.
    Grace,
    /// Over.
    Done,
}

/// ISM channels of an offer: the native device and 8 entries.
const MAX_CHIDS: usize = 9;

/// One client's handshake.
#[derive(Clone, Debug)]
pub struct Client {
    state: State,
    deadline: Option<Millis>,
    /// Something failed here while an Accept may be on its way.
    failed: Option<Reason>,
    features: Features,
    feature_mask: u16,
    offered_v1: Modes,
    offered_v2: Modes,
    chids: [Option<u16>; MAX_CHIDS],
    agreed: Negotiated,
    ending: Ending,
}

impl Client {
    /// A handshake whose TCP connection is not up yet. `features` is what we
    /// tell our like about this host.
    pub const fn new(features: Features) -> Self {
        Client {
            state: State::Connecting,
            deadline: None,
            failed: None,
            features,
            feature_mask: 0,
            offered_v1: Modes::None,
            offered_v2: Modes::None,
            chids: [None; MAX_CHIDS],
            agreed: Negotiated::new(Version::V1),
            ending: Ending {
                // What the server understands is not known before its Accept,
                // and every version understands this.
                decline: DeclineVersion::V1,
                group_is_new: false,
            },
        }
    }

    /// The kind of message to read from the stream; `None` while the stream is
    /// not ours. A Decline may come instead of any.
    pub const fn expected(&self) -> Option<Kind> {
        match self.state {
            State::Connecting | State::InSyn | State::Offering | State::Done => None,
            State::Proposing | State::AwaitAccept => Some(Kind::Accept),
            _ => Some(Kind::Decline),
        }
    }

    /// When [`Client::on_timeout`] is due.
    pub const fn deadline(&self) -> Option<Millis> {
        self.deadline
    }

    /// What was agreed on; of meaning from [`Action::FindGroup`] or
    /// [`Action::CreateGroup`] on.
    pub const fn negotiated(&self) -> &Negotiated {
        &self.agreed
    }

    /// The device lookup found this. Without the SYN's payload it belongs
    /// behind [`Client::on_connected`]; in front of it, the Proposal that is to
    /// be sent goes into the SYN.
    pub fn on_offer(&mut self, offer: &Offer<'_>) -> Action {
        let in_syn = match self.state {
            State::Connecting => true,
            State::Offering => false,
            _ => return Action::Wait,
        };
        let (v1, v2) = (offer.modes_v1(), offer.modes_v2());
        if v1 == Modes::None && v2 == Modes::None {
            return if in_syn {
                // There is time for a better offer until TCP is connected.
                Action::Wait
            } else {
                self.decline(Reason::NoDevice)
            };
        }
        self.offered_v1 = v1;
        self.offered_v2 = v2;
        self.remember_chids(offer);
        self.state = if in_syn {
            State::InSyn
        } else {
            State::Proposing
        };
        Action::Send(Kind::Proposal)
    }

    fn remember_chids(&mut self, offer: &Offer<'_>) {
        self.feature_mask = offer.v2.map_or(0, |v2| v2.feature_mask);
        self.chids = [None; MAX_CHIDS];
        let list = offer.v2.and_then(|v2| match v2.kind {
            OfferV2Kind::R(_) => None,
            OfferV2Kind::D(gids) | OfferV2Kind::Both(_, gids) => Some(gids),
        });
        let native = offer.modes_v1().ism().then_some(offer.ism.chid);
        let listed = list.into_iter().flat_map(|gids| gids.iter());
        let all = native.into_iter().chain(listed.map(|entry| entry.chid));
        for (slot, chid) in self.chids.iter_mut().zip(all) {
            *slot = Some(chid);
        }
    }

    /// Writes the Proposal of the offer that [`Client::on_offer`] got.
    pub fn write_proposal(&self, offer: &Offer<'_>, buf: &mut [u8]) -> Result<usize, NoSpace> {
        offer.proposal(self.features).emit(buf)
    }

    /// TCP is connected; `smc`: the SYN-ACK had the SMC option.
    pub fn on_connected(&mut self, smc: bool, now: Millis) -> Action {
        match (self.state, smc) {
            (State::Connecting, true) => match self.failed {
                Some(reason) => self.decline(reason),
                None => {
                    self.state = State::Offering;
                    Action::FindDevices
                }
            },
            (State::Connecting, false) => {
                self.finish(Action::Fallback(Fallback::silent(Reason::PeerNoSmc)))
            }
            (State::InSyn, true) => self.await_accept(now),
            (State::InSyn, false) => self.finish(Action::Reconnect),
            _ => Action::Wait,
        }
    }

    /// The message that [`Action::Send`] asked for is in the stream. Not needed
    /// for a Proposal in a SYN.
    pub fn on_sent(&mut self, now: Millis) -> Action {
        match self.state {
            State::Proposing => self.await_accept(now),
            State::Confirming => {
                if self.agreed.first_contact && self.agreed.mode() == Modes::R {
                    self.state = State::Linking;
                    Action::ConfirmLink
                } else {
                    self.finish(Action::Established)
                }
            }
            _ => Action::Wait,
        }
    }

    /// A message arrived.
    pub fn on_message(&mut self, message: &Message<'_>) -> Action {
        if self.expected().is_none() {
            return Action::Wait;
        }
        match (self.state, message) {
            (_, Message::Decline(decline)) => {
                let action = self.ending.declined(decline);
                self.finish(action)
            }
            (State::Proposing | State::AwaitAccept, Message::AcceptConfirm(accept))
                if accept.role == Role::Accept =>
            {
                self.on_accept(accept)
            }
            _ => self.abort(Cause::Protocol),
        }
    }

    /// The server's choice must be one that was offered (af_smc.c,
    /// `smc_connect_check_aclc`).
    fn on_accept(&mut self, accept: &AcceptConfirm<'_>) -> Action {
        let version = accept.version();
        self.deadline = None;
        self.ending.decline = DeclineVersion::of(version);
        self.agreed.version = version;
        self.agreed.first_contact = accept.is_first_contact();
        if let Some(reason) = self.failed {
            return self.decline(reason);
        }
        let offered = if version.is_v1() {
            self.offered_v1
        } else {
            self.offered_v2
        };
        let right = match &accept.body {
            Body::RV1 { .. } | Body::RV2 { .. } => offered.rdma(),
            Body::DV1 { .. } | Body::DV2 { .. } => offered.ism(),
        };
        if !right {
            return self.decline(Reason::ModeMismatch);
        }
        match &accept.body {
            Body::RV1 { smcr, .. } | Body::RV2 { smcr, .. } => {
                self.agreed.peer = Some(Peer::Rdma(*smcr));
                let key = GroupKey::Rdma(RdmaKey {
                    version,
                    peer_id: smcr.sender.peer_id,
                    gid: smcr.sender.gid,
                    mac: smcr.sender.mac,
                    qpn: Some(smcr.qpn),
                });
                if let Body::RV2 { v2, .. } = &accept.body {
                    self.agreed.eid = v2.eid;
                    if let Some(fce) = &v2.first_contact {
                        self.take_first_contact(fce);
                        if !fce.v2_direct {
                            self.state = State::Routing(key);
                            return Action::FindRoute(smcr.sender.gid);
                        }
                    }
                }
                self.group(key)
            }
            Body::DV1 { smcd, .. } => {
                self.agreed.peer = Some(Peer::Ism(*smcd));
                self.group(GroupKey::Ism(IsmKey {
                    version,
                    gid: smcd.gid,
                    gid_ext: 0,
                    chid: 0,
                }))
            }
            Body::DV2 { smcd, v2 } => {
                if !self.chids.contains(&Some(v2.chid)) {
                    // A device that was never offered.
                    return self.abort(Cause::Protocol);
                }
                self.agreed.peer = Some(Peer::Ism(*smcd));
                self.agreed.eid = v2.eid;
                if let Some(fce) = &v2.first_contact {
                    self.take_first_contact(fce);
                }
                let emulated = v2.chid >= 0xff00;
                self.group(GroupKey::Ism(IsmKey {
                    version,
                    gid: smcd.gid,
                    gid_ext: if emulated { v2.gid_ext } else { 0 },
                    chid: v2.chid,
                }))
            }
        }
    }

    fn take_first_contact(&mut self, fce: &FirstContact<'_>) {
        self.agreed.release = fce.release;
        if let (true, Some(v2x)) = (fce.release >= 1, &fce.v2x) {
            self.agreed.max_conns = v2x.max_conns;
            self.agreed.max_links = v2x.max_links;
            self.agreed.feature_mask = v2x.feature_mask & self.feature_mask;
            self.agreed.peer_features = ext::from_first_contact(v2x.vendor);
        }
    }

    /// The answer to [`Action::FindRoute`]: the server says that a gateway is
    /// on the way (af_smc.c, `smc_connect_rdma_v2_prepare`).
    pub fn on_route(&mut self, route: Option<Route>) -> Action {
        match (self.state, route) {
            (State::Routing(_), None) => self.decline(Reason::NoRoute),
            (State::Routing(_), Some(Route::Direct)) => self.decline(Reason::NotIndirect),
            (State::Routing(key), Some(Route::Gateway)) => self.group(key),
            _ => Action::Wait,
        }
    }

    /// What the server set for the group must be in the bounds of SMC v2.1
    /// (smc_clc.c, `smc_clc_clnt_v2x_features_validate`).
    fn group(&mut self, key: GroupKey) -> Action {
        if matches!(key, GroupKey::Rdma(_)) {
            if self.agreed.max_conns < MIN_CONNS {
                return self.decline(Reason::MaxConns);
            }
            if !(1..=MAX_LINKS).contains(&self.agreed.max_links) {
                return self.decline(Reason::MaxLinks);
            }
        }
        self.state = State::Grouping;
        if self.agreed.first_contact {
            Action::CreateGroup(key)
        } else {
            Action::FindGroup(key)
        }
    }

    /// The link group is there.
    pub fn on_group(&mut self) -> Action {
        if self.state != State::Grouping {
            return Action::Wait;
        }
        self.ending.group_is_new = self.agreed.first_contact;
        self.state = State::Preparing;
        Action::Prepare
    }

    /// Buffers, keys and queue pair are ready.
    pub fn on_prepared(&mut self) -> Action {
        if self.state != State::Preparing {
            return Action::Wait;
        }
        self.state = State::Confirming;
        Action::Send(Kind::Confirm)
    }

    /// Writes the Confirm.
    pub fn write_confirm(&self, local: &Local<'_>, buf: &mut [u8]) -> Result<usize, WriteError> {
        if self.state != State::Confirming {
            return Err(WriteError::WrongPlace);
        }
        let features = self.agreed.peer_features.map(|_| self.features);
        match (local, &self.agreed.peer) {
            (Local::Rdma(end), Some(Peer::Rdma(peer))) => {
                // Both ends use the smaller MTU (smc_clc.c).
                let mut end = **end;
                end.mtu = end.mtu.min(peer.mtu);
                let local = Local::Rdma(&end);
                message::write(Role::Confirm, &self.agreed, &local, features, buf)
            }
            (Local::Ism(_), Some(Peer::Ism(_))) => {
                message::write(Role::Confirm, &self.agreed, local, features, buf)
            }
            _ => Err(WriteError::WrongPlace),
        }
    }

    /// What became of the first link.
    pub fn on_link(&mut self, link: Result<(), FirstError>, now: Millis) -> Action {
        if !matches!(self.state, State::Linking | State::Grace) {
            return Action::Wait;
        }
        match link.map_err(link_reason) {
            Ok(()) => self.finish(Action::Established),
            Err(Some(reason)) => self.decline(reason),
            Err(None) if self.state == State::Grace => Action::Wait,
            Err(None) => {
                self.state = State::Grace;
                self.deadline = Some(now.after(DECLINE_GRACE));
                Action::Wait
            }
        }
    }

    /// Something failed here: a device, memory, a policy. The connection goes
    /// on as plain TCP as soon as the server can be told.
    pub fn on_failure(&mut self, reason: Reason) -> Action {
        match self.state {
            State::Done => Action::Wait,
            // A Decline now could cross the Accept, which the application
            // would then find in its stream.
            State::Connecting | State::InSyn | State::AwaitAccept => {
                self.failed.get_or_insert(reason);
                Action::Wait
            }
            _ => self.decline(reason),
        }
    }

    /// The server closed or reset the TCP connection.
    pub fn on_closed(&mut self) -> Action {
        if self.state == State::Done {
            return Action::Wait;
        }
        self.abort(Cause::Closed)
    }

    /// What arrived is no CLC message, or not all of one.
    pub fn on_malformed(&mut self) -> Action {
        if self.state == State::Done {
            return Action::Wait;
        }
        self.abort(Cause::Protocol)
    }

    /// The time is `now`.
    pub fn on_timeout(&mut self, now: Millis) -> Action {
        if self.deadline.map_or(true, |deadline| now < deadline) {
            return Action::Wait;
        }
        match self.state {
            State::AwaitAccept => self.abort(Cause::TimedOut),
            State::Grace => self.decline(Reason::ConfirmLinkTimeout),
            _ => Action::Wait,
        }
    }

    fn await_accept(&mut self, now: Millis) -> Action {
        self.state = State::AwaitAccept;
        self.deadline = Some(now.after(CLC_WAIT));
        Action::Wait
    }

    fn decline(&mut self, reason: Reason) -> Action {
        let action = self.ending.decline(reason);
        self.finish(action)
    }

    fn abort(&mut self, cause: Cause) -> Action {
        let action = self.ending.abort(cause);
        self.finish(action)
    }

    fn finish(&mut self, action: Action) -> Action {
        self.state = State::Done;
        self.deadline = None;
        action
    }
}
