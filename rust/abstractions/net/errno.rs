// SPDX-License-Identifier: GPL-2.0

//! The network's error numbers, which the kernel crate does not have.
//!
//! C header: [`include/uapi/asm-generic/errno.h`](srctree/include/uapi/asm-generic/errno.h)

use kernel::{error::Error, ffi::c_int};
use smc_bindings as bindings;

/// An error number of the socket layer; converts into [`Error`].
#[derive(Clone, Copy)]
#[repr(i32)]
pub(crate) enum NetErrno {
    /// Protocol not supported.
    ProtoNoSupport = bindings::EPROTONOSUPPORT as c_int,
    /// Socket type not supported.
    SockTNoSupport = bindings::ESOCKTNOSUPPORT as c_int,
    /// Address family not supported by protocol.
    AfNoSupport = bindings::EAFNOSUPPORT as c_int,
    /// No buffer space available.
    NoBufs = bindings::ENOBUFS as c_int,
}

impl From<NetErrno> for Error {
    fn from(e: NetErrno) -> Self {
        Error::from_errno(-(e as c_int))
    }
}
