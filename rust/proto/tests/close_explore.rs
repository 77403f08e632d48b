// SPDX-License-Identifier: GPL-2.0

//! Every interleaving of two ends that close: our machine with itself, and with a
//! model of the C peer (net/smc/smc_close.c). No path may leave an end waiting for
//! something that nobody will do.

use smc_proto::close::{Actions, Closer, ConnFlags, ConnState, How, Linger, Release, Rings, Timer};
use std::collections::HashSet;

/// What an application can do to its socket, each at most once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Op {
    ShutdownRead,
    ShutdownWrite,
    ShutdownBoth,
    Close,
    CloseAbort,
    /// The connection is aborted from inside, as by a bad cursor.
    Abort,
    TcpReset,
}

const OPS: [Op; 7] = [
    Op::ShutdownRead,
    Op::ShutdownWrite,
    Op::ShutdownBoth,
    Op::Close,
    Op::CloseAbort,
    Op::Abort,
    Op::TcpReset,
];

/// One end, ours or the C peer's.
trait Peer: Clone + Eq + std::hash::Hash + std::fmt::Debug {
    fn new(unsent: bool, unread: bool) -> Self;
    /// Does it; `None` if this end can't. Returns whether a message is to be sent.
    fn op(&mut self, op: Op) -> Option<bool>;
    fn hear(&mut self, flags: ConnFlags) -> bool;
    /// The send ring is drained, if something was in it.
    fn drain(&mut self) -> Option<bool>;
    /// The application reads what there is.
    fn read(&mut self) -> bool;
    fn link_down(&mut self);
    fn flags(&self) -> ConnFlags;
    /// Data from the other end goes somewhere: to the application, or away.
    fn takes_data(&self) -> bool;
    /// Data of the other end has arrived.
    fn arrive(&mut self);
    /// The connection was freed.
    fn freed(&self) -> bool;
    /// Freed, and the element may be given to somebody else.
    fn reusable(&self) -> bool;
}

/// Our end: the machine, and what its owner keeps.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Ours {
    closer: Closer,
    rings: Rings,
    gone: bool,
    discards: bool,
    timer: Option<Timer>,
    freed: Option<Release>,
}

impl Ours {
    fn apply(&mut self, actions: Actions) -> bool {
        if let Some(timer) = actions.timer {
            self.timer = timer;
        }
        self.discards |= actions.discard;
        if let Some(release) = actions.free {
            assert_eq!(self.freed, None, "freed twice");
            assert!(self.gone, "freed under the application");
            self.freed = Some(release);
        }
        if self.freed.is_some() {
            assert_eq!(self.closer.state(), ConnState::Closed);
            assert_eq!(self.timer, None, "a timer outlives the connection");
        }
        if self.closer.draining() {
            assert!(self.rings.unsent, "waits for what is not there");
        }
        let alone = self.gone || self.closer.state() == ConnState::PeerAbortWait;
        if alone && self.closer.state() != ConnState::Closed {
            assert!(self.timer.is_some(), "nobody waits and no timer runs");
        }
        if self.gone {
            assert_eq!(
                self.freed.is_some(),
                self.closer.state() == ConnState::Closed,
                "over and not freed, or the reverse"
            );
        }
        actions.send
    }
}

impl Peer for Ours {
    fn new(unsent: bool, unread: bool) -> Self {
        let mut closer = Closer::new();
        closer.established();
        Self {
            closer,
            rings: Rings {
                unsent,
                unread,
                peer_blocked: false,
            },
            gone: false,
            discards: false,
            timer: None,
            freed: None,
        }
    }

    fn op(&mut self, op: Op) -> Option<bool> {
        if self.gone && op != Op::Abort && op != Op::TcpReset {
            return None;
        }
        let rings = self.rings;
        let actions = match op {
            Op::ShutdownRead => self.closer.shutdown(How::Read, rings).ok()?,
            Op::ShutdownWrite => self.closer.shutdown(How::Write, rings).ok()?,
            Op::ShutdownBoth => self.closer.shutdown(How::Both, rings).ok()?,
            Op::Close | Op::CloseAbort => {
                self.gone = true;
                let linger = if op == Op::Close {
                    Linger::Drain
                } else {
                    Linger::Abort
                };
                self.closer.close(linger, rings)
            }
            Op::Abort => self.closer.abort(),
            Op::TcpReset => self.closer.tcp_reset(),
        };
        Some(self.apply(actions))
    }

