// SPDX-License-Identifier: GPL-2.0

//! Rings with real memory behind them, and rings that face a hostile peer.
//!
//! [`Model`] is one direction of a connection: a send buffer, a queue pair that
//! executes work requests in order and late, the peer's element, and the CDC
//! messages both ways. It panics if a byte is lost, duplicated or overwritten, or
//! if data and room exist and nobody is due to do anything.

use smc_proto::cursor::{Cursor, RawCursor, RingSize, Step};
use smc_proto::ring::{
    CdcSequence, ProducerFlags, RxRing, Span, Spans, TxReport, TxRing, TxTicket, UrgentMode,
};
use std::collections::VecDeque;
use std::sync::OnceLock;

/// A work request of the sender's queue pair.
enum Work {
    Write { remote: usize, local: Spans },
    Cdc(TxReport),
}

/// One direction of a connection.
pub struct Model {
    tx: TxRing,
    rx: RxRing,
    mode: UrgentMode,
    send_buffer: Vec<u8>,
    element: Vec<u8>,
    written: u64,
    arrived: u64,
    read: u64,
    /// Bytes handed out in place: where they begin in the stream, and where they
    /// are.
    held: Vec<(u64, Spans)>,
    /// Stream positions of urgent bytes, oldest first.
    urgent: VecDeque<u64>,
    queue_pair: VecDeque<Work>,
    to_receiver: VecDeque<TxReport>,
    completions: VecDeque<TxTicket>,
    to_sender: VecDeque<RawCursor>,
    sequence: CdcSequence,
    /// Consumer updates that were sent on their own.
    pub updates: u64,
}

/// The stream: noise that repeats after a prime number of bytes, so that it looks
/// different one ring further on, whatever the size of the ring.
struct Stream(Vec<u8>);

impl Stream {
    const PERIOD: usize = 65_521;

    fn get() -> &'static Self {
        static STREAM: OnceLock<Stream> = OnceLock::new();
        STREAM.get_or_init(|| {
            let noise = |n: u64| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
            Self((0..Self::PERIOD as u64).map(noise).collect())
        })
    }

    fn byte(&self, position: u64) -> u8 {
        self.0[(position % Self::PERIOD as u64) as usize]
    }

    /// Runs over `len` bytes from `position` in contiguous pieces: where a piece
    /// starts in the run, and its bytes.
    fn pieces(&self, position: u64, len: usize) -> impl Iterator<Item = (usize, &[u8])> {
        let mut at = (position % Self::PERIOD as u64) as usize;
        let mut done = 0;
        std::iter::from_fn(move || {
            let piece = (len - done).min(Self::PERIOD - at);
            let item = (done, &self.0[at..at + piece]);
            at = 0;
            done += piece;
            (piece > 0).then_some(item)
        })
    }

    fn fill(&self, position: u64, memory: &mut [u8]) {
        for (at, piece) in self.pieces(position, memory.len()) {
            memory[at..at + piece.len()].copy_from_slice(piece);
        }
    }

    fn check(&self, position: u64, memory: &[u8]) {
        for (at, piece) in self.pieces(position, memory.len()) {
            assert!(
                memory[at..at + piece.len()] == *piece,
                "bytes after {position} are wrong"
            );
        }
    }
}

fn range(span: Span) -> std::ops::Range<usize> {
    span.offset as usize..(span.offset + span.len) as usize
}

impl Model {
    /// A new connection.
    pub fn new(local: RingSize, peer: RingSize, mode: UrgentMode) -> Self {
        Self {
            tx: TxRing::new(local, peer),
            rx: RxRing::new(peer),
            mode,
            send_buffer: vec![0; local.bytes() as usize],
            element: vec![0; peer.bytes() as usize],
            written: 0,
            arrived: 0,
            read: 0,
            held: Vec::new(),
            urgent: VecDeque::new(),
            queue_pair: VecDeque::new(),
            to_receiver: VecDeque::new(),
            completions: VecDeque::new(),
            to_sender: VecDeque::new(),
            sequence: CdcSequence::new(),
            updates: 0,
        }
    }

