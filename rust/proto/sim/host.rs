// SPDX-License-Identifier: GPL-2.0

//! One host: what the kernel is around the machines.

use super::devices::Devices;
use super::groups::Entry;
use super::machine::Machine;
use super::stream::{App, Stream};
use super::{Packet, Side};
use crate::group::{self, LocalKeys, Millis, PeerRmb, PeerTable, RmbId, Slot};
use crate::handshake::{
    Action, Client, GroupKey, Local, Offer, OfferV2, OfferV2Kind, Route, Server, ServerConfig,
};
use crate::wire::clc::{
    Entries, FrameError, Framer, GidChid, Kind, Message, Reason, Sender, Step, MAX_KEPT,
};
use crate::wire::ext::Features;
use crate::wire::types::{Eid, Gid, Mac, PeerId};
use std::boxed::Box;
use std::collections::{BTreeMap, VecDeque};
use std::vec;
use std::vec::Vec;

/// Names a connection on both hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub(super) u32);

/// What a host is and does.
#[derive(Clone, Copy, Debug)]
pub struct HostConfig {
    /// It speaks SMC. If not, its TCP ignores the option and the payload of a
    /// SYN.
    pub smc: bool,
    /// As a client it puts the Proposal into the SYN.
    pub syn_proposal: bool,
    /// As a server it takes a Proposal from a SYN.
    pub takes_syn: bool,
    /// Most links in a group.
    pub max_links: u8,
    /// Each connection has an RMB of its own, as in the C module; otherwise all
    /// share one.
    pub rmb_per_conn: bool,
    /// The EID of the host is the common one.
    pub eid_matches: bool,
}

impl Default for HostConfig {
    fn default() -> Self {
        HostConfig {
            smc: true,
            syn_proposal: false,
            takes_syn: true,
            max_links: 1,
            rmb_per_conn: true,
            eid_matches: true,
        }
    }
}

/// How a handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With SMC.
    Smc,
    /// With plain TCP.
    Tcp(Reason),
    /// Not at all.
    Broken,
}

/// What became of a connection on one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// From connect() or the arrival of the SYN to then, in milliseconds.
    pub took: u64,
    /// Whether a link group began with it.
    pub first_contact: bool,
    /// What the peer said about itself.
    pub peer_features: Option<Features>,
}

pub(super) struct Conn {
    pub(super) machine: Machine,
    started: Millis,
    framer: Framer,
    buf: Vec<u8>,
    unread: VecDeque<u8>,
    /// The Proposal went in the SYN and was not acknowledged: it is sent again.
    repeat: Vec<u8>,
    pub(super) rmb: Option<RmbId>,
    /// Number of the group, with the RMB.
    pub(super) group: u32,
    pub(super) peer_rmb: Option<PeerRmb>,
    pub(super) report: Option<Report>,
    /// Rings, from the Accept or Confirm on.
    pub(super) stream: Option<Stream>,
}

pub(super) struct Host {
    pub(super) side: Side,
    pub(super) config: HostConfig,
    pub(super) conns: BTreeMap<ConnId, Conn>,
    /// One group where this host is the client, one where it is the server.
    pub(super) groups: [Option<Entry>; 2],
    pub(super) made_groups: u32,
    pub(super) next_qpn: u32,
    pub(super) out: Vec<Packet>,
    pub(super) leaked: usize,
    /// What the applications do, where it is not the usual.
    pub(super) apps: BTreeMap<ConnId, App>,
    /// Writes of the peer into memory that is not its own.
    pub(super) bad_writes: usize,
}

pub(super) const fn place(role: group::Role) -> usize {
    match role {
        group::Role::Client => 0,
        group::Role::Server => 1,
    }
}

impl Host {
    pub(super) fn new(side: Side, config: HostConfig) -> Self {
        Host {
            side,
            config,
            conns: BTreeMap::new(),
            groups: [None, None],
            made_groups: 0,
            next_qpn: 16,
            out: Vec::new(),
            leaked: 0,
            apps: BTreeMap::new(),
            bad_writes: 0,
        }
    }

    pub(super) fn number(&self) -> u8 {
        self.side as u8 + 1
    }

    pub(super) fn sender(&self) -> Sender {
        let n = self.number();
        Sender {
            peer_id: PeerId([0, n, 2, 0, 0, 0, 0, n]),
            gid: self.gid(0),
            mac: Mac([2, 0, 0, 0, 0, n]),
        }
    }

    /// GID of one of the host's ports.
    pub(super) fn gid(&self, port: u8) -> Gid {
        Gid::from_ipv4([10, 0, port, self.number()])
    }

