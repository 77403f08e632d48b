// SPDX-License-Identifier: GPL-2.0

//! Time, which is an argument.

use super::flow::{AddStep, DeleteStep, Flow};
use super::link::Test;
use super::{AddError, Group, Slot};
use crate::wire::llc::DeleteReason;

/// A point in time: milliseconds since any fixed moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// The point `ms` milliseconds later.
    pub const fn after(self, ms: u32) -> Millis {
        Millis(self.0.saturating_add(ms as u64))
    }
}

/// How long to wait, in milliseconds. The defaults are those of smc_llc.h and
/// af_smc.c.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Times {
    /// For the answer to a request.
    pub response: u32,
    /// First contact, server: for the answer to CONFIRM LINK.
    pub first_server: u32,
    /// First contact, server: CONFIRM LINK is sent again when there was no answer for so
    /// long; 0: never.
    pub first_again: u32,
    /// First contact, client: for CONFIRM LINK. Longer, so that the two sides
    /// do not give up at the same moment (af_smc.c).
    pub first_client: u32,
    /// For CONFIRM LINK on a link that is being added.
    pub confirm: u32,
    /// TEST LINK is sent on a link that was silent so long; 0: never.
    pub test_link: u32,
    /// How long a wish waits for a flow of its own: at least this, at most
    /// twice this.
    pub wish: u32,
}

impl Default for Times {
    fn default() -> Self {
        Times {
            response: 2_000,
            first_server: 2_000,
            // Beyond any round trip of a network with RDMA.
            first_again: 500,
            first_client: 4_000,
            confirm: 5_000,
            test_link: 30_000,
            wish: 20_000,
        }
    }
}

impl Group {
    /// When [`Group::handle_timeout`] is to be called next; `None`: not before
    /// something else happens.
    pub fn poll_timeout(&self) -> Option<Millis> {
        let links = Slot::ALL.iter().filter_map(|s| self.test_timeout(*s));
        links.chain(self.flow.next_time()).chain(self.tick).min()
    }

    /// Time passed. Early calls do nothing.
    pub fn handle_timeout(&mut self, now: Millis) {
        if self.flow.next_time().is_some_and(|t| t <= now) {
            self.flow_timeout(now);
        }
        if self.tick.is_some_and(|t| t <= now) {
            self.tick = None;
            self.age_wishes(now);
        }
        for slot in Slot::ALL {
            if self.test_timeout(slot).is_some_and(|t| t <= now) {
                self.test_expired(now, slot);
            }
        }
    }

    /// Anything was received on the link (CDC, RDMA): the keepalive is
    /// content. [`Group::receive`] does this by itself.
    pub fn heard(&mut self, now: Millis, slot: Slot) {
        if self.times.test_link != 0 {
            let link = self.link_mut(slot);
            link.last_rx = link.last_rx.max(now);
            link.test = Test::Quiet;
        }
    }

    /// Something begins to wait for a flow.
    pub(super) fn arm_tick(&mut self, now: Millis) {
        if self.tick.is_none() {
            self.tick = Some(now.after(self.times.wish));
        }
    }

    fn test_timeout(&self, slot: Slot) -> Option<Millis> {
        let link = self.link(slot);
        if !link.is_active() || matches!(self.flow, Flow::Ending { .. } | Flow::Ended) {
            return None;
        }
        match link.test {
            Test::Quiet if self.times.test_link == 0 => None,
            Test::Quiet => Some(link.last_rx.after(self.times.test_link)),
            Test::Due(deadline) | Test::Sent(deadline) => Some(deadline),
        }
    }

    fn test_expired(&mut self, now: Millis, slot: Slot) {
        let deadline = now.after(self.times.response);
        let link = self.link_mut(slot);
        match link.test {
            Test::Quiet => link.test = Test::Due(deadline),
            // RFC 7609 §4.5.3, C.7.1: no answer, no link.
            Test::Due(_) | Test::Sent(_) => self.link_down(now, slot),
        }
    }

    /// RFC 7609 Appendix C.7: a message that is not answered ends its exchange;
    /// the client is told when the server gives a new link up.
    fn flow_timeout(&mut self, now: Millis) {
        match self.flow {
            Flow::Fresh | Flow::Idle | Flow::Ended => {}
            Flow::First { .. } => self.first_timeout(now),
            Flow::Add(adding) => {
                let why = match adding.step {
                    AddStep::Confirming(_) => AddError::Keys,
                    _ => AddError::Timeout,
                };
                self.abort_add(now, why, Some(DeleteReason::LostPath));
            }
            Flow::Invite { .. } => self.invite_over(now, AddError::Timeout),
            Flow::Delete(deleting) => match deleting.step {
                DeleteStep::Draining => self.order_delete(now, deleting),
                // The peer's answer changes nothing (smc_llc.c).
                DeleteStep::AwaitAnswer => self.delete_done(now, deleting.slot),
            },
            Flow::Rkey(exchange) => self.exchange_failed(now, exchange),
            Flow::Ending { reason, .. } => self.end(reason),
        }
    }
}
