// SPDX-License-Identifier: GPL-2.0

//! A group whose peer says anything at any time, and whose caller is slow,
//! fails, and changes its mind. Each byte string is a script.
//!
//! It panics where the machine does, where a wish gets no answer in time or two,
//! where a message is sent on a link that is not there, or where anything is left
//! when the peer has fallen silent and all time has passed.

use smc_proto::group::*;
use smc_proto::wire::llc::LLC_MAX_LEN;
use smc_proto::wire::llc::{ByteOrder, DeleteReason, LlcVersion, Message, Rtoken, LLC_LEN};
use smc_proto::wire::types::{Gid, Mac, Psn, QpMtu, Qpn, Rkey, RmbAddr};
use std::collections::{BTreeMap, VecDeque};

/// A wish is answered in that time, whatever the peer does: two ticks until it
/// is old, one more where its exchange was under way, and the exchange itself.
const PATIENCE: u64 = 3 * 20_000 + 10_000;

struct Keys([u32; Slot::COUNT]);

impl LocalKeys for Keys {
    fn token(&self, rmb: RmbId, slot: Slot) -> Option<Rtoken> {
        let qpn = *slot.of(&self.0);
        // RMB 7 is registered nowhere.
        (qpn != 0 && rmb.get() != 7).then(|| token(rmb, qpn))
    }
}

fn token(rmb: RmbId, qpn: u32) -> Rtoken {
    let rkey = u32::from(rmb.get()) << 16 | qpn & 0xffff;
    Rtoken {
        rkey: Rkey(rkey),
        addr: RmbAddr(u64::from(rkey) << 12),
    }
}

fn end_of(host: u8, port: u8, qpn: u32) -> End {
    End {
        mac: Mac([2, 0, 0, 0, host, port]),
        gid: Gid::from_ipv4([10, 0, port, host]),
        qpn: Qpn::new(qpn & 0xff_ffff).unwrap_or_default(),
        psn: Psn::new(1).unwrap_or_default(),
        mtu: QpMtu::from_bits(3).unwrap_or_default(),
    }
}

struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    fn take(&mut self, n: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        head
    }
}

struct Rig {
    g: Group,
    keys: Keys,
    rows: Vec<PeerRow>,
    now: Millis,
    tasks: VecDeque<Action>,
    /// The last messages that the machine sent.
    sent: VecDeque<(Slot, Vec<u8>)>,
    announced: BTreeMap<RmbId, Millis>,
    dropped: BTreeMap<RmbId, Millis>,
    add: Option<Millis>,
    leaving: [Option<Millis>; Slot::COUNT],
    next_qpn: u32,
    first: Option<bool>,
    ended: bool,
}

/// Runs a script.
pub fn run(data: &[u8]) {
    let mut script = Script(data);
    let head = script.byte();
    let mut rig = Rig::new(head);
    while let Some(op) = script.next() {
        rig.step(op, &mut script);
        rig.settle();
        rig.check();
    }
    rig.run_out();
}

