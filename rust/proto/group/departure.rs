// SPDX-License-Identifier: GPL-2.0

//! How a group goes: its connections, DELETE LINK, and at last its link.
//!
//! A C peer is spared what it can't cope with. Where DELETE LINK ends a connection that
//! its application closes it loses the socket (`smc_close_active_abort`): so it hears of
//! the end of each connection before. And it waits for all that it has on its way to
//! arrive before it says that its group is gone, for ever where its device never gives
//! up, as soft-RoCE's: so the link stays until it has said so, for a while.

use super::Millis;
use crate::wire::llc::DeleteReason;

/// How long the last messages on a link may take to leave, in milliseconds.
const LAST_MESSAGES: u32 = 1_000;
/// How long a C peer may take to be done with its connections: longer than it waits for
/// an answer that does not come any more.
const LAST_WORD: u32 = 3_000;
/// How long the aborts of connections may take to arrive at a C peer, behind all that was
/// on its way before; how long they may take to end from then on before their group does;
/// and how often to look how far they are.
const ABORTS: u32 = 4_000;
const CONNS: u32 = 1_000;
const CONNS_ROUND: u32 = 20;

/// How far the connections of a group are that have been aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aborted {
    /// Both ends of each have said all they had to say.
    Both,
    /// All that was sent has arrived.
    Told,
    /// Something is under way, or could not even be sent.
    Sending,
}

/// How far a group of one link is on its way out, beside the machine of its messages:
/// what that can't know is how its connections and its queue pair fare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    c_peer: bool,
    /// There were connections when they were aborted.
    had_conns: bool,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It stays.
    Stays,
    /// It goes when its connections have ended, and then at the latest, which is sooner
    /// once the peer has been `told` of all.
    Leaving {
        reason: DeleteReason,
        by: Millis,
        told: bool,
    },
    /// DELETE LINK is under way.
    Deleting,
    /// It is at its end, and the link goes.
    Parting {
        /// So long the last messages may take.
        messages: Millis,
        /// So long the peer is waited for.
        word: Millis,
    },
    /// There is no link any more.
    Gone,
}

impl Departure {
    /// Of a group that stays, with a peer that may be a C module.
    pub const fn new(c_peer: bool) -> Self {
        Self {
            c_peer,
            had_conns: false,
            stage: Stage::Stays,
        }
    }

    /// The group, which has so many connections, is to end. Whether they are to be
    /// aborted, each by a message of its own.
    #[must_use]
    pub fn begin(&mut self, now: Millis, reason: DeleteReason, conns: usize) -> bool {
        if self.stage != Stage::Stays {
            return false;
        }
        let abort = self.abort(conns);
        let wait = if self.had_conns { ABORTS } else { 0 };
        self.stage = Stage::Leaving {
            reason,
            by: now.after(wait),
            told: false,
        };
        abort
    }

    /// Why to [terminate](super::Group::terminate) the group now. `conns` tells how far its
    /// connections are.
    pub fn due(&mut self, now: Millis, conns: impl FnOnce() -> Aborted) -> Option<DeleteReason> {
        let Stage::Leaving { reason, by, told } = &mut self.stage else {
            return None;
        };
        if *by <= now {
            return Some(*reason);
        }
        match conns() {
            Aborted::Both => return Some(*reason),
            Aborted::Told if !*told => {
                *told = true;
                *by = now.after(CONNS).min(*by);
            }
            _ => {}
        }
        None
    }

    /// The peer is about to be sent DELETE LINK, whoever wants the end. Whether the
    /// connections are to be aborted before; there are so many.
    #[must_use]
    pub fn delete(&mut self, conns: usize) -> bool {
        let abort = self.stage == Stage::Stays && self.abort(conns);
        if matches!(self.stage, Stage::Stays | Stage::Leaving { .. }) {
            self.stage = Stage::Deleting;
        }
        abort
    }

    fn abort(&mut self, conns: usize) -> bool {
        self.had_conns = self.c_peer && conns != 0;
        self.had_conns
    }

    /// The link is to go ([`Action::FreeLink`](super::Action::FreeLink)).
    pub fn part(&mut self, now: Millis, conns: usize) {
        // This module does not wait for what it has sent.
        let waits = self.c_peer && (self.had_conns || conns != 0);
        self.stage = Stage::Parting {
            messages: now.after(LAST_MESSAGES),
            word: now.after(if waits { LAST_WORD } else { 0 }),
        };
    }

    /// Whether the group is at its end, and its link is still there.
    pub const fn is_parting(&self) -> bool {
        matches!(self.stage, Stage::Parting { .. })
    }

    /// Whether the link goes now; from then on there is none. `under_way`: messages of
    /// ours have not left yet. `peer_gone`: see
    /// [`Group::is_peer_gone`](super::Group::is_peer_gone).
    #[must_use]
    pub fn parts(&mut self, now: Millis, under_way: bool, peer_gone: bool) -> bool {
        match self.stage {
            Stage::Parting { messages, word } => {
                let leaves = under_way && now < messages;
                if leaves || !peer_gone && now < word {
                    return false;
                }
                self.stage = Stage::Gone;
                true
            }
            _ => false,
        }
    }

    /// When to look again, if nothing happens before.
    pub fn next_time(&self, now: Millis, under_way: bool) -> Option<Millis> {
        match self.stage {
            Stage::Stays | Stage::Deleting | Stage::Gone => None,
            Stage::Leaving { by, .. } => Some(by.min(now.after(CONNS_ROUND))),
            Stage::Parting { messages, .. } if under_way && now < messages => Some(messages),
            Stage::Parting { word, .. } => Some(word),
        }
    }
}
