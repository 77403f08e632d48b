// SPDX-License-Identifier: GPL-2.0

//! Posting: RDMA writes, and the CDC message that announces them.

use super::{nanos, Conn, PeerEnd, Tx};
use crate::{
    abstractions::{
        net::errno::NetErrno,
        rdma::{NoSlot, RemoteWrite},
        work::Task,
    },
    smc::group::{cdc_slot, data_may_go, CdcSlot, Seat, SendBuffer},
};
use kernel::{prelude::*, sync::Arc};
use smc_proto::{ring::RdmaWrite, wire::cdc::Cdc};

impl Tx {
    /// Whether the peer does not know of all data yet.
    pub(super) fn is_unsent(&self) -> bool {
        self.out
            .as_ref()
            .is_some_and(|out| out.ring.unsent() > 0 || out.ring.report_due())
    }

    /// Whether a writer has enough room to be woken, as it has with TCP: a third
    /// of the buffer, and less unsent than TCP_NOTSENT_LOWAT says.
    pub(super) fn is_writable(&self, notsent_lowat: u32) -> bool {
        self.out.as_ref().is_some_and(|out| {
            let free = out.ring.writable();
            let used = out.ring.local().bytes().saturating_sub(free);
            free > 0 && free >= used / 2 && out.ring.unsent() < notsent_lowat
        })
    }

    /// Whether nothing of ours is under way, nor waits for its turn on the link: the last
    /// word of a connection may have to.
    pub(super) fn is_silent(&self) -> bool {
        self.pending == 0 && !(self.owed && self.out.is_some() && self.link.is_some())
    }

    /// Whether data may go.
    fn may_post(&self) -> bool {
        let said = self.closer.flags();
        !said.closed && !said.abort
    }

    /// How many bytes the next message may announce, if there are any that can go. What
    /// waits for more goes along with a message that goes `anyway`, unless it is the
    /// application that wants it to wait.
    fn data(&mut self, seat: &Seat, anyway: bool) -> Option<u32> {
        if !self.may_post() {
            return None;
        }
        let ring = &mut self.out.as_mut()?.ring;
        let waits = if anyway {
            ring.is_corked(&self.mode)
        } else {
            ring.holds_back(&self.mode, self.pending)
        };
        if waits || ring.plan(u32::MAX).is_none() {
            return None;
        }
        let most = self.out.as_ref()?.ring.most(self.is_shared(seat));
        Some(most).filter(|most| *most > 0)
    }

    /// Whether others send on the link as well.
    pub(super) fn is_shared(&self, seat: &Seat) -> bool {
        self.link.as_ref().is_some_and(|link| link.is_shared(seat))
    }

    fn is_sparse(&self) -> bool {
        self.out.as_ref().is_some_and(|out| out.ring.is_sparse())
    }

    /// Whether a message is due whatever data there are.
    fn is_due(&self) -> bool {
        self.owed || self.out.as_ref().is_some_and(|out| out.ring.report_due())
    }
}

impl Conn {
    /// Posts what is due; `tx` is held. False if there was no slot for some of it, or too
    /// much under way: there will be another turn, if the link is not gone.
    pub(super) fn push(this: &Arc<Task<Self>>, tx: &mut Tx) -> bool {
        // What is consumed after a message has said how much is, who consumes it reports.
        let mut told = false;
        while tx.out.is_some() {
            let due = |tx: &Tx| tx.is_due() || !told && this.rx.lock().ring.update_due();
            let mut data = tx.data(&this.seat, false);
            if data.is_none() {
                if !due(tx) {
                    return true;
                }
                data = tx.data(&this.seat, true);
            }
            let Some(link) = tx.link.clone() else {
                return true;
            };
            if data.is_some() && !tx.is_sparse() && !data_may_go(&link, &this.seat) {
                if !due(tx) {
                    return false;
                }
                data = None;
            }
            let slot = match cdc_slot(&link, &this.seat) {
                Ok(slot) => slot,
                Err(NoSlot::Later) => return false,
                Err(NoSlot::Down) => {
                    tx.link = None;
                    return true;
                }
            };
            if Self::post(this, tx, slot, data).is_err() {
                // The link is broken, which its group deals with. Data that were
                // planned are not written: no message may announce them.
                tx.link = None;
                return true;
            }
            told = true;
        }
        true
    }

    /// Posts a message, which announces at most `data` bytes more.
    fn post(this: &Arc<Task<Self>>, tx: &mut Tx, slot: CdcSlot<'_>, data: Option<u32>) -> Result {
        let state = tx.closer.flags();
        let shared = tx.is_shared(&this.seat);
        let (Some(out), Some(buf)) = (&mut tx.out, tx.sndbuf.as_ref().and_then(SendBuffer::buf))
        else {
            return Err(NetErrno::NotConn.into());
        };
        let mut writes = [const { None }; 2];
        if let Some(plan) = data.and_then(|most| out.ring.plan(most)) {
            for (to, write) in writes.iter_mut().zip(plan.writes()) {
                *to = Some(out.peer.remote(&write)?);
            }
            plan.commit();
            let (left, posted) = out.ring.under_way();
            tx.pace.begin(out.ring.in_flight(), left, posted, nanos);
        }
        let report = out.ring.report();
        let consumed = {
            let mut rx = this.rx.lock();
            let (room, at) = (rx.ring.awaited(), rx.ring.arrived());
            let beyond = rx.ring.beyond_window();
            rx.pace.begin(room, at, beyond, nanos);
            let consumed = rx.ring.report();
            rx.ring.reported(consumed.ticket);
            let slow = rx.pace.is_slow();
            rx.ring.set_link(slow, shared);
            consumed
        };
        let cdc = Cdc {
            seqno: report.seqno,
            token: out.peer.token,
            producer: report.producer,
            consumer: consumed.consumer,
            flags: report.flags,
            state,
            ..Cdc::default()
        };
        match writes {
            [None, _] => slot.post(this, &cdc, None, report.ticket)?,
            [Some(one), None] => slot.post(this, &cdc, Some((buf, &[one])), report.ticket)?,
            [Some(one), Some(two)] => {
                slot.post(this, &cdc, Some((buf, &[one, two])), report.ticket)?
            }
        }
        out.ring.reported(report.ticket);
        tx.pending += 1;
        tx.owed = false;
        Ok(())
    }
}

impl PeerEnd {
    /// The request for a write to the peer's ring.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the peer has told an impossible address.
    fn remote(&self, write: &RdmaWrite) -> Result<RemoteWrite> {
        let mut pieces = [(0, 0); 2];
        for (to, piece) in pieces.iter_mut().zip(write.local.iter()) {
            *to = (piece.offset, piece.len);
        }
        Ok(RemoteWrite {
            remote: self
                .base
                .checked_add(write.remote_offset.into())
                .ok_or(EINVAL)?,
            rkey: self.rkey,
            pieces,
        })
    }
}
