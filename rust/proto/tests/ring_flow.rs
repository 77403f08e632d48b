// SPDX-License-Identifier: GPL-2.0

//! What the rules of when to write and when to report do to throughput and to the number
//! of messages, on a wire with latency and a virtual clock, and next to the rules of the C
//! peer (`smc_tx_consumer_update`, `smc_should_autocork`).

use smc_proto::cursor::{RawCursor, RingSize};
use smc_proto::ring::{Nanos, Pace, RxRing, SendMode, TxReport, TxRing, UrgentMode};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Nanoseconds.
type Time = u64;

/// Who decides when data go and when the receiver reports, and how much both copy at a
/// time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// `TxRing::holds_back` and pieces of `TxRing::piece`; `RxRing::update_due` and steps
    /// of `RxRing::step`.
    Ours,
    /// Half the send buffer waits while something is under way. A tenth of the ring is
    /// reported, if less than half of it is free for the sender or the sender is blocked.
    /// Whole messages are copied.
    CPeer,
}

#[derive(Clone, Copy)]
struct Path {
    latency: Time,
    wire_bytes_per_us: u64,
    copy_bytes_per_us: u64,
    /// What a message costs its sender, and on the wire in bytes.
    post: Time,
    header: u32,
    /// Until a reader that has slept is awake.
    wake: Time,
}

/// `net.smc.autocorking_size`, as it is at first.
const AUTOCORK: u32 = 64 << 10;

/// A wire that is faster than the copies of the two applications.
const RACK: Path = Path {
    latency: 5_000,
    wire_bytes_per_us: 12_500,
    copy_bytes_per_us: 10_000,
    post: 500,
    header: 300,
    wake: 1_500,
};

/// A wire that is slower than the reader.
const SLOW_WIRE: Path = Path {
    wire_bytes_per_us: 3_125,
    ..RACK
};

/// Hosts that make each frame themselves, and are slow at it: what goes with a message
/// takes as long as some frames of data.
const SOFT: Path = Path {
    latency: 300_000,
    wire_bytes_per_us: 12,
    copy_bytes_per_us: 500,
    post: 50_000,
    header: 4_000,
    wake: 50_000,
};

enum Event {
    SenderCopied(u32),
    Arrived(TxReport),
    Completed(TxReport),
    Read(u32),
    Reported(RawCursor),
}

struct Outcome {
    /// Bytes per microsecond.
    rate: f64,
    /// Messages with data, per ring of them.
    writes_per_ring: f64,
    /// Messages that only report, per ring of data.
    updates_per_ring: f64,
}

struct Flow {
    path: Path,
    rule: Rule,
    message: u32,
    now: Time,
    events: BinaryHeap<Reverse<(Time, u64)>>,
    payload: HashMap<u64, Event>,
    next_event: u64,
    tx: TxRing,
    rx: RxRing,
    tx_pace: Pace,
    rx_pace: Pace,
    under_way: u32,
    /// What posting has cost the sender since it copied last.
    posting: Time,
    /// What is left of the message that the sender is writing.
    to_write: u32,
    sender_copying: bool,
    reader_copying: bool,
    reader_sleeps: bool,
    to_read: u32,
    wire_free: Time,
    blocked: bool,
    confirmed: u64,
    consumed: u64,
    produced: u64,
    writes: u64,
    updates: u64,
}

impl Flow {
    fn new(path: Path, rule: Rule, ring: RingSize, message: u32) -> Self {
        Self {
            path,
            rule,
            message,
            now: 0,
            events: BinaryHeap::new(),
            payload: HashMap::new(),
            next_event: 0,
            tx: TxRing::new(ring, ring),
            rx: RxRing::new(ring),
            tx_pace: Pace::new(),
            rx_pace: Pace::new(),
            under_way: 0,
            posting: 0,
            to_write: message,
            sender_copying: false,
            reader_copying: false,
            reader_sleeps: true,
            to_read: message,
            wire_free: 0,
            blocked: false,
            confirmed: 0,
            consumed: 0,
            produced: 0,
            writes: 0,
            updates: 0,
        }
    }

    fn at(&mut self, time: Time, event: Event) {
        self.events.push(Reverse((time, self.next_event)));
        self.payload.insert(self.next_event, event);
        self.next_event += 1;
    }

    fn copy_time(&self, bytes: u32) -> Time {
        // A system call or a loop round costs something too.
        200 + u64::from(bytes) * 1000 / self.path.copy_bytes_per_us
    }

