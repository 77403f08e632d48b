// SPDX-License-Identifier: GPL-2.0

//! Messages of the peer: what is answered at once, what a flow waits for, what
//! begins one, and what is dropped.

use super::flow::{AddStep, DeleteStep, FirstStep, Flow};
use super::keys::PeerKeys;
use super::link::Removal;
use super::transmit::no_gids;
use super::{
    AddError, EndReason, FirstError, Group, LinkState, LocalKeys, Millis, Redundancy, Role, Slot,
};
use crate::wire::llc::{
    AddLink, Body, ByteOrder, ConfirmLink, ConfirmRkey, DeleteLink, DeleteReason, DeleteRkey,
    Flags, LlcError, LlcVersion, Message, RejectReason, LLC_LEN,
};

/// What became of a received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// It was taken. There may be something to poll.
    Taken,
    /// It was taken, and the reply buffer holds 44 bytes to send on the same
    /// link. There may be something to poll, too; the reply goes first.
    Reply,
    /// It was dropped, as the C module would, or the group was ended for it.
    Ignored(Ignored),
}

/// Why a message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// It is no LLC message. Where [`LlcError::is_violation`] says so the
    /// group is being ended.
    Malformed(LlcError),
    /// The link is not in use, or the group has ended.
    LinkNotUsable,
    /// Nobody waits for it.
    OutOfFlow,
}

impl Group {
    /// A message came on a link. `bytes` is the whole of it, as long as the
    /// work completion says. `peer` is the table of the peer's keys, in which
    /// CONFIRM RKEY, DELETE RKEY and ADD LINK leave their traces.
    ///
    /// At most one reply is made, into `reply`: the caller sends it on the same
    /// link before anything else, and may hold the receive buffer back until it
    /// can, so that the peer can't make it queue replies.
    ///
    /// After the end of the group only the peer's last word is taken, see
    /// [`Group::is_peer_gone`], and its requests about keys.
    pub fn receive(
        &mut self,
        now: Millis,
        slot: Slot,
        bytes: &[u8],
        local: &dyn LocalKeys,
        peer: &mut dyn PeerKeys,
        reply: &mut [u8; LLC_LEN],
    ) -> Received {
        let parsed = Message::parse(bytes);
        let last_word = parsed.as_ref().is_ok_and(is_last_word);
        let link = self.link(slot);
        if self.is_ended() && link.state == LinkState::Freeing {
            self.peer_gone |= last_word;
            return match parsed {
                Ok(_) if last_word => Received::Taken,
                Ok(m) if !m.is_response() => into_reply(late_request(slot, &m, peer), reply),
                _ => Received::Ignored(Ignored::LinkNotUsable),
            };
        }
        if self.is_ended() || !link.hears() {
            return Received::Ignored(Ignored::LinkNotUsable);
        }
        self.heard(now, slot);
        self.peer_gone |= last_word;
        let m = match parsed {
            Ok(m) => m,
            Err(e) => {
                if e.is_violation() {
                    // RFC 7609 Appendix A.3.4, X'00040000'.
                    self.terminate(now, DeleteReason::ProtocolViolation);
                }
                return Received::Ignored(Ignored::Malformed(e));
            }
        };
        if m.is_response() {
            return self.response(now, slot, &m, local, peer);
        }
        into_reply(self.request(now, slot, &m, peer), reply)
    }

