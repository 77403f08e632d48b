// SPDX-License-Identifier: GPL-2.0

//! poll(2), ioctl(2) and the options that act on a connection.

use super::{lowat, tx, Conn, READABLE, WRITABLE};
use crate::{
    abstractions::{
        net::{
            errno::NetErrno,
            sock::Sock,
            socket::{Ioctl, OptName, OptOut, OptValue, Poll, Socket},
            uapi,
        },
        work::Task,
    },
    smc::stats::Event,
};
use kernel::{ffi::c_int, prelude::*, sync::Arc};
use smc_proto::close::{ConnFlags, RecvEnd};

/// poll(2). Process context.
pub(crate) fn poll(this: &Arc<Task<Conn>>, socket: Socket<'_>, poll: &Poll<'_>) -> u32 {
    poll.register(socket);
    let mut mask = 0;
    let end = {
        let mode = this.urgent_mode();
        let rx = this.rx.lock();
        if rx.is_readable(lowat(&this.sock), mode) {
            mask |= READABLE;
        }
        if rx.ring.urgent_waiting() {
            mask |= uapi::EPOLLPRI;
        }
        rx.end
    };
    let write_shut = {
        let mut tx = this.tx.lock();
        // Where nothing can be sent, a write does not wait.
        if tx.closer.may_send().is_err() || tx.is_writable(this.sock.notsent_lowat()) {
            mask |= WRITABLE;
        } else {
            tx.nospace = true;
            this.sock.wants_space_signal();
        }
        tx.closer.draining() || tx.closer.flags() != ConnFlags::default()
    };
    if end.is_some() {
        mask |= READABLE | uapi::EPOLLRDHUP;
    }
    if end == Some(RecvEnd::Broken) || end.is_some() && write_shut {
        mask |= uapi::EPOLLHUP;
    }
    if this.sock.has_error() || this.sock.has_messages() {
        mask |= uapi::EPOLLERR;
    }
    mask
}

/// ioctl(2). Process context; may sleep.
pub(crate) fn ioctl(this: &Arc<Task<Conn>>, socket: Socket<'_>, request: Ioctl) -> Result<c_int> {
    let bytes = match request.cmd {
        uapi::SIOCINQ => {
            let mode = this.urgent_mode();
            this.rx.lock().ring.readable(mode)
        }
        uapi::SIOCOUTQ => this.out_queue().0,
        uapi::SIOCOUTQNSD => this.out_queue().1,
        uapi::SIOCATMARK => this.rx.lock().ring.at_mark().into(),
        _ => return request.tcp(socket),
    };
    request.put_int(c_int::try_from(bytes).unwrap_or(c_int::MAX))?;
    Ok(0)
}

/// SO_RCVLOWAT; more than half of the ring is not waited for.
pub(crate) fn set_rcvlowat(this: &Arc<Task<Conn>>, sock: &Sock, value: c_int) -> Result<c_int> {
    let value = match value {
        0 => 1,
        negative if negative < 0 => c_int::MAX,
        other => other,
    };
    sock.swap_rcvlowat(value);
    let mode = this.urgent_mode();
    if this.rx.lock().is_readable(lowat(sock), mode) {
        sock.wake(READABLE, false);
    }
    Ok(0)
}

/// An option of TCP that would take the stream away, or change what the socket
/// is.
fn is_refused(opt: OptName) -> Option<NetErrno> {
    match (opt.level, opt.name) {
        (uapi::SOL_TCP, uapi::TCP_ULP | uapi::TCP_REPAIR | uapi::TCP_ZEROCOPY_RECEIVE)
        | (uapi::SOL_IPV6, uapi::IPV6_ADDRFORM) => Some(NetErrno::OpNotSupp),
        _ => None,
    }
}

/// setsockopt(2), but for `SOL_SOCKET` and `SOL_SMC`. Process context.
pub(crate) fn set_option(
    this: &Arc<Task<Conn>>,
    socket: Socket<'_>,
    opt: OptName,
    value: &OptValue,
) -> Result<c_int> {
    if let Some(e) = is_refused(opt) {
        return Err(e.into());
    }
    let done = value.tcp_set(socket, opt)?;
    let sends = opt.level == uapi::SOL_TCP
        && match opt.name {
            uapi::TCP_NODELAY => this.sock.is_nodelay(),
            uapi::TCP_CORK => !this.sock.is_corked(),
            _ => false,
        };
    if sends {
        this.count_event(match opt.name {
            uapi::TCP_NODELAY => Event::NoDelay,
            _ => Event::Cork,
        });
        tx::flush(this);
    }
    Ok(done)
}

/// getsockopt(2), but for `SOL_SOCKET` and `SOL_SMC`. Process context.
pub(crate) fn get_option(socket: Socket<'_>, opt: OptName, out: &OptOut) -> Result<c_int> {
    if let Some(e) = is_refused(opt).filter(|_| opt.name == uapi::TCP_ZEROCOPY_RECEIVE) {
        return Err(e.into());
    }
    out.tcp_get(socket, opt)
}

impl Conn {
    /// Bytes in the send buffer, and those of them that are not posted.
    fn out_queue(&self) -> (u32, u32) {
        let tx = self.tx.lock();
        tx.out.as_ref().map_or((0, 0), |out| {
            let ring = &out.ring;
            (ring.unsent() + ring.in_flight(), ring.unsent())
        })
    }
}
