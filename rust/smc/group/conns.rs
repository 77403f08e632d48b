// SPDX-License-Identifier: GPL-2.0

//! The connections of a link group: by the token that the peer names them with,
//! and those that wait to send.

use super::Group;
use crate::{
    abstractions::work::Task,
    smc::{conn::Conn, slots::Slots},
};
use core::{
    mem::forget,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};
use kernel::{prelude::*, sync::Arc};
use smc_proto::wire::types::AlertToken;

/// Places for connections in a group, the number of which is in the low bits of a
/// token. A server has as many connections as were agreed on, 255 at most. That is for
/// it to count: a client takes what the server gives it, and may have some more, which
/// are at their end with the server already.
const PLACES: usize = 1 << PLACE_BITS;
const PLACE_BITS: u32 = 11;

/// What distinguishes the connections that have one place after each other. The
/// tokens of a host are different ones in all its groups.
static NEXT: AtomicU32 = AtomicU32::new(1);

struct Entry {
    token: AlertToken,
    conn: Option<Arc<Task<Conn>>>,
}

/// Connections, each in its place.
pub(super) struct Conns {
    entries: Slots<Entry>,
    count: usize,
    waiting: [u64; PLACES / 64],
    /// Where the search for the next one that waits begins.
    turn: usize,
    /// The group takes no more.
    closed: bool,
}

impl Conns {
    pub(super) const fn new() -> Self {
        Self {
            entries: Slots::new(),
            count: 0,
            waiting: [0; PLACES / 64],
            turn: 0,
            closed: false,
        }
    }

    /// Takes no more, if there is none.
    pub(super) fn close_if_empty(&mut self) -> bool {
        self.closed |= self.count == 0;
        self.closed
    }

    /// A place for a connection, if fewer than `most` have one.
    fn reserve(&mut self, most: usize) -> Option<AlertToken> {
        if self.closed || self.count >= most.min(PLACES) {
            return None;
        }
        let entry = Entry {
            token: AlertToken(0),
            conn: None,
        };
        let place = self.entries.insert(entry, GFP_ATOMIC).ok()?;
        // Wraps by intent.
        let unique = NEXT.fetch_add(1, Ordering::Relaxed) << PLACE_BITS;
        let token = AlertToken(unique | u32::try_from(place).ok()?);
        self.entries.get_mut(place)?.token = token;
        self.count += 1;
        Some(token)
    }

    fn free(&mut self, token: AlertToken) -> Option<Entry> {
        let place = place(token);
        self.entries.get(place).filter(|e| e.token == token)?;
        self.set_waiting(place, false);
        self.count -= 1;
        self.entries.take(place)
    }

    fn get(&self, token: AlertToken) -> Option<&Arc<Task<Conn>>> {
        let entry = self.entries.get(place(token))?;
        entry.conn.as_ref().filter(|_| entry.token == token)
    }

    fn set_waiting(&mut self, place: usize, on: bool) {
        if let Some(word) = self.waiting.get_mut(place / 64) {
            let bit = 1 << (place % 64);
            *word = if on { *word | bit } else { *word & !bit };
        }
    }

    /// The first place from `from` on that waits.
    fn first_waiting(&self, from: usize) -> Option<usize> {
        let words = self.waiting.iter().enumerate().skip(from / 64);
        let mut before = (1 << (from % 64)) - 1;
        for (index, word) in words {
            let word = word & !core::mem::take(&mut before);
            if word != 0 {
                return Some(index * 64 + word.trailing_zeros() as usize);
            }
        }
        None
    }

    /// Takes out who has waited and has its turn.
    fn next_waiting(&mut self) -> Option<Arc<Task<Conn>>> {
        loop {
            let next = self.first_waiting(self.turn);
            let place = next.or_else(|| self.first_waiting(0))?;
            self.set_waiting(place, false);
            self.turn = (place + 1) % PLACES;
            // One that is over has not told that it waits no more.
            let entry = self.entries.get(place);
            if let Some(conn) = entry.and_then(|entry| entry.conn.clone()) {
                return Some(conn);
            }
        }
    }
}

