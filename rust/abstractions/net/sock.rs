// SPDX-License-Identifier: GPL-2.0

//! `struct sock` of TCP.
//!
//! C headers: [`include/net/sock.h`](srctree/include/net/sock.h),
//! [`include/net/tcp.h`](srctree/include/net/tcp.h)

use super::{errno::NetErrno, AddressFamily, Net, PF_INET6};
use core::{
    mem::zeroed,
    ops::Deref,
    ptr::{self, NonNull},
};
use kernel::{
    error::to_result,
    ffi::{c_int, c_long},
    prelude::*,
    types::{AlwaysRefCounted, Opaque},
};
use smc_bindings as bindings;

/// Where a TCP connection stands, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TcpState {
    /// `TCP_CLOSE`: not yet, or no longer.
    Close,
    /// `TCP_LISTEN`.
    Listen,
    /// `TCP_SYN_SENT`, `TCP_SYN_RECV`: the handshake is under way.
    Handshake,
    /// `TCP_ESTABLISHED`.
    Established,
    /// One end has closed, or both have.
    Closing,
}

/// A sock of TCP.
///
/// # Invariants
///
/// A `&Sock` is a live `struct sock` of a TCP socket (a `struct tcp_sock`).
#[repr(transparent)]
pub(crate) struct Sock(Opaque<bindings::sock>);

// SAFETY: a sock may be used and freed by any thread.
unsafe impl Send for Sock {}
// SAFETY: socks have their own locks; what is done here without them is said at
// each method.
unsafe impl Sync for Sock {}

// SAFETY: sock_hold() and sock_put() count the references of a sock.
unsafe impl AlwaysRefCounted for Sock {
    fn inc_ref(&self) {
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::sock_hold(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: the caller gives up a reference of its own.
        unsafe { bindings::sock_put(obj.cast().as_ptr()) };
    }
}

impl Sock {
    /// # Safety
    ///
    /// `sk` is a live TCP sock and stays so for `'a`.
    pub(super) unsafe fn from_raw<'a>(sk: *const bindings::sock) -> &'a Self {
        // SAFETY: the layouts are the same, the rest is the caller's promise.
        unsafe { &*sk.cast() }
    }

    pub(in crate::abstractions) fn as_ptr(&self) -> *mut bindings::sock {
        self.0.get()
    }

    /// The sock's network namespace.
    pub(crate) fn net(&self) -> &Net {
        // SAFETY: a sock keeps its namespace, for as long as it lives.
        unsafe { Net::from_raw(bindings::sock_net(self.as_ptr())) }
    }

    /// Family of the sock. `IPV6_ADDRFORM` can change it while the sock is
    /// connected and not locked.
    pub(crate) fn family(&self) -> AddressFamily {
        // SAFETY: alive, by the type invariant.
        if c_int::from(unsafe { bindings::sk_family(self.as_ptr()) }) == PF_INET6 {
            AddressFamily::Inet6
        } else {
            AddressFamily::Inet
        }
    }

    /// Where the connection stands; it may have changed unless the sock is
    /// locked. Any context.
    pub(crate) fn state(&self) -> TcpState {
        // SAFETY: alive, by the type invariant.
        match unsafe { bindings::sk_state(self.as_ptr()) } as u32 {
            bindings::TCP_ESTABLISHED => TcpState::Established,
            bindings::TCP_SYN_SENT | bindings::TCP_SYN_RECV => TcpState::Handshake,
            bindings::TCP_LISTEN => TcpState::Listen,
            bindings::TCP_CLOSE => TcpState::Close,
            _ => TcpState::Closing,
        }
    }

    /// Whether this end offers SMC in its SYN or SYN-ACK; on a connection whose
    /// handshake is over, whether the peer does too. Any context.
    pub(crate) fn syn_smc(&self) -> bool {
        // SAFETY: a TCP sock, by the type invariant.
        unsafe { bindings::tcp_syn_smc(self.as_ptr()) }
    }

    /// Whether the SYN or SYN-ACK that came last had the SMC option. Where SYNs
    /// cross, `syn_smc` does not say so (tcp_input.c).
    pub(crate) fn peer_smc(&self) -> bool {
        // SAFETY: a TCP sock, by the type invariant.
        unsafe { bindings::tcp_peer_smc_ok(self.as_ptr()) }
    }