impl Rig {
    fn new(head: u8) -> Rig {
        let config = Config {
            role: if head & 1 == 0 {
                Role::Server
            } else {
                Role::Client
            },
            version: match head >> 1 & 3 {
                0 | 1 => LlcVersion::V1,
                2 => LlcVersion::V2(ByteOrder::Little),
                _ => LlcVersion::V2(ByteOrder::Big),
            },
            max_links: 1 + (head >> 3 & 1),
            max_conns: if head & 4 == 0 { 0 } else { 255 },
            direct: head >> 4 & 1 == 0,
            uid: [1, 2, 3, 4],
            times: Times {
                test_link: if head >> 5 & 1 == 0 { 0 } else { 30_000 },
                ..Times::default()
            },
        };
        let mut g = Group::new(config, end_of(1, 0, 0x11), end_of(2, 0, 0x21));
        if let Some(rmb) = RmbId::new(0) {
            assert_eq!(g.announce(Millis(0), rmb), Ok(Announce::Ready));
        }
        let mut rig = Rig {
            g,
            keys: Keys([0x11, 0, 0]),
            rows: vec![PeerRow::default(); 8],
            now: Millis(0),
            tasks: VecDeque::new(),
            sent: VecDeque::new(),
            announced: BTreeMap::new(),
            dropped: BTreeMap::new(),
            add: None,
            leaving: [None; Slot::COUNT],
            next_qpn: 0x12,
            first: None,
            ended: false,
        };
        rig.g.first_contact(rig.now);
        rig.settle();
        if head >> 6 & 1 == 0 {
            // The first contact succeeds.
            let mut m = [0; LLC_LEN];
            m[0] = if rig.g.max_transmit() > LLC_LEN {
                0x21
            } else {
                1
            };
            m[1] = 44;
            m[3] = if head & 1 == 0 { 0x83 } else { 3 };
            m[29] = 1;
            rig.receive(Slot::S0, &m);
            rig.settle();
            rig.finish(true);
            rig.settle();
            assert_eq!(rig.first, Some(true));
        }
        rig
    }

    fn step(&mut self, op: u8, script: &mut Script<'_>) {
        let slot = Slot::ALL[usize::from(op >> 6) % Slot::COUNT];
        let now = self.now;
        match op & 0x1f {
            0 | 1 => self.finish(true),
            2 => self.finish(false),
            3 => self.pass(u64::from(script.byte()) * 32),
            4 | 5 => {
                if let Some(at) = self.g.poll_timeout() {
                    self.pass(at.0.saturating_sub(now.0));
                }
            }
            6..=8 => {
                if let Some(rmb) = RmbId::new(script.byte() & 15) {
                    if self.g.announce(now, rmb) == Ok(Announce::Wait) {
                        self.announced.entry(rmb).or_insert(now);
                    }
                }
            }
            9 | 10 => {
                if let Some(rmb) = RmbId::new(script.byte() & 15) {
                    // Takes a wish to announce back.
                    self.announced.remove(&rmb);
                    if self.g.drop_rmb(now, rmb) == Dropped::Wait {
                        self.dropped.entry(rmb).or_insert(now);
                    }
                }
            }
            11 => {
                if self.g.add_link(now, Some(Hint::default())).is_ok() {
                    assert!(self.add.is_none());
                    self.add = Some(now);
                }
            }
            // What ends most groups is rare.
            12 if script.byte() < 64 => self.g.delete_link(now, slot, DeleteReason::Operator),
            13 if script.byte() < 32 => self.g.link_down(now, slot),
            14 if script.byte() < 4 => self.g.terminate(now, DeleteReason::Program),
            12..=14 => self.finish(true),
            15 => {
                if let Some(rmb) = RmbId::new(script.byte() & 15) {
                    self.g.proven(rmb);
                }
            }
            16 => self.g.send_done(now),
            17 => {
                let n = usize::from(script.byte());
                let bytes = script.take(n).to_vec();
                self.receive(slot, &bytes);
            }
            18..=23 => self.answer(script),
            _ => {
                let bytes = self.craft(script);
                self.receive(slot, &bytes);
            }
        }
    }

    /// An answer to a message that was sent, right or a little wrong.
    fn answer(&mut self, script: &mut Script<'_>) {
        let which = script.byte();
        let n = self.sent.len();
        if n == 0 {
            return;
        }
        let (slot, mut bytes) = self.sent[n - 1 - usize::from(which >> 4) % n].clone();
        bytes[3] |= 0x80;
        if which & 1 != 0 {
            bytes[3] |= script.byte() & 0x70;
        }
        if which & 2 != 0 {
            let at = usize::from(script.byte()) % bytes.len();
            bytes[at] = script.byte();
        }
        if bytes[0] & 0x0f == 2 {
            // ADD LINK comes from the other host.
            let gid = end_of(2, which >> 2 & 1, 0).gid;
            bytes[12..28].copy_from_slice(&gid.0);
        }
        self.receive(slot, &bytes);
    }

