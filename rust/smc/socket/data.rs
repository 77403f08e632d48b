// SPDX-License-Identifier: GPL-2.0

//! Data and readiness while it is not decided what the connection is: nobody
//! may see the stream, or write to it, until then. To the application it is as
//! in TCP's SYN_SENT.

use super::{fallback, quiet, Active, Attachment, Phase};
use crate::abstractions::{
    net::{
        errno::NetErrno,
        sock::TcpState,
        socket::{Ioctl, Message, Poll, Socket, Splice},
        uapi,
    },
    wait::{Share, Waited},
    work::Task,
};
use crate::smc::{
    conn::{self, Conn},
    stats::{Dir, Event},
};
use kernel::{
    ffi::{c_int, c_long},
    prelude::*,
    sync::Arc,
};
use smc_proto::wire::clc::Reason;

/// Waits until connect() is over, one way or the other, for an operation that sends
/// something then, or does not.
fn wait_decided(
    this: &Arc<Attachment>,
    socket: Socket<'_>,
    timeout: c_long,
    sends: bool,
) -> Result {
    match socket.wait(Share::All, timeout, || !this.is_undecided(socket.sock())) {
        Waited::Done(_) => {
            quiet::end(this, socket, sends);
            Ok(())
        }
        Waited::TimedOut => Err(EAGAIN),
        Waited::Signal(left) => Err(Socket::interrupted(left)),
    }
}

/// The connection, if it has RDMA; `wait` comes first where it has none yet.
fn decided(
    this: &Arc<Attachment>,
    wait: impl FnOnce() -> Result,
) -> Result<Option<Arc<Task<Conn>>>> {
    let conn = this.smc();
    if conn.is_some() {
        return Ok(conn);
    }
    wait()?;
    Ok(this.smc())
}

/// How many it were, to be counted.
fn bytes(done: &Result<c_int>) -> usize {
    done.as_ref()
        .map_or(0, |n| usize::try_from(*n).unwrap_or(0))
}

/// sendmsg(2).
pub(super) fn send(this: &Arc<Attachment>, socket: Socket<'_>, msg: &Message<'_>) -> Result<c_int> {
    let nonblock = msg.flags() & uapi::MSG_DONTWAIT != 0;
    let fastopen = msg.flags() & uapi::MSG_FASTOPEN != 0;
    let conn = decided(this, || {
        if this.is_undecided(socket.sock()) {
            if nonblock && fastopen {
                return Err(NetErrno::Already.into());
            }
            wait_decided(this, socket, socket.sock().sndtimeo(nonblock), true)?;
        } else if fastopen {
            fallback::give_up(this, socket.sock(), Reason::OptionUnsupported);
        }
        Ok(())
    })?;
    match conn {
        Some(conn) => {
            let (len, done) = (msg.len(), conn::send(&conn, socket, msg));
            if msg.flags() & uapi::MSG_OOB != 0 && done.is_ok() {
                conn.count_event(Event::Urgent);
            }
            conn.count_payload(Dir::Tx, len, bytes(&done));
            done
        }
        None => msg.send(socket),
    }
}

/// recvmsg(2).
pub(super) fn recv(
    this: &Arc<Attachment>,
    socket: Socket<'_>,
    msg: &Message<'_>,
    flags: c_int,
) -> Result<c_int> {
    let errors = flags & uapi::MSG_ERRQUEUE as c_int != 0;
    let conn = decided(this, || {
        if this.is_undecided(socket.sock()) && !errors {
            let nonblock = flags & uapi::MSG_DONTWAIT as c_int != 0;
            wait_decided(this, socket, socket.sock().rcvtimeo(nonblock), false)?;
        }
        Ok(())
    })?;
    match conn {
        Some(conn) if !errors => {
            let done = conn::recv(&conn, socket, msg, flags);
            if flags & uapi::MSG_OOB as c_int != 0 && done.is_ok() {
                conn.count_event(Event::Urgent);
            }
            // By how much there was, not by how much was asked for.
            conn.count_payload(Dir::Rx, bytes(&done), bytes(&done));
            done
        }
        _ => msg.recv(socket, flags),
    }
}

