// SPDX-License-Identifier: GPL-2.0

//! How a group goes: its connections, DELETE LINK, and at last its link.

use super::{Group, Life, Llc};
use crate::{
    abstractions::work::Task,
    smc::{clc, conn::Conn},
};
use kernel::sync::Arc;
use smc_proto::{
    group::{Group as Machine, Millis, PeerKeys, Slot},
    wire::llc::DeleteReason,
};

/// How long the last messages on a link may take to leave, in milliseconds.
const FAREWELL: u32 = 1_000;
/// How long a peer may take to be done with its connections: longer than the C module
/// waits for an answer that does not come any more.
const PATIENCE: u32 = 3_000;
/// How long the connections with a C peer may take to end before their group does, and
/// how often to look whether they have, in milliseconds.
const LEAVE: u32 = 1_000;
const LEAVE_ROUND: u32 = 20;

/// A link that goes: when its last messages have left, and the peer is done with its
/// connections. The C module waits for all that it has on its way to arrive before it says
/// that it is, and does so for ever where the device never gives up, as soft-RoCE's.
pub(super) struct Farewell {
    /// So long the last messages may take.
    leave: Millis,
    /// So long the peer is waited for.
    answer: Millis,
}

impl Farewell {
    pub(super) fn of(group: &Group, had_conns: bool, now: Millis) -> Self {
        // This module does not wait for what it has sent.
        let waits = !group.spec.peer_is_ours && (had_conns || group.conn_count() != 0);
        Self {
            leave: now.after(FAREWELL),
            answer: now.after(if waits { PATIENCE } else { 0 }),
        }
    }
}

impl Llc {
    /// When the next step on the way out is due.
    pub(super) fn next_step(&self) -> Option<Millis> {
        let now = clc::now();
        let leaves = |f: &Farewell| match &self.link {
            Some(link) => link.llc_under_way() && now < f.leave,
            None => false,
        };
        let farewell = self.farewell.as_ref();
        let farewell = farewell.map(|f| if leaves(f) { f.leave } else { f.answer });
        let ending = self.machine.as_ref().map_or(true, Machine::is_ending);
        let leaving = self.leaving.filter(|_| !ending);
        let leaving = leaving.map(|(_, at)| at.min(now.after(LEAVE_ROUND)));
        [farewell, leaving].into_iter().flatten().min()
    }

    /// Aborts the connections with a C peer, as the C module does before DELETE LINK.
    pub(super) fn abort_conns(&mut self, group: &Arc<Task<Group>>) {
        if !core::mem::replace(&mut self.aborted, true) && !group.spec.peer_is_ours {
            self.had_conns = group.conn_count() != 0;
            group.each_conn(Conn::on_group_ending);
        }
    }

    /// Ends the group: with a C peer when the connections have come to their end, which
    /// loses a socket that its application closes while DELETE LINK ends the connection
    /// (`smc_close_active_abort`).
    pub(super) fn leave(&mut self, group: &Arc<Task<Group>>, now: Millis, reason: DeleteReason) {
        group.set_life(Life::Closing);
        if self.leaving.is_none() {
            self.abort_conns(group);
            let time = if self.had_conns { LEAVE } else { 0 };
            self.leaving = Some((reason, now.after(time)));
        }
    }

    /// The reason to end the group now.
    pub(super) fn reason_to_end(&self, group: &Group, now: Millis) -> Option<DeleteReason> {
        let (reason, at) = self.leaving?;
        let mut over = true;
        group.each_conn(|conn| over &= conn.is_over());
        (over || at <= now).then_some(reason)
    }

    /// Frees the link, when nothing is under way on it.
    pub(super) fn part(&mut self, now: Millis) {
        let Some(farewell) = &self.farewell else {
            return;
        };
        if let Some(link) = &self.link {
            let leaving = link.llc_under_way() && now < farewell.leave;
            let peer_gone = self.machine.as_ref().is_some_and(Machine::is_peer_gone);
            if leaving || !peer_gone && now < farewell.answer {
                return;
            }
            link.close();
        }
        self.farewell = None;
        self.link = None;
        self.gid = None;
        self.met = false;
        self.keys.clear(Slot::S0);
        if let Some(machine) = &mut self.machine {
            machine.link_freed(now, Slot::S0);
        }
    }
}
