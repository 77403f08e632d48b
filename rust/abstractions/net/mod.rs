// SPDX-License-Identifier: GPL-2.0

//! Sockets and what belongs to them.

pub(crate) mod attach;
pub(crate) mod diag;
pub(crate) mod errno;
pub(crate) mod family;
pub(crate) mod fastopen;
pub(crate) mod flow;
pub(crate) mod front;
pub(crate) mod genl;
pub(crate) mod listed;
pub(crate) mod netdev;
pub(crate) mod netlink;
pub(crate) mod netns;
pub(crate) mod notifier;
pub(crate) mod proto;
pub(crate) mod ready;
pub(crate) mod route;
pub(crate) mod smc_uapi;
pub(crate) mod sock;
pub(crate) mod socket;
pub(crate) mod splice;
pub(crate) mod stream;
pub(crate) mod tcp;
pub(crate) mod uapi;

use core::ptr;
use kernel::{ffi::c_int, types::Opaque};
use smc_bindings as bindings;

/// `PF_INET`.
pub(crate) const PF_INET: c_int = bindings::PF_INET as c_int;
/// `PF_INET6`.
pub(crate) const PF_INET6: c_int = bindings::PF_INET6 as c_int;
/// `PF_SMC`.
pub(crate) const PF_SMC: c_int = bindings::PF_SMC as c_int;

/// The family of a socket's addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressFamily {
    /// IPv4.
    Inet,
    /// IPv6, and IPv4 mapped into it.
    Inet6,
}

impl AddressFamily {
    fn as_raw(self) -> c_int {
        match self {
            Self::Inet => PF_INET,
            Self::Inet6 => PF_INET6,
        }
    }
}

/// Whether there may be another line in the kernel's log about what a peer can bring
/// about as often as it likes. Any context.
pub(crate) fn ratelimit() -> bool {
    // SAFETY: has a lock of its own.
    unsafe { bindings::net_ratelimit() != 0 }
}

/// A network namespace.
///
/// # Invariants
///
/// A `&Net` is a live `struct net`.
#[repr(transparent)]
pub(crate) struct Net(Opaque<bindings::net>);

impl Net {
    /// # Safety
    ///
    /// `net` is valid and stays so for `'a`.
    unsafe fn from_raw<'a>(net: *mut bindings::net) -> &'a Self {
        // SAFETY: the layouts are the same, the rest is the caller's promise.
        unsafe { &*net.cast() }
    }

    pub(in crate::abstractions) fn as_ptr(&self) -> *mut bindings::net {
        self.0.get()
    }

    /// Number of the namespace, which no other one ever gets. Any context.
    pub(crate) fn cookie(&self) -> u64 {
        // SAFETY: alive, by the type invariant; the field does not change.
        unsafe { (*self.as_ptr()).net_cookie }
    }

    /// Whether it is the first namespace.
    pub(crate) fn is_init(&self) -> bool {
        ptr::eq(self, Self::init())
    }

    /// The first namespace, which is always there.
    pub(crate) fn init() -> &'static Self {
        // SAFETY: a static of the kernel.
        unsafe { Self::from_raw(ptr::addr_of_mut!(bindings::init_net)) }
    }
}
