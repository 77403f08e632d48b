// SPDX-License-Identifier: GPL-2.0

//! How fast the way to the peer is.

/// Nanoseconds of a clock that is never set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub u64);

/// A way on which so many bytes take longer than [`SLOW_TIME`] is slow: they pass at less
/// than a quarter of a gigabit per second.
const SLOW_BYTES: u64 = 64 << 10;
/// The copies of so many bytes at both ends and a round trip are a small part of this.
const SLOW_TIME: Nanos = Nanos(2_000_000);

/// With fewer bytes it is latency that is seen.
const LEAST: u32 = 8 << 10;

/// One time may be anything's: a host that was busy, a frame that was lost.
const TIMES: u8 = 2;

/// How long data take, where that can be seen without asking for anything: at a sender
/// from a message that nothing is in front of to its completion; at a receiver from a
/// report to a sender that is blocked to what has come next.
///
/// Copies and wire are busy at a time where a ring goes in quarters, which is four messages
/// and four reports. Where a ring takes milliseconds there is next to nothing to be gained
/// by that, and messages are what a host without an RDMA device makes frame by frame.
#[derive(Debug)]
pub struct Pace {
    since: Option<Nanos>,
    slow: u8,
}

impl Pace {
    /// A way of which nothing is known: fast.
    pub const fn new() -> Self {
        Self {
            since: None,
            slow: 0,
        }
    }

    /// So many bytes may go; the first call before [`Pace::end`] counts. The clock is read
    /// where there is something to be seen.
    pub fn begin(&mut self, bytes: u32, now: impl FnOnce() -> Nanos) {
        if bytes >= LEAST && self.since.is_none() {
            self.since = Some(now());
        }
    }

    /// So many bytes have gone.
    pub fn end(&mut self, bytes: u32, now: impl FnOnce() -> Nanos) {
        let Some(since) = self.since.take().filter(|_| bytes >= LEAST) else {
            return;
        };
        let time = now().0.saturating_sub(since.0);
        let slow = time.saturating_mul(SLOW_BYTES) > SLOW_TIME.0.saturating_mul(bytes.into());
        self.slow = if slow { self.slow.saturating_add(1) } else { 0 };
    }

    /// Whether it is slow.
    pub const fn is_slow(&self) -> bool {
        self.slow >= TIMES
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A time in microseconds, for so many bytes.
    fn time(pace: &mut Pace, bytes: u32, us: u64) -> bool {
        pace.begin(u32::MAX, || Nanos(7));
        pace.end(bytes, || Nanos(7 + us * 1000));
        pace.is_slow()
    }

    #[test]
    fn a_way_is_slow_after_two_times_and_fast_after_one() {
        let mut pace = Pace::new();
        assert!(!pace.is_slow());
        assert!(!time(&mut pace, 64 << 10, 2001));
        assert!(time(&mut pace, 16 << 10, 501));
        assert!(time(&mut pace, 16 << 10, 501));
        assert!(!time(&mut pace, 16 << 10, 499));
        assert!(!time(&mut pace, 16 << 10, 501));
    }

    #[test]
    fn few_bytes_say_nothing() {
        let mut pace = Pace::new();
        for _ in 0..3 {
            assert!(!time(&mut pace, LEAST - 1, 1_000_000));
            pace.begin(LEAST - 1, || Nanos(0));
            pace.end(u32::MAX, || unreachable!("it has not begun"));
        }
        time(&mut pace, LEAST, 1_000_000);
        assert!(time(&mut pace, LEAST, 1_000_000));
        assert!(time(&mut pace, 1, 0));
    }

    #[test]
    fn the_first_beginning_counts_and_an_end_without_one_does_not() {
        let mut pace = Pace::new();
        for at in [0, 2_100_000] {
            pace.end(64 << 10, || unreachable!("it has not begun"));
            pace.begin(LEAST, || Nanos(at));
            pace.begin(LEAST, || unreachable!("it has begun"));
            pace.end(64 << 10, || Nanos(at + 2_000_001));
        }
        assert!(pace.is_slow());
    }

    #[test]
    fn nothing_overflows() {
        let mut pace = Pace::new();
        for _ in 0..300 {
            pace.begin(LEAST, || Nanos(0));
            pace.end(u32::MAX, || Nanos(u64::MAX));
        }
        assert!(pace.is_slow());
        pace.begin(LEAST, || Nanos(9));
        pace.end(LEAST, || Nanos(0));
        assert!(!pace.is_slow());
    }
}
