// SPDX-License-Identifier: GPL-2.0

//! What may happen next, and what it does.

use super::*;

impl World {
    /// What can happen next.
    pub fn moves(&self) -> Vec<Move> {
        let mut moves = vec![];
        for ((side, qpn), q) in &self.wire {
            assert!(!q.is_empty());
            moves.push(Move::Deliver(*side, *qpn));
        }
        for i in 0..self.clc.len() {
            moves.push(Move::Clc(i));
        }
        for side in Side::BOTH {
            let h = self.peek(side);
            for (i, task) in h.tasks.iter().enumerate() {
                moves.push(Move::Task(side, i, true));
                let can_fail =
                    matches!(task, Task::Prepare(_) | Task::Connect(_) | Task::Enable(_));
                if can_fail && self.failures > 0 {
                    moves.push(Move::Task(side, i, false));
                }
            }
            for i in 0..h.provable.len() {
                moves.push(Move::Prove(side, i));
            }
        }
        for i in 0..self.wishes.len() {
            if self.may_wish(self.wishes[i]) {
                moves.push(Move::Wish(i));
            }
        }
        if moves.is_empty() || self.timeouts > 0 {
            for side in Side::BOTH {
                if self.peek(side).g.poll_timeout().is_some() {
                    moves.push(Move::Timeout(side));
                }
            }
        }
        moves
    }

    pub(super) fn may_wish(&self, (side, wish): (Side, Wish)) -> bool {
        let h = self.peek(side);
        let established = h.first == Some(true);
        match wish {
            Wish::Announce(n) => established && !h.dropping.contains(&rmb(n)),
            // Nobody drops an RMB that a CLC message under way names, or that
            // is being announced.
            Wish::Drop(n) => {
                established
                    && !h.announcing.contains(&rmb(n))
                    && !self.clc.iter().any(|(s, r, _)| *s != side && *r == rmb(n))
            }
            // The last link is not deleted but the group ended.
            Wish::Delete => h.g.is_ended() || self.active(side).len() > 1,
            _ => established,
        }
    }

    /// Does it.
    pub fn apply(&mut self, m: &Move) {
        let now = self.clock;
        match *m {
            Move::Deliver(side, qpn) => self.deliver(side, qpn),
            Move::Clc(i) => {
                let (side, rmb, qpn) = self.clc.remove(i);
                self.read_clc(side, rmb, qpn);
            }
            Move::Task(side, i, ok) => {
                let task = self.host(side).tasks.remove(i);
                if !ok {
                    self.failures -= 1;
                }
                self.finish(side, task, ok);
                self.settle(side);
            }
            Move::Prove(side, i) => {
                let rmb = self.host(side).provable.remove(i);
                self.host(side).g.proven(rmb);
            }
            Move::Wish(i) => {
                let (side, wish) = self.wishes.remove(i);
                self.wish(side, wish);
            }
            Move::Timeout(side) => {
                self.timeouts = self.timeouts.saturating_sub(1);
                let at = self.host(side).g.poll_timeout().unwrap();
                self.clock = now.max(at);
                let clock = self.clock;
                self.host(side).g.handle_timeout(clock);
                assert!(!self.host(side).g.poll_timeout().is_some_and(|t| t <= clock));
                self.settle(side);
            }
        }
    }

    pub fn wish(&mut self, side: Side, wish: Wish) {
        let now = self.clock;
        let h = self.host(side);
        match wish {
            Wish::Announce(n) => match h.g.announce(now, rmb(n)) {
                Ok(Announce::Ready) => self.send_clc(side, rmb(n)),
                Ok(Announce::Wait) => {
                    if !h.announcing.contains(&rmb(n)) {
                        h.announcing.push(rmb(n));
                    }
                }
                Err(_) => {}
            },
            Wish::Drop(n) => {
                if h.g.drop_rmb(now, rmb(n)) == Dropped::Wait {
                    h.dropping.push(rmb(n));
                }
                // The connections that used it are gone.
                h.provable.retain(|r| *r != rmb(n));
                self.host(side.other())
                    .learned
                    .retain(|(r, _)| *r != rmb(n));
            }
            Wish::Add => {
                let hint = Hint {
                    mac: end_of(side, 1, 0).mac,
                    gid: end_of(side, 1, 0).gid,
                };
                if h.g.add_link(now, Some(hint)).is_ok() {
                    assert!(!h.adding);
                    h.adding = true;
                }
            }
            Wish::Delete => {
                if let Some(slot) = h.g.active_link() {
                    h.g.delete_link(now, slot, DeleteReason::Operator);
                }
            }
            Wish::Terminate => h.g.terminate(now, DeleteReason::Program),
            Wish::Fail(n) => {
                let slot = Slot::ALL[usize::from(n)];
                let qpn = *slot.of(&h.keys.qpn);
                let peer = h.g.link(slot).peer().qpn.get();
                if qpn != 0 && peer != 0 {
                    self.kill(side, qpn);
                    self.kill(side.other(), peer);
                }
            }
        }
        self.settle(side);
    }

