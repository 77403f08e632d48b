// SPDX-License-Identifier: GPL-2.0

//! Protection domains.

use super::{DeviceRef, TEARDOWN};
use crate::abstractions::work::Deferred;
use core::ptr::NonNull;
use kernel::{error::from_err_ptr, prelude::*, sync::Arc};
use smc_bindings as bindings;

/// A protection domain: a peer that has the key of a memory region can use it on
/// each queue pair of the region's domain.
pub(crate) struct Pd(Deferred<RawPd>);

/// # Invariants
///
/// `pd` is live, of `device`, and owned.
struct RawPd {
    pd: NonNull<bindings::ib_pd>,
    device: DeviceRef,
}

// SAFETY: a domain may be used and freed by any thread.
unsafe impl Send for RawPd {}
// SAFETY: the RDMA core counts its users atomically.
unsafe impl Sync for RawPd {}

impl Pd {
    /// A new domain. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or what the driver gives.
    pub(crate) fn alloc(device: &DeviceRef) -> Result<Arc<Self>> {
        // SAFETY: the device is there.
        let pd = from_err_ptr(unsafe { bindings::ib_alloc_pd(device.as_ptr()) })?;
        // INVARIANT: new, and ours.
        let pd = RawPd {
            pd: NonNull::new(pd).ok_or(ENOMEM)?,
            device: device.clone(),
        };
        Ok(Arc::new(Self(Deferred::new(pd, &TEARDOWN)?), GFP_KERNEL)?)
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::ib_pd {
        self.0.pd.as_ptr()
    }

    /// The device it is on. Any context.
    pub(crate) fn device(&self) -> &DeviceRef {
        &self.0.device
    }

    /// The key of all memory that is mapped for the device.
    pub(super) fn local_dma_lkey(&self) -> u32 {
        // SAFETY: alive, by the type invariant; does not change.
        unsafe { (*self.as_ptr()).local_dma_lkey }
    }
}

impl Drop for RawPd {
    /// Process context; sleeps.
    fn drop(&mut self) {
        // SAFETY: live and owned, by the type invariant. Nothing is left on it:
        // what is on it has a reference.
        unsafe { bindings::ib_dealloc_pd(self.pd.as_ptr()) };
    }
}
