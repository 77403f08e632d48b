// SPDX-License-Identifier: GPL-2.0

//! The send half of a connection.

use super::{Pieces, ProducerFlags, Spans, TooMany};
use crate::cursor::{Cursor, CursorError, RawCursor, RingSize, Step};

/// Most bytes that a connection has under way on a link that it has not for itself. A
/// link is one queue: what others send arrives behind these.
pub const SHARE: u32 = 128 << 10;

/// A connection that has no more than so many bytes to send does not wait for those that
/// have: see [`TxRing::is_sparse`].
const SPARSE: u32 = 8 << 10;

/// Urgent data can't be taken now: the peer has not consumed the last urgent
/// byte. It has room for one (RFC 7609 §4.7.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UrgentBusy;

/// What a consumer cursor from the peer brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConsumerOutcome {
    /// Bytes of room that opened in the peer's ring.
    pub opened: u32,
    /// There are bytes that can be posted now: run [`TxRing::plan`].
    pub(super) can_post: bool,
    /// The peer has consumed the urgent byte; a writer that waits to send
    /// another one can go on.
    pub urgent_done: bool,
}

/// One RDMA write: a contiguous piece of the peer's ring, gathered from one or
/// two pieces of the send buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RdmaWrite {
    /// Byte offset into the peer's ring (after the CDC area of an SMC-D element).
    pub remote_offset: u32,
    /// Where the bytes lie in the send buffer, in stream order.
    pub local: Spans,
}

/// Names the newest byte that a posted CDC message announces. When that message
/// completes, every byte up to it has left the send buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxTicket {
    posted: u64,
    epoch: u32,
    seqno: u16,
    urgent: UrgentTold,
}

/// The producer's part of a CDC message that is about to be posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxReport {
    /// The sequence number of the message.
    pub seqno: u16,
    /// The producer cursor, which covers every committed write.
    pub producer: RawCursor,
    /// The producer's flags; `consumer_update_requested` is never set.
    pub flags: ProducerFlags,
    /// For [`TxRing::reported`] after posting and [`TxRing::complete`] after the
    /// completion.
    pub ticket: TxTicket,
}

/// Where the cursors of a send half are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxPlaces {
    /// In the peer's ring: where the next byte goes.
    pub producer: RawCursor,
    /// In the peer's ring: up to where the peer has read.
    pub consumer: RawCursor,
    /// In the send buffer: up to where the application has written.
    pub written: RawCursor,
    /// In the send buffer: up to where it was posted.
    pub posted: RawCursor,
    /// In the send buffer: up to where it has left.
    pub completed: RawCursor,
}

/// How much the peer has been told of the urgent byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum UrgentTold {
    Nothing,
    Pending,
    Present,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Urgent {
    /// The stream position after the urgent byte.
    mark: u64,
    told: UrgentTold,
}

/// The send half of a connection: the local send buffer, and our view of the
/// peer's element.
///
/// A byte goes through five cursors, each a count of bytes since the connection
/// began: *written* by the application into the send buffer, *posted* as part of
/// an RDMA write, announced by a CDC message, *completed* by the device, which
/// frees its place in the send buffer, and *consumed* by the peer, which frees
/// its place in the peer's ring. The last two come in either order.
///
/// # Invariants
///
/// - `completed <= posted <= written <= completed + local size`
/// - `consumed <= posted <= consumed + peer size`
/// - `consumed <= told <= written`, where `told` is the newest byte that any CDC
///   message may have announced; `posted < told` only after a failover.
/// - The offsets and cursors are these counts modulo their ring.
#[derive(Debug)]
pub struct TxRing {
    local: RingSize,
    written: u64,
    posted: u64,
    completed: u64,
    consumed: u64,
    told: u64,
    /// The newest byte announced by a message that was posted.
    announced: u64,
    /// Where `written` and `posted` are in the send buffer.
    write_at: Cursor,
    post_at: Cursor,
    /// Where `posted` and `consumed` are in the peer's ring.
    producer: Cursor,
    consumer: Cursor,
    urgent: Option<Urgent>,
    /// How much goes with one message.
    pub(super) pieces: Pieces,
    /// A writer has waited for room, and not all has left since.
    stream: bool,
    /// Which link the connection is on: completions of an older one are void.
    epoch: u32,
    /// A message is owed whatever the cursors say: after a failover.
    owed: bool,
    seqno: u16,
    seqno_completed: u16,
}

