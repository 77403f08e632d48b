// SPDX-License-Identifier: GPL-2.0

//! `struct socket`: what a file descriptor leads to.
//!
//! C header: [`include/linux/net.h`](srctree/include/linux/net.h)

use super::{
    attach::Attached,
    sock::{to_value, Child, Sock, SockGuard},
    stream::{Base, StreamSocket},
    AddressFamily, Net,
};
use crate::abstractions::{
    module_ref::{self, ModuleRef},
    wait::{self, Share, Waited},
};
use core::{
    marker::PhantomData,
    ptr::{self, NonNull},
};
use kernel::{
    error::to_result,
    ffi::{c_int, c_long, c_ulong, c_void},
    prelude::*,
    sync::Arc,
    types::Opaque,
};
use smc_bindings as bindings;

/// A socket of TCP, in an operation that its file's user has called.
///
/// # Invariants
///
/// A live `struct socket` that has its sock, a TCP one, until the end of `'a`.
#[derive(Clone, Copy)]
pub(crate) struct Socket<'a>(
    NonNull<bindings::socket>,
    PhantomData<&'a Opaque<bindings::socket>>,
);

impl<'a> Socket<'a> {
    /// # Safety
    ///
    /// `socket` is live and has a TCP sock, during `'a`.
    pub(super) unsafe fn from_raw(socket: *mut bindings::socket) -> Self {
        // SAFETY: not null, by this function's contract.
        Self(unsafe { NonNull::new_unchecked(socket) }, PhantomData)
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::socket {
        self.0.as_ptr()
    }

    /// The socket's sock.
    pub(crate) fn sock(&self) -> &'a Sock {
        // SAFETY: there and alive, by the type invariant.
        unsafe { Sock::from_raw((*self.as_ptr()).sk) }
    }

    fn base(&self) -> &'static bindings::proto_ops {
        Base::of(self.sock().family()).ops()
    }

    /// Whether connect() has not been called since the socket was made or
    /// disconnected.
    pub(crate) fn is_unconnected(&self, _locked: &SockGuard<'_>) -> bool {
        // SAFETY: alive; the state changes under the sock's lock.
        unsafe { (*self.as_ptr()).state == bindings::socket_state_SS_UNCONNECTED }
    }

    /// Makes connect() go on waiting when it is called again.
    pub(crate) fn set_connecting(&self, _locked: &SockGuard<'_>) {
        // SAFETY: alive; the state changes under the sock's lock.
        unsafe { (*self.as_ptr()).state = bindings::socket_state_SS_CONNECTING };
    }

    /// Waits until `ready`; see [`Waited`]. Process context, no locks held.
    pub(crate) fn wait(
        &self,
        share: Share,
        timeout: c_long,
        ready: impl FnMut() -> bool,
    ) -> Waited {
        // SAFETY: the socket keeps its wait queue.
        unsafe {
            let queue = bindings::sk_sleep((*self.as_ptr()).sk);
            wait::wait_on(queue, share, timeout, ready)
        }
    }

    /// What a call that a signal has interrupted returns, which had so many
    /// jiffies left.
    pub(crate) fn interrupted(timeout: c_long) -> Error {
        // SAFETY: only computes.
        Error::from_errno(unsafe { bindings::sock_intr_errno(timeout) })
    }

    /// Takes `data` off the socket, which is a plain TCP socket from now on: the
    /// next operation goes to TCP. Whether it was not one before. Any context;
    /// the sock is locked.
    pub(crate) fn become_plain<T: StreamSocket>(data: &Arc<Attached<T>>, sock: &Sock) -> bool {
        let sk = sock.as_ptr();
        let base = Base::of(sock.family()).ops();
        let mut owner = ptr::null_mut();
        // SAFETY: alive. The callback lock, which is held around the closure, is
        // also taken by who takes the socket away: it is alive if it is there.
        let taken = unsafe {
            Attached::detach_with(data, sk, || {
                let socket = bindings::sk_socket(sk);
                if !socket.is_null() {
                    owner = (*bindings::socket_ops(socket)).owner;
                    bindings::socket_set_ops(socket, base);
                    bindings::__module_get(base.owner);
                }
            })
        };
        if taken {
            T::uncount(data, sock);
            // SAFETY: the reference that came with the old operations.
            unsafe { module_ref::put_operations(owner) };
        }
        taken
    }
}

