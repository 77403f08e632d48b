// SPDX-License-Identifier: GPL-2.0

//! Work that runs in process context, at once or after a time.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use core::{
    mem::offset_of,
    ops::Deref,
    ptr::{self, NonNull},
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering},
};
use kernel::{ffi::c_int, prelude::*, sync::Arc, time::Jiffies, types::Opaque};
use smc_bindings as bindings;

/// Tasks of a queue that run at a time, for each processor, and the least and the most of
/// them. They wait for locks and for commands of an RDMA device, never for a peer: more of
/// them would only stand in line, each with a thread of its own, when a host is flooded.
const ACTIVE_PER_CPU: u32 = 2;
const MIN_ACTIVE: u32 = 4;
const MAX_ACTIVE: u32 = 16;

fn active() -> c_int {
    // SAFETY: only reads.
    let cpus = unsafe { bindings::num_online_cpus() };
    let active = cpus.saturating_mul(ACTIVE_PER_CPU);
    active.clamp(MIN_ACTIVE, MAX_ACTIVE) as c_int
}

/// A workqueue of the module.
///
/// # Invariants
///
/// While `wq` is not null it is a live workqueue. `users` counts the tasks that
/// are due on it, and one for its registration. `idle` is initialised before
/// `wq` is set.
pub(crate) struct Workqueue {
    wq: AtomicPtr<bindings::workqueue_struct>,
    users: AtomicUsize,
    idle: Opaque<bindings::completion>,
}

// SAFETY: the completion has a lock of its own, the rest is atomic.
unsafe impl Sync for Workqueue {}

impl Workqueue {
    /// One that does not run yet.
    pub(crate) const fn new() -> Self {
        Self {
            wq: AtomicPtr::new(ptr::null_mut()),
            users: AtomicUsize::new(0),
            idle: Opaque::uninit(),
        }
    }

    /// Starts it: unbound, with a rescuer for times of no memory. `name` is what
    /// its threads are called. Process context.
    ///
    /// # Errors
    ///
    /// `EBUSY` if it runs already, `ENOMEM` without memory.
    pub(crate) fn start(&'static self, name: &'static CStr) -> Result<WorkqueueRegistration> {
        if self
            .users
            .compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed)
            .is_err()
        {
            return Err(EBUSY);
        }
        // SAFETY: the name ends with NUL and is copied.
        let wq = unsafe { bindings::alloc_workqueue_unbound(name.as_char_ptr().cast(), active()) };
        if wq.is_null() {
            self.users.store(0, Ordering::Release);
            return Err(ENOMEM);
        }
        // SAFETY: nobody uses the completion yet: `wq` is null.
        unsafe { bindings::init_completion(self.idle.get()) };
        // INVARIANT: live, and `idle` is initialised.
        self.wq.store(wq, Ordering::Release);
        Ok(WorkqueueRegistration(self))
    }

    /// Counts a user, unless the queue has gone or was never there.
    fn enter(&self) -> bool {
        self.users
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |n| {
                (n > 0).then_some(n + 1)
            })
            .is_ok()
    }

    /// Queues `work`, whose function calls [`Workqueue::done`] in the end. False
    /// if it is pending already, or there is no queue. Any context.
    ///
    /// # Safety
    ///
    /// `work` is initialised, and stays there until its function has begun.
    pub(super) unsafe fn queue(&self, work: *mut bindings::work_struct) -> bool {
        if !self.enter() {
            return false;
        }
        // SAFETY: the queue is live, as it has users; the rest is the caller's
        // promise.
        let queued = unsafe {
            bindings::queue_work_on(
                bindings::WORK_CPU_UNBOUND,
                self.wq.load(Ordering::Acquire),
                work,
            )
        };
        if !queued {
            self.done();
        }
        queued
    }

    /// A user has done.
    pub(super) fn done(&self) {
        if self.users.fetch_sub(1, Ordering::AcqRel) == 1 {
            // SAFETY: initialised, since there were users.
            unsafe { bindings::complete(self.idle.get()) };
        }
    }
}

/// A running [`Workqueue`]. Dropping it waits until the last task has run.
pub(crate) struct WorkqueueRegistration(&'static Workqueue);

impl Drop for WorkqueueRegistration {
    /// Process context; sleeps.
    fn drop(&mut self) {
        let queue = self.0;
        queue.done();
        // SAFETY: initialised by `start`; completed once, by whoever is last.
        unsafe { bindings::wait_for_completion(queue.idle.get()) };
        let wq = queue.wq.swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: live, by the type invariant, and no task is due on it. Waits
        // for what runs to return.
        unsafe { bindings::destroy_workqueue(wq) };
    }
}

/// What a [`Task`] does.
pub(crate) trait Run: Send + Sync + Sized + 'static {
    /// Where it runs.
    fn queue() -> &'static Workqueue;

    /// Runs in process context, never twice at a time for one task.
    fn run(this: &Arc<Task<Self>>);
}

/// A `T` with work to do.
///
/// # Invariants
///
/// While the work is pending or its function has not begun, it owns a reference
/// to the task and a user of `T::queue()`.
#[pin_data]
pub(crate) struct Task<T: Run> {
    #[pin]
    work: Opaque<bindings::delayed_work>,
    #[pin]
    data: T,
}

// SAFETY: the work is only touched by the workqueue's functions, which may be
// called from anywhere at any time; `T` is `Send`.
unsafe impl<T: Run> Send for Task<T> {}
// SAFETY: as above; `T` is `Sync`.
unsafe impl<T: Run> Sync for Task<T> {}

