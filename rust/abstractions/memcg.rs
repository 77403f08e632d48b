// SPDX-License-Identifier: GPL-2.0

//! Who pays for memory: cgroups.
//!
//! C header: [`include/linux/sched/mm.h`](srctree/include/linux/sched/mm.h)

use super::net::sock::Sock;
use smc_bindings as bindings;

/// Runs `f`. What it allocates with `GFP_KERNEL_ACCOUNT` is charged to the memory
/// cgroup that `sock` was made in, whoever runs it; where sockets are not charged to
/// any, as usual to that of the thread. Process context.
pub(crate) fn charged_to<R>(sock: &Sock, f: impl FnOnce() -> R) -> R {
    // SAFETY: the sock is alive until `f` has returned, and has a reference to its
    // cgroup, which does not change: that is set when a sock is made, or by TCP's
    // accept(), which sockets of ours do not go through.
    let before = unsafe { bindings::charge_to(sock.as_ptr()) };
    let result = f();
    // SAFETY: what `charge_to` has returned to this thread.
    unsafe { bindings::charge_end(before) };
    result
}