impl TxRing {
    /// The send half of a new connection, with a send buffer of `local` bytes
    /// towards a peer whose element has `peer` bytes.
    pub const fn new(local: RingSize, peer: RingSize) -> Self {
        Self {
            local,
            written: 0,
            posted: 0,
            completed: 0,
            consumed: 0,
            told: 0,
            announced: 0,
            write_at: Cursor::start(local),
            post_at: Cursor::start(local),
            producer: Cursor::start(peer),
            consumer: Cursor::start(peer),
            urgent: None,
            pieces: Pieces::Quarters,
            stream: false,
            epoch: 0,
            owed: false,
            seqno: 0,
            seqno_completed: 0,
        }
    }

    /// What kind of link the connection is on, and thereby how much goes with one message
    /// from now on.
    pub fn set_link(&mut self, slow: bool, shared: bool) {
        self.pieces = Pieces::of(slow, shared, self.stream);
    }

    /// A writer waits for room: what it writes is a stream, until all has left. If it
    /// waits still then, say so again.
    pub fn set_stream(&mut self) {
        self.stream = true;
    }

    /// Bytes that the application may write now.
    pub const fn writable(&self) -> u32 {
        self.local.bytes() - distance(self.completed, self.written)
    }

    /// Bytes written and not yet posted. The connection is drained, and a close
    /// may be sent, when this is 0 and [`TxRing::report_due`] is false.
    pub const fn unsent(&self) -> u32 {
        distance(self.posted, self.written)
    }

    /// Bytes posted and not yet completed.
    pub const fn in_flight(&self) -> u32 {
        distance(self.completed, self.posted)
    }

    /// The stream positions between which the bytes are that are posted and not completed.
    pub const fn under_way(&self) -> (u64, u64) {
        (self.completed, self.posted)
    }

    /// Bytes of room in the peer's ring, as far as we know.
    pub const fn peer_space(&self) -> u32 {
        self.peer().bytes() - distance(self.consumed, self.posted)
    }

    /// Whether what is unsent has no room with the peer, which has less than half of its
    /// ring free: with what there is windows would get silly. Only to be minded while
    /// something is under way, as a reader may wait for all that there is room for.
    pub(super) const fn is_tight(&self) -> bool {
        let room = self.peer_space();
        room < self.unsent() && room < self.peer().bytes() / 2
    }

    /// Bytes that may be posted now on a link that other connections send on as well:
    /// [`SHARE`], less what is under way. There is a completion to ask again after if
    /// that is 0.
    pub(super) const fn share(&self) -> u32 {
        SHARE.saturating_sub(self.in_flight())
    }

    /// Whether all that has not left is little: what goes now does not make others wait,
    /// whatever is under way on the link, and is a request or an answer maybe.
    pub const fn is_sparse(&self) -> bool {
        distance(self.completed, self.written) <= SPARSE
    }

    /// Where the next byte goes in the peer's ring.
    pub(super) const fn producer(&self) -> Cursor {
        self.producer
    }

    /// The size of the send buffer.
    pub const fn local(&self) -> RingSize {
        self.local
    }

    /// The size of the peer's ring.
    pub const fn peer(&self) -> RingSize {
        self.producer.size()
    }

    /// Where the next bytes of the application go: at most `max` bytes, fewer if
    /// the send buffer has less room.
    pub const fn write_spans(&self, max: u32) -> Spans {
        let room = self.writable();
        let len = if max < room { max } else { room };
        Spans::new(self.local, self.write_at.offset(), len)
    }

    /// `bytes` have been copied to where [`TxRing::write_spans`] said.
    ///
    /// # Errors
    ///
    /// [`TooMany`] if there was no room for so many.
    pub fn wrote(&mut self, bytes: u32) -> Result<(), TooMany> {
        if bytes > self.writable() {
            return Err(TooMany);
        }
        self.written = self.written.wrapping_add(bytes.into());
        self.write_at = self.write_at.advanced(bytes);
        Ok(())
    }

    /// Whether urgent data would be taken now.
    pub const fn urgent_busy(&self) -> bool {
        self.urgent.is_some()
    }

