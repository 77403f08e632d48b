// SPDX-License-Identifier: GPL-2.0

//! Messages that are ready to be sent where nothing can be waited for.
//!
//! TCP copies what it is given into pages of the sock's or of the running thread;
//! neither will do in softirq context, where the one would be an allocation for
//! each connection and the other is somebody else's. A message that is a page of its
//! own goes as it is.
//!
//! C header: [`include/linux/bvec.h`](srctree/include/linux/bvec.h)

use super::{
    attach::EventSock,
    errno::NetErrno,
    sock::{self, SockGuard},
};
use core::mem::zeroed;
use kernel::{page::Page, prelude::*};
use smc_bindings as bindings;

/// A message in a page.
///
/// # Invariants
///
/// The first `len` bytes of the page have been written, and never are again: frames on
/// their way may have it, too.
pub(crate) struct ReadyMessage {
    page: Page,
    len: usize,
}

impl ReadyMessage {
    /// One of these bytes, at most a page. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL` if they are too many.
    pub(crate) fn new(bytes: &[u8]) -> Result<Self> {
        let page = Page::alloc_page(GFP_KERNEL)?;
        // SAFETY: the page is nobody else's yet; the function checks its bounds.
        unsafe { page.write_raw(bytes.as_ptr(), 0, bytes.len())? };
        // INVARIANT: just written.
        Ok(Self {
            page,
            len: bytes.len(),
        })
    }
}

/// When the first bytes of a stream leave.
#[derive(Clone, Copy)]
pub(crate) enum First {
    /// At once.
    AtOnce,
    /// So many of them go with what the application sends first, or when
    /// [`SockGuard::push_first`] is called; at the latest after a tick of the clock or two.
    /// None: it is the ACK that waits, for 200 ms at most, or see [`SockGuard::hurry`].
    Held(u32),
}

impl EventSock<'_> {
    /// Whether the peer is on this host.
    pub(crate) fn is_local(&self) -> bool {
        // SAFETY: alive and locked, by the type of `self`.
        unsafe { bindings::sk_is_local(self.as_ptr()) }
    }

    /// Makes `message` the first bytes of the stream, or nothing of it. Softirq or process
    /// context.
    ///
    /// # Errors
    ///
    /// `EPIPE` if no file has the sock any more, `EOPNOTSUPP` if the device wants its
    /// frames in one piece, `ENOBUFS` if there is no room (the stream is broken then,
    /// unless nothing was sent before), else TCP's.
    pub(crate) fn send_first(&self, message: &ReadyMessage, first: First) -> Result<First> {
        let sk = self.as_ptr();
        // SAFETY: the sock is alive and locked, by the type of `self`.
        unsafe {
            if bindings::sk_socket(sk).is_null() {
                return Err(EPIPE);
            }
            if !bindings::sk_can_scatter(sk) {
                return Err(NetErrno::OpNotSupp.into());
            }
        }
        let len = u32::try_from(message.len)?;
        let vec = bindings::bio_vec {
            bv_page: message.page.as_ptr().cast(),
            bv_len: len,
            bv_offset: 0,
        };
        // SAFETY: all-zero bytes are a valid `struct msghdr`.
        let mut msg: bindings::msghdr = unsafe { zeroed() };
        msg.msg_flags =
            bindings::MSG_DONTWAIT | bindings::MSG_NOSIGNAL | bindings::MSG_SPLICE_PAGES;
        // SAFETY: the sock is alive and locked, by the type of `self`, and has its
        // `struct socket`, as just seen. `vec` outlives `msg`; TCP takes references of its
        // own to the page, which is only read. With scattered frames it does not copy, and
        // so needs no page of the running thread; with this mask it does not sleep for
        // what else it allocates.
        let n = unsafe {
            let source = bindings::ITER_SOURCE;
            bindings::iov_iter_bvec(&mut msg.msg_iter, source, &vec, 1, message.len);
            let mask = bindings::sk_swap_allocation(sk, bindings::GFP_ATOMIC);
            let n = match first {
                First::AtOnce => sock::push(sk, &mut msg, message.len),
                First::Held(_) => {
                    msg.msg_flags |= bindings::MSG_MORE;
                    let n = sock::put(sk, &mut msg, message.len);
                    // Before the ACK does so without them.
                    bindings::tcp_hurry(sk);
                    n
                }
            };
            bindings::sk_swap_allocation(sk, mask);
            n
        };
        sock::all_sent(n, message.len)?;
        Ok(match first {
            First::AtOnce => First::AtOnce,
            First::Held(before) => First::Held(before + len),
        })
    }
}

impl SockGuard<'_> {
    /// What is held back leaves at the next tick of the clock, if nothing comes before.
    pub(crate) fn hurry(&self) {
        // SAFETY: a TCP sock, alive and locked.
        unsafe { bindings::tcp_hurry(self.as_ptr()) };
    }

    /// Sends the first `len` bytes of the stream, which [`EventSock::send_first`] has put
    /// there, if they were not sent yet, and the ACK that is due. What the application
    /// sends next does not wait for their ACK.
    pub(crate) fn push_first(&self, len: u32) {
        let sk = self.as_ptr();
        // SAFETY: a TCP sock, alive and locked.
        unsafe {
            if len != 0 && bindings::tcp_holds_first(sk) {
                let small = bindings::tcp_snd_sml(sk);
                bindings::tcp_push_held(sk);
                if bindings::tcp_unacked(sk) == len {
                    bindings::tcp_set_snd_sml(sk, small);
                }
            }
            bindings::tcp_send_due_ack(sk);
        }
    }
}
