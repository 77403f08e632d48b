// SPDX-License-Identifier: GPL-2.0

//! The link groups of a simulated host, and what handshakes want of them.

use super::host::{place, Conn, ConnId, Host};
use super::machine::Machine;
use super::stream::ELEMENT;
use super::{Packet, Side};
use crate::group::{
    self, Announce, Config, End, Group, LocalKeys, Millis, PeerKeys, PeerRow, PeerTable, Received,
    RmbId, Slot, Times,
};
use crate::handshake::{Action, Client, GroupFate, LocalRdma, Negotiated, Peer, RdmaKey};
use crate::wire::cdc::CDC_TYPE;
use crate::wire::clc::{Entries, Reason, Sender, SmcrBody, Version};
use crate::wire::llc::{ByteOrder, LlcVersion, Rtoken, LLC_LEN};
use crate::wire::types::{
    AlertToken, BufSize, Gid, Hostname, Mac, PeerId, Psn, QpMtu, Qpn, Rkey, RmbAddr,
};
use std::vec;
use std::vec::Vec;

/// How many of the peer's RMBs a host has room for in a group.
const ROWS: usize = 200;

/// A link group and what belongs to it.
pub(super) struct Entry {
    /// Another one for each group that the host makes.
    pub(super) number: u32,
    pub(super) group: Group,
    pub(super) rows: Vec<PeerRow>,
    pub(super) keys: Keys,
    /// The first contact is over.
    pub(super) ready: bool,
    /// The connection that makes the first contact.
    pub(super) first: ConnId,
    /// Connections that wait for its end.
    pub(super) waiting: Vec<ConnId>,
    /// Connections that wait for the exchange of their RMB's key.
    pub(super) announcing: Vec<(RmbId, ConnId)>,
    pub(super) next_rmb: u8,
}

/// The keys of a host's RMBs: made of the RMB and the queue pair.
#[derive(Clone, Copy)]
pub(super) struct Keys {
    pub(super) side: Side,
    pub(super) qpns: [Option<Qpn>; Slot::COUNT],
}

impl LocalKeys for Keys {
    fn token(&self, rmb: RmbId, slot: Slot) -> Option<Rtoken> {
        let qpn = (*slot.of(&self.qpns))?;
        let rkey = (self.side as u32 + 1) << 28 | u32::from(rmb.get()) << 16 | qpn.get();
        Some(Rtoken {
            rkey: Rkey(rkey),
            addr: RmbAddr(u64::from(rkey) << 16),
        })
    }
}

