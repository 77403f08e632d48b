// SPDX-License-Identifier: GPL-2.0

//! The keys of this side's RMBs: what the peer knows, what it must be told.
//!
//! # The rule
//!
//! A peer may write to an RMB over any link that is active, for it moves
//! connections between links when it likes. So it must know the RMB's key on
//! every active link before it can write at all (RFC 7609 §3.5.5.2). There are
//! three ways to tell it:
//!
//! 1. The CLC message that announces a connection carries the key on *one*
//!    link. While the group has one link, and no other link exists even in part
//!    (being made, being added by either side, being deleted, its queue pair
//!    not yet gone), that is all there is to tell: no CONFIRM RKEY. Such an RMB
//!    is *announced*. With links to spare, CONFIRM RKEY comes first and tells
//!    the keys on all of them; then the RMB is *confirmed*.
//! 2. While a link is being added, each side tells the keys of its RMBs on the
//!    new link, naming each RMB by its key on the old one (ADD LINK in version
//!    2, ADD LINK CONTINUATION in version 1). The peer drops a key that belongs
//!    to no RMB it knows. A CLC message travels over IP, and may arrive after
//!    LLC messages that were sent later: the peer may not know an announced RMB
//!    yet, would drop its key on the new link, and would learn of the RMB from
//!    the CLC message a moment later, without that key.
//! 3. Hence, before this side lets a link be added (before the server's offer,
//!    before the client's answer to it) it sends CONFIRM RKEY, on the old link,
//!    for each RMB that is announced and not confirmed. Where that fails the
//!    link is not added. From the first step of adding a link to the last,
//!    announcements wait.
//!
//! An RMB becomes confirmed without a message where the peer has shown that it
//! read the CLC message ([`Group::proven`]), and at the end of the first
//! contact.
//!
//! DELETE RKEY is owed when the caller deregisters an RMB that the peer may
//! know, not when a connection ends.

use super::flow::{AddStep, Flow};
use super::rmb::RmbSet;
use super::{Action, AddError, Group, LinkState, Millis, RmbId, Slot};

/// How often a CONFIRM RKEY is sent again after an answer that asks for it.
const MAX_RETRIES: u8 = 2;

/// Answer to [`Group::announce`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Announce {
    /// The RMB's key may travel in CLC messages right now.
    Ready,
    /// Wait for [`Action::RkeyUsable`] or [`Action::RkeyRefused`].
    Wait,
}

/// Answer to [`Group::drop_rmb`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// The peer never heard of the RMB, or the group has ended: deregister it.
    Free,
    /// Wait for [`Action::RkeyGone`].
    Wait,
}

/// Why an RMB can't be announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RkeyError {
    /// The peer said no, or the RMB is not registered on every link, or the
    /// group has ended.
    Refused,
    /// The peer did not answer in time, or other exchanges took too long.
    Timeout,
    /// The RMB is being dropped.
    Dropping,
}

/// CONFIRM RKEY or DELETE RKEY of one own RMB is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Exchange {
    pub(super) rmb: RmbId,
    pub(super) delete: bool,
    pub(super) via: Slot,
    pub(super) deadline: Millis,
    /// The peer can't have heard of the RMB before.
    pub(super) unheard: bool,
}

/// What is known and wanted of each own RMB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Rkeys {
    /// The peer may know the RMB.
    announced: RmbSet,
    /// The peer knows the RMB's keys on all active links.
    confirmed: RmbSet,
    want_confirm: RmbSet,
    want_delete: RmbSet,
    /// Wishes that are older than the last tick.
    aged: RmbSet,
    /// Version 1: keys still to be told in ADD LINK CONTINUATION.
    pub(super) telling: RmbSet,
    usable: RmbSet,
    refused: RmbSet,
    expired: RmbSet,
    gone: RmbSet,
    retries: u8,
}