    fn ueid(&self) -> Eid {
        let mut eid = *b"SIM-EID                         ";
        if !self.config.eid_matches {
            eid[8] = b'0' + self.number();
        }
        Eid(eid)
    }

    fn devices(&self) -> Devices {
        Devices { ueid: self.ueid() }
    }

    fn features(&self) -> Features {
        if self.config.takes_syn {
            Features::SYN_PROPOSAL
        } else {
            Features::NONE
        }
    }

    // --- TCP ---

    pub(super) fn connect(&mut self, id: ConnId, now: Millis) {
        let mut client = Client::new(self.features());
        let mut data = Vec::new();
        if self.config.smc && self.config.syn_proposal {
            let mut eids = [0; 32];
            let offer = self.offer(&mut eids);
            if client.on_offer(&offer) == Action::Send(Kind::Proposal) {
                data = vec![0; MAX_KEPT];
                let len = client.write_proposal(&offer, &mut data).unwrap_or(0);
                data.truncate(len);
            }
        }
        self.open(id, Machine::Client(Box::new(client)), now, data.clone());
        self.out.push(Packet::Syn {
            conn: id,
            smc: self.config.smc,
            data,
        });
    }

    fn open(&mut self, id: ConnId, machine: Machine, now: Millis, repeat: Vec<u8>) {
        self.conns.insert(
            id,
            Conn {
                machine,
                started: now,
                framer: Framer::new(),
                buf: vec![0; MAX_KEPT],
                unread: VecDeque::new(),
                repeat,
                rmb: None,
                group: 0,
                peer_rmb: None,
                report: None,
                stream: None,
            },
        );
    }