    /// The application writes up to `max` bytes.
    pub fn write(&mut self, max: u32, urgent: bool) -> u32 {
        let spans = self.tx.write_spans(max);
        assert_eq!(spans.len(), max.min(self.tx.writable()));
        let mut position = self.written;
        for span in spans.iter() {
            Stream::get().fill(position, &mut self.send_buffer[range(span)]);
            position += u64::from(span.len);
        }
        self.tx.wrote(spans.len()).expect("there was room");
        self.written = position;
        if urgent && !spans.is_empty() && self.tx.mark_urgent().is_ok() {
            self.urgent.push_back(position - 1);
        }
        spans.len()
    }

    /// The sender posts what it can, at most `max` bytes, and a message if due.
    pub fn post(&mut self, max: u32) -> bool {
        let mut busy = false;
        if let Some(plan) = self.tx.plan(max) {
            let total: u32 = plan.writes().map(|write| write.local.len()).sum();
            assert_eq!(total, plan.bytes());
            for write in plan.writes() {
                self.queue_pair.push_back(Work::Write {
                    remote: write.remote_offset as usize,
                    local: write.local,
                });
            }
            plan.commit();
            busy = true;
        }
        if self.tx.report_due() {
            let report = self.tx.report();
            self.tx.reported(report.ticket);
            assert!(!self.tx.report_due(), "one message says it all");
            self.queue_pair.push_back(Work::Cdc(report));
            busy = true;
        }
        busy
    }

    /// A message that can't be posted: no work request is free.
    pub fn fail_to_post(&mut self) {
        let due = self.tx.report_due();
        let _ = self.tx.report();
        assert_eq!(self.tx.report_due(), due, "it is still due");
        let due = self.rx.update_due();
        let _ = self.rx.report();
        assert_eq!(self.rx.update_due(), due, "it is still due");
    }

    /// The device executes the next work request, reading and writing memory now.
    pub fn execute(&mut self) -> bool {
        match self.queue_pair.pop_front() {
            Some(Work::Write { remote, local }) => {
                let mut to = remote;
                for span in local.iter() {
                    let len = span.len as usize;
                    self.element[to..to + len].copy_from_slice(&self.send_buffer[range(span)]);
                    to += len;
                }
                true
            }
            Some(Work::Cdc(report)) => {
                self.completions.push_back(report.ticket);
                self.to_receiver.push_back(report);
                true
            }
            None => false,
        }
    }

    /// The sender takes a completion.
    pub fn complete(&mut self) -> bool {
        let Some(ticket) = self.completions.pop_front() else {
            return false;
        };
        let room = self.tx.writable();
        let freed = self.tx.complete(ticket);
        assert_eq!(self.tx.writable(), room + freed);
        assert_eq!(self.tx.complete(ticket), 0, "a ticket frees bytes once");
        true
    }

    /// The receiver takes a CDC message.
    pub fn deliver(&mut self) -> bool {
        let Some(report) = self.to_receiver.pop_front() else {
            return false;
        };
        assert!(self.sequence.accept(report.seqno));
        let outcome = self
            .rx
            .on_cdc(report.producer, report.flags, self.mode)
            .expect("a sender that keeps to the protocol");
        self.arrived += u64::from(outcome.arrived);
        if let Some(offset) = outcome.urgent_at {
            let byte = self.element[offset as usize];
            let mark = *self.urgent.front().expect("an urgent byte was sent");
            assert_eq!(byte, Stream::get().byte(mark));
            self.rx.keep_urgent(byte);
        }
        self.pass_urgent();
        true
    }

    /// Accounts for an urgent byte that left the stream.
    fn pass_urgent(&mut self) {
        let consumed = self.arrived - u64::from(self.rx.unread());
        if consumed > self.read {
            assert_eq!(self.mode, UrgentMode::OutOfBand);
            assert_eq!(consumed, self.read + 1);
            assert_eq!(self.urgent.pop_front(), Some(self.read));
            assert!(self.rx.at_mark());
            self.read = consumed;
        }
        assert_eq!(consumed, self.read);
    }

