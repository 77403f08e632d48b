// SPDX-License-Identifier: GPL-2.0

//! What the host is called.
//!
//! C header: [`include/linux/utsname.h`](srctree/include/linux/utsname.h)

use smc_bindings as bindings;

/// Copies the host's name to the front of `name`, as much as fits, without NUL.
/// Process context; may sleep.
pub(crate) fn hostname(name: &mut [u8]) {
    // SAFETY: as many bytes may be written as there are.
    unsafe { bindings::uts_nodename(name.as_mut_ptr(), name.len()) };
}
