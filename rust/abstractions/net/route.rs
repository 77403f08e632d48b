// SPDX-License-Identifier: GPL-2.0

//! Where a connection goes through.
//!
//! C headers: [`include/net/dst.h`](srctree/include/net/dst.h),
//! [`include/linux/inetdevice.h`](srctree/include/linux/inetdevice.h)

use super::sock::Sock;
use core::{net::IpAddr, slice};
use kernel::ffi::c_void;
use smc_bindings as bindings;

/// Whether `wanted` says yes to one of the addresses, with the length of its
/// prefix, of the device that `sock` is connected through. Process context;
/// `wanted` must not sleep.
pub(crate) fn any_address<F: FnMut(IpAddr, u8) -> bool>(sock: &Sock, mut wanted: F) -> bool {
    let ctx: *mut F = &mut wanted;
    let _locked = sock.lock();
    // SAFETY: the sock is alive and locked; `each` gets `ctx`, an `F`.
    unsafe { bindings::sk_dev_any_addr(sock.as_ptr(), Some(each_address::<F>), ctx.cast()) }
}

/// # Safety
///
/// `ctx` is an `F` that nobody else uses; `addr` is an address of `len` bytes.
pub(super) unsafe extern "C" fn each_address<F: FnMut(IpAddr, u8) -> bool>(
    ctx: *mut c_void,
    addr: *const u8,
    len: usize,
    prefix_len: u8,
) -> bool {
    // SAFETY: by this function's contract.
    let (wanted, bytes) = unsafe { (&mut *ctx.cast::<F>(), slice::from_raw_parts(addr, len)) };
    let addr = if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        IpAddr::from(v4)
    } else if let Ok(v6) = <[u8; 16]>::try_from(bytes) {
        IpAddr::from(v6)
    } else {
        return false;
    };
    wanted(addr, prefix_len)
}