/// The operations of TCP, on a socket of ours.
impl Socket<'_> {
    /// As connect(2) of TCP.
    pub(crate) fn tcp_connect(&self, to: &Address<'_>, flags: c_int) -> Result<c_int> {
        let op = self.base().connect.ok_or(EINVAL)?;
        // SAFETY: the socket is alive; address and length belong together.
        to_value(unsafe { op(self.as_ptr(), to.addr, to.len, flags) })
    }

    /// As connect(2) of TCP with an address of no family: dissolves the
    /// connection.
    pub(crate) fn tcp_disconnect(&self) -> Result<c_int> {
        // SAFETY: all-zero bytes are a valid `struct sockaddr_storage`, and
        // AF_UNSPEC.
        let mut nowhere: bindings::__kernel_sockaddr_storage = unsafe { core::mem::zeroed() };
        let addr: *mut bindings::__kernel_sockaddr_storage = &mut nowhere;
        // SAFETY: it is there until the end of the call.
        let nowhere = unsafe {
            Address::new(
                addr.cast(),
                size_of::<bindings::__kernel_sockaddr_storage>() as c_int,
            )
        };
        self.tcp_connect(&nowhere, bindings::O_NONBLOCK as c_int)
    }

    /// As listen(2) of TCP.
    pub(crate) fn tcp_listen(&self, backlog: c_int) -> Result<c_int> {
        let op = self.base().listen.ok_or(EINVAL)?;
        // SAFETY: the socket is alive.
        to_value(unsafe { op(self.as_ptr(), backlog) })
    }

    /// As shutdown(2) of TCP.
    pub(crate) fn tcp_shutdown(&self, how: c_int) -> Result<c_int> {
        let op = self.base().shutdown.ok_or(EINVAL)?;
        // SAFETY: the socket is alive.
        to_value(unsafe { op(self.as_ptr(), how) })
    }
}

/// The address argument of connect(2), in kernel memory.
///
/// # Invariants
///
/// `addr` may be read, and changed by BPF, for `len` bytes during `'a`.
pub(crate) struct Address<'a> {
    addr: *mut bindings::sockaddr,
    len: c_int,
    _life: PhantomData<&'a mut bindings::sockaddr>,
}

impl Address<'_> {
    /// # Safety
    ///
    /// As the type's invariants say.
    pub(super) unsafe fn new(addr: *mut bindings::sockaddr, len: c_int) -> Self {
        Self {
            addr,
            len,
            _life: PhantomData,
        }
    }

    pub(super) fn as_raw(&self) -> (*const bindings::sockaddr, c_int) {
        (self.addr, self.len)
    }

    /// Whether it dissolves a connection rather than make one (`AF_UNSPEC`).
    pub(crate) fn is_unspec(&self) -> bool {
        // SAFETY: long enough, as just checked.
        self.len >= 2 && unsafe { u32::from((*self.addr).sa_family) } == bindings::AF_UNSPEC
    }
}

/// The socket that accept(2) has made, without a sock yet.
///
/// # Invariants
///
/// A live `struct socket` that nobody else has.
pub(crate) struct NewSocket<'a>(
    NonNull<bindings::socket>,
    PhantomData<&'a mut bindings::socket>,
);

impl NewSocket<'_> {
    /// # Safety
    ///
    /// `socket` is live during `'a`, has no sock, and nobody else has it.
    pub(super) unsafe fn from_raw(socket: *mut bindings::socket) -> Self {
        // SAFETY: not null, by this function's contract.
        Self(unsafe { NonNull::new_unchecked(socket) }, PhantomData)
    }

    /// Gives it this connection, as a plain TCP socket. Process context.
    pub(crate) fn take_plain(self, child: Child) {
        let socket = self.0.as_ptr();
        let base = Base::of(child.family()).ops();
        let locked = child.lock();
        // SAFETY: the new socket is ours alone and has no sock; the sock is alive
        // and locked. The operations' owner was counted by accept(2) for the
        // socket's first ones, which are of this module: not the last reference,
        // as the listener has one too.
        unsafe {
            bindings::sock_rps_record_flow(child.as_ptr());
            bindings::socket_set_zerocopy(socket);
            bindings::sock_graft(child.as_ptr(), socket);
            (*socket).state = bindings::socket_state_SS_CONNECTED;
            let owner = (*bindings::socket_ops(socket)).owner;
            bindings::__module_get(base.owner);
            bindings::socket_set_ops(socket, base);
            bindings::module_put(owner);
        }
        drop(locked);
        child.into_raw();
    }
}

