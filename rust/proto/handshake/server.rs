// SPDX-License-Identifier: GPL-2.0

//! The server's end of the handshake (RFC 7609 §3.5.1, §3.5.2; af_smc.c,
//! `smc_listen_work`).

use super::course::{Course, Place};
use super::message::{self, Local, WriteError};
use super::select::{Agreed, Candidate, Lookup, Selection};
use super::{
    Action, Cause, DeclineVersion, Fallback, GroupKey, Negotiated, Peer, CLC_WAIT, EARLY_WAIT,
    GROUP_WAIT, MAX_CONNS, MAX_LINKS, MIN_CONNS,
};
use crate::group::{FirstError, Millis};
use crate::wire::clc::{
    AcceptConfirm, Body, Decline, FirstContact, Kind, Message, Modes, Proposal, ProposalBody,
    Reason, Role,
};
use crate::wire::ext::{self, Features};
use crate::wire::types::PeerId;

/// What a server offers, the same for all its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// What we tell our like about this host.
    pub features: Features,
    /// Most connections in a link group, 16 to 255.
    pub max_conns: u8,
    /// Most links in a link group, 1 or 2.
    pub max_links: u8,
    /// Supplemental features of SMC v2.1.
    pub feature_mask: u16,
}

/// Where a server stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The client's Proposal is waited for.
    AwaitProposal,
    /// The owner looks for a group, or makes one.
    Grouping(Selection),
    /// The owner gets buffers ready.
    Preparing(Selection),
    /// The owner sends the Accept.
    Accepting,
    /// The client's Confirm is waited for.
    AwaitConfirm,
    /// The owner stores the client's key.
    TakingPeer,
    /// The first link is being confirmed.
    Linking,
    /// It was not, in time: the client's Decline is waited for.
    Grace,
    /// Over.
    Done,
}

impl Place for State {
    const LINKING: Self = State::Linking;
    const GRACE: Self = State::Grace;
    const DONE: Self = State::Done;

    fn awaits_message(&self) -> bool {
        matches!(self, State::AwaitProposal | State::AwaitConfirm)
    }
}

/// One server's handshake.
#[derive(Clone, Debug)]
pub struct Server {
    course: Course<State>,
    config: ServerConfig,
    /// The host that the Proposal named; zero where it named none.
    peer_id: PeerId,
    mode: Modes,
    /// TCP's handshake was not over yet when it was asked for last.
    early: bool,
    /// Until when it waits for the first contact of others.
    group_until: Option<Millis>,
}

impl Server {
    /// The handshake of a connection that was accepted at `now`. `smc`: the
    /// client's SYN had the SMC option. Without it the first action is a
    /// fallback, otherwise to wait for the Proposal.
    pub fn new(config: ServerConfig, smc: bool, now: Millis) -> (Self, Action) {
        let mut server = Server {
            course: Course::new(State::AwaitProposal, Some(now.after(CLC_WAIT))),
            config: ServerConfig {
                max_conns: config.max_conns.max(MIN_CONNS),
                max_links: config.max_links.clamp(1, MAX_LINKS),
                ..config
            },
            peer_id: PeerId([0; 8]),
            mode: Modes::None,
            early: false,
            group_until: None,
        };
        if smc {
            return (server, Action::Wait);
        }
        let action = server
            .course
            .finish(Action::Fallback(Fallback::silent(Reason::PeerNoSmc)));
        (server, action)
    }

    /// What a client comes to that declines before it has proposed anything: the same as
    /// with a machine of its own, which is not needed for that.
    pub fn declined_first(decline: &Decline) -> Fallback {
        Course::new(State::AwaitProposal, None).after_decline(decline)
    }

    /// The kind of message to read from the stream; `None` while the stream is
    /// not ours. A Decline may come instead of any.
    pub const fn expected(&self) -> Option<Kind> {
        match self.course.place {
            State::AwaitProposal => Some(Kind::Proposal),
            State::Accepting | State::AwaitConfirm => Some(Kind::Confirm),
            State::Done => None,
            _ => Some(Kind::Decline),
        }
    }