    fn hear(&mut self, flags: ConnFlags) -> bool {
        let actions = self.closer.peer_said(flags, self.rings);
        self.apply(actions)
    }

    fn drain(&mut self) -> Option<bool> {
        if !self.rings.unsent {
            return None;
        }
        self.rings.unsent = false;
        let actions = self.closer.drained(self.rings);
        Some(self.apply(actions))
    }

    fn read(&mut self) -> bool {
        !self.gone && std::mem::replace(&mut self.rings.unread, false)
    }

    fn link_down(&mut self) {
        let actions = self.closer.link_group_down();
        self.apply(actions);
    }

    fn flags(&self) -> ConnFlags {
        self.closer.flags()
    }

    fn takes_data(&self) -> bool {
        !self.gone || self.discards
    }

    fn arrive(&mut self) {
        self.rings.unread = true;
    }

    fn freed(&self) -> bool {
        self.freed.is_some()
    }

    fn reusable(&self) -> bool {
        self.freed == Some(Release::Reusable)
    }
}

/// What a thread of the C peer is blocked in, until its data is sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Blocked {
    Close,
    ShutdownBoth,
    ShutdownWrite,
}

/// The C peer, from what its functions do in each state: `smc_close_active`,
/// `smc_close_shutdown_write`, `smc_close_passive_work`,
/// `smc_close_passive_abort_received` and `smc_close_active_abort`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct CPeer {
    state: ConnState,
    tx: ConnFlags,
    rx: ConnFlags,
    /// `SOCK_DEAD`
    dead: bool,
    unsent: bool,
    unread: bool,
    blocked: Option<Blocked>,
    killed: bool,
}

impl CPeer {
    fn heard_close(&self) -> bool {
        self.rx.closed || self.rx.abort
    }

    fn said_close(&self) -> bool {
        self.tx.closed || self.tx.abort
    }

    /// `smc_close_final`
    fn close_final(&mut self) -> bool {
        if self.unread {
            self.tx.abort = true;
        } else {
            self.tx.closed = true;
        }
        !self.killed
    }

    /// `smc_close_active`; `None` if it blocks.
    fn close_active(&mut self, wait: bool) -> Option<bool> {
        use ConnState::*;
        let mut send = false;
        match self.state {
            Active => {
                if wait && self.unsent {
                    return None;
                }
                send = self.close_final();
                self.state = PeerCloseWait1;
            }
            AppFinCloseWait => {
                if self.tx.done_writing && !self.said_close() {
                    send = self.close_final();
                }
                self.state = Closed;
            }
            AppCloseWait1 | AppCloseWait2 => {
                if wait && self.unsent && !self.heard_close() {
                    return None;
                }
                send = self.close_final();
                self.state = if self.heard_close() {
                    Closed
                } else {
                    PeerFinCloseWait
                };
            }
            PeerCloseWait1 | PeerCloseWait2 => {
                if self.tx.done_writing && !self.said_close() {
                    send = self.close_final();
                }
            }
            ProcessAbort => {
                self.tx.abort = true;
                send = !self.killed;
                self.state = Closed;
            }
            PeerAbortWait | Init | Listen => self.state = Closed,
            PeerFinCloseWait | Closed => {}
        }
        Some(send)
    }

    /// `smc_close_shutdown_write`; `None` if it blocks.
    fn shutdown_write(&mut self, wait: bool) -> Option<bool> {
        use ConnState::*;
        let next = match self.state {
            Active => PeerCloseWait1,
            AppCloseWait1 => AppCloseWait2,
            _ => return Some(false),
        };
        if wait && self.unsent && !self.heard_close() {
            return None;
        }
        self.tx.done_writing = true;
        self.state = next;
        Some(true)
    }

    fn run(&mut self, what: Blocked, wait: bool) -> bool {
        let sent = match what {
            Blocked::ShutdownWrite => self.shutdown_write(wait),
            Blocked::Close | Blocked::ShutdownBoth => self.close_active(wait),
        };
        match sent {
            Some(send) => {
                self.blocked = None;
                self.dead |= what == Blocked::Close;
                send
            }
            None => {
                self.blocked = Some(what);
                false
            }
        }
    }