    /// Makes the last byte written the urgent one, and holds back every byte after
    /// it until the peer has consumed it: the peer finds the urgent byte by the
    /// producer cursor (RFC 7609 §4.7.5), and a C peer counts on nothing being
    /// behind it (`smc_cdc_handle_urg_data_arrival`). Bytes written later wait in
    /// the send buffer.
    ///
    /// Call it under the same lock as the [`TxRing::wrote`] of that byte.
    ///
    /// # Errors
    ///
    /// [`UrgentBusy`] while an earlier urgent byte is not consumed, or if the byte
    /// has been posted already.
    pub fn mark_urgent(&mut self) -> Result<(), UrgentBusy> {
        if self.urgent.is_some() || self.written <= self.told.max(self.posted) {
            return Err(UrgentBusy);
        }
        self.urgent = Some(Urgent {
            mark: self.written,
            told: UrgentTold::Nothing,
        });
        Ok(())
    }

    /// The RDMA writes for as many bytes as there are, at most `max` of them.
    /// `None` if nothing can be posted.
    ///
    /// Dropping the plan changes nothing; [`WritePlan::commit`] says the writes
    /// are posted.
    pub fn plan(&mut self, max: u32) -> Option<WritePlan<'_>> {
        let len = self.postable().min(max);
        if len == 0 {
            return None;
        }
        Some(WritePlan { ring: self, len })
    }

    /// Whether a CDC message is due for the producer's sake: bytes that were
    /// posted and not announced, or an urgent byte that the peer should know of
    /// though the window is closed (RFC 7609 §4.7.6).
    pub fn report_due(&self) -> bool {
        self.owed || self.announced < self.posted || self.urgent_to_tell() > self.urgent_told()
    }

    /// The producer's part of the next CDC message. Post the message, on the same
    /// queue pair and after the writes it covers, before anything else is done
    /// with the ring; then call [`TxRing::reported`].
    ///
    /// Any CDC message carries these fields; one that goes out for another reason
    /// takes them from here too.
    pub fn report(&mut self) -> TxReport {
        // From here on the peer may know of these bytes, posted or not.
        self.told = self.told.max(self.posted);
        let urgent = self.urgent_to_tell();
        let seqno = self.seqno.wrapping_add(1);
        TxReport {
            seqno,
            producer: self.producer.raw(),
            flags: self.flags(),
            ticket: TxTicket {
                posted: self.posted,
                epoch: self.epoch,
                seqno,
                urgent,
            },
        }
    }

    /// The message of that report has been posted. (If posting failed, don't call
    /// this: the report stays due and its sequence number is used again.)
    pub fn reported(&mut self, ticket: TxTicket) {
        if ticket.epoch != self.epoch {
            return;
        }
        self.seqno = ticket.seqno;
        self.announced = ticket.posted;
        self.owed = false;
        if let Some(urgent) = &mut self.urgent {
            urgent.told = urgent.told.max(ticket.urgent);
        }
    }

    /// The message of that ticket has completed without error. Returns the bytes
    /// of the send buffer that became free.
    pub fn complete(&mut self, ticket: TxTicket) -> u32 {
        if ticket.epoch != self.epoch {
            return 0;
        }
        self.seqno_completed = ticket.seqno;
        // One queue pair completes in order; a ticket that comes twice frees
        // nothing. Tickets of this epoch never name bytes beyond `posted`.
        if ticket.posted <= self.completed {
            return 0;
        }
        let freed = distance(self.completed, ticket.posted);
        self.completed = ticket.posted;
        self.stream &= self.completed < self.written;
        freed
    }

    /// Takes the consumer cursor of a CDC message.
    ///
    /// # Errors
    ///
    /// A cursor that goes beyond the bytes the peer can know of, or that is none
    /// (see [`CursorError`]): abort the connection. The ring is unchanged.
    pub fn on_consumer(&mut self, raw: RawCursor) -> Result<ConsumerOutcome, CursorError> {
        let allowed = distance(self.consumed, self.told);
        let opened = match self.consumer.step_to(raw, allowed)? {
            Step::Stale | Step::Forward(0) => return Ok(ConsumerOutcome::default()),
            Step::Forward(bytes) => bytes,
        };
        self.consumer = self.consumer.advanced(opened);
        self.consumed = self.consumed.wrapping_add(opened.into());
        self.skip_consumed();
        let urgent_done = matches!(self.urgent, Some(urgent) if self.consumed >= urgent.mark);
        if urgent_done {
            self.urgent = None;
        }
        Ok(ConsumerOutcome {
            opened,
            can_post: self.postable() > 0,
            urgent_done,
        })
    }

    /// The connection has moved to another link: everything that is not known to
    /// have arrived is to be posted again (RFC 7609 §4.6.2). Returns the sequence
    /// number for the failover validation message (RFC 7609 §4.6.1), which must be
    /// the first message on the new link.
    ///
    /// The caller has drained the old queue pair first: no write of the old link
    /// may reach the peer's memory after this.
    pub fn fail_over(&mut self) -> u16 {
        self.epoch = self.epoch.wrapping_add(1);
        // What the peer consumed has arrived, whatever became of its completion.
        self.completed = self.completed.max(self.consumed);
        let back = distance(self.completed, self.posted);
        self.posted = self.completed;
        self.announced = self.completed;
        self.post_at = self.post_at.retreated(back);
        self.producer = self.producer.retreated(back);
        self.owed = true;
        if let Some(urgent) = &mut self.urgent {
            urgent.told = UrgentTold::Nothing;
        }
        self.seqno_completed
    }

    fn postable(&self) -> u32 {
        let until = match self.urgent {
            Some(urgent) => urgent.mark,
            None => self.written,
        };
        distance(self.posted, until).min(self.peer_space())
    }

    /// The flags of the next message.
    pub fn flags(&self) -> ProducerFlags {
        let urgent = self.urgent_to_tell();
        ProducerFlags {
            // A peer that knows that we wait reports sooner (RFC 7609 §4.7.3). A
            // write fills all the room there is, so there is something to wait for
            // exactly when there is none left.
            write_blocked: self.peer_space() == 0,
            urgent_pending: urgent >= UrgentTold::Pending,
            urgent_present: urgent == UrgentTold::Present,
            consumer_update_requested: false,
        }
    }

    /// Where the cursors are, for diagnostics.
    pub fn places(&self) -> TxPlaces {
        let completed = distance(self.completed, self.posted);
        TxPlaces {
            producer: self.producer.raw(),
            consumer: self.consumer.raw(),
            written: self.write_at.raw(),
            posted: self.post_at.raw(),
            completed: self.post_at.retreated(completed).raw(),
        }
    }

    fn urgent_to_tell(&self) -> UrgentTold {
        match self.urgent {
            None => UrgentTold::Nothing,
            Some(urgent) if self.posted >= urgent.mark => UrgentTold::Present,
            Some(_) => UrgentTold::Pending,
        }
    }

    fn urgent_told(&self) -> UrgentTold {
        match self.urgent {
            None => UrgentTold::Nothing,
            Some(urgent) => urgent.told,
        }
    }

    /// After a failover the peer may turn out to have consumed bytes that were to
    /// be posted again. They need not be.
    fn skip_consumed(&mut self) {
        if self.consumed > self.posted {
            let skip = distance(self.posted, self.consumed);
            self.posted = self.consumed;
            self.post_at = self.post_at.advanced(skip);
            self.producer = self.producer.advanced(skip);
            // `announced` stays behind, so a message is due, and its completion
            // makes their place in the send buffer free.
        }
    }

    /// Advances over `len` bytes, at most [`TxRing::postable`].
    fn post(&mut self, len: u32) {
        self.posted = self.posted.wrapping_add(len.into());
        self.post_at = self.post_at.advanced(len);
        self.producer = self.producer.advanced(len);
    }
}