    /// Whether the SYNs of the two ends have crossed, so that neither is a
    /// server. To be asked when the connection has just been made.
    pub(crate) fn syns_crossed(&self) -> bool {
        // TCP counts its SYN as delivered when it is acknowledged, and, if it was
        // also a SYN-ACK, again when the connection is made (tcp_input.c, the
        // state SYN_RECV).
        // SAFETY: a TCP sock, by the type invariant.
        unsafe { bindings::tcp_delivered(self.as_ptr()) > 1 }
    }

    /// Whether the peer's TCP has all that was sent, as far as is known. Any context.
    pub(crate) fn has_all_arrived(&self) -> bool {
        // SAFETY: a TCP sock, by the type invariant.
        unsafe { bindings::tcp_all_arrived(self.as_ptr()) }
    }

    /// How often the SYN has been repeated, if it waits for its answer still. The sock
    /// is locked.
    pub(crate) fn syn_repeats(&self) -> Option<u32> {
        // SAFETY: a TCP sock, by the type invariant.
        u32::try_from(unsafe { bindings::tcp_syn_repeats(self.as_ptr()) }).ok()
    }

    /// How often a SYN is repeated before connect() fails. Any context.
    pub(crate) fn max_syn_repeats(&self) -> u32 {
        // SAFETY: a TCP sock, by the type invariant.
        u32::try_from(unsafe { bindings::tcp_max_syn_repeats(self.as_ptr()) }).unwrap_or(0)
    }

    /// Whether the SYN of a connection that has just been made had to be repeated.
    pub(crate) fn syn_was_repeated(&self) -> bool {
        // SAFETY: a TCP sock, by the type invariant.
        unsafe { bindings::tcp_has_repeated(self.as_ptr()) }
    }

    /// Whether TCP has ended the connection with ECONNABORTED, and nobody was told.
    pub(crate) fn is_aborted(&self) -> bool {
        // SAFETY: alive, by the type invariant.
        let e = unsafe { bindings::sk_err(self.as_ptr()) };
        e == NetErrno::ConnAborted as c_int
    }

    /// Whether anything has come for the connection that is being made, or was. Any
    /// context.
    pub(crate) fn was_answered(&self) -> bool {
        // SAFETY: a TCP sock, by the type invariant.
        unsafe { bindings::tcp_was_answered(self.as_ptr()) }
    }

    /// For how long, in seconds, a listener keeps a connection for itself that
    /// brings no data (TCP_DEFER_ACCEPT).
    pub(crate) fn defer_accept(&self) -> u32 {
        // SAFETY: a TCP sock, by the type invariant.
        let retries = u32::from(unsafe { bindings::tcp_defer_accept(self.as_ptr()) });
        // It is kept as the number of SYN-ACKs that are sent in that time.
        (0..retries).map(|n| 1 << n.min(6)).sum()
    }

    /// Offers SMC from the next SYN or SYN-ACK on, or does so no more.
    pub(crate) fn set_syn_smc(&self, on: bool) {
        // SAFETY: a TCP sock; the field is a byte of its own.
        unsafe { bindings::tcp_set_syn_smc(self.as_ptr(), on) };
    }

    /// Whether shutdown(2) has been called, in whatever direction.
    pub(crate) fn is_shut_down(&self) -> bool {
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::sk_is_shut_down(self.as_ptr()) }
    }

