// SPDX-License-Identifier: GPL-2.0

//! Socks whose SYNs are not left to TCP alone once they have to be repeated.
//!
//! TCP looks for the route again before it sends anything anew, by a function of its
//! table (`rebuild_header`): who is in its place is there in time, and without a timer.
//!
//! C header: [`include/net/inet_connection_sock.h`](srctree/include/net/inet_connection_sock.h)

use super::{Base, StreamSocket};
use crate::abstractions::net::{
    attach::{Attached, EventSock},
    sock::{Sock, SockGuard, TcpState},
    AddressFamily,
};
use core::sync::atomic::Ordering;
use kernel::{ffi::c_int, sync::Arc};
use smc_bindings as bindings;

/// A sock that tells of each repetition of its SYN.
pub(crate) struct Repeating;

impl Repeating {
    /// Has [`StreamSocket::syn_repeats`] called before each repetition of the SYN, which has
    /// not left. Whether it will be: not with IPv6, for whose IPv4 addresses TCP puts another
    /// table in, nor where somebody else has done so.
    pub(crate) fn watch<T: StreamSocket>(_data: &Arc<Attached<T>>, sock: &SockGuard<'_>) -> bool {
        let family = sock.family();
        let ours = T::family(family).af_ops.get().cast_const();
        let theirs = Base::of(family).af_ops.load(Ordering::Relaxed);
        // SAFETY: alive and locked.
        let now = unsafe { bindings::icsk_af_ops(sock.as_ptr()) };
        if family != AddressFamily::Inet || now != theirs.cast_const() && now != ours {
            return false;
        }
        // SAFETY: as above. It is TCP's table but for what is said in `listen::table`.
        unsafe { bindings::icsk_set_af_ops(sock.as_ptr(), ours) };
        true
    }

    /// Undoes it; whether it was done: a listener keeps the table. The sock is locked. Any
    /// context.
    pub(crate) fn leave<T: StreamSocket>(sock: &Sock) -> bool {
        let family = sock.family();
        let ours = T::family(family).af_ops.get().cast_const();
        let theirs = Base::of(family).af_ops.load(Ordering::Relaxed);
        // SAFETY: alive and locked, as the caller says; both tables are static.
        unsafe {
            let watched =
                bindings::icsk_af_ops(sock.as_ptr()) == ours && sock.state() != TcpState::Listen;
            if watched {
                bindings::icsk_set_af_ops(sock.as_ptr(), theirs);
            }
            watched
        }
    }
}

/// # Safety
///
/// Called by TCP as `rebuild_header` of a sock of this family, which is locked.
pub(super) unsafe extern "C" fn rebuild_header<T: StreamSocket>(sk: *mut bindings::sock) -> c_int {
    // SAFETY: alive during the call, by this function's contract.
    let (repeats, theirs) = unsafe {
        let family = Sock::from_raw(sk).family();
        let theirs = Base::of(family).af_ops.load(Ordering::Relaxed);
        (bindings::tcp_syn_repeats(sk), (*theirs).rebuild_header)
    };
    // Also called before the SYN, and when it is answered.
    if let Some(nth) = u32::try_from(repeats).ok().filter(|nth| *nth > 0) {
        // SAFETY: as above.
        let (found, sock) = unsafe { (Attached::<T>::lookup(sk), EventSock::new(sk)) };
        if let Some(data) = found {
            T::syn_repeats(&data, &sock, nth);
        }
    }
    match theirs {
        // SAFETY: TCP's own function, with TCP's argument.
        Some(rebuild) => unsafe { rebuild(sk) },
        None => 0,
    }
}
