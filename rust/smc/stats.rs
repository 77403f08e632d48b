// SPDX-License-Identifier: GPL-2.0

//! What is counted, in each namespace.

use super::{diag, netns::NetData};
use crate::abstractions::{
    net::sock::Sock,
    percpu::Counters,
    sync::{new_spinlock_bh, SpinLockBh},
    trace,
};
use kernel::prelude::*;
use smc_proto::wire::clc::Reason;

/// Which kind of SMC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tech {
    /// SMC-R.
    R,
    /// SMC-D.
    D,
}

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// It has called connect().
    Client,
    /// It was accepted.
    Server,
}

/// Which way data go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dir {
    /// To the peer.
    Tx,
    /// From the peer.
    Rx,
}

/// Sizes are counted in so many classes: up to 8 KiB, 16 KiB and so on, more
/// than 1 MiB.
pub(crate) const CLASSES: usize = 9;

/// The class of a size that is not zero.
fn class(len: usize) -> usize {
    let above = (len.max(1) - 1) >> 13;
    let class = (usize::BITS - above.leading_zeros()) as usize;
    class.min(CLASSES - 1)
}

/// What is counted of buffers, besides their sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Buffer {
    /// The peer's is smaller than what is sent at once.
    PeerTooSmall,
    /// Ours is. Of those that are received into: more has arrived than a call takes.
    TooSmall,
    /// The peer's was full when more was written.
    PeerFull,
    /// Ours was, and somebody waited for room. Of those that are received into: it was
    /// when somebody read.
    Full,
    /// One that was there is used.
    Reused,
    /// One was made.
    Made,
    /// A smaller one than asked for is used.
    Smaller,
}

const BUFFER_EVENTS: usize = 7;

/// What else is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Urgent data came, or were sent.
    Urgent,
    /// Data were spliced out of the socket.
    Splice,
    /// TCP_CORK was set.
    Cork,
    /// TCP_NODELAY was set.
    NoDelay,
}

const EVENTS: usize = 4;

// The counters of one kind of SMC, by their places.
const BUFFER_SIZES: usize = 0;
const PAYLOADS: usize = BUFFER_SIZES + 2 * CLASSES;
const BUFFERS: usize = PAYLOADS + 2 * CLASSES;
const SUCCESSES: usize = BUFFERS + 2 * BUFFER_EVENTS;
const OTHERS: usize = SUCCESSES + 4;
const BYTES: usize = OTHERS + EVENTS;
const CALLS: usize = BYTES + 2;
const IN_USE: usize = CALLS + 2;
const TECH: usize = IN_USE + 2;
// And of both together.
const FAILURES: usize = 2 * TECH;
const VIOLATIONS: usize = FAILURES + 2;
const ALL: usize = VIOLATIONS + 1;

/// Reasons that are told apart, on each side.
const REASONS: usize = 36;

/// Fallbacks of one reason.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReasonCount {
    /// The reason; zero: none yet.
    pub(crate) code: u32,
    /// How many; starts again at zero after the greatest number.
    pub(crate) count: u16,
}

/// Fallbacks of one side.
#[derive(Clone, Copy)]
pub(crate) struct Fallbacks {
    /// All of them.
    pub(crate) total: u64,
    reasons: [ReasonCount; REASONS],
}

impl Fallbacks {
    const NONE: Self = Self {
        total: 0,
        reasons: [ReasonCount { code: 0, count: 0 }; REASONS],
    };

    fn count(&mut self, code: u32) {
        self.total += 1;
        if let Some(reason) = self
            .reasons
            .iter_mut()
            .find(|reason| reason.code == code || reason.code == 0)
        {
            reason.code = code;
            reason.count = reason.count.wrapping_add(1);
        }
    }

    /// The `i`th reason, in the order in which they were first met.
    pub(crate) fn reason(&self, i: usize) -> Option<ReasonCount> {
        self.reasons
            .get(i)
            .copied()
            .filter(|reason| reason.code != 0)
    }
}

/// The counters of a namespace.
#[pin_data]
pub(crate) struct Stats {
    counters: Counters<ALL>,
    #[pin]
    fallbacks: SpinLockBh<[Fallbacks; 2]>,
}

fn at(tech: Tech, i: usize) -> usize {
    match tech {
        Tech::D => i,
        Tech::R => TECH + i,
    }
}

