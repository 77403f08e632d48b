// SPDX-License-Identifier: GPL-2.0

//! The operations of our sockets: TCP's table, with those that we take over
//! leading to a [`StreamSocket`].
//!
//! An operation whose socket has become a plain one after the caller had read
//! the table goes to the operation that is there now.

use super::{Repeating, StreamSocket};
use crate::abstractions::module_ref::{self, Visit};
use crate::abstractions::net::{
    attach::Attached,
    sock::Sock,
    socket::{Address, Ioctl, Message, NewSocket, OptName, OptOut, OptValue, Poll, Socket, Splice},
};
use core::{marker::PhantomData, ptr};
use kernel::{
    error::from_result,
    ffi::{c_int, c_long, c_uint, c_ulong},
    prelude::*,
    sync::Arc,
};
use smc_bindings as bindings;

/// TCP's operations `base`, with ours in it; they keep `module` loaded.
pub(super) fn table<T: StreamSocket>(
    base: &bindings::proto_ops,
    module: &'static ThisModule,
) -> bindings::proto_ops {
    // SAFETY: plain data.
    let mut table = unsafe { ptr::read(base) };
    table.owner = module.as_ptr().cast();
    table.release = Some(release::<T>);
    table.connect = Some(connect::<T>);
    table.accept = Some(accept::<T>);
    table.poll = Some(poll::<T>);
    table.ioctl = Some(ioctl::<T>);
    #[cfg(CONFIG_COMPAT)]
    {
        table.compat_ioctl = Some(compat_ioctl::<T>);
    }
    table.listen = Some(listen::<T>);
    table.shutdown = Some(shutdown::<T>);
    table.setsockopt = Some(setsockopt::<T>);
    table.getsockopt = Some(getsockopt::<T>);
    table.sendmsg = Some(sendmsg::<T>);
    table.recvmsg = Some(recvmsg::<T>);
    table.splice_read = Some(splice_read::<T>);
    table.splice_eof = Some(splice_eof::<T>);
    table.set_rcvlowat = Some(set_rcvlowat::<T>);
    // These would see the stream before it is the application's.
    table.read_sock = None;
    table.read_skb = None;
    table.sendmsg_locked = None;
    table.peek_len = None;
    table
}

/// The socket, and what hangs on its sock; `None` if that is gone.
///
/// # Safety
///
/// `sock` is the socket that an operation was called with, and has its sock.
unsafe fn enter<'a, T: StreamSocket>(
    sock: *mut bindings::socket,
) -> (Socket<'a>, Option<Arc<Attached<T>>>) {
    // SAFETY: by this function's contract; the caller's file keeps both until the
    // operation is over.
    unsafe { (Socket::from_raw(sock), Attached::lookup((*sock).sk)) }
}

/// As [`enter`], for an operation that the socket may become a plain one before; it sends
/// something at once if `sends`.
///
/// # Safety
///
/// As of [`enter`].
unsafe fn enter_settled<'a, T: StreamSocket>(
    sock: *mut bindings::socket,
    sends: bool,
) -> (Socket<'a>, Option<Arc<Attached<T>>>) {
    // SAFETY: by this function's contract.
    let (socket, data) = unsafe { enter::<T>(sock) };
    (socket, data.filter(|data| !T::settle(data, socket, sends)))
}

/// The operations that `sock` has now; never ours, which would come back here.
///
/// # Safety
///
/// `sock` is a live socket with a TCP sock.
unsafe fn current(sock: *mut bindings::socket) -> *const bindings::proto_ops {
    // SAFETY: by this function's contract.
    unsafe {
        let ops = bindings::socket_ops(sock);
        if (*ops).owner == module_ref::this_module() {
            super::Base::of(Sock::from_raw((*sock).sk).family()).ops()
        } else {
            ops
        }
    }
}

/// The operation that `sock` has now, which is not ours: our data are taken off
/// a socket after its operations are replaced.
macro_rules! now {
    ($sock:expr, $op:ident ( $($arg:expr),* )) => {{
        let _visit = Visit::begin();
        match (*current($sock)).$op {
            Some(op) => op($sock $(, $arg)*),
            None => -(bindings::EOPNOTSUPP as c_int) as _,
        }
    }};
}

/// # Safety
///
/// Called by __sock_release() with a socket that nobody uses any more.
unsafe extern "C" fn release<T: StreamSocket>(sock: *mut bindings::socket) -> c_int {
    // SAFETY: as `enter` asks for, if there is a sock. TCP's release is the last
    // that is done with the socket.
    unsafe {
        if (*sock).sk.is_null() {
            return 0;
        }
        let (socket, data) = enter::<T>(sock);
        let family = socket.sock().family();
        if let Some(data) = data {
            data.in_release();
            T::release(&data, socket);
            if Attached::detach_with(&data, (*sock).sk, || {}) {
                // TCP goes on with a connection that is there, or about to be.
                Repeating::leave::<T>(&socket.sock().lock());
                T::uncount(&data, socket.sock());
            }
        }
        // The kernel puts the owner of the operations that it has found on the
        // socket. If they were replaced since, that one was put already.
        let ops = bindings::socket_ops(sock);
        if (*ops).owner != module_ref::this_module() {
            bindings::__module_get(module_ref::this_module());
            bindings::module_put((*ops).owner);
        }
        match super::Base::of(family).ops().release {
            Some(op) => op(sock),
            None => 0,
        }
    }
}