    /// What lies there is what was written from `position` on; gives the position
    /// behind it.
    fn check_bytes(&self, mut position: u64, spans: &Spans) -> u64 {
        for span in spans.iter() {
            Stream::get().check(position, &self.element[range(span)]);
            position += u64::from(span.len);
        }
        position
    }

    /// The application copies up to `max` bytes.
    pub fn read(&mut self, max: u32) -> u32 {
        self.read_or_take(max, false)
    }

    /// The application gets up to `max` bytes in place.
    pub fn take(&mut self, max: u32) -> u32 {
        self.read_or_take(max, true)
    }

    fn read_or_take(&mut self, max: u32, in_place: bool) -> u32 {
        let spans = self.rx.read_spans(0, max, self.mode);
        assert_eq!(spans.len(), max.min(self.rx.readable(self.mode)));
        let position = self.check_bytes(self.read, &spans);
        if let Some(mark) = self.urgent.front() {
            assert!(
                *mark <= self.read || position <= *mark,
                "a read stops before the urgent byte"
            );
        }
        if in_place && !spans.is_empty() {
            let first = self.rx.take(spans.len(), self.mode).expect("as offered");
            assert_eq!(first, self.read);
            self.held.push((first, spans));
        } else {
            self.rx.consume(spans.len(), self.mode).expect("as offered");
        }
        self.read = position;
        if self.mode == UrgentMode::Inline {
            while self.urgent.front().is_some_and(|mark| *mark < self.read) {
                self.urgent.pop_front();
            }
        }
        self.pass_urgent();
        spans.len()
    }

    /// The application is done with some of what it has in place, which nobody has
    /// written since.
    pub fn give_back(&mut self, which: usize) {
        if self.held.is_empty() {
            return;
        }
        let (position, spans) = self.held.remove(which % self.held.len());
        self.check_bytes(position, &spans);
        self.rx.give_back(self.held.iter().map(|held| held.0).min());
    }

    /// The application looks at bytes beyond the first without taking them.
    pub fn peek(&mut self, skip: u32, max: u32) {
        if self.mode == UrgentMode::OutOfBand && !self.urgent.is_empty() {
            return;
        }
        let skip = skip.min(self.rx.readable(self.mode));
        let spans = self.rx.read_spans(skip, max, self.mode);
        self.check_bytes(self.read + u64::from(skip), &spans);
    }

    /// The receiver reports, if it is due or `anyway` (with a message of its own).
    pub fn update(&mut self, anyway: bool) -> bool {
        let due = self.rx.update_due();
        if !due && !anyway {
            return false;
        }
        let report = self.rx.report();
        self.rx.reported(report.ticket);
        assert!(!self.rx.update_due(), "one message says it all");
        self.to_sender.push_back(report.consumer);
        self.updates += u64::from(due);
        due
    }

    /// Either end sees what its link is like: slow, shared; and a writer waits or not.
    pub fn set_links(&mut self, how: u8) {
        if how & 1 != 0 {
            self.tx.set_stream();
        }
        self.tx.set_link(how & 2 != 0, how & 4 != 0);
        self.rx.set_link(how & 8 != 0, how & 16 != 0);
    }

    /// The sender takes a consumer cursor.
    pub fn acknowledge(&mut self) -> bool {
        let Some(cursor) = self.to_sender.pop_front() else {
            return false;
        };
        let space = self.tx.peer_space();
        let outcome = self
            .tx
            .on_consumer(cursor)
            .expect("a receiver that keeps to the protocol");
        assert!(self.tx.peer_space() <= space + outcome.opened);
        true
    }

    /// The connection moves to another link: of what was under way, so many work
    /// requests, messages and completions still made it.
    pub fn fail_over(&mut self, executed: usize, reports: usize, completed: usize) {
        for _ in 0..executed {
            self.execute();
        }
        self.queue_pair.clear();
        for _ in 0..completed {
            self.complete();
        }
        // Completions that are late, from the old link, are handed in below.
        let late: Vec<_> = self.completions.drain(..).collect();
        self.to_sender.truncate(reports);
        let seqno = self.tx.fail_over();
        self.rx.fail_over();
        // What completed has arrived: the device delivers before it completes.
        while self.deliver() {}
        assert_eq!(self.sequence.validate(seqno), Ok(()));
        for ticket in late {
            assert_eq!(self.tx.complete(ticket), 0);
            self.tx.reported(ticket);
        }
    }

