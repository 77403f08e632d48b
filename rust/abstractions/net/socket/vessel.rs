// SPDX-License-Identifier: GPL-2.0

//! Sockets for connections that have none.

use crate::abstractions::net::{
    sock::{Child, Sock},
    stream::Base,
};
use core::ptr::{self, NonNull};
use kernel::{error::to_result, ffi::c_int, prelude::*};
use smc_bindings as bindings;

/// A socket without a file, which TCP needs to send on a [`Child`].
///
/// # Invariants
///
/// A live `struct socket` with plain TCP operations, which has the child's sock
/// until it is taken out for good.
pub(crate) struct Vessel(NonNull<bindings::socket>);

// SAFETY: a socket may be used and released by any thread.
unsafe impl Send for Vessel {}
// SAFETY: it has its own locks.
unsafe impl Sync for Vessel {}

impl Vessel {
    /// Puts `child` into a socket. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `ENFILE` without memory; the child is closed then.
    pub(crate) fn new(child: Child) -> Result<Self> {
        let mut socket: *mut bindings::socket = ptr::null_mut();
        let base = Base::of(child.family()).ops();
        // SAFETY: `socket` may be written.
        to_result(unsafe {
            bindings::sock_create_lite(
                child.family().as_raw(),
                bindings::sock_type_SOCK_STREAM as c_int,
                bindings::IPPROTO_TCP as c_int,
                &mut socket,
            )
        })?;
        let socket = NonNull::new(socket).ok_or(ENOMEM)?;
        let locked = child.lock();
        // SAFETY: a new socket without a sock; the sock is alive and locked.
        unsafe {
            bindings::__module_get(base.owner);
            bindings::socket_set_ops(socket.as_ptr(), base);
            bindings::sock_graft(child.as_ptr(), socket.as_ptr());
            (*socket.as_ptr()).state = bindings::socket_state_SS_CONNECTED;
        }
        drop(locked);
        child.into_raw();
        // INVARIANT: it has the child's sock.
        Ok(Self(socket))
    }

    /// The sock inside.
    pub(crate) fn sock(&self) -> &Sock {
        // SAFETY: there and alive, by the type invariant.
        unsafe { Sock::from_raw((*self.0.as_ptr()).sk) }
    }

    /// Takes the child out again. Process context; may sleep.
    pub(crate) fn into_child(mut self) -> Child {
        self.take()
    }

    fn take(&mut self) -> Child {
        let socket = self.0.as_ptr();
        // SAFETY: the socket is alive and ours alone, so is its sock, which is
        // parted from it under the locks that guard the two pointers.
        unsafe {
            let sk = (*socket).sk;
            let locked = Sock::from_raw(sk).lock();
            bindings::sk_part(sk);
            (*socket).sk = ptr::null_mut();
            drop(locked);
            // INVARIANT: of `Child`.
            Child::from_raw(NonNull::new_unchecked(sk))
        }
    }
}

impl Drop for Vessel {
    /// Resets the connection, if it is still inside. Process context.
    fn drop(&mut self) {
        // SAFETY: alive and ours alone.
        if !unsafe { (*self.0.as_ptr()).sk.is_null() } {
            drop(self.take());
        }
        // SAFETY: ours alone, and empty.
        unsafe { bindings::sock_release(self.0.as_ptr()) };
    }
}
