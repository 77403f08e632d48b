// SPDX-License-Identifier: GPL-2.0

//! Queue pairs: reliable connections, one message or write after the other.

mod state;

use super::{
    cq::Cq,
    dma::Direction,
    endpoint::{Endpoint, NoSlot, QpSizes, SendStatus, MESSAGE_LEN},
    pd::Pd,
    pool::Pool,
    recv::RecvSlot,
    slot::{SendSlot, Slot, REQUESTS},
    TEARDOWN,
};
use crate::abstractions::{
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
    error::from_err_ptr,
    ffi::c_void,
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
    inline_len: AtomicU32,
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

/// How many bytes a request should be able to have in itself (IB_SEND_INLINE): a message,
/// or a write that is as short. The device need not fetch them then.
const INLINE: u32 = MESSAGE_LEN as u32;

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
                inline_len: AtomicU32::new(0),
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
        attr.cap.max_inline_data = INLINE;
        let create = |mut attr: bindings::ib_qp_init_attr| {
            // SAFETY: the domain is there, so is the completion queue; `event` gets the
            // queue pair, which is not moved, and freed when no event can come any more.
            from_err_ptr(unsafe { bindings::ib_create_qp(pd.as_ptr(), &mut attr) })
                .map(|raw| (raw, attr.cap.max_inline_data))
        };
        let (raw, inline) = create(attr).or_else(|_| {
            // Some devices refuse what they have no room for.
            attr.cap.max_inline_data = 0;
            create(attr)
        })?;
        let raw = NonNull::new(raw).ok_or(ENOMEM)?;
        qp.inline_len.store(inline, Ordering::Relaxed);
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

    /// How many bytes a request may have in itself, as the device has it. Any context.
    pub(super) fn inline_len(&self) -> u32 {
        self.inline_len.load(Ordering::Relaxed)
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
