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
    /// Protocol error.
    Proto = bindings::EPROTO as c_int,
    /// Protocol not supported.
    ProtoNoSupport = bindings::EPROTONOSUPPORT as c_int,
    /// Socket type not supported.
    SockTNoSupport = bindings::ESOCKTNOSUPPORT as c_int,
    /// Operation not supported.
    OpNotSupp = bindings::EOPNOTSUPP as c_int,
    /// Address family not supported by protocol.
    AfNoSupport = bindings::EAFNOSUPPORT as c_int,
    /// Software caused connection abort.
    ConnAborted = bindings::ECONNABORTED as c_int,
    /// Connection reset by peer.
    ConnReset = bindings::ECONNRESET as c_int,
    /// Message too long.
    MsgSize = bindings::EMSGSIZE as c_int,
    /// No buffer space available.
    NoBufs = bindings::ENOBUFS as c_int,
    /// Transport endpoint is not connected.
    NotConn = bindings::ENOTCONN as c_int,
    /// Connection timed out.
    TimedOut = bindings::ETIMEDOUT as c_int,
    /// Operation already in progress.
    Already = bindings::EALREADY as c_int,
    /// Transport endpoint is already connected.
    IsConn = bindings::EISCONN as c_int,
    /// Operation now in progress.
    InProgress = bindings::EINPROGRESS as c_int,
}

impl NetErrno {
    /// Whether `e` is this one.
    pub(crate) fn is(self, e: Error) -> bool {
        e.to_errno() == -(self as c_int)
    }
}

impl From<NetErrno> for Error {
    fn from(e: NetErrno) -> Self {
        Error::from_errno(-(e as c_int))
    }
}
