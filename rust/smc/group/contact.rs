// SPDX-License-Identifier: GPL-2.0

//! What handshakes want of a link group.

use super::{pool, Group, Life, Seat};
use crate::{
    abstractions::work::Task,
    smc::{
        path::Path,
        wait::{Wait, Waker, What},
    },
};
use core::{net::Ipv4Addr, sync::atomic::Ordering};
use kernel::{prelude::*, sync::Arc};
use smc_proto::{
    group::{Announce, End, Millis, RmbId},
    handshake::Negotiated,
    wire::{clc::Reason, llc::Rtoken},
};

impl Group {
    /// The seat of the connection that makes the group. Any context.
    pub(crate) fn first_seat(this: &Arc<Task<Self>>) -> Option<Seat> {
        Seat::take(this)
    }

    /// First contact: the peer's end is known. Brings the queue pair to "ready to
    /// receive", the server's to "ready to send", and waits for the other end.
    /// Process context.
    ///
    /// # Errors
    ///
    /// Why the handshake fails.
    pub(crate) fn meet(
        this: &Arc<Task<Self>>,
        path: &Path,
        peer: End,
        agreed: &Negotiated,
    ) -> Result<(), Reason> {
        *this.host.lock() = (agreed.peer_os, agreed.peer_host);
        this.far.qpn.store(peer.qpn.get(), Ordering::Release);
        this.llc.lock().meet(this, path, peer)?;
        Task::kick(this);
        Ok(())
    }

    /// Has `waker` woken when `what` has come out. Process context.
    ///
    /// # Errors
    ///
    /// [`Reason::NoMemory`].
    pub(crate) fn wait_for(&self, what: What, waker: &Waker) -> Result<Arc<Wait>, Reason> {
        self.waits.add(what, waker).map_err(|_| Reason::NoMemory)
    }

    /// Nobody waits for that any more: the group need not keep the handshake. Any
    /// context.
    pub(crate) fn forget_wait(&self, wait: &Arc<Wait>) {
        self.waits.forget(wait);
    }

    /// A CLC message is to tell the peer the key of `rmb`; what has to be waited
    /// for before. Process context.
    ///
    /// # Errors
    ///
    /// Why it may not.
    pub(crate) fn announce(
        this: &Arc<Task<Self>>,
        rmb: RmbId,
        waker: &Waker,
    ) -> Result<Option<Arc<Wait>>, Reason> {
        let mut llc = this.llc.lock();
        let registered = || this.pool.lock().registration(rmb) == pool::Registration::Done;
        if llc.is_met() && !registered() {
            let wait = this.wait_for(What::Registration(rmb), waker)?;
            llc.register(this).inspect_err(|_| {
                this.waits.forget(&wait);
                Self::on_link_broken(this);
            })?;
            // It may have come to its end before there was somebody to tell.
            if !registered() {
                return Ok(Some(wait));
            }
            this.waits.forget(&wait);
        }
        match llc.announce(rmb) {
            Ok(Announce::Ready) => Ok(None),
            Ok(Announce::Wait) => {
                let wait = this.wait_for(What::Key(rmb), waker)?;
                drop(llc);
                Task::kick(this);
                Ok(Some(wait))
            }
            Err(_) => Err(Reason::RegisterBuffer),
        }
    }

    /// The peer has answered a CLC message that told the key of `rmb`. Process
    /// context.
    pub(crate) fn proven(&self, rmb: RmbId) {
        self.llc.lock().proven(rmb);
    }

    /// The peer's memory for one connection: key and address on the link.
    /// Process context.
    ///
    /// # Errors
    ///
    /// [`Reason::RemoteKeys`] if it has told too many.
    pub(crate) fn learn_key(&self, token: Rtoken) -> Result<(), Reason> {
        self.llc.lock().learn_key(self, token)
    }

    /// Whether the peer has told all keys that it may.
    pub(super) fn set_keys_full(&self, full: bool) {
        self.far.keys_full.store(full, Ordering::Relaxed);
    }

    /// The peer is at work on connections: it has asked about a key (CONFIRM RKEY), or
    /// said its part of a handshake. Any context.
    pub(crate) fn set_busy(&self, now: Millis) {
        self.far.busy.store(now.0, Ordering::Relaxed);
    }

    /// When the peer was seen at work for the last time. Any context.
    pub(super) fn busy(&self) -> Option<Millis> {
        let busy = self.far.busy.load(Ordering::Relaxed);
        (busy != 0).then_some(Millis(busy))
    }

    /// Client: a connection to the server at `addr` is in the group. Any context.
    pub(crate) fn set_server(&self, addr: Ipv4Addr) {
        self.far.server.store(addr.into(), Ordering::Relaxed);
    }

    /// Whether it leads from `device`, in the namespace with that cookie, to the server at
    /// `addr`.
    pub(super) fn is_to(&self, net: u64, device: u32, addr: Ipv4Addr) -> bool {
        let key = &self.spec.key;
        let server = self.far.server.load(Ordering::Relaxed);
        !key.server && (key.net, key.device, server) == (net, device, addr.into())
    }

    /// Server: whether a connection may be given to it, if it has a place. One with an
    /// RMB that the peer has not told of yet would fail.
    pub(super) fn is_choosable(&self) -> bool {
        self.is_open() && !self.far.keys_full.load(Ordering::Relaxed)
    }

    /// The peer does not know the group: it takes no more connections, and ends.
    /// Any context.
    pub(crate) fn end(this: &Arc<Task<Self>>) {
        this.set_life(Life::Closing);
        this.wishes.end.store(true, Ordering::Release);
        Task::kick(this);
    }
}