    /// `smc_close_passive_work`
    fn passive(&mut self) {
        use ConnState::*;
        if self.rx.abort {
            self.state = match self.state {
                Init | Active | AppCloseWait1 | AppFinCloseWait => ProcessAbort,
                PeerCloseWait1 | PeerCloseWait2
                    if self.tx.done_writing && !self.said_close_before_abort() =>
                {
                    ProcessAbort
                }
                PeerCloseWait1 | PeerCloseWait2 | AppCloseWait2 | PeerFinCloseWait
                | PeerAbortWait => Closed,
                other => other,
            };
            return;
        }
        match self.state {
            Init | Active => self.state = AppCloseWait1,
            PeerCloseWait1 | PeerCloseWait2 => {
                if self.rx.done_writing {
                    self.state = PeerCloseWait2;
                }
                if self.heard_close() {
                    self.state = if self.dead && self.said_close() {
                        Closed
                    } else {
                        AppFinCloseWait
                    };
                }
            }
            PeerFinCloseWait if self.heard_close() => self.state = Closed,
            _ => {}
        }
    }

    /// By the time the work runs, the receive path has set the abort flag of the
    /// messages to come (`smc_cdc_msg_recv_action`), so that an end which had only
    /// shut down writing counts as closed.
    fn said_close_before_abort(&self) -> bool {
        self.said_close()
    }
}

impl Peer for CPeer {
    fn new(unsent: bool, unread: bool) -> Self {
        Self {
            state: ConnState::Active,
            tx: ConnFlags::default(),
            rx: ConnFlags::default(),
            dead: false,
            unsent,
            unread,
            blocked: None,
            killed: false,
        }
    }

    fn op(&mut self, op: Op) -> Option<bool> {
        use ConnState::*;
        if self.blocked.is_some() || self.dead {
            return None;
        }
        let shuttable = matches!(
            self.state,
            Active
                | PeerCloseWait1
                | PeerCloseWait2
                | AppCloseWait1
                | AppCloseWait2
                | AppFinCloseWait
        );
        match op {
            Op::ShutdownRead => None,
            Op::ShutdownWrite if shuttable => Some(self.run(Blocked::ShutdownWrite, true)),
            Op::ShutdownBoth if shuttable => Some(self.run(Blocked::ShutdownBoth, true)),
            Op::ShutdownWrite | Op::ShutdownBoth => None,
            Op::Close => Some(self.run(Blocked::Close, true)),
            // A linger time of 0 is one that is over at once.
            Op::CloseAbort => Some(self.run(Blocked::Close, false)),
            // `smc_conn_kill`
            Op::Abort => {
                if self.killed {
                    return None;
                }
                self.tx.abort = true;
                self.killed = true;
                self.state = Closed;
                Some(true)
            }
            // A reset of the TCP connection goes unnoticed.
            Op::TcpReset => None,
        }
    }

    fn hear(&mut self, flags: ConnFlags) -> bool {
        if self.killed || self.freed() {
            return false;
        }
        self.rx = flags;
        if flags.abort {
            self.tx.abort = true;
        }
        if flags.abort || flags.closed || flags.done_writing {
            self.passive();
        }
        // A close that waits for data to be sent looks at the new state; an abort
        // ends its wait (sk_err).
        match self.blocked {
            Some(what) if flags.abort || flags.closed => self.run(what, false),
            _ => false,
        }
    }

    fn drain(&mut self) -> Option<bool> {
        if !self.unsent || self.killed {
            return None;
        }
        self.unsent = false;
        Some(match self.blocked {
            Some(what) => self.run(what, true),
            None => false,
        })
    }

    fn read(&mut self) -> bool {
        !self.dead && self.blocked.is_none() && std::mem::replace(&mut self.unread, false)
    }

    fn link_down(&mut self) {
        if !self.freed() {
            self.killed = true;
            self.state = ConnState::Closed;
            if let Some(what) = self.blocked {
                self.run(what, false);
            }
        }
    }

