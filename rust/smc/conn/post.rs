// SPDX-License-Identifier: GPL-2.0

//! Posting: RDMA writes, and the CDC message that announces them.

use super::{Conn, Outlet, PeerEnd, Tx};
use crate::{
    abstractions::{
        net::errno::NetErrno,
        rdma::{NoSlot, RemoteWrite},
        work::Task,
    },
    smc::group::{cdc_slot, CdcSlot, SendBuffer},
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

    /// Whether data may go.
    fn may_post(&self) -> bool {
        let said = self.closer.flags();
        !said.closed && !said.abort
    }

    fn has_data(&mut self) -> bool {
        let ready =
            |out: &Outlet| self.may_post() && !out.ring.holds_back(&self.mode, self.pending);
        if !self.out.as_ref().is_some_and(ready) {
            return false;
        }
        let shared = self.is_shared();
        self.out
            .as_mut()
            .is_some_and(|out| out.ring.plan(out.ring.most(shared)).is_some())
    }

    fn is_shared(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.is_shared())
    }

    /// Whether a message is due.
    fn is_due(&mut self) -> bool {
        self.owed || self.has_data() || self.out.as_ref().is_some_and(|out| out.ring.report_due())
    }
}

impl Conn {
    /// Posts what is due; `tx` is held. False if there was no slot for some of it:
    /// there will be another turn, if the link is not gone.
    pub(super) fn push(this: &Arc<Task<Self>>, tx: &mut Tx) -> bool {
        while tx.out.is_some() && (tx.is_due() || this.rx.lock().ring.update_due()) {
            let Some(link) = tx.link.clone() else {
                return true;
            };
            let slot = match cdc_slot(&link, &this.seat) {
                Ok(slot) => slot,
                Err(NoSlot::Later) => return false,
                Err(NoSlot::Down) => {
                    tx.link = None;
                    return true;
                }
            };
            if Self::post(this, tx, slot).is_err() {
                // The link is broken, which its group deals with. Data that were
                // planned are not written: no message may announce them.
                tx.link = None;
                return true;
            }
        }
        true
    }

    fn post(this: &Arc<Task<Self>>, tx: &mut Tx, slot: CdcSlot<'_>) -> Result {
        // A message that goes anyway takes along what is there, unless the
        // application wants that to wait.
        let corked = |out: &Outlet| out.ring.is_corked(&tx.mode);
        let along = tx.may_post() && !tx.out.as_ref().is_some_and(corked);
        let state = tx.closer.flags();
        let shared = tx.is_shared();
        let (Some(out), Some(buf)) = (&mut tx.out, tx.sndbuf.as_ref().and_then(SendBuffer::buf))
        else {
            return Err(NetErrno::NotConn.into());
        };
        let mut writes = [const { None }; 2];
        if let Some(plan) = along
            .then(|| out.ring.plan(out.ring.most(shared)))
            .flatten()
        {
            for (to, write) in writes.iter_mut().zip(plan.writes()) {
                *to = Some(out.peer.remote(&write)?);
            }
            plan.commit();
        }
        let report = out.ring.report();
        let consumed = {
            let mut rx = this.rx.lock();
            let consumed = rx.ring.report();
            rx.ring.reported(consumed.ticket);
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