/// # Safety
///
/// Called as `connect`: the address may be read for `len` bytes.
unsafe extern "C" fn connect<T: StreamSocket>(
    sock: *mut bindings::socket,
    addr: *mut bindings::sockaddr,
    len: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: by this function's contract.
    unsafe {
        match enter_settled::<T>(sock, false) {
            (socket, Some(data)) => {
                from_result(|| T::connect(&data, socket, &Address::new(addr, len), flags))
            }
            _ => now!(sock, connect(addr, len, flags)),
        }
    }
}

/// # Safety
///
/// Called as `accept`: `new` is a socket without a sock, `arg` may be used.
unsafe extern "C" fn accept<T: StreamSocket>(
    sock: *mut bindings::socket,
    new: *mut bindings::socket,
    arg: *mut bindings::proto_accept_arg,
) -> c_int {
    // SAFETY: by this function's contract.
    unsafe {
        let (socket, Some(data)) = enter_settled::<T>(sock, false) else {
            // The new socket was given the operations that the listener had.
            let base = super::Base::of(Sock::from_raw((*sock).sk).family()).ops();
            let owner = (*bindings::socket_ops(new)).owner;
            bindings::__module_get(base.owner);
            bindings::socket_set_ops(new, base);
            module_ref::put_operations(owner);
            return now!(sock, accept(new, arg));
        };
        let nonblock = (*arg).flags & bindings::O_NONBLOCK as c_int != 0;
        let done = T::accept(&data, socket, NewSocket::from_raw(new), nonblock);
        if done.is_ok() {
            (*arg).is_empty = (!T::has_connection(&data, socket)).into();
        }
        from_result(|| done.map(|()| 0))
    }
}

/// # Safety
///
/// Called as `poll`.
unsafe extern "C" fn poll<T: StreamSocket>(
    file: *mut bindings::file,
    sock: *mut bindings::socket,
    table: *mut bindings::poll_table_struct,
) -> bindings::__poll_t {
    // SAFETY: by this function's contract.
    unsafe {
        match enter::<T>(sock) {
            (socket, Some(data)) => T::poll(&data, socket, &Poll::new(file, table)),
            _ => {
                let _visit = Visit::begin();
                match (*current(sock)).poll {
                    Some(op) => op(file, sock, table),
                    None => 0,
                }
            }
        }
    }
}

/// # Safety
///
/// Called as `ioctl`.
unsafe extern "C" fn ioctl<T: StreamSocket>(
    sock: *mut bindings::socket,
    cmd: c_uint,
    arg: c_ulong,
) -> c_int {
    // SAFETY: by this function's contract.
    unsafe {
        match enter_settled::<T>(sock, false) {
            (socket, Some(data)) => {
                from_result(|| T::ioctl(&data, socket, Ioctl::new(cmd, arg, false)))
            }
            _ => now!(sock, ioctl(cmd, arg)),
        }
    }
}

/// # Safety
///
/// Called as `compat_ioctl`.
#[cfg(CONFIG_COMPAT)]
unsafe extern "C" fn compat_ioctl<T: StreamSocket>(
    sock: *mut bindings::socket,
    cmd: c_uint,
    arg: c_ulong,
) -> c_int {
    // SAFETY: by this function's contract.
    unsafe {
        match enter_settled::<T>(sock, false) {
            (socket, Some(data)) => {
                from_result(|| T::ioctl(&data, socket, Ioctl::new(cmd, arg, true)))
            }
            _ => now!(sock, compat_ioctl(cmd, arg)),
        }
    }
}

/// # Safety
///
/// Called as `listen`.
unsafe extern "C" fn listen<T: StreamSocket>(sock: *mut bindings::socket, backlog: c_int) -> c_int {
    // SAFETY: by this function's contract.
    unsafe {
        match enter_settled::<T>(sock, false) {
            (socket, Some(data)) => from_result(|| T::listen(&data, socket, backlog)),
            _ => now!(sock, listen(backlog)),
        }
    }
}

/// # Safety
///
/// Called as `shutdown`.
unsafe extern "C" fn shutdown<T: StreamSocket>(sock: *mut bindings::socket, how: c_int) -> c_int {
    // SAFETY: by this function's contract.
    unsafe {
        match enter_settled::<T>(sock, false) {
            (socket, Some(data)) => from_result(|| T::shutdown(&data, socket, how)),
            _ => now!(sock, shutdown(how)),
        }
    }
}

