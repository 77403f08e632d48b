// SPDX-License-Identifier: GPL-2.0

//! How much may be under way on a link.

use crate::group::Millis;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// How much longer than on an empty link bytes may take to leave, in milliseconds.
const TIME: u64 = 200;

/// So many bytes may be under way on any link: some messages, with which the next one is
/// there when the one before has left.
const LEAST: u32 = 256 << 10;

/// The bytes under way on a link, whoever's they are, and how many there may be.
///
/// A link is one queue. Behind what is posted comes all that is posted later: another
/// connection's request, the answer to a question of the peer, the registration of memory
/// for a handshake that the peer waits for, the last word of a group that ends. Each
/// connection keeps a ring to be written, and many of them are seconds on a slow link. So
/// where bytes take [`TIME`] longer than the fastest have taken, no more are posted than
/// leave in that time; where they do not, as on RDMA hardware, there is no limit.
///
/// Any context; several may be at it at a time.
#[derive(Debug)]
pub struct Backlog {
    bytes: AtomicU32,
    limit: AtomicU32,
    /// The shortest time that bytes have taken to leave, in milliseconds.
    fastest: AtomicU64,
}

/// Bytes that are under way, for [`Backlog::left`].
#[derive(Debug)]
#[must_use]
pub struct Load {
    bytes: u32,
    /// With all that was posted before and had not left.
    depth: u32,
    since: Millis,
}

impl Backlog {
    /// Of a link of which nothing is known: without a limit.
    pub const fn new() -> Self {
        Self {
            bytes: AtomicU32::new(0),
            limit: AtomicU32::new(u32::MAX),
            fastest: AtomicU64::new(u64::MAX),
        }
    }

    /// Whether more may be posted.
    pub fn has_room(&self) -> bool {
        // In one order with `left`, for who has entered himself in a list before.
        self.bytes.load(Ordering::SeqCst) < self.limit.load(Ordering::SeqCst)
    }

    /// So many bytes are about to be posted.
    pub fn add(&self, bytes: u32, now: Millis) -> Load {
        let before = match bytes {
            0 => 0,
            _ => self.bytes.fetch_add(bytes, Ordering::SeqCst),
        };
        Load {
            bytes,
            depth: before.saturating_add(bytes),
            since: now,
        }
    }

    /// They have left, or never will.
    pub fn left(&self, load: Load, now: Millis, arrived: bool) {
        if load.bytes == 0 {
            return;
        }
        if arrived {
            self.learn(load.depth, now.0.saturating_sub(load.since.0));
        }
        self.bytes.fetch_sub(load.bytes, Ordering::SeqCst);
    }

    /// So many bytes have taken so many milliseconds to leave.
    fn learn(&self, bytes: u32, took: u64) {
        let fastest = self.fastest.fetch_min(took, Ordering::Relaxed).min(took);
        let allowed = fastest.saturating_add(TIME);
        let limit = self.limit.load(Ordering::Relaxed);
        if took <= allowed && limit == u32::MAX {
            return;
        }
        let fit = u64::from(bytes).saturating_mul(allowed) / took.max(1);
        let fit = u32::try_from(fit).unwrap_or(u32::MAX).max(LEAST);
        // In less than that time there may have been nothing to send: it proves how much
        // fits at least.
        if took > allowed || fit > limit {
            self.limit.store(fit, Ordering::SeqCst);
        }
    }
}

impl Default for Backlog {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::VecDeque, vec::Vec};

    /// Posts a ring of each connection whenever there is room, on a link that carries so
    /// many bytes in a millisecond, each a round trip of so many later; the most that were
    /// under way in the second half, and the bytes per millisecond. Too long for Miri.
    fn run(rate: u64, trip: u64, conns: usize, ring: u32) -> (u32, u64) {
        let backlog = Backlog::new();
        let (mut queue, mut waiting) = (VecDeque::new(), conns);
        let (mut busy_until, mut most, mut done) = (0u64, 0, 0u64);
        const END: u64 = 60_000_000;
        for now in (0..END).step_by(1000) {
            let at = Millis(now / 1000);
            while queue.front().is_some_and(|(until, _)| *until <= now) {
                let (_, load): (u64, Load) = queue.pop_front().expect("there is one");
                done += if now > END / 2 {
                    u64::from(load.bytes)
                } else {
                    0
                };
                backlog.left(load, at, true);
                waiting += 1;
            }
            while waiting > 0 && backlog.has_room() {
                waiting -= 1;
                busy_until = busy_until.max(now) + u64::from(ring) * 1000 / rate;
                queue.push_back((busy_until + trip * 1000, backlog.add(ring, at)));
            }
            if now > END / 2 {
                most = most.max(backlog.bytes.load(Ordering::SeqCst));
            }
        }
        (most, done / (END / 2000))
    }

    const RING: u32 = 64 << 10;

    #[test]
    #[cfg_attr(miri, ignore)]
    fn a_slow_link_holds_what_leaves_in_time() {
        // 10, 70 and 200 Mbit/s.
        for rate in [1_250, 8_750, 25_000] {
            let (most, done) = run(rate, 1, 64, RING);
            let time = most as u64 / rate;
            assert!(
                time <= 320 || most <= LEAST + RING,
                "{rate}: {most} bytes, {time} ms"
            );
            assert!(done >= rate * 97 / 100, "{rate}: {done}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore)]
    fn a_fast_one_holds_all() {
        let (most, _) = run(12_500_000, 1, 64, RING);
        assert_eq!(most, 64 * RING);
    }

    /// What takes long for the way's sake is no backlog.
    #[test]
    #[cfg_attr(miri, ignore)]
    fn a_long_way_is_no_slow_one() {
        for trip in [10, 100, 500] {
            let (most, _) = run(1_250_000, trip, 64, RING);
            assert_eq!(most, 64 * RING, "{trip} ms");
        }
    }

    #[test]
    fn one_delay_is_forgotten() {
        let backlog = Backlog::new();
        let load = backlog.add(RING, Millis(0));
        backlog.left(load, Millis(1), true);
        let load = backlog.add(RING, Millis(1));
        backlog.left(load, Millis(5_001), true);
        let loads: Vec<_> = (0..4).map(|_| backlog.add(RING, Millis(5_001))).collect();
        assert!(!backlog.has_room());
        for load in loads {
            backlog.left(load, Millis(5_002), true);
        }
        let loads: Vec<_> = (0..64).map(|_| backlog.add(RING, Millis(5_002))).collect();
        assert!(backlog.has_room());
        drop(loads);
    }

    #[test]
    fn what_did_not_arrive_says_nothing_and_is_not_under_way() {
        let backlog = Backlog::new();
        for _ in 0..3 {
            let load = backlog.add(u32::MAX, Millis(0));
            assert!(!backlog.has_room());
            backlog.left(load, Millis(u64::MAX), false);
            assert!(backlog.has_room());
        }
        let load = backlog.add(0, Millis(0));
        backlog.left(load, Millis(9_999), true);
        assert_eq!(backlog.limit.load(Ordering::SeqCst), u32::MAX);
    }

    #[test]
    fn nothing_overflows() {
        let backlog = Backlog::new();
        for (bytes, from, to) in [(u32::MAX, 9, 0), (1, 0, u64::MAX), (u32::MAX, 0, u64::MAX)] {
            let load = backlog.add(bytes, Millis(from));
            backlog.left(load, Millis(to), true);
        }
        assert!(backlog.has_room());
    }
}
