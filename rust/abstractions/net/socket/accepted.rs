// SPDX-License-Identifier: GPL-2.0

//! The socket that accept(2) makes.

use crate::abstractions::{
    module_ref::{self, ModuleRef},
    net::{
        attach::Attached,
        sock::Child,
        stream::{Base, StreamSocket},
        AddressFamily,
    },
};
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{prelude::*, sync::Arc};
use smc_bindings as bindings;

/// The socket that accept(2) has made, without a sock yet.
///
/// # Invariants
///
/// A live `struct socket` that nobody else has.
pub(crate) struct NewSocket<'a>(
    NonNull<bindings::socket>,
    PhantomData<&'a mut bindings::socket>,
);

impl NewSocket<'_> {
    /// # Safety
    ///
    /// `socket` is live during `'a`, has no sock, and nobody else has it.
    pub(in crate::abstractions::net) unsafe fn from_raw(socket: *mut bindings::socket) -> Self {
        // SAFETY: not null, by this function's contract.
        Self(unsafe { NonNull::new_unchecked(socket) }, PhantomData)
    }

    /// Gives it this connection, as a plain TCP socket. Process context.
    pub(crate) fn take_plain(self, child: Child) {
        let socket = self.0.as_ptr();
        let base = Base::of(child.family()).ops();
        let locked = child.lock();
        // SAFETY: the new socket is ours alone and has no sock; the sock is alive
        // and locked. The operations' owner was counted by accept(2) for the
        // socket's first ones, which are of this module: not the last reference,
        // as the listener has one too.
        unsafe {
            bindings::sock_rps_record_flow(child.as_ptr());
            bindings::socket_set_zerocopy(socket);
            bindings::sock_graft(child.as_ptr(), socket);
            (*socket).state = bindings::socket_state_SS_CONNECTED;
            let owner = (*bindings::socket_ops(socket)).owner;
            bindings::__module_get(base.owner);
            bindings::socket_set_ops(socket, base);
            bindings::module_put(owner);
        }
        drop(locked);
        child.into_raw();
    }

    /// Gives it this connection, with the data that `data` makes, as a socket of
    /// ours. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` without memory; the connection is closed then.
    pub(crate) fn take_ours<T, I>(
        self,
        child: Child,
        data: impl FnOnce(AddressFamily) -> I,
    ) -> Result<Arc<Attached<T>>>
    where
        T: StreamSocket,
        I: PinInit<T, Error>,
    {
        let socket = self.0.as_ptr();
        // SAFETY: the module's code runs, for the listener holds a reference; this
        // one is for the data.
        let module = unsafe {
            bindings::__module_get(module_ref::this_module());
            ModuleRef::from_counted()
        };
        let family = child.family();
        let attached = Attached::new(Some(module), data(family))?;
        let locked = child.lock();
        Attached::attach(&attached, &locked)?;
        T::count(&attached, &child);
        // SAFETY: as in `take_plain`; the operations, and the reference to their
        // owner, are those that accept(2) has given to the new socket: of this
        // family, as the listener's.
        unsafe {
            bindings::sock_rps_record_flow(child.as_ptr());
            bindings::sock_graft(child.as_ptr(), socket);
            (*socket).state = bindings::socket_state_SS_CONNECTED;
        }
        drop(locked);
        child.into_raw();
        Ok(attached)
    }
}
