// SPDX-License-Identifier: GPL-2.0

//! What is sent on a queue pair.
//!
//! A send slot is the memory of a message, with what has to stay until the
//! message has left. It is taken, posted as one chain of work requests the last
//! of which is reported, and free again when that has been reported.

use super::{
    dma::DmaBuf,
    endpoint::{Endpoint, SendStatus, MESSAGE_LEN},
    mr::{self, Mr},
    qp::Qp,
};
use crate::abstractions::net::errno::NetErrno;
use core::{
    cell::UnsafeCell,
    mem::{forget, offset_of, zeroed},
    ptr,
};
use kernel::{ffi::c_int, prelude::*, sync::Arc, types::Opaque};
use smc_bindings as bindings;

/// What stays with a slot until its message has left.
struct Parcel<C> {
    /// None if the caller was told that it could not be posted, though some of it
    /// is on its way.
    ctx: Option<C>,
    _buf: Option<Arc<DmaBuf>>,
    _mr: Option<Arc<Mr>>,
}

/// # Invariants
///
/// `qp` is the queue pair that has the slot. `parcel` belongs to who has taken
/// the slot, and from being posted on to its completion.
pub(super) struct Slot<T: Endpoint> {
    message: Opaque<bindings::ib_cqe>,
    write: Opaque<bindings::ib_cqe>,
    qp: *const Qp<T>,
    index: u16,
    parcel: UnsafeCell<Option<Parcel<T::Context>>>,
}

/// An entry for completions that `done` is told of.
pub(super) fn completion(
    done: unsafe extern "C" fn(*mut bindings::ib_cq, *mut bindings::ib_wc),
) -> Opaque<bindings::ib_cqe> {
    Opaque::new(bindings::ib_cqe { done: Some(done) })
}

impl<T: Endpoint> Slot<T> {
    /// The slots of `qp`, which is not initialised yet.
    pub(super) fn all(qp: *const Qp<T>, count: u16) -> Result<KVec<Self>> {
        let mut all = KVec::with_capacity(count.into(), GFP_KERNEL)?;
        for index in 0..count {
            let slot = Self {
                message: completion(Self::sent),
                write: completion(Self::written),
                qp,
                index,
                parcel: UnsafeCell::new(None),
            };
            all.push(slot, GFP_KERNEL)?;
        }
        Ok(all)
    }

    /// What was posted and has not come back.
    ///
    /// # Safety
    ///
    /// Nothing is posted, and nothing will come back any more.
    pub(super) unsafe fn take_lost(&self) -> Option<T::Context> {
        // SAFETY: nobody has taken the slot and still touches the parcel: that is
        // done with the gate open only.
        unsafe { (*self.parcel.get()).take() }.and_then(|parcel| parcel.ctx)
    }

    /// # Safety
    ///
    /// Called with a completion of the message of a slot that was posted.
    unsafe extern "C" fn sent(_cq: *mut bindings::ib_cq, wc: *mut bindings::ib_wc) {
        // SAFETY: the entry is in a slot, the parcel of which nobody else touches.
        // The queue pair is not freed before it is drained, and so not before this
        // returns.
        let (qp, index, status, parcel) = unsafe {
            let cqe = (*wc).__bindgen_anon_1.wr_cqe;
            let slot: *const Self = cqe.byte_sub(offset_of!(Self, message)).cast();
            let status = SendStatus::from_raw((*wc).status);
            let parcel = (*(*slot).parcel.get()).take();
            (&*(*slot).qp, (*slot).index, status, parcel)
        };
        let this = Qp::upgrade(qp);
        if let Some(this) = &this {
            Qp::note(this, status);
            if let Some(ctx) = parcel.and_then(|parcel| parcel.ctx) {
                T::sent(this, ctx, status);
            }
        }
        if qp.put_slot(index) {
            if let Some(this) = &this {
                T::slot_free(this);
            }
        }
    }