    fn sender(&mut self) {
        if !self.sender_copying {
            let limit = match self.rule {
                Rule::Ours => self.to_write.min(self.tx.piece()),
                Rule::CPeer => self.to_write,
            };
            let len = self.tx.write_spans(limit).len();
            if len > 0 {
                self.sender_copying = true;
                let time = core::mem::take(&mut self.posting) + self.copy_time(len);
                self.at(self.now + time, Event::SenderCopied(len));
            } else {
                self.tx.set_stream();
            }
        }
        if self.holds_back() {
            return;
        }
        let most = match self.rule {
            Rule::Ours => self.tx.most(false),
            Rule::CPeer => u32::MAX,
        };
        if let Some(plan) = self.tx.plan(most) {
            let bytes = plan.bytes();
            plan.commit();
            let report = self.tx.report();
            self.tx.reported(report.ticket);
            let (left, posted) = self.tx.under_way();
            let depth = self.tx.in_flight();
            self.tx_pace.begin(depth, left, posted, || Nanos(self.now));
            self.under_way += 1;
            self.writes += 1;
            self.posting += self.path.post;
            let busy = u64::from(bytes + self.path.header) * 1000 / self.path.wire_bytes_per_us;
            self.wire_free = self.wire_free.max(self.now) + busy;
            self.at(self.wire_free + self.path.latency, Event::Arrived(report));
        }
    }

    fn holds_back(&mut self) -> bool {
        match self.rule {
            Rule::Ours => {
                self.tx.set_link(self.tx_pace.is_slow(), false);
                let mode = SendMode {
                    autocork: AUTOCORK,
                    more: self.to_write < self.message,
                    ..SendMode::default()
                };
                self.tx.holds_back(&mode, self.under_way)
            }
            Rule::CPeer => {
                let limit = AUTOCORK.min(self.tx.local().bytes() / 2);
                self.under_way > 0 && self.tx.unsent() <= limit
            }
        }
    }

    fn reader(&mut self) {
        let limit = match self.rule {
            Rule::Ours => self.to_read.min(self.rx.step()),
            Rule::CPeer => self.to_read,
        };
        let len = self.rx.read_spans(0, limit, UrgentMode::Inline).len();
        if self.reader_copying {
            return;
        }
        let wake = match core::mem::replace(&mut self.reader_sleeps, len == 0) {
            true => self.path.wake,
            false => 0,
        };
        if len > 0 {
            self.reader_copying = true;
            self.at(self.now + wake + self.copy_time(len), Event::Read(len));
        }
    }

    fn update_due(&self) -> bool {
        match self.rule {
            Rule::Ours => self.rx.update_due(),
            Rule::CPeer => {
                let size = u64::from(self.rx.size().bytes());
                let gain = self.consumed - self.confirmed;
                let free = size - (self.produced - self.confirmed);
                gain > size / 10 && (free <= size / 2 || self.blocked)
            }
        }
    }

    fn run(mut self, until: u64) -> Outcome {
        self.sender();
        while self.consumed < until {
            let Reverse((time, id)) = self.events.pop().expect("stuck: nothing is due");
            self.now = time;
            match self.payload.remove(&id).expect("scheduled once") {
                Event::SenderCopied(len) => {
                    self.sender_copying = false;
                    self.tx.wrote(len).expect("room");
                    self.to_write -= len;
                    if self.to_write == 0 {
                        self.to_write = self.message;
                    }
                }
                Event::Arrived(report) => {
                    self.blocked = report.flags.write_blocked;
                    let outcome = self
                        .rx
                        .on_cdc(report.producer, report.flags, UrgentMode::Inline)
                        .expect("in bounds");
                    self.produced += u64::from(outcome.arrived);
                    self.rx_pace.reach(self.rx.arrived(), || Nanos(time));
                    self.at(time + self.path.latency, Event::Completed(report));
                }
                Event::Completed(report) => {
                    self.tx.complete(report.ticket);
                    let (left, _) = self.tx.under_way();
                    self.tx_pace.reach(left, || Nanos(time));
                    self.under_way -= 1;
                }
                Event::Read(len) => {
                    self.reader_copying = false;
                    self.rx.consume(len, UrgentMode::Inline).expect("readable");
                    self.consumed += u64::from(len);
                    self.to_read -= len;
                    if self.to_read == 0 {
                        self.to_read = self.message;
                    }
                    if self.update_due() {
                        let (at, beyond) = (self.rx.arrived(), self.rx.beyond_window());
                        let room = self.rx.awaited();
                        self.rx_pace.begin(room, at, beyond, || Nanos(time));
                        let report = self.rx.report();
                        self.rx.reported(report.ticket);
                        self.rx.set_link(self.rx_pace.is_slow(), false);
                        self.confirmed = self.consumed;
                        self.updates += 1;
                        self.at(
                            self.now + self.path.latency,
                            Event::Reported(report.consumer),
                        );
                    }
                }
                Event::Reported(cursor) => {
                    self.tx.on_consumer(cursor).expect("in bounds");
                }
            }
            self.sender();
            self.reader();
        }
        let rings = self.consumed as f64 / f64::from(self.rx.size().bytes());
        Outcome {
            rate: self.consumed as f64 * 1000.0 / self.now as f64,
            writes_per_ring: self.writes as f64 / rings,
            updates_per_ring: self.updates as f64 / rings,
        }
    }
}

