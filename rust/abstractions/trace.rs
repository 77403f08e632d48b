// SPDX-License-Identifier: GPL-2.0

//! Tracepoints, under the names and with the fields of the C module.

use crate::abstractions::net::sock::Sock;
use kernel::ffi::c_int;
use smc_bindings as bindings;

/// `smc:smc_switch_to_fallback`: this socket is a TCP socket from now on. `reason`
/// is the number that diag shows. Any context.
pub(crate) fn switch_to_fallback(sock: &Sock, reason: u32) {
    // SAFETY: the sock is alive; the tracepoint reads its namespace's cookie.
    unsafe { bindings::trace_switch_to_fallback(sock.as_ptr(), reason as c_int) };
}
