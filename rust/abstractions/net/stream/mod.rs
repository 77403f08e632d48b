// SPDX-License-Identifier: GPL-2.0

//! Sockets that are TCP sockets underneath, and may become nothing else.
//!
//! A socket has one sock, a TCP one, from the beginning. While it is ours its
//! operations lead to a [`StreamSocket`]; those that are not taken over are
//! TCP's own. [`Socket::become_plain`] puts TCP's operations in, and nothing of
//! ours is left on the socket's way.

mod family;
mod listen;
mod ops;
mod repeat;

pub(crate) use family::{Base, Family, FamilyRegistration};
pub(crate) use listen::{Listening, NewChild};
pub(crate) use repeat::Repeating;

use super::{
    attach::{Attached, EventSock, Events},
    sock::Sock,
    socket::{Address, Ioctl, Message, NewSocket, OptName, OptOut, OptValue, Poll, Socket, Splice},
    AddressFamily, Net,
};
use kernel::{ffi::c_int, prelude::*, sync::Arc};

/// What a socket of ours does where it does not do as TCP.
///
/// Operations run in process context with no locks held and may sleep; several
/// may run at a time. Each may find that the socket has become a plain one
/// meanwhile. What they return is what the system call shall.
pub(crate) trait StreamSocket: Events {
    /// The statics of the family.
    fn family(family: AddressFamily) -> &'static Family<Self>;

    /// The data of a new socket in `net`, which is counted by `family`'s protocol.
    fn new(family: AddressFamily, net: &Net) -> impl PinInit<Self, Error>;

    /// The socket counts as one of ours: one that accept(2) has made. Process
    /// context.
    fn count(this: &Attached<Self>, sock: &Sock);

    /// The socket no longer counts as one of ours: [`Socket::become_plain`], or
    /// its end. Any context.
    fn uncount(this: &Attached<Self>, sock: &Sock);

    /// An operation begins, which is none of poll(), setsockopt() and getsockopt(), and
    /// sends something at once if `sends`. Whether the socket is a plain one by now, and the
    /// operation TCP's.
    fn settle(this: &Arc<Attached<Self>>, socket: Socket<'_>, sends: bool) -> bool;

    /// The file is closed. TCP's own release follows.
    fn release(this: &Arc<Attached<Self>>, socket: Socket<'_>);

    /// connect(2); `flags` are those of the file.
    fn connect(
        this: &Arc<Attached<Self>>,
        socket: Socket<'_>,
        to: &Address<'_>,
        flags: c_int,
    ) -> Result<c_int>;

    /// listen(2).
    fn listen(this: &Arc<Attached<Self>>, socket: Socket<'_>, backlog: c_int) -> Result<c_int>;

    /// accept(2).
    fn accept(
        this: &Arc<Attached<Self>>,
        socket: Socket<'_>,
        new: NewSocket<'_>,
        nonblock: bool,
    ) -> Result;

    /// Whether accept(2) would find a connection.
    fn has_connection(this: &Arc<Attached<Self>>, socket: Socket<'_>) -> bool;

    /// poll(2): `EPOLL…`.
    fn poll(this: &Arc<Attached<Self>>, socket: Socket<'_>, poll: &Poll<'_>) -> u32;

    /// shutdown(2).
    fn shutdown(this: &Arc<Attached<Self>>, socket: Socket<'_>, how: c_int) -> Result<c_int>;

    /// setsockopt(2), but for `SOL_SOCKET`.
    fn setsockopt(
        this: &Arc<Attached<Self>>,
        socket: Socket<'_>,
        opt: OptName,
        value: &OptValue,
    ) -> Result<c_int>;

    /// getsockopt(2), but for `SOL_SOCKET`.
    fn getsockopt(
        this: &Arc<Attached<Self>>,
        socket: Socket<'_>,
        opt: OptName,
        out: &OptOut,
    ) -> Result<c_int>;

    /// ioctl(2).
    fn ioctl(this: &Arc<Attached<Self>>, socket: Socket<'_>, request: Ioctl) -> Result<c_int>;

    /// sendmsg(2).
    fn sendmsg(this: &Arc<Attached<Self>>, socket: Socket<'_>, msg: &Message<'_>) -> Result<c_int>;

    /// recvmsg(2).
    fn recvmsg(
        this: &Arc<Attached<Self>>,
        socket: Socket<'_>,
        msg: &Message<'_>,
        flags: c_int,
    ) -> Result<c_int>;

    /// splice(2) out of the socket.
    fn splice_read(
        this: &Arc<Attached<Self>>,
        socket: Socket<'_>,
        splice: &Splice<'_>,
    ) -> Result<isize>;

    /// What splice(2) or sendfile(2) has to send is at its end; false if that is
    /// TCP's business.
    fn splice_eof(this: &Arc<Attached<Self>>) -> bool;

    /// SO_RCVLOWAT. The sock is not locked.
    fn set_rcvlowat(this: &Arc<Attached<Self>>, sock: &Sock, value: c_int)
        -> Option<Result<c_int>>;

    /// TCP is about to repeat the SYN for the `nth` time. Softirq or process context; the sock
    /// is locked, and [`Repeating::watch`] was called.
    fn syn_repeats(this: &Arc<Attached<Self>>, sock: &EventSock<'_>, nth: u32);

    /// TCP has made a connection for this listener. It will be told by `data_ready`,
    /// unless TCP drops it. Softirq.
    fn on_child(this: &Arc<Attached<Self>>, child: &NewChild<'_>);

    /// Whether new connections shall be plain ones. Softirq.
    fn is_congested(this: &Arc<Attached<Self>>) -> bool;
}
