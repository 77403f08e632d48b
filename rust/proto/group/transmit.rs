// SPDX-License-Identifier: GPL-2.0

//! Messages of this side's own accord. Replies to requests are written by
//! [`Group::receive`] at once.

use super::flow::{AddStep, Adding, Deleting, FirstStep, Flow};
use super::link::{End, Test};
use super::offer::Rejected;
use super::rkey::Exchange;
use super::{AddError, EndReason, Group, LocalKeys, Millis, Role, Slot};
use crate::wire::codec::{NoSpace, Writer};
use crate::wire::llc::{
    AddLink, AddLinkCont, AddLinkExt, Body, ByteOrder, ConfirmLink, ConfirmRkey, DeleteLink,
    DeleteReason, DeleteRkey, Flags, KeyPair, KeyPairs, LinkKey, LinkNum, LlcVersion, Message,
    RejectReason, ReqAddLink, TestLink, OTHER_KEYS, PAIRS_PER_CONT,
};
use crate::wire::types::{Gid, Mac, Qpn};

/// A message to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The link to send it on.
    pub slot: Slot,
    /// Its length in the buffer, in bytes.
    pub len: usize,
    /// Call [`Group::send_done`] when it has left, or failed to.
    pub confirm: bool,
}

/// A port of the client's that the group does not use yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hint {
    /// MAC address of the port.
    pub mac: Mac,
    /// GID of the port.
    pub gid: Gid,
}

/// The message can't be made: a key is missing, or the buffer is too small.
struct NotSent;

impl From<NoSpace> for NotSent {
    fn from(_: NoSpace) -> Self {
        NotSent
    }
}

type Sent = Result<Transmit, NotSent>;

const fn transmit(slot: Slot, len: usize) -> Transmit {
    Transmit {
        slot,
        len,
        confirm: false,
    }
}

impl Group {
    /// The next message to send; poll until `None`. It is written to the front
    /// of `buf`, which must be [`Group::max_transmit`] bytes long: a message
    /// that does not fit fails its flow. Poll only when the message can be
    /// posted; where posting fails, call [`Group::link_down`].
    pub fn poll_transmit(
        &mut self,
        now: Millis,
        local: &dyn LocalKeys,
        buf: &mut [u8],
    ) -> Option<Transmit> {
        if self.is_ended() {
            return None;
        }
        loop {
            // What is owed to the peer whatever runs.
            if let Some(transmit) = self.send_owed(buf) {
                return Some(transmit);
            }
            if !self.due {
                return self.send_test(buf);
            }
            match self.send_due(now, local, buf) {
                Ok(transmit) => return Some(transmit),
                // Makes room for the next flow. It answers a wish, or costs a
                // link, so this ends.
                Err(NotSent) => self.send_failed(now),
            }
        }
    }

    /// Whether [`Group::poll_transmit`] has something.
    pub(super) fn has_message(&self) -> bool {
        let any = self.active_link().is_some();
        self.due
            || (self.add.reject.is_some() || self.add.decline || self.add.dismiss) && any
            || self.slots(|l| l.notice.is_some()).next().is_some() && any
            || self
                .slots(|l| l.is_active() && matches!(l.test, Test::Due(_)))
                .next()
                .is_some()
    }

    fn send_owed(&mut self, buf: &mut [u8]) -> Option<Transmit> {
        if matches!(self.flow, Flow::Ending { .. }) {
            return None;
        }
        if let Some(Rejected { via, num, end }) = self.add.reject.take() {
            if self.link(via).hears() {
                let offer = add_link_of(&end, num, end.mtu.bits());
                let why = RejectReason::NoAlternatePath;
                let len = Message::reject(self.version, offer, why).emit(buf).ok()?;
                return Some(transmit(via, len));
            }
        }
        let via = self.active_link()?;
        if core::mem::take(&mut self.add.decline) {
            let len = Message::new(self.version, Flags::RESPONSE, no_gids())
                .emit(buf)
                .ok()?;
            return Some(transmit(via, len));
        }
        if core::mem::take(&mut self.add.dismiss) {
            let offer = Body::AddLink(add_link_of(&self.link(via).local, LinkNum(0), 0));
            let len = Message::new(self.version, Flags::REQUEST, offer)
                .emit(buf)
                .ok()?;
            return Some(transmit(via, len));
        }
        let slot = self.slots(|l| l.notice.is_some()).next()?;
        let notice = self.link_mut(slot).notice.take()?;
        let flags = if notice.orderly {
            Flags::ORDERLY
        } else {
            Flags::REQUEST
        };
        let len = self
            .delete_message(flags, notice.num, notice.reason)
            .emit(buf)
            .ok()?;
        Some(transmit(via, len))
    }