    /// # Safety
    ///
    /// Called with a completion of what comes before the message of a slot that was
    /// posted; only requests that fail have one.
    unsafe extern "C" fn written(_cq: *mut bindings::ib_cq, wc: *mut bindings::ib_wc) {
        // SAFETY: as in `sent`.
        let (qp, status) = unsafe {
            let cqe = (*wc).__bindgen_anon_1.wr_cqe;
            let slot: *const Self = cqe.byte_sub(offset_of!(Self, write)).cast();
            (&*(*slot).qp, SendStatus::from_raw((*wc).status))
        };
        if let Some(this) = Qp::upgrade(qp) {
            Qp::note(&this, status);
        }
    }
}

/// A write into a peer's memory.
#[derive(Clone, Copy, Default)]
pub(crate) struct RemoteWrite {
    /// Where it goes.
    pub(crate) remote: u64,
    /// The key of the peer's region.
    pub(crate) rkey: u32,
    /// Offset in the source, and length, of what is written; one may be empty.
    pub(crate) pieces: [(u32, u32); 2],
}

impl RemoteWrite {
    /// How many bytes are written.
    pub(crate) fn bytes(&self) -> u32 {
        let len = |sum: u32, (_, len): &(u32, u32)| sum.saturating_add(*len);
        self.pieces.iter().fold(0, len)
    }
}

/// Writes of one slot.
pub(super) const WRITES: usize = 2;

/// Work requests of one slot.
pub(super) const REQUESTS: u32 = WRITES as u32 + 1;

/// A send slot that was taken. Dropped, it is free again.
///
/// # Invariants
///
/// The slot with this index is taken, and not posted.
pub(crate) struct SendSlot<'a, T: Endpoint> {
    qp: &'a Qp<T>,
    index: u16,
}

impl<T: Endpoint> Drop for SendSlot<'_, T> {
    fn drop(&mut self) {
        if self.qp.put_slot(self.index) {
            Qp::tell_slot_free(&self.qp.into());
        }
    }
}

/// What a failed post gives back.
type Refused<T> = (Error, <T as Endpoint>::Context);

impl<'a, T: Endpoint> SendSlot<'a, T> {
    /// # Safety
    ///
    /// The slot is taken, and the caller gives it up to the result.
    pub(super) unsafe fn from_taken(qp: &'a Qp<T>, index: u16) -> Self {
        // INVARIANT: by this function's contract.
        Self { qp, index }
    }

    /// Sends `message` after these writes, if there are any: the peer has them
    /// when it has the message. `ctx` comes back by [`Endpoint::sent`]. The bytes
    /// of the source must not change before. Any context but hard interrupts.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the message is longer than [`MESSAGE_LEN`], there are more than
    /// two writes, or the source is not in one piece, not of the device, or too
    /// short for them;
    /// `ENOTCONN` if the queue pair is closed; what the driver gives, which breaks
    /// the connection. Nothing comes back then.
    pub(crate) fn post(
        self,
        message: &[u8],
        writes: Option<(&Arc<DmaBuf>, &[RemoteWrite])>,
        ctx: T::Context,
    ) -> Result<(), Refused<T>> {
        // SAFETY: all-zero bytes are valid for each of these.
        let (mut requests, mut pieces): ([bindings::ib_rdma_wr; WRITES], [_; WRITES]) =
            unsafe { (zeroed(), zeroed()) };
        let (source, writes) = match writes {
            Some((source, writes)) => (Some(source), writes),
            None => (None, Default::default()),
        };
        let (mut last, mut sge) = match self
            .prepare(source, writes, &mut requests, &mut pieces)
            .and_then(|()| self.message(message))
        {
            Ok(last) => last,
            Err(e) => return Err((e, ctx)),
        };
        last.sg_list = &mut sge;
        // Those in use, in their order, and the message.
        let mut next: *mut bindings::ib_send_wr = &mut last;
        for request in requests.iter_mut().rev() {
            if request.wr.num_sge != 0 {
                request.wr.next = next;
                next = &mut request.wr;
            }
        }
        let parcel = Parcel {
            ctx: Some(ctx),
            _buf: source.cloned(),
            _mr: None,
        };
        // SAFETY: a chain that ends with the message, and only mentions the source,
        // the slot's memory, and, for bytes that are copied, `message`.
        unsafe { self.commit(next, parcel) }
    }

