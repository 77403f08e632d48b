// SPDX-License-Identifier: GPL-2.0

//! When packets arrive.

use super::Side;
use crate::group::Millis;
use std::collections::BTreeMap;

/// How a path delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathConfig {
    /// Time from one host to the other, in milliseconds.
    pub latency: u32,
    /// Up to so many milliseconds more, another number for each packet.
    pub jitter: u32,
}

/// What happens to a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is lost and sent again: it arrives so many milliseconds later, and
    /// what follows it on its connection not before it.
    Delay(u32),
    /// It is lost for good: both ends see the connection reset.
    Reset,
}

/// Small numbers out of a seed (splitmix64).
pub(super) struct Rng(pub(super) u64);

impl Rng {
    /// A number up to `most`.
    fn up_to(&mut self, most: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let number = (z ^ (z >> 31)) % (u64::from(most) + 1);
        u32::try_from(number).unwrap_or(most)
    }
}

/// One path: packets of one stream arrive in order.
pub(super) struct Path {
    config: PathConfig,
    /// Last arrival in each stream, by who gets it.
    last: BTreeMap<(Side, u32), Millis>,
}

impl Path {
    pub(super) fn new(config: PathConfig) -> Self {
        Path {
            config,
            last: BTreeMap::new(),
        }
    }

    /// When a packet that leaves now arrives.
    pub(super) fn arrival(&mut self, now: Millis, to: Side, stream: u32, rng: &mut Rng) -> Millis {
        let jitter = rng.up_to(self.config.jitter);
        let at = now.after(self.config.latency.saturating_add(jitter));
        let last = self.last.entry((to, stream)).or_default();
        *last = at.max(*last);
        *last
    }

    /// When the sender of a packet that leaves now knows that it has arrived.
    pub(super) fn returned(&mut self, now: Millis, to: Side, stream: u32, rng: &mut Rng) -> Millis {
        let there = now.after(self.config.latency.saturating_add(self.config.jitter));
        // Streams of completions are none of the packets'.
        self.arrival(there, to, !stream, rng)
    }

    /// The next packet of the stream does not arrive within `ms` of its usual
    /// time.
    pub(super) fn hold(&mut self, now: Millis, to: Side, stream: u32, ms: u32) {
        let at = now.after(self.config.latency.saturating_add(ms));
        let last = self.last.entry((to, stream)).or_default();
        *last = at.max(*last);
    }
}
