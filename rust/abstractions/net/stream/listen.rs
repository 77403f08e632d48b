// SPDX-License-Identifier: GPL-2.0

//! Listeners that offer SMC.
//!
//! C header: [`include/net/inet_connection_sock.h`](srctree/include/net/inet_connection_sock.h)

use super::{repeat, Base, StreamSocket};
use crate::abstractions::net::{
    attach::{self, Attached},
    sock::SockGuard,
};
use core::{marker::PhantomData, sync::atomic::Ordering};
use kernel::{prelude::*, sync::Arc};
use smc_bindings as bindings;

/// A sock that offers SMC to whoever connects.
pub(crate) struct Listening;

impl Listening {
    /// Makes the sock, which does not listen yet, offer SMC when it does. Each
    /// new connection is announced by [`StreamSocket::on_child`].
    ///
    /// # Errors
    ///
    /// `EBUSY` if somebody else has changed how the sock makes connections.
    pub(crate) fn prepare<T: StreamSocket>(
        _data: &Arc<Attached<T>>,
        sock: &SockGuard<'_>,
    ) -> Result {
        let family = sock.family();
        let ours = T::family(family).af_ops.get();
        let theirs = Base::of(family).af_ops.load(Ordering::Relaxed);
        // SAFETY: alive and locked; it makes no connections yet, so nobody is
        // reading the fields.
        unsafe {
            let now = bindings::icsk_af_ops(sock.as_ptr());
            if now != theirs.cast_const() && now != ours.cast_const() {
                return Err(EBUSY);
            }
            bindings::icsk_set_af_ops(sock.as_ptr(), ours);
            bindings::tcp_set_smc_hs_congested(sock.as_ptr(), Some(congested::<T>));
        }
        sock.set_syn_smc(true);
        Ok(())
    }

    /// Undoes [`Listening::prepare`] on a sock that does not listen (any more).
    pub(crate) fn undo<T: StreamSocket>(sock: &SockGuard<'_>) {
        let family = sock.family();
        let theirs = Base::of(family).af_ops.load(Ordering::Relaxed);
        sock.set_syn_smc(false);
        // SAFETY: alive and locked. A SYN that is on its way through the sock finds
        // the one table or the other, which are both static.
        unsafe {
            if bindings::icsk_af_ops(sock.as_ptr()) == T::family(family).af_ops.get().cast_const() {
                bindings::icsk_set_af_ops(sock.as_ptr(), theirs);
            }
            bindings::tcp_set_smc_hs_congested(sock.as_ptr(), None);
        }
    }
}

/// A connection that TCP has just made for a listener, and that nobody else has yet.
///
/// # Invariants
///
/// `child` is a new TCP sock, locked, and `skb` what has made it: both are there for `'a`.
pub(crate) struct NewChild<'a> {
    child: *mut bindings::sock,
    skb: *const bindings::sk_buff,
    mark: unsafe extern "C" fn(*const bindings::sock) -> bool,
    _life: PhantomData<&'a ()>,
}

impl NewChild<'_> {
    /// Whether both ends have SMC.
    pub(crate) fn has_smc(&self) -> bool {
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::tcp_syn_smc(self.child) }
    }

    /// Copies what has come with the ACK that has made it, as far as `buf` goes: what
    /// there is to read first. How many bytes; none of a SYN's.
    pub(crate) fn first_bytes(&self, buf: &mut [u8]) -> usize {
        let len = u32::try_from(buf.len()).unwrap_or(u32::MAX);
        // SAFETY: alive, by the type invariant; so many bytes may be written.
        let n = unsafe { bindings::tcp_first_bytes(self.child, self.skb, buf.as_mut_ptr(), len) };
        n as usize
    }

    /// Lets the ACK of what has come wait for something to go with, a tick of the clock at
    /// most, until [`SockGuard::ack_as`](crate::abstractions::net::sock::SockGuard::ack_as).
    pub(crate) fn ack_soon(&self) {
        // SAFETY: alive and locked, by the type invariant.
        unsafe { bindings::tcp_ack_soon(self.child) };
    }

    /// Marks it for [`Child::take_mark`](crate::abstractions::net::sock::Child::take_mark).
    pub(crate) fn mark(&self) {
        // A listener's, and of no use to other socks. Should this one become a listener,
        // it is congested until it has data of ours.
        // SAFETY: alive, by the type invariant. The function can be called as long as
        // there are listeners of ours, in the queue of one of which the sock is.
        unsafe { bindings::tcp_set_smc_hs_congested(self.child, Some(self.mark)) };
    }
}

