// SPDX-License-Identifier: GPL-2.0

//! What the data path of a stream needs of a sock, if the bytes are not TCP's:
//! who waits, and what the application has set.
//!
//! C header: [`include/net/sock.h`](srctree/include/net/sock.h)

use super::{
    sock::Sock,
    socket::{Message, Poll, Socket},
};
use kernel::{
    error::to_result,
    ffi::{c_int, c_long},
    prelude::*,
};
use smc_bindings as bindings;

/// What to shut a TCP connection down for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shutdown {
    /// Writing.
    Write,
    /// Both directions.
    Both,
}

/// Waking who waits.
impl Sock {
    /// Wakes who waits for one of `events` (`EPOLL…`), and tells who wants to be
    /// told of them by a signal. One of those that share a wake-up, or `all`. Any
    /// context.
    pub(crate) fn wake(&self, events: u32, all: bool) {
        // SAFETY: alive, by the type invariant; looks for waiters under RCU.
        unsafe { bindings::sk_wake(self.as_ptr(), events, all) };
    }

    /// Room to send is worth a signal when there is some again. Process context,
    /// in an operation of the socket.
    pub(crate) fn wants_space_signal(&self) {
        // SAFETY: alive, and so is its socket.
        unsafe { bindings::sk_set_nospace(self.as_ptr()) };
    }

    /// Tells the owner of urgent data (SIGURG). Any context; no locks of the sock
    /// are held.
    pub(crate) fn signal_urgent(&self) {
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::sk_signal_urgent(self.as_ptr()) };
    }
}

/// Errors.
impl Sock {
    /// Whether an error waits to be returned. Any context.
    pub(crate) fn has_error(&self) -> bool {
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::sk_err(self.as_ptr()) != 0 }
    }

    /// Whether something waits to be read with MSG_ERRQUEUE. Any context.
    pub(crate) fn has_messages(&self) -> bool {
        // SAFETY: alive, by the type invariant; a look at the queue needs no lock.
        unsafe { bindings::sk_has_messages(self.as_ptr()) }
    }

    /// Who has asked for it (SO_ZEROCOPY) is told that `bytes` of a call with
    /// MSG_ZEROCOPY were copied, and may be written again. Process context.
    ///
    /// # Errors
    ///
    /// `ENOBUFS` without memory for the message.
    pub(crate) fn tell_copied(&self, bytes: usize) -> Result {
        // SAFETY: alive, by the type invariant.
        to_result(unsafe { bindings::sk_zerocopy_copied(self.as_ptr(), bytes) })
    }

    /// The error that waits to be returned, once. Any context.
    pub(crate) fn take_error(&self) -> Option<Error> {
        // SAFETY: alive, by the type invariant; negative, or zero.
        let e = unsafe { bindings::sock_error(self.as_ptr()) };
        (e != 0).then(|| Error::from_errno(e))
    }

    /// The next call that looks for an error returns `error`, unless another one
    /// is waiting there. Any context; nobody is woken.
    pub(crate) fn set_error(&self, error: Error) {
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::sk_set_err(self.as_ptr(), -error.to_errno()) };
    }

    /// What a sending call returns that nothing can be sent by: the sock's own
    /// error if there is one, and `EPIPE` comes with SIGPIPE unless `flags`
    /// (`MSG_…`) say no. Process context.
    pub(crate) fn send_error(&self, error: Error, flags: u32) -> Error {
        // SAFETY: alive, by the type invariant.
        Error::from_errno(unsafe {
            bindings::sk_stream_error(self.as_ptr(), flags as c_int, error.to_errno())
        })
    }
}

