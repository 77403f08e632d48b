// SPDX-License-Identifier: GPL-2.0

//! Who wants another link: the caller, the client that asks its server, the
//! server that offers one.

use super::add::{end_of, tell_pairs};
use super::flow::Flow;
use super::keys::PeerKeys;
use super::link::End;
use super::transmit::Hint;
use super::{AddError, Group, LinkState, Millis, Redundancy, Role, Slot};
use crate::wire::llc::{AddLink, LinkNum, RejectReason};

/// What is wanted, and owed, about further links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct AddWish {
    /// A link is to be added when no flow runs; client: to be asked for.
    pub(super) wanted: bool,
    /// The caller waits for an answer.
    pub(super) wished: bool,
    /// The wish waits since before the last tick.
    pub(super) aged: bool,
    /// Client: the port to tell the server of.
    pub(super) hint: Option<Hint>,
    /// Server: the client waits for an offer or for the answer that there is
    /// none.
    pub(super) asked: bool,
    /// Client: the server's offer waits for the end of another flow.
    pub(super) offer: Option<Offer>,
    /// Client: a rejected offer; the answer is owed.
    pub(super) reject: Option<Rejected>,
    /// Server: the answer to REQUEST ADD LINK is owed.
    pub(super) decline: bool,
    /// Server: the client waits for an offer that never comes, and is to be
    /// told so; see [`Group::dismiss`].
    pub(super) dismiss: bool,
    pub(super) result: Option<Result<Option<Slot>, AddError>>,
}

/// The server offers a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Offer {
    pub(super) via: Slot,
    pub(super) new: Slot,
}

/// An offer that is answered with no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rejected {
    pub(super) via: Slot,
    pub(super) num: LinkNum,
    pub(super) end: End,
}

impl Group {
    /// The caller has reason to think that another link can be had: a port
    /// appeared, or the first contact just ended. The server tries when no flow
    /// runs; the client tells the server, with `hint` as its other port.
    /// Answered by [`Action::AddLink`](super::Action::AddLink).
    ///
    /// The server tries once by itself after the first contact, and after a
    /// link was deleted; the client needs to do nothing then.
    ///
    /// # Errors
    ///
    /// `Full` where the group never has another link, or has one already, or
    /// an earlier call is not answered yet.
    pub fn add_link(&mut self, now: Millis, hint: Option<Hint>) -> Result<(), AddError> {
        let over = matches!(self.flow, Flow::Ending { .. } | Flow::Ended);
        if over || self.add.wished || self.add.result.is_some() || !self.wants_links() {
            return Err(AddError::Full);
        }
        if self.role == Role::Client {
            self.add.hint = Some(hint.ok_or(AddError::NoPort)?);
        }
        self.add.wished = true;
        self.add.wanted = true;
        self.arm_tick(now);
        self.next(now);
        Ok(())
    }

    /// Whether the group may have more links than it has (smc_llc.c).
    pub(super) fn wants_links(&self) -> bool {
        match self.redundancy {
            Redundancy::Single => self.max_links > 1,
            Redundancy::Symmetric => false,
            // The server replaces an asymmetric link; a client with one port
            // has nothing to offer (smc_llc.c).
            Redundancy::AsymmetricPeer => self.role == Role::Server,
            Redundancy::AsymmetricLocal => true,
        }
    }

    /// Client: begins to take the server's offer.
    pub(super) fn start_offer(&mut self) -> bool {
        match self.add.offer.take() {
            Some(Offer { via, new }) => {
                self.prepare(via, new);
                true
            }
            None => false,
        }
    }

    /// Client: the offer that waits is of no use any more.
    pub(super) fn lose_offer(&mut self, why: AddError) {
        if let Some(offer) = self.add.offer.take() {
            self.free(offer.new);
            // A wish that has not had its turn yet goes on.
            if !self.add.wanted {
                self.add_answer(Err(why));
            }
        }
    }

    /// Client: the server offers a link. `Some`: rejected, and why.
    pub(super) fn offered(
        &mut self,
        now: Millis,
        via: Slot,
        offer: &AddLink<'_>,
        peer: &mut dyn PeerKeys,
    ) -> Option<RejectReason> {
        // smc_llc.c gives the first reason for all of these.
        if offer.mtu.bytes().is_none() {
            return Some(RejectReason::InvalidMtu);
        }
        // In version 2 an offer without its extension would tell no keys.
        let complete = offer.ext.is_some() == self.version.is_v2();
        let single = self.redundancy == Redundancy::Single && self.max_links <= 1;
        let full = self.redundancy == Redundancy::Symmetric;
        if single || full || !complete || offer.link.0 == 0 {
            return Some(RejectReason::NoAlternatePath);
        }
        // The server has given up what it offered before.
        self.lose_offer(AddError::Withdrawn);
        if let Flow::Add(_) = self.flow {
            self.withdraw_add(now);
        }
        let new = match (self.find_link(offer.link), self.free_slot()) {
            (None, Some(new)) => new,
            _ => return Some(RejectReason::NoAlternatePath),
        };
        let uid = self.uid_of(offer.link);
        let link = self.link_mut(new);
        link.state = LinkState::Preparing;
        link.num = offer.link;
        link.uid = uid;
        link.peer = end_of(offer);
        peer.clear(new);
        tell_pairs(peer, via, new, offer.ext.iter().flat_map(|e| e.pairs()));
        self.add.offer = Some(Offer { via, new });
        if let Flow::Invite { .. } = self.flow {
            // The offer is the answer to REQUEST ADD LINK.
            self.idle(now);
        } else {
            self.next(now);
        }
        None
    }

    /// Client: REQUEST ADD LINK is answered with no, or not at all; or, in
    /// version 1, it needed no answer.
    pub(super) fn invite_over(&mut self, now: Millis, why: AddError) {
        self.add_answer(Err(why));
        self.idle(now);
    }

    /// Client, version 1: the server was told of the port; there is no answer.
    pub(super) fn invited(&mut self, now: Millis) {
        self.add_answer(Ok(None));
        self.idle(now);
    }

    /// Server, after the first contact, in a group that stays single: whether
    /// the client must be told. Before SMC v2.1 it can't know, and smc_llc.c
    /// lets connect() wait for the offer for three seconds. An offer without an
    /// MTU, which every client rejects, spares it that.
    pub(super) fn dismiss(&self) -> bool {
        self.role == Role::Server && self.max_links <= 1 && self.max_conns == 0
    }

    /// A tick: a wish that never got its flow is given up. Whether one waits
    /// still.
    pub(super) fn age_add(&mut self) -> bool {
        if !self.add.wanted || !self.add.wished {
            self.add.aged = false;
            return false;
        }
        if self.add.aged {
            self.add.wanted = false;
            self.add.aged = false;
            self.add_answer(Err(AddError::Timeout));
            return false;
        }
        self.add.aged = true;
        true
    }
}
