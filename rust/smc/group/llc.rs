// SPDX-License-Identifier: GPL-2.0

//! Drives a group's LLC machine: messages, time, queue pairs.

mod leave;

use super::{
    link::{llc_done, llc_slot, Posted},
    pool::{Keys, Registration},
    Group, Life, Link,
};
use crate::{
    abstractions::{
        net::ratelimit,
        rdma::{self, GidRef, Mtu, QpRef},
        work::Task,
    },
    smc::{
        clc,
        path::Path,
        wait::{Outcome, What},
    },
};
use core::sync::atomic::Ordering;
use kernel::{prelude::*, sync::Arc};
use smc_proto::{
    group::{
        self as machine, Action, AddError, Announce, Config, Departure, End, Group as Machine,
        Millis, PeerKeys, PeerRow, PeerTable, Received, RkeyError, RmbId, Role, Slot, MAX_RMBS,
    },
    wire::{
        clc::Reason,
        llc::{Body, DeleteReason, Message, Rtoken, LLC_LEN},
    },
};

/// Longest message of ours: what is longer belongs to further links.
const LONGEST: usize = rdma::MESSAGE_LEN;

/// The LLC machine of a group and what belongs to it.
pub(super) struct Llc {
    machine: Option<Machine>,
    /// Keys of the peer's RMBs.
    keys: PeerTable<KVVec<PeerRow>>,
    first: Option<FirstLink>,
    /// Something waits for a slot.
    starved: bool,
    /// How far the group is on its way out.
    departure: Departure,
}

/// The group's link, from when there is its queue pair to when that is closed.
struct FirstLink {
    qp: QpRef<Link>,
    gid: GidRef,
    /// The queue pair takes requests.
    met: bool,
}

/// Whether the peer asks about a key.
fn is_key_question(message: &[u8]) -> bool {
    Message::parse(message).is_ok_and(|m| matches!(m.body, Body::ConfirmRkey(_)))
}

/// What has become of a group.
pub(super) enum Course {
    /// It goes on.
    Runs,
    /// It is at its end: its connections have to know.
    Ends,
    /// Its link is gone, too.
    Over,
}

impl Llc {
    /// The table of a peer's keys.
    ///
    /// # Errors
    ///
    /// `ENOMEM` without memory.
    pub(super) fn rows() -> Result<KVVec<PeerRow>> {
        Ok(KVVec::from_elem(PeerRow::default(), MAX_RMBS, GFP_KERNEL)?)
    }

    /// With a peer that may be a C module.
    pub(super) fn new(rows: KVVec<PeerRow>, c_peer: bool) -> Self {
        Self {
            machine: None,
            keys: PeerTable::new(rows),
            first: None,
            starved: false,
            departure: Departure::new(c_peer),
        }
    }

    /// The first link's queue pair is there.
    pub(super) fn begin(
        &mut self,
        config: Config,
        local: End,
        peer: End,
        qp: QpRef<Link>,
        gid: GidRef,
    ) {
        self.machine = Some(Machine::new(config, local, peer));
        self.first = Some(FirstLink {
            qp,
            gid,
            met: false,
        });
    }

    pub(super) fn link(&self) -> Option<QpRef<Link>> {
        self.first.as_ref().map(|first| first.qp.clone())
    }

    pub(super) fn port(&self) -> Option<u32> {
        self.first.as_ref().map(|first| first.gid.port())
    }

    pub(super) fn describe_link(&self) -> Option<(machine::Link, GidRef)> {
        let link = *self.machine.as_ref()?.link(Slot::S0);
        Some((link, self.first.as_ref()?.gid.clone()))
    }

    pub(super) fn local_end(&self) -> Option<End> {
        Some(*self.machine.as_ref()?.link(Slot::S0).local())
    }

    pub(super) fn is_met(&self) -> bool {
        self.first.as_ref().is_some_and(|first| first.met)
    }

    /// See [`Group::meet`].
    pub(super) fn meet(
        &mut self,
        group: &Arc<Task<Group>>,
        path: &Path,
        peer: End,
    ) -> Result<(), Reason> {
        let (Some(machine), Some(first)) = (&mut self.machine, &mut self.first) else {
            return Err(Reason::NoActiveLink);
        };
        let mtu = peer.mtu.bits().min(path.mtu().bits());
        first
            .qp
            .ready_to_receive(&rdma::Path {
                gid: &first.gid,
                dgid: peer.gid.0,
                dmac: path.first_hop(peer.mac).0,
                dest_qpn: peer.qpn.get(),
                rq_psn: peer.psn.get(),
                mtu: Mtu::from_number(mtu).ok_or(Reason::LinkNotReady)?,
                hop_limit: if path.is_direct() { 1 } else { 64 },
            })
            .map_err(|_| Reason::LinkNotReady)?;
        machine.set_peer(peer);
        if machine.role() == Role::Server {
            let ready = first.qp.ready_to_send();
            ready.map_err(|_| Reason::LinkNotReady)?;
            first.met = true;
            self.register(group)?;
        }
        if let Some(machine) = &mut self.machine {
            machine.first_contact(clc::now());
        }
        Ok(())
    }