    fn flags(&self) -> ConnFlags {
        self.tx
    }

    fn takes_data(&self) -> bool {
        !self.dead && !matches!(self.blocked, Some(Blocked::Close))
    }

    fn arrive(&mut self) {
        self.unread = true;
    }

    fn freed(&self) -> bool {
        self.dead && self.state == ConnState::Closed
    }

    fn reusable(&self) -> bool {
        false
    }
}

/// Messages under way in one direction: three bits each, the oldest lowest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Wire {
    bits: u32,
    len: u8,
}

impl Wire {
    fn push(&mut self, flags: ConnFlags) {
        assert!(self.len < 10, "so many messages are not needed to close");
        let bits = u32::from(flags.done_writing)
            | u32::from(flags.closed) << 1
            | u32::from(flags.abort) << 2;
        self.bits |= bits << (3 * self.len);
        self.len += 1;
    }

    fn pop(&mut self) -> Option<ConnFlags> {
        if self.len == 0 {
            return None;
        }
        let flags = ConnFlags {
            done_writing: self.bits & 1 != 0,
            closed: self.bits & 2 != 0,
            abort: self.bits & 4 != 0,
        };
        self.bits >>= 3;
        self.len -= 1;
        Some(flags)
    }
}

/// What an application has done, as a set: the order does not matter for what
/// comes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Done(u8);

impl Done {
    fn has(self, op: Op) -> bool {
        self.0 & 1 << op as u8 != 0
    }

    fn with(self, op: Op) -> Self {
        Self(self.0 | 1 << op as u8)
    }

    fn len(self) -> u32 {
        self.0.count_ones()
    }
}

/// Two ends, the messages under way, and what was done so far.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct World<A, B> {
    a: A,
    b: B,
    to_a: Wire,
    to_b: Wire,
    done_a: Done,
    done_b: Done,
    down_a: bool,
    down_b: bool,
}

/// How the exploration went.
struct Explored<A, B> {
    states: usize,
    stuck: Vec<World<A, B>>,
}

impl<A: Peer, B: Peer> World<A, B> {
    /// All worlds one event of end `a` later.
    fn next(&self, max_ops: u32, with_link_down: bool) -> Vec<Self> {
        let mut all = Vec::with_capacity(8);
        for op in OPS {
            let closes = matches!(op, Op::Close | Op::CloseAbort);
            // An application always closes in the end.
            if self.done_a.has(op) || (self.done_a.len() >= max_ops && !closes) {
                continue;
            }
            let mut next = self.clone();
            if let Some(send) = next.a.op(op) {
                next.done_a = next.done_a.with(op);
                if send {
                    next.send_from_a();
                }
                all.push(next);
            }
        }
        let mut next = self.clone();
        if let Some(flags) = next.to_a.pop() {
            if !next.a.freed() && next.a.hear(flags) {
                next.send_from_a();
            }
            all.push(next);
        }
        if self.b.takes_data() && !self.down_a && !self.down_b {
            let mut next = self.clone();
            if let Some(send) = next.a.drain() {
                next.b.arrive();
                if send {
                    next.send_from_a();
                }
                all.push(next);
            }
        }
        let mut next = self.clone();
        if next.a.read() {
            all.push(next);
        }
        if !self.down_a && (with_link_down || self.down_b) {
            let mut next = self.clone();
            next.down_a = true;
            next.to_a = Wire::default();
            next.a.link_down();
            all.push(next);
        }
        all
    }

    fn send_from_a(&mut self) {
        if !self.down_a && !self.down_b {
            self.to_b.push(self.a.flags());
        }
    }

    fn mirror(self) -> World<B, A> {
        World {
            a: self.b,
            b: self.a,
            to_a: self.to_b,
            to_b: self.to_a,
            done_a: self.done_b,
            done_b: self.done_a,
            down_a: self.down_b,
            down_b: self.down_a,
        }
    }

    /// No element is given away while the other end may still write to it.
    fn check(&self) {
        let final_word = |flags: ConnFlags| flags.closed || flags.abort;
        if self.a.reusable() {
            assert!(final_word(self.b.flags()), "{self:?}");
        }
        if self.b.reusable() {
            assert!(final_word(self.a.flags()), "{self:?}");
        }
    }
}

