// SPDX-License-Identifier: GPL-2.0

//! Two hosts and what lies between them, in a time of their own (host only).
//!
//! The hosts run the machines of this crate, and nothing else: handshakes
//! ([`crate::handshake`]), a link group in each direction ([`crate::group`]), and
//! the connections' rings and ends ([`crate::ring`], [`crate::close`]) below an
//! application that writes, reads and closes ([`App`]). Between them are two paths
//! that know nothing of each other: IP, which carries TCP segments, and RDMA, which
//! carries LLC and CDC messages and writes into the other's memory.
//! Each delivers in order (TCP per connection, RDMA per queue pair) and has its
//! own latency and jitter, so that what was sent first on one path may arrive
//! behind what was sent later on the other. A segment that is lost arrives late,
//! as TCP repeats it, or not at all, when TCP gives up.
//!
//! Nothing is random but by the seed, and no clock is read: a run is the same
//! each time.

mod data;
mod devices;
mod groups;
mod host;
mod machine;
mod path;
mod stream;

pub use host::{ConnId, HostConfig, Outcome, Report};
pub use path::{Fault, PathConfig};
pub use stream::{App, Finish, StreamReport};

use host::Host;
use path::{Path, Rng};
use std::collections::BTreeMap;
use std::vec::Vec;

use crate::group::Millis;
use crate::ring::TxTicket;

/// One of the two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

impl Side {
    /// The other one.
    const fn other(self) -> Side {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }
}

/// What travels.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Packet {
    /// First segment of a client, with the SMC option and perhaps with data.
    Syn {
        conn: ConnId,
        smc: bool,
        data: Vec<u8>,
    },
    /// The server's answer; `taken`: the data of the SYN is acknowledged.
    SynAck {
        conn: ConnId,
        smc: bool,
        taken: bool,
    },
    /// Data; the first one of a client also completes the TCP handshake, and
    /// may be empty.
    Data { conn: ConnId, bytes: Vec<u8> },
    /// The end of a connection.
    Reset { conn: ConnId },
    /// A message on a queue pair.
    Rdma { qpn: u32, bytes: Vec<u8> },
    /// A write on a queue pair, into memory that a key names.
    Write {
        qpn: u32,
        rkey: u32,
        at: u64,
        bytes: Vec<u8>,
    },
    /// To the host itself: a CDC message of its own has arrived.
    Completion { conn: ConnId, ticket: TxTicket },
}

/// Settings of a [`World`].
#[derive(Clone, Copy, Debug)]
pub struct WorldConfig {
    /// TCP segments.
    pub ip: PathConfig,
    /// Messages on queue pairs.
    pub rdma: PathConfig,
    /// Chooses the jitter.
    pub seed: u64,
    /// The hosts, A and B.
    pub hosts: [HostConfig; 2],
}

impl Default for WorldConfig {
    /// 50 ms each way on both paths, two hosts with everything.
    fn default() -> Self {
        let path = PathConfig {
            latency: 50,
            jitter: 0,
        };
        WorldConfig {
            ip: path,
            rdma: path,
            seed: 0,
            hosts: [HostConfig::default(); 2],
        }
    }
}

/// Two hosts, two paths, one clock.
pub struct World {
    now: Millis,
    hosts: [Host; 2],
    ip: Path,
    rdma: Path,
    rng: Rng,
    /// Packets in flight, by the time of their arrival and their number.
    flying: BTreeMap<(Millis, u64), (Side, Packet)>,
    number: u64,
    next_conn: u32,
    faults: BTreeMap<u64, Fault>,
    segments: u64,
    messages: u64,
    reordered: bool,
}

impl World {
    /// Two hosts that have never met.
    pub fn new(config: &WorldConfig) -> Self {
        let [a, b] = config.hosts;
        World {
            now: Millis(0),
            hosts: [Host::new(Side::A, a), Host::new(Side::B, b)],
            ip: Path::new(config.ip),
            rdma: Path::new(config.rdma),
            rng: Rng(config.seed),
            flying: BTreeMap::new(),
            number: 0,
            next_conn: 0,
            faults: BTreeMap::new(),
            segments: 0,
            messages: 0,
            reordered: false,
        }
    }

    /// The time.
    pub const fn now(&self) -> Millis {
        self.now
    }

    /// How many messages went over RDMA so far.
    pub const fn rdma_messages(&self) -> u64 {
        self.messages
    }

    /// Whether a packet of one path arrived before a packet of the other that
    /// was sent earlier in the same direction.
    pub const fn saw_reordering(&self) -> bool {
        self.reordered
    }

    /// Something happens to a TCP segment: the one with this number, counted
    /// from 0 over both hosts.
    pub fn fault(&mut self, segment: u64, fault: Fault) {
        self.faults.insert(segment, fault);
    }

    /// How many TCP segments were sent so far.
    pub const fn tcp_segments(&self) -> u64 {
        self.segments
    }

    /// A host connects to the other one. The applications read what comes, which
    /// is nothing.
    pub fn connect(&mut self, from: Side) -> ConnId {
        self.connect_apps(from, [App::default(); 2])
    }

    /// A host connects to the other one; `apps`: what the applications on A and
    /// on B do.
    pub fn connect_apps(&mut self, from: Side, apps: [App; 2]) -> ConnId {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        for (host, app) in self.hosts.iter_mut().zip(apps) {
            host.apps.insert(conn, app);
        }
        let now = self.now;
        self.host_mut(from).connect(conn, now);
        self.collect();
        conn
    }

    /// What became of a connection on a host; `None` while it is open, or
    /// where it never got there.
    pub fn report(&self, side: Side, conn: ConnId) -> Option<Report> {
        self.host(side).report(conn)
    }

