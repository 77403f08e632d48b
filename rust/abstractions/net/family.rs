// SPDX-License-Identifier: GPL-2.0

//! Socket families: what `socket(2)` looks its first argument up in.
//!
//! C header: [`include/linux/net.h`](srctree/include/linux/net.h)

use super::{
    attach::Attached,
    sock::Sock,
    stream::{Family as StreamFamily, StreamSocket},
    Net,
};
use core::marker::PhantomData;
use kernel::{
    error::{from_result, to_result},
    ffi::c_int,
    prelude::*,
    sync::Arc,
    types::ARef,
};
use smc_bindings as bindings;

/// What a socket family does.
pub(crate) trait FamilyOps: 'static {
    /// The family's number, `PF_…`.
    const FAMILY: c_int;

    /// Makes a socket out of `socket`. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// What `socket(2)` shall return.
    fn create(socket: Creation<'_>) -> Result;
}

/// A `struct net_proto_family` for [`FamilyOps`].
#[repr(transparent)]
pub(crate) struct Family<F: FamilyOps>(bindings::net_proto_family, PhantomData<F>);

// SAFETY: never changes; the kernel only reads it.
unsafe impl<F: FamilyOps> Sync for Family<F> {}

impl<F: FamilyOps> Family<F> {
    /// A family whose sockets keep `module` loaded.
    pub(crate) const fn new(module: &'static ThisModule) -> Self {
        Self(
            bindings::net_proto_family {
                family: F::FAMILY,
                create: Some(Self::create_callback),
                owner: module.as_ptr().cast(),
            },
            PhantomData,
        )
    }

    /// Registers the family. Process context.
    ///
    /// # Errors
    ///
    /// `EEXIST` if the number is taken.
    pub(crate) fn register(&'static self) -> Result<FamilyRegistration<F>> {
        // SAFETY: `self` is static and complete.
        to_result(unsafe { bindings::sock_register(&self.0) })?;
        // INVARIANT: it is registered now, and by us.
        Ok(FamilyRegistration(PhantomData))
    }

    /// # Safety
    ///
    /// Called by `__sock_create()`: `net` and `sock` are valid during the call,
    /// and nobody else has `sock` yet.
    unsafe extern "C" fn create_callback(
        net: *mut bindings::net,
        sock: *mut bindings::socket,
        protocol: c_int,
        kern: c_int,
    ) -> c_int {
        from_result(|| {
            F::create(Creation {
                // SAFETY: valid during the call, by this function's contract.
                net: unsafe { Net::from_raw(net) },
                socket: sock,
                protocol,
                kern,
            })?;
            Ok(0)
        })
    }
}

/// A registered [`Family`]; unregisters it when dropped.
///
/// # Invariants
///
/// `F::FAMILY` is registered, by us.
pub(crate) struct FamilyRegistration<F: FamilyOps>(PhantomData<F>);

impl<F: FamilyOps> Drop for FamilyRegistration<F> {
    fn drop(&mut self) {
        // SAFETY: the number is ours, by the type invariant. Waits until nobody
        // is looking at the family any more.
        unsafe { bindings::sock_unregister(F::FAMILY) };
    }
}

/// A socket about to be made: `socket(2)` on its way through [`FamilyOps::create`].
///
/// # Invariants
///
/// `socket` is live, has no `struct sock` yet, and nobody else has it.
pub(crate) struct Creation<'a> {
    net: &'a Net,
    socket: *mut bindings::socket,
    protocol: c_int,
    kern: c_int,
}

impl Creation<'_> {
    /// Whether a `SOCK_STREAM` is asked for.
    pub(crate) fn is_stream(&self) -> bool {
        // SAFETY: alive, by the type invariant.
        unsafe { (*self.socket).type_ as bindings::sock_type == bindings::sock_type_SOCK_STREAM }
    }

    /// The third argument of `socket(2)`.
    pub(crate) fn protocol(&self) -> c_int {
        self.protocol
    }

    /// Makes the socket one of `family`; gives what hangs on its sock.
    ///
    /// # Errors
    ///
    /// What socket(2) gives for a TCP socket; the socket is as before then.
    pub(crate) fn make<T: StreamSocket>(self, family: &'static StreamFamily<T>) -> Result<Made<T>> {
        // SAFETY: by the type invariant.
        unsafe {
            family.make(self.socket, self.net, self.kern)?;
            let sk = (*self.socket).sk;
            Ok(Made {
                data: Attached::lookup(sk).ok_or(EINVAL)?,
                sock: Sock::from_raw(sk).into(),
            })
        }
    }
}

/// A socket just made.
pub(crate) struct Made<T: StreamSocket> {
    /// What hangs on its sock.
    pub(crate) data: Arc<Attached<T>>,
    /// Its sock.
    pub(crate) sock: ARef<Sock>,
}