    /// When [`Server::on_timeout`] is due.
    pub const fn deadline(&self) -> Option<Millis> {
        self.course.deadline
    }

    /// What was agreed on; of meaning from [`Action::FindOrCreateGroup`] on.
    pub const fn negotiated(&self) -> &Negotiated {
        &self.course.agreed
    }

    /// A message arrived. `lookup` is asked what this host has.
    pub fn on_message(&mut self, message: &Message<'_>, lookup: &mut dyn Lookup) -> Action {
        if self.expected().is_none() {
            return Action::Wait;
        }
        match (self.course.place, message) {
            (_, Message::Decline(decline)) => self.course.declined(decline),
            (State::AwaitProposal, Message::Proposal(proposal)) => {
                self.on_proposal(proposal, lookup)
            }
            (State::Accepting | State::AwaitConfirm, Message::AcceptConfirm(confirm))
                if confirm.role == Role::Confirm =>
            {
                self.on_confirm(confirm)
            }
            _ => self.course.abort(Cause::Protocol),
        }
    }

    fn on_proposal(&mut self, proposal: &Proposal<'_>, lookup: &mut dyn Lookup) -> Action {
        self.course.deadline = None;
        self.peer_id = proposal.sender.peer_id;
        if let ProposalBody::V2(v2) = &proposal.body {
            self.course.decline = DeclineVersion::V2;
            self.course.agreed.peer_features = ext::from_proposal(&v2.smcd.vendor);
        }
        if let Some(reason) = self.course.failed {
            return self.course.decline(reason);
        }
        let agreed = match Agreed::check(proposal, lookup) {
            Ok(agreed) => agreed,
            Err(reason) => return self.course.decline(reason),
        };
        if let Err(reason) = self.agree_limits(proposal, &agreed) {
            return self.course.decline(reason);
        }
        let selection = Selection::new(proposal, &agreed, lookup);
        self.choose(selection, lookup)
    }

    /// The lower of both ends' limits (smc_clc.c,
    /// `smc_clc_srv_v2x_features_validate`).
    fn agree_limits(&mut self, proposal: &Proposal<'_>, agreed: &Agreed) -> Result<(), Reason> {
        self.course.agreed.max_conns = MAX_CONNS;
        self.course.agreed.max_links = MAX_LINKS;
        self.course.agreed.release = agreed.release;
        let offer = match &proposal.body {
            ProposalBody::V2(v2) => v2.v2.as_ref(),
            ProposalBody::V1(_) => None,
        };
        let Some(offer) = offer.filter(|_| agreed.release >= 1) else {
            return Ok(());
        };
        self.course.agreed.feature_mask = self.config.feature_mask;
        if agreed.rdma_v2 {
            self.course.agreed.max_conns = offer.max_conns.min(self.config.max_conns);
            if self.course.agreed.max_conns < MIN_CONNS {
                return Err(Reason::MaxConns);
            }
            self.course.agreed.max_links = offer.max_links.min(self.config.max_links);
            if self.course.agreed.max_links < 1 {
                return Err(Reason::MaxLinks);
            }
        }
        Ok(())
    }

    fn choose(&mut self, mut selection: Selection, lookup: &mut dyn Lookup) -> Action {
        match selection.next(lookup) {
            Err(reason) => self.course.decline(reason),
            Ok(Candidate { key, eid }) => {
                let (version, mode) = match &key {
                    GroupKey::Rdma(key) => (key.version, Modes::R),
                    GroupKey::Ism(key) => (key.version, Modes::D),
                };
                self.mode = mode;
                self.course.agreed.version = version;
                self.course.agreed.eid = eid;
                self.course.group_is_new = false;
                self.course.place = State::Grouping(selection);
                Action::FindOrCreateGroup(key)
            }
        }
    }

    /// The link group is looked for at `now`. If there is none, and others make it, they are
    /// waited for, [`GROUP_WAIT`] from when this is called first.
    pub fn on_group_wanted(&mut self, now: Millis) {
        if let State::Grouping(_) = self.course.place {
            let until = *self.group_until.get_or_insert(now.after(GROUP_WAIT));
            self.course.deadline = Some(until);
        }
    }

