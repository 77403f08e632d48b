// SPDX-License-Identifier: GPL-2.0

//! Adding a link (RFC 7609 §3.5.5.1; version 2 has no continuations, SMC v2).
//!
//! | server | client |
//! |---|---|
//! | prepare, tell keys | |
//! | ADD LINK → | prepare (to RTR), tell keys |
//! | connect (to RTS) | ← ADD LINK response |
//! | version 1: CONT → | ← CONT response, until both have told all |
//! | CONFIRM LINK, new link → | enable (to RTS) |
//! | active | ← CONFIRM LINK response, new link; active |
//!
//! "Tell keys" is step 3 of the rule in `rkey.rs`.

use super::flow::{AddStep, Adding, Flow};
use super::keys::PeerKeys;
use super::link::{Ask, End, Removal};
use super::offer::Rejected;
use super::{AddError, Group, LinkState, Millis, Redundancy, Role, Slot};
use crate::wire::llc::{AddLink, AddLinkCont, ConfirmLink, DeleteReason, KeyPair};

/// Rounds of ADD LINK CONTINUATION that 255 RMBs on each side can take.
const MAX_ROUNDS: u8 = 128;

impl Group {
    /// A place for a new link.
    pub(super) fn free_slot(&self) -> Option<Slot> {
        self.slots(|l| l.state == LinkState::Unused && l.notice.is_none())
            .next()
    }

    /// Server: begins to add a link. Client: tells the server of its port.
    pub(super) fn start_add(&mut self, now: Millis) -> bool {
        if !self.add.wanted && !self.add.asked {
            return false;
        }
        self.add.wanted = false;
        let place = match (self.wants_links(), self.active_link(), self.free_slot()) {
            (true, Some(via), Some(new)) => Some((via, new)),
            _ => None,
        };
        let Some((via, new)) = place else {
            self.add_answer(Err(AddError::Full));
            return false;
        };
        if self.role == Role::Client {
            self.due = true;
            self.flow = Flow::Invite {
                via,
                deadline: now.after(self.times.response),
            };
            return true;
        }
        let num = self.new_num();
        let uid = self.uid_of(num);
        let link = self.link_mut(new);
        link.num = num;
        link.uid = uid;
        self.prepare(via, new);
        true
    }

    pub(super) fn prepare(&mut self, via: Slot, new: Slot) {
        let link = self.link_mut(new);
        link.state = LinkState::Preparing;
        link.ask = Some(Ask::Prepare);
        self.flow = Flow::Add(Adding {
            via,
            new,
            becomes: Redundancy::Symmetric,
            step: AddStep::Preparing,
            deadline: None,
        });
    }

    /// Answer to [`Action::PrepareLink`](super::Action::PrepareLink): this
    /// side's end of the new link, or no port, no queue pair, no memory.
    pub fn link_prepared(&mut self, now: Millis, slot: Slot, end: Result<End, AddError>) {
        let link = self.link_mut(slot);
        if !core::mem::take(&mut link.preparing) {
            return;
        }
        match (link.state, end) {
            (LinkState::Preparing, Ok(end)) => {
                link.state = LinkState::Joining;
                link.local = end;
            }
            (LinkState::Preparing, Err(why)) => return self.abort_add(now, why, None),
            // Nobody wants it any more.
            (_, Ok(_)) => {
                link.state = LinkState::Freeing;
                link.ask = Some(Ask::Free);
                return;
            }
            (_, Err(_)) => {
                link.reset();
                return self.next(now);
            }
        }
        let Flow::Add(mut adding) = self.flow else {
            return;
        };
        let Some(becomes) = self.becomes(adding.via, slot) else {
            return self.abort_add(now, AddError::NoPort, None);
        };
        adding.becomes = becomes;
        self.keys_told(now, adding);
    }

    /// What the group becomes with the new link, as far as the ends are known;
    /// `None` where the link would be of no use.
    fn becomes(&self, via: Slot, new: Slot) -> Option<Redundancy> {
        let v2 = self.version.is_v2();
        let (old, new) = (self.link(via), self.link(new));
        let here = new.local.same_port(&old.local, v2);
        let there = self.role == Role::Client && new.peer.same_port(&old.peer, v2);
        match (here, there, self.redundancy) {
            (false, false, _) => Some(Redundancy::Symmetric),
            (true, false, Redundancy::Single) => Some(Redundancy::AsymmetricLocal),
            (false, true, Redundancy::Single) => Some(Redundancy::AsymmetricPeer),
            _ => None,
        }
    }

    /// Every key on the old link that this side has told by CLC only must be
    /// known to the peer; then the offer, or the answer to it, may go out.
    pub(super) fn keys_told(&mut self, now: Millis, mut adding: Adding) {
        if let Some(exchange) = self.confirm_untold(now, adding.via) {
            adding.step = AddStep::Confirming(exchange);
        } else {
            self.due = true;
            (adding.step, adding.deadline) = match self.role {
                Role::Server => {
                    let until = now.after(self.times.response);
                    (AddStep::AwaitAnswer, Some(until))
                }
                Role::Client => (AddStep::Answering, None),
            };
        }
        self.flow = Flow::Add(adding);
    }