    /// Checks what must hold at every moment.
    pub fn check(&self) {
        let tx = &self.tx;
        assert!(tx.unsent() + tx.in_flight() + tx.writable() == tx.local().bytes());
        assert!(tx.peer_space() <= tx.peer().bytes());
        assert!(self.rx.unread() <= self.rx.size().bytes());
        assert!(self.rx.readable(self.mode) <= self.rx.unread());
        assert_eq!(self.rx.holds(), !self.held.is_empty());
    }

    /// Everybody does only what is due, until nothing is. Then every byte written
    /// must have been read.
    pub fn settle(&mut self) {
        while !self.held.is_empty() {
            self.give_back(0);
        }
        loop {
            let mut busy = self.post(self.tx.most(false));
            while self.execute() || self.complete() || self.deliver() {
                busy = true;
            }
            // The reader follows its step, and reports when it is due.
            while self.read(self.rx.step()) > 0 {
                busy = true;
                self.update(false);
            }
            busy |= self.update(false);
            while self.acknowledge() {
                busy = true;
            }
            if !busy {
                break;
            }
        }
        assert_eq!(self.tx.unsent(), 0, "sender stuck");
        assert_eq!(self.tx.in_flight(), 0);
        assert_eq!(self.read, self.written, "bytes missing");
    }
}

/// Takes numbers off the front of the input; 0 when it is used up.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn word(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    /// A length that is small, near a multiple of an eighth of the ring, or large.
    fn length(&mut self, ring: RingSize) -> u32 {
        let (kind, fine) = (self.byte(), self.byte());
        let eighths = ring.bytes() / 8 * u32::from(kind & 15);
        match kind >> 6 {
            0 => fine.into(),
            1 => eighths.saturating_sub(fine.into()),
            2 => eighths + u32::from(fine),
            _ => eighths,
        }
    }
}

/// One of four small sizes.
fn size(selector: u8) -> RingSize {
    let compressed = selector & 1;
    let size = if selector & 2 == 0 {
        RingSize::from_compressed(compressed)
    } else {
        RingSize::dmbe_from_compressed(compressed)
    };
    size.expect("0 and 1 are sizes")
}

/// Two well-behaved ends under any interleaving.
pub fn run_model(data: &[u8]) {
    let mut input = Input(data);
    let sizes = input.byte();
    let mode = if input.byte() & 1 == 0 {
        UrgentMode::Inline
    } else {
        UrgentMode::OutOfBand
    };
    let (local, peer) = (size(sizes), size(sizes >> 2));
    let mut model = Model::new(local, peer, mode);
    while !input.0.is_empty() {
        match input.byte() % 19 {
            0..=2 => drop(model.write(input.length(local), false)),
            3 => drop(model.write(input.length(local), true)),
            4..=5 => drop(model.post(input.length(peer))),
            6 => drop(model.post(u32::MAX)),
            7 => drop(model.execute()),
            8 => drop(model.complete()),
            9 => drop(model.deliver()),
            10 => drop(model.read(input.length(peer))),
            11 => drop(model.update(input.byte() & 1 == 0)),
            12 => drop(model.acknowledge()),
            13 => model.peek(input.length(peer), input.length(peer)),
            14 => model.fail_to_post(),
            16 => drop(model.take(input.length(peer))),
            17 => model.give_back(input.byte().into()),
            18 => model.set_links(input.byte()),
            _ => {
                let how = input.byte();
                model.fail_over(
                    usize::from(how & 7),
                    usize::from(how >> 3 & 3),
                    usize::from(how >> 5),
                );
            }
        }
        model.check();
    }
    model.settle();
}