    /// Makes `requests` of `writes`, with the addresses of `pieces` in them.
    fn prepare(
        &self,
        source: Option<&Arc<DmaBuf>>,
        writes: &[RemoteWrite],
        requests: &mut [bindings::ib_rdma_wr; WRITES],
        pieces: &mut [[bindings::ib_sge; 2]; WRITES],
    ) -> Result {
        if writes.len() > WRITES {
            return Err(EINVAL);
        }
        let Some(source) = source else { return Ok(()) };
        if source.device() != self.qp.pd().device() {
            return Err(EINVAL);
        }
        let base = source.dma_address().ok_or(EINVAL)?;
        let most = self.qp.inline_len();
        let lkey = self.qp.pd().local_dma_lkey();
        let slot = self.qp.send_slot(self.index).ok_or(EINVAL)?;
        for ((write, request), sges) in writes.iter().zip(requests).zip(pieces) {
            let inline = write.bytes() <= most;
            let mut count = 0;
            let used = write.pieces.iter().filter(|(_, len)| *len != 0);
            for ((off, len), sge) in used.zip(sges.iter_mut()) {
                let (at, n) = (*off as usize, *len as usize);
                let virt = source.at(at, n).ok_or(EINVAL)?;
                let addr = if inline {
                    virt.as_ptr() as u64
                } else {
                    source.sync_for_device(at, n);
                    base + u64::from(*off)
                };
                *sge = bindings::ib_sge {
                    addr,
                    length: *len,
                    lkey,
                };
                count += 1;
            }
            request.wr.__bindgen_anon_1.wr_cqe = slot.write.get();
            request.wr.sg_list = sges.as_mut_ptr();
            request.wr.num_sge = count;
            request.wr.opcode = bindings::ib_wr_opcode_IB_WR_RDMA_WRITE;
            if inline {
                request.wr.send_flags = bindings::ib_send_flags_IB_SEND_INLINE as c_int;
            }
            request.remote_addr = write.remote;
            request.rkey = write.rkey;
        }
        Ok(())
    }

    /// A request to send `message`, and where that is: within the call that posts it
    /// if it goes in the request, else in the slot's memory.
    fn message(&self, message: &[u8]) -> Result<(bindings::ib_send_wr, bindings::ib_sge)> {
        let length = u32::try_from(message.len()).map_err(|_| EINVAL)?;
        if message.len() > MESSAGE_LEN {
            return Err(EINVAL);
        }
        let mut wr = self.last(bindings::ib_wr_opcode_IB_WR_SEND)?;
        // The C module asks to be woken by solicited events only.
        wr.send_flags |= bindings::ib_send_flags_IB_SEND_SOLICITED as c_int;
        wr.num_sge = 1;
        let addr = if length <= self.qp.inline_len() {
            wr.send_flags |= bindings::ib_send_flags_IB_SEND_INLINE as c_int;
            message.as_ptr() as u64
        } else {
            let (buf, off) = self.qp.send_memory().item(self.index).ok_or(EINVAL)?;
            buf.put(off, message)?;
            buf.sync_for_device(off, message.len());
            buf.dma_address().ok_or(EINVAL)? + off as u64
        };
        let sge = bindings::ib_sge {
            addr,
            length,
            lkey: self.qp.pd().local_dma_lkey(),
        };
        Ok((wr, sge))
    }

    /// A request with the completion that frees the slot.
    fn last(&self, opcode: bindings::ib_wr_opcode) -> Result<bindings::ib_send_wr> {
        let slot = self.qp.send_slot(self.index).ok_or(EINVAL)?;
        // SAFETY: all-zero bytes are a valid `struct ib_send_wr`.
        let mut wr: bindings::ib_send_wr = unsafe { zeroed() };
        wr.__bindgen_anon_1.wr_cqe = slot.message.get();
        wr.opcode = opcode;
        wr.send_flags = bindings::ib_send_flags_IB_SEND_SIGNALED as c_int;
        Ok(wr)
    }