    /// Whether an IPsec policy hangs on the socket.
    pub(crate) fn has_ipsec_policy(&self) -> bool {
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::sk_has_policy(self.as_ptr()) }
    }

    /// Takes the sock's lock, sleeping until it is free. Process context.
    pub(crate) fn lock(&self) -> SockGuard<'_> {
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::lock_sock(self.as_ptr()) };
        SockGuard(self)
    }

    /// Whether bytes, or the end of the stream, may be there to be read.
    pub(crate) fn has_input(&self) -> bool {
        // SAFETY: alive, by the type invariant; a look at the queue needs no lock.
        !unsafe { bindings::sk_receive_queue_empty(self.as_ptr()) }
            || self.state() != TcpState::Established
    }

    /// Reads what is there into `buf`; `Ok(0)` at the end of the stream. Process
    /// context.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if nothing is there, else TCP's errors.
    pub(crate) fn recv_now(&self, buf: &mut [u8]) -> Result<usize> {
        self.recv_flags(buf.as_mut_ptr(), buf.len(), 0)
    }

    /// Takes up to `len` bytes out of the stream and forgets them. Else as
    /// [`Sock::recv_now`].
    pub(crate) fn discard_now(&self, len: usize) -> Result<usize> {
        // MSG_TRUNC: TCP does not touch the buffer.
        self.recv_flags(ptr::null_mut(), len, bindings::MSG_TRUNC as c_int)
    }

    fn recv_flags(&self, buf: *mut u8, len: usize, flags: c_int) -> Result<usize> {
        let vec = bindings::kvec {
            iov_base: buf.cast(),
            iov_len: len,
        };
        let mut addr_len = 0;
        // SAFETY: all-zero bytes are a valid `struct msghdr`.
        let mut msg: bindings::msghdr = unsafe { zeroed() };
        // SAFETY: `vec` and what it points to outlive `msg`; `recvmsg` of TCP
        // wants a live sock and takes its lock.
        let n = unsafe {
            bindings::iov_iter_kvec(&mut msg.msg_iter, bindings::ITER_DEST, &vec, 1, len);
            let recvmsg = (*bindings::sk_prot(self.as_ptr())).recvmsg.ok_or(EINVAL)?;
            recvmsg(
                self.as_ptr(),
                &mut msg,
                len,
                flags | bindings::MSG_DONTWAIT as c_int,
                &mut addr_len,
            )
        };
        usize::try_from(n).map_err(|_| Error::from_errno(n))
    }

    /// Sends `bytes` at once, whatever Nagle and TCP_CORK say, or nothing of
    /// them. Process context.
    ///
    /// # Errors
    ///
    /// `EPIPE` if no file has the sock any more, `ENOBUFS` if there is no room
    /// (the stream is broken then), else TCP's errors.
    pub(crate) fn send_now(&self, bytes: &[u8]) -> Result {
        self.lock().send(bytes)
    }

    /// Ends the connection, with a reset if it is up; who uses the socket gets
    /// `error`. Process context, without the sock's lock.
    pub(crate) fn fail(&self, error: Error) {
        // SAFETY: alive, by the type invariant; tcp_abort() takes the lock itself.
        unsafe {
            if self.state() == TcpState::Close {
                bindings::sk_fail(self.as_ptr(), -error.to_errno());
            } else {
                bindings::tcp_abort(self.as_ptr(), -error.to_errno());
            }
        }
    }

    /// Lets ACKs wait for an answer to go with, for TCP's short while: what comes
    /// next is answered at once. Process or softirq context; the sock is locked.
    pub(crate) fn delay_acks(&self) {
        // SAFETY: a TCP sock, by the type invariant.
        unsafe { bindings::inet_csk_enter_pingpong_mode(self.as_ptr()) };
    }

    /// Undoes [`Sock::delay_acks`], and sends the ACK that is due. Process context;
    /// takes the sock's lock.
    pub(crate) fn ack_now(&self) {
        // SAFETY: a TCP sock, by the type invariant.
        unsafe { bindings::tcp_sock_set_quickack(self.as_ptr(), 1) };
    }

    /// How long a receiving call waits, in jiffies.
    pub(crate) fn rcvtimeo(&self, nonblock: bool) -> c_long {
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::sock_rcvtimeo(self.as_ptr(), nonblock) }
    }

    /// How long a sending call, or connect(), waits, in jiffies.
    pub(crate) fn sndtimeo(&self, nonblock: bool) -> c_long {
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::sock_sndtimeo(self.as_ptr(), nonblock) }
    }

    /// Replaces SO_RCVLOWAT, without any effect on buffers; gives the old value.
    /// The sock is locked, in process or softirq context.
    pub(crate) fn swap_rcvlowat(&self, value: c_int) -> c_int {
        // SAFETY: alive; one field.
        unsafe { bindings::sk_swap_rcvlowat(self.as_ptr(), value) }
    }

    /// Size of the receive buffer in bytes, if SO_RCVBUF has set it: twice of what
    /// was asked for, as with all sockets. Any context.
    pub(crate) fn set_rcvbuf(&self) -> Option<u32> {
        // SAFETY: alive, by the type invariant.
        let bytes = unsafe { bindings::sk_set_rcvbuf(self.as_ptr()) };
        u32::try_from(bytes).ok().filter(|bytes| *bytes != 0)
    }

    /// As [`Sock::set_rcvbuf`] for the send buffer and SO_SNDBUF.
    pub(crate) fn set_sndbuf(&self) -> Option<u32> {
        // SAFETY: alive, by the type invariant.
        let bytes = unsafe { bindings::sk_set_sndbuf(self.as_ptr()) };
        u32::try_from(bytes).ok().filter(|bytes| *bytes != 0)
    }

    /// Counts a connection, which is ready for accept(), against the backlog.
    pub(crate) fn acceptq_added(&self) {
        // SAFETY: a TCP sock, by the type invariant.
        unsafe { bindings::sk_acceptq_added(self.as_ptr()) };
    }

    /// Takes back what [`Sock::acceptq_added`] did.
    pub(crate) fn acceptq_removed(&self) {
        // SAFETY: a TCP sock, by the type invariant.
        unsafe { bindings::sk_acceptq_removed(self.as_ptr()) };
    }

    /// Whether TCP has no connection ready for accept().
    pub(crate) fn acceptq_empty(&self) -> bool {
        // SAFETY: a TCP sock, by the type invariant.
        unsafe { bindings::reqsk_queue_empty(self.as_ptr()) }
    }

    /// The next connection that TCP has ready. Process context; takes the
    /// sock's lock.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if there is none, `EINVAL` if the sock does not listen.
    pub(crate) fn accept_now(&self) -> Result<Child> {
        let mut arg = bindings::proto_accept_arg {
            flags: bindings::O_NONBLOCK as c_int,
            err: 0,
            is_empty: 0,
            kern: false,
        };
        // SAFETY: alive, by the type invariant; the accept operation of TCP takes
        // the sock's lock.
        let child = unsafe { bindings::inet_csk_accept(self.as_ptr(), &mut arg) };
        // INVARIANT: inet_csk_accept() gives the reference that close() puts.
        NonNull::new(child)
            .map(Child)
            .ok_or_else(|| Error::from_errno(arg.err))
    }
}

