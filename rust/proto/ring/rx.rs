// SPDX-License-Identifier: GPL-2.0

//! The receive half of a connection.

use super::{Pieces, ProducerFlags, Spans, TooMany};
use crate::cursor::{Cursor, CursorError, RawCursor, RingSize, Step};

/// How the application wants its urgent byte (`SO_OOBINLINE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrgentMode {
    /// As part of the stream.
    Inline,
    /// By `MSG_OOB` alone; the stream goes on without it.
    OutOfBand,
}

/// Why there is no urgent byte to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrgentRefused {
    /// There is none, it was read already, or it is part of the stream.
    Absent,
    /// The peer has announced one, and it has not arrived (RFC 7609 §4.7.6).
    NotYet,
}

/// What a CDC message brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RxOutcome {
    /// Bytes that became readable or are the urgent one.
    pub arrived: u32,
    /// An urgent byte arrived at this offset of the ring: hand its value to
    /// [`RxRing::keep_urgent`] under the same lock, and signal the application.
    pub urgent_at: Option<u32>,
    /// The peer announced urgent data that is still to come: signal the
    /// application, whose reading makes room for it.
    pub urgent_announced: bool,
}

/// Names the newest byte that a posted CDC message reports as consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RxTicket {
    consumed: u64,
    demands: u32,
}

/// The consumer's part of a CDC message that is about to be posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RxReport {
    /// The consumer cursor.
    pub consumer: RawCursor,
    /// For [`RxRing::reported`] after posting.
    pub ticket: RxTicket,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Urgent {
    /// The stream position after the urgent byte.
    mark: u64,
    /// The byte, until it is read.
    byte: Option<u8>,
}

/// The receive half of a connection: our element, which the peer writes to.
///
/// A byte goes through four cursors, each a count of bytes since the connection
/// began: *produced* by the peer, *read* by the application, *consumed*, which
/// means that nobody looks at its place any more, and *reported* to the peer, which
/// may then write its place again. Bytes that were copied are consumed when they
/// are read; bytes that were handed out in place ([`RxRing::take`]) when they are
/// given back, and all that were read after them no sooner.
///
/// # When the peer is told
///
/// Every CDC message carries the consumer cursor. One of its own is due
/// ([`RxRing::update_due`]) when
///
/// - the peer asked for it, or an urgent byte was consumed; or
/// - a fifth of the ring was consumed since the last report, and the peer said that
///   it is blocked or sees less than half of the ring free. On a link that others send
///   on as well ([`Pieces`]) it is half of the ring, or 64 KiB if that is less; on one
///   that is slow a fifth, too, but at the end of each half, whatever the peer sees.
///
/// That is RFC 7609 §4.5.1 but for a peer that is blocked: it would be told of any
/// byte that is consumed, and windows would get silly. Here the share counts there,
/// too. It never leaves a sender waiting: if nothing is left to read and no report
/// is due, then the last report left at least half of the ring free. (So nobody may
/// wait for more than half a ring to be there at once.) The RFC has a tenth:
/// each report is a message that both ends have work with, and what it makes room for
/// is sent by one more.
///
/// The rule alone leaves a cliff: a reader that takes a message of nearly the
/// ring's size in one copy reports when the copy is over, and the sender stands
/// still meanwhile; throughput halves whenever the message size comes near a
/// multiple of the ring. So a reader consumes in steps of [`RxRing::step`], and
/// asks after each whether to report.
///
/// # Invariants
///
/// - `reported <= granted <= consumed <= read <= produced <= granted + size`, where
///   `granted` is the newest position that any CDC message may have reported.
/// - `consumed == held` if bytes are held, else `consumed == read`.
/// - The cursors are these counts modulo the ring.
#[derive(Debug)]
pub struct RxRing {
    produced: u64,
    read: u64,
    consumed: u64,
    granted: u64,
    reported: u64,
    producer: Cursor,
    reader: Cursor,
    consumer: Cursor,
    /// The first byte that was handed out in place and not given back.
    held: Option<u64>,
    blocked: bool,
    /// Demands for an immediate report: made so far, and met by a posted one.
    demands: u32,
    demands_met: u32,
    urgent: Option<Urgent>,
    /// The stream position after the last urgent byte, while it is not consumed.
    owed_at: Option<u64>,
    /// The peer announced urgent data that has not arrived.
    urgent_pending: bool,
    /// Bytes were thrown away unread.
    discarded: bool,
    /// How much is read for one report.
    pieces: Pieces,
}

