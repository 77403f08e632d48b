// SPDX-License-Identifier: GPL-2.0

//! Counters that each CPU counts for itself.
//!
//! C header: [`include/linux/percpu.h`](srctree/include/linux/percpu.h)

use core::ptr::NonNull;
use kernel::prelude::*;
use smc_bindings as bindings;

/// `N` counters, zero at first.
///
/// # Invariants
///
/// `counters` is per-CPU memory of `N` numbers, owned.
pub(crate) struct Counters<const N: usize> {
    counters: NonNull<u64>,
}

// SAFETY: per-CPU memory may be counted in, read and freed by any thread.
unsafe impl<const N: usize> Send for Counters<N> {}
// SAFETY: as above.
unsafe impl<const N: usize> Sync for Counters<N> {}

impl<const N: usize> Counters<N> {
    /// Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: may sleep. The memory is zeroed.
        let counters = unsafe { bindings::alloc_percpu_u64(N) };
        // INVARIANT: owned.
        Ok(Self {
            counters: NonNull::new(counters).ok_or(ENOMEM)?,
        })
    }

    /// Adds `n`, which may be negative in two's complement, to the `i`th. Any
    /// context.
    pub(crate) fn add(&self, i: usize, n: u64) {
        if i < N {
            // SAFETY: there is such a counter, by the type invariant.
            unsafe { bindings::this_cpu_add_u64(self.counters.as_ptr(), i, n) };
        }
    }

    /// The `i`th, of all CPUs together. Any context.
    pub(crate) fn sum(&self, i: usize) -> u64 {
        if i >= N {
            return 0;
        }
        // SAFETY: there is such a counter, by the type invariant.
        unsafe { bindings::percpu_sum_u64(self.counters.as_ptr(), i) }
    }
}

impl<const N: usize> Drop for Counters<N> {
    fn drop(&mut self) {
        // SAFETY: owned, by the type invariant.
        unsafe { bindings::free_percpu_u64(self.counters.as_ptr()) };
    }
}