impl Rkeys {
    /// Every announced RMB is known to the peer, as a matter of fact.
    pub(super) fn all_told(&mut self) {
        self.confirmed = self.announced;
    }

    /// The RMBs whose keys on a new link must be told.
    pub(super) fn to_tell(&self) -> RmbSet {
        self.announced.minus(&self.want_delete)
    }

    /// An RMB that the peer may not know yet.
    fn untold(&self) -> Option<RmbId> {
        self.to_tell().minus(&self.confirmed).first()
    }

    pub(super) fn waiting(&self) -> u16 {
        u16::from(self.want_confirm.len()) + u16::from(self.want_delete.len())
    }

    pub(super) fn poll(&mut self) -> Option<Action> {
        if let Some(rmb) = self.usable.take() {
            return Some(Action::RkeyUsable(rmb));
        }
        if let Some(rmb) = self.refused.take() {
            return Some(Action::RkeyRefused(rmb, RkeyError::Refused));
        }
        if let Some(rmb) = self.expired.take() {
            return Some(Action::RkeyRefused(rmb, RkeyError::Timeout));
        }
        self.gone.take().map(Action::RkeyGone)
    }

    /// Answers a wish to announce, if there is one.
    fn answer(&mut self, rmb: RmbId, result: Result<(), RkeyError>) {
        if !self.want_confirm.contains(rmb) {
            return;
        }
        self.want_confirm.remove(rmb);
        self.aged.remove(rmb);
        match result {
            Ok(()) => self.usable.insert(rmb),
            Err(RkeyError::Timeout) => self.expired.insert(rmb),
            Err(_) => self.refused.insert(rmb),
        }
    }

    /// The peer does not know the RMB any more, or never will.
    fn forget(&mut self, rmb: RmbId) {
        self.announced.remove(rmb);
        self.confirmed.remove(rmb);
        self.telling.remove(rmb);
        if self.want_delete.contains(rmb) {
            self.want_delete.remove(rmb);
            self.aged.remove(rmb);
            self.gone.insert(rmb);
        }
    }

    /// The group is at its end: nothing is owed to the peer.
    pub(super) fn end(&mut self) {
        self.refused = self.refused.union(&self.want_confirm);
        self.gone = self.gone.union(&self.want_delete);
        *self = Rkeys {
            usable: self.usable.minus(&self.refused),
            refused: self.refused,
            expired: self.expired,
            gone: self.gone,
            ..Rkeys::default()
        };
    }

    /// Gives up what waits since before the last tick. Whether anything waits
    /// still.
    pub(super) fn age(&mut self, in_flight: Option<RmbId>) -> bool {
        let mut old = self.aged;
        if let Some(rmb) = in_flight {
            old.remove(rmb);
        }
        for rmb in old.and(&self.want_confirm).iter() {
            self.answer(rmb, Err(RkeyError::Timeout));
        }
        for rmb in old.and(&self.want_delete).iter() {
            self.forget(rmb);
        }
        self.aged = self.want_confirm.union(&self.want_delete);
        !self.aged.is_empty()
    }
}

impl Group {
    /// A CLC message wants to tell the peer this RMB's key, on the link that it
    /// names. See the description of this module for the rule that decides
    /// whether CONFIRM RKEY must come first.
    ///
    /// The RMB must be registered with each link that has a queue pair; one that
    /// is not is refused, or keeps a link from being added.
    ///
    /// Before [`Group::first_contact`] an RMB is always ready. Several
    /// connections may announce one RMB; those that wait get one answer.
    ///
    /// # Errors
    ///
    /// [`RkeyError::Refused`] after the group's end, [`RkeyError::Dropping`]
    /// for an RMB between [`Group::drop_rmb`] and its answer.
    pub fn announce(&mut self, now: Millis, rmb: RmbId) -> Result<Announce, RkeyError> {
        if matches!(self.flow, Flow::Ending { .. } | Flow::Ended) {
            return Err(RkeyError::Refused);
        }
        if self.rkeys.want_delete.contains(rmb) {
            return Err(RkeyError::Dropping);
        }
        if self.flow == Flow::Fresh || self.may_skip() {
            self.rkeys.announced.insert(rmb);
            return Ok(Announce::Ready);
        }
        if self.rkeys.confirmed.contains(rmb) {
            return Ok(Announce::Ready);
        }
        self.rkeys.want_confirm.insert(rmb);
        self.arm_tick(now);
        self.next(now);
        Ok(Announce::Wait)
    }

