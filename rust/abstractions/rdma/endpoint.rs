// SPDX-License-Identifier: GPL-2.0

//! The two sides of a queue pair: what hangs on it, and who its peer is.

use super::{device::Mtu, gid::GidRef, qp::QpRef, Gid};
use crate::abstractions::net::netdev::Mac;
use smc_bindings as bindings;

/// The longest message of [`SendSlot::post`](super::SendSlot::post).
pub(crate) const MESSAGE_LEN: usize = 64;

/// How what was posted has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendStatus {
    /// The peer has it.
    Ok,
    /// Not sent, as the connection has ended.
    Flushed,
    /// It has failed, and ended the connection: `ib_wc_status`.
    Failed(u32),
}

impl SendStatus {
    pub(super) fn from_raw(status: bindings::ib_wc_status) -> Self {
        match status {
            bindings::ib_wc_status_IB_WC_SUCCESS => Self::Ok,
            bindings::ib_wc_status_IB_WC_WR_FLUSH_ERR => Self::Flushed,
            status => Self::Failed(status),
        }
    }
}

/// What hangs on a queue pair, and is told of what comes from it. It is dropped
/// in process context.
pub(crate) trait Endpoint: Send + Sync + Sized + 'static {
    /// Kept with a message until that has left. Where the last reference to the
    /// queue pair has gone without [`Qp::close`](super::Qp::close), it is dropped instead of coming
    /// back; softirq.
    type Context: Send + 'static;

    /// A message has come. Softirq.
    fn received(this: &QpRef<Self>, message: &[u8]);

    /// What was posted has ended; its slot is free again after this. Softirq, or
    /// process context within [`Qp::close`](super::Qp::close).
    fn sent(this: &QpRef<Self>, ctx: Self::Context, status: SendStatus);

    /// A slot is free, and [`Qp::take_slot`](super::Qp::take_slot) had failed before. It is called once
    /// for that: take slots until there are none, or nobody waits. Softirq or
    /// process context.
    fn slot_free(this: &QpRef<Self>);

    /// The connection has broken. Process context, once.
    fn broken(this: &QpRef<Self>);
}

/// Why there is no slot to send with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoSlot {
    /// Too many messages are under way.
    Later,
    /// The queue pair is closed.
    Down,
}

/// How much a queue pair has room for.
#[derive(Clone, Copy)]
pub(crate) struct QpSizes {
    /// Messages to be sent at a time.
    pub(crate) send_slots: u16,
    /// Messages that may come before they are looked at.
    pub(crate) recv_slots: u16,
    /// Length of the longest of these.
    pub(crate) recv_len: u32,
}

/// Where a queue pair's peer is, and on which way.
pub(crate) struct Path<'a> {
    /// This end's GID.
    pub(crate) gid: &'a GidRef,
    /// The peer's GID.
    pub(crate) dgid: Gid,
    /// Where packets to the peer go next.
    pub(crate) dmac: Mac,
    /// The peer's queue pair.
    pub(crate) dest_qpn: u32,
    /// The number of the peer's first packet.
    pub(crate) rq_psn: u32,
    /// The longest packets of both ends.
    pub(crate) mtu: Mtu,
    /// How many routers there may be on the way.
    pub(crate) hop_limit: u8,
}
