// SPDX-License-Identifier: GPL-2.0

//! How a group goes, as [`Departure`](smc_proto::group::Departure) says: its connections,
//! DELETE LINK, and at last its link.

use super::{Group, Life, Llc};
use crate::{
    abstractions::work::Task,
    smc::{clc, conn::Conn},
};
use kernel::sync::Arc;
use smc_proto::{
    group::{Aborted, Group as Machine, Millis, PeerKeys, Slot},
    wire::llc::DeleteReason,
};

impl Llc {
    /// When the next step on the way out is due.
    pub(super) fn next_step(&self) -> Option<Millis> {
        self.departure.next_time(clc::now(), self.is_under_way())
    }

    fn is_under_way(&self) -> bool {
        let first = self.first.as_ref();
        first.is_some_and(|first| first.qp.llc_under_way())
    }

    /// The group is to end.
    pub(super) fn leave(&mut self, group: &Arc<Task<Group>>, now: Millis, reason: DeleteReason) {
        group.set_life(Life::Closing);
        if self.departure.begin(now, reason, group.conn_count()) {
            group.each_conn(Conn::on_group_ending);
        }
    }

    /// The reason to end the group now.
    pub(super) fn reason_to_end(&mut self, group: &Group, now: Millis) -> Option<DeleteReason> {
        self.departure.due(now, || {
            let mut all = Aborted::Both;
            group.each_conn(|conn| all = all.max(conn.aborted()));
            all
        })
    }

    /// The group is ending, whoever has begun it: nothing can be announced any more.
    pub(super) fn close(&mut self, group: &Arc<Task<Group>>, ended: bool) {
        group.set_life(Life::Closing);
        if !ended && self.departure.delete(group.conn_count()) {
            group.each_conn(Conn::on_group_ending);
        }
    }

    /// Frees the link, when nothing is under way on it.
    pub(super) fn part(&mut self, now: Millis) {
        let peer_gone = self.machine.as_ref().is_some_and(Machine::is_peer_gone);
        if !self.departure.parts(now, self.is_under_way(), peer_gone) {
            return;
        }
        if let Some(first) = self.first.take() {
            first.qp.close();
        }
        self.keys.clear(Slot::S0);
        if let Some(machine) = &mut self.machine {
            machine.link_freed(now, Slot::S0);
        }
    }
}
