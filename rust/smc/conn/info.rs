// SPDX-License-Identifier: GPL-2.0

//! What sock_diag tells of a connection.

use super::{Conn, SendBuffer};
use crate::smc::{diag::ConnInfo, netlink::sources};
use smc_proto::{close::ConnFlags, cursor::RawCursor, ring::TxPlaces, wire::cdc::Cdc};

/// As TCP's `sk_shutdown`.
const RCV_SHUTDOWN: u8 = 1;
const SEND_SHUTDOWN: u8 = 2;

const START: RawCursor = RawCursor { wrap: 0, count: 0 };

impl Conn {
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