impl NewSocket<'_> {
    /// Gives it this connection, with the data that `data` makes, as a socket of
    /// ours. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` without memory; the connection is closed then.
    pub(crate) fn take_ours<T, I>(
        self,
        child: Child,
        data: impl FnOnce(AddressFamily) -> I,
    ) -> Result<Arc<Attached<T>>>
    where
        T: StreamSocket,
        I: PinInit<T, Error>,
    {
        let socket = self.0.as_ptr();
        // SAFETY: the module's code runs, for the listener holds a reference; this
        // one is for the data.
        let module = unsafe {
            bindings::__module_get(module_ref::this_module());
            ModuleRef::from_counted()
        };
        let family = child.family();
        let attached = Attached::new(Some(module), data(family))?;
        let locked = child.lock();
        Attached::attach(&attached, &locked)?;
        T::count(&attached, &child);
        // SAFETY: as in `take_plain`; the operations, and the reference to their
        // owner, are those that accept(2) has given to the new socket: of this
        // family, as the listener's.
        unsafe {
            bindings::sock_rps_record_flow(child.as_ptr());
            bindings::sock_graft(child.as_ptr(), socket);
            (*socket).state = bindings::socket_state_SS_CONNECTED;
        }
        drop(locked);
        child.into_raw();
        Ok(attached)
    }
}

/// A socket without a file, which TCP needs to send on a [`Child`].
///
/// # Invariants
///
/// A live `struct socket` with plain TCP operations, which has the child's sock
/// until it is taken out for good.
pub(crate) struct Vessel(NonNull<bindings::socket>);

// SAFETY: a socket may be used and released by any thread.
unsafe impl Send for Vessel {}
// SAFETY: it has its own locks.
unsafe impl Sync for Vessel {}

impl Vessel {
    /// Puts `child` into a socket. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `ENFILE` without memory; the child is closed then.
    pub(crate) fn new(child: Child) -> Result<Self> {
        let mut socket: *mut bindings::socket = ptr::null_mut();
        let base = Base::of(child.family()).ops();
        // SAFETY: `socket` may be written.
        to_result(unsafe {
            bindings::sock_create_lite(
                child.family().as_raw(),
                bindings::sock_type_SOCK_STREAM as c_int,
                bindings::IPPROTO_TCP as c_int,
                &mut socket,
            )
        })?;
        let socket = NonNull::new(socket).ok_or(ENOMEM)?;
        let locked = child.lock();
        // SAFETY: a new socket without a sock; the sock is alive and locked.
        unsafe {
            bindings::__module_get(base.owner);
            bindings::socket_set_ops(socket.as_ptr(), base);
            bindings::sock_graft(child.as_ptr(), socket.as_ptr());
            (*socket.as_ptr()).state = bindings::socket_state_SS_CONNECTED;
        }
        drop(locked);
        child.into_raw();
        // INVARIANT: it has the child's sock.
        Ok(Self(socket))
    }

    /// The sock inside.
    pub(crate) fn sock(&self) -> &Sock {
        // SAFETY: there and alive, by the type invariant.
        unsafe { Sock::from_raw((*self.0.as_ptr()).sk) }
    }

    /// Takes the child out again. Process context; may sleep.
    pub(crate) fn into_child(mut self) -> Child {
        self.take()
    }

    fn take(&mut self) -> Child {
        let socket = self.0.as_ptr();
        // SAFETY: the socket is alive and ours alone, so is its sock, which is
        // parted from it under the locks that guard the two pointers.
        unsafe {
            let sk = (*socket).sk;
            let locked = Sock::from_raw(sk).lock();
            bindings::sk_part(sk);
            (*socket).sk = ptr::null_mut();
            drop(locked);
            // INVARIANT: of `Child`.
            Child::from_raw(NonNull::new_unchecked(sk))
        }
    }
}

