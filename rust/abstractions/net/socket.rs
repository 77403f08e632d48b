// SPDX-License-Identifier: GPL-2.0

//! `struct socket`: what a file descriptor leads to.
//!
//! C header: [`include/linux/net.h`](srctree/include/linux/net.h)

use super::{
    errno::NetErrno,
    proto::Proto,
    sock::{self, SockData},
    AddressFamily, Net,
};
use core::{
    marker::PhantomData,
    mem::zeroed,
    ptr::{self, NonNull},
};
use kernel::{error::to_result, ffi::c_int, prelude::*, types::Opaque};
use smc_bindings as bindings;

/// The operations of sockets whose socks carry a `T`.
///
/// What the protocol does not offer answers `EOPNOTSUPP`.
#[repr(transparent)]
pub(crate) struct SocketOps<T: SockData>(bindings::proto_ops, PhantomData<T>);

// SAFETY: never changes; the kernel only reads it.
unsafe impl<T: SockData> Sync for SocketOps<T> {}

impl<T: SockData> SocketOps<T> {
    /// Operations for sockets of `family` (`PF_…`), which keep `module` loaded.
    pub(crate) const fn new(family: c_int, module: &'static ThisModule) -> Self {
        Self(
            bindings::proto_ops {
                family,
                owner: module.as_ptr().cast(),
                release: Some(Self::release),
                bind: Some(bindings::sock_no_bind),
                connect: Some(bindings::sock_no_connect),
                socketpair: Some(bindings::sock_no_socketpair),
                accept: Some(bindings::sock_no_accept),
                getname: Some(bindings::sock_no_getname),
                ioctl: Some(bindings::sock_no_ioctl),
                listen: Some(bindings::sock_no_listen),
                shutdown: Some(bindings::sock_no_shutdown),
                sendmsg: Some(bindings::sock_no_sendmsg),
                recvmsg: Some(bindings::sock_no_recvmsg),
                mmap: Some(bindings::sock_no_mmap),
                // SAFETY: all-zero bytes are a valid `struct proto_ops`.
                ..unsafe { zeroed() }
            },
            PhantomData,
        )
    }

    pub(super) const fn as_ptr(&self) -> *const bindings::proto_ops {
        &self.0
    }

    /// # Safety
    ///
    /// Called by __sock_release() in process context, with a socket of these
    /// operations that nobody uses any more.
    unsafe extern "C" fn release(sock: *mut bindings::socket) -> c_int {
        // SAFETY: valid during the call, by this function's contract.
        let sk = unsafe { (*sock).sk };
        if sk.is_null() {
            return 0;
        }
        // SAFETY: the socket's reference keeps the sock, until it is put below.
        if let Some(sk) = unsafe { sock::try_from_raw::<T>(sk) } {
            T::release(sk);
        }
        // SAFETY: the socket is still valid and owns a reference to its sock,
        // which it gives up here.
        unsafe {
            bindings::sock_orphan(sk);
            (*sock).sk = ptr::null_mut();
            bindings::sock_put(sk);
        }
        0
    }
}

/// A socket.
///
/// # Invariants
///
/// A `&Socket` is a live `struct socket`.
#[repr(transparent)]
pub(crate) struct Socket(Opaque<bindings::socket>);

impl Socket {
    /// # Safety
    ///
    /// `sock` is valid and stays so for `'a`.
    pub(super) unsafe fn from_raw<'a>(sock: *mut bindings::socket) -> &'a Self {
        // SAFETY: the layouts are the same, the rest is the caller's promise.
        unsafe { &*sock.cast() }
    }

    /// `SOCK_…`.
    pub(super) fn ty(&self) -> bindings::sock_type {
        // SAFETY: alive, by the type invariant; set once, before anybody else
        // has the socket.
        unsafe { (*self.0.get()).type_ as bindings::sock_type }
    }

    /// Gives a new socket its operations and its sock. Process context.
    ///
    /// # Errors
    ///
    /// `ENOBUFS` without memory, else what [`SockData::new`] gives.
    ///
    /// # Safety
    ///
    /// Nobody else has the socket, and it has no sock.
    pub(super) unsafe fn make<T: SockData>(
        &self,
        net: &Net,
        proto: &'static Proto<T>,
        ops: &'static SocketOps<T>,
        family: AddressFamily,
        protocol: c_int,
        kern: c_int,
    ) -> Result {
        let sock = self.0.get();
        // SAFETY: `net` is alive, `proto` is registered (the family that calls
        // this is registered after it).
        let sk = unsafe {
            bindings::sk_alloc(
                net.as_ptr(),
                ops.0.family,
                bindings::GFP_KERNEL,
                proto.as_ptr(),
                kern,
            )
        };
        if sk.is_null() {
            return Err(NetErrno::NoBufs.into());
        }
        // SAFETY: `sk` is fresh and `sock` has no sock, by this function's
        // contract; from here on `sock` owns the reference.
        unsafe {
            bindings::sock_init_data(sock, sk);
            (*sk).sk_protocol = protocol as u16;
            (*sock).ops = ops.as_ptr();
        }
        // SAFETY: `sk` is of `proto`, fresh, and known to nobody else.
        unsafe { sock::init::<T>(sk, family) }.inspect_err(|_| {
            // SAFETY: undoes sock_init_data(); the reference is given up.
            unsafe {
                bindings::sock_orphan(sk);
                (*sock).sk = ptr::null_mut();
                bindings::sock_put(sk);
            }
        })
    }
}

/// A socket that the kernel uses for itself.
///
/// # Invariants
///
/// The pointer is a live `struct socket` that nobody else releases.
pub(crate) struct KernelSocket(NonNull<bindings::socket>);

// SAFETY: a socket may be used and released by any thread.
unsafe impl Send for KernelSocket {}
// SAFETY: sockets have their own locks.
unsafe impl Sync for KernelSocket {}

impl KernelSocket {
    /// A TCP socket in `net`. Process context; may sleep.
    ///
    /// It keeps `net` alive: TCP's timers go on after the socket is released.
    ///
    /// # Errors
    ///
    /// What `socket(2)` gives for such a TCP socket.
    pub(crate) fn tcp(net: &Net, family: AddressFamily) -> Result<Self> {
        let mut sock = ptr::null_mut();
        // SAFETY: `net` is alive and `sock` may be written.
        to_result(unsafe {
            bindings::sock_create_kern(
                net.as_ptr(),
                family.as_raw(),
                bindings::sock_type_SOCK_STREAM as c_int,
                bindings::IPPROTO_TCP as c_int,
                &mut sock,
            )
        })?;
        let sock = NonNull::new(sock).ok_or(EINVAL)?;
        // SAFETY: the new socket has a sock, made without a reference to its
        // namespace.
        unsafe { bindings::sk_net_refcnt_upgrade((*sock.as_ptr()).sk) };
        // INVARIANT: made here, so nobody else has it.
        Ok(Self(sock))
    }
}

impl Drop for KernelSocket {
    /// Process context; may sleep.
    fn drop(&mut self) {
        // SAFETY: ours, by the type invariant.
        unsafe { bindings::sock_release(self.0.as_ptr()) };
    }
}