    /// The link group is there; `new`: it was made for this connection.
    pub fn on_group(&mut self, new: bool) -> Action {
        let State::Grouping(selection) = self.course.place else {
            return Action::Wait;
        };
        self.course.deadline = None;
        self.course.agreed.first_contact = new;
        self.course.group_is_new = new;
        self.course.place = State::Preparing(selection);
        Action::Prepare
    }

    /// The link group that was there before this connection has come to its end
    /// while the owner got buffers ready: nothing has been said of it to the client.
    /// For the same key the owner finds another one, or makes one, and calls
    /// `on_group`. Whether it is time for that.
    pub fn on_group_lost(&mut self) -> bool {
        let State::Preparing(selection) = self.course.place else {
            return false;
        };
        if self.course.group_is_new {
            return false;
        }
        self.course.place = State::Grouping(selection);
        self.course.deadline = self.group_until;
        true
    }

    /// Buffers and keys are ready.
    pub fn on_prepared(&mut self) -> Action {
        let State::Preparing(_) = self.course.place else {
            return Action::Wait;
        };
        self.course.place = State::Accepting;
        Action::Send(Kind::Accept)
    }

    /// Writes the Accept.
    ///
    /// # Errors
    ///
    /// See [`WriteError`].
    pub fn write_accept(&self, local: &Local<'_>, buf: &mut [u8]) -> Result<usize, WriteError> {
        let mode = match local {
            Local::Rdma(_) => Modes::R,
            Local::Ism(_) => Modes::D,
        };
        if self.course.place != State::Accepting || mode != self.mode {
            return Err(WriteError::WrongPlace);
        }
        let features = self
            .course
            .agreed
            .peer_features
            .map(|_| self.config.features);
        message::write(Role::Accept, &self.course.agreed, local, features, buf)
    }

    /// The Accept is in the stream.
    pub fn on_sent(&mut self, now: Millis) -> Action {
        if self.course.place != State::Accepting {
            return Action::Wait;
        }
        self.course.wait(State::AwaitConfirm, now, CLC_WAIT)
    }

    fn on_confirm(&mut self, confirm: &AcceptConfirm<'_>) -> Action {
        self.course.deadline = None;
        if let Some(reason) = self.course.failed {
            return self.course.decline(reason);
        }
        let (peer, mode, fce) = match &confirm.body {
            Body::RV1 { smcr, .. } => (Peer::Rdma(*smcr), Modes::R, None),
            Body::DV1 { smcd, .. } => (Peer::Ism(*smcd), Modes::D, None),
            Body::RV2 { smcr, v2 } => (Peer::Rdma(*smcr), Modes::R, v2.first_contact.as_ref()),
            Body::DV2 { smcd, v2 } => (Peer::Ism(*smcd), Modes::D, v2.first_contact.as_ref()),
        };
        // The C module takes the bytes for what it accepted, whatever they say.
        if mode != self.mode || confirm.version() != self.course.agreed.version {
            return self.course.abort(Cause::Protocol);
        }
        if let Peer::Rdma(smcr) = &peer {
            if !self.peer_id.is_zero() && smcr.sender.peer_id != self.peer_id {
                return self.course.abort(Cause::Protocol);
            }
        }
        if confirm.is_first_contact() != self.course.agreed.first_contact {
            return self.course.decline(Reason::SyncError);
        }
        if let Some(Err(reason)) = fce.map(|fce| self.check_first_contact(fce)) {
            return self.course.decline(reason);
        }
        self.course.agreed.peer = Some(peer);
        self.course.place = State::TakingPeer;
        Action::TakePeer
    }