    /// A request: the reply, if it is answered at once.
    fn request<'a>(
        &mut self,
        now: Millis,
        slot: Slot,
        m: &Message<'a>,
        peer: &mut dyn PeerKeys,
    ) -> Result<Option<Message<'a>>, Ignored> {
        if let Body::TestLink(_) = m.body {
            // Any time (RFC 7609 §3.5.5.3).
            return Ok(Some(m.answer(Flags::RESPONSE, m.body)));
        }
        if let Flow::Ending { .. } = self.flow {
            return match m.body {
                Body::DeleteLink(d) if m.header.is_delete_all() => {
                    self.end(EndReason::Peer(d.reason));
                    Ok(None)
                }
                _ => late_request(slot, m, peer),
            };
        }
        match m.body {
            Body::ConfirmLink(c) => self.confirm_link_came(now, slot, m, &c).map(|()| None),
            Body::AddLink(a) => self.add_link_came(now, slot, a, peer),
            Body::AddLinkCont(c) => match self.flow {
                Flow::Add(adding) if self.role == Role::Client && adding.via == slot => {
                    match adding.step {
                        AddStep::Keys { rounds, .. }
                            if !self.due && c.link == self.link(adding.new).num =>
                        {
                            self.keys_came(now, adding, rounds, &c, peer);
                            Ok(None)
                        }
                        _ => Err(Ignored::OutOfFlow),
                    }
                }
                _ => Err(Ignored::OutOfFlow),
            },
            Body::DeleteLink(d) => self.delete_link_came(now, m, d),
            Body::ReqAddLink(_) => self.req_add_link_came(now, m),
            Body::ConfirmRkey(c) => Ok(Some(self.confirm_rkey(slot, m, &c, peer))),
            Body::DeleteRkey(d) => Ok(Some(delete_rkey(slot, m, d, peer))),
            // Three links need no continuation (smc_llc.c).
            Body::ConfirmRkeyCont(_) | Body::TestLink(_) => Err(Ignored::OutOfFlow),
        }
    }

    /// A response: only what a flow waits for, on the link where it is due.
    fn response(
        &mut self,
        now: Millis,
        slot: Slot,
        m: &Message<'_>,
        local: &dyn LocalKeys,
        peer: &mut dyn PeerKeys,
    ) -> Received {
        let out_of_flow = Received::Ignored(Ignored::OutOfFlow);
        match m.body {
            // What it is good for is done: the link was heard.
            Body::TestLink(_) => {}
            Body::ConfirmRkey(c) => {
                let Some(exchange) = self.pending_exchange(slot, false) else {
                    return out_of_flow;
                };
                // Not the late answer to an earlier one.
                if local.token(exchange.rmb, slot) != Some(c.here) {
                    return out_of_flow;
                }
                if m.header.is_negative() {
                    self.exchange_refused(now, exchange, m.header.is_retry());
                } else {
                    self.exchange_done(now, exchange);
                }
            }
            Body::DeleteRkey(_) => {
                let Some(exchange) = self.pending_exchange(slot, true) else {
                    return out_of_flow;
                };
                if m.header.is_negative() {
                    self.exchange_refused(now, exchange, false);
                } else {
                    self.exchange_done(now, exchange);
                }
            }
            _ => return self.link_response(now, slot, m, peer),
        }
        Received::Taken
    }

    /// A response in a flow that is about links.
    fn link_response(
        &mut self,
        now: Millis,
        slot: Slot,
        m: &Message<'_>,
        peer: &mut dyn PeerKeys,
    ) -> Received {
        let out_of_flow = Received::Ignored(Ignored::OutOfFlow);
        // What asks for it has not left; or has, and is to be said again.
        let again = matches!(
            self.flow,
            Flow::First {
                step: FirstStep::AskingAgain,
                ..
            }
        );
        if self.due && !again {
            return out_of_flow;
        }
        match (m.body, self.flow, self.role) {
            (Body::ConfirmLink(c), Flow::First { .. }, Role::Server) if slot == Slot::S0 => {
                self.learn_order(m);
                self.link_mut(slot).peer_uid = c.uid;
                if m.header.no_eyecatcher() {
                    self.first_done(now);
                } else {
                    self.first_failed(FirstError::EyeCatcher);
                }
            }
            (Body::ConfirmLink(c), Flow::Add(adding), Role::Server)
                if slot == adding.new && adding.step == AddStep::AwaitConfirm =>
            {
                self.new_confirmed(now, adding, &c);
            }
            (Body::AddLink(a), Flow::Add(adding), Role::Server)
                if slot == adding.via && adding.step == AddStep::AwaitAnswer =>
            {
                if m.header.is_rejected() {
                    let why = AddError::Rejected(m.header.reject_reason());
                    self.abort_add(now, why, None);
                } else {
                    self.offer_answered(now, adding, &a, peer);
                }
            }
            (Body::AddLinkCont(c), Flow::Add(adding), Role::Server)
                if slot == adding.via && c.link == self.link(adding.new).num =>
            {
                match adding.step {
                    AddStep::Keys { rounds, .. } => self.keys_came(now, adding, rounds, &c, peer),
                    _ => return out_of_flow,
                }
            }
            (Body::DeleteLink(_), Flow::Delete(d), Role::Server)
                if slot == d.via && d.step == DeleteStep::AwaitAnswer =>
            {
                self.delete_done(now, d.slot);
            }
            (Body::ReqAddLink(_), Flow::Invite { .. }, Role::Client) => {
                self.invite_over(now, AddError::Declined);
            }
            _ => return out_of_flow,
        }
        Received::Taken
    }

    /// The peer's first message shows the byte order that it uses.
    fn learn_order(&mut self, m: &Message<'_>) {
        if let (LlcVersion::V2(_), LlcVersion::V2(ByteOrder::Big)) = (self.version, m.version()) {
            self.version = LlcVersion::V2(ByteOrder::Big);
        }
    }

    /// CONFIRM LINK, a request of the server.
    fn confirm_link_came(
        &mut self,
        now: Millis,
        slot: Slot,
        m: &Message<'_>,
        c: &ConfirmLink<'_>,
    ) -> Result<(), Ignored> {
        if self.role == Role::Server {
            return Err(Ignored::OutOfFlow);
        }
        match self.flow {
            Flow::First {
                step: FirstStep::AwaitConfirm,
                ..
            } if slot == Slot::S0 => {
                self.learn_order(m);
                self.link_mut(slot).peer_uid = c.uid;
                if m.header.no_eyecatcher() {
                    self.first_confirmed(c);
                } else {
                    self.first_failed(FirstError::EyeCatcher);
                }
                Ok(())
            }
            // Only the new link itself proves that it works (RFC 7609 §3.5.5.1).
            Flow::Add(adding) if slot == adding.new && adding.step == AddStep::AwaitConfirm => {
                self.new_confirmed(now, adding, c);
                Ok(())
            }
            _ => Err(Ignored::OutOfFlow),
        }
    }

    /// ADD LINK: an offer of the server, or a hint of the client.
    fn add_link_came<'a>(
        &mut self,
        now: Millis,
        slot: Slot,
        a: AddLink<'a>,
        peer: &mut dyn PeerKeys,
    ) -> Result<Option<Message<'a>>, Ignored> {
        if matches!(self.flow, Flow::Fresh | Flow::First { .. }) || !self.link(slot).is_active() {
            return Err(Ignored::OutOfFlow);
        }
        match self.role {
            Role::Client => {
                let why: Option<RejectReason> = self.offered(now, slot, &a, peer);
                Ok(why.map(|why| Message::reject(self.version, a, why)))
            }
            Role::Server => {
                // While a link is being added the hint is as good as served
                // (RFC 7609 §3.5.5.3.1); else it waits for its turn.
                if matches!(self.flow, Flow::Add(_)) {
                    return Err(Ignored::OutOfFlow);
                }
                self.add.wanted |= self.redundancy != Redundancy::Single || self.max_links > 1;
                self.next(now);
                Ok(None)
            }
        }
    }

    /// REQUEST ADD LINK of the client (SMC v2).
    ///
    /// smc_llc.c, when busy, drops it, and its client then starts no flow any
    /// more; so it is always answered, by an offer or by a refusal.
    fn req_add_link_came<'a>(
        &mut self,
        now: Millis,
        m: &Message<'a>,
    ) -> Result<Option<Message<'a>>, Ignored> {
        if self.role == Role::Client {
            return Err(Ignored::OutOfFlow);
        }
        let no = Ok(Some(m.answer(Flags::RESPONSE, no_gids())));
        match self.flow {
            Flow::Fresh | Flow::First { .. } => no,
            _ if self.redundancy == Redundancy::Single && self.max_links <= 1 => no,
            Flow::Add(adding) => match adding.step {
                // The offer is on its way, or will be.
                AddStep::AwaitAnswer if !self.due => Ok(None),
                AddStep::Preparing | AddStep::Confirming(_) | AddStep::AwaitAnswer => {
                    self.add.asked = true;
                    Ok(None)
                }
                _ => no,
            },
            _ => {
                self.add.asked = true;
                self.next(now);
                Ok(None)
            }
        }
    }

    /// DELETE LINK: an order of the server, a request of the client.
    fn delete_link_came<'a>(
        &mut self,
        now: Millis,
        m: &Message<'a>,
        d: DeleteLink<'a>,
    ) -> Result<Option<Message<'a>>, Ignored> {
        if matches!(self.flow, Flow::Fresh | Flow::First { .. }) {
            return Err(Ignored::OutOfFlow);
        }
        if m.header.is_delete_all() {
            // Whatever runs (RFC 7609 §3.5.5.3): the client just leaves, the
            // server orders what the client asked for (smc_llc.c).
            match self.role {
                Role::Client => self.end(EndReason::Peer(d.reason)),
                Role::Server => self.wind_up(now, EndReason::Peer(d.reason)),
            }
            return Ok(None);
        }
        match self.role {
            Role::Client => {
                let reason = self.delete_ordered(now, d.link);
                let body = Body::DeleteLink(DeleteLink { reason, ..d });
                Ok(Some(m.answer(Flags::RESPONSE, body)))
            }
            Role::Server => {
                let removal = Removal {
                    num: d.link,
                    reason: d.reason,
                    orderly: m.header.is_orderly(),
                };
                self.delete_requested(now, d.link, removal);
                Ok(None)
            }
        }
    }

    /// CONFIRM RKEY: the peer has a new RMB (RFC 7609 §3.5.5.2.1). The table
    /// may be full, or the message list more links than there are; then the
    /// answer is no, try again, as in smc_llc.c.
    fn confirm_rkey<'a>(
        &self,
        slot: Slot,
        m: &Message<'a>,
        c: &ConfirmRkey,
        peer: &mut dyn PeerKeys,
    ) -> Message<'a> {
        let rmb = if c.count <= ConfirmRkey::MAX_COUNT {
            peer.add(slot, c.here)
        } else {
            None
        };
        let Some(rmb) = rmb else {
            return m.answer(Flags::NEGATIVE_RETRY, m.body);
        };
        for key in c.others() {
            // Links that are not known here are passed over (smc_llc.c).
            if let Some(slot) = self.find_link(key.link) {
                peer.set(rmb, slot, key.token);
            }
        }
        m.answer(Flags::RESPONSE, m.body)
    }
}