    /// Registers `mr`: peers can use it when `ctx` has come back with
    /// [`SendStatus::Ok`]. Any context but hard interrupts.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is not of the queue pair's domain, else as
    /// [`SendSlot::post`].
    pub(crate) fn register(self, mr: &Arc<Mr>, ctx: T::Context) -> Result<(), Refused<T>> {
        if !ptr::eq(&**mr.pd(), &**self.qp.pd()) {
            return Err((EINVAL, ctx));
        }
        let (wr, clear) = match self
            .last(bindings::ib_wr_opcode_IB_WR_REG_MR)
            .and_then(|wr| Ok((wr, self.clear(mr)?)))
        {
            Ok(both) => both,
            Err(e) => return Err((e, ctx)),
        };
        let wr = bindings::ib_reg_wr {
            wr,
            mr: mr.as_ptr(),
            key: mr.rkey(),
            access: mr::ACCESS,
        };
        let parcel = Parcel {
            ctx: Some(ctx),
            _buf: None,
            _mr: Some(mr.clone()),
        };
        let mut first: *const bindings::ib_send_wr = ptr::from_ref(&wr).cast();
        let cleared;
        if let Some(mut clear) = clear {
            clear.next = first.cast_mut();
            cleared = clear;
            first = &cleared;
        }
        // SAFETY: one request, of the kind that is part of an `ib_reg_wr`, as its
        // opcode says, maybe with one before it; they only mention the region.
        unsafe { self.commit(first, parcel) }
    }

    /// What has to come before the registration of `mr`.
    ///
    /// Soft-RoCE executes a registration once more if it has to repeat a message before
    /// it, finds the region in use, and gives up the queue pair. It begins a local
    /// invalidation when all before it is acknowledged, and repeats nothing before the
    /// registration from then on. Other devices do without: the region is new to them.
    fn clear(&self, mr: &Mr) -> Result<Option<bindings::ib_send_wr>> {
        // RoCE, and does no DMA: there is one such driver.
        if !self.qp.pd().device().is_virtual() {
            return Ok(None);
        }
        let slot = self.qp.send_slot(self.index).ok_or(EINVAL)?;
        // SAFETY: all-zero bytes are a valid `struct ib_send_wr`.
        let mut wr: bindings::ib_send_wr = unsafe { zeroed() };
        wr.__bindgen_anon_1.wr_cqe = slot.write.get();
        wr.opcode = bindings::ib_wr_opcode_IB_WR_LOCAL_INV;
        wr.ex.invalidate_rkey = mr.rkey();
        Ok(Some(wr))
    }

    /// # Safety
    ///
    /// `first` is a valid chain, the last request of which has the slot's
    /// completion. It mentions no memory but the slot's and the parcel's, except in
    /// requests with IB_SEND_INLINE, which the queue pair takes at this length: that
    /// memory is there while this is called.
    unsafe fn commit(
        self,
        first: *const bindings::ib_send_wr,
        parcel: Parcel<T::Context>,
    ) -> Result<(), Refused<T>> {
        let Some(slot) = self.qp.send_slot(self.index) else {
            return parcel.ctx.map_or(Ok(()), |ctx| Err((EINVAL, ctx)));
        };
        let mut parcel = Some(parcel);
        let mut back = None;
        let mut bad = first;
        let ret = self.qp.with_open(|raw| {
            // SAFETY: the slot is taken, so its parcel is ours. The queue pair is
            // there while the gate is open; the requests are copied, with what is
            // inline, and what else they mention stays with the slot.
            unsafe {
                *slot.parcel.get() = parcel.take();
                let ret = bindings::ib_post_send(raw, first, &mut bad);
                if ret != 0 {
                    let kept = &mut *slot.parcel.get();
                    back = kept.as_mut().and_then(|kept| kept.ctx.take());
                    // What comes before `bad` is on its way: its memory stays until
                    // the queue pair is closed.
                    if ptr::eq(bad, first) {
                        *kept = None;
                    }
                }
                ret
            }
        });
        // A context that is not there any more has come back already.
        let refuse = |e, ctx: Option<T::Context>| ctx.map_or(Ok(()), |ctx| Err((e, ctx)));
        match ret {
            Some(0) => {
                forget(self);
                Ok(())
            }
            Some(e) => {
                // There is room for what is posted: nothing mends that.
                Qp::break_down(&self.qp.into());
                if !ptr::eq(bad, first) {
                    forget(self);
                }
                refuse(Error::from_errno(e), back)
            }
            None => refuse(
                NetErrno::NotConn.into(),
                parcel.and_then(|parcel| parcel.ctx),
            ),
        }
    }
}