    /// Posts the registration of each RMB for which that is due. What is posted
    /// later on the queue pair is done later.
    ///
    /// # Errors
    ///
    /// [`Reason::RegisterBuffer`] if it could not be posted.
    pub(super) fn register(&mut self, group: &Arc<Task<Group>>) -> Result<(), Reason> {
        let done = self.register_due(group);
        self.share_slots();
        done
    }

    fn register_due(&mut self, group: &Arc<Task<Group>>) -> Result<(), Reason> {
        let first = self.first.as_ref().ok_or(Reason::NoActiveLink)?;
        loop {
            let due = group.pool.lock().due();
            let Some((rmb, mr)) = due else {
                return Ok(());
            };
            // Without a slot the group's task comes back to it.
            let Some(slot) = llc_slot(&first.qp) else {
                self.starved = true;
                return Ok(());
            };
            group
                .pool
                .lock()
                .set_registration(rmb, Registration::Posted);
            if slot.register(&mr, Posted::Register(rmb)).is_err() {
                group.pool.lock().set_registration(rmb, Registration::Due);
                return Err(Reason::RegisterBuffer);
            }
        }
    }

    pub(super) fn announce(&mut self, rmb: RmbId) -> Result<Announce, RkeyError> {
        let machine = self.machine.as_mut().ok_or(RkeyError::Refused)?;
        machine.announce(clc::now(), rmb)
    }

    pub(super) fn proven(&mut self, rmb: RmbId) {
        if let Some(machine) = &mut self.machine {
            machine.proven(rmb);
        }
    }

    pub(super) fn learn_key(&mut self, group: &Group, token: Rtoken) -> Result<(), Reason> {
        let known = self.keys.add(Slot::S0, token);
        group.set_keys_full(self.keys.is_full());
        known.map(|_| ()).ok_or(Reason::RemoteKeys)
    }

    /// When there is something to do.
    pub(super) fn next_time(&self) -> Option<Millis> {
        let machine = self.machine.as_ref().and_then(Machine::poll_timeout);
        [machine, self.next_step()].into_iter().flatten().min()
    }

    /// Lets connections have slots, unless something of the group waits for one.
    fn share_slots(&self) {
        if let (Some(first), false) = (&self.first, self.starved) {
            llc_done(&first.qp);
        }
    }

    /// Does what is to be done. `gid_gone`: the peer does not reach the link's port any
    /// more.
    pub(super) fn advance(&mut self, group: &Arc<Task<Group>>, gid_gone: bool) -> Course {
        let now = clc::now();
        let parting = self.departure.is_parting();
        self.starved = false;
        self.take_events(group, now, gid_gone);
        self.receive(group, now);
        if let Some(machine) = self.machine.as_ref().filter(|m| m.is_ending()) {
            let ended = machine.is_ended();
            self.close(group, ended);
        }
        self.poll(group, now);
        self.part(now);
        self.poll(group, now);
        self.share_slots();
        if !self.machine.as_ref().is_some_and(Machine::is_ended) {
            Course::Runs
        } else if self.first.is_none() {
            Course::Over
        } else if parting {
            Course::Runs
        } else {
            Course::Ends
        }
    }

    fn poll(&mut self, group: &Arc<Task<Group>>, now: Millis) {
        loop {
            self.transmit(group, now);
            let Some(action) = self.machine.as_mut().and_then(Machine::poll_action) else {
                return;
            };
            self.act(group, action, now);
        }
    }

    fn take_events(&mut self, group: &Arc<Task<Group>>, now: Millis, gid_gone: bool) {
        let Some(machine) = &mut self.machine else {
            return;
        };
        if group.wishes.sent.swap(false, Ordering::AcqRel) {
            machine.send_done(now);
        }
        if self
            .first
            .as_ref()
            .is_some_and(|first| first.qp.take_heard())
        {
            machine.heard(now, Slot::S0);
        }
        if group.wishes.broken.swap(false, Ordering::AcqRel) {
            machine.link_down(now, Slot::S0);
        }
        if group.wishes.violation.swap(false, Ordering::AcqRel) {
            group.set_life(Life::Closing);
            machine.terminate(now, DeleteReason::ProtocolViolation);
        }
        let idle = group.idle_until().is_some_and(|at| at <= now) && group.close_if_empty();
        if gid_gone {
            self.leave(group, now, DeleteReason::LostPath);
        }
        if group.wishes.end.swap(false, Ordering::AcqRel) || idle {
            self.leave(group, now, DeleteReason::Program);
        }
        let reason = self.reason_to_end(group, now);
        let Some(machine) = &mut self.machine else {
            return;
        };
        if let Some(reason) = reason {
            machine.terminate(now, reason);
        }
        machine.handle_timeout(now);
        if self.is_met() && self.register_due(group).is_err() {
            if let Some(machine) = &mut self.machine {
                machine.link_down(now, Slot::S0);
            }
        }
    }

