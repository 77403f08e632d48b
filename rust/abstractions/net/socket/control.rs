// SPDX-License-Identifier: GPL-2.0

//! The arguments of setsockopt(2), getsockopt(2) and ioctl(2).

use super::Socket;
use crate::abstractions::net::sock::to_value;
use kernel::{
    ffi::{c_int, c_ulong},
    prelude::*,
    uaccess::UserSlice,
};
use smc_bindings as bindings;

/// What `setsockopt(2)` and `getsockopt(2)` are about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct OptName {
    /// `SOL_…`.
    pub(crate) level: c_int,
    /// Number of the option at that level.
    pub(crate) name: c_int,
}

/// The value given to setsockopt(2), in user or kernel memory.
///
/// # Invariants
///
/// `value` is what setsockopt(2) was given.
pub(crate) struct OptValue {
    value: bindings::sockptr_t,
    len: u32,
}

impl OptValue {
    /// # Safety
    ///
    /// `value` and `len` are what setsockopt(2) was given.
    pub(in crate::abstractions::net) unsafe fn new(value: bindings::sockptr_t, len: u32) -> Self {
        Self { value, len }
    }

    /// The value, of options that are an `int`. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is shorter, `EFAULT` if it cannot be read.
    pub(crate) fn int(&self) -> Result<c_int> {
        let mut value: c_int = 0;
        if (self.len as usize) < size_of::<c_int>() {
            return Err(EINVAL);
        }
        let to: *mut c_int = &mut value;
        // SAFETY: `value` has that much room; what the source is worth
        // copy_from_sockptr() finds out.
        let ret = unsafe { bindings::copy_from_sockptr(to.cast(), self.value, size_of::<c_int>()) };
        if ret != 0 {
            return Err(EFAULT);
        }
        Ok(value)
    }

    /// As setsockopt(2) of TCP.
    pub(crate) fn tcp_set(&self, socket: Socket<'_>, opt: OptName) -> Result<c_int> {
        let op = socket.base().setsockopt.ok_or(EINVAL)?;
        // SAFETY: the socket is alive, the value what the caller was given.
        to_value(unsafe { op(socket.as_ptr(), opt.level, opt.name, self.value, self.len) })
    }
}

/// Where getsockopt(2) puts the value: user memory.
pub(crate) struct OptOut {
    value: *mut u8,
    len: *mut c_int,
}

impl OptOut {
    pub(in crate::abstractions::net) fn new(value: *mut u8, len: *mut c_int) -> Self {
        Self { value, len }
    }

    /// Answers with an `int`, or as much of it as there is room for. Process
    /// context; may sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the room is negative, `EFAULT` if it is not the user's.
    pub(crate) fn put_int(&self, value: c_int) -> Result {
        let len_at = || UserSlice::new(self.len as _, size_of::<c_int>());
        let room: c_int = len_at().reader().read()?;
        let room = usize::try_from(room).map_err(|_| EINVAL)?;
        let n = room.min(size_of::<c_int>());
        let written = c_int::try_from(n).map_err(|_| EINVAL)?;
        len_at().writer().write(&written)?;
        let bytes = value.to_ne_bytes();
        UserSlice::new(self.value as _, n)
            .writer()
            .write_slice(bytes.get(..n).unwrap_or_default())
    }

    /// As getsockopt(2) of TCP.
    pub(crate) fn tcp_get(&self, socket: Socket<'_>, opt: OptName) -> Result<c_int> {
        let op = socket.base().getsockopt.ok_or(EINVAL)?;
        // SAFETY: the socket is alive; TCP checks the user's pointers.
        to_value(unsafe {
            op(
                socket.as_ptr(),
                opt.level,
                opt.name,
                self.value.cast(),
                self.len,
            )
        })
    }
}

/// The arguments of ioctl(2).
#[derive(Clone, Copy)]
pub(crate) struct Ioctl {
    /// The request.
    pub(crate) cmd: u32,
    arg: c_ulong,
    #[cfg_attr(not(CONFIG_COMPAT), allow(dead_code))]
    compat: bool,
}

impl Ioctl {
    pub(in crate::abstractions::net) fn new(cmd: u32, arg: c_ulong, compat: bool) -> Self {
        Self { cmd, arg, compat }
    }

    /// Answers with an `int`. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `EFAULT` if the argument is no pointer of the user.
    pub(crate) fn put_int(&self, value: c_int) -> Result {
        UserSlice::new(self.arg as _, size_of::<c_int>())
            .writer()
            .write(&value)
    }

    /// As ioctl(2) of TCP.
    pub(crate) fn tcp(&self, socket: Socket<'_>) -> Result<c_int> {
        let base = socket.base();
        #[cfg(CONFIG_COMPAT)]
        let op = if self.compat {
            base.compat_ioctl
        } else {
            base.ioctl
        };
        #[cfg(not(CONFIG_COMPAT))]
        let op = base.ioctl;
        // SAFETY: the socket is alive; TCP checks the argument.
        to_value(unsafe { op.ok_or(EINVAL)?(socket.as_ptr(), self.cmd, self.arg) })
    }
}