    fn delete_message(
        &self,
        flags: Flags,
        link: LinkNum,
        reason: DeleteReason,
    ) -> Message<'static> {
        let body = DeleteLink {
            link,
            reason,
            reserved: &[0; 35],
        };
        Message::new(self.version, flags, Body::DeleteLink(body))
    }

    fn send_test(&mut self, buf: &mut [u8]) -> Option<Transmit> {
        let due = |l: &super::Link| l.is_active() && matches!(l.test, Test::Due(_));
        let slot = self.slots(due).next()?;
        let body = TestLink {
            user_data: &[0; 16],
            reserved: &[0; 24],
        };
        let len = Message::new(self.version, Flags::REQUEST, Body::TestLink(body))
            .emit(buf)
            .ok()?;
        let link = self.link_mut(slot);
        if let Test::Due(deadline) = link.test {
            link.test = Test::Sent(deadline);
        }
        Some(transmit(slot, len))
    }

    /// The message of the flow's step.
    fn send_due(&mut self, now: Millis, local: &dyn LocalKeys, buf: &mut [u8]) -> Sent {
        match self.flow {
            Flow::First { .. } => self.send_confirm_link(now, Slot::S0, buf),
            Flow::Add(adding) => match adding.step {
                AddStep::Confirming(exchange) => self.send_exchange(exchange, local, buf),
                AddStep::AwaitAnswer | AddStep::Answering => {
                    self.send_add_link(now, adding, local, buf)
                }
                AddStep::Keys { .. } => self.send_cont(now, adding, local, buf),
                AddStep::AwaitConfirm | AddStep::ConfirmAnswer => {
                    self.send_confirm_link(now, adding.new, buf)
                }
                AddStep::Preparing | AddStep::Connecting | AddStep::Enabling => Err(NotSent),
            },
            Flow::Invite { via, .. } => self.send_req_add(now, via, buf),
            Flow::Delete(deleting) => self.send_delete(deleting, buf),
            Flow::Rkey(exchange) => self.send_exchange(exchange, local, buf),
            Flow::Ending { reason, .. } => self.send_delete_all(reason, buf),
            Flow::Fresh | Flow::Idle | Flow::Ended => Err(NotSent),
        }
    }

    /// The message can't be made: the flow fails.
    fn send_failed(&mut self, now: Millis) {
        match self.flow {
            Flow::First { .. } => self.first_failed(super::FirstError::NotReady),
            Flow::Add(adding) => match adding.step {
                AddStep::Confirming(exchange) => self.exchange_failed(now, exchange),
                _ => self.abort_add(now, AddError::Keys, Some(DeleteReason::LostPath)),
            },
            Flow::Invite { .. } => self.invite_over(now, AddError::NoPort),
            Flow::Delete(deleting) => self.delete_done(now, deleting.slot),
            Flow::Rkey(exchange) => self.exchange_failed(now, exchange),
            Flow::Ending { reason, .. } => self.end(reason),
            Flow::Fresh | Flow::Idle | Flow::Ended => self.due = false,
        }
    }

    fn send_delete(&mut self, deleting: Deleting, buf: &mut [u8]) -> Sent {
        let removal = self.link(deleting.slot).removal.ok_or(NotSent)?;
        let flags = if removal.orderly {
            Flags::ORDERLY
        } else {
            Flags::REQUEST
        };
        let m = self.delete_message(flags, removal.num, removal.reason);
        let len = m.emit(buf)?;
        self.due = false;
        Ok(transmit(deleting.via, len))
    }

    fn send_delete_all(&mut self, reason: EndReason, buf: &mut [u8]) -> Sent {
        let via = self.active_link().ok_or(NotSent)?;
        let reason = match reason {
            EndReason::Local(reason) | EndReason::Peer(reason) => reason,
            EndReason::FirstContact | EndReason::LostPath => DeleteReason::LostPath,
        };
        let flags = Flags::DELETE_ALL.with(Flags::ORDERLY);
        let len = self.delete_message(flags, LinkNum(0), reason).emit(buf)?;
        self.due = false;
        Ok(Transmit {
            confirm: true,
            ..transmit(via, len)
        })
    }

    fn send_confirm_link(&mut self, now: Millis, slot: Slot, buf: &mut [u8]) -> Sent {
        let link = self.link(slot);
        let body = ConfirmLink {
            mac: link.local.mac,
            gid: link.local.gid,
            qpn: link.local.qpn,
            link: link.num,
            uid: link.uid,
            max_links: self.max_links,
            max_conns: self.max_conns,
            reserved: &[0; 8],
        };
        let flags = match self.role {
            Role::Server => Flags::NO_EYECATCHER,
            Role::Client => Flags::NO_EYECATCHER.with(Flags::RESPONSE),
        };
        let len = Message::new(self.version, flags, Body::ConfirmLink(body)).emit(buf)?;
        self.due = false;
        match self.flow {
            Flow::First {
                step: FirstStep::Answering,
                ..
            } => self.first_done(now),
            Flow::First { .. } => self.first_asked(now),
            Flow::Add(adding) if adding.step == AddStep::ConfirmAnswer => {
                self.answer_sent(now, adding);
            }
            _ => {}
        }
        Ok(transmit(slot, len))
    }

    fn send_add_link(
        &mut self,
        now: Millis,
        adding: Adding,
        local: &dyn LocalKeys,
        buf: &mut [u8],
    ) -> Sent {
        let link = self.link(adding.new);
        let (flags, mtu) = match self.role {
            Role::Server => (Flags::REQUEST, link.local.mtu),
            Role::Client => (Flags::RESPONSE, link.local.mtu.min(link.peer.mtu)),
        };
        let m = add_link_of(&link.local, link.num, mtu.bits());
        let len = match self.version {
            LlcVersion::V1 => Message::new(self.version, flags, Body::AddLink(m)).emit(buf)?,
            LlcVersion::V2(order) => self.write_add_link_v2(order, flags, m, adding, local, buf)?,
        };
        self.due = false;
        match self.role {
            // The offer is what the client asked for.
            Role::Server => self.add.asked = false,
            Role::Client => self.answer_sent(now, adding),
        }
        Ok(transmit(adding.via, len))
    }

    /// ADD LINK with the keys of all RMBs that the peer may know (SMC v2).
    fn write_add_link_v2(
        &self,
        order: ByteOrder,
        flags: Flags,
        m: AddLink<'_>,
        adding: Adding,
        local: &dyn LocalKeys,
        buf: &mut [u8],
    ) -> Result<usize, NotSent> {
        let rmbs = self.rkeys.to_tell();
        let fixed = Message::new(self.version, flags, with_ext(m, self.direct, order, 0, &[]));
        let at = fixed.wire_len();
        if buf.len() < at {
            return Err(NotSent);
        }
        let (head, tail) = buf.split_at_mut(at);
        let mut w = Writer::new(tail);
        for rmb in rmbs.iter() {
            let pair = key_pair(local, rmb, adding).ok_or(NotSent)?;
            pair.write(&mut w)?;
        }
        let n = w.written();
        let keys = tail.get(..n).ok_or(NotSent)?;
        let whole = with_ext(m, self.direct, order, rmbs.len(), keys);
        Ok(Message::new(self.version, flags, whole).emit_before_keys(head)?)
    }

    fn send_cont(
        &mut self,
        now: Millis,
        adding: Adding,
        local: &dyn LocalKeys,
        buf: &mut [u8],
    ) -> Sent {
        let mut pairs = [KeyPair::default(); PAIRS_PER_CONT];
        let mut rest = self.rkeys.telling;
        let remaining = rest.len();
        for place in &mut pairs {
            if let Some(rmb) = rest.take() {
                *place = key_pair(local, rmb, adding).ok_or(NotSent)?;
            }
        }
        let body = AddLinkCont {
            link: self.link(adding.new).num,
            remaining,
            reserved2: &[0; 2],
            pairs,
            reserved: &[0; 4],
        };
        let flags = match self.role {
            Role::Server => Flags::REQUEST,
            Role::Client => Flags::RESPONSE,
        };
        let len = Message::new(self.version, flags, Body::AddLinkCont(body)).emit(buf)?;
        self.rkeys.telling = rest;
        self.due = false;
        if self.role == Role::Client {
            self.answer_sent(now, adding);
        }
        Ok(transmit(adding.via, len))
    }

    fn send_exchange(&mut self, exchange: Exchange, local: &dyn LocalKeys, buf: &mut [u8]) -> Sent {
        let via = exchange.via;
        let here = local.token(exchange.rmb, via).ok_or(NotSent)?;
        let len = if exchange.delete {
            let key = here.rkey.0.to_be_bytes();
            let body = DeleteRkey::new(1, &key, self.version.is_v2());
            Message::new(self.version, Flags::REQUEST, Body::DeleteRkey(body)).emit(buf)?
        } else {
            let mut body = ConfirmRkey {
                here,
                ..ConfirmRkey::default()
            };
            let others = self.slots(|l| l.is_active()).filter(|s| *s != via);
            for (slot, place) in others.zip(body.others.iter_mut()) {
                *place = LinkKey {
                    link: self.link(slot).num,
                    token: local.token(exchange.rmb, slot).ok_or(NotSent)?,
                };
                body.count = body.count.saturating_add(1);
            }
            Message::new(self.version, Flags::REQUEST, Body::ConfirmRkey(body)).emit(buf)?
        };
        self.due = false;
        self.exchange_sent(&exchange);
        Ok(transmit(via, len))
    }

    /// Client: another port is there (REQUEST ADD LINK; version 1: ADD LINK
    /// without a queue pair).
    fn send_req_add(&mut self, now: Millis, via: Slot, buf: &mut [u8]) -> Sent {
        let hint = self.add.hint.unwrap_or_default();
        let len = match self.version {
            LlcVersion::V1 => {
                let end = End {
                    mac: hint.mac,
                    gid: hint.gid,
                    qpn: Qpn::default(),
                    ..End::default()
                };
                let m = add_link_of(&end, LinkNum(0), 0);
                Message::new(self.version, Flags::REQUEST, Body::AddLink(m)).emit(buf)?
            }
            LlcVersion::V2(_) => {
                // The port in use first (smc_fill_gid_list in af_smc.c).
                let mut gids = [0u8; 2 * Gid::LEN];
                let mut w = Writer::new(&mut gids);
                self.link(via).local.gid.write(&mut w)?;
                hint.gid.write(&mut w)?;
                let m = ReqAddLink {
                    reserved: &[0; 20],
                    count: 2,
                    reserved2: &[0; 3],
                    gid_bytes: &gids,
                };
                Message::new(self.version, Flags::REQUEST, Body::ReqAddLink(m)).emit(buf)?
            }
        };
        self.due = false;
        if !self.version.is_v2() {
            self.invited(now);
        }
        Ok(transmit(via, len))
    }
}

