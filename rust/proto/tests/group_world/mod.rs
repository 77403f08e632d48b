// SPDX-License-Identifier: GPL-2.0

//! Two groups and all that lies between them, as one value that can be cloned,
//! compared and hashed: queue pairs, messages in flight on each link, CLC
//! messages in flight over IP, steps that the callers have not finished.

#![allow(dead_code, unreachable_pub)]

use smc_proto::group::*;
use smc_proto::wire::llc::{ByteOrder, DeleteReason, LlcVersion, Rtoken, LLC_LEN, LLC_MAX_LEN};
use smc_proto::wire::types::{Gid, Mac, Psn, QpMtu, Qpn, Rkey, RmbAddr};
use std::collections::BTreeMap;

pub const ROWS: usize = 6;
pub const V2: LlcVersion = LlcVersion::V2(ByteOrder::Little);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    Server,
    Client,
}

impl Side {
    pub const BOTH: [Side; 2] = [Side::Server, Side::Client];

    pub fn other(self) -> Side {
        match self {
            Side::Server => Side::Client,
            Side::Client => Side::Server,
        }
    }
}

pub fn rmb(n: u8) -> RmbId {
    RmbId::new(n).unwrap()
}

/// The keys of a host: every RMB has one on every link, made of its number and
/// that of the queue pair, so that none is ever used twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Keys {
    pub side: Side,
    /// Queue pair in each place, 0 for none.
    pub qpn: [u32; Slot::COUNT],
    /// RMBs that are registered nowhere.
    pub missing: Vec<RmbId>,
}

impl LocalKeys for Keys {
    fn token(&self, rmb: RmbId, slot: Slot) -> Option<Rtoken> {
        let qpn = *slot.of(&self.qpn);
        if qpn == 0 || self.missing.contains(&rmb) {
            return None;
        }
        Some(token(self.side, rmb, qpn))
    }
}

pub fn token(side: Side, rmb: RmbId, qpn: u32) -> Rtoken {
    let rkey = (side as u32 + 1) << 24 | u32::from(rmb.get()) << 16 | qpn;
    Rtoken {
        rkey: Rkey(rkey),
        addr: RmbAddr(u64::from(rkey) << 12),
    }
}

/// A step that a caller was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Task {
    Prepare(Slot),
    Connect(Slot),
    Enable(Slot),
    Drain(Slot),
    Free(Slot),
    /// The queue pair failed; the host has not noticed yet.
    Down(Slot),
    /// DELETE LINK of all links has arrived: the send completes.
    Sent,
}

/// Something somebody wants, at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wish {
    Announce(u8),
    Drop(u8),
    Add,
    /// The link in use, or the first of them.
    Delete,
    Terminate,
    /// The link fails for both.
    Fail(u8),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    pub g: Group,
    pub keys: Keys,
    pub rows: [PeerRow; ROWS],
    pub next_qpn: u32,
    /// Ports: the first link's, and one more where there is one.
    pub ports: u8,
    pub tasks: Vec<Task>,
    /// Announcements without an answer.
    pub announcing: Vec<RmbId>,
    pub dropping: Vec<RmbId>,
    pub refused: Vec<RmbId>,
    /// The peer's RMBs that a CLC message told of: its id and its row.
    pub learned: Vec<(RmbId, PeerRmb)>,
    /// RMBs whose CLC message the peer has read, not told to the machine yet.
    pub provable: Vec<RmbId>,
    pub adding: bool,
    pub added: Option<bool>,
    pub first: Option<bool>,
    pub ended: Option<EndReason>,
}

/// A message, and the queue pair it comes from.
pub type InFlight = (u32, Vec<u8>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub hosts: [Host; 2],
    /// LLC messages in flight, by the queue pair they go to.
    pub wire: BTreeMap<(Side, u32), Vec<InFlight>>,
    /// CLC messages in flight: who reads it, about which RMB, the sender's
    /// queue pair.
    pub clc: Vec<(Side, RmbId, u32)>,
    /// Queue pairs that have failed.
    pub dead: Vec<(Side, u32)>,
    pub clock: Millis,
    pub wishes: Vec<(Side, Wish)>,
    /// How often a timer may fire while something else could happen.
    pub timeouts: u8,
    /// How often a caller's step may fail.
    pub failures: u8,
    /// Callers finish most of their steps at once; only making and freeing a
    /// queue pair takes its time.
    pub quick: bool,
    /// Nothing fails, no timer fires, nobody ends the group.
    pub calm: bool,
}

#[derive(Clone, Debug)]
pub enum Move {
    Deliver(Side, u32),
    Clc(usize),
    Task(Side, usize, bool),
    Prove(Side, usize),
    Wish(usize),
    Timeout(Side),
}

fn is_delete_all(bytes: &[u8]) -> bool {
    bytes[0] & 0x0f == 4 && bytes[3] & 0xc0 == 0x40
}

