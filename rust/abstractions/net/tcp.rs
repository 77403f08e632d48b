// SPDX-License-Identifier: GPL-2.0

//! TCP's side of SMC: its code for the SMC option sleeps behind a static key.
//!
//! C header: [`include/linux/tcp.h`](srctree/include/linux/tcp.h)

use smc_bindings as bindings;

/// TCP looks for the SMC option in SYNs, and sends it, while this exists.
///
/// There is one key: two of these at a time would go wrong, as would the C
/// module beside it.
pub(crate) struct SmcOption(());

impl SmcOption {
    /// Switches it on. Process context; may sleep.
    pub(crate) fn enable() -> Self {
        // SAFETY: the key is a static of TCP's.
        unsafe { bindings::tcp_have_smc_enable() };
        Self(())
    }
}

impl Drop for SmcOption {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { bindings::tcp_have_smc_disable() };
    }
}