impl RxRing {
    /// The receive half of a new connection with an element of `size` bytes.
    pub const fn new(size: RingSize) -> Self {
        Self {
            produced: 0,
            read: 0,
            consumed: 0,
            granted: 0,
            reported: 0,
            producer: Cursor::start(size),
            reader: Cursor::start(size),
            consumer: Cursor::start(size),
            held: None,
            blocked: false,
            demands: 0,
            demands_met: 0,
            urgent: None,
            owed_at: None,
            urgent_pending: false,
            discarded: false,
            pieces: Pieces::Quarters,
        }
    }

    /// The size of the element's ring.
    pub const fn size(&self) -> RingSize {
        self.producer.size()
    }

    /// What kind of link the connection is on, and thereby how much is to be read for one
    /// report from now on.
    pub fn set_link(&mut self, slow: bool, shared: bool) {
        self.pieces = Pieces::of(slow, shared, true);
    }

    /// The bytes a reader should copy before it calls [`RxRing::consume`], so that
    /// the peer gets its room back while a large copy goes on; always worth a report.
    pub const fn step(&self) -> u32 {
        match self.pieces {
            Pieces::Quarters => Pieces::Quarters.bytes(self.size()),
            Pieces::Halves | Pieces::Wholes => Pieces::Wholes.bytes(self.size()),
        }
    }

    /// Takes the producer cursor and flags of a CDC message.
    ///
    /// # Errors
    ///
    /// A cursor beyond the room that the peer was granted, or that is none (see
    /// [`CursorError`]): abort the connection. The ring is unchanged.
    pub fn on_cdc(
        &mut self,
        raw: RawCursor,
        flags: ProducerFlags,
        mode: UrgentMode,
    ) -> Result<RxOutcome, CursorError> {
        // The peer knows of no room but what was reported to it.
        let limit = self.granted.wrapping_add(self.size().bytes().into());
        let arrived = match self.producer.step_to(raw, distance(self.produced, limit))? {
            Step::Forward(bytes) => bytes,
            Step::Stale => 0,
        };
        self.produced = self.produced.wrapping_add(arrived.into());
        self.producer = self.producer.advanced(arrived);
        self.blocked = flags.write_blocked;
        if flags.consumer_update_requested {
            self.demand();
        }

        let urgent_at = if arrived > 0 && flags.urgent_present {
            // The byte before the cursor (RFC 7609 §4.7.5). An older one that is
            // still unread becomes an ordinary byte, as in TCP.
            self.urgent = Some(Urgent {
                mark: self.produced,
                byte: None,
            });
            self.owed_at = Some(self.produced);
            self.urgent_pending = false;
            Some(self.producer.retreated(1).offset())
        } else {
            None
        };
        let urgent_announced = flags.urgent_pending
            && !flags.urgent_present
            && !core::mem::replace(&mut self.urgent_pending, true);
        if !flags.urgent_pending {
            self.urgent_pending = false;
        }
        self.skip_urgent(mode);
        Ok(RxOutcome {
            arrived,
            urgent_at,
            urgent_announced,
        })
    }

    /// Keeps the value of the urgent byte that [`RxRing::on_cdc`] located: its
    /// place in the ring may be written again soon.
    pub fn keep_urgent(&mut self, byte: u8) {
        if let Some(urgent) = &mut self.urgent {
            urgent.byte = Some(byte);
        }
    }

    /// The urgent byte, for `MSG_OOB`. It can be read once, unless `peek`.
    ///
    /// # Errors
    ///
    /// [`UrgentRefused`] if there is none.
    pub fn take_urgent(&mut self, peek: bool, mode: UrgentMode) -> Result<u8, UrgentRefused> {
        if mode == UrgentMode::OutOfBand {
            if let Some(urgent) = &mut self.urgent {
                if let Some(byte) = urgent.byte {
                    if !peek {
                        urgent.byte = None;
                    }
                    return Ok(byte);
                }
            }
            if self.urgent_pending {
                return Err(UrgentRefused::NotYet);
            }
        }
        Err(UrgentRefused::Absent)
    }

    /// Whether the next byte read is the urgent one, or the first after it
    /// (`SIOCATMARK`).
    pub fn at_mark(&self) -> bool {
        matches!(self.urgent, Some(urgent)
            if self.read == urgent.mark || self.read == urgent.mark.wrapping_sub(1))
    }

