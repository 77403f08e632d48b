// SPDX-License-Identifier: GPL-2.0

//! `struct proto`: what socks are allocated from, and a name to count them by.
//!
//! C header: [`include/net/sock.h`](srctree/include/net/sock.h)

use super::sock::Sock;
use core::{
    cell::UnsafeCell,
    mem::{size_of, zeroed},
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};
use kernel::{error::to_result, ffi::c_int, prelude::*};
use smc_bindings as bindings;

/// The function that prepares a new sock of a protocol.
pub(super) type Init = unsafe extern "C" fn(sk: *mut bindings::sock) -> c_int;

/// A protocol, as /proc/net/protocols shows it.
///
/// # Invariants
///
/// Once registered, only the kernel changes `proto`.
pub(crate) struct Proto {
    proto: UnsafeCell<bindings::proto>,
    registered: AtomicBool,
}

// SAFETY: the kernel serialises its changes to `proto`; this module reads only
// fields that do not change.
unsafe impl Sync for Proto {}

impl Proto {
    /// One by which socks are counted. `name` is at most 31 bytes.
    pub(crate) const fn new(name: &[u8], module: &'static ThisModule) -> Self {
        // SAFETY: all-zero bytes are a valid `struct proto`.
        let mut proto: bindings::proto = unsafe { zeroed() };
        assert!(name.len() < proto.name.len());
        let mut i = 0;
        while i < name.len() {
            proto.name[i] = name[i] as _;
            i += 1;
        }
        proto.owner = module.as_ptr().cast();
        proto.obj_size = size_of::<bindings::tcp_sock>() as _;
        Self {
            proto: UnsafeCell::new(proto),
            registered: AtomicBool::new(false),
        }
    }

    /// Enters the protocol in the kernel's list. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `EBUSY` if it is registered already; the kernel's errors otherwise.
    pub(crate) fn register(&'static self) -> Result<ProtoRegistration> {
        self.claim()?;
        self.enter()
    }

    /// As [`Proto::register`], for a protocol whose socks are those of `like`,
    /// come out of its slab, and are prepared by `init`. Each begins with a
    /// reference to the module.
    ///
    /// # Errors
    ///
    /// As [`Proto::register`].
    ///
    /// # Safety
    ///
    /// `like` is registered, and stays so. `init` makes each sock one of `like`,
    /// `sk_prot_creator` and all, and takes the reference to the module over.
    pub(super) unsafe fn register_like(
        &'static self,
        like: *const bindings::proto,
        init: Init,
    ) -> Result<ProtoRegistration> {
        self.claim()?;
        let proto = self.as_ptr();
        // SAFETY: ours alone until it is registered. `like` may be read, as the
        // caller guarantees.
        unsafe {
            let (name, owner) = ((*proto).name, (*proto).owner);
            ptr::copy_nonoverlapping(like, proto, 1);
            (*proto).name = name;
            (*proto).owner = owner;
            (*proto).init = Some(init);
            (*proto).node = zeroed();
            // Registering would make the slabs of these two anew, and
            // unregistering free them, as it would this one.
            (*proto).twsk_prot = ptr::null_mut();
            (*proto).rsk_prot = ptr::null_mut();
            (*proto).slab = ptr::null_mut();
        }
        let registration = self.enter()?;
        // SAFETY: as above; nobody makes socks of it before we return.
        unsafe { (*proto).slab = (*like).slab };
        Ok(registration)
    }

    fn claim(&self) -> Result {
        if self.registered.swap(true, Ordering::Acquire) {
            return Err(EBUSY);
        }
        Ok(())
    }

    fn enter(&'static self) -> Result<ProtoRegistration> {
        // SAFETY: static, complete, and not registered yet.
        to_result(unsafe { bindings::proto_register(self.as_ptr(), 0) })
            .inspect_err(|_| self.registered.store(false, Ordering::Release))?;
        // INVARIANT: registered now.
        Ok(ProtoRegistration(self))
    }

    pub(super) const fn as_ptr(&self) -> *mut bindings::proto {
        self.proto.get()
    }

    /// Counts `n` socks more, in the namespace of `sock`. Any context.
    pub(crate) fn count(&'static self, sock: &Sock, n: c_int) {
        // SAFETY: the namespace is alive, the counter belongs to a protocol that
        // stays registered while there are sockets to count.
        unsafe { bindings::sock_prot_inuse_add(sock.net().as_ptr(), self.as_ptr(), n) };
    }
}

/// A registered [`Proto`]; unregisters it when dropped.
///
/// # Invariants
///
/// The protocol is registered.
pub(crate) struct ProtoRegistration(&'static Proto);

impl Drop for ProtoRegistration {
    fn drop(&mut self) {
        // SAFETY: registered, by the type invariant. No sock is being made of it:
        // who begins to has a reference to the module.
        unsafe {
            (*self.0.as_ptr()).slab = ptr::null_mut();
            bindings::proto_unregister(self.0.as_ptr());
        }
        self.0.registered.store(false, Ordering::Release);
    }
}
