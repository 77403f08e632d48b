// SPDX-License-Identifier: GPL-2.0

//! What sock_diag tells of a connection.

use super::{Conn, SendBuffer};
use crate::smc::{
    diag::ConnInfo,
    netlink::sources,
    stats::{Buffer, Dir, Event, Side, Tech},
};
use smc_proto::{
    close::ConnFlags,
    cursor::{RawCursor, RingSize},
    ring::TxPlaces,
    wire::cdc::Cdc,
};

/// As TCP's `sk_shutdown`.
const RCV_SHUTDOWN: u8 = 1;
const SEND_SHUTDOWN: u8 = 2;

const START: RawCursor = RawCursor { wrap: 0, count: 0 };

impl Conn {
    /// Counts a system call that was to send or receive `len` bytes. Any context.
    pub(crate) fn count_payload(&self, dir: Dir, len: usize, done: usize) {
        self.count(|stats| stats.payload(Tech::R, dir, len, done));
    }

    /// Counts something that has happened. Any context.
    pub(crate) fn count_event(&self, what: Event) {
        self.count(|stats| stats.event(Tech::R, what));
    }

    /// Counts that `len` bytes are to be sent at once, which may be more than a buffer
    /// holds. Any context.
    pub(super) fn count_send(&self, len: usize) {
        // No buffer is smaller.
        if len <= RingSize::MIN.bytes() as usize {
            return;
        }
        let Some((ours, peers)) = self
            .tx
            .lock()
            .out
            .as_ref()
            .map(|out| (out.ring.local(), out.ring.peer()))
        else {
            return;
        };
        for (size, what) in [(ours, Buffer::TooSmall), (peers, Buffer::PeerTooSmall)] {
            if len > size.bytes() as usize {
                self.count(|stats| stats.buffer(Tech::R, Dir::Tx, what));
            }
        }
    }

    /// Counts that `len` bytes are wanted: whether the ring is full, and whether there
    /// are more. Any context.
    pub(super) fn count_recv(&self, len: usize) {
        let (unread, size) = {
            let rx = self.rx.lock();
            (rx.ring.unread(), rx.ring.size().bytes())
        };
        if unread >= size {
            self.count(|stats| stats.buffer(Tech::R, Dir::Rx, Buffer::Full));
        }
        if len < unread as usize {
            self.count(|stats| stats.buffer(Tech::R, Dir::Rx, Buffer::TooSmall));
        }
    }

    /// Counts it among those that have come about. Any context.
    pub(crate) fn count_success(&self, side: Side) {
        let v2 = !self.seat.group().spec().version.is_v1();
        self.count(|stats| stats.success(Tech::R, side, v2));
    }

    /// Where it stands. Process context; may sleep.
    pub(crate) fn info(&self) -> ConnInfo {
        let group = self.seat.group();
        let link = sources::describe_link(group).map(|link| (link, group.spec().key.server));
        let tx = self.tx.lock();
        let rx = self.rx.lock();
        let (arrived, read, rx_flags) = rx.ring.places();
        let (sent, tx_flags, peer) = match &tx.out {
            Some(out) => (out.ring.places(), out.ring.flags(), out.peer.size.bytes()),
            None => (NOWHERE, Default::default(), 0),
        };
        let mut shutdown = 0;
        if tx.closer.recv_end().is_some() {
            shutdown |= RCV_SHUTDOWN;
        }
        if tx.closer.may_send().is_err() {
            shutdown |= SEND_SHUTDOWN;
        }
        let rmbe = rx.rmbe.as_ref();
        let told: ConnFlags = tx.closer.flags();
        ConnInfo {
            state: tx.closer.state(),
            shutdown,
            token: rmbe.map(|_| self.seat.token()),
            sndbuf_size: tx
                .sndbuf
                .as_ref()
                .map_or(0, |buf| SendBuffer::size(buf).bytes()),
            rmbe_size: rmbe.map_or(0, |rmbe| rmbe.size().bytes()),
            peer_rmbe_size: peer,
            rx: [arrived, sent.consumer],
            tx: [sent.producer, read],
            rx_flags: Cdc::flag_bytes(rx_flags, tx.closer.peer_flags()),
            tx_flags: Cdc::flag_bytes(tx_flags, told),
            sndbuf: [sent.written, sent.posted, sent.completed],
            link: link.filter(|_| rmbe.is_some()),
        }
    }
}

/// Before the peer is known.
const NOWHERE: TxPlaces = TxPlaces {
    producer: START,
    consumer: START,
    written: START,
    posted: START,
    completed: START,
};