/// A locked [`Sock`].
pub(crate) struct SockGuard<'a>(&'a Sock);

impl Deref for SockGuard<'_> {
    type Target = Sock;

    fn deref(&self) -> &Sock {
        self.0
    }
}

impl SockGuard<'_> {
    /// Undoes [`NewChild::ack_soon`](super::stream::NewChild::ack_soon): from what comes
    /// next on ACKs are delayed as those of `listener`.
    pub(crate) fn ack_as(&self, listener: &Sock) {
        // SAFETY: alive and locked, and a TCP sock's listener.
        unsafe { bindings::tcp_ack_as(self.as_ptr(), listener.as_ptr()) };
    }

    /// See [`Sock::send_now`].
    pub(super) fn send(&self, bytes: &[u8]) -> Result {
        // SAFETY: alive and locked.
        if unsafe { bindings::sk_socket(self.as_ptr()) }.is_null() {
            return Err(EPIPE);
        }
        let vec = bindings::kvec {
            iov_base: bytes.as_ptr().cast_mut().cast(),
            iov_len: bytes.len(),
        };
        // SAFETY: all-zero bytes are a valid `struct msghdr`.
        let mut msg: bindings::msghdr = unsafe { zeroed() };
        msg.msg_flags = bindings::MSG_DONTWAIT | bindings::MSG_NOSIGNAL;
        // SAFETY: `vec` and `bytes` outlive `msg`, and are only read. The sock is
        // locked and has its `struct socket`, which tcp_sendmsg_locked() looks into
        // when there is no room.
        let n = unsafe {
            bindings::iov_iter_kvec(
                &mut msg.msg_iter,
                bindings::ITER_SOURCE,
                &vec,
                1,
                bytes.len(),
            );
            push(self.as_ptr(), &mut msg, bytes.len())
        };
        all_sent(n, bytes.len())
    }
}

