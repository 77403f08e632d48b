// SPDX-License-Identifier: GPL-2.0

//! The arguments of sendmsg(2), recvmsg(2), splice(2) and poll(2).

use super::Socket;
use crate::abstractions::net::sock::to_value;
use core::{marker::PhantomData, ptr};
use kernel::{
    ffi::{c_int, c_void},
    prelude::*,
};
use smc_bindings as bindings;

/// The message of sendmsg(2) or recvmsg(2).
///
/// # Invariants
///
/// A live `struct msghdr` with room or data for `len` bytes, during `'a`.
pub(crate) struct Message<'a> {
    msg: *mut bindings::msghdr,
    len: usize,
    _life: PhantomData<&'a mut bindings::msghdr>,
}

impl Message<'_> {
    /// # Safety
    ///
    /// As the type's invariants say.
    pub(in crate::abstractions::net) unsafe fn new(msg: *mut bindings::msghdr, len: usize) -> Self {
        Self {
            msg,
            len,
            _life: PhantomData,
        }
    }

    /// The flags of sendmsg(2), `MSG_…`.
    pub(crate) fn flags(&self) -> u32 {
        // SAFETY: alive, by the type invariant.
        unsafe { (*self.msg).msg_flags }
    }

    /// How long it was when the system call began.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes still to be sent, or room still to be filled.
    pub(crate) fn left(&self) -> usize {
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::msg_data_left(self.msg) }
    }

    pub(in crate::abstractions::net) fn as_ptr(&self) -> *mut bindings::msghdr {
        self.msg
    }

    /// Adds to the flags that the caller of recvmsg(2) gets.
    pub(crate) fn add_flags(&self, flags: u32) {
        // SAFETY: alive, by the type invariant.
        unsafe { (*self.msg).msg_flags |= flags };
    }

    /// Takes the next `len` bytes, as far as there are so many and they are in
    /// memory; how many these were. Process context; does not sleep.
    ///
    /// # Safety
    ///
    /// `to` may be written for `len` bytes.
    pub(in crate::abstractions) unsafe fn copy_in(&self, to: *mut u8, len: usize) -> usize {
        // SAFETY: alive, by the type invariant; the rest is the caller's promise.
        unsafe { bindings::copy_from_iter_resident(to.cast(), len, self.iter()) }
    }

    /// Puts `len` bytes behind those that are there, as far as there is room that is
    /// in memory; how many these were. Process context; does not sleep.
    ///
    /// # Safety
    ///
    /// `from` may be read for `len` bytes, which may change meanwhile.
    pub(in crate::abstractions) unsafe fn copy_out(&self, from: *const u8, len: usize) -> usize {
        // SAFETY: alive, by the type invariant; the rest is the caller's promise.
        unsafe { bindings::copy_to_iter_resident(from.cast(), len, self.iter()) }
    }

    /// Brings the next bytes, up to `len`, into memory, where they stay, most likely.
    /// Process context; sleeps for as long as whoever has the memory likes
    /// (userfaultfd(2), a file system in user space), so with no lock held.
    ///
    /// # Errors
    ///
    /// `EFAULT` if there is none that can be read.
    pub(crate) fn bring_in(&self, len: usize) -> Result {
        // SAFETY: alive, by the type invariant.
        let missing = unsafe { bindings::fault_in_iov_iter_readable(self.iter(), len) };
        Self::brought(missing, len)
    }

    /// As [`Message::bring_in`], for room.
    ///
    /// # Errors
    ///
    /// `EFAULT` if there is none that can be written.
    pub(crate) fn bring_room(&self, len: usize) -> Result {
        // SAFETY: alive, by the type invariant.
        let missing = unsafe { bindings::fault_in_iov_iter_writeable(self.iter(), len) };
        Self::brought(missing, len)
    }

    fn brought(missing: usize, len: usize) -> Result {
        if missing < len {
            Ok(())
        } else {
            Err(EFAULT)
        }
    }

    pub(in crate::abstractions::net) fn iter(&self) -> *mut bindings::iov_iter {
        // SAFETY: alive, by the type invariant; only the address is taken.
        unsafe { ptr::addr_of_mut!((*self.msg).msg_iter) }
    }

    /// As sendmsg(2) on the socket as it is now.
    pub(crate) fn send(&self, socket: Socket<'_>) -> Result<c_int> {
        let op = socket.base().sendmsg.ok_or(EINVAL)?;
        // SAFETY: socket and message are alive.
        to_value(unsafe { op(socket.as_ptr(), self.msg, self.len) })
    }

    /// As recvmsg(2) of TCP.
    pub(crate) fn recv(&self, socket: Socket<'_>, flags: c_int) -> Result<c_int> {
        let op = socket.base().recvmsg.ok_or(EINVAL)?;
        // SAFETY: socket and message are alive.
        to_value(unsafe { op(socket.as_ptr(), self.msg, self.len, flags) })
    }
}

