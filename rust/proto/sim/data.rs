// SPDX-License-Identifier: GPL-2.0

//! How a host's connections come to their data: the RDMA path below the rings.

use super::host::{place, ConnId, Host, Outcome};
use super::stream::{Sent, Stream, StreamReport, Wire, ELEMENT};
use super::Packet;
use crate::cursor::RingSize;
use crate::group::{LinkState, LocalKeys, Millis, PeerTable, Slot};
use crate::handshake::Peer;
use crate::ring::TxTicket;
use crate::wire::cdc::Cdc;
use crate::wire::types::{BufSize, Qpn, RmbeIndex};
use std::vec::Vec;

impl Host {
    /// The element of a connection in its RMB.
    pub(super) fn element(&self, id: ConnId) -> Option<RmbeIndex> {
        if self.config.rmb_per_conn {
            return Some(RmbeIndex::FIRST);
        }
        RmbeIndex::new(u8::try_from(id.0 % 255).unwrap_or(0) + 1)
    }

    pub(super) fn stream_report(&self, id: ConnId) -> Option<StreamReport> {
        Some(self.conns.get(&id)?.stream.as_ref()?.report())
    }

    /// The peer writes into our memory.
    pub(super) fn stored(&mut self, qpn: u32, rkey: u32, at: u64, bytes: &[u8]) {
        let size = BufSize::holding(ELEMENT);
        let ours = self.groups.iter().flatten().flat_map(|e| e.keys.qpns);
        if !ours.flatten().any(|q| q.get() == qpn) {
            // The queue pair went with its group.
            return;
        }
        let found = self.conns.iter().find_map(|(id, c)| {
            let entry = self.entry_of(c)?;
            let slot = Slot::ALL
                .into_iter()
                .find(|s| s.of(&entry.keys.qpns).map(Qpn::get) == Some(qpn))?;
            let token = entry.keys.token(c.rmb?, slot)?;
            let start = token.addr.0 + self.element(*id)?.offset(size);
            let here = token.rkey.0 == rkey && (start..start + u64::from(ELEMENT)).contains(&at);
            here.then(|| (*id, at - start))
        });
        let stored = match found {
            None => false,
            Some((id, at)) => match self.conns.get_mut(&id).and_then(|c| c.stream.as_mut()) {
                Some(stream) => stream.store(at, bytes),
                // The handshake failed here: nobody else has the element.
                None => true,
            },
        };
        if !stored {
            self.bad_writes += 1;
        }
    }

    /// A CDC message.
    pub(super) fn cdc(&mut self, bytes: &[u8], now: Millis) {
        let Ok(cdc) = Cdc::parse(bytes) else {
            return;
        };
        self.stream(ConnId(cdc.token.0), |stream, out| {
            stream.message(&cdc, now, out);
        });
    }

    /// A CDC message of ours has arrived.
    pub(super) fn completed(&mut self, id: ConnId, ticket: TxTicket) {
        self.stream(id, |stream, _| stream.complete(ticket));
    }

    pub(super) fn stream_reset(&mut self, id: ConnId, now: Millis) {
        self.stream(id, |stream, out| stream.reset(now, out));
    }

    pub(super) fn stream_times(&mut self, now: Millis) {
        let ids: Vec<ConnId> = self.conns.keys().copied().collect();
        for id in ids {
            self.stream(id, |stream, out| stream.on_time(now, out));
        }
    }

    /// Lets all connections do what they can.
    pub(super) fn drive_streams(&mut self, now: Millis) {
        let ids: Vec<ConnId> = self.conns.keys().copied().collect();
        for id in ids {
            self.establish(id, now);
            let down = self.group_is_gone(id);
            let wire = self.wire(id);
            self.stream(id, |stream, out| {
                if down {
                    stream.down(now, out);
                }
                stream.drive(now, wire.as_ref(), out);
            });
        }
    }

    /// A stream begins when the handshake has ended well, and goes with one that
    /// has not.
    fn establish(&mut self, id: ConnId, now: Millis) {
        let Some(c) = self.conns.get_mut(&id) else {
            return;
        };
        match (c.report.map(|r| r.outcome), c.machine.negotiated().peer) {
            (Some(Outcome::Smc), Some(Peer::Rdma(peer))) => {
                let size = RingSize::from_bytes(peer.rmbe_size.bytes()).unwrap_or(RingSize::MIN);
                if let Some(stream) = &mut c.stream {
                    stream.established(size, now);
                }
            }
            (Some(_), _) => c.stream = None,
            (None, _) => {}
        }
    }

    fn group_is_gone(&self, id: ConnId) -> bool {
        let Some(c) = self.conns.get(&id) else {
            return false;
        };
        match (&c.stream, self.entry_of(c)) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(stream), Some(entry)) => {
                entry.group.link(stream.slot).state() == LinkState::Unused
            }
        }
    }

    /// Where a connection writes to, once the peer's end is known.
    fn wire(&mut self, id: ConnId) -> Option<Wire> {
        let c = self.conns.get(&id)?;
        let slot = c.stream.as_ref()?.slot;
        let row = c.peer_rmb?;
        let role = c.machine.role();
        self.entry_of(c)?;
        let Some(Peer::Rdma(peer)) = c.machine.negotiated().peer else {
            return None;
        };
        let entry = self.groups.get_mut(place(role))?.as_mut()?;
        let token = PeerTable::new(&mut entry.rows[..]).token(row, slot)?;
        Some(Wire {
            rkey: token.rkey.0,
            at: token.addr.0 + peer.rmbe_index.offset(peer.rmbe_size),
            token: peer.token,
        })
    }

    /// Something happens to a stream; sends what it has to send.
    fn stream(&mut self, id: ConnId, event: impl FnOnce(&mut Stream, &mut Vec<Sent>)) {
        let Some(c) = self.conns.get_mut(&id) else {
            return;
        };
        let Some(stream) = &mut c.stream else {
            return;
        };
        let mut sent = Vec::new();
        event(stream, &mut sent);
        let slot = stream.slot;
        let qpn = self
            .conns
            .get(&id)
            .and_then(|c| self.entry_of(c))
            .map_or(0, |entry| entry.group.link(slot).peer().qpn.get());
        for one in sent {
            match one {
                Sent::Write { rkey, at, bytes } => self.out.push(Packet::Write {
                    qpn,
                    rkey,
                    at,
                    bytes,
                }),
                Sent::Message { bytes, ticket } => {
                    self.out.push(Packet::Rdma { qpn, bytes });
                    self.out.push(Packet::Completion { conn: id, ticket });
                }
                Sent::Reset => self.out.push(Packet::Reset { conn: id }),
            }
        }
    }

    /// The link on which a connection's data goes is settled, and its rings are
    /// there, before the message that tells the peer of them.
    pub(super) fn open_stream(&mut self, id: ConnId) {
        let slot = self.conns.get(&id).and_then(|c| {
            let entry = self.entry(c.machine.role())?;
            self.slot_of(c, entry)
        });
        let app = self.apps.get(&id).copied().unwrap_or_default();
        let side = self.side;
        if let (Some(slot), Some(c)) = (slot, self.conns.get_mut(&id)) {
            c.stream = Some(Stream::new(side, app, slot));
        }
    }
}