/// Sends `msg` at once, whatever Nagle and TCP_CORK say; what tcp_sendmsg_locked()
/// returns. What the application sends first does not wait for its ACK either: it is
/// not one of its small segments.
///
/// # Safety
///
/// `sk` is alive and locked, and has its `struct socket`, which TCP looks into when
/// there is no room. `msg` is valid, not for waiting, and of `len` bytes.
pub(super) unsafe fn push(
    sk: *mut bindings::sock,
    msg: &mut bindings::msghdr,
    len: usize,
) -> c_int {
    // SAFETY: by this function's contract.
    unsafe {
        let nonagle = bindings::tcp_set_push(sk);
        let small = bindings::tcp_snd_sml(sk);
        let n = put(sk, msg, len);
        bindings::tcp_set_snd_sml(sk, small);
        bindings::tcp_restore_nonagle(sk, nonagle);
        n
    }
}

/// Puts `msg` into the stream, as something of ours; what tcp_sendmsg_locked() returns.
///
/// # Safety
///
/// As of [`push`].
pub(super) unsafe fn put(sk: *mut bindings::sock, msg: &mut bindings::msghdr, len: usize) -> c_int {
    // SAFETY: by this function's contract.
    unsafe {
        // The application's time stamps are not for what it has not sent.
        let tsflags = bindings::sk_swap_tsflags(sk, 0);
        let n = bindings::tcp_sendmsg_locked(sk, msg, len);
        bindings::sk_swap_tsflags(sk, tsflags);
        n
    }
}

/// Whether all of `len` bytes went, where `n` is what [`push`] returned.
///
/// # Errors
///
/// As [`Sock::send_now`].
pub(super) fn all_sent(n: c_int, len: usize) -> Result {
    match usize::try_from(n) {
        Err(_) if n == EAGAIN.to_errno() => Err(NetErrno::NoBufs.into()),
        Err(_) => Err(Error::from_errno(n)),
        Ok(n) if n < len => Err(NetErrno::NoBufs.into()),
        Ok(_) => Ok(()),
    }
}

impl Drop for SockGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: locked by this task, by construction.
        unsafe { bindings::release_sock(self.0.as_ptr()) };
    }
}

/// An accepted connection that no file has yet.
///
/// # Invariants
///
/// A live TCP sock; the reference that its close() gives up is owned.
pub(crate) struct Child(NonNull<bindings::sock>);

// SAFETY: a sock may be used and closed by any thread.
unsafe impl Send for Child {}
// SAFETY: see `Sock`.
unsafe impl Sync for Child {}

impl Deref for Child {
    type Target = Sock;

    fn deref(&self) -> &Sock {
        // SAFETY: alive, by the type invariant.
        unsafe { Sock::from_raw(self.0.as_ptr()) }
    }
}

impl Child {
    /// Whether [`NewChild::mark`](super::stream::NewChild::mark) has marked it; it has no
    /// mark any more. Any context.
    pub(crate) fn take_mark(&self) -> bool {
        // SAFETY: a TCP sock that nobody else uses yet; the field is a listener's.
        unsafe {
            let marked = bindings::tcp_has_smc_hs_congested(self.as_ptr());
            if marked {
                bindings::tcp_set_smc_hs_congested(self.as_ptr(), None);
            }
            marked
        }
    }

    /// Gives up the sock without closing it: a `struct socket` has it now.
    pub(super) fn into_raw(self) -> *mut bindings::sock {
        let sk = self.0.as_ptr();
        core::mem::forget(self);
        sk
    }
}

impl Drop for Child {
    /// Resets the connection, as TCP does with those that nobody accepts: there
    /// is nobody for whom it would have to remember them. Process context; may
    /// sleep.
    fn drop(&mut self) {
        self.fail(NetErrno::ConnAborted.into());
        // SAFETY: alive and owned, by the type invariant.
        unsafe { bindings::tcp_close(self.0.as_ptr(), 0) };
    }
}

/// A result of the kernel as one of Rust: negative is an error.
pub(super) fn to_value(ret: c_int) -> Result<c_int> {
    to_result(ret).map(|()| ret)
}
