// SPDX-License-Identifier: GPL-2.0

//! Messages that are ready to be sent where nothing can be waited for.
//!
//! TCP copies what it is given into pages of the sock's or of the running thread;
//! neither will do in softirq context, where the one would be an allocation for
//! each connection and the other is somebody else's. A message that is a page of its
//! own goes as it is.
//!
//! C header: [`include/linux/bvec.h`](srctree/include/linux/bvec.h)

use super::{attach::EventSock, errno::NetErrno, sock};
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

/// A message that is the last in the stream, all but its last byte. TCP sends it with
/// that.
#[must_use = "the message is not whole"]
pub(crate) struct Queued<'a> {
    sock: &'a EventSock<'a>,
    message: &'a ReadyMessage,
}

impl EventSock<'_> {
    /// Gives `message` to TCP, or nothing of it, and sends nothing yet: who waits for the
    /// connection may be woken first, and be as far as the sock's lock while it is sent.
    /// Softirq or process context.
    ///
    /// # Errors
    ///
    /// `EPIPE` if no file has the sock any more, `EOPNOTSUPP` if the device wants its
    /// frames in one piece, `ENOBUFS` if there is no room (the stream is broken then,
    /// unless nothing was sent before), else TCP's.
    pub(crate) fn queue_ready<'a>(&'a self, message: &'a ReadyMessage) -> Result<Queued<'a>> {
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
        let len = message.len.checked_sub(1).ok_or(EINVAL)?;
        self.send_part(message, 0, len, bindings::MSG_MORE)?;
        Ok(Queued {
            sock: self,
            message,
        })
    }

    /// Sends `len` bytes of `message` from `at` on, which are in it.
    fn send_part(&self, message: &ReadyMessage, at: usize, len: usize, flags: u32) -> Result {
        let sk = self.as_ptr();
        let vec = bindings::bio_vec {
            bv_page: message.page.as_ptr().cast(),
            bv_len: u32::try_from(len)?,
            bv_offset: u32::try_from(at)?,
        };
        // SAFETY: all-zero bytes are a valid `struct msghdr`.
        let mut msg: bindings::msghdr = unsafe { zeroed() };
        msg.msg_flags =
            bindings::MSG_DONTWAIT | bindings::MSG_NOSIGNAL | bindings::MSG_SPLICE_PAGES | flags;
        // SAFETY: the sock is alive and locked, by the type of `self`, and has its
        // `struct socket`, as `queue_ready` has seen. `vec` outlives `msg`; TCP takes
        // references of its own to the page, which is only read. With scattered frames it
        // does not copy, and so needs no page of the running thread; with this mask it
        // does not sleep for what else it allocates.
        let n = unsafe {
            bindings::iov_iter_bvec(&mut msg.msg_iter, bindings::ITER_SOURCE, &vec, 1, len);
            let mask = bindings::sk_swap_allocation(sk, bindings::GFP_ATOMIC);
            let n = sock::push(sk, &mut msg, len);
            bindings::sk_swap_allocation(sk, mask);
            n
        };
        sock::all_sent(n, len)
    }
}

impl Queued<'_> {
    /// Sends it. Contexts as for [`EventSock::queue_ready`].
    ///
    /// # Errors
    ///
    /// TCP's, and the stream is broken. The byte is behind the others in the same page,
    /// and accounted for along with them: nothing is known that would make it fail.
    pub(crate) fn send(self) -> Result {
        let last = self.message.len - 1;
        self.sock.send_part(self.message, last, 1, 0)
    }
}