/// splice(2) out of the socket.
pub(super) fn splice_read(
    this: &Arc<Attachment>,
    socket: Socket<'_>,
    splice: &Splice<'_>,
) -> Result<isize> {
    if this.is_undecided(socket.sock()) {
        let nonblock = splice.is_nonblocking(socket);
        wait_decided(this, socket, socket.sock().rcvtimeo(nonblock), false)?;
    }
    match this.smc() {
        Some(conn) => {
            let done = conn::splice_read(&conn, socket, splice);
            let n = done
                .as_ref()
                .map_or(0, |n| usize::try_from(*n).unwrap_or(0));
            conn.count_event(Event::Splice);
            conn.count_payload(Dir::Rx, n, n);
            done
        }
        None => splice.tcp(socket),
    }
}

/// The end of what splice(2) or sendfile(2) has written: nothing waits for more.
pub(super) fn splice_eof(this: &Arc<Attachment>) -> bool {
    match this.smc() {
        Some(conn) => conn::flush(&conn),
        None => return false,
    }
    true
}

/// ioctl(2): the handshake's bytes are not the application's.
pub(super) fn ioctl(this: &Arc<Attachment>, socket: Socket<'_>, request: Ioctl) -> Result<c_int> {
    if let Some(conn) = this.smc() {
        return conn::ioctl(&conn, socket, request);
    }
    let handshake = this.active().is_some_and(|active| active.is_connected());
    match request.cmd {
        uapi::SIOCINQ | uapi::SIOCOUTQ | uapi::SIOCOUTQNSD if handshake => {
            request.put_int(0).map(|()| 0)
        }
        _ => request.tcp(socket),
    }
}

/// poll(2).
pub(super) fn poll(this: &Arc<Attachment>, socket: Socket<'_>, poll: &Poll<'_>) -> u32 {
    let phase = this.phase.lock().clone();
    match phase {
        Phase::Connecting(active) => poll_connecting(this, &active, socket, poll),
        Phase::Smc(conn) => conn::poll(&conn, socket, poll),
        Phase::Plain => quiet::poll(this, socket, poll),
        // In this order: what begins, is decided or comes after TCP has been looked at wakes
        // again.
        Phase::Idle => {
            let mask = poll.tcp(socket);
            let phase = this.phase.lock().clone();
            shown(this, &phase, mask, socket, poll)
        }
        Phase::Listening(_) => {
            let mask = poll.tcp(socket);
            shown(this, &phase, mask, socket, poll)
        }
    }
}

/// As [`poll`], where connect() was under way.
fn poll_connecting(
    this: &Arc<Attachment>,
    active: &Task<Active>,
    socket: Socket<'_>,
    poll: &Poll<'_>,
) -> u32 {
    this.quiet.watch(poll);
    loop {
        let attempt = active.attempts();
        let mask = poll.tcp(socket);
        let phase = this.phase.lock().clone();
        if active.is_astray() && matches!(&phase, Phase::Connecting(_)) {
            return 0;
        }
        // Else what TCP has shown may be the end of a connection that was made anew.
        if attempt == active.attempts() {
            return shown(this, &phase, mask, socket, poll);
        }
    }
}

/// What of `mask`, which TCP has shown, the socket shows in this phase.
fn shown(
    this: &Arc<Attachment>,
    phase: &Phase,
    mask: u32,
    socket: Socket<'_>,
    poll: &Poll<'_>,
) -> u32 {
    match phase {
        Phase::Connecting(_) => match socket.sock().state() {
            TcpState::Established | TcpState::Closing => mask & uapi::EPOLLERR,
            _ => mask,
        },
        Phase::Listening(listener) if listener.has_connection(listener) => {
            uapi::EPOLLIN | uapi::EPOLLRDNORM
        }
        Phase::Listening(_) => 0,
        Phase::Smc(conn) => conn::poll(conn, socket, poll),
        Phase::Idle => mask,
        Phase::Plain => quiet::poll(this, socket, poll),
    }
}