    /// The peer has shown that it read a CLC message that told this RMB's key:
    /// it answered that message, or wrote to the RMB. Spares a CONFIRM RKEY
    /// when a link is added later.
    pub fn proven(&mut self, rmb: RmbId) {
        let single = self.slots(|l| l.is_active()).count() == 1;
        if single && self.rkeys.announced.contains(rmb) {
            self.rkeys.confirmed.insert(rmb);
        }
    }

    /// The RMB is to be deregistered: no connection uses it, no CLC message
    /// that names it is under way. A wish to announce it is taken back.
    pub fn drop_rmb(&mut self, now: Millis, rmb: RmbId) -> Dropped {
        self.rkeys.want_confirm.remove(rmb);
        self.rkeys.usable.remove(rmb);
        self.rkeys.refused.remove(rmb);
        self.rkeys.expired.remove(rmb);
        if matches!(self.flow, Flow::Ending { .. } | Flow::Ended) {
            self.rkeys.gone.remove(rmb);
            return Dropped::Free;
        }
        if self.rkeys.want_delete.contains(rmb) {
            return Dropped::Wait;
        }
        if !self.rkeys.announced.contains(rmb) && self.exchanging() != Some(rmb) {
            self.rkeys.aged.remove(rmb);
            return Dropped::Free;
        }
        self.rkeys.want_delete.insert(rmb);
        self.arm_tick(now);
        self.next(now);
        Dropped::Wait
    }

    /// Whether an RMB's key needs no CONFIRM RKEY: one link, and no other one
    /// even in part.
    pub(super) fn may_skip(&self) -> bool {
        let mut used = self.slots(|l| l.state != LinkState::Unused);
        let one = used.next().is_some_and(|s| self.link(s).is_active());
        one && used.next().is_none()
    }

    /// The RMB whose exchange is under way.
    fn exchanging(&self) -> Option<RmbId> {
        match self.flow {
            Flow::Rkey(exchange) => Some(exchange.rmb),
            Flow::Add(adding) => match adding.step {
                AddStep::Confirming(exchange) => Some(exchange.rmb),
                _ => None,
            },
            _ => None,
        }
    }

    /// Answers the wishes that need no message.
    pub(super) fn settle_rkeys(&mut self) {
        let skip = self.may_skip();
        let wanted = self.rkeys.want_confirm;
        for rmb in wanted.iter() {
            if skip {
                self.rkeys.announced.insert(rmb);
            }
            if skip || self.rkeys.confirmed.contains(rmb) {
                self.rkeys.answer(rmb, Ok(()));
            }
        }
    }

    /// Begins an exchange for an own RMB that waits for one.
    pub(super) fn start_rkey(&mut self, now: Millis) -> bool {
        let (rmb, delete) = match (
            self.rkeys.want_confirm.first(),
            self.rkeys.want_delete.first(),
        ) {
            (Some(rmb), _) => (rmb, false),
            (None, Some(rmb)) => (rmb, true),
            (None, None) => return false,
        };
        let Some(via) = self.active_link() else {
            return false;
        };
        self.flow = Flow::Rkey(self.exchange(now, rmb, delete, via));
        true
    }

    fn exchange(&mut self, now: Millis, rmb: RmbId, delete: bool, via: Slot) -> Exchange {
        self.due = true;
        Exchange {
            rmb,
            delete,
            via,
            deadline: now.after(self.times.response),
            unheard: !self.rkeys.announced.contains(rmb),
        }
    }

