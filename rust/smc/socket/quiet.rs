// SPDX-License-Identifier: GPL-2.0

//! A client's connection that is TCP's, and whose application has not said anything yet.
//!
//! Most clients speak first, as soon as they are connected. What they say can be the ACK
//! of the SYN-ACK as well, and have the Decline with it if there is one: a frame less for
//! both ends, and what it takes to send and to receive that. TCP does so where a thread
//! waits in sendmsg() for the connection; here it is seen what the application does next,
//! as the socket's operations are ours until then. It is a plain socket after that:
//!
//! - it sends something: TCP adds the rest;
//! - it does something else, as waiting for the server to speak: the ACK, or the Decline,
//!   is sent first;
//! - it asks whether it may send, and may: it is about to;
//! - nothing: TCP's own timers send it, after a tick of the clock or two.
//!
//! The last needs somebody to set the timers. So it is for who waits in connect(), or has
//! asked when it may send and is going to be told: both come by here (for who asks and then
//! does not wait it takes 200 ms). It is not for who is told of changes only (`EPOLLET`),
//! as that would not be seen to wait for the server. Nor within a host, where it may be the
//! same thread that waits at the other end.

use super::Attachment;
use crate::abstractions::net::{
    attach::EventSock,
    ready::First,
    sock::TcpState,
    socket::{OptName, Poll, Socket},
    uapi::{self, SOL_TCP},
};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU8, Ordering};
use kernel::sync::Arc;

/// So often it may ask whether it may send, and not do it: one that has waited for the
/// connection, and changes what it waits for, asks a few times.
const PATIENCE: u8 = 8;

/// Whether the connection is such a one.
pub(super) struct Quiet {
    /// How often it may ask still; 0: it is none.
    patience: AtomicU8,
    /// So many bytes of ours, which were not sent yet, the stream begins with.
    held: AtomicU32,
    /// Somebody has asked when the application may send.
    watched: AtomicBool,
}

impl Quiet {
    /// None yet.
    pub(super) const fn new() -> Self {
        Self {
            patience: AtomicU8::new(0),
            held: AtomicU32::new(0),
            watched: AtomicBool::new(false),
        }
    }

    /// A connection is about to be made.
    pub(super) fn reset(&self) {
        self.watched.store(false, Ordering::Relaxed);
    }

    /// poll(2) asks while the connection is being made.
    pub(super) fn watch(&self, poll: &Poll<'_>) {
        if asks(poll) {
            self.watched.store(true, Ordering::Relaxed);
        }
    }

    /// It is one from here on, and so many bytes of ours are held. The sock is locked.
    pub(super) fn begin(&self, held: u32) {
        self.held.store(held, Ordering::Relaxed);
        self.patience.store(PATIENCE, Ordering::Release);
    }

    fn is_on(&self) -> bool {
        self.patience.load(Ordering::Acquire) != 0
    }

    /// The application may send, and has asked for that: how often it might before this
    /// time, if it may again.
    fn asked(&self) -> Option<u8> {
        self.patience
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| {
                n.checked_sub(1).filter(|n| *n > 0)
            })
            .ok()
    }
}

/// Whether it is asked when the application may send, and again when it waits for
/// something else.
fn asks(poll: &Poll<'_>) -> bool {
    poll.events() & (uapi::EPOLLOUT | uapi::EPOLLET) == uapi::EPOLLOUT
}

/// Whether what the stream begins with, and the ACK of the SYN-ACK, may wait for what the
/// application says first, on a connection of `this` that TCP has just made, for which a
/// thread waits in connect() if `threaded`. Contexts as in `Events::state_change`.
pub(super) fn first_bytes(this: &Attachment, sock: &EventSock<'_>, threaded: bool) -> First {
    // The application may have said already that it will not send, or not for a while.
    // Where both ends have connected to each other there is no ACK that could wait.
    let waits = (threaded || this.quiet.watched.load(Ordering::Relaxed))
        && sock.state() == TcpState::Established
        && !sock.is_local()
        && !sock.is_shut_down()
        && !sock.is_corked()
        && !sock.syns_crossed();
    if waits {
        First::Held(0)
    } else {
        First::AtOnce
    }
}

/// The application knows that it is connected, and may be busy with something else.
/// Process context, no locks held.
pub(super) fn hurry(this: &Attachment, socket: Socket<'_>) {
    if this.quiet.is_on() {
        let locked = socket.sock().lock();
        // It may have said something meanwhile.
        if this.quiet.is_on() {
            locked.hurry();
        }
    }
}

/// Ends it, if it is such a connection: the socket is a plain one when this returns, and
/// the next operation TCP's. Unless that is about to send (`says`), what was not sent is
/// sent. Whether it was one. Process context, no locks held.
pub(super) fn end(this: &Arc<Attachment>, socket: Socket<'_>, says: bool) -> bool {
    if !this.quiet.is_on() {
        return false;
    }
    let sock = socket.sock();
    let locked = sock.lock();
    this.quiet.patience.store(0, Ordering::Release);
    Socket::become_plain(this, &locked);
    if !says {
        locked.push_first(this.quiet.held.load(Ordering::Relaxed));
    }
    true
}

/// poll(2) of a connection that is TCP's.
pub(super) fn poll(this: &Arc<Attachment>, socket: Socket<'_>, poll: &Poll<'_>) -> u32 {
    let mask = poll.tcp(socket);
    if !this.quiet.is_on() {
        return mask;
    }
    let patience = (asks(poll) && mask & uapi::EPOLLOUT != 0).then(|| this.quiet.asked());
    match patience.flatten() {
        // The first time.
        Some(PATIENCE) => hurry(this, socket),
        Some(_) => {}
        None => {
            end(this, socket, false);
        }
    }
    mask
}

/// Whether setting this option says nothing of what the application will do.
pub(super) fn is_indifferent(opt: OptName) -> bool {
    opt.level == SOL_TCP
        && matches!(
            opt.name,
            uapi::TCP_NODELAY
                | uapi::TCP_KEEPIDLE
                | uapi::TCP_KEEPINTVL
                | uapi::TCP_KEEPCNT
                | uapi::TCP_USER_TIMEOUT
        )
}