impl Host {
    /// What the Accept or Confirm of a connection says about this end.
    pub(super) fn local_end(&self, id: ConnId) -> Option<LocalRdma<'static>> {
        let c = self.conns.get(&id)?;
        let entry = self.entry(c.machine.role())?;
        let slot = self.slot_of(c, entry)?;
        let rmb = c.rmb?;
        let token = entry.keys.token(rmb, slot)?;
        let end = entry.group.link(slot).local();
        Some(LocalRdma {
            sender: Sender {
                gid: end.gid,
                mac: end.mac,
                ..self.sender()
            },
            qpn: end.qpn,
            rkey: token.rkey,
            rmbe_index: self.element(id)?,
            token: AlertToken(id.0),
            rmbe_size: BufSize::holding(ELEMENT),
            mtu: end.mtu,
            rmb_addr: token.addr,
            psn: end.psn,
            direct: true,
            gids: Entries::EMPTY,
            hostname: Hostname([b' '; 32]),
        })
    }

    /// The link that the CLC messages of a connection name: the client takes
    /// the server's choice.
    pub(super) fn slot_of(&self, c: &Conn, entry: &Entry) -> Option<Slot> {
        match (&c.machine, c.machine.negotiated().peer) {
            (Machine::Client(m), Some(Peer::Rdma(peer))) if !m.negotiated().first_contact => {
                find_slot(&entry.group, |end, _| end.qpn == peer.qpn)
            }
            _ => Some(entry.group.active_link().unwrap_or(Slot::S0)),
        }
    }

    pub(super) fn entry(&self, role: group::Role) -> Option<&Entry> {
        self.groups.get(place(role)).and_then(Option::as_ref)
    }

    /// The group of a connection, if it is still there.
    pub(super) fn entry_of(&self, c: &Conn) -> Option<&Entry> {
        self.entry(c.machine.role())
            .filter(|entry| entry.number == c.group)
    }

    fn entry_mut(&mut self, role: group::Role) -> Option<&mut Entry> {
        self.groups.get_mut(place(role)).and_then(Option::as_mut)
    }

    pub(super) fn create_group(&mut self, id: ConnId, role: group::Role, key: &RdmaKey) {
        let local = self.new_end(0);
        let peer = End {
            gid: key.gid,
            mac: key.mac,
            ..End::default()
        };
        let max_links = match self.conns.get(&id) {
            Some(c) => c.machine.negotiated().max_links,
            None => 1,
        };
        let config = Config {
            role,
            version: LlcVersion::V2(ByteOrder::Little),
            max_links,
            max_conns: 255,
            direct: true,
            uid: [self.number(), 0, 0, 0],
            times: Times {
                // Silence is no news here.
                test_link: 0,
                ..Times::default()
            },
        };
        let mut keys = Keys {
            side: self.side,
            qpns: [None; Slot::COUNT],
        };
        *Slot::S0.of_mut(&mut keys.qpns) = Some(local.qpn);
        self.made_groups += 1;
        let entry = Entry {
            number: self.made_groups,
            group: Group::new(config, local, peer),
            rows: vec![PeerRow::default(); ROWS],
            keys,
            ready: false,
            first: id,
            waiting: Vec::new(),
            announcing: Vec::new(),
            next_rmb: 0,
        };
        if let Some(slot) = self.groups.get_mut(place(role)) {
            *slot = Some(entry);
        }
    }

    pub(super) fn new_end(&mut self, port: u8) -> End {
        self.next_qpn += 1;
        End {
            mac: Mac([2, 0, 0, 0, port, self.number()]),
            gid: self.gid(port),
            qpn: Qpn::new(self.next_qpn).unwrap_or_default(),
            psn: Psn::new(self.next_qpn << 4).unwrap_or_default(),
            mtu: QpMtu::from_bits(3).unwrap_or_default(),
        }
    }

    /// Client: the group of a later contact.
    pub(super) fn find_group(&mut self, id: ConnId, key: &RdmaKey) -> Action {
        let known = self.entry(group::Role::Client).is_some_and(|entry| {
            entry.ready
                && !entry.group.is_ended()
                && find_slot(&entry.group, |end, active| {
                    active && Some(end.qpn) == key.qpn && end.gid == key.gid
                })
                .is_some()
        });
        if known {
            self.client(id, Client::on_group)
        } else {
            self.fail(id, Reason::SyncError)
        }
    }

    pub(super) fn find_or_create(&mut self, id: ConnId, key: &RdmaKey) -> Action {
        match self.entry_mut(group::Role::Server) {
            Some(entry) if !entry.ready && !entry.group.is_ended() => {
                entry.waiting.push(id);
                return Action::Wait;
            }
            Some(entry) if !entry.group.is_ended() => return self.server_group(id, false),
            _ => {}
        }
        self.create_group(id, group::Role::Server, key);
        self.server_group(id, true)
    }

    fn server_group(&mut self, id: ConnId, new: bool) -> Action {
        match self.conns.get_mut(&id).map(|c| &mut c.machine) {
            Some(Machine::Server(m)) => m.on_group(new),
            _ => Action::Wait,
        }
    }

    /// Gets an RMB, tells the group of it, and (client) takes the peer's key.
    pub(super) fn prepare(&mut self, id: ConnId, now: Millis) -> Action {
        let per_conn = self.config.rmb_per_conn;
        let Some(c) = self.conns.get(&id) else {
            return Action::Wait;
        };
        let role = c.machine.role();
        let new = c.machine.negotiated().first_contact;
        let peer = rdma_peer(c.machine.negotiated());
        let Some(entry) = self.entry_mut(role) else {
            return self.fail(id, Reason::NoActiveLink);
        };
        let Some(rmb) = RmbId::new(entry.next_rmb) else {
            return self.fail(id, Reason::NoMemory);
        };
        if per_conn {
            entry.next_rmb += 1;
        }
        let number = entry.number;
        if let (true, Some(peer)) = (new, peer) {
            entry.group.set_peer(end_of(&peer));
        }
        let answer = entry.group.announce(now, rmb);
        if answer == Ok(Announce::Wait) {
            entry.announcing.push((rmb, id));
        }
        if new && role == group::Role::Client {
            entry.group.first_contact(now);
        }
        if let Some(c) = self.conns.get_mut(&id) {
            c.rmb = Some(rmb);
            c.group = number;
        }
        if role == group::Role::Client && !self.store_peer_key(id) {
            return self.fail(id, Reason::RemoteKeys);
        }
        match answer {
            Ok(Announce::Ready) => match self.conns.get_mut(&id) {
                Some(c) => c.machine.on_prepared(),
                None => Action::Wait,
            },
            Ok(Announce::Wait) => Action::Wait,
            Err(_) => self.fail(id, Reason::RegisterBuffer),
        }
    }

    fn store_peer_key(&mut self, id: ConnId) -> bool {
        let Some(c) = self.conns.get(&id) else {
            return false;
        };
        let (role, peer) = (c.machine.role(), rdma_peer(c.machine.negotiated()));
        let (Some(peer), Some(entry)) = (peer, self.entry_mut(role)) else {
            return false;
        };
        let Some(slot) = find_slot(&entry.group, |end, _| end.qpn == peer.qpn) else {
            return false;
        };
        let token = Rtoken {
            rkey: peer.rkey,
            addr: peer.rmb_addr,
        };
        let row = PeerTable::new(&mut entry.rows[..]).add(slot, token);
        if let Some(c) = self.conns.get_mut(&id) {
            c.peer_rmb = row;
        }
        row.is_some()
    }

    pub(super) fn take_peer(&mut self, id: ConnId, now: Millis) -> Action {
        let Some(c) = self.conns.get(&id) else {
            return Action::Wait;
        };
        let (new, peer) = (
            c.machine.negotiated().first_contact,
            rdma_peer(c.machine.negotiated()),
        );
        let rmb = c.rmb;
        if let (Some(peer), Some(entry)) = (peer, self.entry_mut(group::Role::Server)) {
            if new {
                entry.group.set_peer(end_of(&peer));
                entry.group.first_contact(now);
            } else if let Some(rmb) = rmb {
                entry.group.proven(rmb);
            }
        }
        if !self.store_peer_key(id) {
            return self.fail(id, Reason::RemoteKeys);
        }
        match self.conns.get_mut(&id).map(|c| &mut c.machine) {
            Some(Machine::Server(m)) => m.on_peer_taken(),
            _ => Action::Wait,
        }
    }

    /// A handshake that failed gives back its group.
    pub(super) fn fate(&mut self, id: ConnId, fate: GroupFate, now: Millis) {
        let Some(role) = self.conns.get(&id).map(|c| c.machine.role()) else {
            return;
        };
        let Some(entry) = self.entry_mut(role) else {
            return;
        };
        entry.waiting.retain(|waiting| *waiting != id);
        entry.announcing.retain(|(_, waiting)| *waiting != id);
        let end = match fate {
            GroupFate::Keep => false,
            GroupFate::Discard => entry.first == id,
            GroupFate::OutOfSync => true,
        };
        if end {
            let waiting = core::mem::take(&mut entry.waiting);
            if let Some(place) = self.groups.get_mut(place(role)) {
                *place = None;
            }
            for next in waiting {
                let key = self.peer_key();
                let action = self.find_or_create(next, &key);
                self.act(next, action, now);
            }
        }
    }

    /// The other host, of which there is one only.
    fn peer_key(&self) -> RdmaKey {
        let n = self.side.other() as u8 + 1;
        RdmaKey {
            version: Version::V2,
            peer_id: PeerId([0, n, 2, 0, 0, 0, 0, n]),
            gid: Gid::from_ipv4([10, 0, 0, n]),
            mac: Mac([2, 0, 0, 0, 0, n]),
            qpn: None,
        }
    }

    pub(super) fn rdma(&mut self, qpn: u32, bytes: &[u8], now: Millis) {
        if bytes.first() == Some(&CDC_TYPE) {
            self.cdc(bytes, now);
            return;
        }
        let mut reply = [0; LLC_LEN];
        for entry in self.groups.iter_mut().flatten() {
            let keys = entry.keys;
            let Some(slot) = Slot::ALL
                .into_iter()
                .find(|s| s.of(&keys.qpns).map(Qpn::get) == Some(qpn))
            else {
                continue;
            };
            let mut table = PeerTable::new(&mut entry.rows[..]);
            let got = entry
                .group
                .receive(now, slot, bytes, &keys, &mut table, &mut reply);
            if got == Received::Reply {
                let to = entry.group.link(slot).peer().qpn.get();
                self.out.push(Packet::Rdma {
                    qpn: to,
                    bytes: reply.to_vec(),
                });
            }
        }
    }

    /// Polls the groups until they give nothing, then lets data flow.
    pub(super) fn pump(&mut self, now: Millis) {
        self.pump_groups(now);
        self.drive_streams(now);
    }

    fn pump_groups(&mut self, now: Millis) {
        for role in [group::Role::Client, group::Role::Server] {
            loop {
                self.transmit(role, now);
                let Some(action) = self.entry_mut(role).and_then(|e| e.group.poll_action()) else {
                    break;
                };
                self.group_action(role, action, now);
            }
        }
    }

    fn transmit(&mut self, role: group::Role, now: Millis) {
        let Some(entry) = self.groups.get_mut(place(role)).and_then(Option::as_mut) else {
            return;
        };
        let mut buf = vec![0; entry.group.max_transmit()];
        let keys = entry.keys;
        while let Some(sent) = entry.group.poll_transmit(now, &keys, &mut buf) {
            self.out.push(Packet::Rdma {
                qpn: entry.group.link(sent.slot).peer().qpn.get(),
                bytes: buf.get(..sent.len).unwrap_or_default().to_vec(),
            });
            if sent.confirm {
                entry.group.send_done(now);
            }
        }
    }

    fn group_action(&mut self, role: group::Role, action: group::Action, now: Millis) {
        use group::Action as Ask;
        match action {
            Ask::PrepareLink(slot) => {
                let end = self.new_end(1);
                if let Some(entry) = self.entry_mut(role) {
                    *slot.of_mut(&mut entry.keys.qpns) = Some(end.qpn);
                    entry.group.link_prepared(now, slot, Ok(end));
                }
            }
            Ask::ConnectLink(slot) => self.with(role, |e| e.group.link_connected(now, slot, true)),
            Ask::EnableLink(slot) => self.with(role, |e| e.group.link_enabled(now, slot, true)),
            Ask::DrainLink(slot) => self.with(role, |e| e.group.link_drained(now, slot)),
            Ask::FreeLink(slot) => self.with(role, |e| {
                *slot.of_mut(&mut e.keys.qpns) = None;
                PeerTable::new(&mut e.rows[..]).clear(slot);
                e.group.link_freed(now, slot);
            }),
            Ask::LinkActive(_) | Ask::LinkLost(_) | Ask::AddLink(_) | Ask::RkeyGone(_) => {}
            Ask::FirstContact(result) => self.first_contact_over(role, result, now),
            Ask::RkeyUsable(rmb) => self.announced(role, rmb, true, now),
            Ask::RkeyRefused(rmb, _) => self.announced(role, rmb, false, now),
            Ask::Ended(_) => {}
        }
    }

    fn with(&mut self, role: group::Role, f: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entry_mut(role) {
            f(entry);
        }
    }

    fn first_contact_over(
        &mut self,
        role: group::Role,
        result: Result<(), group::FirstError>,
        now: Millis,
    ) {
        let Some(entry) = self.entry_mut(role) else {
            return;
        };
        let first = entry.first;
        let waiting = if result.is_ok() {
            entry.ready = true;
            core::mem::take(&mut entry.waiting)
        } else {
            Vec::new()
        };
        if let Some(c) = self.conns.get_mut(&first) {
            let action = c.machine.on_link(result, now);
            self.act(first, action, now);
        }
        for id in waiting {
            let action = self.server_group(id, false);
            self.act(id, action, now);
        }
    }

    fn announced(&mut self, role: group::Role, rmb: RmbId, usable: bool, now: Millis) {
        let Some(entry) = self.entry_mut(role) else {
            return;
        };
        let (done, rest): (Vec<_>, Vec<_>) =
            entry.announcing.drain(..).partition(|(r, _)| *r == rmb);
        entry.announcing = rest;
        for (_, id) in done {
            let action = match self.conns.get_mut(&id) {
                Some(c) if usable => c.machine.on_prepared(),
                Some(_) => self.fail(id, Reason::RegisterBuffer),
                None => Action::Wait,
            };
            self.act(id, action, now);
        }
    }
}

fn rdma_peer(agreed: &Negotiated) -> Option<SmcrBody> {
    match agreed.peer {
        Some(Peer::Rdma(peer)) => Some(peer),
        _ => None,
    }
}

fn end_of(peer: &SmcrBody) -> End {
    End {
        mac: peer.sender.mac,
        gid: peer.sender.gid,
        qpn: peer.qpn,
        psn: peer.psn,
        mtu: peer.mtu,
    }
}

/// The link whose other end, and whether it carries data, pass a test.
fn find_slot(group: &Group, test: impl Fn(&End, bool) -> bool) -> Option<Slot> {
    Slot::ALL.into_iter().find(|s| {
        let link = group.link(*s);
        link.state() != group::LinkState::Unused && test(link.peer(), link.is_active())
    })
}