    /// A message with the right length and plausible numbers.
    fn craft(&mut self, script: &mut Script<'_>) -> Vec<u8> {
        let kind = script.byte();
        let v2 = self.g.max_transmit() > LLC_LEN;
        let mut m = vec![0; LLC_LEN];
        m[0] = 1 + kind % 9 + if v2 { 0x20 } else { 0 };
        m[1] = 44;
        m[3] = script.byte();
        let num = |link: u8, g: &Group| match link & 3 {
            n @ 0..=2 => g.link(Slot::ALL[usize::from(n)]).num().0,
            _ => link >> 2,
        };
        match m[0] & 0x0f {
            2 => {
                let port = script.byte();
                let end = end_of(2, port & 1, u32::from(port));
                m[4..10].copy_from_slice(&end.mac.0);
                m[12..28].copy_from_slice(&end.gid.0);
                m[31] = num(script.byte(), &self.g);
                m[32] = script.byte() & 7;
                if v2 && port & 2 == 0 {
                    let pairs = script.byte() & 3;
                    m.resize(72 + 16 * usize::from(pairs), 0);
                    m[1] = m.len() as u8;
                    m[70] = pairs.wrapping_add(port >> 7);
                    let keys = script.take(m.len() - 72);
                    m[72..72 + keys.len()].copy_from_slice(keys);
                }
            }
            3 => {
                m[4] = num(script.byte(), &self.g);
                m[5] = script.byte();
            }
            4 => {
                m[4] = num(script.byte(), &self.g);
                m[6] = script.byte();
                if m[6] > 7 {
                    m[3] &= !0x40;
                }
            }
            _ => {
                let rest = script.take(16);
                m[4..4 + rest.len()].copy_from_slice(rest);
            }
        }
        m
    }

    fn receive(&mut self, slot: Slot, bytes: &[u8]) {
        let mut reply = [0; LLC_LEN];
        let mut table = PeerTable::new(&mut self.rows[..]);
        let got = self
            .g
            .receive(self.now, slot, bytes, &self.keys, &mut table, &mut reply);
        if got == Received::Reply {
            let m = Message::parse(&reply).expect("a reply is a message");
            assert!(m.is_response());
        }
    }

    /// The caller finishes its oldest step.
    fn finish(&mut self, ok: bool) {
        let Some(task) = self.tasks.pop_front() else {
            return;
        };
        let now = self.now;
        match task {
            Action::PrepareLink(slot) if ok => {
                let qpn = self.next_qpn;
                self.next_qpn += 1;
                *slot.of_mut(&mut self.keys.0) = qpn;
                let port = (qpn & 1) as u8;
                self.g.link_prepared(now, slot, Ok(end_of(1, port, qpn)));
            }
            Action::PrepareLink(slot) => {
                self.g.link_prepared(now, slot, Err(AddError::NoPort));
            }
            Action::ConnectLink(slot) => self.g.link_connected(now, slot, ok),
            Action::EnableLink(slot) => self.g.link_enabled(now, slot, ok),
            Action::DrainLink(slot) => self.g.link_drained(now, slot),
            Action::FreeLink(slot) => {
                *slot.of_mut(&mut self.keys.0) = 0;
                self.g.link_freed(now, slot);
            }
            other => panic!("{other:?} is no step"),
        }
    }

    /// Polls until nothing is left.
    fn settle(&mut self) {
        let mut buf = [0; LLC_MAX_LEN];
        loop {
            let mut quiet = true;
            while let Some(t) = self.g.poll_transmit(self.now, &self.keys, &mut buf) {
                quiet = false;
                let bytes = &buf[..t.len];
                let m = Message::parse(bytes).expect("a message is sent");
                assert_eq!(m.wire_len(), t.len);
                assert!(t.len <= self.g.max_transmit());
                let state = self.g.link(t.slot).state();
                assert!(
                    matches!(
                        state,
                        LinkState::Joining | LinkState::Active | LinkState::Leaving
                    ),
                    "{m:?} is sent on a link that is {state:?}"
                );
                self.sent.push_back((t.slot, bytes.to_vec()));
                if self.sent.len() > 8 {
                    self.sent.pop_front();
                }
            }
            while let Some(action) = self.g.poll_action() {
                quiet = false;
                self.act(action);
            }
            if quiet {
                return;
            }
        }
    }