impl<T: Run> Deref for Task<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T: Run> Task<T> {
    /// A task around `data`, with nothing due.
    pub(crate) fn new(data: impl PinInit<T, Error>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            work <- Opaque::ffi_init(|slot: *mut bindings::delayed_work| {
                // SAFETY: `slot` may be written and does not move afterwards.
                unsafe { bindings::init_delayed_work(slot, Some(Self::call)) }
            }),
            data <- data,
        })
    }

    /// Makes it run as soon as it can, whatever else was due. Any context.
    pub(crate) fn kick(this: &Arc<Self>) {
        Self::queue_by(this, |wq, work| {
            // SAFETY: both live: the queue by its users, the work by the
            // reference that goes with it. True if it was pending already.
            !unsafe { bindings::mod_delayed_work_on(bindings::WORK_CPU_UNBOUND, wq, work, 0) }
        });
    }

    /// Makes it run after this time, unless it is due already. Any context.
    pub(crate) fn run_after(this: &Arc<Self>, delay: Jiffies) {
        Self::queue_by(this, |wq, work| {
            // SAFETY: as in `kick`. False if it was pending already.
            unsafe { bindings::queue_delayed_work_on(bindings::WORK_CPU_UNBOUND, wq, work, delay) }
        });
    }

    /// Takes back what is due. What has begun goes on. Any context.
    pub(crate) fn cancel(this: &Arc<Self>) {
        let raw = Arc::into_raw(this.clone());
        // SAFETY: from `into_raw` above.
        drop(unsafe { Arc::from_raw(raw) });
        // SAFETY: initialised; it need not be pending.
        if unsafe { bindings::cancel_delayed_work(this.work.get()) } {
            // SAFETY: the reference that went with the work (type invariant): it came out
            // of `Arc::into_raw`, as the same pointer, and the work is not pending any more.
            drop(unsafe { Arc::from_raw(raw) });
            T::queue().done();
        }
    }

    /// `queue` tells whether it has taken the reference and the user.
    fn queue_by(
        this: &Arc<Self>,
        queue: impl FnOnce(*mut bindings::workqueue_struct, *mut bindings::delayed_work) -> bool,
    ) {
        let users = T::queue();
        // Zero: the queue has gone, or was never there. Nothing that may still
        // be of use is lost then, as its registration outlives what it is for.
        if !users.enter() {
            return;
        }
        let raw = Arc::into_raw(this.clone());
        let wq = users.wq.load(Ordering::Acquire);
        if !queue(wq, this.work.get()) {
            // SAFETY: from `into_raw` above, and not taken.
            drop(unsafe { Arc::from_raw(raw) });
            users.done();
        }
    }

    /// # Safety
    ///
    /// Called by the workqueue, with the work of a task that was queued by
    /// `queue_by`.
    unsafe extern "C" fn call(work: *mut bindings::work_struct) {
        // SAFETY: `work` is in a `delayed_work`, that is in a task.
        let task = unsafe {
            work.byte_sub(offset_of!(bindings::delayed_work, work))
                .byte_sub(offset_of!(Self, work))
        };
        // SAFETY: the reference that went with the work (type invariant); it
        // came out of `Arc::into_raw`.
        let task = unsafe { Arc::from_raw(task.cast::<Self>()) };
        T::run(&task);
        drop(task);
        T::queue().done();
    }
}

/// A `T` that is dropped in process context, whatever context its owner is
/// dropped in.
///
/// # Invariants
///
/// `0` came out of `KBox::into_raw`, and is owned.
pub(crate) struct Deferred<T: Send + Sync + 'static>(NonNull<Remains<T>>);

#[pin_data]
struct Remains<T> {
    #[pin]
    work: Opaque<bindings::work_struct>,
    queue: &'static Workqueue,
    value: T,
}

// SAFETY: the work is touched when the owner is dropped, the rest is `T`.
unsafe impl<T: Send + Sync + 'static> Send for Deferred<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync + 'static> Sync for Deferred<T> {}

impl<T: Send + Sync + 'static> Deref for Deferred<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: alive, by the type invariant.
        unsafe { &self.0.as_ref().value }
    }
}

impl<T: Send + Sync + 'static> Deferred<T> {
    /// `value`, to be dropped on `queue`, which runs for longer. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; the value is dropped then.
    pub(crate) fn new(value: T, queue: &'static Workqueue) -> Result<Self> {
        let remains = KBox::pin_init(
            pin_init!(Remains {
                work <- Opaque::ffi_init(|slot: *mut bindings::work_struct| {
                    // SAFETY: `slot` may be written and does not move afterwards.
                    unsafe { bindings::init_work(slot, Some(Self::call)) }
                }),
                queue,
                value,
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: it does not move before it is dropped.
        let raw = KBox::into_raw(unsafe { Pin::into_inner_unchecked(remains) });
        // INVARIANT: from `into_raw`.
        // SAFETY: so it is not null.
        Ok(Self(unsafe { NonNull::new_unchecked(raw) }))
    }

    /// # Safety
    ///
    /// Called by the workqueue, with the work of remains that a drop has queued.
    unsafe extern "C" fn call(work: *mut bindings::work_struct) {
        // SAFETY: the work is in remains, which nobody else has any more.
        let remains = unsafe {
            let raw = work.byte_sub(offset_of!(Remains<T>, work));
            KBox::from_raw(raw.cast::<Remains<T>>())
        };
        let queue = remains.queue;
        drop(remains);
        queue.done();
    }
}

impl<T: Send + Sync + 'static> Drop for Deferred<T> {
    /// Any context, as long as the queue runs.
    fn drop(&mut self) {
        let remains = self.0.as_ptr();
        // SAFETY: owned, and given up to the work. It is queued this once, so it
        // is not pending.
        unsafe {
            if !(*remains).queue.queue((*remains).work.get()) {
                drop(KBox::from_raw(remains));
            }
        }
    }
}
