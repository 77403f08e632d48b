// SPDX-License-Identifier: GPL-2.0

//! Protocols of AF_INET and AF_INET6: what `socket(2)` looks its second and
//! third argument up in.
//!
//! C header: [`include/net/protocol.h`](srctree/include/net/protocol.h)

use super::{proto::Proto, sock::SockData, socket::SocketOps};
use core::{
    cell::UnsafeCell,
    mem::zeroed,
    sync::atomic::{AtomicBool, Ordering},
};
use kernel::{error::to_result, prelude::*};
use smc_bindings as bindings;

/// A `struct inet_protosw`.
///
/// # Invariants
///
/// Once registered, only the kernel changes `protosw`.
pub(crate) struct InetProtosw {
    protosw: UnsafeCell<bindings::inet_protosw>,
    registered: AtomicBool,
}

// SAFETY: the kernel serialises its changes (the list link), readers use RCU;
// this module does not read it.
unsafe impl Sync for InetProtosw {}

impl InetProtosw {
    /// `SOCK_STREAM` sockets of IP protocol number `protocol`.
    pub(crate) const fn stream<T: SockData>(
        protocol: u16,
        proto: &'static Proto<T>,
        ops: &'static SocketOps<T>,
    ) -> Self {
        // SAFETY: all-zero bytes are a valid `struct inet_protosw`.
        let mut protosw: bindings::inet_protosw = unsafe { zeroed() };
        protosw.type_ = bindings::sock_type_SOCK_STREAM as _;
        protosw.protocol = protocol;
        protosw.prot = proto.as_ptr();
        protosw.ops = ops.as_ptr();
        Self {
            protosw: UnsafeCell::new(protosw),
            registered: AtomicBool::new(false),
        }
    }

    fn claim(&self) -> Result {
        if self.registered.swap(true, Ordering::Acquire) {
            return Err(EBUSY);
        }
        Ok(())
    }

    /// Registers it with AF_INET. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `EBUSY` if it is registered already.
    pub(crate) fn register(&'static self) -> Result<InetProtoswRegistration> {
        self.claim()?;
        // SAFETY: static, complete, not registered yet.
        unsafe { bindings::inet_register_protosw(self.protosw.get()) };
        // INVARIANT: registered with AF_INET.
        Ok(InetProtoswRegistration {
            protosw: self,
            inet6: false,
        })
    }

    /// Registers it with AF_INET6. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `EBUSY` if it is registered already; the kernel's errors otherwise.
    pub(crate) fn register6(&'static self) -> Result<InetProtoswRegistration> {
        self.claim()?;
        // SAFETY: static, complete, not registered yet.
        to_result(unsafe { bindings::inet6_register_protosw(self.protosw.get()) })
            .inspect_err(|_| self.registered.store(false, Ordering::Release))?;
        // INVARIANT: registered with AF_INET6.
        Ok(InetProtoswRegistration {
            protosw: self,
            inet6: true,
        })
    }
}

/// A registered [`InetProtosw`]; unregisters it when dropped.
///
/// # Invariants
///
/// `protosw` is registered, with AF_INET6 if `inet6`, else with AF_INET.
pub(crate) struct InetProtoswRegistration {
    protosw: &'static InetProtosw,
    inet6: bool,
}

impl Drop for InetProtoswRegistration {
    fn drop(&mut self) {
        let protosw = self.protosw.protosw.get();
        if self.inet6 {
            // SAFETY: registered there, by the type invariant. Waits for readers.
            unsafe { bindings::inet6_unregister_protosw(protosw) };
        } else {
            // SAFETY: as above.
            unsafe { bindings::inet_unregister_protosw(protosw) };
        }
        self.protosw.registered.store(false, Ordering::Release);
    }
}
