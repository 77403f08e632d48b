// SPDX-License-Identifier: GPL-2.0

//! Links that go, and groups that end (RFC 7609 §3.5.4 and §3.5.5.1).
//!
//! The server orders deletions, one exchange each; the client asks for them,
//! or just tells of a link that failed, and follows orders.

use super::flow::{DeleteStep, Deleting, Flow};
use super::link::{Ask, Removal};
use super::{AddError, EndReason, FirstError, Group, LinkState, Millis, Redundancy, Role, Slot};
use crate::wire::llc::{DeleteReason, LinkNum};

impl Group {
    /// An operator, or the stack, wants the link out of the group. Where it is
    /// the only one the group ends. The end of the link is
    /// [`Action::FreeLink`](super::Action::FreeLink).
    pub fn delete_link(&mut self, now: Millis, slot: Slot, reason: DeleteReason) {
        if !self.link(slot).is_active() || matches!(self.flow, Flow::Ending { .. }) {
            return;
        }
        if self.other_active(slot).is_none() {
            return self.terminate(now, reason);
        }
        self.remove(slot, reason, true);
        if self.role == Role::Client {
            let link = self.link_mut(slot);
            link.notice = link.removal;
        }
        self.lost_path(now, slot);
        self.arm_tick(now);
        self.next(now);
    }

    /// The link's queue pair failed, or its port went down. Without another
    /// link the group ends.
    pub fn link_down(&mut self, now: Millis, slot: Slot) {
        let link = self.link_mut(slot);
        match link.state {
            LinkState::Unused
            | LinkState::Preparing
            | LinkState::Abandoned
            | LinkState::Freeing => return,
            LinkState::Joining | LinkState::Active | LinkState::Leaving => {}
        }
        if core::mem::replace(&mut link.down, true) {
            return;
        }
        match self.flow {
            Flow::Fresh | Flow::First { .. } => return self.first_failed(FirstError::LinkDown),
            Flow::Ending { reason, .. } if self.active_link() == Some(slot) => {
                return self.end(reason)
            }
            Flow::Ending { .. } | Flow::Ended => return,
            Flow::Add(adding) if adding.new == slot => {
                return self.abort_add(now, AddError::LinkDown, Some(DeleteReason::LostPath));
            }
            _ => {}
        }
        if self.other_active(slot).is_none() {
            return self.end(EndReason::LostPath);
        }
        // smc_llc.c calls this deletion orderly, too.
        self.remove(slot, DeleteReason::LostPath, true);
        if self.role == Role::Client {
            // RFC 7609 §3.5.5.1: the client tells; what the server then orders
            // is done already.
            let link = self.link_mut(slot);
            link.notice = link.removal.take();
            self.free(slot);
        }
        self.lost_path(now, slot);
        self.arm_tick(now);
        self.next(now);
    }

    /// The link is to go; the server will order it when no flow runs.
    pub(super) fn remove(&mut self, slot: Slot, reason: DeleteReason, orderly: bool) {
        let link = self.link_mut(slot);
        if link.removal.is_some() {
            return;
        }
        link.tell_lost |= link.is_active();
        link.tell_active = false;
        link.state = LinkState::Leaving;
        link.removal = Some(Removal {
            num: link.num,
            reason,
            orderly,
        });
        self.settle_redundancy();
    }

    /// The flow that runs must not count on the link any more.
    fn lost_path(&mut self, now: Millis, slot: Slot) {
        if self.add.offer.is_some_and(|o| o.via == slot) {
            self.lose_offer(AddError::LinkDown);
        }
        match self.flow {
            Flow::Add(adding) if adding.via == slot => {
                self.abort_add(now, AddError::LinkDown, Some(DeleteReason::LostPath));
            }
            Flow::Invite { via, .. } if via == slot => self.invite_over(now, AddError::LinkDown),
            // The wish is still there: it begins again on another link.
            Flow::Rkey(exchange) if exchange.via == slot => self.idle(now),
            Flow::Delete(deleting) if deleting.via == slot => self.idle(now),
            _ => {}
        }
    }

