// SPDX-License-Identifier: GPL-2.0

//! Completion queues, which queue pairs of a device share.

use super::DeviceRef;
use core::ptr::NonNull;
use kernel::{error::from_err_ptr, ffi::c_uint, prelude::*};
use smc_bindings as bindings;

/// Room for so many completions, which are reported in softirq.
///
/// # Invariants
///
/// `cq` is a live queue of the device's pool, `count` entries of which are owned.
pub(super) struct Cq {
    cq: NonNull<bindings::ib_cq>,
    count: c_uint,
    _device: DeviceRef,
}

// SAFETY: entries may be given back by any thread.
unsafe impl Send for Cq {}
// SAFETY: nothing is changed through a shared reference.
unsafe impl Sync for Cq {}

impl Cq {
    /// Room for `count` completions. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` if no queue is that long, `ENOMEM`, or what the driver gives.
    pub(super) fn get(device: &DeviceRef, count: c_uint) -> Result<Self> {
        // The pool would go on making queues that are too short.
        if i64::from(count) > i64::from(device.attrs().max_cqe) {
            return Err(EINVAL);
        }
        // SAFETY: the device is there, and the pool has such queues.
        let cq = from_err_ptr(unsafe {
            bindings::ib_cq_pool_get(
                device.as_ptr(),
                count,
                -1,
                bindings::ib_poll_context_IB_POLL_SOFTIRQ,
            )
        })?;
        // INVARIANT: what the pool has given.
        Ok(Self {
            cq: NonNull::new(cq).ok_or(ENOMEM)?,
            count,
            _device: device.clone(),
        })
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::ib_cq {
        self.cq.as_ptr()
    }
}

impl Drop for Cq {
    /// Process context. No queue pair uses the entries any more.
    fn drop(&mut self) {
        // SAFETY: ours, by the type invariant.
        unsafe { bindings::ib_cq_pool_put(self.cq.as_ptr(), self.count) };
    }
}
