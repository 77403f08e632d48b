// SPDX-License-Identifier: GPL-2.0

//! The states of a queue pair, from its first port to its end.

use super::{Qp, Verbs};
use crate::abstractions::{
    net::errno::NetErrno,
    rdma::{
        endpoint::{Endpoint, Path, SendStatus},
        mr,
    },
};
use core::{
    mem::{forget, zeroed},
    ptr,
};
use kernel::{
    error::to_result,
    ffi::c_int,
    prelude::*,
    types::{ARef, AlwaysRefCounted},
};
use smc_bindings as bindings;

/// How long to wait for an acknowledgement: 4.096 µs · 2¹⁷, half a second, or up to
/// four times that as hardware rounds it. All tries together are to outlast a virtual
/// machine that does not run for a second or two: the link is all that a group has.
const TIMEOUT: u8 = 17;
/// How often to try again. A peer that is not ready is tried for ever.
const RETRY: u8 = 7;
/// How long a peer is asked to wait if this end is not ready: 0.06 ms.
const MIN_RNR_TIMER: u8 = 5;

/// What the first change of the state sets, and that it does.
fn begin(attr: &mut bindings::ib_qp_attr, port: u32) -> bindings::ib_qp_attr_mask {
    attr.pkey_index = 0;
    attr.port_num = port;
    attr.qp_access_flags = mr::ACCESS;
    bindings::ib_qp_attr_mask_IB_QP_PKEY_INDEX
        | bindings::ib_qp_attr_mask_IB_QP_PORT
        | bindings::ib_qp_attr_mask_IB_QP_ACCESS_FLAGS
}

impl<T: Endpoint> Qp<T> {
    /// Changes the state by `change`, which gives the attributes that it has set.
    fn modify(
        &self,
        state: bindings::ib_qp_state,
        change: impl FnOnce(&mut bindings::ib_qp_attr) -> bindings::ib_qp_attr_mask,
    ) -> Result {
        let mut verbs = self.verbs.lock();
        let verbs = verbs.as_mut().ok_or(NetErrno::NotConn)?;
        // SAFETY: all-zero bytes are a valid `struct ib_qp_attr`.
        let mut attr: bindings::ib_qp_attr = unsafe { zeroed() };
        attr.qp_state = state;
        let mask = change(&mut attr) | bindings::ib_qp_attr_mask_IB_QP_STATE;
        // SAFETY: alive, by the type invariant; the attributes are complete, or the
        // core complains.
        to_result(unsafe { bindings::ib_modify_qp(verbs.qp.as_ptr(), &mut attr, mask as c_int) })
            .inspect_err(|_| verbs.failed = true)
    }

    /// Begins, on a port of the device, and is ready for messages that may come as
    /// soon as the peer can send. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `ENOTCONN` if it is closed, else what the driver gives.
    pub(crate) fn init(&self, port: u32) -> Result {
        self.modify(bindings::ib_qp_state_IB_QPS_INIT, |attr| begin(attr, port))?;
        if let Some(verbs) = &mut *self.verbs.lock() {
            verbs.port = Some(port);
        }
        for slot in &self.recv_slots[..] {
            slot.post(self)?;
        }
        Ok(())
    }

    /// Accepts packets from the peer. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// As [`Qp::init`]; `EINVAL` if the path is another device's.
    pub(crate) fn ready_to_receive(&self, path: &Path<'_>) -> Result {
        if path.gid.device() != self.pd.device() {
            return Err(EINVAL);
        }
        self.modify(bindings::ib_qp_state_IB_QPS_RTR, |attr| {
            let ah = &mut attr.ah_attr;
            ah.type_ = bindings::rdma_ah_attr_type_RDMA_AH_ATTR_TYPE_ROCE;
            ah.port_num = path.gid.port();
            ah.ah_flags = bindings::ib_ah_flags_IB_AH_GRH as u8;
            ah.grh.sgid_attr = path.gid.as_ptr();
            ah.grh.sgid_index = path.gid.index() as u8;
            ah.grh.hop_limit = path.hop_limit;
            ah.grh.dgid.raw = path.dgid;
            ah.__bindgen_anon_1.roce.dmac = path.dmac;
            attr.path_mtu = path.mtu.number().into();
            attr.dest_qp_num = path.dest_qpn;
            attr.rq_psn = path.rq_psn & 0x00ff_ffff;
            attr.max_dest_rd_atomic = 1;
            attr.min_rnr_timer = MIN_RNR_TIMER;
            bindings::ib_qp_attr_mask_IB_QP_AV
                | bindings::ib_qp_attr_mask_IB_QP_PATH_MTU
                | bindings::ib_qp_attr_mask_IB_QP_DEST_QPN
                | bindings::ib_qp_attr_mask_IB_QP_RQ_PSN
                | bindings::ib_qp_attr_mask_IB_QP_MAX_DEST_RD_ATOMIC
                | bindings::ib_qp_attr_mask_IB_QP_MIN_RNR_TIMER
        })
    }

