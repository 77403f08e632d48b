// SPDX-License-Identifier: GPL-2.0

//! Whom this host knows to take Proposals in SYNs.
//!
//! A listener gets into the table when a handshake with it has worked and it has
//! said that it takes them. It stays there for an hour after the last handshake of
//! that kind. When the shortcut goes wrong it is not tried again for a while, and for
//! longer each time, whatever the listener says of itself meanwhile.

use core::net::Ipv4Addr;
use kernel::{
    prelude::*,
    rbtree::{RBTree, RBTreeNodeReservation},
};
use smc_proto::group::Millis;

/// How long a listener is known, in milliseconds.
const KNOWN_FOR: u32 = 3_600_000;
/// How long the shortcut is left alone after it went wrong for the first time, in
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
    /// The interface that the way to it begins with.
    pub(crate) ifindex: u32,
    /// Its address.
    pub(crate) addr: Ipv4Addr,
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
}

/// What is known of a listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Until when it counts.
    expires: Millis,
    /// Until when it is not to be tried.
    suspended: Millis,
    /// How often it went wrong since it last went well.
    failures: u32,
    /// A SYN was lost, and was missed at this time; none was taken since.
    lost: Option<Millis>,
    /// Its place in the order.
    turn: u64,
}

impl Peer {
    /// What it comes to at `now`.
    pub(crate) fn verdict(&self, now: Millis) -> Verdict {
        if now < self.suspended {
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
            Verdict::Suspended => self.suspended,
            _ => self.expires,
        };
        until.0.saturating_sub(now.0)
    }

    /// How often it went wrong since it last went well.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    fn suspend(&mut self, now: Millis) {
        if now < self.suspended {
            // It was under way when the first one went wrong: that says nothing new.
            return;
        }
        let time = BACK_OFF << self.failures.min(MAX_DOUBLED);
        self.failures = self.failures.saturating_add(1);
        self.suspended = now.after(time);
        self.expires = now;
        self.lost = None;
    }

    fn note(&mut self, outcome: Outcome, now: Millis) {
        match outcome {
            Outcome::Taken => {
                self.failures = 0;
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
    /// Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            peer: RBTreeNodeReservation::new(GFP_KERNEL)?,
            turn: RBTreeNodeReservation::new(GFP_KERNEL)?,
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
    pub(super) fn look(&mut self, key: &PeerKey, now: Millis) -> Verdict {
        let Some(peer) = self.peers.get_mut(key) else {
            return Verdict::Unknown;
        };
        let verdict = peer.verdict(now);
        if let Some(node) = self.order.remove_node(&peer.turn) {
            peer.turn = self.next;
            self.next += 1;
            let node = node.into_reservation().into_node(peer.turn, *key);
            self.order.insert(node);
        }
        verdict
    }

    /// A handshake has worked, and the listener takes Proposals in SYNs. At most `max`
    /// listeners are kept.
    pub(super) fn learn(&mut self, key: &PeerKey, room: Room, now: Millis, max: usize) {
        let expires = now.after(KNOWN_FOR);
        if let Some(peer) = self.peers.get_mut(key) {
            peer.expires = expires;
            return;
        }
        self.shrink(max.saturating_sub(1));
        if max == 0 {
            return;
        }
        let turn = self.next;
        self.next += 1;
        let peer = Peer {
            expires,
            suspended: Millis(0),
            failures: 0,
            lost: None,
            turn,
        };
        self.peers.insert(room.peer.into_node(*key, peer));
        self.order.insert(room.turn.into_node(turn, *key));
        self.count += 1;
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
