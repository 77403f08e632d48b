// SPDX-License-Identifier: GPL-2.0

//! Memory regions: buffers that a peer may write into.

use super::{dma, DmaBuf, Pd, TEARDOWN};
use crate::abstractions::work::Deferred;
use core::ptr::{self, NonNull};
use kernel::{error::from_err_ptr, ffi::c_int, page::PAGE_SIZE, prelude::*, sync::Arc};
use smc_bindings as bindings;

/// A memory region over a whole buffer.
///
/// The peer may be told of it at once; it can use it when the region has been
/// registered on a queue pair of its domain
/// ([`SendSlot::register`](super::SendSlot::register)).
pub(crate) struct Mr(Deferred<RawMr>);

/// # Invariants
///
/// `mr` is live, of `pd`, describes `buf`, and is owned.
struct RawMr {
    mr: NonNull<bindings::ib_mr>,
    buf: Arc<DmaBuf>,
    pd: Arc<Pd>,
}

// SAFETY: a region may be used and freed by any thread.
unsafe impl Send for RawMr {}
// SAFETY: it is not changed once it is made.
unsafe impl Sync for RawMr {}

/// What peers and the device may do with a region.
pub(super) const ACCESS: c_int = (bindings::ib_access_flags_IB_ACCESS_LOCAL_WRITE
    | bindings::ib_access_flags_IB_ACCESS_REMOTE_WRITE) as c_int;

impl Mr {
    /// A region over `buf`. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `E2BIG` if the buffer is longer than the device can take, `EINVAL` if it is
    /// another device's, `ENOMEM`, or what the driver gives.
    pub(crate) fn alloc(pd: &Arc<Pd>, buf: &Arc<DmaBuf>) -> Result<Arc<Self>> {
        if buf.device() != pd.device() {
            return Err(EINVAL);
        }
        let pages = u32::try_from(dma::pages(buf.len())).map_err(|_| E2BIG)?;
        if pages > pd.device().attrs().max_fast_reg_page_list_len {
            return Err(E2BIG);
        }
        // SAFETY: the domain is there.
        let mr = from_err_ptr(unsafe {
            bindings::ib_alloc_mr(pd.as_ptr(), bindings::ib_mr_type_IB_MR_TYPE_MEM_REG, pages)
        })?;
        // INVARIANT: new, and ours; it describes the buffer, or is dropped.
        let mr = RawMr {
            mr: NonNull::new(mr).ok_or(ENOMEM)?,
            buf: buf.clone(),
            pd: pd.clone(),
        };
        let (list, count) = buf.segments();
        // SAFETY: the region is ours; the list has so many entries, and is mapped
        // for its device.
        let mapped = unsafe {
            bindings::ib_map_mr_sg(
                mr.mr.as_ptr(),
                list,
                c_int::try_from(count).map_err(|_| E2BIG)?,
                ptr::null_mut(),
                PAGE_SIZE as u32,
            )
        };
        if usize::try_from(mapped) != Ok(count) {
            return Err(if mapped < 0 {
                Error::from_errno(mapped)
            } else {
                E2BIG
            });
        }
        Ok(Arc::new(Self(Deferred::new(mr, &TEARDOWN)?), GFP_KERNEL)?)
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::ib_mr {
        self.0.mr.as_ptr()
    }

    /// The key for the peer. Any context.
    pub(crate) fn rkey(&self) -> u32 {
        // SAFETY: alive, by the type invariant.
        unsafe { (*self.as_ptr()).rkey }
    }

    /// Where the region begins, in the addresses that go with its keys. Any context.
    pub(crate) fn iova(&self) -> u64 {
        // SAFETY: alive, by the type invariant.
        unsafe { (*self.as_ptr()).iova }
    }

    /// The domain it is in.
    pub(super) fn pd(&self) -> &Arc<Pd> {
        &self.0.pd
    }

    /// The buffer it is over. Any context.
    pub(crate) fn buf(&self) -> &Arc<DmaBuf> {
        &self.0.buf
    }
}

impl Drop for RawMr {
    /// Process context; sleeps. The peer cannot use it afterwards.
    fn drop(&mut self) {
        // SAFETY: live and owned, by the type invariant.
        let ret = unsafe { bindings::ib_dereg_mr(self.mr.as_ptr()) };
        if ret != 0 {
            // The device may go on writing: the buffer must not be freed.
            pr_err!("a memory region cannot be freed: {}\n", ret);
            core::mem::forget(self.buf.clone());
        }
    }
}
