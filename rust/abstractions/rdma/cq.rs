// SPDX-License-Identifier: GPL-2.0

//! Completion queues, one for each queue pair.
//!
//! Completions are reported in softirq. A driver may tell of them from a thread, with
//! interrupts off, as soft-RoCE does: a softirq that is raised there is left to the
//! thread `ksoftirqd`, which is woken for it and has to be switched to. An interrupt
//! of the CPU's own raises it instead, and it runs when that returns.

use super::DeviceRef;
use core::{mem::offset_of, ptr::NonNull};
use kernel::{
    c_str,
    error::from_err_ptr,
    ffi::{c_int, c_uint, c_void},
    prelude::*,
    types::Opaque,
};
use smc_bindings as bindings;

/// Room for so many completions, which are reported in softirq.
///
/// # Invariants
///
/// `cq` is a live queue, which is owned, and `alarm` is its context.
pub(super) struct Cq {
    cq: NonNull<bindings::ib_cq>,
    alarm: Pin<KBox<Alarm>>,
    _device: DeviceRef,
}

// SAFETY: a queue may be destroyed by any thread.
unsafe impl Send for Cq {}
// SAFETY: nothing is changed through a shared reference.
unsafe impl Sync for Cq {}

/// What has a queue looked at.
///
/// # Invariants
///
/// `work` is initialised. While it is pending or runs, `cq` is a live queue.
#[pin_data]
struct Alarm {
    #[pin]
    work: Opaque<bindings::irq_work>,
    cq: *mut bindings::ib_cq,
}

impl Alarm {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            work <- Opaque::ffi_init(|slot: *mut bindings::irq_work| {
                // SAFETY: `slot` may be written and does not move afterwards.
                unsafe { bindings::init_irq_work(slot, Some(Self::ring)) }
            }),
            cq: core::ptr::null_mut(),
        })
    }

    /// # Safety
    ///
    /// Called by the driver when there are completions in a queue with an alarm for its
    /// context, not after the last queue pair that uses it is destroyed.
    unsafe extern "C" fn completed(cq: *mut bindings::ib_cq, context: *mut c_void) {
        let alarm: *const Self = context.cast();
        // SAFETY: both are there, by this function's contract.
        unsafe {
            if bindings::in_interrupt() {
                bindings::ib_cq_schedule(cq);
            } else {
                bindings::irq_work_queue((*alarm).work.get());
            }
        }
    }

    /// # Safety
    ///
    /// Called in a hard interrupt with the work of an alarm.
    unsafe extern "C" fn ring(work: *mut bindings::irq_work) {
        // SAFETY: the work is in an alarm, the queue of which is there, by the type
        // invariant.
        unsafe {
            let alarm: *const Self = work.byte_sub(offset_of!(Self, work)).cast();
            bindings::ib_cq_schedule((*alarm).cq);
        }
    }
}

impl Cq {
    /// Room for `count` completions. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` if no queue is that long, `ENOMEM`, or what the driver gives.
    pub(super) fn new(device: &DeviceRef, count: c_uint) -> Result<Self> {
        if i64::from(count) > i64::from(device.attrs().max_cqe) {
            return Err(EINVAL);
        }
        let count = c_int::try_from(count).map_err(|_| EINVAL)?;
        let mut alarm = KBox::pin_init(Alarm::new(), GFP_KERNEL)?;
        // SAFETY: the device is there; the name lives for ever.
        let cq = from_err_ptr(unsafe {
            bindings::__ib_alloc_cq_any(
                device.as_ptr(),
                core::ptr::from_ref(&*alarm).cast_mut().cast(),
                count,
                bindings::ib_poll_context_IB_POLL_SOFTIRQ,
                c_str!("smc_rs").as_char_ptr().cast(),
            )
        })?;
        // SAFETY: it is not moved. Nobody else has it yet: no queue pair uses the queue.
        unsafe { alarm.as_mut().get_unchecked_mut() }.cq = cq;
        // SAFETY: made just now, with an alarm for its context, which stays until it is
        // destroyed.
        unsafe { bindings::ib_cq_set_handler(cq, Some(Alarm::completed)) };
        // INVARIANT: made just now.
        Ok(Self {
            cq: NonNull::new(cq).ok_or(ENOMEM)?,
            alarm,
            _device: device.clone(),
        })
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::ib_cq {
        self.cq.as_ptr()
    }
}

impl Drop for Cq {
    /// Process context; sleeps. No queue pair uses the queue any more.
    fn drop(&mut self) {
        // SAFETY: ours, by the type invariant. Nobody rings any more, and what has rung
        // is over before the queue goes.
        unsafe {
            bindings::irq_work_sync(self.alarm.work.get());
            bindings::ib_free_cq(self.cq.as_ptr());
        }
    }
}
