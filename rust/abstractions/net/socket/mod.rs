// SPDX-License-Identifier: GPL-2.0

//! `struct socket`: what a file descriptor leads to.
//!
//! C header: [`include/linux/net.h`](srctree/include/linux/net.h)

mod accepted;
mod control;
mod message;
mod vessel;

pub(crate) use accepted::NewSocket;
pub(crate) use control::{Ioctl, OptName, OptOut, OptValue};
pub(crate) use message::{Message, Poll, Splice};
pub(crate) use vessel::{Berth, Vessel};

use super::{
    attach::Attached,
    sock::{to_value, Sock, SockGuard},
    stream::{Base, Repeating, StreamSocket},
    AddressFamily, Net,
};
use crate::abstractions::{
    module_ref,
    wait::{self, Share, Waited},
};
use core::{
    marker::PhantomData,
    net::IpAddr,
    num::NonZeroU32,
    ptr::{self, NonNull},
};
use kernel::{
    error::to_result,
    ffi::{c_int, c_long},
    prelude::*,
    sync::Arc,
    types::Opaque,
};
use smc_bindings as bindings;

/// A socket of TCP, in an operation that its file's user has called.
///
/// # Invariants
///
/// A live `struct socket` that has its sock, a TCP one, until the end of `'a`.
#[derive(Clone, Copy)]
pub(crate) struct Socket<'a>(
    NonNull<bindings::socket>,
    PhantomData<&'a Opaque<bindings::socket>>,
);

impl<'a> Socket<'a> {
    /// # Safety
    ///
    /// `socket` is live and has a TCP sock, during `'a`.
    pub(super) unsafe fn from_raw(socket: *mut bindings::socket) -> Self {
        // SAFETY: not null, by this function's contract.
        Self(unsafe { NonNull::new_unchecked(socket) }, PhantomData)
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::socket {
        self.0.as_ptr()
    }

    /// The socket's sock.
    pub(crate) fn sock(&self) -> &'a Sock {
        // SAFETY: there and alive, by the type invariant.
        unsafe { Sock::from_raw((*self.as_ptr()).sk) }
    }

    fn base(&self) -> &'static bindings::proto_ops {
        Base::of(self.sock().family()).ops()
    }

    /// Whether connect() has not been called since the socket was made or
    /// disconnected.
    pub(crate) fn is_unconnected(&self, _locked: &SockGuard<'_>) -> bool {
        // SAFETY: alive; the state changes under the sock's lock.
        unsafe { (*self.as_ptr()).state == bindings::socket_state_SS_UNCONNECTED }
    }

    /// Makes connect() go on waiting when it is called again.
    pub(crate) fn set_connecting(&self, _locked: &SockGuard<'_>) {
        // SAFETY: alive; the state changes under the sock's lock.
        unsafe { (*self.as_ptr()).state = bindings::socket_state_SS_CONNECTING };
    }

    /// Waits until `ready`; see [`Waited`]. Process context, no locks held.
    pub(crate) fn wait(
        &self,
        share: Share,
        timeout: c_long,
        ready: impl FnMut() -> bool,
    ) -> Waited {
        // SAFETY: the socket keeps its wait queue.
        unsafe {
            let queue = bindings::sk_sleep((*self.as_ptr()).sk);
            wait::wait_on(queue, share, timeout, ready)
        }
    }

    /// What a call that a signal has interrupted returns, which had so many
    /// jiffies left.
    pub(crate) fn interrupted(timeout: c_long) -> Error {
        // SAFETY: only computes.
        Error::from_errno(unsafe { bindings::sock_intr_errno(timeout) })
    }

    /// Takes `data` off the socket, which is a plain TCP socket from now on: the
    /// next operation goes to TCP. Whether it was not one before. Any context;
    /// the sock is locked.
    pub(crate) fn become_plain<T: StreamSocket>(data: &Arc<Attached<T>>, sock: &Sock) -> bool {
        let sk = sock.as_ptr();
        let base = Base::of(sock.family()).ops();
        let mut owner = ptr::null_mut();
        // SAFETY: alive. The callback lock, which is held around the closure, is
        // also taken by who takes the socket away: it is alive if it is there.
        let taken = unsafe {
            Attached::detach_with(data, sk, || {
                let socket = bindings::sk_socket(sk);
                if !socket.is_null() {
                    owner = (*bindings::socket_ops(socket)).owner;
                    bindings::socket_set_ops(socket, base);
                    bindings::__module_get(base.owner);
                }
            })
        };
        if taken {
            Repeating::leave::<T>(sock);
            T::uncount(data, sock);
            // SAFETY: the reference that came with the old operations.
            unsafe { module_ref::put_operations(owner) };
        }
        taken
    }

    /// Whether the file that the socket belongs to has `O_NONBLOCK`.
    pub(crate) fn file_is_nonblocking(&self) -> bool {
        // SAFETY: alive, by the type invariant; a socket of the kernel itself has
        // no file.
        unsafe {
            let file = (*self.as_ptr()).file;
            !file.is_null() && (*file).f_flags & bindings::O_NONBLOCK != 0
        }
    }
}