fn end_of(side: Side, port: u8, qpn: u32) -> End {
    let host = side as u8 + 1;
    End {
        mac: Mac([2, 0, 0, 0, host, port]),
        gid: Gid::from_ipv4([10, 0, port, host]),
        qpn: Qpn::new(qpn).unwrap(),
        psn: Psn::new(qpn * 3).unwrap(),
        mtu: QpMtu::from_bits(3).unwrap(),
    }
}

pub fn times() -> Times {
    Times {
        test_link: 0,
        ..Times::default()
    }
}

pub fn config(side: Side, version: LlcVersion, max_links: u8) -> Config {
    Config {
        role: match side {
            Side::Server => Role::Server,
            Side::Client => Role::Client,
        },
        version,
        max_links,
        max_conns: 255,
        direct: true,
        uid: [0, 0, side as u8, 0],
        times: times(),
    }
}

impl World {
    /// Two hosts before their first contact. RMB 0 of each travels in the CLC
    /// messages of the first contact.
    pub fn new(version: LlcVersion, max_links: [u8; 2], ports: [u8; 2]) -> World {
        let host = |side: Side| {
            let (here, there) = (side as usize, side.other() as usize);
            let qpns = [0x11, 0x21];
            let mut g = Group::new(
                config(side, version, max_links[here]),
                end_of(side, 0, qpns[here]),
                End::default(),
            );
            g.set_peer(end_of(side.other(), 0, qpns[there]));
            assert_eq!(g.announce(Millis(0), rmb(0)), Ok(Announce::Ready));
            let mut h = Host {
                g,
                keys: Keys {
                    side,
                    qpn: [qpns[here], 0, 0],
                    missing: vec![],
                },
                rows: [PeerRow::default(); ROWS],
                next_qpn: qpns[here] + 1,
                ports: ports[here],
                tasks: vec![],
                announcing: vec![],
                dropping: vec![],
                refused: vec![],
                learned: vec![],
                provable: vec![],
                adding: false,
                added: None,
                first: None,
                ended: None,
            };
            let t = token(side.other(), rmb(0), qpns[there]);
            let row = PeerTable::new(&mut h.rows).add(Slot::S0, t).unwrap();
            h.learned.push((rmb(0), row));
            h
        };
        let mut w = World {
            hosts: [host(Side::Server), host(Side::Client)],
            wire: BTreeMap::new(),
            clc: vec![],
            dead: vec![],
            clock: Millis(0),
            wishes: vec![],
            timeouts: 0,
            failures: 0,
            quick: false,
            calm: false,
        };
        for side in [Side::Client, Side::Server] {
            w.host(side).g.first_contact(Millis(0));
            w.settle(side);
        }
        w
    }

    /// Two hosts whose links are all up, with nothing under way.
    pub fn up(version: LlcVersion, max_links: [u8; 2], ports: [u8; 2]) -> World {
        let mut w = World::new(version, max_links, ports);
        w.run();
        for h in &w.hosts {
            assert_eq!(h.first, Some(true));
        }
        w
    }

    pub fn host(&mut self, side: Side) -> &mut Host {
        &mut self.hosts[side as usize]
    }

    pub fn peek(&self, side: Side) -> &Host {
        &self.hosts[side as usize]
    }

    /// Runs to the end, first move first, without timeouts.
    pub fn run(&mut self) {
        for _ in 0..10_000 {
            let moves = self.moves();
            let Some(m) = moves
                .iter()
                .find(|m| !matches!(m, Move::Timeout(_) | Move::Task(_, _, false)))
            else {
                return;
            };
            self.apply(m);
            self.check();
        }
        panic!("does not come to rest");
    }

    /// As `run`, and lets time pass until no timer is left.
    pub fn run_out(&mut self) {
        for _ in 0..1_000 {
            self.run();
            let Some(side) = Side::BOTH
                .into_iter()
                .filter(|s| self.peek(*s).g.poll_timeout().is_some())
                .min_by_key(|s| self.peek(*s).g.poll_timeout())
            else {
                return;
            };
            self.apply(&Move::Timeout(side));
        }
        panic!("timers never end");
    }

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

