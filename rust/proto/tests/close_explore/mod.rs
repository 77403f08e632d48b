// SPDX-License-Identifier: GPL-2.0

//! Every interleaving of two ends that close: our machine with itself, and with a
//! model of the C peer (net/smc/smc_close.c). No path may leave an end waiting for
//! something that nobody will do.

mod c_peer;
mod ours;
mod peer;

use c_peer::CPeer;
use ours::Ours;
use peer::*;
use smc_proto::close::*;
use std::collections::HashSet;

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
