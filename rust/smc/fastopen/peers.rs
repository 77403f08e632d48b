// SPDX-License-Identifier: GPL-2.0

//! Whom this host knows to take Proposals in SYNs.
//!
//! A listener gets into the table when a handshake with it has worked and it has
//! said that it takes them. It stays there for an hour after the last handshake of
//! that kind. When the shortcut goes wrong it is not tried again for a while, and for
//! longer each time, whatever the listener says of itself meanwhile.
//!
//! So it is with the SMC option itself: a listener, of whatever kind, that was heard of
//! only without it gets none for a while.

use core::net::IpAddr;
use kernel::{
    alloc::Flags,
    prelude::*,
    rbtree::{RBTree, RBTreeNodeReservation},
};
use smc_proto::group::Millis;

/// How long a listener is known, in milliseconds.
const KNOWN_FOR: u32 = 3_600_000;
/// How long the shortcut, or the option, is left alone after it went wrong for the first time, in
/// milliseconds; twice as long the next time, and so on.
const BACK_OFF: u32 = 60_000;
/// Doubled at most so many times: 17 hours.
const MAX_DOUBLED: u32 = 10;
/// How long TCP waits for the answer to a SYN at first, in milliseconds
/// (TCP_TIMEOUT_INIT): one that is missed was sent at least so long ago.
const SYN_TIMEOUT: u32 = 1_000;

/// A listener, as seen from a namespace: the same address behind another interface
/// may be another host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PeerKey {
    /// The interface that the way to it begins with; 0 where RDMA is out of question, unless
    /// the address is one of a link's.
    pub(crate) ifindex: u32,
    /// Its address.
    pub(crate) addr: IpAddr,
    /// Its port.
    pub(crate) port: u16,
}

/// What came of a Proposal in a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The peer has taken it.
    Taken,
    /// The peer has SMC and has not taken it; it got it once more, without any loss
    /// of time.
    NotTaken,
    /// The SYN was lost: by chance, or since something does not like its payload.
    Lost,
    /// There is no SMC at the other end.
    NotSmc,
    /// The connection failed before it was known whether there is.
    Failed,
    /// The peer has taken it and then not kept to the protocol, or said nothing.
    Broken,
}

/// What the table says of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing, or nothing that counts any more.
    Unknown,
    /// It went wrong, and is not to be tried for a while.
    Suspended,
    /// It takes Proposals in SYNs.
    Known,
    /// SYNs with the SMC option get lost, and are not to be sent for a while.
    Deaf,
}

/// What is known of a listener that is about to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) verdict: Verdict,
    /// The SMC option was lost on the way to it, and has not got there since.
    pub(crate) doubtful: bool,
}

impl Standing {
    /// Of one that the table does not have.
    pub(crate) const UNKNOWN: Self = Self {
        verdict: Verdict::Unknown,
        doubtful: false,
    };
}

/// Something that is not tried for a while after it went wrong.
#[derive(Clone, Copy, Debug)]
struct BackOff {
    until: Millis,
    /// How often it went wrong since it last went well.
    failures: u32,
}

impl BackOff {
    const NONE: Self = Self {
        until: Millis(0),
        failures: 0,
    };

    fn is_on(&self, now: Millis) -> bool {
        now < self.until
    }

    /// It went wrong; whether that is new: what was under way when it did so before says
    /// nothing.
    fn begin(&mut self, now: Millis) -> bool {
        if self.is_on(now) {
            return false;
        }
        let time = BACK_OFF << self.failures.min(MAX_DOUBLED);
        self.failures = self.failures.saturating_add(1);
        self.until = now.after(time);
        true
    }
}

/// What is known of a listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Until when it counts.
    expires: Millis,
    /// The Proposal in the SYN.
    shortcut: BackOff,
    /// The SMC option of the SYN.
    option: BackOff,
    /// A SYN was lost, and was missed at this time; none was taken since.
    lost: Option<Millis>,
    /// Its place in the order.
    turn: u64,
}

impl Peer {
    /// What it comes to at `now`.
    pub(crate) fn verdict(&self, now: Millis) -> Verdict {
        if self.option.is_on(now) {
            Verdict::Deaf
        } else if self.shortcut.is_on(now) {
            Verdict::Suspended
        } else if now < self.expires {
            Verdict::Known
        } else {
            Verdict::Unknown
        }
    }

    /// Milliseconds until that changes by itself.
    pub(crate) fn left(&self, now: Millis) -> u64 {
        let until = match self.verdict(now) {
            Verdict::Deaf => self.option.until,
            Verdict::Suspended => self.shortcut.until,
            Verdict::Known | Verdict::Unknown => self.expires,
        };
        until.0.saturating_sub(now.0)
    }

    /// How often the shortcut went wrong since it last went well.
    pub(crate) fn failures(&self) -> u32 {
        self.shortcut.failures
    }

    /// How often the SMC option was lost since it last got there.
    pub(crate) fn options_lost(&self) -> u32 {
        self.option.failures
    }

    fn suspend(&mut self, now: Millis) {
        if self.shortcut.begin(now) {
            self.expires = now;
            self.lost = None;
        }
    }