    /// The queue pair fails; its host will notice some time.
    pub(super) fn kill(&mut self, side: Side, qpn: u32) {
        if self.dead.contains(&(side, qpn)) {
            return;
        }
        self.dead.push((side, qpn));
        self.dead.sort();
        self.wire.remove(&(side, qpn));
        let h = self.host(side);
        if let Some(slot) = h.slot_of(qpn) {
            h.tasks.push(Task::Down(slot));
        }
    }

    pub(super) fn deliver(&mut self, side: Side, qpn: u32) {
        let q = self.wire.get_mut(&(side, qpn)).unwrap();
        let (from, bytes) = q.remove(0);
        if q.is_empty() {
            self.wire.remove(&(side, qpn));
        }
        if is_delete_all(&bytes) {
            self.host(side.other()).tasks.push(Task::Sent);
        }
        let now = self.clock;
        let h = self.host(side);
        // Only to the queue pair that is connected with the sender's.
        let slot = h
            .slot_of(qpn)
            .filter(|s| h.g.link(*s).peer().qpn.get() == from);
        let Some(slot) = slot else {
            // Nobody is there: the sender's queue pair breaks.
            self.kill(side.other(), from);
            return;
        };
        let mut reply = [0; LLC_LEN];
        let mut table = PeerTable::new(&mut h.rows[..]);
        let keys = h.keys.clone();
        let got =
            h.g.receive(now, slot, &bytes, &keys, &mut table, &mut reply);
        // What DELETE RKEY took is used by nobody any more.
        let table = PeerTable::new(&mut h.rows[..]);
        h.learned
            .retain(|(_, row)| Slot::ALL.iter().any(|s| table.token(*row, *s).is_some()));
        if got == Received::Reply {
            self.send(side, qpn, from, reply.to_vec());
        }
        self.settle(side);
    }

    pub(super) fn read_clc(&mut self, side: Side, rmb: RmbId, qpn: u32) {
        let h = self.host(side);
        // The message names a link; without it the connection is declined.
        let slot = Slot::ALL
            .into_iter()
            .find(|s| h.g.link(*s).peer().qpn.get() == qpn && h.g.link(*s).is_active());
        let Some(slot) = slot else { return };
        let t = token(side.other(), rmb, qpn);
        if let Some(row) = PeerTable::new(&mut h.rows[..]).add(slot, t) {
            if !h.learned.contains(&(rmb, row)) {
                h.learned.push((rmb, row));
                h.learned.sort();
            }
            let owner = self.host(side.other());
            if !owner.provable.contains(&rmb) && !owner.dropping.contains(&rmb) {
                owner.provable.push(rmb);
            }
        }
    }

    pub(super) fn send_clc(&mut self, side: Side, rmb: RmbId) {
        let h = self.peek(side);
        // The server names the link; on the client it is the same one.
        if let Some(slot) = h.g.active_link() {
            let qpn = *slot.of(&h.keys.qpn);
            self.clc.push((side.other(), rmb, qpn));
            self.clc.sort();
        }
    }

    pub(super) fn send(&mut self, side: Side, from: u32, to: u32, bytes: Vec<u8>) {
        if self.dead.contains(&(side, from)) {
            return;
        }
        let key = (side.other(), to);
        if self.dead.contains(&key) {
            return self.kill(side, from);
        }
        self.wire.entry(key).or_default().push((from, bytes));
    }