    /// Server: begins the exchange for a link that is to go.
    pub(super) fn start_delete(&mut self, now: Millis) -> bool {
        if self.role == Role::Client {
            return false;
        }
        let Some(slot) = self.slots(|l| l.removal.is_some()).next() else {
            return false;
        };
        let Some(via) = self.other_active(slot) else {
            self.end(EndReason::LostPath);
            return true;
        };
        let link = self.link_mut(slot);
        let drain = !link.down;
        if drain {
            link.ask = Some(Ask::Drain);
        }
        let deleting = Deleting {
            via,
            slot,
            step: DeleteStep::Draining,
            deadline: now.after(self.times.response),
        };
        self.flow = Flow::Delete(deleting);
        if !drain {
            self.order_delete(now, deleting);
        }
        true
    }

    /// Answer to [`Action::DrainLink`](super::Action::DrainLink).
    pub fn link_drained(&mut self, now: Millis, slot: Slot) {
        match self.flow {
            Flow::Delete(d) if d.slot == slot && d.step == DeleteStep::Draining => {
                self.order_delete(now, d);
            }
            _ => {}
        }
    }

    /// Server: DELETE LINK is to be sent.
    pub(super) fn order_delete(&mut self, now: Millis, deleting: Deleting) {
        self.due = true;
        self.flow = Flow::Delete(Deleting {
            step: DeleteStep::AwaitAnswer,
            deadline: now.after(self.times.response),
            ..deleting
        });
    }

    /// Server: the exchange is over, the link goes.
    pub(super) fn delete_done(&mut self, now: Millis, slot: Slot) {
        let removal = self.link_mut(slot).removal.take();
        self.free(slot);
        self.settle_redundancy();
        let why = removal.map(|r| r.reason);
        if self.active_count() == 1 && why != Some(DeleteReason::AsymmetricNotNeeded) {
            // RFC 7609 §2.3: look for another path (smc_llc.c does, too).
            self.add.wanted |= self.max_links > 1;
        }
        self.idle(now);
    }

    /// Client: the server orders that a link goes. What is answered.
    pub(super) fn delete_ordered(&mut self, now: Millis, num: LinkNum) -> DeleteReason {
        let Some(slot) = self.find_link(num) else {
            return DeleteReason::UnknownLink;
        };
        if self.add.offer.is_some_and(|o| o.new == slot) {
            self.lose_offer(AddError::Withdrawn);
            return DeleteReason::None;
        }
        match self.flow {
            Flow::Add(adding) if adding.new == slot => {
                self.withdraw_add(now);
                return DeleteReason::None;
            }
            _ => {}
        }
        let link = self.link_mut(slot);
        link.removal = None;
        link.notice = None;
        link.tell_lost |= link.is_active();
        self.free(slot);
        self.settle_redundancy();
        if self.active_link().is_none() {
            self.end(EndReason::LostPath);
        } else {
            self.lost_path(now, slot);
            self.next(now);
        }
        DeleteReason::None
    }

    /// Server: the client wants a link out, or says that it failed.
    pub(super) fn delete_requested(&mut self, now: Millis, num: LinkNum, removal: Removal) {
        // An unknown link is gone already, and the client knows (smc_llc.c).
        let Some(slot) = self.find_link(num) else {
            return;
        };
        match self.flow {
            Flow::Add(adding) if adding.new == slot => {
                return self.abort_add(now, AddError::Withdrawn, None);
            }
            _ => {}
        }
        if self.other_active(slot).is_none() {
            return self.terminate(now, removal.reason);
        }
        if self.link(slot).removal.is_none() {
            self.remove(slot, removal.reason, removal.orderly);
            self.lost_path(now, slot);
            self.arm_tick(now);
            self.next(now);
        }
    }