    /// From now on slots may be posted. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// As [`Qp::init`].
    pub(crate) fn ready_to_send(&self) -> Result {
        self.modify(bindings::ib_qp_state_IB_QPS_RTS, |attr| {
            attr.timeout = TIMEOUT;
            attr.retry_cnt = RETRY;
            attr.rnr_retry = RETRY;
            attr.sq_psn = self.psn;
            attr.max_rd_atomic = 1;
            bindings::ib_qp_attr_mask_IB_QP_TIMEOUT
                | bindings::ib_qp_attr_mask_IB_QP_RETRY_CNT
                | bindings::ib_qp_attr_mask_IB_QP_RNR_RETRY
                | bindings::ib_qp_attr_mask_IB_QP_SQ_PSN
                | bindings::ib_qp_attr_mask_IB_QP_MAX_QP_RD_ATOMIC
        })
    }

    /// Ends the connection for good: when it returns, everything posted has come
    /// back, and nothing can be posted any more. Process context; sleeps. Not in
    /// [`Endpoint::received`], [`Endpoint::sent`] and [`Endpoint::slot_free`].
    pub(crate) fn close(&self) {
        let this = ARef::from(self);
        self.shut(|ctx| T::sent(&this, ctx, SendStatus::Flushed));
    }

    /// Destroys the queue pair; `lost` gets what the driver has not given back.
    pub(super) fn shut(&self, mut lost: impl FnMut(T::Context)) {
        // Who closes it a second time waits here.
        let mut verbs = self.verbs.lock();
        let Some(verbs) = verbs.take() else {
            return;
        };
        let Verbs { qp, cq, .. } = verbs;
        self.gate.lock().qp = ptr::null_mut();
        // SAFETY: all-zero bytes are a valid `struct ib_qp_attr`.
        let mut attr: bindings::ib_qp_attr = unsafe { zeroed() };
        attr.qp_state = bindings::ib_qp_state_IB_QPS_RESET;
        // SAFETY: alive and owned. Nobody posts any more, and there is room for
        // what draining posts. The completion queue is given back afterwards.
        let ret = unsafe {
            let state = bindings::ib_qp_attr_mask_IB_QP_STATE;
            if let Some(port) = verbs.port {
                if verbs.failed {
                    // Without memory for a change, soft-RoCE gives back nothing that was
                    // posted until it begins anew: draining would wait for ever.
                    let _ = bindings::ib_modify_qp(qp.as_ptr(), &mut attr, state as c_int);
                    attr.qp_state = bindings::ib_qp_state_IB_QPS_INIT;
                    let mask = state | begin(&mut attr, port);
                    let _ = bindings::ib_modify_qp(qp.as_ptr(), &mut attr, mask as c_int);
                    attr.qp_state = bindings::ib_qp_state_IB_QPS_RESET;
                }
                bindings::ib_drain_qp(qp.as_ptr());
                // The peer may still send. Soft-RoCE is not up to a packet that it
                // receives, in softirq, while the queue pair is destroyed; in this
                // state it drops what comes. If it cannot be had, the next step
                // does without.
                let _ = bindings::ib_modify_qp(qp.as_ptr(), &mut attr, state as c_int);
                if self.pd.device().is_virtual() {
                    bindings::synchronize_rcu();
                }
            }
            bindings::ib_destroy_qp(qp.as_ptr())
        };
        if ret != 0 {
            // The driver may go on using it: nothing is freed, ever.
            pr_err!("a queue pair cannot be destroyed: {}\n", ret);
            self.inc_ref();
            forget(cq);
            return;
        }
        drop(cq);
        for slot in &self.send_slots[..] {
            // SAFETY: the gate is closed and the queue pair is gone.
            if let Some(ctx) = unsafe { slot.take_lost() } {
                lost(ctx);
            }
        }
    }
}