    pub(super) fn finish(&mut self, side: Side, task: Task, ok: bool) {
        let now = self.clock;
        let dead = self.dead.clone();
        let h = self.host(side);
        match task {
            Task::Prepare(slot) => {
                if !ok {
                    return h.g.link_prepared(now, slot, Err(AddError::NoPort));
                }
                // Another port than that of the links there are, if possible.
                let used: Vec<Gid> = Slot::ALL
                    .iter()
                    .filter(|s| **s != slot && h.g.link(**s).is_active())
                    .map(|s| h.g.link(*s).local().gid)
                    .collect();
                let port = (0..h.ports)
                    .find(|p| !used.contains(&end_of(side, *p, 1).gid))
                    .unwrap_or(0);
                let qpn = h.next_qpn;
                h.next_qpn += 1;
                *slot.of_mut(&mut h.keys.qpn) = qpn;
                h.g.link_prepared(now, slot, Ok(end_of(side, port, qpn)));
            }
            Task::Connect(slot) => h.g.link_connected(now, slot, ok),
            Task::Enable(slot) => h.g.link_enabled(now, slot, ok),
            Task::Drain(slot) => h.g.link_drained(now, slot),
            Task::Free(slot) => {
                let qpn = std::mem::take(slot.of_mut(&mut h.keys.qpn));
                h.tasks.retain(|t| *t != Task::Down(slot));
                h.g.link_freed(now, slot);
                self.wire.remove(&(side, qpn));
            }
            Task::Down(slot) => {
                if dead.contains(&(side, *slot.of(&h.keys.qpn))) {
                    h.g.link_down(now, slot);
                }
            }
            Task::Sent => h.g.send_done(now),
        }
    }

    /// Polls a host until it has nothing more.
    pub fn settle(&mut self, side: Side) {
        let now = self.clock;
        let mut buf = [0; LLC_MAX_LEN];
        loop {
            let mut quiet = true;
            while let Some(t) = {
                let h = self.host(side);
                let keys = h.keys.clone();
                h.g.poll_transmit(now, &keys, &mut buf)
            } {
                quiet = false;
                let h = self.host(side);
                let from = *t.slot.of(&h.keys.qpn);
                let to = h.g.link(t.slot).peer().qpn.get();
                assert_eq!(t.confirm, is_delete_all(&buf));
                self.send(side, from, to, buf[..t.len].to_vec());
            }
            while let Some(action) = self.host(side).g.poll_action() {
                quiet = false;
                self.act(side, action);
            }
            if quiet {
                break;
            }
        }
        let h = self.host(side);
        assert!(!h.g.owed().message || h.g.is_ended(), "a message is left");
        h.tasks.sort();
        h.tasks.dedup();
    }

    pub(super) fn act(&mut self, side: Side, action: Action) {
        let quick = self.quick;
        let h = self.host(side);
        let task = match action {
            Action::PrepareLink(slot) => Task::Prepare(slot),
            Action::ConnectLink(slot) => Task::Connect(slot),
            Action::EnableLink(slot) => Task::Enable(slot),
            Action::DrainLink(slot) => Task::Drain(slot),
            Action::FreeLink(slot) => Task::Free(slot),
            Action::LinkActive(slot) => {
                assert!(h.g.link(slot).is_active());
                return;
            }
            Action::LinkLost(_) => return,
            Action::FirstContact(result) => {
                assert!(h.first.is_none());
                h.first = Some(result.is_ok());
                return;
            }
            Action::AddLink(result) => {
                assert!(std::mem::take(&mut h.adding), "nobody asked for a link");
                h.added = Some(result.is_ok());
                return;
            }
            Action::RkeyUsable(rmb) => {
                let n = h.announcing.iter().position(|r| *r == rmb);
                h.announcing.remove(n.expect("nobody announced it"));
                return self.send_clc(side, rmb);
            }
            Action::RkeyRefused(rmb, _) => {
                let n = h.announcing.iter().position(|r| *r == rmb);
                h.announcing.remove(n.expect("nobody announced it"));
                h.refused.push(rmb);
                return;
            }
            Action::RkeyGone(rmb) => {
                let n = h.dropping.iter().position(|r| *r == rmb);
                h.dropping.remove(n.expect("nobody dropped it"));
                return;
            }
            Action::Ended(why) => {
                assert!(h.ended.is_none());
                h.ended = Some(why);
                return;
            }
        };
        if quick && !matches!(task, Task::Prepare(_) | Task::Free(_)) {
            self.finish(side, task, true);
        } else {
            h.tasks.push(task);
        }
    }
}
