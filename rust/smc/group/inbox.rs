// SPDX-License-Identifier: GPL-2.0

//! LLC messages on their way from the softirq to the group's task.

use kernel::prelude::*;
use smc_proto::{group::Slot, wire::llc::LLC_LEN};

/// Messages of the peer that may wait for us: more than all exchanges that run at
/// a time have.
const INBOX: usize = 16;

/// LLC messages that came and were not looked at yet.
pub(super) struct Inbox {
    short: [(Slot, [u8; LLC_LEN]); INBOX],
    long: [Option<KVec<u8>>; INBOX],
    first: usize,
    count: usize,
}

/// Why a message cannot be kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NotKept {
    /// The peer has sent more than it may before there is an answer.
    TooMany,
    NoMemory,
}

impl Inbox {
    pub(super) const fn new() -> Self {
        const NONE: Option<KVec<u8>> = None;
        Self {
            short: [(Slot::S0, [0; LLC_LEN]); INBOX],
            long: [NONE; INBOX],
            first: 0,
            count: 0,
        }
    }

    pub(super) fn push(&mut self, slot: Slot, message: &[u8]) -> Result<(), NotKept> {
        if self.count == INBOX {
            return Err(NotKept::TooMany);
        }
        let at = (self.first + self.count) % INBOX;
        let (Some(short), Some(long)) = (self.short.get_mut(at), self.long.get_mut(at)) else {
            return Err(NotKept::TooMany);
        };
        *long = None;
        short.0 = slot;
        match short.1.get_mut(..message.len()) {
            Some(room) if message.len() == LLC_LEN => room.copy_from_slice(message),
            _ => {
                let mut copy = KVec::new();
                copy.extend_from_slice(message, GFP_ATOMIC)
                    .map_err(|_| NotKept::NoMemory)?;
                *long = Some(copy);
            }
        }
        self.count += 1;
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn pop(&mut self) -> Option<(Slot, [u8; LLC_LEN], Option<KVec<u8>>)> {
        if self.count == 0 {
            return None;
        }
        let (slot, short) = *self.short.get(self.first)?;
        let long = self.long.get_mut(self.first)?.take();
        self.first = (self.first + 1) % INBOX;
        self.count -= 1;
        Some((slot, short, long))
    }
}
