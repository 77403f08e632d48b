// SPDX-License-Identifier: GPL-2.0

//! Where messages of the peer go.

use super::{
    endpoint::{Endpoint, SendStatus},
    qp::{Qp, QpRef},
    slot::completion,
};
use core::{
    mem::{offset_of, zeroed},
    ptr, slice,
};
use kernel::{error::to_result, prelude::*, types::Opaque};
use smc_bindings as bindings;

/// # Invariants
///
/// `qp` is the queue pair that has the slot.
pub(super) struct RecvSlot<T: Endpoint> {
    cqe: Opaque<bindings::ib_cqe>,
    qp: *const Qp<T>,
    index: u16,
}

impl<T: Endpoint> RecvSlot<T> {
    /// The slots of `qp`, which is not initialised yet.
    pub(super) fn all(qp: *const Qp<T>, count: u16) -> Result<KVec<Self>> {
        let mut all = KVec::with_capacity(count.into(), GFP_KERNEL)?;
        for index in 0..count {
            let slot = Self {
                cqe: completion(Self::received),
                qp,
                index,
            };
            all.push(slot, GFP_KERNEL)?;
        }
        Ok(all)
    }

    /// # Safety
    ///
    /// Called with a completion of a slot that was posted.
    unsafe extern "C" fn received(_cq: *mut bindings::ib_cq, wc: *mut bindings::ib_wc) {
        // SAFETY: the entry is in a slot. The queue pair is not freed before it is
        // drained, and so not before this returns.
        let (slot, this, wc) = unsafe {
            let cqe = (*wc).__bindgen_anon_1.wr_cqe;
            let slot: *const Self = cqe.byte_sub(offset_of!(Self, cqe)).cast();
            (&*slot, Qp::upgrade(&*(*slot).qp), &*wc)
        };
        let Some(this) = this else { return };
        let status = SendStatus::from_raw(wc.status);
        Qp::note(&this, status);
        if status != SendStatus::Ok {
            return;
        }
        // An RDMA write with immediate data takes a slot as well, but leaves no
        // message there: what one would find is an earlier one.
        let is_message = wc.opcode == bindings::ib_wc_opcode_IB_WC_RECV;
        if !is_message || slot.deliver(&this, wc.byte_len).is_err() {
            Qp::break_down(&this);
        }
    }

    fn deliver(&self, this: &QpRef<T>, len: u32) -> Result {
        let len = usize::try_from(len.min(this.recv_len())).map_err(|_| EINVAL)?;
        let (buf, off) = this.recv_memory().item(self.index).ok_or(EINVAL)?;
        buf.sync_for_cpu(off, len);
        let at = buf.at(off, len).ok_or(EINVAL)?;
        // SAFETY: within the buffer, that part of which the device is done with:
        // it is not posted again before the slice has gone.
        T::received(this, unsafe { slice::from_raw_parts(at.as_ptr(), len) });
        buf.sync_for_device(off, len);
        self.post(this)
    }

    /// Posts the slot, unless the queue pair is closed. Any context but hard
    /// interrupts.
    pub(super) fn post(&self, qp: &Qp<T>) -> Result {
        let (buf, off) = qp.recv_memory().item(self.index).ok_or(EINVAL)?;
        let mut sge = bindings::ib_sge {
            addr: buf.dma_address().ok_or(EINVAL)? + off as u64,
            length: qp.recv_len(),
            lkey: qp.pd().local_dma_lkey(),
        };
        // SAFETY: all-zero bytes are a valid `struct ib_recv_wr`.
        let mut wr: bindings::ib_recv_wr = unsafe { zeroed() };
        wr.__bindgen_anon_1.wr_cqe = self.cqe.get();
        wr.sg_list = &mut sge;
        wr.num_sge = 1;
        qp.with_open(|raw| {
            let mut bad = ptr::null();
            // SAFETY: the queue pair is there while the gate is open. The request
            // is copied; the entry in it and the memory stay until it is drained.
            to_result(unsafe { bindings::ib_post_recv(raw, &wr, &mut bad) })
        })
        .unwrap_or(Ok(()))
    }
}
