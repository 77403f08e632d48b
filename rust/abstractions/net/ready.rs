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

impl EventSock<'_> {
    /// Sends `message`, or nothing of it. Softirq or process context.
    ///
    /// # Errors
    ///
    /// `EPIPE` if no file has the sock any more, `EOPNOTSUPP` if the device wants its
    /// frames in one piece, `ENOBUFS` if there is no room (the stream is broken then,
    /// unless nothing was sent before), else TCP's.
    pub(crate) fn send_ready(&self, message: &ReadyMessage) -> Result {
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
        let vec = bindings::bio_vec {
            bv_page: message.page.as_ptr().cast(),
            bv_len: u32::try_from(message.len)?,
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
            let n = sock::push(sk, &mut msg, message.len);
            bindings::sk_swap_allocation(sk, mask);
            n
        };
        sock::all_sent(n, message.len)
    }
}