    /// Takes what came, as long as an answer could be sent.
    fn receive(&mut self, group: &Arc<Task<Group>>, now: Millis) {
        while let (Some(machine), Some(first)) = (&mut self.machine, &self.first) {
            if group.inbox.lock().is_empty() {
                return;
            }
            let Some(place) = llc_slot(&first.qp) else {
                self.starved = true;
                return;
            };
            let next = group.inbox.lock().pop();
            let Some((slot, short, long)) = next else {
                return;
            };
            let message = long.as_ref().map_or(&short[..], |long| &long[..]);
            let mut reply = [0; LLC_LEN];
            let keys = &mut self.keys;
            let got = machine.receive(now, slot, message, &Keys(group), keys, &mut reply);
            group.set_keys_full(keys.is_full());
            if got == Received::Reply {
                if is_key_question(message) {
                    group.set_busy(now);
                }
                let posted = first.qp.post_llc(place, &reply, false);
                if posted.is_err() {
                    machine.link_down(now, slot);
                }
            }
        }
    }

    fn transmit(&mut self, group: &Arc<Task<Group>>, now: Millis) {
        while let (Some(machine), Some(first)) = (&mut self.machine, &self.first) {
            if !machine.owed().message {
                return;
            }
            let Some(place) = llc_slot(&first.qp) else {
                self.starved = true;
                return;
            };
            let mut message = [0; LONGEST];
            let Some(sent) = machine.poll_transmit(now, &Keys(group), &mut message) else {
                return;
            };
            let bytes = message.get(..sent.len).unwrap_or_default();
            if first.qp.post_llc(place, bytes, sent.confirm).is_err() {
                machine.link_down(now, sent.slot);
            }
        }
    }

    fn act(&mut self, group: &Arc<Task<Group>>, action: Action, now: Millis) {
        if let Action::EnableLink(slot) = action {
            let ok = self.enable(group);
            if let Some(machine) = &mut self.machine {
                machine.link_enabled(now, slot, ok);
            }
            return;
        }
        let Some(machine) = &mut self.machine else {
            return;
        };
        match action {
            Action::FirstContact(result) => {
                let outcome = match result {
                    Ok(()) => {
                        group.set_life(Life::Open);
                        Outcome::There
                    }
                    Err(e) => Outcome::NoLink(e),
                };
                group.waits.settle(What::FirstContact, outcome);
            }
            // The group keeps to its one link.
            Action::PrepareLink(slot) => machine.link_prepared(now, slot, Err(AddError::NoPort)),
            Action::ConnectLink(slot) => machine.link_connected(now, slot, false),
            // What was posted before the message that follows arrives before it.
            Action::DrainLink(slot) => machine.link_drained(now, slot),
            Action::FreeLink(Slot::S0) => self.departure.part(now, group.conn_count()),
            Action::FreeLink(slot) => machine.link_freed(now, slot),
            Action::RkeyUsable(rmb) => group.waits.settle(What::Key(rmb), Outcome::There),
            Action::RkeyRefused(rmb, _) => {
                let failed = Outcome::Failed(Reason::RegisterBuffer);
                group.waits.settle(What::Key(rmb), failed);
            }
            Action::Ended(reason) => {
                group.set_life(Life::Closing);
                group
                    .waits
                    .settle_all(Outcome::NoLink(machine::FirstError::Ended));
                Self::tell(group, reason);
            }
            Action::LinkActive(_)
            | Action::LinkLost(_)
            | Action::AddLink(_)
            | Action::RkeyGone(_)
            | Action::EnableLink(_) => {}
        }
    }

    /// An end that an administrator should know of.
    fn tell(group: &Group, reason: machine::EndReason) {
        let what = match reason {
            machine::EndReason::Local(DeleteReason::ProtocolViolation) => {
                group.spec.net.stats.violation();
                "the peer violated the protocol"
            }
            machine::EndReason::Peer(DeleteReason::ProtocolViolation) => {
                "the peer says that this host violated the protocol"
            }
            machine::EndReason::Local(DeleteReason::LostPath) => "the address of its link has gone",
            _ => return,
        };
        if ratelimit() {
            pr_warn!("link group {} ended: {}\n", group.id, what);
        }
    }

    /// Client: the server has been heard on the link.
    fn enable(&mut self, group: &Arc<Task<Group>>) -> bool {
        let Some(first) = &mut self.first else {
            return false;
        };
        first.met = first.qp.ready_to_send().is_ok();
        let enabled = first.met && self.register_due(group).is_ok();
        if enabled {
            // Before the answer leaves: who has it may name the group to the next
            // connection, and say so by TCP before anything else is done here.
            group.set_life(Life::Open);
        }
        enabled
    }
}