/// TCP's table with our way to make connections, and to repeat a SYN.
pub(super) fn table<T: StreamSocket>(base: &Base) -> bindings::inet_connection_sock_af_ops {
    // SAFETY: a static table, by the type invariant of `Base`; plain data.
    let mut table = unsafe { core::ptr::read(base.af_ops.load(Ordering::Relaxed)) };
    table.syn_recv_sock = Some(syn_recv_sock::<T>);
    table.rebuild_header = Some(repeat::rebuild_header::<T>);
    table
}

type OptChildInit =
    Option<unsafe extern "C" fn(newsk: *mut bindings::sock, sk: *const bindings::sock)>;

/// # Safety
///
/// Called by TCP, in softirq, as `syn_recv_sock` of a listener.
unsafe extern "C" fn syn_recv_sock<T: StreamSocket>(
    sk: *const bindings::sock,
    skb: *mut bindings::sk_buff,
    req: *mut bindings::request_sock,
    dst: *mut bindings::dst_entry,
    req_unhash: *mut bindings::request_sock,
    own_req: *mut bool,
    opt_child_init: OptChildInit,
) -> *mut bindings::sock {
    // SAFETY: the listener is alive, its family that of one of our tables.
    let (family, ours) = unsafe {
        let family = attach_family(sk);
        (family, T::family(family).af_ops.get().cast_const())
    };
    let theirs = Base::of(family).af_ops.load(Ordering::Relaxed);
    // SAFETY: TCP's own function, with TCP's arguments.
    let child = unsafe {
        match (*theirs).syn_recv_sock {
            Some(make) => make(sk, skb, req, dst, req_unhash, own_req, opt_child_init),
            None => core::ptr::null_mut(),
        }
    };
    if child.is_null() {
        return child;
    }
    // SAFETY: the new sock is locked by TCP and has run no callback yet. It is a
    // clone of the listener, but of another table if it is IPv4 in IPv6.
    unsafe {
        attach::undo_clone(child);
        if bindings::icsk_af_ops(child) == ours {
            bindings::icsk_set_af_ops(child, theirs);
        }
        bindings::tcp_set_smc_hs_congested(child, None);
    }
    // SAFETY: alive; `lookup` takes the lock that the data are changed under.
    if let Some(data) = unsafe { Attached::<T>::lookup(sk.cast_mut()) } {
        // INVARIANT: until TCP gets them back.
        let new = NewChild {
            child,
            skb,
            mark: congested::<T>,
            _life: PhantomData,
        };
        T::on_child(&data, &new);
    }
    child
}

/// # Safety
///
/// `sk` is alive.
unsafe fn attach_family(sk: *const bindings::sock) -> crate::abstractions::net::AddressFamily {
    // SAFETY: by this function's contract; a listener is a TCP sock.
    unsafe { crate::abstractions::net::sock::Sock::from_raw(sk) }.family()
}

/// # Safety
///
/// Called by TCP, in softirq, with a listener.
unsafe extern "C" fn congested<T: StreamSocket>(sk: *const bindings::sock) -> bool {
    // SAFETY: alive during the call; `lookup` takes the lock that the data are
    // changed under.
    match unsafe { Attached::<T>::lookup(sk.cast_mut()) } {
        Some(data) => T::is_congested(&data),
        // The listener is being closed.
        None => true,
    }
}