/// The arguments of splice(2) out of a socket.
pub(crate) struct Splice<'a> {
    pub(in crate::abstractions::net) pos: *mut bindings::loff_t,
    pub(in crate::abstractions::net) pipe: *mut bindings::pipe_inode_info,
    pub(in crate::abstractions::net) len: usize,
    pub(in crate::abstractions::net) flags: u32,
    pub(in crate::abstractions::net) _life: PhantomData<&'a mut bindings::pipe_inode_info>,
}

impl Splice<'_> {
    /// How many bytes are wanted.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(in crate::abstractions::net) fn pipe(&self) -> *mut bindings::pipe_inode_info {
        self.pipe
    }

    /// Whether it shall not wait: by its own flag or the file's.
    pub(crate) fn is_nonblocking(&self, socket: Socket<'_>) -> bool {
        self.flags & bindings::SPLICE_F_NONBLOCK != 0 || socket.file_is_nonblocking()
    }

    /// As splice(2) of TCP.
    pub(crate) fn tcp(&self, socket: Socket<'_>) -> Result<isize> {
        let op = socket.base().splice_read.ok_or(EINVAL)?;
        // SAFETY: socket and pipe are alive, as splice(2) guarantees.
        let n = unsafe { op(socket.as_ptr(), self.pos, self.pipe, self.len, self.flags) };
        if n < 0 {
            return Err(Error::from_errno(n as c_int));
        }
        Ok(n)
    }
}

/// The arguments of poll(2).
pub(crate) struct Poll<'a> {
    file: *mut bindings::file,
    table: *mut bindings::poll_table_struct,
    _life: PhantomData<&'a c_void>,
}

impl Poll<'_> {
    /// # Safety
    ///
    /// They are what the `poll` operation was given, during `'a`.
    pub(in crate::abstractions::net) unsafe fn new(
        file: *mut bindings::file,
        table: *mut bindings::poll_table_struct,
    ) -> Self {
        Self {
            file,
            table,
            _life: PhantomData,
        }
    }

    pub(in crate::abstractions::net) fn file(&self) -> *mut bindings::file {
        self.file
    }

    pub(in crate::abstractions::net) fn table(&self) -> *mut bindings::poll_table_struct {
        self.table
    }

    /// What is asked for: `EPOLL…`; everything where it is not said.
    pub(crate) fn events(&self) -> u32 {
        if self.table.is_null() {
            return !0;
        }
        // SAFETY: the table is there during `'a`, by the type's contract.
        unsafe { (*self.table)._key }
    }

    /// As poll(2) of TCP, which also puts the caller on the socket's wait queue.
    pub(crate) fn tcp(&self, socket: Socket<'_>) -> u32 {
        match socket.base().poll {
            // SAFETY: the socket is alive; file and table go with it.
            Some(op) => unsafe { op(self.file, socket.as_ptr(), self.table) },
            None => 0,
        }
    }
}
