// SPDX-License-Identifier: GPL-2.0

//! Queue pairs: reliable connections, one message or write after the other.

use super::{
    cq::Cq,
    dma::Direction,
    endpoint::{Endpoint, NoSlot, Path, QpSizes, SendStatus, MESSAGE_LEN},
    mr,
    pd::Pd,
    pool::Pool,
    recv::RecvSlot,
    slot::{SendSlot, Slot, REQUESTS},
    TEARDOWN,
};
use crate::abstractions::{
    net::errno::NetErrno,
    random,
    sync::{new_spinlock_bh, SpinLockBh},
};
use core::{
    mem::{forget, offset_of, replace, zeroed},
    ops::Deref,
    ptr::{self, NonNull},
    sync::atomic::{AtomicU32, AtomicU8, AtomicUsize, Ordering},
};
use kernel::{
    error::{from_err_ptr, to_result},
    ffi::{c_int, c_void},
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
    types::{ARef, AlwaysRefCounted, Opaque},
};
use smc_bindings as bindings;

/// A reference to a queue pair. Any context may drop it.
pub(crate) type QpRef<T> = ARef<Qp<T>>;

/// A queue pair with an `T`.
///
/// # Invariants
///
/// `refs` counts the references, of which `work` owns one while it is pending,
/// unless `refs` is zero: then the work frees the queue pair. The gate has the
/// queue pair of `verbs` while there is one and it is not being closed.
#[pin_data]
pub(crate) struct Qp<T: Endpoint> {
    refs: AtomicUsize,
    due: AtomicU8,
    #[pin]
    work: Opaque<bindings::work_struct>,
    num: AtomicU32,
    psn: u32,
    recv_len: u32,
    #[pin]
    verbs: Mutex<Option<Verbs>>,
    #[pin]
    gate: SpinLockBh<Gate>,
    send_slots: KVec<Slot<T>>,
    recv_slots: KVec<RecvSlot<T>>,
    send_memory: Pool,
    recv_memory: Pool,
    pd: Arc<Pd>,
    #[pin]
    data: T,
}

/// What the first change of the state sets, and that it does.
fn begin(attr: &mut bindings::ib_qp_attr, port: u32) -> bindings::ib_qp_attr_mask {
    attr.pkey_index = 0;
    attr.port_num = port;
    attr.qp_access_flags = mr::ACCESS;
    bindings::ib_qp_attr_mask_IB_QP_PKEY_INDEX
        | bindings::ib_qp_attr_mask_IB_QP_PORT
        | bindings::ib_qp_attr_mask_IB_QP_ACCESS_FLAGS
}

/// It is known that the connection has broken.
const BROKEN: u8 = 1;
/// [`Endpoint::broken`] is to be called.
const TELL_BROKEN: u8 = 2;
/// [`Endpoint::slot_free`] is to be called.
const TELL_SLOT: u8 = 4;

/// # Invariants
///
/// `qp` is live and owned, and `cq` has room for its completions.
struct Verbs {
    qp: NonNull<bindings::ib_qp>,
    cq: Cq,
    /// The port, once it has left its first state, and something may be posted.
    port: Option<u32>,
    /// A change of its state has failed.
    failed: bool,
}

// SAFETY: a queue pair may be used and destroyed by any thread.
unsafe impl Send for Verbs {}

/// What who posts has to pass.
///
/// # Invariants
///
/// The first `count` entries of `free` are the slots that are free.
struct Gate {
    qp: *mut bindings::ib_qp,
    free: KVec<u16>,
    count: usize,
    wanted: bool,
}

// SAFETY: the pointer is used by who has the lock.
unsafe impl Send for Gate {}

impl Gate {
    fn new(slots: u16) -> Result<Self> {
        let mut free = KVec::with_capacity(slots.into(), GFP_KERNEL)?;
        for index in 0..slots {
            free.push(index, GFP_KERNEL)?;
        }
        Ok(Self {
            qp: ptr::null_mut(),
            free,
            count: slots.into(),
            wanted: false,
        })
    }
}