    fn note(&mut self, outcome: Outcome, now: Millis) {
        match outcome {
            Outcome::Taken => {
                self.shortcut.failures = 0;
                self.lost = None;
            }
            Outcome::NotTaken => self.lost = None,
            Outcome::Lost => match self.lost {
                None => self.lost = Some(now),
                // Of several that were under way when the first one was missed each may
                // have been lost by chance, and all of them to the same one.
                Some(first) if now < first.after(SYN_TIMEOUT) => {}
                Some(_) => self.suspend(now),
            },
            Outcome::NotSmc | Outcome::Broken => self.suspend(now),
            // Another service may be there next time.
            Outcome::Failed => self.expires = now,
        }
    }
}

/// Memory for a listener, which is got without locks.
pub(super) struct Room {
    peer: RBTreeNodeReservation<PeerKey, Peer>,
    turn: RBTreeNodeReservation<u64, PeerKey>,
}

impl Room {
    /// The context that `flags` are for.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new(flags: Flags) -> Result<Self> {
        Ok(Self {
            peer: RBTreeNodeReservation::new(flags)?,
            turn: RBTreeNodeReservation::new(flags)?,
        })
    }
}

/// The listeners that a namespace knows.
pub(super) struct Peers {
    peers: RBTree<PeerKey, Peer>,
    /// Them in the order of their last use.
    order: RBTree<u64, PeerKey>,
    count: usize,
    next: u64,
}

impl Peers {
    pub(super) fn new() -> Self {
        Self {
            peers: RBTree::new(),
            order: RBTree::new(),
            count: 0,
            next: 0,
        }
    }

    /// What is known of a listener, which is about to be used.
    pub(super) fn look(&mut self, key: &PeerKey, now: Millis) -> Standing {
        let Some(peer) = self.peers.get_mut(key) else {
            return Standing::UNKNOWN;
        };
        let standing = Standing {
            verdict: peer.verdict(now),
            doubtful: peer.option.failures > 0,
        };
        if let Some(node) = self.order.remove_node(&peer.turn) {
            peer.turn = self.next;
            self.next += 1;
            let node = node.into_reservation().into_node(peer.turn, *key);
            self.order.insert(node);
        }
        standing
    }

    /// What is known of a listener, nothing at first. At most `max` listeners are kept.
    fn entry(&mut self, key: &PeerKey, room: Room, now: Millis, max: usize) -> Option<&mut Peer> {
        if self.peers.get(key).is_none() {
            self.shrink(max.saturating_sub(1));
            if max == 0 {
                return None;
            }
            let turn = self.next;
            self.next += 1;
            let peer = Peer {
                expires: now,
                shortcut: BackOff::NONE,
                option: BackOff::NONE,
                lost: None,
                turn,
            };
            self.peers.insert(room.peer.into_node(*key, peer));
            self.order.insert(room.turn.into_node(turn, *key));
            self.count += 1;
        }
        self.peers.get_mut(key)
    }

    /// A handshake has worked, and the listener takes Proposals in SYNs.
    pub(super) fn learn(&mut self, key: &PeerKey, room: Room, now: Millis, max: usize) {
        if let Some(peer) = self.entry(key, room, now, max) {
            peer.expires = now.after(KNOWN_FOR);
        }
    }

    /// A connection is there, from the SYN that did not have the SMC option.
    pub(super) fn option_lost(&mut self, key: &PeerKey, room: Room, now: Millis, max: usize) {
        if let Some(peer) = self.entry(key, room, now, max) {
            peer.option.begin(now);
        }
    }

    /// The listener has got the SMC option.
    pub(super) fn option_heard(&mut self, key: &PeerKey) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.option.failures = 0;
        }
    }

    /// A handshake has worked, and the listener does not take Proposals in SYNs.
    pub(super) fn unlearn(&mut self, key: &PeerKey, now: Millis) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.expires = now;
        }
    }

    /// What came of it.
    pub(super) fn note(&mut self, key: &PeerKey, outcome: Outcome, now: Millis) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.note(outcome, now);
        }
    }

    /// Forgets those whose last use is longest ago until there are `max`.
    pub(super) fn shrink(&mut self, max: usize) {
        while self.count > max {
            let Some(first) = self.order.cursor_front() else {
                return;
            };
            let (_, key) = first.remove_current().1.to_key_value();
            self.peers.remove(&key);
            self.count -= 1;
        }
    }

    /// The first `N` listeners behind `after`, in the order of their keys.
    pub(super) fn page<const N: usize>(
        &mut self,
        after: Option<PeerKey>,
    ) -> [Option<(PeerKey, Peer)>; N] {
        let mut page = [None; N];
        let mut slots = page.iter_mut();
        let mut cursor = match &after {
            Some(key) => self.peers.cursor_lower_bound(key),
            None => self.peers.cursor_front(),
        };
        while let Some(at) = cursor {
            let (key, peer) = at.current();
            if Some(*key) != after {
                match slots.next() {
                    Some(slot) => *slot = Some((*key, *peer)),
                    None => break,
                }
            }
            cursor = at.move_next();
        }
        page
    }
}
