// SPDX-License-Identifier: GPL-2.0

//! A socket for connections that have none.

use crate::abstractions::net::{sock::Child, stream::Base, AddressFamily};
use core::{
    mem::forget,
    ptr::{self, NonNull},
    sync::atomic::{AtomicPtr, Ordering},
};
use kernel::{error::to_result, ffi::c_int, prelude::*};
use smc_bindings as bindings;

/// A socket without a file, which is lent to one [`Child`] after the other: TCP
/// looks into the socket of who sends, where memory or room is short.
///
/// # Invariants
///
/// A live `struct socket` with operations of plain TCP and without a sock. No sock
/// leads to it but during [`Vessel::send`].
pub(crate) struct Vessel(NonNull<bindings::socket>);

// SAFETY: a socket may be used and released by any thread.
unsafe impl Send for Vessel {}
// SAFETY: there are no methods on a shared reference.
unsafe impl Sync for Vessel {}

impl Vessel {
    /// One for connections of this family. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `ENFILE` without memory.
    pub(crate) fn new(family: AddressFamily) -> Result<Self> {
        let mut socket: *mut bindings::socket = ptr::null_mut();
        let base = Base::of(family).ops();
        // SAFETY: `socket` may be written.
        to_result(unsafe {
            bindings::sock_create_lite(
                family.as_raw(),
                bindings::sock_type_SOCK_STREAM as c_int,
                bindings::IPPROTO_TCP as c_int,
                &mut socket,
            )
        })?;
        let socket = NonNull::new(socket).ok_or(ENOMEM)?;
        // SAFETY: a new socket, which is ours alone. Releasing it puts the owner of
        // its operations.
        unsafe {
            bindings::__module_get(base.owner);
            bindings::socket_set_ops(socket.as_ptr(), base);
        }
        // INVARIANT: just made.
        Ok(Self(socket))
    }

    /// As [`Sock::send_now`](crate::abstractions::net::sock::Sock::send_now) on
    /// `child`, which has this socket meanwhile, but not its owner. Process context;
    /// may sleep.
    ///
    /// # Errors
    ///
    /// As there.
    pub(crate) fn send(&mut self, child: &Child, bytes: &[u8]) -> Result {
        let locked = child.lock();
        let sk = locked.as_ptr();
        // SAFETY: both are alive, and the sock is locked, of which no file has a
        // socket (type invariant of `Child`). Who finds the socket without the
        // sock's lock does so under RCU or the callback lock; it is freed after a
        // grace period.
        unsafe { bindings::sk_lend_socket(sk, self.0.as_ptr()) };
        let sent = locked.send(bytes);
        // SAFETY: as above; what was lent is taken back.
        unsafe { bindings::sk_return_socket(sk, self.0.as_ptr()) };
        sent
    }
}

impl Drop for Vessel {
    /// Process context.
    fn drop(&mut self) {
        // SAFETY: ours alone, and without a sock.
        unsafe { bindings::sock_release(self.0.as_ptr()) };
    }
}

/// Where a [`Vessel`] lies that nobody uses. All but its end in any context.
///
/// # Invariants
///
/// Null, [`Berth::closed`], or the socket of a vessel that is owned.
pub(crate) struct Berth(AtomicPtr<bindings::socket>);

impl Berth {
    /// An empty one.
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// No socket is there.
    const fn closed() -> *mut bindings::socket {
        NonNull::dangling().as_ptr()
    }

    /// The vessel that is there.
    pub(crate) fn take(&self) -> Option<Vessel> {
        let there = self.0.load(Ordering::Acquire);
        if there == Self::closed() {
            return None;
        }
        let socket = NonNull::new(there)?;
        let nobody = ptr::null_mut();
        // Somebody else may have been quicker.
        self.0
            .compare_exchange(there, nobody, Ordering::AcqRel, Ordering::Relaxed)
            .ok()?;
        // INVARIANT: a vessel's, and owned, by the type invariant.
        Some(Vessel(socket))
    }

    /// Puts one there, or gives it back where there is no room.
    pub(crate) fn put(&self, vessel: Vessel) -> Option<Vessel> {
        let (nobody, socket) = (ptr::null_mut(), vessel.0.as_ptr());
        // INVARIANT: given up by `vessel`, which is forgotten then.
        match self
            .0
            .compare_exchange(nobody, socket, Ordering::AcqRel, Ordering::Relaxed)
        {
            Ok(_) => {
                forget(vessel);
                None
            }
            Err(_) => Some(vessel),
        }
    }

    /// Releases what is there, and takes nothing more. Process context.
    pub(crate) fn close(&self) {
        let there = self.0.swap(Self::closed(), Ordering::AcqRel);
        if let Some(socket) = NonNull::new(there).filter(|at| at.as_ptr() != Self::closed()) {
            // INVARIANT: as in `take`.
            drop(Vessel(socket));
        }
    }
}

impl Drop for Berth {
    /// Process context, unless it is empty or closed.
    fn drop(&mut self) {
        self.close();
    }
}