    /// Server: the client answered the offer.
    pub(super) fn offer_answered(
        &mut self,
        now: Millis,
        mut adding: Adding,
        answer: &AddLink<'_>,
        peer: &mut dyn PeerKeys,
    ) {
        let v2 = self.version.is_v2();
        let end = end_of(answer);
        let there = end.same_port(&self.link(adding.via).peer, v2);
        let single = self.redundancy == Redundancy::Single;
        let here = adding.becomes == Redundancy::AsymmetricLocal;
        // One of the two ports must be another one (RFC 7609 §2.2.1).
        let parallel = single && here && there;
        let known = self.link(adding.new).num == answer.link;
        let complete = answer.ext.is_some() == v2;
        if parallel || !known || !complete || answer.mtu.bytes().is_none() {
            return self.abort_add(now, AddError::BadAnswer, Some(DeleteReason::LostPath));
        }
        if single && there {
            adding.becomes = Redundancy::AsymmetricPeer;
        }
        peer.clear(adding.new);
        let pairs = answer.ext.iter().flat_map(|e| e.pairs());
        tell_pairs(peer, adding.via, adding.new, pairs);
        let link = self.link_mut(adding.new);
        link.peer = end;
        link.ask = Some(Ask::Connect);
        adding.step = AddStep::Connecting;
        adding.deadline = None;
        self.flow = Flow::Add(adding);
    }

    /// Answer to [`Action::ConnectLink`](super::Action::ConnectLink).
    pub fn link_connected(&mut self, now: Millis, slot: Slot, ok: bool) {
        let Flow::Add(adding) = self.flow else {
            return;
        };
        let asked = self.link(slot).ask == Some(Ask::Connect);
        if adding.new != slot || adding.step != AddStep::Connecting || asked {
            return;
        }
        if !ok {
            return self.abort_add(now, AddError::NoPort, Some(DeleteReason::LostPath));
        }
        if self.version.is_v2() {
            self.confirm_new(now, adding);
        } else {
            self.rkeys.telling = self.rkeys.to_tell();
            self.continue_keys(now, adding, 0, 0);
        }
    }

    /// Server: CONFIRM LINK on the new link.
    fn confirm_new(&mut self, now: Millis, mut adding: Adding) {
        self.due = true;
        adding.step = AddStep::AwaitConfirm;
        adding.deadline = Some(now.after(self.times.confirm));
        self.flow = Flow::Add(adding);
    }

    /// The next ADD LINK CONTINUATION of this side is due.
    fn continue_keys(&mut self, now: Millis, mut adding: Adding, peer_left: u8, rounds: u8) {
        self.due = true;
        adding.step = AddStep::Keys { peer_left, rounds };
        adding.deadline = Some(now.after(self.times.response));
        self.flow = Flow::Add(adding);
    }

    /// The peer's ADD LINK CONTINUATION (RFC 7609 Appendix A.3.3).
    pub(super) fn keys_came(
        &mut self,
        now: Millis,
        adding: Adding,
        rounds: u8,
        cont: &AddLinkCont<'_>,
        peer: &mut dyn PeerKeys,
    ) {
        let told = tell_pairs(peer, adding.via, adding.new, cont.pairs());
        let peer_left = cont.remaining.saturating_sub(told);
        if rounds >= MAX_ROUNDS {
            return self.abort_add(now, AddError::BadAnswer, Some(DeleteReason::LostPath));
        }
        let done = peer_left == 0 && self.rkeys.telling.is_empty();
        match self.role {
            Role::Server if done => self.confirm_new(now, adding),
            _ => self.continue_keys(now, adding, peer_left, rounds.saturating_add(1)),
        }
    }

    /// Client: an answer of this side went out.
    pub(super) fn answer_sent(&mut self, now: Millis, mut adding: Adding) {
        let (step, wait) = match adding.step {
            AddStep::Answering if !self.version.is_v2() => {
                self.rkeys.telling = self.rkeys.to_tell();
                let step = AddStep::Keys {
                    peer_left: 0,
                    rounds: 0,
                };
                (step, self.times.response)
            }
            AddStep::Keys { peer_left, rounds }
                if peer_left > 0 || !self.rkeys.telling.is_empty() =>
            {
                (AddStep::Keys { peer_left, rounds }, self.times.response)
            }
            AddStep::ConfirmAnswer => return self.add_done(now, adding),
            _ => (AddStep::AwaitConfirm, self.times.confirm),
        };
        adding.step = step;
        adding.deadline = Some(now.after(wait));
        self.flow = Flow::Add(adding);
    }