/// One end whose peer sends whatever it likes: no cursor takes the ring beyond
/// its bounds, and one that is refused changes nothing.
pub fn run_hostile(data: &[u8]) {
    let mut input = Input(data);
    let sizes = input.byte();
    let (local, peer) = (size(sizes), size(sizes >> 2));
    let mut tx = TxRing::new(local, peer);
    let mut rx = RxRing::new(peer);
    let mut sequence = CdcSequence::new();
    let mut cursor = Cursor::start(peer);
    while !input.0.is_empty() {
        let kind = input.byte();
        let raw = if kind & 0x80 == 0 {
            // Near the truth, so that some are taken.
            cursor.advanced(input.length(peer)).raw()
        } else {
            let count = input.word();
            RawCursor {
                wrap: u16::from_le_bytes([input.byte(), input.byte()]),
                count,
            }
        };
        if let Ok(Step::Forward(bytes)) = cursor.step_to(raw, peer.bytes()) {
            cursor = cursor.advanced(bytes);
        }
        let bits = input.byte();
        let flags = ProducerFlags {
            write_blocked: bits & 1 != 0,
            urgent_pending: bits & 2 != 0,
            urgent_present: bits & 4 != 0,
            consumer_update_requested: bits & 8 != 0,
        };
        let mode = if bits & 16 != 0 {
            UrgentMode::Inline
        } else {
            UrgentMode::OutOfBand
        };
        match kind % 8 {
            0..=2 => {
                let before = rx.unread();
                match rx.on_cdc(raw, flags, mode) {
                    Ok(outcome) => {
                        if let Some(offset) = outcome.urgent_at {
                            assert!(offset < peer.bytes());
                            rx.keep_urgent(bits);
                            assert!(rx.urgent_waiting());
                        }
                    }
                    Err(error) => {
                        assert!(!error.reason().is_empty());
                        assert_eq!(rx.unread(), before);
                    }
                }
            }
            3 => {
                let before = tx.peer_space();
                if tx.on_consumer(raw).is_err() {
                    assert_eq!(tx.peer_space(), before);
                }
            }
            4 => {
                let spans = rx.read_spans(0, input.length(peer), mode);
                for span in spans.iter() {
                    assert!(span.offset + span.len <= peer.bytes());
                }
                if bits & 64 == 0 || spans.is_empty() {
                    assert_eq!(rx.consume(spans.len(), mode), Ok(()));
                } else {
                    assert!(rx.take(spans.len(), mode).is_ok());
                }
                if bits & 128 != 0 {
                    rx.give_back((bits & 64 == 0).then(|| input.word().into()));
                }
                if rx.update_due() {
                    let report = rx.report();
                    assert!(report.consumer.count < peer.bytes());
                    rx.reported(report.ticket);
                }
                let _ = rx.take_urgent(bits & 32 != 0, mode);
            }
            5 => {
                assert!(rx.consume(u32::MAX, mode).is_err());
                assert!(tx.wrote(u32::MAX).is_err());
                let spans = tx.write_spans(input.length(local));
                assert_eq!(tx.wrote(spans.len()), Ok(()));
                if bits & 32 != 0 {
                    let _ = tx.mark_urgent();
                }
                if let Some(plan) = tx.plan(input.length(peer)) {
                    for write in plan.writes() {
                        assert!(write.remote_offset + write.local.len() <= peer.bytes());
                    }
                    plan.commit();
                }
            }
            6 => {
                let report = tx.report();
                tx.reported(report.ticket);
                if bits & 64 != 0 {
                    tx.complete(report.ticket);
                }
            }
            _ => {
                let number = input.word() as u16;
                if bits & 1 == 0 {
                    let _ = sequence.accept(number);
                } else {
                    let _ = sequence.validate(number);
                }
                if bits & 0xe0 == 0xe0 {
                    tx.fail_over();
                    rx.fail_over();
                }
            }
        }
        assert!(tx.unsent() + tx.in_flight() + tx.writable() == local.bytes());
        assert!(tx.peer_space() <= peer.bytes());
        assert!(rx.unread() <= peer.bytes());
        assert!(rx.readable(mode) <= rx.unread());
    }
}

/// The fuzz target.
pub fn run(data: &[u8]) {
    match data.split_first() {
        Some((0..=127, rest)) => run_model(rest),
        Some((_, rest)) => run_hostile(rest),
        None => {}
    }
}