/// Messages from 1/16 of the ring to twice the ring, and a little beside each.
fn sweep(rule: Rule, path: Path, ring: RingSize) -> Vec<Outcome> {
    let size = ring.bytes();
    (2..=64)
        .map(|n| size / 32 * n)
        .flat_map(|message| [message - 64, message, message + 64])
        .map(|message| Flow::new(path, rule, ring, message).run(u64::from(size) * 100))
        .collect()
}

/// Of all message sizes.
fn mean(outcomes: &[Outcome], of: impl Fn(&Outcome) -> f64) -> f64 {
    outcomes.iter().map(of).sum::<f64>() / outcomes.len() as f64
}

fn slowest_to_fastest(outcomes: &[Outcome]) -> f64 {
    let rates = || outcomes.iter().map(|outcome| outcome.rate);
    rates().fold(f64::INFINITY, f64::min) / rates().fold(0.0, f64::max)
}

/// No message size is much slower than another, at any ring size that fills the
/// path, with a sender that is faster than the reader and with one that is slower.
#[test]
fn throughput_has_no_cliff_at_any_message_size() {
    for path in [RACK, SLOW_WIRE] {
        for compressed in [2, 4] {
            let ring = RingSize::from_compressed(compressed).unwrap();
            let ratio = slowest_to_fastest(&sweep(Rule::Ours, path, ring));
            println!("{} bytes: slowest/fastest {ratio:.2}", ring.bytes());
            assert!(ratio > 0.7, "{ratio}");
        }
    }
}

/// The same sweep finds the cliff where there is one: a reader that copies whole
/// messages and reports as the C peer does falls to half near the ring's
/// size. Were this not so, the test above would prove nothing.
#[test]
fn the_rule_of_the_c_peer_has_the_cliff() {
    let ring = RingSize::from_compressed(4).unwrap();
    let ratio = slowest_to_fastest(&sweep(Rule::CPeer, RACK, ring));
    println!("slowest/fastest {ratio:.2}");
    assert!(ratio < 0.55, "{ratio}");
}

/// On a fast path a message costs less than ends that wait for each other.
#[test]
fn a_fast_path_is_kept_busy() {
    for path in [RACK, SLOW_WIRE] {
        let ring = RingSize::from_compressed(2).unwrap();
        let [ours, c] = [Rule::Ours, Rule::CPeer].map(|rule| {
            let outcomes = sweep(rule, path, ring);
            mean(&outcomes, |outcome| outcome.rate)
        });
        println!("bytes per microsecond: {ours:.0}, as the C peer {c:.0}");
        assert!(ours > 1.2 * c, "{ours} {c}");
    }
}

/// On a slow one messages are few, and nothing is lost by that.
#[test]
fn on_a_slow_path_messages_are_few() {
    for compressed in [2, 3] {
        let ring = RingSize::from_compressed(compressed).unwrap();
        let [(rate, messages), (c_rate, c_messages)] = [Rule::Ours, Rule::CPeer].map(|rule| {
            let outcomes = sweep(rule, SOFT, ring);
            let messages = |outcome: &Outcome| outcome.writes_per_ring + outcome.updates_per_ring;
            (
                mean(&outcomes, |outcome| outcome.rate),
                mean(&outcomes, messages),
            )
        });
        println!("{rate:.2} with {messages:.1}, as the C peer {c_rate:.2} with {c_messages:.1}");
        assert!(rate > c_rate, "{rate} {c_rate}");
        assert!(messages < 0.9 * c_messages, "{messages} {c_messages}");
    }
}

/// The window doesn't get silly: at most five reports for a ring full of data,
/// whatever the message size.
#[test]
fn reports_are_few() {
    let ring = RingSize::from_compressed(2).unwrap();
    for path in [RACK, SLOW_WIRE] {
        for outcome in sweep(Rule::Ours, path, ring) {
            assert!(
                outcome.updates_per_ring <= 5.0,
                "{}",
                outcome.updates_per_ring
            );
        }
    }
}

/// A reader that keeps up with a trickle is not made to report every message: the
/// sender sees more than half the ring free until half of it has been used.
#[test]
fn a_trickle_is_reported_every_half_ring() {
    let ring = RingSize::MIN;
    let mut tx = TxRing::new(ring, ring);
    let mut rx = RxRing::new(ring);
    let mut updates = 0;
    for _ in 0..ring.bytes() {
        tx.wrote(10).expect("room");
        tx.plan(u32::MAX).expect("room at the peer").commit();
        let report = tx.report();
        tx.reported(report.ticket);
        tx.complete(report.ticket);
        rx.on_cdc(report.producer, report.flags, UrgentMode::Inline)
            .expect("in bounds");
        rx.consume(10, UrgentMode::Inline).expect("arrived");
        if rx.update_due() {
            let report = rx.report();
            rx.reported(report.ticket);
            tx.on_consumer(report.consumer).expect("in bounds");
            updates += 1;
        }
    }
    // Ten rings of data.
    assert!((18..=20).contains(&updates), "{updates}");
}