/// Runs through everything that can happen, from every filling of the rings.
fn explore<A: Peer, B: Peer>(max_ops: u32, with_link_down: bool) -> Explored<A, B> {
    let mut seen = HashSet::new();
    let mut todo = Vec::new();
    for bits in 0..16u8 {
        todo.push(World {
            a: A::new(bits & 1 != 0, bits & 2 != 0),
            b: B::new(bits & 4 != 0, bits & 8 != 0),
            to_a: Wire::default(),
            to_b: Wire::default(),
            done_a: Done::default(),
            done_b: Done::default(),
            down_a: false,
            down_b: false,
        });
    }
    let mut stuck = Vec::new();
    while let Some(world) = todo.pop() {
        if !seen.insert(world.clone()) {
            continue;
        }
        world.check();
        let mut next = world.next(max_ops, with_link_down);
        next.extend(
            world
                .clone()
                .mirror()
                .next(max_ops, with_link_down)
                .into_iter()
                .map(World::mirror),
        );
        if next.is_empty() && !(world.a.freed() && world.b.freed()) {
            stuck.push(world);
        } else {
            todo.extend(next);
        }
    }
    Explored {
        states: seen.len(),
        stuck,
    }
}

#[test]
fn two_of_ours_always_end() {
    for (ops, with_link_down) in [(2, false), (1, true)] {
        let explored = explore::<Ours, Ours>(ops, with_link_down);
        println!("link down {with_link_down}: {} states", explored.states);
        assert!(explored.states > 10_000);
        assert!(explored.stuck.is_empty(), "{:#?}", explored.stuck.first());
    }
}

#[test]
fn ours_and_the_c_peer_always_end() {
    for (ops, with_link_down) in [(2, false), (1, true)] {
        let explored = explore::<Ours, CPeer>(ops, with_link_down);
        println!("link down {with_link_down}: {} states", explored.states);
        assert!(explored.states > 10_000);
        assert!(explored.stuck.is_empty(), "{:#?}", explored.stuck.first());
    }
}

/// The exploration does find ends that wait for ever: two C peers, both done
/// writing, of which one closes with unread data. The other one, in
/// SMC_APPCLOSEWAIT2, takes the abort as the end and never answers it.
#[test]
fn two_c_peers_can_wait_for_ever() {
    let explored = explore::<CPeer, CPeer>(2, false);
    println!("{} states, {} stuck", explored.states, explored.stuck.len());
    assert!(explored.stuck.iter().any(|world| {
        world.a.state == ConnState::PeerCloseWait2 && world.b.state == ConnState::Closed
    }));
}

/// A peer that says nothing at all can't hold an end for ever either: from every
/// reachable state, the timers that run bring it to its end.
#[test]
fn timers_end_what_a_silent_peer_leaves() {
    let said = [
        ConnFlags::default(),
        ConnFlags {
            done_writing: true,
            ..ConnFlags::default()
        },
        ConnFlags {
            closed: true,
            ..ConnFlags::default()
        },
    ];
    let mut checked = 0;
    let mut todo: Vec<(Ours, Vec<Op>)> = (0..4u8)
        .map(|bits| (Ours::new(bits & 1 != 0, bits & 2 != 0), vec![]))
        .collect();
    let mut seen = HashSet::new();
    while let Some((ours, ops)) = todo.pop() {
        if !seen.insert(ours.clone()) {
            continue;
        }
        for op in OPS {
            let mut next = ours.clone();
            if ops.len() < 4 && next.op(op).is_some() {
                let mut ops = ops.clone();
                ops.push(op);
                todo.push((next, ops));
            }
        }
        for flags in said {
            let mut next = ours.clone();
            next.hear(flags);
            todo.push((next, ops.clone()));
        }
        // From here on the peer is silent.
        let mut left = ours;
        if !left.gone {
            left.op(Op::Close);
        }
        for _ in 0..3 {
            if let Some(timer) = left.timer.take() {
                let actions = left.closer.timer(timer);
                left.apply(actions);
            }
        }
        assert!(left.freed(), "{left:?}");
        checked += 1;
    }
    println!("{checked} states");
    assert!(checked > 50);
}