/// What the application has set.
impl Sock {
    /// Whether urgent data are part of the stream (SO_OOBINLINE).
    pub(crate) fn urgent_inline(&self) -> bool {
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::sk_urg_inline(self.as_ptr()) }
    }

    /// SO_LINGER in jiffies, if it is on.
    pub(crate) fn linger(&self) -> Option<c_long> {
        // SAFETY: alive, by the type invariant.
        let time = unsafe { bindings::sk_linger(self.as_ptr()) };
        (time >= 0).then_some(time)
    }

    /// Whether TCP_CORK is on.
    pub(crate) fn is_corked(&self) -> bool {
        // SAFETY: a TCP sock, by the type invariant.
        unsafe { bindings::tcp_is_corked(self.as_ptr()) }
    }

    /// Whether TCP_NODELAY is on.
    pub(crate) fn is_nodelay(&self) -> bool {
        // SAFETY: a TCP sock, by the type invariant.
        unsafe { bindings::tcp_is_nodelay(self.as_ptr()) }
    }

    /// TCP_NOTSENT_LOWAT.
    pub(crate) fn notsent_lowat(&self) -> u32 {
        // SAFETY: a TCP sock, by the type invariant.
        unsafe { bindings::tcp_notsent_lowat(self.as_ptr()) }
    }

    /// How many bytes a call that asks for `len` waits for: SO_RCVLOWAT, or all of
    /// them.
    pub(crate) fn rcvlowat(&self, all: bool, len: usize) -> usize {
        let len = c_int::try_from(len).unwrap_or(c_int::MAX);
        // SAFETY: alive, by the type invariant.
        let n = unsafe { bindings::sock_rcvlowat(self.as_ptr(), all.into(), len) };
        usize::try_from(n).unwrap_or(1)
    }

    /// SO_PEEK_OFF, if it is set.
    pub(crate) fn peek_offset(&self) -> Option<usize> {
        // SAFETY: alive, by the type invariant.
        let off = unsafe { bindings::sk_peek_offset(self.as_ptr(), bindings::MSG_PEEK as c_int) };
        usize::try_from(off).ok()
    }

    /// `bytes` were peeked at, or taken out of the stream: SO_PEEK_OFF moves.
    pub(crate) fn move_peek_offset(&self, peeked: bool, bytes: usize) {
        let bytes = c_int::try_from(bytes).unwrap_or(c_int::MAX);
        // SAFETY: alive, by the type invariant.
        unsafe {
            if peeked {
                bindings::sk_peek_offset_fwd(self.as_ptr(), bytes);
            } else {
                bindings::sk_peek_offset_bwd(self.as_ptr(), bytes);
            }
        }
    }
}

/// TCP underneath.
impl Sock {
    /// Shuts the connection down, unless it is closed by its user already.
    /// Process context; takes the sock's lock.
    pub(crate) fn shut_down(&self, how: Shutdown) {
        let how = match how {
            Shutdown::Write => bindings::SEND_SHUTDOWN,
            Shutdown::Both => bindings::SHUTDOWN_MASK,
        };
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::sk_shutdown(self.as_ptr(), how as c_int) };
    }

    /// Resets the connection. The error that waits to be returned stays what it
    /// is. Process context; takes the sock's lock.
    pub(crate) fn reset(&self) {
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::tcp_abort(self.as_ptr(), bindings::sk_err(self.as_ptr())) };
    }
}

/// Whether the calling task is on its way out: it waits for nothing any more.
pub(crate) fn is_exiting() -> bool {
    // SAFETY: looks at the current task.
    unsafe { bindings::current_is_exiting() }
}

impl Poll<'_> {
    /// Puts the caller on the socket's wait queue. Process context.
    pub(crate) fn register(&self, socket: Socket<'_>) {
        // SAFETY: the socket is alive; file and table go with it.
        unsafe { bindings::sock_poll_wait(self.file(), socket.as_ptr(), self.table()) };
    }
}

impl Message<'_> {
    /// Tells how many bytes are left to be read, if that is asked for (TCP_INQ).
    /// Process context; may sleep.
    pub(crate) fn put_left(&self, sock: &Sock, bytes: u32) {
        let bytes = c_int::try_from(bytes).unwrap_or(c_int::MAX);
        // SAFETY: both are alive, by the type invariants.
        unsafe { bindings::msg_put_inq(sock.as_ptr(), self.as_ptr(), bytes) };
    }

    /// Puts these bytes behind those that are there, or as many as there is room
    /// for. Process context; sleeps, as in [`Message::bring_room`].
    ///
    /// # Errors
    ///
    /// `EFAULT` if they cannot be written.
    pub(crate) fn put(&self, bytes: &[u8]) -> Result<usize> {
        let n = bytes.len().min(self.left());
        // SAFETY: alive, by the type invariant; `bytes` may be read for `n` bytes.
        match unsafe { bindings::copy_to_iter(bytes.as_ptr().cast(), n, self.iter()) } {
            done if done == n => Ok(n),
            _ => Err(EFAULT),
        }
    }
}
