// SPDX-License-Identifier: GPL-2.0

//! The client's end of the handshake (RFC 7609 §3.5.1, §3.5.2; af_smc.c,
//! `__smc_connect`).

use super::course::{Course, Place};
use super::message::{self, Local, WriteError};
use super::offer::{Offer, OfferV2Kind};
use super::select::Route;
use super::{
    Action, Cause, DeclineVersion, Fallback, GroupKey, IsmKey, Negotiated, Peer, RdmaKey, CLC_WAIT,
    EARLY_WAIT, MAX_LINKS, MIN_CONNS,
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

impl Place for State {
    const LINKING: Self = State::Linking;
    const GRACE: Self = State::Grace;
    const DONE: Self = State::Done;

    fn awaits_message(&self) -> bool {
        *self == State::AwaitAccept
    }
}

/// ISM channels of an offer: the native device and 8 entries.
const MAX_CHIDS: usize = 9;

/// One client's handshake.
#[derive(Clone, Debug)]
pub struct Client {
    course: Course<State>,
    features: Features,
    feature_mask: u16,
    offered_v1: Modes,
    offered_v2: Modes,
    chids: [Option<u16>; MAX_CHIDS],
    /// The Proposal had not arrived when its time was over.
    late: bool,
}

impl Client {
    /// A handshake whose TCP connection is not up yet. `features` is what we
    /// tell our like about this host.
    pub const fn new(features: Features) -> Self {
        Client {
            course: Course::new(State::Connecting, None),
            features,
            feature_mask: 0,
            offered_v1: Modes::None,
            offered_v2: Modes::None,
            chids: [None; MAX_CHIDS],
            late: false,
        }
    }

    /// The kind of message to read from the stream; `None` while the stream is
    /// not ours. A Decline may come instead of any.
    pub const fn expected(&self) -> Option<Kind> {
        match self.course.place {
            State::Connecting | State::InSyn | State::Offering | State::Done => None,
            State::Proposing | State::AwaitAccept => Some(Kind::Accept),
            _ => Some(Kind::Decline),
        }
    }

    /// When [`Client::on_timeout`] is due.
    pub const fn deadline(&self) -> Option<Millis> {
        self.course.deadline
    }

    /// What was agreed on; of meaning from [`Action::FindGroup`] or
    /// [`Action::CreateGroup`] on.
    pub const fn negotiated(&self) -> &Negotiated {
        &self.course.agreed
    }

    /// The device lookup found this. Without the SYN's payload it belongs
    /// behind [`Client::on_connected`]; in front of it, the Proposal that is to
    /// be sent goes into the SYN.
    pub fn on_offer(&mut self, offer: &Offer<'_>) -> Action {
        let in_syn = match self.course.place {
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
                self.course.decline(Reason::NoDevice)
            };
        }
        self.offered_v1 = v1;
        self.offered_v2 = v2;
        self.remember_chids(offer);
        self.course.place = if in_syn {
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
    ///
    /// # Errors
    ///
    /// [`NoSpace`] where `buf` is shorter than the Proposal;
    /// [`MAX_PROPOSAL_LEN`](crate::wire::clc::MAX_PROPOSAL_LEN) bytes are enough.
    pub fn write_proposal(&self, offer: &Offer<'_>, buf: &mut [u8]) -> Result<usize, NoSpace> {
        offer.proposal(self.features).emit(buf)
    }

    /// The SYN has left without the Proposal, which goes where it does without
    /// [`Client::on_offer`] in front: behind [`Client::on_connected`].
    pub fn on_not_in_syn(&mut self) {
        if self.course.place == State::InSyn {
            self.course.place = State::Connecting;
        }
    }

    /// TCP is connected; `smc`: the SYN-ACK had the SMC option.
    pub fn on_connected(&mut self, smc: bool, now: Millis) -> Action {
        match (self.course.place, smc) {
            (State::Connecting, true) => match self.course.failed {
                Some(reason) => self.course.decline(reason),
                None => {
                    self.course.place = State::Offering;
                    Action::FindDevices
                }
            },
            (State::Connecting, false) => self
                .course
                .finish(Action::Fallback(Fallback::silent(Reason::PeerNoSmc))),
            (State::InSyn, true) => self.course.wait(State::AwaitAccept, now, EARLY_WAIT),
            (State::InSyn, false) => self.course.finish(Action::Reconnect),
            _ => Action::Wait,
        }
    }

    /// The message that [`Action::Send`] asked for is in the stream. Not needed
    /// for a Proposal in a SYN.
    pub fn on_sent(&mut self, now: Millis) -> Action {
        match self.course.place {
            State::Proposing => self.await_accept(now),
            State::Confirming => {
                if self.course.agreed.first_contact && self.course.agreed.mode() == Modes::R {
                    self.course.place = State::Linking;
                    Action::ConfirmLink
                } else {
                    self.course.finish(Action::Established)
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
        match (self.course.place, message) {
            (_, Message::Decline(decline)) => self.course.declined(decline),
            (State::Proposing | State::AwaitAccept, Message::AcceptConfirm(accept))
                if accept.role == Role::Accept =>
            {
                self.on_accept(accept)
            }
            _ => self.course.abort(Cause::Protocol),
        }
    }

    /// The server's choice must be one that was offered (af_smc.c,
    /// `smc_connect_check_aclc`).
    fn on_accept(&mut self, accept: &AcceptConfirm<'_>) -> Action {
        let version = accept.version();
        self.course.deadline = None;
        self.course.decline = DeclineVersion::of(version);
        self.course.agreed.version = version;
        self.course.agreed.first_contact = accept.is_first_contact();
        if let Some(reason) = self.course.failed {
            return self.course.decline(reason);
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
            return self.course.decline(Reason::ModeMismatch);
        }
        self.chosen(version, &accept.body)
    }

    /// Takes over what the Accept says; then its link group is looked for, and
    /// before that a way to the server's port if it is behind a gateway
    /// (af_smc.c, `smc_connect_rdma_v2_prepare`).
    fn chosen(&mut self, version: Version, body: &Body<'_>) -> Action {
        match body {
            Body::RV1 { smcr, .. } | Body::RV2 { smcr, .. } => {
                self.course.agreed.peer = Some(Peer::Rdma(*smcr));
                let key = GroupKey::Rdma(RdmaKey {
                    version,
                    peer_id: smcr.sender.peer_id,
                    gid: smcr.sender.gid,
                    mac: smcr.sender.mac,
                    qpn: Some(smcr.qpn),
                });
                if let Body::RV2 { v2, .. } = body {
                    self.course.agreed.eid = v2.eid;
                    if let Some(fce) = &v2.first_contact {
                        self.take_first_contact(fce);
                        if !fce.v2_direct {
                            self.course.place = State::Routing(key);
                            return Action::FindRoute(smcr.sender.gid);
                        }
                    }
                }
                self.group(key)
            }
            Body::DV1 { smcd, .. } => {
                self.course.agreed.peer = Some(Peer::Ism(*smcd));
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
                    return self.course.abort(Cause::Protocol);
                }
                self.course.agreed.peer = Some(Peer::Ism(*smcd));
                self.course.agreed.eid = v2.eid;
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
        self.course.agreed.peer_os = fce.os;
        self.course.agreed.peer_host = fce.hostname;
        self.course.agreed.release = fce.release;
        if let (true, Some(v2x)) = (fce.release >= 1, &fce.v2x) {
            self.course.agreed.max_conns = v2x.max_conns;
            self.course.agreed.max_links = v2x.max_links;
            self.course.agreed.feature_mask = v2x.feature_mask & self.feature_mask;
            self.course.agreed.peer_features = ext::from_first_contact(v2x.vendor);
        }
    }

    /// The answer to [`Action::FindRoute`]: the server says that a gateway is
    /// on the way (af_smc.c, `smc_connect_rdma_v2_prepare`).
    pub fn on_route(&mut self, route: Option<Route>) -> Action {
        match (self.course.place, route) {
            (State::Routing(_), None) => self.course.decline(Reason::NoRoute),
            (State::Routing(_), Some(Route::Direct)) => self.course.decline(Reason::NotIndirect),
            (State::Routing(key), Some(Route::Gateway)) => self.group(key),
            _ => Action::Wait,
        }
    }

    /// What the server set for the group must be in the bounds of SMC v2.1
    /// (smc_clc.c, `smc_clc_clnt_v2x_features_validate`).
    fn group(&mut self, key: GroupKey) -> Action {
        if matches!(key, GroupKey::Rdma(_)) {
            if self.course.agreed.max_conns < MIN_CONNS {
                return self.course.decline(Reason::MaxConns);
            }
            if !(1..=MAX_LINKS).contains(&self.course.agreed.max_links) {
                return self.course.decline(Reason::MaxLinks);
            }
        }
        self.course.place = State::Grouping;
        if self.course.agreed.first_contact {
            Action::CreateGroup(key)
        } else {
            Action::FindGroup(key)
        }
    }

    /// The link group is there.
    pub fn on_group(&mut self) -> Action {
        if self.course.place != State::Grouping {
            return Action::Wait;
        }
        self.course.group_is_new = self.course.agreed.first_contact;
        self.course.place = State::Preparing;
        Action::Prepare
    }

    /// Buffers, keys and queue pair are ready.
    pub fn on_prepared(&mut self) -> Action {
        if self.course.place != State::Preparing {
            return Action::Wait;
        }
        self.course.place = State::Confirming;
        Action::Send(Kind::Confirm)
    }

    /// Writes the Confirm.
    ///
    /// # Errors
    ///
    /// See [`WriteError`].
    pub fn write_confirm(&self, local: &Local<'_>, buf: &mut [u8]) -> Result<usize, WriteError> {
        if self.course.place != State::Confirming {
            return Err(WriteError::WrongPlace);
        }
        let features = self.course.agreed.peer_features.map(|_| self.features);
        match (local, &self.course.agreed.peer) {
            (Local::Rdma(end), Some(Peer::Rdma(peer))) => {
                // Both ends use the smaller MTU (smc_clc.c).
                let mut end = **end;
                end.mtu = end.mtu.min(peer.mtu);
                let local = Local::Rdma(&end);
                message::write(Role::Confirm, &self.course.agreed, &local, features, buf)
            }
            (Local::Ism(_), Some(Peer::Ism(_))) => {
                message::write(Role::Confirm, &self.course.agreed, local, features, buf)
            }
            _ => Err(WriteError::WrongPlace),
        }
    }

    /// What became of the first link.
    pub fn on_link(&mut self, link: Result<(), FirstError>, now: Millis) -> Action {
        self.course.on_link(link, now)
    }

    /// Something failed here: a device, memory, a policy. The connection goes
    /// on as plain TCP as soon as the server can be told.
    pub fn on_failure(&mut self, reason: Reason) -> Action {
        match self.course.place {
            State::Done => Action::Wait,
            // A Decline now could cross the Accept, which the application
            // would then find in its stream.
            State::Connecting | State::InSyn | State::AwaitAccept => {
                self.course.failed.get_or_insert(reason);
                Action::Wait
            }
            _ => self.course.decline(reason),
        }
    }

    /// What [`Client::on_connected`] will come to with a server that has SMC, where that
    /// is certain by now: it need not be waited for then.
    pub fn foreseen(&self) -> Option<Fallback> {
        let is_certain = self.course.place == State::Connecting && self.course.failed.is_some();
        let next = is_certain.then(|| self.clone().on_connected(true, Millis(0)));
        match next {
            Some(Action::Fallback(fallback)) => Some(fallback),
            _ => None,
        }
    }

    /// The server closed or reset the TCP connection.
    pub fn on_closed(&mut self) -> Action {
        self.course.abort(Cause::Closed)
    }

    /// What arrived is no CLC message, or not all of one.
    pub fn on_malformed(&mut self) -> Action {
        self.course.abort(Cause::Protocol)
    }

    /// The time is `now`, and the server's TCP has acknowledged all that was sent, or has
    /// not: to be said before [`Client::on_timeout`]. While the queue of the listener is
    /// full TCP repeats the Proposal, and gives up by itself. The server has its time from
    /// when it has it.
    pub fn on_progress(&mut self, arrived: bool, now: Millis) {
        let awaits = self.course.place == State::AwaitAccept;
        if awaits && self.is_late(now) && (self.late || !arrived) {
            self.late = !arrived;
            self.await_accept(now);
        }
    }

    /// Whether the server has had its time: who then knows when it was seen at work on other
    /// connections, says so by [`Client::on_busy`] before [`Client::on_timeout`].
    pub fn is_late(&self, now: Millis) -> bool {
        self.course.is_late(now)
    }

    /// The server was seen at work on other connections, at `busy` for the last time: as
    /// [`Server::on_busy`](super::Server::on_busy), before its Accepts.
    pub fn on_busy(&mut self, busy: Millis) {
        self.course.on_busy(busy);
    }

    /// The time is `now`.
    pub fn on_timeout(&mut self, now: Millis) -> Action {
        self.course.on_timeout(now)
    }

    fn await_accept(&mut self, now: Millis) -> Action {
        self.course.wait(State::AwaitAccept, now, CLC_WAIT)
    }
}
