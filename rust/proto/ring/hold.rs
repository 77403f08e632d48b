// SPDX-License-Identifier: GPL-2.0

//! When data that could go wait: a message costs as much as some hundred bytes, and
//! what is sent by itself finds no more to go with it.

use super::{Pieces, TxRing};

/// Most bytes that one message announces: more of them come back sooner, which
/// makes room for the next.
const MAX_WRITE: u32 = 512 << 10;

/// How many messages are under way, at least, if one waits in spite of TCP_NODELAY:
/// requests that follow each other do not, a stream of small ones does. With more under
/// way than some requests have it is a stream.
const NODELAY: u32 = 2;

/// How the application wants its data sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SendMode {
    /// Nothing is held back any more.
    pub flush: bool,
    /// More is to go with what is unsent (MSG_MORE, TCP_CORK).
    pub corked: bool,
    /// TCP_NODELAY, at the last write.
    pub nodelay: bool,
    /// That write is not over.
    pub more: bool,
    /// What is unsent waits for the message before to leave, up to so many bytes.
    pub autocork: u32,
}

impl TxRing {
    /// How many bytes of one write(2) are copied before they are posted, at least.
    pub const MIN_PIECE: u32 = 16 << 10;

    /// How many bytes of one write(2) are copied before they are posted.
    pub fn piece(&self) -> u32 {
        self.pieces.bytes(self.local()).max(Self::MIN_PIECE)
    }

    /// How many bytes one message may announce now, on a link that other connections
    /// send on as well if it is `shared`.
    pub const fn most(&self, shared: bool) -> u32 {
        match self.pieces {
            _ if shared => self.share(),
            Pieces::Halves => self.to_boundary(),
            _ => MAX_WRITE,
        }
    }

    /// Whether the application wants what is unsent to wait for more.
    pub fn is_corked(&self, mode: &SendMode) -> bool {
        mode.corked && !self.must_go(mode) && self.writable() > 0
    }

    /// Whether data that could go wait for more to go with them, or for more room, with
    /// `pending` messages under way: what went before is not with the peer yet, and they
    /// are to be looked at again when it is.
    pub fn holds_back(&self, mode: &SendMode, pending: u32) -> bool {
        // Of one write the end goes at once with TCP_NODELAY, and not each piece.
        let enough = if mode.nodelay && !mode.more && self.is_sparse() {
            NODELAY
        } else {
            1
        };
        self.is_corked(mode)
            || pending >= enough && !self.must_go(mode) && !self.is_worth_it()
            || pending > 0 && self.are_few() && !self.is_urgent(mode) && self.is_tight()
    }

    /// Whether what is unsent is enough for one more message.
    const fn is_worth_it(&self) -> bool {
        let piece = self.pieces.bytes(self.local());
        let enough = match self.pieces {
            Pieces::Quarters => piece,
            Pieces::Halves if self.to_boundary() < piece => self.to_boundary(),
            Pieces::Halves => piece,
            Pieces::Wholes => return false,
        };
        self.unsent() >= enough
    }

    /// Bytes to the end of the piece of the peer's ring that is being written.
    const fn to_boundary(&self) -> u32 {
        let piece = self.pieces.bytes(self.peer());
        piece - (self.producer().offset() & (piece - 1))
    }

    /// Whether messages are to be few.
    const fn are_few(&self) -> bool {
        !matches!(self.pieces, Pieces::Quarters)
    }

    const fn is_urgent(&self, mode: &SendMode) -> bool {
        mode.flush || self.urgent_busy()
    }

    fn must_go(&self, mode: &SendMode) -> bool {
        let limit = mode.autocork.min(self.local().bytes() / 2);
        self.is_urgent(mode) || self.unsent() > limit
    }
}

#[cfg(test)]
#[path = "hold_tests.rs"]
mod tests;