/// Whether the peer says that its group is gone: DELETE LINK of all links. What the
/// C module calls orderly only says that it will be (smc_core.c).
fn is_last_word(m: &Message<'_>) -> bool {
    matches!(m.body, Body::DeleteLink(_)) && m.header.is_delete_all() && !m.header.is_orderly()
}

fn into_reply(answer: Result<Option<Message<'_>>, Ignored>, reply: &mut [u8; LLC_LEN]) -> Received {
    match answer {
        Ok(None) => Received::Taken,
        // A reply is never longer than its buffer.
        Ok(Some(answer)) => match answer.emit(reply) {
            Ok(_) => Received::Reply,
            Err(_) => Received::Taken,
        },
        Err(why) => Received::Ignored(why),
    }
}

/// A request in a group that is at its end: a C peer that waits for an answer about
/// keys, two seconds, does not look at DELETE LINK before.
fn late_request<'a>(
    slot: Slot,
    m: &Message<'a>,
    peer: &mut dyn PeerKeys,
) -> Result<Option<Message<'a>>, Ignored> {
    match m.body {
        Body::ConfirmRkey(_) => Ok(Some(m.answer(Flags::NEGATIVE, m.body))),
        Body::DeleteRkey(d) => Ok(Some(delete_rkey(slot, m, d, peer))),
        _ => Err(Ignored::OutOfFlow),
    }
}

/// DELETE RKEY: the peer takes RMBs back (RFC 7609 §3.5.5.2.2).
fn delete_rkey<'a>(
    slot: Slot,
    m: &Message<'a>,
    d: DeleteRkey<'a>,
    peer: &mut dyn PeerKeys,
) -> Message<'a> {
    let (body, all) = d.response(d.keys().map(|key| peer.delete(slot, key)));
    let flags = if all {
        Flags::RESPONSE
    } else {
        Flags::NEGATIVE
    };
    m.answer(flags, Body::DeleteRkey(body))
}