    /// The next RMB that must be confirmed before a link may be added.
    pub(super) fn confirm_untold(&mut self, now: Millis, via: Slot) -> Option<Exchange> {
        let rmb = self.rkeys.untold()?;
        Some(self.exchange(now, rmb, false, via))
    }

    /// The message of the exchange goes out: the peer may know the RMB.
    pub(super) fn exchange_sent(&mut self, exchange: &Exchange) {
        if !exchange.delete {
            self.rkeys.announced.insert(exchange.rmb);
        }
    }

    /// The exchange that waits for an answer on that link.
    pub(super) fn pending_exchange(&self, slot: Slot, delete: bool) -> Option<Exchange> {
        let exchange = match self.flow {
            Flow::Rkey(exchange) => exchange,
            Flow::Add(adding) => match adding.step {
                AddStep::Confirming(exchange) => exchange,
                _ => return None,
            },
            _ => return None,
        };
        (!self.due && exchange.via == slot && exchange.delete == delete).then_some(exchange)
    }

    /// The peer answered yes.
    pub(super) fn exchange_done(&mut self, now: Millis, exchange: Exchange) {
        if exchange.delete {
            self.rkeys.forget(exchange.rmb);
        } else {
            self.rkeys.retries = 0;
            self.rkeys.confirmed.insert(exchange.rmb);
            self.rkeys.answer(exchange.rmb, Ok(()));
        }
        self.exchange_over(now);
    }

    /// The peer answered no.
    pub(super) fn exchange_refused(&mut self, now: Millis, exchange: Exchange, retry: bool) {
        if exchange.delete {
            // The peer does not know the RMB: what was wanted.
            return self.exchange_done(now, exchange);
        }
        if exchange.unheard {
            self.rkeys.announced.remove(exchange.rmb);
        }
        if let Flow::Add(_) = self.flow {
            return self.abort_add(now, AddError::Keys, None);
        }
        // RFC 7609 §3.5.5.3.1: again, when the links have changed.
        let changing = self.add.offer.is_some() || !self.links_settled();
        if retry && changing && self.rkeys.retries < MAX_RETRIES {
            self.rkeys.retries = self.rkeys.retries.saturating_add(1);
        } else {
            self.rkeys.retries = 0;
            self.rkeys.answer(exchange.rmb, Err(RkeyError::Refused));
        }
        self.idle(now);
    }

    /// The peer did not answer, or the message could not be made.
    pub(super) fn exchange_failed(&mut self, now: Millis, exchange: Exchange) {
        if exchange.delete {
            self.rkeys.forget(exchange.rmb);
        } else {
            // Still due: it could not be made, for a key is missing.
            let why = if self.due {
                RkeyError::Refused
            } else {
                RkeyError::Timeout
            };
            self.rkeys.answer(exchange.rmb, Err(why));
        }
        match self.flow {
            Flow::Add(_) => self.abort_add(now, AddError::Keys, None),
            _ => self.idle(now),
        }
    }

    fn exchange_over(&mut self, now: Millis) {
        match self.flow {
            Flow::Add(adding) => self.keys_told(now, adding),
            _ => self.idle(now),
        }
    }

    fn links_settled(&self) -> bool {
        Slot::ALL
            .iter()
            .all(|s| matches!(self.link(*s).state, LinkState::Unused | LinkState::Active))
    }

    /// A tick: what waited since before the last one is given up.
    pub(super) fn age_wishes(&mut self, now: Millis) {
        let in_flight = self.exchanging();
        let rkeys = self.rkeys.age(in_flight);
        let add = self.age_add();
        let removals = self.age_removals(now);
        if (rkeys || add || removals) && self.flow != Flow::Ended {
            self.tick = Some(now.after(self.times.wish));
        }
    }
}