    /// Whether an urgent byte waits to be read by `MSG_OOB` (`POLLPRI`).
    pub fn urgent_waiting(&self) -> bool {
        matches!(self.urgent, Some(Urgent { byte: Some(_), .. }))
    }

    /// Bytes that one read may return: as many as have arrived, but a read stops
    /// before an urgent byte.
    pub fn readable(&self, mode: UrgentMode) -> u32 {
        self.readable_from(self.read, mode).1
    }

    /// All bytes that arrived and are not read, an urgent one included.
    pub const fn unread(&self) -> u32 {
        distance(self.read, self.produced)
    }

    /// Throws away everything that has arrived: the application is gone. Returns the
    /// number of bytes. Ask [`RxRing::update_due`] after it.
    pub fn discard(&mut self) -> u32 {
        let bytes = self.unread();
        if bytes > 0 {
            self.advance(bytes);
            self.discarded = true;
            self.urgent = None;
        }
        bytes
    }

    /// Whether the application did not read all the data that arrived: a close that
    /// loses data becomes an abort (RFC 7609 §4.8.1).
    pub const fn loses_data(&self) -> bool {
        self.discarded || self.unread() > 0
    }

    /// How much room the next report has for a peer that waits for it.
    pub const fn awaited(&self) -> u32 {
        if self.blocked {
            distance(self.reported, self.consumed)
        } else {
            0
        }
    }

    /// The stream position after all that has come.
    pub const fn arrived(&self) -> u64 {
        self.produced
    }

    /// The stream position after the first byte that the peer has not been told of room
    /// for.
    pub fn beyond_window(&self) -> u64 {
        let size = u64::from(self.size().bytes());
        self.reported.wrapping_add(size + 1)
    }

    /// Whether the peer's last message said that it is blocked.
    pub const fn peer_blocked(&self) -> bool {
        self.blocked
    }

    /// Where bytes to read lie: at most `max`, from `peeked` bytes beyond the
    /// first unread one (0 unless the reader peeks).
    pub fn read_spans(&self, peeked: u32, max: u32, mode: UrgentMode) -> Spans {
        let from = self.read.wrapping_add(peeked.min(self.unread()).into());
        let (skip, len) = self.readable_from(from, mode);
        let offset = self
            .reader
            .advanced(distance(self.read, from) + skip)
            .offset();
        Spans::new(self.size(), offset, len.min(max))
    }

    /// The application has copied `bytes` from the front of
    /// [`RxRing::read_spans`]. Ask [`RxRing::update_due`] after it.
    ///
    /// # Errors
    ///
    /// [`TooMany`] if there were not so many to read.
    pub fn consume(&mut self, bytes: u32, mode: UrgentMode) -> Result<(), TooMany> {
        let (skip, readable) = self.readable_from(self.read, mode);
        if bytes > readable {
            return Err(TooMany);
        }
        if bytes > 0 {
            self.advance(skip + bytes);
            if matches!(self.urgent, Some(urgent) if self.read > urgent.mark) {
                // Reading beyond the mark forgets the byte, as in TCP.
                self.urgent = None;
            }
        }
        self.skip_urgent(mode);
        Ok(())
    }

    /// The application gets `bytes`, at least one, from the front of
    /// [`RxRing::read_spans`] in place, without a copy. The peer may not write to
    /// their places before [`RxRing::give_back`]. Returns the stream position of
    /// the first.
    ///
    /// # Errors
    ///
    /// [`TooMany`] if there were not so many to read.
    pub fn take(&mut self, bytes: u32, mode: UrgentMode) -> Result<u64, TooMany> {
        let (skip, readable) = self.readable_from(self.read, mode);
        if bytes == 0 || bytes > readable {
            return Err(TooMany);
        }
        let first = self.read.wrapping_add(skip.into());
        let held = self.held;
        self.held = Some(held.unwrap_or(first));
        self.consume(bytes, mode)?;
        Ok(first)
    }

    /// Of the bytes handed out by [`RxRing::take`], `first` is now the lowest one
    /// whose place is still in use; `None`: none is. Ask [`RxRing::update_due`]
    /// after it.
    pub fn give_back(&mut self, first: Option<u64>) {
        self.held = match (self.held, first) {
            (Some(held), Some(first)) => Some(first.clamp(held, self.read)),
            _ => None,
        };
        self.free();
    }