    /// What became of a connection's data on a host; `None` where the handshake
    /// did not get so far, or failed.
    pub fn stream(&self, side: Side, conn: ConnId) -> Option<StreamReport> {
        self.host(side).stream_report(conn)
    }

    /// RDMA writes that met memory which the writer had no right to, by their key or
    /// because its owner had given it to others, on both hosts.
    pub fn bad_writes(&self) -> usize {
        self.hosts.iter().map(|h| h.bad_writes).sum()
    }

    /// Bytes of CLC messages that an application got to see, on both hosts.
    pub fn leaked(&self) -> usize {
        self.hosts.iter().map(|h| h.leaked).sum()
    }

    /// What a host knows of the other's keys must do for every write that it
    /// may post: gives each connection for which that does not hold, with its
    /// host.
    pub fn unknown_keys(&self) -> Vec<(Side, ConnId)> {
        let mut found = Vec::new();
        for side in [Side::A, Side::B] {
            let (here, there) = (self.host(side), self.host(side.other()));
            for conn in here.established() {
                if there.report(conn).map(|r| r.outcome) == Some(Outcome::Smc)
                    && !here.can_write(conn, there)
                {
                    found.push((side, conn));
                }
            }
        }
        found
    }

    /// How many links of the group in which `client` is the client carry data,
    /// as it sees them.
    pub fn active_links(&self, client: Side) -> usize {
        self.host(client).active_links()
    }

    /// Goes on until nothing is in flight and no handshake waits for a time,
    /// or until `limit`.
    pub fn run(&mut self, limit: Millis) {
        while self.step(limit) {}
    }

    /// Goes to the next thing that happens, not beyond `limit`. `false` where
    /// there is none.
    fn step(&mut self, limit: Millis) -> bool {
        let arrival = self.flying.first_key_value().map(|(key, _)| key.0);
        let timers = self.hosts.iter().filter_map(|h| h.deadline(self.now));
        let timer = timers.min();
        let next = match (arrival, timer) {
            (Some(a), Some(t)) => a.min(t),
            (Some(t), None) | (None, Some(t)) => t,
            (None, None) => return false,
        };
        if next > limit {
            return false;
        }
        self.now = self.now.max(next);
        if arrival == Some(next) {
            if let Some((key, (to, packet))) = self.flying.pop_first() {
                self.notice_order(key.1, to, &packet);
                let now = self.now;
                self.host_mut(to).receive(packet, now);
            }
        } else {
            let now = self.now;
            for host in &mut self.hosts {
                host.on_time(now);
            }
        }
        self.collect();
        true
    }

    /// An older packet of the other path is still in flight to the same host.
    fn notice_order(&mut self, number: u64, to: Side, packet: &Packet) {
        let is_rdma = |p: &Packet| matches!(p, Packet::Rdma { .. } | Packet::Write { .. });
        self.reordered |= self
            .flying
            .iter()
            .any(|(key, (side, p))| *side == to && key.1 < number && is_rdma(p) != is_rdma(packet));
    }

    /// Takes what the hosts send, and puts it on its way.
    fn collect(&mut self) {
        for side in [Side::A, Side::B] {
            let sent = core::mem::take(&mut self.host_mut(side).out);
            for packet in sent {
                self.send(side, packet);
            }
        }
    }

    fn send(&mut self, from: Side, packet: Packet) {
        let mut to = from.other();
        let arrival = match &packet {
            Packet::Completion { conn, .. } => {
                // The device's acknowledgement has come all the way back.
                to = from;
                self.rdma.returned(self.now, to, conn.0, &mut self.rng)
            }
            Packet::Write { qpn, .. } => self.rdma.arrival(self.now, to, *qpn, &mut self.rng),
            Packet::Rdma { qpn, .. } => {
                self.messages += 1;
                self.rdma.arrival(self.now, to, *qpn, &mut self.rng)
            }
            Packet::Syn { conn, .. }
            | Packet::SynAck { conn, .. }
            | Packet::Data { conn, .. }
            | Packet::Reset { conn } => {
                let number = self.segments;
                self.segments += 1;
                match self.faults.get(&number) {
                    Some(Fault::Delay(ms)) => self.ip.hold(self.now, to, conn.0, *ms),
                    Some(Fault::Reset) => {
                        self.break_connection(*conn);
                        return;
                    }
                    None => {}
                }
                self.ip.arrival(self.now, to, conn.0, &mut self.rng)
            }
        };
        self.number += 1;
        self.flying.insert((arrival, self.number), (to, packet));
    }

    /// TCP gives up: what is in flight is lost, and both ends see a reset.
    fn break_connection(&mut self, conn: ConnId) {
        self.flying.retain(|_, (_, p)| match p {
            Packet::Syn { conn: c, .. }
            | Packet::SynAck { conn: c, .. }
            | Packet::Data { conn: c, .. }
            | Packet::Reset { conn: c } => *c != conn,
            Packet::Rdma { .. } | Packet::Write { .. } | Packet::Completion { .. } => true,
        });
        for side in [Side::A, Side::B] {
            self.number += 1;
            let arrival = self.ip.arrival(self.now, side, conn.0, &mut self.rng);
            self.flying
                .insert((arrival, self.number), (side, Packet::Reset { conn }));
        }
    }

    fn host(&self, side: Side) -> &Host {
        let [a, b] = &self.hosts;
        match side {
            Side::A => a,
            Side::B => b,
        }
    }

    fn host_mut(&mut self, side: Side) -> &mut Host {
        let [a, b] = &mut self.hosts;
        match side {
            Side::A => a,
            Side::B => b,
        }
    }
}