/// # Safety
///
/// Called as `setsockopt`.
unsafe extern "C" fn setsockopt<T: StreamSocket>(
    sock: *mut bindings::socket,
    level: c_int,
    name: c_int,
    value: bindings::sockptr_t,
    len: c_uint,
) -> c_int {
    // SAFETY: by this function's contract.
    unsafe {
        match enter::<T>(sock) {
            (socket, Some(data)) => from_result(|| {
                let value = OptValue::new(value, len);
                T::setsockopt(&data, socket, OptName { level, name }, &value)
            }),
            _ => now!(sock, setsockopt(level, name, value, len)),
        }
    }
}

/// # Safety
///
/// Called as `getsockopt`.
unsafe extern "C" fn getsockopt<T: StreamSocket>(
    sock: *mut bindings::socket,
    level: c_int,
    name: c_int,
    value: *mut kernel::ffi::c_char,
    len: *mut c_int,
) -> c_int {
    // SAFETY: by this function's contract.
    unsafe {
        match enter::<T>(sock) {
            (socket, Some(data)) => from_result(|| {
                let out = OptOut::new(value.cast(), len);
                T::getsockopt(&data, socket, OptName { level, name }, &out)
            }),
            _ => now!(sock, getsockopt(level, name, value, len)),
        }
    }
}

/// # Safety
///
/// Called as `sendmsg`: `msg` has `len` bytes.
unsafe extern "C" fn sendmsg<T: StreamSocket>(
    sock: *mut bindings::socket,
    msg: *mut bindings::msghdr,
    len: usize,
) -> c_int {
    // SAFETY: by this function's contract.
    unsafe {
        let waits = bindings::MSG_MORE | bindings::MSG_OOB;
        match enter_settled::<T>(sock, len > 0 && (*msg).msg_flags & waits == 0) {
            (socket, Some(data)) => {
                from_result(|| T::sendmsg(&data, socket, &Message::new(msg, len)))
            }
            _ => now!(sock, sendmsg(msg, len)),
        }
    }
}

/// # Safety
///
/// Called as `recvmsg`: `msg` has room for `len` bytes.
unsafe extern "C" fn recvmsg<T: StreamSocket>(
    sock: *mut bindings::socket,
    msg: *mut bindings::msghdr,
    len: usize,
    flags: c_int,
) -> c_int {
    // SAFETY: by this function's contract.
    unsafe {
        match enter_settled::<T>(sock, false) {
            (socket, Some(data)) => {
                from_result(|| T::recvmsg(&data, socket, &Message::new(msg, len), flags))
            }
            _ => now!(sock, recvmsg(msg, len, flags)),
        }
    }
}

/// # Safety
///
/// Called as `splice_read`.
unsafe extern "C" fn splice_read<T: StreamSocket>(
    sock: *mut bindings::socket,
    pos: *mut bindings::loff_t,
    pipe: *mut bindings::pipe_inode_info,
    len: usize,
    flags: c_uint,
) -> c_long {
    // SAFETY: by this function's contract.
    unsafe {
        match enter_settled::<T>(sock, false) {
            (socket, Some(data)) => {
                let splice = Splice {
                    pos,
                    pipe,
                    len,
                    flags,
                    _life: PhantomData,
                };
                match T::splice_read(&data, socket, &splice) {
                    Ok(n) => n,
                    Err(e) => e.to_errno() as c_long,
                }
            }
            _ => now!(sock, splice_read(pos, pipe, len, flags)),
        }
    }
}

/// # Safety
///
/// Called as `splice_eof`.
unsafe extern "C" fn splice_eof<T: StreamSocket>(sock: *mut bindings::socket) {
    // SAFETY: by this function's contract.
    unsafe {
        match enter_settled::<T>(sock, false) {
            (_, Some(data)) if T::splice_eof(&data) => {}
            _ => {
                let _visit = Visit::begin();
                if let Some(op) = (*current(sock)).splice_eof {
                    op(sock);
                }
            }
        }
    }
}

/// # Safety
///
/// Called as `set_rcvlowat`, in process context, with a sock whose socket had
/// our operations.
unsafe extern "C" fn set_rcvlowat<T: StreamSocket>(sk: *mut bindings::sock, value: c_int) -> c_int {
    // SAFETY: by this function's contract.
    unsafe {
        let sock = Sock::from_raw(sk);
        let taken = Attached::<T>::lookup(sk).and_then(|data| T::set_rcvlowat(&data, sock, value));
        match taken {
            Some(done) => from_result(|| done),
            None => match super::Base::of(sock.family()).ops().set_rcvlowat {
                Some(op) => op(sk, value),
                None => 0,
            },
        }
    }
}