// SAFETY: the slots and the gate say at each access who may touch what; the rest
// is `Send`.
unsafe impl<T: Endpoint> Send for Qp<T> {}
// SAFETY: as above; the work is only touched by the workqueue's functions.
unsafe impl<T: Endpoint> Sync for Qp<T> {}

// SAFETY: `refs` counts; the last one has the queue pair freed.
unsafe impl<T: Endpoint> AlwaysRefCounted for Qp<T> {
    fn inc_ref(&self) {
        self.refs.fetch_add(1, Ordering::Relaxed);
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: the caller gives up a reference of its own.
        let this = unsafe { obj.as_ref() };
        if this.refs.fetch_sub(1, Ordering::AcqRel) == 1 {
            // SAFETY: initialised. It is not pending: it would have a reference.
            // Its function frees it, in process context.
            unsafe { TEARDOWN.queue(this.work.get()) };
        }
    }
}

impl<T: Endpoint> Deref for Qp<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T: Endpoint> Qp<T> {
    /// A queue pair around `data`. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, what `data` gives, or what the driver does.
    pub(crate) fn new(
        pd: &Arc<Pd>,
        sizes: QpSizes,
        data: impl PinInit<T, Error>,
    ) -> Result<QpRef<T>> {
        let device = pd.device();
        // One each for draining.
        let send = u32::from(sizes.send_slots) * REQUESTS + 1;
        let recv = u32::from(sizes.recv_slots) + 1;
        let cq = Cq::get(device, send + recv)?;
        let recv_len = usize::try_from(sizes.recv_len).map_err(|_| EINVAL)?;
        let send_memory = Pool::new(
            device,
            sizes.send_slots.into(),
            MESSAGE_LEN,
            Direction::ToDevice,
        )?;
        let recv_memory = Pool::new(
            device,
            sizes.recv_slots.into(),
            recv_len,
            Direction::FromDevice,
        )?;
        let gate = Gate::new(sizes.send_slots)?;
        let qp = KBox::pin_init(
            try_pin_init!(&this in Self {
                refs: AtomicUsize::new(1),
                due: AtomicU8::new(0),
                work <- Opaque::ffi_init(|slot: *mut bindings::work_struct| {
                    // SAFETY: `slot` may be written and does not move afterwards.
                    unsafe { bindings::init_work(slot, Some(Self::run)) }
                }),
                num: AtomicU32::new(0),
                psn: random::u32() & 0x00ff_ffff,
                recv_len: sizes.recv_len,
                verbs <- new_mutex!(None, "Qp::verbs"),
                gate <- new_spinlock_bh!(gate, "Qp::gate"),
                send_slots: Slot::all(this.as_ptr(), sizes.send_slots)?,
                recv_slots: RecvSlot::all(this.as_ptr(), sizes.recv_slots)?,
                send_memory,
                recv_memory,
                pd: pd.clone(),
                data <- data,
            }),
            GFP_KERNEL,
        )?;
        let context: *const Self = &*qp;
        // SAFETY: all-zero bytes are a valid `struct ib_qp_init_attr`.
        let mut attr: bindings::ib_qp_init_attr = unsafe { zeroed() };
        attr.event_handler = Some(Self::event);
        attr.qp_context = context.cast_mut().cast();
        attr.send_cq = cq.as_ptr();
        attr.recv_cq = cq.as_ptr();
        attr.cap.max_send_wr = send;
        attr.cap.max_recv_wr = recv;
        attr.cap.max_send_sge = 2;
        attr.cap.max_recv_sge = 1;
        attr.sq_sig_type = bindings::ib_sig_type_IB_SIGNAL_REQ_WR;
        attr.qp_type = bindings::ib_qp_type_IB_QPT_RC;
        // SAFETY: the domain is there, so is the completion queue; `event` gets the
        // queue pair, which is not moved, and freed when no event can come any more.
        let raw = from_err_ptr(unsafe { bindings::ib_create_qp(pd.as_ptr(), &mut attr) })?;
        let raw = NonNull::new(raw).ok_or(ENOMEM)?;
        // SAFETY: alive; does not change.
        let num = unsafe { raw.as_ref().qp_num };
        qp.num.store(num, Ordering::Relaxed);
        // INVARIANT: of `Verbs` and the gate: just made.
        *qp.verbs.lock() = Some(Verbs {
            qp: raw,
            cq,
            port: None,
            failed: false,
        });
        qp.gate.lock().qp = raw.as_ptr();
        // SAFETY: from a box, so not null, and not moved out of it. The one
        // reference is given to the result.
        Ok(unsafe {
            let qp = KBox::into_raw(Pin::into_inner_unchecked(qp));
            ARef::from_raw(NonNull::new_unchecked(qp))
        })
    }

