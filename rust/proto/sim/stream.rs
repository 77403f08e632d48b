// SPDX-License-Identifier: GPL-2.0

//! One end of a connection that is up: its rings, how it closes, the memory
//! that it has, and the application above it.

use super::Side;
use crate::close::{
    Actions, Closer, ConnState, How, Linger, RecvEnd, Release, Rings, SocketError, TcpAction, Timer,
};
use crate::cursor::RingSize;
use crate::group::{Millis, Slot};
use crate::ring::{CdcSequence, RxRing, Spans, TxRing, TxTicket, UrgentMode};
use crate::wire::cdc::{Cdc, CDC_LEN};
use crate::wire::types::AlertToken;
use std::vec;
use std::vec::Vec;

/// Size of an element and of a send buffer: small, so that they wrap often.
pub(super) const ELEMENT: u32 = 16 * 1024;
const SEND_BUFFER: usize = 16 * 1024;

/// How long unsent data may wait for room at the peer behind a close, ms.
const DRAIN: u32 = 120_000;
/// How long an application tries to write all it has, ms.
const PATIENCE: u32 = 30_000;
/// How long an end that nobody here waits for hears the peer out, ms.
const ORPHAN: u32 = 60_000;

/// How an application ends its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// Not at all.
    #[default]
    Never,
    /// close()
    Close,
    /// shutdown(SHUT_WR); close() when the peer has ended too.
    HalfClose,
    /// shutdown(SHUT_RDWR), then close()
    Shutdown,
    /// close() with a linger time of zero.
    Abort,
    /// close() when the peer has ended, not before.
    AfterPeer,
}

/// What an application does with its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct App {
    /// Bytes that it writes, as soon as there is room.
    pub writes: u64,
    /// Bytes that it reads, if so many come.
    pub reads: u64,
    /// So many milliseconds after the connection is up it begins to read.
    pub reads_after: u32,
    /// How it ends the connection when all is written, or can't be for half a
    /// minute.
    pub finish: Finish,
    /// It does not do so before so many milliseconds have passed.
    pub finish_after: u32,
}

impl Default for App {
    /// Reads whatever comes, and never ends.
    fn default() -> Self {
        App {
            writes: 0,
            reads: u64::MAX,
            reads_after: 0,
            finish: Finish::Never,
            finish_after: 0,
        }
    }
}

/// What became of one end of a connection's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamReport {
    /// Bytes that the application wrote.
    pub written: u64,
    /// Bytes that it read.
    pub read: u64,
    /// They were those that the peer wrote, in their order.
    pub intact: bool,
    /// What it found behind them.
    pub end: Option<RecvEnd>,
    /// The error that it got.
    pub error: Option<SocketError>,
    /// As diagnostics show it.
    pub state: ConnState,
    /// How the element was given back; `None` while it is in use.
    pub released: Option<Release>,
}

/// The peer's end, as far as writing there needs it.
pub(super) struct Wire {
    /// Key of its RMB on the link.
    pub(super) rkey: u32,
    /// Address of its element.
    pub(super) at: u64,
    /// Its name of the connection.
    pub(super) token: AlertToken,
}

/// What goes out.
pub(super) enum Sent {
    Write { rkey: u32, at: u64, bytes: Vec<u8> },
    Message { bytes: Vec<u8>, ticket: TxTicket },
    Reset,
}

pub(super) struct Stream {
    side: Side,
    app: App,
    pub(super) slot: Slot,
    up: Option<Millis>,
    tx: Option<TxRing>,
    rx: RxRing,
    sequence: CdcSequence,
    closer: Closer,
    buffer: Vec<u8>,
    element: Vec<u8>,
    written: u64,
    read: u64,
    intact: bool,
    end: Option<RecvEnd>,
    error: Option<SocketError>,
    released: Option<Release>,
    timer: Option<(Timer, Millis)>,
    /// shutdown() was called.
    shut: bool,
    /// The application has closed.
    closed: bool,
    discards: bool,
    /// A message is owed for what it says about the end.
    owed: bool,
}

/// A byte of what a host writes.
fn byte(side: Side, at: u64) -> u8 {
    let n = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    (n as u8) ^ (side as u8)
}

/// The pieces of a ring, as the indexes of their bytes.
fn places(spans: &Spans) -> impl Iterator<Item = usize> {
    spans
        .iter()
        .flat_map(|s| s.offset as usize..(s.offset + s.len) as usize)
}

impl Stream {
    pub(super) fn new(side: Side, app: App, slot: Slot) -> Self {
        Stream {
            side,
            app,
            slot,
            up: None,
            tx: None,
            rx: RxRing::new(RingSize::at_least(ELEMENT)),
            sequence: CdcSequence::new(),
            closer: Closer::new(),
            buffer: vec![0; SEND_BUFFER],
            element: vec![0; ELEMENT as usize],
            written: 0,
            read: 0,
            intact: true,
            end: None,
            error: None,
            released: None,
            timer: None,
            shut: false,
            closed: false,
            discards: false,
            owed: false,
        }
    }