impl Stats {
    /// All are zero. Process context; may sleep.
    pub(super) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            counters: Counters::new()?,
            fallbacks <- new_spinlock_bh!([Fallbacks::NONE; 2], "Stats::fallbacks"),
        })
    }

    fn add(&self, tech: Tech, i: usize, n: u64) {
        self.counters.add(at(tech, i), n);
    }

    fn sum(&self, tech: Tech, i: usize) -> u64 {
        self.counters.sum(at(tech, i))
    }

    /// A system call has sent or received `done` bytes, of the class of `len`. Any
    /// context, as all that follow.
    pub(crate) fn payload(&self, tech: Tech, dir: Dir, len: usize, done: usize) {
        self.add(tech, CALLS + dir as usize, 1);
        if len > 0 && done > 0 {
            self.add(tech, PAYLOADS + dir as usize * CLASSES + class(len), 1);
            self.add(tech, BYTES + dir as usize, done as u64);
        }
    }

    /// A connection has got a buffer of this size.
    pub(crate) fn buffer_taken(&self, tech: Tech, dir: Dir, size: usize) {
        self.add(tech, BUFFER_SIZES + dir as usize * CLASSES + class(size), 1);
        self.add(tech, IN_USE + dir as usize, size as u64);
    }

    /// A connection has given it back.
    pub(crate) fn buffer_given(&self, tech: Tech, dir: Dir, size: usize) {
        self.add(tech, IN_USE + dir as usize, (size as u64).wrapping_neg());
    }

    /// Something has happened to a buffer.
    pub(crate) fn buffer(&self, tech: Tech, dir: Dir, what: Buffer) {
        self.add(
            tech,
            BUFFERS + dir as usize * BUFFER_EVENTS + what as usize,
            1,
        );
    }

    /// Something else has happened.
    pub(crate) fn event(&self, tech: Tech, what: Event) {
        self.add(tech, OTHERS + what as usize, 1);
    }

    /// A connection has come about, in version 1 or 2.
    pub(crate) fn success(&self, tech: Tech, side: Side, v2: bool) {
        self.add(tech, SUCCESSES + side as usize * 2 + usize::from(v2), 1);
    }

    /// A handshake has failed, and not become TCP.
    pub(crate) fn failure(&self, side: Side) {
        self.counters.add(FAILURES + side as usize, 1);
    }

    /// A peer has broken the protocol, which has cost a connection or a link group.
    pub(crate) fn violation(&self) {
        self.counters.add(VIOLATIONS, 1);
    }

    /// Payloads of this class.
    pub(crate) fn payloads(&self, tech: Tech, dir: Dir, class: usize) -> u64 {
        self.sum(tech, PAYLOADS + dir as usize * CLASSES + class)
    }

    /// Buffers of this class.
    pub(crate) fn buffer_sizes(&self, tech: Tech, dir: Dir, class: usize) -> u64 {
        self.sum(tech, BUFFER_SIZES + dir as usize * CLASSES + class)
    }

    /// How often it has happened.
    pub(crate) fn buffers(&self, tech: Tech, dir: Dir, what: Buffer) -> u64 {
        self.sum(tech, BUFFERS + dir as usize * BUFFER_EVENTS + what as usize)
    }

    /// How often it has happened.
    pub(crate) fn events(&self, tech: Tech, what: Event) -> u64 {
        self.sum(tech, OTHERS + what as usize)
    }

    /// Connections that have come about.
    pub(crate) fn successes(&self, tech: Tech, side: Side, v2: bool) -> u64 {
        self.sum(tech, SUCCESSES + side as usize * 2 + usize::from(v2))
    }

    /// Bytes of payloads.
    pub(crate) fn bytes(&self, tech: Tech, dir: Dir) -> u64 {
        self.sum(tech, BYTES + dir as usize)
    }

    /// System calls.
    pub(crate) fn calls(&self, tech: Tech, dir: Dir) -> u64 {
        self.sum(tech, CALLS + dir as usize)
    }

    /// Bytes of buffers that connections have.
    pub(crate) fn in_use(&self, tech: Tech, dir: Dir) -> u64 {
        self.sum(tech, IN_USE + dir as usize)
    }

    /// Handshakes that have failed.
    pub(crate) fn failures(&self, side: Side) -> u64 {
        self.counters.sum(FAILURES + side as usize)
    }

    /// How often peers have broken the protocol.
    pub(crate) fn violations(&self) -> u64 {
        self.counters.sum(VIOLATIONS)
    }

    /// The fallbacks of a client's and a server's side.
    pub(crate) fn fallbacks(&self) -> [Fallbacks; 2] {
        *self.fallbacks.lock()
    }
}

/// A socket that has become TCP's.
pub(crate) struct Fallen {
    /// Which end of the connection it is.
    pub(crate) side: Side,
    /// Made by `socket(AF_SMC, ...)`, it or its listener.
    pub(crate) af_smc: bool,
    /// Why.
    pub(crate) reason: Reason,
    /// What the peer has said, if it declined.
    pub(crate) peer_reason: Option<Reason>,
}

/// `sock` is TCP's from now on. Any context.
pub(crate) fn fallback(sock: &Sock, fallen: &Fallen) {
    let reason = fallen.reason.code();
    trace::switch_to_fallback(sock, reason);
    let Some(data) = NetData::of(sock.net()) else {
        return;
    };
    if let Some(fallbacks) = data.stats.fallbacks.lock().get_mut(fallen.side as usize) {
        fallbacks.count(reason);
    }
    let peer_reason = fallen.peer_reason.map_or(0, |reason| reason.code());
    diag::remember(&data, sock, fallen.af_smc, reason, peer_reason);
}

/// The handshake of `sock` has failed, and nothing came of it. Any context.
pub(crate) fn failure(sock: &Sock, side: Side) {
    if let Some(data) = NetData::of(sock.net()) {
        data.stats.failure(side);
    }
}
