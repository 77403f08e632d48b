// SPDX-License-Identifier: GPL-2.0

//! Units of time.
//!
//! C header: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h)

use kernel::time::Jiffies;
use smc_bindings as bindings;

/// Milliseconds of so many jiffies, as many as fit. Any context.
pub(crate) fn jiffies_to_msecs(jiffies: Jiffies) -> u32 {
    // SAFETY: only computes.
    unsafe { bindings::jiffies_to_msecs(jiffies) }
}

/// Sleeps for about so many milliseconds. Process context.
pub(crate) fn sleep_ms(ms: u32) {
    // SAFETY: may sleep.
    unsafe { bindings::msleep(ms) };
}