/// RDMA writes that can be posted now. Holds the ring until it is committed or
/// dropped.
#[derive(Debug)]
#[must_use = "a plan that is not committed leaves the bytes unsent"]
pub struct WritePlan<'a> {
    ring: &'a mut TxRing,
    len: u32,
}

impl WritePlan<'_> {
    /// All bytes of the plan, at least 1.
    pub const fn bytes(&self) -> u32 {
        self.len
    }

    /// The RDMA writes, in the order in which they must be posted: one, or two if
    /// the bytes go around the end of the peer's ring.
    pub fn writes(&self) -> impl Iterator<Item = RdmaWrite> {
        let remote = Spans::new(self.ring.peer(), self.ring.producer.offset(), self.len);
        let local = self.ring.local;
        let mut from = self.ring.post_at;
        let [head, tail] = remote.pieces();
        [head, tail].into_iter().filter_map(move |piece| {
            if piece.len == 0 {
                return None;
            }
            let write = RdmaWrite {
                remote_offset: piece.offset,
                local: Spans::new(local, from.offset(), piece.len),
            };
            from = from.advanced(piece.len);
            Some(write)
        })
    }

    /// The writes have been posted.
    pub fn commit(self) {
        self.ring.post(self.len);
    }
}

/// The bytes from `from` to `to`, which the invariants keep within one ring.
const fn distance(from: u64, to: u64) -> u32 {
    to.saturating_sub(from) as u32
}

#[cfg(test)]
#[path = "tx_tests.rs"]
mod tests;