    fn may_wish(&self, (side, wish): (Side, Wish)) -> bool {
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
    fn kill(&mut self, side: Side, qpn: u32) {
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

    fn deliver(&mut self, side: Side, qpn: u32) {
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
        let mut table = PeerTable::new(&mut h.rows);
        let keys = h.keys.clone();
        let got =
            h.g.receive(now, slot, &bytes, &keys, &mut table, &mut reply);
        // What DELETE RKEY took is used by nobody any more.
        let rows = &mut h.rows;
        let table = PeerTable::new(rows);
        h.learned
            .retain(|(_, row)| Slot::ALL.iter().any(|s| table.token(*row, *s).is_some()));
        if got == Received::Reply {
            self.send(side, qpn, from, reply.to_vec());
        }
        self.settle(side);
    }

    fn read_clc(&mut self, side: Side, rmb: RmbId, qpn: u32) {
        let h = self.host(side);
        // The message names a link; without it the connection is declined.
        let slot = Slot::ALL
            .into_iter()
            .find(|s| h.g.link(*s).peer().qpn.get() == qpn && h.g.link(*s).is_active());
        let Some(slot) = slot else { return };
        let t = token(side.other(), rmb, qpn);
        if let Some(row) = PeerTable::new(&mut h.rows).add(slot, t) {
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

    fn send_clc(&mut self, side: Side, rmb: RmbId) {
        let h = self.peek(side);
        // The server names the link; on the client it is the same one.
        if let Some(slot) = h.g.active_link() {
            let qpn = *slot.of(&h.keys.qpn);
            self.clc.push((side.other(), rmb, qpn));
            self.clc.sort();
        }
    }

    fn send(&mut self, side: Side, from: u32, to: u32, bytes: Vec<u8>) {
        if self.dead.contains(&(side, from)) {
            return;
        }
        let key = (side.other(), to);
        if self.dead.contains(&key) {
            return self.kill(side, from);
        }
        self.wire.entry(key).or_default().push((from, bytes));
    }

    fn finish(&mut self, side: Side, task: Task, ok: bool) {
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

    fn act(&mut self, side: Side, action: Action) {
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

    /// What must hold at every moment.
    pub fn check(&self) {
        for side in Side::BOTH {
            self.check_keys(side);
        }
        let [s, c] = &self.hosts;
        let (s_flow, c_flow) = (s.g.owed().flow, c.g.owed().flow);
        assert!(s_flow != FlowKind::RequestAddLink);
        assert!(c_flow != FlowKind::DeleteLink);
        // One exchange about links at a time: what the client is in, the server
        // is in, too, and no other one, unless one of them gave up.
        if self.calm && c_flow == FlowKind::AddLink {
            assert_eq!(s_flow, FlowKind::AddLink);
        }
        for h in &self.hosts {
            assert!(
                Slot::ALL
                    .iter()
                    .filter(|s| h.g.link(**s).is_active())
                    .count()
                    <= 3
            );
        }
    }

    /// The peer never gets a write on a link for which the sender does not
    /// know the key: whatever link the sender may use, as far as it knows, and
    /// whatever RMB it may write to, it has the right key, if a write could
    /// arrive at all.
    fn check_keys(&self, side: Side) {
        let sender = self.peek(side);
        let mut rows = sender.rows;
        let table = PeerTable::new(&mut rows);
        let receiver = self.peek(side.other());
        for slot in Slot::ALL {
            if !sender.g.link(slot).is_active() {
                continue;
            }
            let qpn = sender.g.link(slot).local().qpn.get();
            let there = sender.g.link(slot).peer().qpn.get();
            if self.dead.contains(&(side, qpn)) || self.dead.contains(&(side.other(), there)) {
                continue;
            }
            let Some(their) = receiver.slot_of(there) else {
                continue;
            };
            if receiver.g.link(their).peer().qpn.get() != qpn {
                continue;
            }
            for (rmb, row) in &sender.learned {
                let want = token(side.other(), *rmb, there);
                assert_eq!(
                    table.token(*row, slot),
                    Some(want),
                    "{side:?} may write to RMB {} over the link in {slot:?} without its key",
                    rmb.get()
                );
            }
        }
    }

    /// What must hold when nothing can happen any more.
    pub fn check_rest(&self) {
        for side in Side::BOTH {
            let h = self.peek(side);
            let owed = h.g.owed();
            assert!(
                matches!(owed.flow, FlowKind::Idle | FlowKind::Ended),
                "{side:?} is stuck: {owed:?}"
            );
            assert!(!owed.caller && !owed.message && owed.peer.is_none() && owed.waiting == 0);
            assert!(h.announcing.is_empty(), "{side:?}: announcement unanswered");
            assert!(h.dropping.is_empty(), "{side:?}: drop unanswered");
            assert!(!h.adding, "{side:?}: add wish unanswered");
            assert_eq!(h.g.is_ended(), h.ended.is_some());
            for slot in Slot::ALL {
                let state = h.g.link(slot).state();
                assert!(
                    matches!(state, LinkState::Unused | LinkState::Active),
                    "{side:?}: {slot:?} is left {state:?}"
                );
            }
        }
    }

    /// Numbers of the active links.
    pub fn active(&self, side: Side) -> Vec<u8> {
        let h = self.peek(side);
        let mut nums: Vec<u8> = Slot::ALL
            .into_iter()
            .filter(|s| h.g.link(*s).is_active())
            .map(|s| h.g.link(s).num().0)
            .collect();
        nums.sort_unstable();
        nums
    }
}

impl Host {
    pub fn slot_of(&self, qpn: u32) -> Option<Slot> {
        Slot::ALL
            .into_iter()
            .find(|s| *s.of(&self.keys.qpn) == qpn && qpn != 0)
    }
}