/// The operations of TCP, on a socket of ours.
impl Socket<'_> {
    /// As connect(2) of TCP.
    pub(crate) fn tcp_connect(&self, to: &Address<'_>, flags: c_int) -> Result<c_int> {
        let op = self.base().connect.ok_or(EINVAL)?;
        // SAFETY: the socket is alive; address and length belong together.
        to_value(unsafe { op(self.as_ptr(), to.addr, to.len, flags) })
    }

    /// As connect(2) of TCP with an address of no family: dissolves the
    /// connection.
    pub(crate) fn tcp_disconnect(&self) -> Result<c_int> {
        // SAFETY: all-zero bytes are a valid `struct sockaddr_storage`, and
        // AF_UNSPEC.
        let mut nowhere: bindings::__kernel_sockaddr_storage = unsafe { core::mem::zeroed() };
        let addr: *mut bindings::__kernel_sockaddr_storage = &mut nowhere;
        // SAFETY: it is there until the end of the call.
        let nowhere = unsafe {
            Address::new(
                addr.cast(),
                size_of::<bindings::__kernel_sockaddr_storage>() as c_int,
            )
        };
        self.tcp_connect(&nowhere, bindings::O_NONBLOCK as c_int)
    }

    /// As listen(2) of TCP.
    pub(crate) fn tcp_listen(&self, backlog: c_int) -> Result<c_int> {
        let op = self.base().listen.ok_or(EINVAL)?;
        // SAFETY: the socket is alive.
        to_value(unsafe { op(self.as_ptr(), backlog) })
    }

    /// As setsockopt(2) of TCP, of an option that is an `int`.
    pub(super) fn tcp_set_int(&self, opt: OptName, mut value: c_int) -> Result<c_int> {
        let op = self.base().setsockopt.ok_or(EINVAL)?;
        let at: *mut c_int = &mut value;
        // SAFETY: the socket is alive, and so is the value until the end of the call.
        to_value(unsafe {
            let value = bindings::KERNEL_SOCKPTR(at.cast());
            let len = size_of::<c_int>() as u32;
            op(self.as_ptr(), opt.level, opt.name, value, len)
        })
    }

    /// As shutdown(2) of TCP.
    pub(crate) fn tcp_shutdown(&self, how: c_int) -> Result<c_int> {
        let op = self.base().shutdown.ok_or(EINVAL)?;
        // SAFETY: the socket is alive.
        to_value(unsafe { op(self.as_ptr(), how) })
    }
}

/// The address argument of connect(2), in kernel memory.
///
/// # Invariants
///
/// `addr` may be read, and changed by BPF, for `len` bytes during `'a`.
pub(crate) struct Address<'a> {
    addr: *mut bindings::sockaddr,
    len: c_int,
    _life: PhantomData<&'a mut bindings::sockaddr>,
}

