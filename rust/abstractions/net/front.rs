// SPDX-License-Identifier: GPL-2.0

//! What is there to be read next of a stream, while its sock is locked.
//!
//! C header: [`include/net/tcp.h`](srctree/include/net/tcp.h)

use super::sock::SockGuard;
use core::{
    ptr::{self, NonNull},
    slice,
};
use kernel::ffi::c_void;
use smc_bindings as bindings;

/// Where the bytes are, who looks at them, and what he has found.
struct Look<F, R> {
    buf: NonNull<u8>,
    parse: Option<F>,
    found: Option<R>,
}

impl SockGuard<'_> {
    /// Shows `parse` the next bytes of the stream: those that `buf` has room for, and
    /// that TCP has in one piece. What it finds is returned, and taken out of the stream:
    /// so many bytes. TCP sends the ACK that is due then. Process context.
    pub(crate) fn take_front<F, R>(&self, buf: &mut [u8], parse: F) -> Option<R>
    where
        F: FnOnce(&[u8]) -> Option<(usize, R)>,
    {
        let len = u32::try_from(buf.len()).unwrap_or(u32::MAX);
        let mut look = Look {
            buf: NonNull::from(buf).cast(),
            parse: Some(parse),
            found: None,
        };
        let to = look.buf.as_ptr();
        let arg = ptr::from_mut(&mut look).cast();
        // SAFETY: a TCP sock, alive and locked. So many bytes may be written to `buf`, and
        // nobody else has it; `show` is called with a `Look` of these types.
        unsafe { bindings::tcp_take_front(self.as_ptr(), to, len, Some(show::<F, R>), arg) };
        look.found
    }
}

/// # Safety
///
/// `arg` is a `Look<F, R>` that nobody else uses during the call, and its buffer begins
/// with so many bytes that have been written.
unsafe extern "C" fn show<F, R>(arg: *mut c_void, len: u32) -> u32
where
    F: FnOnce(&[u8]) -> Option<(usize, R)>,
{
    // SAFETY: by this function's contract.
    let (look, bytes) = unsafe {
        let look = &mut *arg.cast::<Look<F, R>>();
        let bytes = slice::from_raw_parts(look.buf.as_ptr().cast_const(), len as usize);
        (look, bytes)
    };
    let found = look.parse.take().and_then(|parse| parse(bytes));
    let Some((used, found)) = found else {
        return 0;
    };
    look.found = Some(found);
    u32::try_from(used).unwrap_or(u32::MAX)
}
