// SPDX-License-Identifier: GPL-2.0

//! Two groups and all that lies between them, as one value that can be cloned,
//! compared and hashed: queue pairs, messages in flight on each link, CLC
//! messages in flight over IP, steps that the callers have not finished.

#![allow(dead_code, unreachable_pub)]

mod check;
mod kept;
mod moves;

pub use kept::{Kept, Wide};

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
    pub hosts: [Kept; 2],
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
            let row = PeerTable::new(&mut h.rows[..]).add(Slot::S0, t).unwrap();
            h.learned.push((rmb(0), row));
            h
        };
        let mut w = World {
            hosts: [host(Side::Server), host(Side::Client)].map(Kept::new),
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
        self.hosts[side as usize].change()
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