    /// The handshake is over; the peer's element has this size.
    pub(super) fn established(&mut self, peer: RingSize, now: Millis) {
        if self.up.is_none() {
            self.up = Some(now);
            self.tx = Some(TxRing::new(RingSize::MIN, peer));
            self.closer.established();
        }
    }

    pub(super) fn report(&self) -> StreamReport {
        StreamReport {
            written: self.written,
            read: self.read,
            intact: self.intact,
            end: self.end,
            error: self.error,
            state: self.closer.state(),
            released: self.released,
        }
    }

    // --- from the wire ---

    /// The peer's RDMA write into the element. `false` where there is no such
    /// place any more.
    pub(super) fn store(&mut self, at: u64, bytes: &[u8]) -> bool {
        let Ok(at) = usize::try_from(at) else {
            return false;
        };
        let place = at
            .checked_add(bytes.len())
            .and_then(|end| self.element.get_mut(at..end));
        match place {
            Some(place) if self.released != Some(Release::Reusable) => {
                place.copy_from_slice(bytes);
                true
            }
            _ => false,
        }
    }

    pub(super) fn message(&mut self, cdc: &Cdc, now: Millis, out: &mut Vec<Sent>) {
        if self.released.is_some() || !self.sequence.accept(cdc.seqno) {
            return;
        }
        let arrived = self
            .rx
            .on_cdc(cdc.producer, cdc.flags, UrgentMode::Inline)
            .is_ok();
        let opened = match &mut self.tx {
            Some(tx) => tx.on_consumer(cdc.consumer).is_ok(),
            None => true,
        };
        if self.discards {
            self.rx.discard();
        }
        let actions = if arrived && opened {
            self.closer.peer_said(cdc.state, self.rings())
        } else {
            self.closer.abort()
        };
        self.take(actions, now, out);
    }

    pub(super) fn complete(&mut self, ticket: TxTicket) {
        if let Some(tx) = &mut self.tx {
            tx.complete(ticket);
        }
    }

    /// The TCP connection was reset. Before the connection is up, this and the
    /// next are the handshake's.
    pub(super) fn reset(&mut self, now: Millis, out: &mut Vec<Sent>) {
        if self.up.is_some() {
            let actions = self.closer.tcp_reset();
            self.take(actions, now, out);
        }
    }

    /// The link group is gone.
    pub(super) fn down(&mut self, now: Millis, out: &mut Vec<Sent>) {
        if self.up.is_some() {
            let actions = self.closer.link_group_down();
            self.take(actions, now, out);
        }
    }

    // --- time ---

    /// When something is due, behind `now` for what the application waits for.
    pub(super) fn deadline(&self, now: Millis) -> Option<Millis> {
        let up = self.up?;
        let App {
            reads_after,
            finish_after,
            ..
        } = self.app;
        [reads_after, finish_after, finish_after + PATIENCE]
            .into_iter()
            .map(|ms| up.after(ms))
            .filter(|due| *due > now && !self.closed)
            .chain(self.timer.map(|(_, due)| due))
            .min()
    }

    pub(super) fn on_time(&mut self, now: Millis, out: &mut Vec<Sent>) {
        if let Some((timer, due)) = self.timer {
            if due > now {
                return;
            }
            self.timer = None;
            let actions = self.closer.timer(timer);
            self.take(actions, now, out);
        }
    }

    // --- what there is to do ---

    /// Does what can be done, until nothing more can. `wire`: where to post,
    /// once that is known.
    pub(super) fn drive(&mut self, now: Millis, wire: Option<&Wire>, out: &mut Vec<Sent>) {
        loop {
            let mut more = self.read(now);
            more |= self.write();
            more |= self.finish(now, out);
            if let Some(wire) = wire {
                more |= self.post(wire, out);
            }
            if self.closer.draining() && !self.rings().unsent {
                let actions = self.closer.drained(self.rings());
                self.take(actions, now, out);
                more = true;
            }
            if !more {
                return;
            }
        }
    }

    fn is_due(&self, ms: u32, now: Millis) -> bool {
        self.up.is_some_and(|up| up.after(ms) <= now)
    }

    fn read(&mut self, now: Millis) -> bool {
        if self.closed || !self.is_due(self.app.reads_after, now) {
            return false;
        }
        let wanted = self.app.reads.saturating_sub(self.read);
        let max = u32::try_from(wanted).unwrap_or(u32::MAX);
        let step = self.rx.step().min(max);
        let spans = self.rx.read_spans(0, step, UrgentMode::Inline);
        for place in places(&spans) {
            let right = byte(self.side.other(), self.read);
            self.intact &= self.element.get(place) == Some(&right);
            self.read += 1;
        }
        if self.rx.consume(spans.len(), UrgentMode::Inline).is_err() {
            self.intact = false;
        }
        if spans.is_empty() && wanted > 0 && self.end.is_none() {
            self.end = self.closer.recv_end();
            return self.end.is_some();
        }
        !spans.is_empty()
    }

