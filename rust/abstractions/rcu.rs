// SPDX-License-Identifier: GPL-2.0

//! The reading side of RCU.
//!
//! C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)

use core::marker::PhantomData;
use smc_bindings as bindings;

/// No grace period that begins now ends before this is dropped. Who holds it
/// must not sleep.
pub(crate) struct Guard(PhantomData<*mut ()>);

/// Enters a reading section. Any context.
pub(crate) fn read_lock() -> Guard {
    // SAFETY: always allowed; left when the guard is dropped.
    unsafe { bindings::rcu_read_lock() };
    Guard(PhantomData)
}

impl Drop for Guard {
    fn drop(&mut self) {
        // SAFETY: entered by this task: the guard does not leave it.
        unsafe { bindings::rcu_read_unlock() };
    }
}