    /// The queue pair goes.
    pub(super) fn free(&mut self, slot: Slot) {
        let link = self.link_mut(slot);
        match link.state {
            LinkState::Unused | LinkState::Abandoned | LinkState::Freeing => return,
            LinkState::Preparing if link.preparing => link.state = LinkState::Abandoned,
            LinkState::Preparing => return link.reset(),
            LinkState::Joining | LinkState::Active | LinkState::Leaving => {
                link.state = LinkState::Freeing;
                link.ask = Some(Ask::Free);
            }
        }
        link.tell_active = false;
        link.removal = None;
    }

    /// Answer to [`Action::FreeLink`](super::Action::FreeLink): the queue pair
    /// is destroyed, so that nothing can arrive on it any more.
    pub fn link_freed(&mut self, now: Millis, slot: Slot) {
        let link = self.link_mut(slot);
        if link.state == LinkState::Freeing && link.ask.is_none() {
            link.reset();
            self.next(now);
        }
    }

    fn settle_redundancy(&mut self) {
        if self.active_count() == 1 {
            self.redundancy = Redundancy::Single;
        }
    }

    /// Ends the group (RFC 7609 §3.5.4): the peer is told over any link that
    /// works, then [`Action::Ended`](super::Action::Ended) follows.
    pub fn terminate(&mut self, now: Millis, reason: DeleteReason) {
        self.wind_up(now, EndReason::Local(reason));
    }

    /// Ends the group, and tells the peer.
    pub(super) fn wind_up(&mut self, now: Millis, why: EndReason) {
        match self.flow {
            Flow::Fresh | Flow::First { .. } => {
                self.first_result = Some(Err(FirstError::Ended));
                self.end(why);
            }
            Flow::Ending { .. } | Flow::Ended => {}
            _ if self.active_link().is_none() => self.end(why),
            _ => {
                self.drop_wishes();
                if let Flow::Add(adding) = self.flow {
                    self.free(adding.new);
                }
                self.due = true;
                self.flow = Flow::Ending {
                    reason: why,
                    deadline: now.after(self.times.response),
                };
            }
        }
    }

    /// A message that [`Transmit::confirm`](super::Transmit::confirm) asks for
    /// went out, or failed.
    pub fn send_done(&mut self, _now: Millis) {
        if let (Flow::Ending { reason, .. }, false) = (self.flow, self.due) {
            self.end(reason);
        }
    }

    fn drop_wishes(&mut self) {
        self.rkeys.end();
        let unanswered = self.add.wished;
        self.add = super::offer::AddWish {
            result: self.add.result,
            ..Default::default()
        };
        if unanswered {
            self.add.result = Some(Err(AddError::Ended));
        }
        for slot in Slot::ALL {
            self.link_mut(slot).notice = None;
        }
        self.tick = None;
    }

    /// The group is at its end.
    pub(super) fn end(&mut self, reason: EndReason) {
        if self.flow == Flow::Ended {
            return;
        }
        self.drop_wishes();
        self.flow = Flow::Ended;
        self.due = false;
        self.ended = Some(reason);
        self.peer_gone |= reason == EndReason::LostPath;
        for slot in Slot::ALL {
            self.free(slot);
        }
    }

    /// A tick: links whose removal never got its exchange go without. Whether
    /// one waits still.
    pub(super) fn age_removals(&mut self, now: Millis) -> bool {
        let running = match self.flow {
            Flow::Delete(deleting) => Some(deleting.slot),
            _ => None,
        };
        let mut waiting = false;
        for slot in Slot::ALL {
            let link = self.link_mut(slot);
            if link.removal.is_none() || running == Some(slot) {
                link.aged = false;
            } else if core::mem::replace(&mut link.aged, true) {
                self.free(slot);
                self.next(now);
            } else {
                waiting = true;
            }
        }
        waiting
    }
}
