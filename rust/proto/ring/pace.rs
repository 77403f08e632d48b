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
/// from a message to its completion, with all that is in front of it; at a receiver from a
/// report to a sender that is blocked to the first byte that only this report has made
/// room for.
///
/// Copies and wire are busy at a time where a ring goes in quarters, which is four messages
/// and four reports. Where a ring takes milliseconds there is next to nothing to be gained
/// by that, and messages are what a host without an RDMA device makes frame by frame.
///
/// A way is slow after two times in a row, and is so until it is twice as fast as that:
/// each change costs the two ends some rings in which they do not keep time.
#[derive(Debug)]
pub struct Pace {
    begun: Option<Begun>,
    slow: u8,
}

#[derive(Debug)]
struct Begun {
    since: Nanos,
    /// Where the stream was, and where it has to be for the end.
    from: u64,
    until: u64,
}

impl Pace {
    /// A way of which nothing is known: fast.
    pub const fn new() -> Self {
        Self {
            begun: None,
            slow: 0,
        }
    }

    /// So many bytes may go, while the stream is at `from`, and have when it is at `until`.
    /// The first call counts, until then. The clock is read where there is something to be
    /// seen.
    pub fn begin(&mut self, bytes: u32, from: u64, until: u64, now: impl FnOnce() -> Nanos) {
        if bytes >= LEAST && self.begun.is_none() {
            self.begun = Some(Begun {
                since: now(),
                from,
                until,
            });
        }
    }

    /// The stream is at `at` now.
    pub fn reach(&mut self, at: u64, now: impl FnOnce() -> Nanos) {
        let begun = match &self.begun {
            Some(begun) if at >= begun.until => self.begun.take(),
            _ => None,
        };
        let Some(begun) = begun else {
            return;
        };
        let bytes = at.saturating_sub(begun.from);
        if bytes < LEAST.into() {
            return;
        }
        let time = now().0.saturating_sub(begun.since.0);
        let time = time.saturating_mul(SLOW_BYTES);
        let limit = SLOW_TIME.0.saturating_mul(bytes);
        if time > limit {
            self.slow = self.slow.saturating_add(1);
        } else if !self.is_slow() || time <= limit / 2 {
            self.slow = 0;
        }
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

    fn at(us: u64) -> impl FnOnce() -> Nanos {
        move || Nanos(us * 1000)
    }

    /// A time in microseconds, for so many bytes.
    fn time(pace: &mut Pace, bytes: u64, us: u64) -> bool {
        pace.begin(u32::MAX, 7, 7, at(7));
        pace.reach(7 + bytes, at(7 + us));
        pace.is_slow()
    }

    #[test]
    fn a_way_is_slow_after_two_times_and_fast_after_one_of_half_that() {
        let mut pace = Pace::new();
        assert!(!pace.is_slow());
        assert!(!time(&mut pace, 64 << 10, 2001));
        assert!(!time(&mut pace, 16 << 10, 500));
        assert!(!time(&mut pace, 16 << 10, 501));
        assert!(time(&mut pace, 16 << 10, 501));
        assert!(time(&mut pace, 16 << 10, 499));
        assert!(time(&mut pace, 16 << 10, 251));
        assert!(!time(&mut pace, 16 << 10, 250));
        assert!(!time(&mut pace, 16 << 10, 501));
    }

    #[test]
    fn few_bytes_say_nothing() {
        let least = u64::from(LEAST);
        let mut pace = Pace::new();
        for _ in 0..3 {
            assert!(!time(&mut pace, least - 1, 1_000_000));
            pace.begin(LEAST - 1, 0, 0, || unreachable!("too few"));
            pace.reach(least, || unreachable!("it has not begun"));
        }
        time(&mut pace, least, 1_000_000);
        assert!(time(&mut pace, least, 1_000_000));
        assert!(time(&mut pace, 1, 0));
    }

    #[test]
    fn the_first_beginning_counts() {
        let mut pace = Pace::new();
        for start in [0, 10_000] {
            pace.begin(LEAST, 0, 0, at(start));
            pace.begin(LEAST, 0, 0, || unreachable!("it has begun"));
            pace.reach(64 << 10, at(start + 2001));
        }
        assert!(pace.is_slow());
    }

    /// A ring of 64 KiB of which a quarter was free, and was said to be before: it is on
    /// its way when the rest is reported.
    #[test]
    fn what_had_room_before_is_no_end_and_counts() {
        let mut pace = Pace::new();
        for start in [0, 10_000] {
            pace.begin(48 << 10, 0, (16 << 10) + 1, at(start));
            pace.reach(16 << 10, || unreachable!("not beyond"));
            pace.reach(64 << 10, at(start + 2001));
        }
        assert!(pace.is_slow());
    }

    #[test]
    fn nothing_overflows() {
        let mut pace = Pace::new();
        for _ in 0..300 {
            pace.begin(LEAST, 0, 0, || Nanos(0));
            pace.reach(u64::MAX, || Nanos(u64::MAX));
        }
        assert!(!pace.is_slow(), "so many bytes are fast");
        for _ in 0..300 {
            pace.begin(LEAST, u64::MAX - 9000, u64::MAX - 9000, || Nanos(0));
            pace.reach(u64::MAX, || Nanos(u64::MAX));
        }
        assert!(pace.is_slow());
        pace.begin(LEAST, 0, 0, || Nanos(9));
        pace.reach(LEAST.into(), || Nanos(0));
        assert!(!pace.is_slow());
    }
}
