// SPDX-License-Identifier: GPL-2.0

//! Pipe buffers that are pages of ours.
//!
//! C header: [`include/linux/pipe_fs_i.h`](srctree/include/linux/pipe_fs_i.h)

use super::socket::Splice;
use crate::abstractions::{module_ref::ModuleRef, rdma::PageRef};
use core::{mem::zeroed, ptr};
use kernel::{ffi::c_uint, prelude::*, sync::Arc};
use smc_bindings as bindings;

/// What a pipe has of `T`, dropped in process context when no pipe has it any
/// more: who splices a page on may have it longer.
pub(crate) struct Loan<T> {
    data: T,
    /// The pipe calls back into the module. Dropped last.
    _module: ModuleRef,
}

impl<T> Loan<T> {
    /// What it is.
    pub(crate) fn data(&self) -> &T {
        &self.data
    }
}

/// Whether a pipe takes another buffer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// It does.
    Free,
    /// Not now.
    Full,
    /// Nobody reads from it.
    Broken,
}

impl Splice<'_> {
    /// Whether the pipe takes another buffer. The pipe is locked during splice(2).
    pub(crate) fn room(&self) -> Room {
        let pipe = self.pipe();
        // SAFETY: alive and locked by splice(2).
        unsafe {
            if (*pipe).readers == 0 {
                Room::Broken
            } else if (*pipe).head.wrapping_sub((*pipe).tail) >= (*pipe).max_usage {
                Room::Full
            } else {
                Room::Free
            }
        }
    }

    /// What goes with a buffer. Process context, in splice(2).
    ///
    /// # Errors
    ///
    /// `ENOMEM` without memory.
    pub(crate) fn loan<T: Send + Sync + 'static>(&self, data: T) -> Result<Arc<Loan<T>>> {
        let loan = Loan {
            data,
            // SAFETY: the socket that is spliced from has a reference.
            _module: unsafe { ModuleRef::another() },
        };
        Ok(Arc::new(loan, GFP_KERNEL)?)
    }

    /// Puts `len` bytes of `page`, from `off` on, into the pipe; `loan` is given
    /// back when the pipe has let go of them, at once on an error. Process
    /// context, in splice(2).
    ///
    /// # Errors
    ///
    /// `EPIPE`, with SIGPIPE, if nobody reads from the pipe; `EAGAIN` if it is
    /// full.
    pub(crate) fn put<T: Send + Sync + 'static>(
        &self,
        page: PageRef,
        off: usize,
        len: usize,
        loan: Arc<Loan<T>>,
    ) -> Result {
        // SAFETY: all-zero bytes are a valid `struct pipe_buffer`.
        let mut buf: bindings::pipe_buffer = unsafe { zeroed() };
        buf.offset = c_uint::try_from(off).map_err(|_| EINVAL)?;
        buf.len = c_uint::try_from(len).map_err(|_| EINVAL)?;
        buf.page = page.into_raw();
        buf.ops = Ops::<T>::OPS;
        buf.private = Arc::into_raw(loan) as _;
        // SAFETY: the pipe is alive and locked by splice(2); the buffer is complete,
        // and is copied, or released.
        let n = unsafe { bindings::add_to_pipe(self.pipe(), &mut buf) };
        if n < 0 {
            return Err(Error::from_errno(n as _));
        }
        Ok(())
    }
}

struct Ops<T>(T);

impl<T: Send + Sync + 'static> Ops<T> {
    const OPS: &'static bindings::pipe_buf_operations = &bindings::pipe_buf_operations {
        confirm: None,
        release: Some(Self::release),
        // The page stays ours.
        try_steal: None,
        get: Some(Self::get),
    };

    /// # Safety
    ///
    /// Called by the pipe with a buffer that [`Splice::put`] has made, or a copy of
    /// it, which is given up.
    unsafe extern "C" fn release(
        _pipe: *mut bindings::pipe_inode_info,
        buf: *mut bindings::pipe_buffer,
    ) {
        // SAFETY: by this function's contract the buffer has a reference to its
        // page and one to the loan.
        unsafe {
            bindings::put_page((*buf).page);
            (*buf).page = ptr::null_mut();
            let loan = (*buf).private as *const Loan<T>;
            (*buf).private = 0;
            drop(Arc::from_raw(loan));
        }
    }

    /// # Safety
    ///
    /// As `release`, but the buffer stays; there will be a copy of it.
    unsafe extern "C" fn get(
        _pipe: *mut bindings::pipe_inode_info,
        buf: *mut bindings::pipe_buffer,
    ) -> bool {
        // SAFETY: by this function's contract the buffer has a reference to its
        // page and one to the loan, which it keeps.
        unsafe {
            if !bindings::try_get_page((*buf).page) {
                return false;
            }
            let loan = Arc::from_raw((*buf).private as *const Loan<T>);
            let _ = Arc::into_raw(loan.clone());
            let _ = Arc::into_raw(loan);
        }
        true
    }
}
