// SPDX-License-Identifier: GPL-2.0

//! `struct proto`: how the socks of a protocol are allocated and torn down.
//!
//! C header: [`include/net/sock.h`](srctree/include/net/sock.h)

use super::{
    sock::{self, SockData, SockLayout, SockLayout6},
    AddressFamily,
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::{offset_of, size_of, zeroed},
    sync::atomic::{AtomicBool, Ordering},
};
use kernel::{
    error::{from_result, to_result},
    ffi::c_int,
    prelude::*,
};
use smc_bindings as bindings;

/// A protocol whose socks carry a `T`.
///
/// # Invariants
///
/// `obj_size` has room for the C part and for `T`. Once registered, only the
/// kernel changes `proto`.
pub(crate) struct Proto<T: SockData> {
    proto: UnsafeCell<bindings::proto>,
    registered: AtomicBool,
    _data: PhantomData<T>,
}

// SAFETY: the kernel serialises its changes to `proto`; this module reads only
// fields that do not change.
unsafe impl<T: SockData> Sync for Proto<T> {}

impl<T: SockData> Proto<T> {
    /// A protocol of a family of its own: its socks are made by
    /// [`Creation::make`](super::family::Creation::make).
    ///
    /// `name` is what /proc/net/protocols and slabinfo show; at most 31 bytes.
    pub(crate) const fn new(name: &[u8], module: &'static ThisModule) -> Self {
        Self::with(bindings::proto {
            obj_size: size_of::<SockLayout<T>>() as _,
            ..Self::common(name, module)
        })
    }

    /// A protocol of AF_INET: its socks are made by inet_create().
    pub(crate) const fn new_inet(name: &[u8], module: &'static ThisModule) -> Self {
        Self::with(bindings::proto {
            init: Some(Self::init_inet),
            destroy: Some(Self::destroy),
            obj_size: size_of::<SockLayout<T>>() as _,
            ..Self::common(name, module)
        })
    }

    /// A protocol of AF_INET6: its socks are made by inet6_create().
    pub(crate) const fn new_inet6(name: &[u8], module: &'static ThisModule) -> Self {
        Self::with(bindings::proto {
            init: Some(Self::init_inet6),
            destroy: Some(Self::destroy),
            obj_size: size_of::<SockLayout6<T>>() as _,
            ipv6_pinfo_offset: offset_of!(SockLayout6<T>, inet6) as _,
            ..Self::common(name, module)
        })
    }

    const fn with(proto: bindings::proto) -> Self {
        // INVARIANT: each caller has set `obj_size` to the size of its layout.
        Self {
            proto: UnsafeCell::new(proto),
            registered: AtomicBool::new(false),
            _data: PhantomData,
        }
    }

    const fn common(name: &[u8], module: &'static ThisModule) -> bindings::proto {
        // SAFETY: all-zero bytes are a valid `struct proto`.
        let mut proto: bindings::proto = unsafe { zeroed() };
        assert!(name.len() < proto.name.len());
        let mut i = 0;
        while i < name.len() {
            proto.name[i] = name[i] as _;
            i += 1;
        }
        proto.owner = module.as_ptr().cast();
        proto.unhash = Some(Self::unhash);
        proto
    }

    /// Makes the slab and enters the protocol in the kernel's list. Process
    /// context; may sleep.
    ///
    /// # Errors
    ///
    /// `EBUSY` if it is registered already; the kernel's errors otherwise.
    pub(crate) fn register(&'static self) -> Result<ProtoRegistration<T>> {
        if self.registered.swap(true, Ordering::Acquire) {
            return Err(EBUSY);
        }
        // SAFETY: `self` is static, complete, and not registered yet.
        to_result(unsafe { bindings::proto_register(self.as_ptr(), 1) })
            .inspect_err(|_| self.registered.store(false, Ordering::Release))?;
        // INVARIANT: registered now.
        Ok(ProtoRegistration(self))
    }

    pub(super) const fn as_ptr(&self) -> *mut bindings::proto {
        self.proto.get()
    }

    /// # Safety
    ///
    /// Called by inet_create() with a fresh sock of this protocol.
    unsafe extern "C" fn init_inet(sk: *mut bindings::sock) -> c_int {
        // SAFETY: fresh and of this protocol, by this function's contract.
        from_result(|| unsafe { sock::init::<T>(sk, AddressFamily::Inet) }.map(|()| 0))
    }

    /// # Safety
    ///
    /// Called by inet6_create() with a fresh sock of this protocol.
    unsafe extern "C" fn init_inet6(sk: *mut bindings::sock) -> c_int {
        // SAFETY: fresh and of this protocol, by this function's contract.
        from_result(|| unsafe { sock::init::<T>(sk, AddressFamily::Inet6) }.map(|()| 0))
    }

    /// Gives up a sock that inet_create() made and then could not use.
    ///
    /// # Safety
    ///
    /// Called by sk_common_release() in process context, with a sock of this
    /// protocol that no user has.
    unsafe extern "C" fn destroy(sk: *mut bindings::sock) {
        // SAFETY: valid during the call, by this function's contract.
        if let Some(sk) = unsafe { sock::try_from_raw::<T>(sk) } {
            T::release(sk);
        }
    }

    /// sk_common_release() calls it without looking; socks are in no table.
    ///
    /// # Safety
    ///
    /// None needed.
    unsafe extern "C" fn unhash(_sk: *mut bindings::sock) {}
}

/// A registered [`Proto`]; unregisters it when dropped.
///
/// Socks of the protocol hold a reference on its module, so that there are none
/// left when the module goes.
///
/// # Invariants
///
/// The protocol is registered.
pub(crate) struct ProtoRegistration<T: SockData>(&'static Proto<T>);

impl<T: SockData> Drop for ProtoRegistration<T> {
    fn drop(&mut self) {
        // SAFETY: registered, by the type invariant.
        unsafe { bindings::proto_unregister(self.0.as_ptr()) };
        self.0.registered.store(false, Ordering::Release);
    }
}