    fn write(&mut self) -> bool {
        let Some(tx) = &mut self.tx else {
            return false;
        };
        if self.closed || self.closer.may_send().is_err() {
            return false;
        }
        let left = self.app.writes.saturating_sub(self.written);
        let spans = tx.write_spans(u32::try_from(left).unwrap_or(u32::MAX));
        for place in places(&spans) {
            if let Some(to) = self.buffer.get_mut(place) {
                *to = byte(self.side, self.written);
            }
            self.written += 1;
        }
        tx.wrote(spans.len()).is_ok() && !spans.is_empty()
    }

    fn finish(&mut self, now: Millis, out: &mut Vec<Sent>) -> bool {
        let after = self.app.finish_after;
        // Who can't write any more has written all.
        let all = self.written >= self.app.writes
            || self.closer.may_send().is_err()
            || self.is_due(after + PATIENCE, now);
        if self.closed || !all || !self.is_due(after, now) {
            return false;
        }
        let heard = self.end.is_some() || self.read >= self.app.reads;
        let (how, linger) = match self.app.finish {
            Finish::Never => return false,
            Finish::Close => (None, Linger::Drain),
            Finish::Abort => (None, Linger::Abort),
            Finish::Shutdown => (Some(How::Both), Linger::Drain),
            Finish::HalfClose if !self.shut => (Some(How::Write), Linger::Drain),
            Finish::HalfClose | Finish::AfterPeer if heard => (None, Linger::Drain),
            Finish::HalfClose | Finish::AfterPeer => return false,
        };
        let actions = match how {
            Some(how) if !self.shut => {
                self.shut = true;
                // Refused where the peer was faster.
                let actions = self.closer.shutdown(how, self.rings());
                actions.unwrap_or_default()
            }
            _ => {
                self.closed = true;
                self.closer.close(linger, self.rings())
            }
        };
        self.take(actions, now, out);
        true
    }

    fn rings(&self) -> Rings {
        Rings {
            unsent: self
                .tx
                .as_ref()
                .is_some_and(|tx| tx.unsent() > 0 || tx.report_due()),
            unread: self.rx.loses_data(),
            peer_blocked: self.rx.peer_blocked(),
        }
    }

    fn post(&mut self, wire: &Wire, out: &mut Vec<Sent>) -> bool {
        let over = self.released.is_some() && !self.owed;
        let Some(tx) = self.tx.as_mut().filter(|_| !over) else {
            return false;
        };
        let before = out.len();
        let flags = self.closer.flags();
        // The element may belong to another connection once this is said.
        if !flags.closed && !flags.abort {
            while let Some(plan) = tx.plan(u32::MAX) {
                for write in plan.writes() {
                    out.push(Sent::Write {
                        rkey: wire.rkey,
                        at: wire.at + u64::from(write.remote_offset),
                        bytes: places(&write.local)
                            .filter_map(|place| self.buffer.get(place).copied())
                            .collect(),
                    });
                }
                plan.commit();
            }
        }
        if self.owed || tx.report_due() || self.rx.update_due() {
            let (sent, got) = (tx.report(), self.rx.report());
            let cdc = Cdc {
                seqno: sent.seqno,
                token: wire.token,
                producer: sent.producer,
                consumer: got.consumer,
                flags: sent.flags,
                state: flags,
                ..Cdc::default()
            };
            let mut bytes = vec![0; CDC_LEN];
            if cdc.emit(&mut bytes).is_ok() {
                tx.reported(sent.ticket);
                self.rx.reported(got.ticket);
                self.owed = false;
                out.push(Sent::Message {
                    bytes,
                    ticket: sent.ticket,
                });
            }
        }
        out.len() > before
    }

    /// Carries out what the close machine asks for. What is to be posted
    /// follows in [`Stream::drive`].
    fn take(&mut self, actions: Actions, now: Millis, out: &mut Vec<Sent>) {
        self.discards |= actions.discard;
        if self.discards {
            self.rx.discard();
        }
        self.owed |= actions.send;
        if actions.tcp == Some(TcpAction::Reset) {
            out.push(Sent::Reset);
        }
        self.error = self.error.or(actions.error);
        if let Some(timer) = actions.timer {
            self.timer = timer.map(|timer| {
                let ms = match timer {
                    Timer::Drain => DRAIN,
                    Timer::Orphan => ORPHAN,
                };
                (timer, now.after(ms))
            });
        }
        self.released = self.released.or(actions.free);
    }
}