    /// CONFIRM LINK came over the new link.
    pub(super) fn new_confirmed(&mut self, now: Millis, mut adding: Adding, m: &ConfirmLink<'_>) {
        self.link_mut(adding.new).peer_uid = m.uid;
        match self.role {
            Role::Server => self.add_done(now, adding),
            Role::Client => {
                self.link_mut(adding.new).ask = Some(Ask::Enable);
                adding.step = AddStep::Enabling;
                adding.deadline = None;
                self.flow = Flow::Add(adding);
            }
        }
    }

    /// The new link works.
    fn add_done(&mut self, now: Millis, adding: Adding) {
        self.make_active(now, adding.new);
        self.redundancy = adding.becomes;
        if core::mem::take(&mut self.add.wished) {
            self.add.result = Some(Ok(Some(adding.new)));
        }
        self.add.wanted = false;
        self.add.asked = false;
        if self.role == Role::Server && self.redundancy == Redundancy::Symmetric {
            // RFC 7609 §2.2.1: an asymmetric link has served its time.
            if let Some(slot) = self.asymmetric() {
                self.remove(slot, DeleteReason::AsymmetricNotNeeded, true);
            }
        }
        self.idle(now);
    }

    /// The link that shares one port with each of the two others.
    fn asymmetric(&self) -> Option<Slot> {
        let v2 = self.version.is_v2();
        let shares = |slot: Slot, end: fn(&super::Link) -> &End| {
            let mine = end(self.link(slot));
            self.slots(|l| l.is_active())
                .any(|o| o != slot && end(self.link(o)).same_port(mine, v2))
        };
        self.slots(|l| l.is_active())
            .find(|s| shares(*s, super::Link::local) && shares(*s, super::Link::peer))
    }

    /// The new link is not to be. `tell` the peer, if it may hold its end of
    /// the link.
    pub(super) fn abort_add(&mut self, now: Millis, why: AddError, tell: Option<DeleteReason>) {
        let Flow::Add(adding) = self.flow else {
            return;
        };
        let unsent = self.due && adding.step == AddStep::AwaitAnswer;
        let early = unsent
            || matches!(
                adding.step,
                AddStep::Preparing | AddStep::Confirming(_) | AddStep::Answering
            );
        let link = self.link_mut(adding.new);
        if !early {
            if let Some(reason) = tell {
                link.notice = Some(Removal {
                    num: link.num,
                    reason,
                    orderly: false,
                });
            }
        }
        let (num, end) = (link.num, link.peer);
        if early && self.role == Role::Client {
            let via = adding.via;
            self.add.reject = Some(Rejected { via, num, end });
        }
        self.add_over(now, adding, why);
    }

    /// Client: the server has taken its offer back.
    pub(super) fn withdraw_add(&mut self, now: Millis) {
        if let Flow::Add(adding) = self.flow {
            self.add_over(now, adding, AddError::Withdrawn);
        }
    }

    fn add_over(&mut self, now: Millis, adding: Adding, why: AddError) {
        self.free(adding.new);
        self.add_answer(Err(why));
        self.idle(now);
    }

    /// There is no new link: whoever waits for one is told.
    pub(super) fn add_answer(&mut self, result: Result<Option<Slot>, AddError>) {
        if core::mem::take(&mut self.add.wished) {
            self.add.result = Some(result);
        }
        if core::mem::take(&mut self.add.asked) {
            self.add.decline = true;
        }
    }

    /// Answer to [`Action::EnableLink`](super::Action::EnableLink).
    pub fn link_enabled(&mut self, now: Millis, slot: Slot, ok: bool) {
        if self.link(slot).ask == Some(Ask::Enable) {
            return;
        }
        match self.flow {
            Flow::First { .. } => self.first_enabled(ok),
            Flow::Add(mut adding) if adding.new == slot && adding.step == AddStep::Enabling => {
                if !ok {
                    return self.abort_add(now, AddError::NoPort, Some(DeleteReason::LostPath));
                }
                adding.step = AddStep::ConfirmAnswer;
                self.due = true;
                self.flow = Flow::Add(adding);
            }
            _ => {}
        }
    }
}

/// The peer's end of a link, from its ADD LINK.
pub(super) fn end_of(m: &AddLink<'_>) -> End {
    End {
        mac: m.mac,
        gid: m.gid,
        qpn: m.qpn,
        psn: m.psn,
        mtu: m.mtu,
    }
}

/// Takes keys on a new link in. How many there were.
pub(super) fn tell_pairs(
    peer: &mut dyn PeerKeys,
    via: Slot,
    new: Slot,
    pairs: impl Iterator<Item = KeyPair>,
) -> u8 {
    let mut told = 0u8;
    for pair in pairs {
        // A key of an RMB that is not known here is of no use (smc_llc.c).
        let _ = peer.extend(via, pair.known, new, pair.new);
        told = told.saturating_add(1);
    }
    told
}