    /// The client repeats what the server set (smc_clc.c,
    /// `smc_clc_v2x_features_confirm_check`).
    fn check_first_contact(&mut self, fce: &FirstContact<'_>) -> Result<(), Reason> {
        self.course.agreed.peer_os = fce.os;
        self.course.agreed.peer_host = fce.hostname;
        if fce.release != self.course.agreed.release {
            return Err(Reason::ReleaseMismatch);
        }
        let Some(v2x) = fce.v2x.as_ref().filter(|_| fce.release >= 1) else {
            return Ok(());
        };
        if self.mode == Modes::R {
            if v2x.max_conns != self.course.agreed.max_conns {
                return Err(Reason::MaxConns);
            }
            if v2x.max_links != self.course.agreed.max_links {
                return Err(Reason::MaxLinks);
            }
        }
        self.course.agreed.feature_mask &= v2x.feature_mask;
        Ok(())
    }

    /// The client's key is stored, its queue pair known.
    pub fn on_peer_taken(&mut self) -> Action {
        if self.course.place != State::TakingPeer {
            return Action::Wait;
        }
        if self.course.agreed.first_contact && self.mode == Modes::R {
            self.course.place = State::Linking;
            Action::ConfirmLink
        } else {
            self.course.finish(Action::Established)
        }
    }

    /// What became of the first link.
    pub fn on_link(&mut self, link: Result<(), FirstError>, now: Millis) -> Action {
        self.course.on_link(link, now)
    }

    /// Something failed here: a device, memory, a policy. While a group or
    /// buffers are being got, the next possibility is tried: what was got for
    /// this one is given up before the next [`Action`] is carried out.
    pub fn on_failure(&mut self, reason: Reason, lookup: &mut dyn Lookup) -> Action {
        match self.course.place {
            State::Done => Action::Wait,
            State::Grouping(mut selection) | State::Preparing(mut selection) => {
                self.course.deadline = None;
                selection.note(reason);
                self.choose(selection, lookup)
            }
            // The client takes its Confirm for the end of the handshake, and reads no
            // Decline any more.
            State::TakingPeer if !self.course.agreed.first_contact => {
                self.course.abort(Cause::Protocol)
            }
            // A Decline now could cross the client's message, which the
            // application would then find in its stream.
            State::AwaitProposal | State::AwaitConfirm => {
                self.course.failed.get_or_insert(reason);
                Action::Wait
            }
            _ => self.course.decline(reason),
        }
    }

    /// The client closed or reset the TCP connection.
    pub fn on_closed(&mut self) -> Action {
        self.course.abort(Cause::Closed)
    }

    /// What arrived is no CLC message, or not all of one.
    pub fn on_malformed(&mut self) -> Action {
        self.course.abort(Cause::Protocol)
    }

    /// The time is `now`, and TCP's handshake is over, or is not: to be said whenever that
    /// may have changed, and before [`Server::on_timeout`]. While it is not, as with a
    /// Proposal in the SYN, TCP repeats its SYN-ACK, and gives up by itself. The client has
    /// its time from when it is.
    pub fn on_progress(&mut self, connected: bool, now: Millis) {
        let renews = if connected {
            self.early
        } else {
            self.is_late(now)
        };
        self.early = !connected;
        if renews && self.course.place.awaits_message() {
            self.course.deadline = Some(now.after(EARLY_WAIT));
        }
    }

    /// Whether the client has had its time: who then knows when it was seen at work on other
    /// connections of the group, says so by [`Server::on_busy`] before [`Server::on_timeout`].
    pub fn is_late(&self, now: Millis) -> bool {
        self.course.is_late(now)
    }

    /// The client was seen at work on other connections, at `busy` for the last time: it has
    /// sent a Confirm, or asked about a key (CONFIRM RKEY). One with many connections at once
    /// comes to them in turn. The C module asks about all their keys, two round trips each,
    /// before it sends their Confirms (smc_llc.c, `smc_llc_do_confirm_rkey`).
    pub fn on_busy(&mut self, busy: Millis) {
        self.course.on_busy(busy);
    }

    /// The time is `now`.
    pub fn on_timeout(&mut self, now: Millis) -> Action {
        match self.course.place {
            State::Grouping(_) if self.is_late(now) => {
                self.course.decline(Reason::ConfirmLinkTimeout)
            }
            _ => self.course.on_timeout(now),
        }
    }
}
