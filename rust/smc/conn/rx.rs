// SPDX-License-Identifier: GPL-2.0

//! recvmsg(2): copying out of the ring.

use super::{After, Conn};
use crate::abstractions::{
    net::{
        errno::NetErrno,
        socket::{Message, Socket},
        uapi,
    },
    rdma::DmaBuf,
    wait::{Share, Waited},
    work::Task,
};
use kernel::{
    ffi::{c_int, c_long},
    prelude::*,
    sync::Arc,
};
use smc_proto::{
    close::RecvEnd,
    ring::{Spans, UrgentMode, UrgentRefused},
};

/// What a reader wants.
#[derive(Clone, Copy)]
pub(super) struct Want {
    pub(super) mode: UrgentMode,
    /// The bytes stay in the stream.
    pub(super) peek: bool,
    /// The bytes are not copied.
    pub(super) drop: bool,
}

/// How far a reader came.
enum Read {
    /// It has what was there.
    Copied,
    /// The room for the next so many bytes is not in memory.
    Away(usize),
}

/// What there is for a reader that has not got all.
pub(super) enum Next {
    /// More bytes.
    More,
    /// Urgent data come next: a read ends before them.
    Mark,
    /// Nothing yet.
    Nothing,
    /// Nothing, and no more will come.
    End(RecvEnd),
}

/// recvmsg(2). Process context; sleeps.
pub(crate) fn recv(
    this: &Arc<Task<Conn>>,
    socket: Socket<'_>,
    msg: &Message<'_>,
    flags: c_int,
) -> Result<c_int> {
    let set = |flag: u32| flags & flag as c_int != 0;
    if set(uapi::MSG_ERRQUEUE) {
        return msg.recv(socket, flags);
    }
    if set(uapi::MSG_OOB) {
        return this.recv_urgent(msg, set(uapi::MSG_PEEK), set(uapi::MSG_TRUNC));
    }
    let sock = &this.sock;
    let want = Want {
        mode: this.urgent_mode(),
        peek: set(uapi::MSG_PEEK),
        drop: set(uapi::MSG_TRUNC),
    };
    let skip = if want.peek {
        sock.peek_offset().unwrap_or(0)
    } else {
        0
    };
    let len = msg.len();
    this.count_recv(len);
    let target = sock.rcvlowat(set(uapi::MSG_WAITALL), len);
    let mut left = sock.rcvtimeo(set(uapi::MSG_DONTWAIT));
    let mut got = 0;
    let end = loop {
        let before = got;
        let read = Conn::read(this, msg, want, skip, &mut got);
        if got != before {
            sock.move_peek_offset(want.peek, got - before);
        }
        match read {
            Ok(Read::Copied) => {}
            Ok(Read::Away(len)) => match msg.bring_room(len) {
                Ok(()) => continue,
                Err(e) => break Err(e),
            },
            Err(e) => break Err(e),
        }
        if got >= target {
            break Ok(());
        }
        let ahead = if want.peek { skip + got } else { 0 };
        match this.next(want, ahead, got > 0) {
            Next::More if len > 0 => continue,
            Next::More | Next::Mark => break Ok(()),
            Next::End(_) if got > 0 => break Ok(()),
            Next::End(end) => break this.end_error(end),
            Next::Nothing => {}
        }
        if got > 0 && (left == 0 || sock.has_error()) {
            break Ok(());
        }
        if let Some(e) = sock.take_error() {
            break Err(e);
        }
        let wanted = ahead + (target - got);
        match this.wait_readable(socket, want.mode, ahead, wanted, left) {
            Ok(rest) => left = rest,
            Err(e) => break Err(e),
        }
    };
    if let (Err(e), 0) = (end, got) {
        return Err(e);
    }
    let left = this.rx.lock().ring.readable(want.mode);
    msg.put_left(sock, left);
    c_int::try_from(got).map_err(|_| EINVAL)
}

impl Conn {
    /// Copies what is there, as much as is wanted, and counts it.
    fn read(
        this: &Arc<Task<Self>>,
        msg: &Message<'_>,
        want: Want,
        skip: usize,
        got: &mut usize,
    ) -> Result<Read> {
        let guard = this.recv.lock();
        let Some(buf) = &*guard else {
            return Ok(Read::Copied);
        };
        loop {
            let left = msg.len().saturating_sub(*got);
            let Some((base, spans)) = this.spans(want, skip + *got, *got > 0, left) else {
                return Ok(Read::Copied);
            };
            let (mut copied, mut there) = (0, 0);
            for span in spans.iter() {
                there += span.len;
                let at = base + span.offset as usize;
                let n = if want.drop {
                    span.len
                } else {
                    copy(buf, at, span.len, msg)
                };
                copied += n;
                if n < span.len {
                    break;
                }
            }
            if copied == 0 {
                return Ok(Read::Away(there as usize));
            }
            *got += copied as usize;
            if !want.peek {
                Self::consumed(this, copied, want.mode)?;
            }
            if *got >= msg.len() {
                return Ok(Read::Copied);
            }
        }
    }

