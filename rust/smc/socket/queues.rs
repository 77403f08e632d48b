// SPDX-License-Identifier: GPL-2.0

//! The connections of a listener: those that are ready, and those in a handshake.

use super::{passive::Passive, Attachment, Phase, SmcSock};
use crate::{
    abstractions::{
        net::{sock::Child, socket::NewSocket},
        work::Task,
    },
    smc::conn::{self, Conn},
};
use core::sync::atomic::{AtomicU32, Ordering};
use kernel::{
    prelude::*,
    rbtree::{RBTree, RBTreeNodeReservation},
    sync::Arc,
};

pub(super) struct Queues {
    pub(super) open: bool,
    pub(super) next: u64,
    /// Ready ones, then those in a handshake, each in the order they came in.
    pub(super) entries: RBTree<u64, Entry>,
}

pub(super) enum Entry {
    Ready(Accepted),
    Handshake(Arc<Task<Passive>>),
}

/// A connection that accept() may have.
pub(super) struct Accepted {
    pub(super) child: Child,
    /// It has RDMA.
    pub(super) conn: Option<Arc<Task<Conn>>>,
}

impl Accepted {
    pub(super) fn plain(child: Child) -> Self {
        Self { child, conn: None }
    }

    /// Gives it to the socket that accept() has made for the listener `of`.
    /// Process context.
    pub(super) fn put_into(mut self, new: NewSocket<'_>, of: &Attachment) -> Result {
        match self.conn.take() {
            None => {
                new.take_plain(self.child);
                Ok(())
            }
            Some(conn) => match new.take_ours(self.child, |family| SmcSock::accepted(of, family)) {
                Ok(socket) => {
                    socket.enter(Phase::Smc(conn));
                    Ok(())
                }
                Err(e) => {
                    conn::reset(&conn);
                    Err(e)
                }
            },
        }
    }
}

/// Key of the first handshake; keys of ready ones are below.
pub(super) const HANDSHAKES_FROM: u64 = 1 << 63;

/// How many connections of a kind are in TCP's queue, or on their way to it.
/// Some of them get lost on that way: the answer may be yes though there is none.
#[derive(Default)]
pub(super) struct Tally {
    made: AtomicU32,
    taken: AtomicU32,
}

impl Tally {
    pub(super) fn add(&self) {
        self.made.fetch_add(1, Ordering::Release);
    }

    pub(super) fn take(&self) {
        self.taken.fetch_add(1, Ordering::Release);
    }

    pub(super) fn any(&self) -> bool {
        self.made.load(Ordering::Acquire) != self.taken.load(Ordering::Acquire)
    }
}

impl Queues {
    /// Adds a connection behind the others of its kind.
    pub(super) fn insert(&mut self, node: RBTreeNodeReservation<u64, Entry>, entry: Entry) -> u64 {
        let mut key = self.next;
        if let Entry::Handshake(_) = entry {
            key |= HANDSHAKES_FROM;
        }
        self.next += 1;
        self.entries.insert(node.into_node(key, entry));
        key
    }

    /// The first one that is ready.
    pub(super) fn pop_ready(&mut self) -> Option<Accepted> {
        let first = self.entries.cursor_front()?;
        if *first.current().0 >= HANDSHAKES_FROM {
            return None;
        }
        match first.remove_current().1.to_key_value().1 {
            Entry::Ready(accepted) => Some(accepted),
            Entry::Handshake(_) => None,
        }
    }

    pub(super) fn has_ready(&self) -> bool {
        self.entries
            .keys()
            .next()
            .is_some_and(|key| *key < HANDSHAKES_FROM)
    }
}