    fn offer<'a>(&self, eids: &'a mut [u8; 32]) -> Offer<'a> {
        let sender = self.sender();
        Offer {
            sender: Sender {
                gid: Gid::default(),
                ..sender
            },
            ism: GidChid::default(),
            v1: None,
            v2: Some(OfferV2 {
                kind: OfferV2Kind::R(sender.gid),
                eids: Entries::fill(eids, [self.ueid()]).unwrap_or(Entries::EMPTY),
                seid: None,
                max_conns: 255,
                max_links: self.config.max_links,
                feature_mask: 0,
            }),
        }
    }

    pub(super) fn receive(&mut self, packet: Packet, now: Millis) {
        match packet {
            Packet::Syn { conn, smc, data } => self.syn(conn, smc, data, now),
            Packet::SynAck { conn, smc, taken } => self.syn_ack(conn, smc, taken, now),
            Packet::Data { conn, bytes } => {
                if !self.conns.contains_key(&conn) {
                    self.accept(conn, now);
                }
                if let Some(c) = self.conns.get_mut(&conn) {
                    c.unread.extend(bytes);
                }
                self.read(conn, now);
            }
            Packet::Reset { conn } => {
                if let Some(c) = self.conns.get_mut(&conn) {
                    let action = c.machine.on_closed();
                    self.act(conn, action, now);
                    self.stream_reset(conn, now);
                }
            }
            Packet::Rdma { qpn, bytes } => self.rdma(qpn, &bytes, now),
            Packet::Write {
                qpn,
                rkey,
                at,
                bytes,
            } => self.stored(qpn, rkey, at, &bytes),
            Packet::Completion { conn, ticket } => self.completed(conn, ticket),
        }
        self.pump(now);
    }

    fn syn(&mut self, conn: ConnId, smc: bool, data: Vec<u8>, now: Millis) {
        let smc = smc && self.config.smc;
        let taken = smc && self.config.takes_syn && !data.is_empty();
        self.out.push(Packet::SynAck { conn, smc, taken });
        if taken {
            self.accept(conn, now);
            if let Some(c) = self.conns.get_mut(&conn) {
                c.unread.extend(data);
            }
            self.read(conn, now);
        }
    }

    fn accept(&mut self, conn: ConnId, now: Millis) {
        let config = ServerConfig {
            features: self.features(),
            max_conns: 255,
            max_links: self.config.max_links,
            feature_mask: 0,
        };
        let (server, action) = Server::new(config, self.config.smc, now);
        self.open(conn, Machine::Server(Box::new(server)), now, Vec::new());
        self.act(conn, action, now);
    }

    fn syn_ack(&mut self, conn: ConnId, smc: bool, taken: bool, now: Millis) {
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        let Machine::Client(client) = &mut c.machine else {
            return;
        };
        let again = core::mem::take(&mut c.repeat);
        let action = client.on_connected(smc, now);
        if action != Action::Reconnect {
            let bytes = if taken { Vec::new() } else { again };
            self.out.push(Packet::Data { conn, bytes });
        }
        self.act(conn, action, now);
    }

    /// Gives a connection's machine the messages that have arrived.
    fn read(&mut self, id: ConnId, now: Millis) {
        while let Some(c) = self.conns.get_mut(&id) {
            let Some(kind) = c.machine.expected() else {
                let tcp = matches!(c.report.map(|r| r.outcome), Some(Outcome::Tcp(_)));
                if tcp && c.unread.iter().take(4).eq(&[0xe2, 0xd4, 0xc3, 0xd9]) {
                    self.leaked += c.unread.len();
                }
                c.unread.clear();
                return;
            };
            let bytes: Vec<u8> = c.unread.iter().copied().collect();
            let action = match c.framer.feed(kind, &mut c.buf, &bytes) {
                Ok((taken, step)) => {
                    c.unread.drain(..taken);
                    let Step::Message(len) = step else {
                        return;
                    };
                    c.framer = Framer::new();
                    self.message(id, len)
                }
                Err(FrameError::Malformed(_) | FrameError::Unexpected(_) | FrameError::NoSpace) => {
                    c.machine.on_malformed()
                }
            };
            self.act(id, action, now);
        }
    }

    fn message(&mut self, id: ConnId, len: usize) -> Action {
        let mut devices = self.devices();
        let Some(c) = self.conns.get_mut(&id) else {
            return Action::Wait;
        };
        let bytes = c.buf.get(..len).unwrap_or_default();
        match (Message::parse(bytes), &mut c.machine) {
            (Ok(message), Machine::Client(m)) => m.on_message(&message),
            (Ok(message), Machine::Server(m)) => m.on_message(&message, &mut devices),
            (Err(_), m) => m.on_malformed(),
        }
    }

    // --- actions of the handshakes ---

    pub(super) fn act(&mut self, id: ConnId, action: Action, now: Millis) {
        let mut action = action;
        while action != Action::Wait {
            action = self.carry_out(id, action, now);
        }
    }

    /// Carries out one action and gives the next.
    fn carry_out(&mut self, id: ConnId, action: Action, now: Millis) -> Action {
        match action {
            Action::Wait => Action::Wait,
            Action::FindDevices => {
                let mut eids = [0; 32];
                let offer = self.offer(&mut eids);
                self.client(id, |m| m.on_offer(&offer))
            }
            Action::Send(kind) => self.send_message(id, kind, now),
            Action::FindRoute(_) => self.client(id, |m| m.on_route(Some(Route::Gateway))),
            Action::CreateGroup(GroupKey::Rdma(key)) => {
                self.create_group(id, group::Role::Client, &key);
                self.client(id, Client::on_group)
            }
            Action::FindGroup(GroupKey::Rdma(key)) => self.find_group(id, &key),
            Action::FindOrCreateGroup(GroupKey::Rdma(key)) => self.find_or_create(id, &key),
            Action::FindGroup(GroupKey::Ism(_))
            | Action::CreateGroup(GroupKey::Ism(_))
            | Action::FindOrCreateGroup(GroupKey::Ism(_)) => self.fail(id, Reason::NoSmcdDevice),
            Action::Prepare => self.prepare(id, now),
            Action::TakePeer => self.take_peer(id, now),
            Action::ConfirmLink => Action::Wait,
            Action::Established => {
                self.finish(id, Outcome::Smc, now);
                Action::Wait
            }
            Action::Fallback(fallback) => {
                if let Some(decline) = fallback.decline(self.sender().peer_id) {
                    let mut bytes = vec![0; MAX_KEPT];
                    let len = decline.emit(&mut bytes).unwrap_or(0);
                    bytes.truncate(len);
                    self.out.push(Packet::Data { conn: id, bytes });
                }
                self.fate(id, fallback.group, now);
                self.finish(id, Outcome::Tcp(fallback.reason), now);
                Action::Wait
            }
            Action::Reconnect => {
                // The connection is made again, without the option.
                self.finish(id, Outcome::Tcp(Reason::PeerNoSmc), now);
                Action::Wait
            }
            Action::Abort(abort) => {
                self.out.push(Packet::Reset { conn: id });
                self.fate(id, abort.group, now);
                self.finish(id, Outcome::Broken, now);
                Action::Wait
            }
        }
    }

    pub(super) fn client(
        &mut self,
        id: ConnId,
        event: impl FnOnce(&mut Client) -> Action,
    ) -> Action {
        match self.conns.get_mut(&id).map(|c| &mut c.machine) {
            Some(Machine::Client(m)) => event(m),
            _ => Action::Wait,
        }
    }

    pub(super) fn fail(&mut self, id: ConnId, reason: Reason) -> Action {
        let mut devices = self.devices();
        match self.conns.get_mut(&id).map(|c| &mut c.machine) {
            Some(Machine::Client(m)) => m.on_failure(reason),
            Some(Machine::Server(m)) => m.on_failure(reason, &mut devices),
            None => Action::Wait,
        }
    }

    fn send_message(&mut self, id: ConnId, kind: Kind, now: Millis) -> Action {
        let mut bytes = vec![0; MAX_KEPT];
        let mut eids = [0; 32];
        let offer = self.offer(&mut eids);
        if kind != Kind::Proposal {
            self.open_stream(id);
        }
        let local = self.local_end(id);
        let Some(c) = self.conns.get_mut(&id) else {
            return Action::Wait;
        };
        let len = match (&c.machine, kind, &local) {
            (Machine::Client(m), Kind::Proposal, _) => m.write_proposal(&offer, &mut bytes).ok(),
            (Machine::Client(m), Kind::Confirm, Some(end)) => {
                m.write_confirm(&Local::Rdma(end), &mut bytes).ok()
            }
            (Machine::Server(m), Kind::Accept, Some(end)) => {
                m.write_accept(&Local::Rdma(end), &mut bytes).ok()
            }
            _ => None,
        };
        let Some(len) = len else {
            return self.fail(id, Reason::Internal);
        };
        bytes.truncate(len);
        let action = c.machine.on_sent(now);
        self.out.push(Packet::Data { conn: id, bytes });
        action
    }

    pub(super) fn finish(&mut self, id: ConnId, outcome: Outcome, now: Millis) {
        if let Some(c) = self.conns.get_mut(&id) {
            let agreed = c.machine.negotiated();
            c.report.get_or_insert(Report {
                outcome,
                took: now.0.saturating_sub(c.started.0),
                first_contact: agreed.first_contact,
                peer_features: agreed.peer_features,
            });
        }
    }

    // --- time and what there is to see ---

    pub(super) fn deadline(&self, now: Millis) -> Option<Millis> {
        let conns = self.conns.values().filter_map(|c| c.machine.deadline());
        let streams = self.conns.values().filter_map(|c| c.stream.as_ref());
        let groups = self.groups.iter().flatten();
        conns
            .chain(streams.filter_map(|s| s.deadline(now)))
            .chain(groups.filter_map(|e| e.group.poll_timeout()))
            .min()
    }

    pub(super) fn on_time(&mut self, now: Millis) {
        for entry in self.groups.iter_mut().flatten() {
            entry.group.handle_timeout(now);
        }
        let ids: Vec<ConnId> = self.conns.keys().copied().collect();
        for id in ids {
            if let Some(c) = self.conns.get_mut(&id) {
                let action = c.machine.on_timeout(now);
                self.act(id, action, now);
            }
        }
        self.stream_times(now);
        self.pump(now);
    }

    pub(super) fn report(&self, id: ConnId) -> Option<Report> {
        self.conns.get(&id).and_then(|c| c.report)
    }

    pub(super) fn established(&self) -> impl Iterator<Item = ConnId> + '_ {
        self.conns
            .iter()
            .filter(|(_, c)| c.report.map(|r| r.outcome) == Some(Outcome::Smc))
            .map(|(id, _)| *id)
    }

    pub(super) fn active_links(&self) -> usize {
        self.entry(group::Role::Client).map_or(0, |entry| {
            Slot::ALL
                .into_iter()
                .filter(|s| entry.group.link(*s).is_active())
                .count()
        })
    }

    /// Whether this host knows the peer's key of a connection on every link on
    /// which it may write.
    pub(super) fn can_write(&self, id: ConnId, peer: &Host) -> bool {
        let (Some(here), Some(there)) = (self.conns.get(&id), peer.conns.get(&id)) else {
            return false;
        };
        let (Some(entry), Some(theirs)) = (
            self.entry(here.machine.role()),
            peer.entry(there.machine.role()),
        ) else {
            return true;
        };
        let (Some(row), Some(rmb)) = (here.peer_rmb, there.rmb) else {
            return false;
        };
        let mut rows = entry.rows.clone();
        let table = PeerTable::new(&mut rows[..]);
        Slot::ALL
            .into_iter()
            .filter(|s| entry.group.link(*s).is_active())
            .all(|slot| {
                let qpn = entry.group.link(slot).peer().qpn;
                let their_slot = Slot::ALL
                    .into_iter()
                    .find(|s| *s.of(&theirs.keys.qpns) == Some(qpn));
                match their_slot {
                    // The peer has the link no more; nothing arrives there.
                    None => true,
                    Some(s) => table.token(row, slot) == theirs.keys.token(rmb, s),
                }
            })
    }
}
