// SPDX-License-Identifier: GPL-2.0

//! Random numbers.
//!
//! C header: [`include/linux/random.h`](srctree/include/linux/random.h)

use smc_bindings as bindings;

/// A random number that nobody can guess. Any context.
pub(crate) fn u16() -> u16 {
    // SAFETY: only computes.
    unsafe { bindings::get_random_u16() }
}

/// A random number that nobody can guess. Any context.
pub(crate) fn u32() -> u32 {
    // SAFETY: only computes.
    unsafe { bindings::get_random_u32() }
}