impl Address<'_> {
    /// # Safety
    ///
    /// As the type's invariants say.
    pub(super) unsafe fn new(addr: *mut bindings::sockaddr, len: c_int) -> Self {
        Self {
            addr,
            len,
            _life: PhantomData,
        }
    }

    pub(super) fn as_raw(&self) -> (*const bindings::sockaddr, c_int) {
        (self.addr, self.len)
    }

    /// The first bytes of it, and how many it has of these; the others are 0.
    fn first<const N: usize>(&self) -> ([u8; N], usize) {
        let mut bytes = [0; N];
        let len = usize::try_from(self.len).unwrap_or(0).min(N);
        // SAFETY: so many bytes may be read, by the type invariant.
        unsafe { ptr::copy_nonoverlapping(self.addr.cast(), bytes.as_mut_ptr(), len) };
        (bytes, len)
    }

    /// The address and port of IPv4 or IPv6; a mapped address of IPv4 is one of IPv4.
    pub(crate) fn endpoint(&self) -> Option<(IpAddr, u16)> {
        let (bytes, len) = self.first::<24>();
        let [f0, f1, p0, p1, a, b, c, d, v6 @ ..] = bytes;
        let addr = match (u32::from(u16::from_ne_bytes([f0, f1])), len) {
            (bindings::AF_INET, 8..) => IpAddr::from([a, b, c, d]),
            (bindings::AF_INET6, 24) => IpAddr::from(v6).to_canonical(),
            _ => return None,
        };
        Some((addr, u16::from_be_bytes([p0, p1])))
    }

    /// The interface that an address of IPv6 names (`sin6_scope_id`), if it does.
    pub(crate) fn scope(&self) -> Option<NonZeroU32> {
        let (bytes, len) = self.first::<28>();
        let [f0, f1, .., s0, s1, s2, s3] = bytes;
        let is_v6 = len == 28 && u32::from(u16::from_ne_bytes([f0, f1])) == bindings::AF_INET6;
        NonZeroU32::new(u32::from_ne_bytes([s0, s1, s2, s3])).filter(|_| is_v6)
    }

    /// Whether it dissolves a connection rather than make one (`AF_UNSPEC`).
    pub(crate) fn is_unspec(&self) -> bool {
        // SAFETY: long enough, as just checked.
        self.len >= 2 && unsafe { u32::from((*self.addr).sa_family) } == bindings::AF_UNSPEC
    }
}

/// Makes a TCP socket and takes its sock out, for `socket`, which gets it.
///
/// # Errors
///
/// What socket(2) gives for such a TCP socket.
///
/// # Safety
///
/// Nobody else has `socket`, and it has no sock.
pub(super) unsafe fn move_in(
    socket: *mut bindings::socket,
    net: &Net,
    family: AddressFamily,
    protocol: c_int,
    kern: c_int,
) -> Result {
    let mut made: *mut bindings::socket = ptr::null_mut();
    // SAFETY: `net` is alive, `made` may be written.
    to_result(unsafe {
        bindings::__sock_create(
            net.as_ptr(),
            family.as_raw(),
            bindings::sock_type_SOCK_STREAM as c_int,
            protocol,
            &mut made,
            kern,
        )
    })?;
    // SAFETY: both sockets are ours alone. `socket` takes over the sock, the
    // operations, and the reference to their owner; what is left of the other one
    // is released.
    unsafe {
        let sk = (*made).sk;
        bindings::sk_part(sk);
        (*made).sk = ptr::null_mut();
        if bindings::socket_test_zerocopy(made) {
            bindings::socket_set_zerocopy(socket);
        }
        bindings::sock_graft(sk, socket);
        (*socket).state = bindings::socket_state_SS_UNCONNECTED;
        let ops = bindings::socket_ops(made);
        bindings::socket_set_ops(socket, ops);
        // socket(2) counts the owner of the operations that it finds.
        let owner = (*ops).owner;
        bindings::socket_set_ops(made, ptr::null());
        bindings::sock_release(made);
        bindings::module_put(owner);
    }
    Ok(())
}