const _: () = assert!(OTHER_KEYS == Slot::COUNT - 1);

/// REQUEST ADD LINK without a GID: the server's refusal.
pub(super) const fn no_gids() -> Body<'static> {
    Body::ReqAddLink(ReqAddLink {
        reserved: &[0; 20],
        count: 0,
        reserved2: &[0; 3],
        gid_bytes: &[],
    })
}

fn add_link_of(end: &End, link: LinkNum, mtu: u8) -> AddLink<'static> {
    AddLink {
        mac: end.mac,
        reserved2: &[0; 2],
        gid: end.gid,
        qpn: end.qpn,
        link,
        mtu: crate::wire::types::QpMtu::from_bits(mtu).unwrap_or_default(),
        mtu_reserved: 0,
        psn: end.psn,
        reserved: &[0; 8],
        ext: None,
    }
}

fn with_ext<'a>(
    m: AddLink<'a>,
    direct: bool,
    order: ByteOrder,
    count: u8,
    keys: &'a [u8],
) -> Body<'a> {
    Body::AddLink(AddLink {
        ext: Some(AddLinkExt {
            direct: if direct { 0x80 } else { 0 },
            reserved2: 0,
            target_gid: m.gid,
            reserved3: &[0; 8],
            count: AddLinkExt::count_bytes(order, count),
            keys: KeyPairs::new(keys),
        }),
        ..m
    })
}

/// The keys of an RMB on the old link and on the new one.
fn key_pair(local: &dyn LocalKeys, rmb: super::RmbId, adding: Adding) -> Option<KeyPair> {
    Some(KeyPair {
        known: local.token(rmb, adding.via)?.rkey,
        new: local.token(rmb, adding.new)?,
    })
}