    /// Its number. Any context.
    pub(crate) fn num(&self) -> u32 {
        self.num.load(Ordering::Relaxed)
    }

    /// The number of its first packet. Any context.
    pub(crate) fn psn(&self) -> u32 {
        self.psn
    }

    /// The domain that it is in. Any context.
    pub(crate) fn pd(&self) -> &Arc<Pd> {
        &self.pd
    }

    pub(super) fn recv_len(&self) -> u32 {
        self.recv_len
    }

    pub(super) fn send_memory(&self) -> &Pool {
        &self.send_memory
    }

    pub(super) fn recv_memory(&self) -> &Pool {
        &self.recv_memory
    }

    pub(super) fn send_slot(&self, index: u16) -> Option<&Slot<T>> {
        self.send_slots.get(usize::from(index))
    }

    /// A reference, unless the last one has gone. Any context.
    pub(super) fn upgrade(this: &Self) -> Option<QpRef<T>> {
        this.refs
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
                (n > 0).then_some(n + 1)
            })
            .ok()?;
        // SAFETY: counted just now.
        Some(unsafe { ARef::from_raw(this.into()) })
    }

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
    fn shut(&self, mut lost: impl FnMut(T::Context)) {
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

    /// Whether it is not closed yet. Any context but hard interrupts.
    pub(crate) fn is_open(&self) -> bool {
        self.with_open(|_| ()).is_some()
    }

    /// Runs `f` with the queue pair, which is not closed meanwhile; not if it is
    /// closed.
    pub(super) fn with_open<R>(&self, f: impl FnOnce(*mut bindings::ib_qp) -> R) -> Option<R> {
        let gate = self.gate.lock();
        (!gate.qp.is_null()).then(|| f(gate.qp))
    }

    /// A free slot. Any context but hard interrupts.
    ///
    /// # Errors
    ///
    /// [`NoSlot::Later`]: [`Endpoint::slot_free`] follows; who waits for it enters
    /// itself in a list first, and then tries once more. [`NoSlot::Down`] if it is
    /// closed.
    pub(crate) fn take_slot(&self) -> Result<SendSlot<'_, T>, NoSlot> {
        let mut gate = self.gate.lock();
        if gate.qp.is_null() {
            return Err(NoSlot::Down);
        }
        let next = gate.count.checked_sub(1).and_then(|last| {
            gate.count = last;
            gate.free.get(last).copied()
        });
        gate.wanted |= next.is_none();
        // SAFETY: taken just now.
        next.map(|index| unsafe { SendSlot::from_taken(self, index) })
            .ok_or(NoSlot::Later)
    }

    /// Frees a slot; whether somebody is to be told.
    pub(super) fn put_slot(&self, index: u16) -> bool {
        let mut gate = self.gate.lock();
        let count = gate.count;
        if let Some(free) = gate.free.get_mut(count) {
            *free = index;
            gate.count = count + 1;
        }
        replace(&mut gate.wanted, false)
    }

    /// Has [`Endpoint::slot_free`] called, in process context.
    pub(super) fn tell_slot_free(this: &QpRef<T>) {
        Self::tell(this, TELL_SLOT);
    }

    /// What was posted has ended this way. The connection has broken if it is not
    /// this end that closes it: a driver need not say so otherwise.
    pub(super) fn note(this: &QpRef<T>, status: SendStatus) {
        if status != SendStatus::Ok && this.is_open() {
            Self::break_down(this);
        }
    }

    /// Has [`Endpoint::broken`] called, once. Any context.
    pub(super) fn break_down(this: &QpRef<T>) {
        if this.due.fetch_or(BROKEN, Ordering::AcqRel) & BROKEN == 0 {
            Self::tell(this, TELL_BROKEN);
        }
    }

    fn tell(this: &QpRef<T>, what: u8) {
        this.due.fetch_or(what, Ordering::AcqRel);
        let held = this.clone();
        // SAFETY: initialised, and there by the reference that goes with it.
        if unsafe { TEARDOWN.queue(this.work.get()) } {
            forget(held);
        }
    }

    /// # Safety
    ///
    /// Called by the workqueue, with the work of a queue pair that was queued by
    /// `tell` or `dec_ref`.
    unsafe extern "C" fn run(work: *mut bindings::work_struct) {
        // SAFETY: the work is in a queue pair, which is there: it has a reference,
        // or is ours to free.
        let qp = unsafe {
            let qp = work.byte_sub(offset_of!(Self, work)).cast::<Self>();
            NonNull::new_unchecked(qp)
        };
        // SAFETY: as above.
        if unsafe { qp.as_ref() }.refs.load(Ordering::Acquire) == 0 {
            // SAFETY: nobody else has it but what is posted, until `shut` returns,
            // or for ever, with a reference. It came out of a box.
            unsafe {
                qp.as_ref().shut(drop);
                if qp.as_ref().refs.load(Ordering::Acquire) == 0 {
                    drop(KBox::from_raw(qp.as_ptr()));
                }
            }
        } else {
            // SAFETY: the reference that went with the work.
            let this: QpRef<T> = unsafe { ARef::from_raw(qp) };
            let due = this
                .due
                .fetch_and(!(TELL_BROKEN | TELL_SLOT), Ordering::AcqRel);
            if due & TELL_BROKEN != 0 {
                T::broken(&this);
            }
            if due & TELL_SLOT != 0 {
                T::slot_free(&this);
            }
        }
        TEARDOWN.done();
    }

    /// # Safety
    ///
    /// Called by the driver with an event of a queue pair that was made with this
    /// context, before it is destroyed.
    unsafe extern "C" fn event(event: *mut bindings::ib_event, context: *mut c_void) {
        // SAFETY: by this function's contract: the `Qp` is freed afterwards.
        let (kind, this) = unsafe {
            let qp: *const Self = context.cast();
            ((*event).event, Self::upgrade(&*qp))
        };
        match kind {
            bindings::ib_event_type_IB_EVENT_QP_FATAL
            | bindings::ib_event_type_IB_EVENT_QP_REQ_ERR
            | bindings::ib_event_type_IB_EVENT_QP_ACCESS_ERR => {
                if let Some(this) = this {
                    Self::break_down(&this);
                }
            }
            _ => {}
        }
    }
}

/// How long to wait for an acknowledgement: 4.096 µs · 2¹⁷, half a second, or up to
/// four times that as hardware rounds it. All tries together are to outlast a virtual
/// machine that does not run for a second or two: the link is all that a group has.
const TIMEOUT: u8 = 17;
/// How often to try again. A peer that is not ready is tried for ever.
const RETRY: u8 = 7;
/// How long a peer is asked to wait if this end is not ready: 0.06 ms.
const MIN_RNR_TIMER: u8 = 5;