    /// Whether bytes are handed out in place.
    pub const fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// Whether a CDC message is due for the consumer's sake; see [`RxRing`].
    pub const fn update_due(&self) -> bool {
        if self.demands != self.demands_met {
            return true;
        }
        let size = self.size().bytes();
        let peer_sees = size.saturating_sub(distance(self.reported, self.produced));
        let gained = distance(self.reported, self.consumed);
        let (step, half) = (self.pieces.bytes(self.size()), size / 2);
        let needed = self.blocked || peer_sees < half;
        let due = match self.pieces {
            Pieces::Quarters => needed,
            // Not in the same piece.
            Pieces::Halves => {
                self.consumed & !(step as u64 - 1) != self.reported & !(step as u64 - 1)
            }
            Pieces::Wholes if step < half => needed && gained >= step,
            Pieces::Wholes => needed && gained >= half,
        };
        due && gained >= size / 5
    }

    /// Where the peer writes next and this end reads next, and what the peer has
    /// said of its writing lately, for diagnostics.
    pub const fn places(&self) -> (RawCursor, RawCursor, ProducerFlags) {
        let flags = ProducerFlags {
            write_blocked: self.blocked,
            urgent_pending: self.urgent_pending,
            urgent_present: false,
            consumer_update_requested: false,
        };
        (self.producer.raw(), self.consumer.raw(), flags)
    }

    /// The consumer's part of the next CDC message. Call [`RxRing::reported`] once
    /// it is posted.
    pub fn report(&mut self) -> RxReport {
        // From here on the peer may count on this room, so its cursor may move
        // into it.
        self.granted = self.consumed;
        RxReport {
            consumer: self.consumer.raw(),
            ticket: RxTicket {
                consumed: self.consumed,
                demands: self.demands,
            },
        }
    }

    /// The message of that report has been posted. (If posting failed, don't call
    /// this: what was due stays due.)
    pub fn reported(&mut self, ticket: RxTicket) {
        self.reported = self.reported.max(ticket.consumed);
        self.demands_met = ticket.demands;
    }

    /// The connection has moved to another link: the last reports may be lost, so
    /// one is due.
    pub fn fail_over(&mut self) {
        self.demand();
    }

    fn demand(&mut self) {
        self.demands = self.demands.wrapping_add(1);
    }

    /// Bytes to skip and bytes to read from the stream position `from`, which is
    /// in `read..=produced`.
    fn readable_from(&self, from: u64, mode: UrgentMode) -> (u32, u32) {
        let all = distance(from, self.produced);
        match self.urgent {
            Some(urgent) if from < urgent.mark => {
                let before = distance(from, urgent.mark).saturating_sub(1);
                match mode {
                    _ if before > 0 => (0, before),
                    UrgentMode::Inline => (0, all),
                    // The byte is in the way of what follows it.
                    UrgentMode::OutOfBand => (1, all.saturating_sub(1)),
                }
            }
            _ => (0, all),
        }
    }

    /// Takes an urgent byte that is next out of the stream.
    fn skip_urgent(&mut self, mode: UrgentMode) {
        let next = matches!(self.urgent, Some(urgent)
            if self.read.wrapping_add(1) == urgent.mark);
        if next && mode == UrgentMode::OutOfBand {
            self.advance(1);
        }
    }

    /// Reads `bytes`, at most those unread.
    fn advance(&mut self, bytes: u32) {
        self.read = self.read.wrapping_add(bytes.into());
        self.reader = self.reader.advanced(bytes);
        self.free();
    }

    /// Consumes what was read and is not held.
    fn free(&mut self) {
        let to = self.held.unwrap_or(self.read);
        let bytes = distance(self.consumed, to);
        self.consumed = self.consumed.wrapping_add(bytes.into());
        self.consumer = self.consumer.advanced(bytes);
        // The peer sends nothing more until it knows that the urgent byte was
        // consumed (RFC 7609 §4.7.5, `urg_tx_pend` of the C peer).
        if self.owed_at.is_some_and(|mark| mark <= self.consumed) {
            self.owed_at = None;
            self.demand();
        }
    }
}

/// The bytes from `from` to `to`, which the invariants keep within one ring.
const fn distance(from: u64, to: u64) -> u32 {
    to.saturating_sub(from) as u32
}

#[cfg(test)]
#[path = "rx_tests.rs"]
mod tests;