impl Drop for Vessel {
    /// Resets the connection, if it is still inside. Process context.
    fn drop(&mut self) {
        // SAFETY: alive and ours alone.
        if !unsafe { (*self.0.as_ptr()).sk.is_null() } {
            drop(self.take());
        }
        // SAFETY: ours alone, and empty.
        unsafe { bindings::sock_release(self.0.as_ptr()) };
    }
}

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
    pub(super) unsafe fn new(value: bindings::sockptr_t, len: u32) -> Self {
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
    pub(super) fn new(value: *mut u8, len: *mut c_int) -> Self {
        Self { value, len }
    }

    /// Answers with an `int`, or as much of it as there is room for. Process
    /// context; may sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the room is negative, `EFAULT` if it is not the user's.
    pub(crate) fn put_int(&self, value: c_int) -> Result {
        use kernel::uaccess::UserSlice;
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
    pub(super) fn new(cmd: u32, arg: c_ulong, compat: bool) -> Self {
        Self { cmd, arg, compat }
    }

    /// Answers with an `int`. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `EFAULT` if the argument is no pointer of the user.
    pub(crate) fn put_int(&self, value: c_int) -> Result {
        kernel::uaccess::UserSlice::new(self.arg as _, size_of::<c_int>())
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
    pub(super) unsafe fn new(msg: *mut bindings::msghdr, len: usize) -> Self {
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

    pub(super) fn as_ptr(&self) -> *mut bindings::msghdr {
        self.msg
    }

    /// Adds to the flags that the caller of recvmsg(2) gets.
    pub(crate) fn add_flags(&self, flags: u32) {
        // SAFETY: alive, by the type invariant.
        unsafe { (*self.msg).msg_flags |= flags };
    }

    /// Takes the next `len` bytes, as far as there are so many that can be read;
    /// how many these were. Process context; may sleep.
    ///
    /// # Safety
    ///
    /// `to` may be written for `len` bytes.
    pub(in crate::abstractions) unsafe fn copy_in(&self, to: *mut u8, len: usize) -> usize {
        // SAFETY: alive, by the type invariant; the rest is the caller's promise.
        unsafe {
            let iter = ptr::addr_of_mut!((*self.msg).msg_iter);
            bindings::copy_from_iter(to.cast(), len, iter)
        }
    }

    /// Puts `len` bytes behind those that are there, as far as there is room that
    /// can be written; how many these were. Process context; may sleep.
    ///
    /// # Safety
    ///
    /// `from` may be read for `len` bytes, which may change meanwhile.
    pub(in crate::abstractions) unsafe fn copy_out(&self, from: *const u8, len: usize) -> usize {
        // SAFETY: alive, by the type invariant; the rest is the caller's promise.
        unsafe {
            let iter = ptr::addr_of_mut!((*self.msg).msg_iter);
            bindings::copy_to_iter(from.cast(), len, iter)
        }
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
    pub(super) pos: *mut bindings::loff_t,
    pub(super) pipe: *mut bindings::pipe_inode_info,
    pub(super) len: usize,
    pub(super) flags: u32,
    pub(super) _life: PhantomData<&'a mut bindings::pipe_inode_info>,
}

impl Splice<'_> {
    /// How many bytes are wanted.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn pipe(&self) -> *mut bindings::pipe_inode_info {
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

impl Socket<'_> {
    /// Whether the file that the socket belongs to has `O_NONBLOCK`.
    pub(crate) fn file_is_nonblocking(&self) -> bool {
        // SAFETY: alive, by the type invariant; a socket of the kernel itself has
        // no file.
        unsafe {
            let file = (*self.as_ptr()).file;
            !file.is_null() && (*file).f_flags & bindings::O_NONBLOCK != 0
        }
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
    pub(super) unsafe fn new(
        file: *mut bindings::file,
        table: *mut bindings::poll_table_struct,
    ) -> Self {
        Self {
            file,
            table,
            _life: PhantomData,
        }
    }

    pub(super) fn file(&self) -> *mut bindings::file {
        self.file
    }

    pub(super) fn table(&self) -> *mut bindings::poll_table_struct {
        self.table
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

/// Makes a TCP socket and takes its sock out, for `socket`, which gets it.
///
/// # Errors
///
/// What socket(2) gives for such a TCP socket.
///
/// # Safety
///
/// Nobody else has `socket`, and it has no sock.
pub(super) unsafe fn move_in(
    socket: *mut bindings::socket,
    net: &Net,
    family: AddressFamily,
    protocol: c_int,
    kern: c_int,
) -> Result {
    let mut made: *mut bindings::socket = ptr::null_mut();
    // SAFETY: `net` is alive, `made` may be written.
    to_result(unsafe {
        bindings::__sock_create(
            net.as_ptr(),
            family.as_raw(),
            bindings::sock_type_SOCK_STREAM as c_int,
            protocol,
            &mut made,
            kern,
        )
    })?;
    // SAFETY: both sockets are ours alone. `socket` takes over the sock, the
    // operations, and the reference to their owner; what is left of the other one
    // is released.
    unsafe {
        let sk = (*made).sk;
        bindings::sk_part(sk);
        (*made).sk = ptr::null_mut();
        if bindings::socket_test_zerocopy(made) {
            bindings::socket_set_zerocopy(socket);
        }
        bindings::sock_graft(sk, socket);
        (*socket).state = bindings::socket_state_SS_UNCONNECTED;
        let ops = bindings::socket_ops(made);
        bindings::socket_set_ops(socket, ops);
        // socket(2) counts the owner of the operations that it finds.
        let owner = (*ops).owner;
        bindings::socket_set_ops(made, ptr::null());
        bindings::sock_release(made);
        bindings::module_put(owner);
    }
    Ok(())
}
