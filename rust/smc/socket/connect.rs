// SPDX-License-Identifier: GPL-2.0

//! connect(2), and what takes a connection or a listener apart again.

use super::{
    active::{Active, Progress},
    fallback, quiet, syn, Attachment, Phase,
};
use crate::{
    abstractions::{
        net::{
            errno::NetErrno,
            sock::TcpState,
            socket::{Address, Socket},
            stream::Listening,
            uapi,
        },
        wait::{Share, Waited},
        work::Task,
    },
    smc::{clc, conn, path::Path},
};
use kernel::{
    ffi::{c_int, c_long},
    prelude::*,
    sync::Arc,
};
use smc_proto::wire::clc::Reason;

/// connect(2): TCP's, and a handshake behind it.
pub(super) fn connect(
    this: &Arc<Attachment>,
    socket: Socket<'_>,
    to: &Address<'_>,
    flags: c_int,
) -> Result<c_int> {
    if to.is_unspec() {
        return disconnect(this, socket, || socket.tcp_connect(to, flags));
    }
    let nonblock = flags & uapi::O_NONBLOCK != 0;
    let Some(active) = begin(this, socket, to)? else {
        return socket.tcp_connect(to, flags);
    };
    if !active.is_connected() {
        active.set_threaded(!nonblock, &active);
        let done = syn::connect(&active, socket, to, flags);
        match done {
            Ok(_) if active.is_connected() => {}
            // A plain connection.
            Ok(_) => {
                quiet::hurry(this, socket);
                return done;
            }
            Err(e) => {
                if !nonblock {
                    active.set_threaded(false, &active);
                }
                forget_failed(this, socket, &active);
                return Err(e);
            }
        }
    } else if !nonblock {
        active.set_threaded(true, &active);
    }
    // TCP is connected: for who calls connect() it is still under way.
    socket.set_connecting(&socket.sock().lock());
    if nonblock {
        return Err(NetErrno::Already.into());
    }
    match drive(&active, socket) {
        // Connected, or failed: TCP knows, and says so.
        Ok(()) => socket.tcp_connect(to, flags),
        Err(e) => {
            active.set_threaded(false, &active);
            Err(e)
        }
    }
}

/// The handshake to go on with, a new one if there is none; `None` if TCP knows
/// by itself what connect() is to return.
fn begin(
    this: &Arc<Attachment>,
    socket: Socket<'_>,
    to: &Address<'_>,
) -> Result<Option<Arc<Task<Active>>>> {
    let _setup = this.setup.lock();
    match &*this.phase.lock() {
        Phase::Idle => {}
        Phase::Connecting(active) => return Ok(Some(active.clone())),
        Phase::Listening(_) | Phase::Smc(_) | Phase::Plain => return Ok(None),
    }
    let sock = socket.sock();
    let active = Active::new(this, sock, Path::before_connect(sock, to), to);
    let smc_only = active
        .as_ref()
        .ok()
        .and_then(|active| active.prepare_syn(to));
    let locked = sock.lock();
    if locked.state() != TcpState::Close || !socket.is_unconnected(&locked) {
        return Ok(None);
    }
    // TCP can do with less memory, and with one direction only.
    let cannot = match active {
        Ok(active) if !locked.is_shut_down() => {
            if !this.begin(Phase::Connecting(active.clone()), &locked) {
                // It has become a plain one meanwhile.
                return Ok(None);
            }
            this.quiet.reset();
            active.offer_smc(&locked, &active);
            if let Some(proof) = smc_only {
                proof.set(&locked, true);
            }
            return Ok(Some(active));
        }
        Ok(_) => Reason::OptionUnsupported,
        Err(_) => Reason::NoMemory,
    };
    fallback::to_plain(this, &locked, cannot);
    Ok(None)
}

/// After a connect() that TCP has refused: the next one starts anew.
fn forget_failed(this: &Arc<Attachment>, socket: Socket<'_>, active: &Arc<Task<Active>>) {
    let _setup = this.setup.lock();
    let locked = socket.sock().lock();
    if locked.state() == TcpState::Close && socket.is_unconnected(&locked) && this.is_connecting() {
        Task::cancel(active);
        this.enter(Phase::Idle);
    }
}

/// Goes through the handshake in the caller's thread.
fn drive(active: &Arc<Task<Active>>, socket: Socket<'_>) -> Result {
    let mut left = socket.sock().sndtimeo(false);
    loop {
        let until = match Active::step(active) {
            Progress::Over => return Ok(()),
            Progress::Waits(until) => until,
        };
        let step = until.map_or(c_long::MAX, |until| clc::jiffies_until(until) as c_long);
        let wait = left.min(step);
        left = match socket.wait(Share::All, wait, || active.has_news()) {
            Waited::Done(rest) => left - (wait - rest),
            Waited::TimedOut if wait == left => return Err(NetErrno::InProgress.into()),
            Waited::TimedOut => left - wait,
            Waited::Signal(rest) => return Err(Socket::interrupted(left - (wait - rest))),
        };
    }
}

/// shutdown(2).
pub(super) fn shutdown(this: &Arc<Attachment>, socket: Socket<'_>, how: c_int) -> Result<c_int> {
    if let Some(conn) = this.smc() {
        return conn::shutdown(&conn, how);
    }
    if let Some(active) = this.active().filter(|_| is_direction(how)) {
        if active.is_connected() || active.is_astray() {
            // To the application the connection is not there yet: as in SYN_SENT.
            return disconnect(this, socket, || socket.tcp_disconnect());
        }
        if socket.sock().state() != TcpState::Close {
            return disconnect(this, socket, || end_syn(this, socket, how));
        }
    }
    // As TCP: a listener that may not receive is none.
    if this.listener().is_some() && how != uapi::SHUT_WR {
        return disconnect(this, socket, || socket.tcp_shutdown(how));
    }
    socket.tcp_shutdown(how)
}

/// Whether shutdown(2) knows that argument.
const fn is_direction(how: c_int) -> bool {
    matches!(how, uapi::SHUT_RD | uapi::SHUT_WR | uapi::SHUT_RDWR)
}

/// As shutdown(2) of TCP while it connects, which ends that.
fn end_syn(this: &Arc<Attachment>, socket: Socket<'_>, how: c_int) -> Result<c_int> {
    let done = socket.tcp_shutdown(how)?;
    if socket.sock().state() == TcpState::Close || this.is_plain() {
        return Ok(done);
    }
    // It has got connected just before, and no handshake follows.
    socket.tcp_disconnect()
}

/// Ends what the socket is about, and has TCP do the same by `tcp`.
fn disconnect(
    this: &Arc<Attachment>,
    socket: Socket<'_>,
    tcp: impl FnOnce() -> Result<c_int>,
) -> Result<c_int> {
    let _setup = this.setup.lock();
    this.end(|conn| conn::reset(&conn));
    let done = tcp();
    let locked = socket.sock().lock();
    // Only here could it have become a plain one, and not meanwhile.
    if locked.state() == TcpState::Close && !this.is_plain() {
        Listening::undo::<super::SmcSock>(&locked);
        syn::take_no_more(this, &locked, true);
        this.enter(Phase::Idle);
    }
    done
}
