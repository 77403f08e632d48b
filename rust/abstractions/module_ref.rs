// SPDX-License-Identifier: GPL-2.0

//! References to this module that its own code gives up.
//!
//! Normally the kernel holds a reference around each call into a module, and
//! puts it after the call has returned. A socket that becomes a plain one lets
//! go of the module in the middle of such a call: when the last reference has
//! gone, threads may still be on their way out of the module's code, or (they had
//! read the socket's operations before) on their way in. [`Quiesce`] waits for
//! them before the code goes.
//!
//! - On their way out: nothing sleeps between the last reference and the return,
//!   so a grace period of RCU tasks is enough; it ends when each thread has been
//!   seen sleeping by its own will, or in user space.
//! - On their way in: a grace period, after which nobody enters any more. Who
//!   entered before found the socket to be a plain one, and is counted by
//!   [`Visit`] while it sleeps in TCP's code.

use crate::THIS_MODULE;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use smc_bindings as bindings;

/// A reference to this module.
///
/// # Invariants
///
/// It is counted in the module's reference count.
pub(crate) struct ModuleRef {
    /// Somebody else's reference ends later, in the kernel's own code.
    outlived: AtomicBool,
}

/// Whether a reference was given up where the module's code could run on.
static UNSEATED: AtomicBool = AtomicBool::new(false);
/// Threads in a [`Visit`].
static VISITS: AtomicUsize = AtomicUsize::new(0);

pub(super) fn this_module() -> *mut bindings::module {
    THIS_MODULE.as_ptr().cast()
}

impl ModuleRef {
    /// # Safety
    ///
    /// A reference is counted, and the caller gives it up to the result.
    pub(super) unsafe fn from_counted() -> Self {
        Self {
            outlived: AtomicBool::new(false),
        }
    }

    /// Another reference, for code of the module that is called later.
    ///
    /// # Safety
    ///
    /// The caller has one, or runs in a call that does.
    pub(super) unsafe fn another() -> Self {
        // SAFETY: the module is there, by this function's contract.
        unsafe { bindings::__module_get(this_module()) };
        // INVARIANT: counted just now.
        Self {
            outlived: AtomicBool::new(false),
        }
    }

    /// Says that the kernel has another reference, which it puts later, itself.
    ///
    /// # Safety
    ///
    /// As it says; or this reference is dropped in the module's workqueue, or in
    /// softirq, which unloading waits for anyway.
    pub(super) unsafe fn set_outlived(&self) {
        self.outlived.store(true, Ordering::Relaxed);
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        if !self.outlived.load(Ordering::Relaxed) {
            UNSEATED.store(true, Ordering::Release);
        }
        // SAFETY: counted, by the type invariant. What may follow is said above.
        unsafe { bindings::module_put(this_module()) };
    }
}

/// Puts the reference of a socket whose operations are replaced.
///
/// # Safety
///
/// A reference to `owner` is counted, and given up.
pub(super) unsafe fn put_operations(owner: *mut bindings::module) {
    UNSEATED.store(true, Ordering::Release);
    // SAFETY: by this function's contract.
    unsafe { bindings::module_put(owner) };
}

/// A call into the module that finds nothing of the module's there, and goes on
/// in the kernel's code, for as long as that takes.
pub(super) struct Visit {
    /// Has the module stay, so that it is in use and not waited for.
    held: bool,
}

impl Visit {
    pub(super) fn begin() -> Self {
        VISITS.fetch_add(1, Ordering::AcqRel);
        // SAFETY: the module's code is here, so is its `struct module`. Fails
        // while it is unloaded.
        let held = unsafe { bindings::module_try_get(this_module()) };
        Self { held }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if self.held {
            UNSEATED.store(true, Ordering::Release);
            // SAFETY: taken in `begin`.
            unsafe { bindings::module_put(this_module()) };
        }
        VISITS.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Dropped last, when the module is unloaded: waits until nobody runs its code.
pub(crate) struct Quiesce(());

impl Quiesce {
    pub(crate) fn new() -> Self {
        Self(())
    }
}

impl Drop for Quiesce {
    /// Process context; sleeps.
    fn drop(&mut self) {
        if !UNSEATED.load(Ordering::Acquire) {
            return;
        }
        // SAFETY: may sleep.
        unsafe { bindings::rcu_tasks_synchronize() };
        while VISITS.load(Ordering::Acquire) != 0 {
            // SAFETY: may sleep.
            unsafe { bindings::msleep(10) };
        }
        // SAFETY: may sleep.
        unsafe { bindings::rcu_tasks_synchronize() };
    }
}