fn place(token: AlertToken) -> usize {
    (token.0 & ((1 << PLACE_BITS) - 1)) as usize
}

/// A connection's place in a group, which it keeps from the handshake until
/// nothing of it is under way any more.
///
/// Dropped in any context; without connections the group ends after a while.
pub(crate) struct Seat {
    group: Arc<Task<Group>>,
    token: AlertToken,
    /// It has sent something.
    sent: AtomicBool,
}

impl Seat {
    /// A seat in `group`, if there is one. Any context.
    pub(super) fn take(group: &Arc<Task<Group>>) -> Option<Self> {
        let most = if group.spec.key.server {
            group.spec.max_conns.into()
        } else {
            PLACES
        };
        let token = group.conns.lock().reserve(most)?;
        Some(Self {
            group: group.clone(),
            token,
            sent: AtomicBool::new(false),
        })
    }

    /// The group.
    pub(crate) fn group(&self) -> &Arc<Task<Group>> {
        &self.group
    }

    /// What the peer is to call the connection.
    pub(crate) fn token(&self) -> AlertToken {
        self.token
    }

    /// The connection sends; whether it has before. Any context.
    pub(super) fn note_sent(&self) -> bool {
        // Mostly it has, and nothing is to be written.
        self.sent.load(Ordering::Relaxed) || self.sent.swap(true, Ordering::Relaxed)
    }

    /// From here on messages of the peer find `conn`. Any context.
    pub(crate) fn occupy(&self, conn: &Arc<Task<Conn>>) {
        let mut conns = self.group.conns.lock();
        if let Some(entry) = conns.entries.get_mut(place(self.token)) {
            entry.conn = Some(conn.clone());
        }
    }

    /// Messages of the peer do not find the connection any more. Any context.
    pub(crate) fn vacate(&self) {
        let mut conns = self.group.conns.lock();
        let conn = conns
            .entries
            .get_mut(place(self.token))
            .and_then(|entry| entry.conn.take());
        drop(conns);
        // Perhaps the last reference, which takes the lock again.
        drop(conn);
    }

    /// The connection stands in the queue of those who want to send, as long as the
    /// result exists, or until it has had its turn. Any context.
    pub(super) fn queue(&self) -> Turn<'_> {
        self.group.conns.lock().set_waiting(place(self.token), true);
        Turn(self)
    }
}

/// A connection stands in the queue.
#[must_use]
pub(super) struct Turn<'a>(&'a Seat);

impl Turn<'_> {
    /// It goes on to wait: there is a link that its turn can come on.
    pub(super) fn wait(self) {
        forget(self);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let seat = self.0;
        seat.group
            .conns
            .lock()
            .set_waiting(place(seat.token), false);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut conns = self.group.conns.lock();
        let entry = conns.free(self.token);
        let empty = conns.count == 0;
        drop(conns);
        drop(entry);
        if empty {
            Group::on_idle(&self.group);
        }
    }
}

impl Group {
    /// The connection that the peer names so. Any context.
    pub(super) fn conn(&self, token: AlertToken) -> Option<Arc<Task<Conn>>> {
        self.conns.lock().get(token).cloned()
    }

    /// Who waits to send and has its turn. Any context.
    pub(super) fn next_waiting(&self) -> Option<Arc<Task<Conn>>> {
        self.conns.lock().next_waiting()
    }

    /// Whoever has this seat has made nothing of his turn, and is the next again if he
    /// waits. Any context.
    pub(super) fn keep_turn(&self, seat: &Seat) {
        self.conns.lock().turn = place(seat.token);
    }

    /// How many have a place. Any context.
    pub(crate) fn conn_count(&self) -> usize {
        self.conns.lock().count
    }

    /// Calls `f` with each connection, without locks. Process context.
    pub(crate) fn each_conn(&self, mut f: impl FnMut(&Arc<Task<Conn>>)) {
        for place in 0..PLACES {
            let conns = self.conns.lock();
            if place >= conns.entries.places() {
                return;
            }
            let conn = conns.entries.get(place).and_then(|e| e.conn.clone());
            drop(conns);
            if let Some(conn) = conn {
                f(&conn);
            }
        }
    }
}