    /// The next bytes for a reader who has some already, or not: where the ring
    /// begins in its buffer, and where they are in the ring.
    fn spans(&self, want: Want, skip: usize, some: bool, left: usize) -> Option<(usize, Spans)> {
        let rx = self.rx.lock();
        let base = rx.rmbe.as_ref()?.offset();
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        let spans = if want.peek {
            let skip = u32::try_from(skip).ok()?;
            let there = rx.ring.readable(want.mode).saturating_sub(skip);
            rx.ring.read_spans(skip, left.min(there), want.mode)
        } else if some && rx.ring.at_mark() {
            return None;
        } else {
            // In steps, so that the peer gets its room back while the rest is
            // copied.
            rx.ring.read_spans(0, left.min(rx.ring.step()), want.mode)
        };
        (!spans.is_empty()).then_some((base, spans))
    }

    /// The reader has copied so many bytes.
    fn consumed(this: &Arc<Task<Self>>, bytes: u32, mode: UrgentMode) -> Result {
        let mut rx = this.rx.lock();
        rx.ring.consume(bytes, mode).map_err(|_| EINVAL)?;
        let due = rx.ring.update_due();
        drop(rx);
        if due {
            Self::update(this);
        }
        Ok(())
    }

    /// Tells the peer of the room that there is.
    pub(super) fn update(this: &Arc<Task<Self>>) {
        let mut after = After::default();
        let mut tx = this.tx.lock();
        Self::settle(this, &mut tx, &mut after);
        drop(tx);
        Self::finish(this, after);
    }

    /// What comes beyond `ahead` bytes, for a reader who has some already, or not.
    pub(super) fn next(&self, want: Want, ahead: usize, some: bool) -> Next {
        let rx = self.rx.lock();
        let readable = rx.ring.readable(want.mode);
        let ends = if want.peek {
            readable as usize <= ahead && rx.ring.unread() > readable
        } else {
            rx.ring.at_mark()
        };
        match rx.end {
            _ if some && ends => Next::Mark,
            _ if readable as usize > ahead => Next::More,
            Some(end) => Next::End(end),
            None => Next::Nothing,
        }
    }

    /// What a call returns that has nothing to read any more.
    pub(super) fn end_error(&self, end: RecvEnd) -> Result {
        match end {
            RecvEnd::NotConnected => Err(NetErrno::NotConn.into()),
            RecvEnd::EndOfFile => Ok(()),
            RecvEnd::Broken => self.sock.take_error().map_or(Ok(()), Err),
        }
    }

    /// Waits until there are bytes beyond `ahead`, or none will come: the time
    /// that is left.
    pub(super) fn wait_readable(
        &self,
        socket: Socket<'_>,
        mode: UrgentMode,
        ahead: usize,
        wanted: usize,
        timeout: c_long,
    ) -> Result<c_long> {
        if timeout == 0 {
            return Err(EAGAIN);
        }
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        {
            let mut rx = self.rx.lock();
            rx.readers += 1;
            rx.wanted = if rx.readers == 1 {
                wanted
            } else {
                rx.wanted.min(wanted)
            };
        }
        let waited = socket.wait(Share::All, timeout, || {
            let rx = self.rx.lock();
            rx.end.is_some() || rx.ring.readable(mode) as usize > ahead || self.sock.has_error()
        });
        self.rx.lock().readers -= 1;
        match waited {
            Waited::Done(rest) => Ok(rest),
            Waited::TimedOut => Err(EAGAIN),
            Waited::Signal(rest) => Err(Socket::interrupted(rest)),
        }
    }

    /// recvmsg(2) with MSG_OOB.
    fn recv_urgent(&self, msg: &Message<'_>, peek: bool, drop: bool) -> Result<c_int> {
        let mode = self.urgent_mode();
        let (taken, end) = {
            let mut rx = self.rx.lock();
            (rx.ring.take_urgent(peek, mode), rx.end)
        };
        match taken {
            Ok(_) if msg.left() == 0 => {
                msg.add_flags(uapi::MSG_OOB | uapi::MSG_TRUNC);
                Ok(0)
            }
            Ok(byte) => {
                msg.add_flags(uapi::MSG_OOB);
                if !drop {
                    msg.put(&[byte])?;
                }
                Ok(1)
            }
            // As TCP says it.
            Err(UrgentRefused::Absent) => Err(EINVAL),
            Err(UrgentRefused::NotYet) if end.is_some() => Ok(0),
            Err(UrgentRefused::NotYet) => Err(EAGAIN),
        }
    }
}

/// Copies bytes of the ring into `msg`; for how many there was room in memory.
fn copy(buf: &Arc<DmaBuf>, at: usize, len: u32, msg: &Message<'_>) -> u32 {
    buf.sync_for_cpu(at, len as usize);
    let n = buf.copy_to(at, len as usize, msg).unwrap_or(0);
    u32::try_from(n).unwrap_or(len)
}