    fn act(&mut self, action: Action) {
        // Only a link that the caller was still making may be left to be freed.
        let late = matches!(action, Action::FreeLink(_));
        assert!(!self.ended || late, "{action:?} after the end");
        match action {
            Action::LinkActive(slot) => assert!(self.g.link(slot).is_active()),
            Action::LinkLost(slot) => assert!(!self.g.link(slot).is_active()),
            Action::FirstContact(result) => {
                assert!(self.first.is_none());
                self.first = Some(result.is_ok());
            }
            Action::AddLink(_) => assert!(self.add.take().is_some(), "no wish for a link"),
            Action::RkeyUsable(rmb) | Action::RkeyRefused(rmb, _) => {
                assert!(self.announced.remove(&rmb).is_some(), "{rmb:?}: no wish");
            }
            Action::RkeyGone(rmb) => {
                assert!(self.dropped.remove(&rmb).is_some(), "{rmb:?}: not dropped");
            }
            Action::Ended(_) => self.ended = true,
            step => self.tasks.push_back(step),
        }
        // Steps are few: one or two for each place.
        assert!(self.tasks.len() <= 2 * Slot::COUNT);
    }

    /// Time passes, timer by timer; the caller's steps do not take so long.
    fn pass(&mut self, ms: u64) {
        while !self.tasks.is_empty() {
            self.finish(true);
            self.settle();
        }
        let until = Millis(self.now.0 + ms);
        while let Some(at) = self.g.poll_timeout().filter(|t| *t <= until) {
            self.now = self.now.max(at);
            self.g.handle_timeout(self.now);
            let next = self.g.poll_timeout();
            assert!(!next.is_some_and(|t| t <= self.now), "a timer stands still");
            self.settle();
            while !self.tasks.is_empty() {
                self.finish(true);
                self.settle();
            }
            self.check();
        }
        self.now = until;
    }

    fn check(&mut self) {
        let owed = self.g.owed();
        assert!(usize::from(owed.waiting) <= 2 * MAX_RMBS + 2 + Slot::COUNT);
        assert!(!owed.message, "a message is left");
        for slot in Slot::ALL {
            let since = slot.of_mut(&mut self.leaving);
            *since = match self.g.link(slot).state() {
                LinkState::Leaving => since.or(Some(self.now)),
                _ => None,
            };
        }
        let late = |t: &Millis| self.now.0 > t.0 + PATIENCE;
        let wishes = self.announced.values().chain(self.dropped.values());
        let wishes = wishes.chain(&self.add);
        for t in wishes.chain(self.leaving.iter().flatten()) {
            assert!(!late(t), "a wish of {t:?} waits still at {:?}", self.now);
        }
    }

    /// The peer is silent now.
    fn run_out(&mut self) {
        for _ in 0..1_000 {
            while !self.tasks.is_empty() {
                self.finish(true);
                self.settle();
            }
            let Some(at) = self.g.poll_timeout() else {
                break;
            };
            // With a keepalive the silence ends the group.
            self.pass(at.0.saturating_sub(self.now.0));
        }
        let owed = self.g.owed();
        assert_eq!(self.g.poll_timeout(), None, "timers never end");
        assert!(
            matches!(owed.flow, FlowKind::Idle | FlowKind::Ended),
            "stuck: {owed:?}"
        );
        assert!(!owed.caller && owed.peer.is_none() && owed.waiting == 0);
        let left = (&self.announced, &self.dropped, &self.add);
        assert_eq!(left, (&BTreeMap::new(), &BTreeMap::new(), &None));
        assert_eq!(self.g.is_ended(), self.ended);
        assert!(self.first.is_some());
    }
}
