// SPDX-License-Identifier: GPL-2.0

//! sendmsg(2): copying into the send buffer.

use super::{After, Conn, Tx};
use crate::{
    abstractions::{
        net::{
            errno::NetErrno,
            socket::{Message, Socket},
            uapi,
        },
        rdma::DmaBuf,
        wait::{Share, Waited},
        work::Task,
    },
    smc::{
        clc,
        stats::{Buffer, Dir, Tech},
    },
};
use kernel::{ffi::c_int, prelude::*, sync::Arc};
use smc_proto::{close::SendRefused, ring::TxRing};

/// How long what is corked waits for more, in milliseconds: as with TCP.
const CORK_TIME: u32 = 200;

/// How far a writer came.
enum Written {
    /// All is in the send buffer.
    All,
    /// There was no room for the rest.
    Full,
    /// The next so many bytes are not in memory.
    Away(usize),
}

/// sendmsg(2). Process context; sleeps.
pub(crate) fn send(this: &Arc<Task<Conn>>, socket: Socket<'_>, msg: &Message<'_>) -> Result<c_int> {
    let flags = msg.flags();
    if flags & uapi::MSG_FASTOPEN != 0 {
        return Err(NetErrno::IsConn.into());
    }
    let urgent = flags & uapi::MSG_OOB != 0;
    this.count_send(msg.left());
    let mut left = this.sock.sndtimeo(flags & uapi::MSG_DONTWAIT != 0);
    let mut sent = 0;
    // Mostly they are there; but what is short shall not get another thread's bytes
    // in its middle.
    let _ = msg.bring_in(msg.left().min(TxRing::MIN_PIECE as usize));
    let end = loop {
        match Conn::write(this, msg, flags, &mut sent) {
            Ok(Written::All) => break Ok(()),
            Ok(Written::Away(len)) => match msg.bring_in(len) {
                Ok(()) => continue,
                Err(e) => break Err(e),
            },
            Ok(Written::Full) if left == 0 => break Err(EAGAIN),
            Ok(Written::Full) => {}
            Err(e) => break Err(e),
        }
        left = match socket.wait(Share::All, left, || this.may_write(urgent)) {
            Waited::Done(rest) => rest,
            Waited::TimedOut => break Err(EAGAIN),
            Waited::Signal(rest) => break Err(Socket::interrupted(rest)),
        };
    };
    if end.err() == Some(EAGAIN) {
        this.sock.wants_space_signal();
    }
    if let (Err(e), 0) = (end, sent) {
        return Err(this.sock.send_error(e, flags));
    }
    if flags & uapi::MSG_ZEROCOPY != 0 {
        // Who counts on the message gets one: the bytes are sent by now.
        let _ = this.sock.tell_copied(sent);
    }
    c_int::try_from(sent).map_err(|_| EINVAL)
}

/// Sends what is held back. Process context.
pub(crate) fn flush(this: &Arc<Task<Conn>>) {
    let mut after = After::default();
    let mut tx = this.tx.lock();
    tx.set_cork(this, false);
    tx.mode.nodelay = this.sock.is_nodelay();
    Conn::settle(this, &mut tx, &mut after);
    drop(tx);
    Conn::finish(this, after);
}

impl Tx {
    /// # Errors
    ///
    /// What sendmsg(2) returns if the application may not write.
    fn check(&self) -> Result {
        self.closer.may_send().map_err(|refused| match refused {
            SendRefused::NotConnected => NetErrno::NotConn.into(),
            SendRefused::BrokenPipe | SendRefused::Aborted => EPIPE,
            SendRefused::Reset => NetErrno::ConnReset.into(),
        })
    }

    /// Holds back what was written as the application has asked for.
    fn set_cork(&mut self, this: &Arc<Task<Conn>>, corked: bool) {
        self.mode.corked = corked;
        if !corked {
            self.cork_until = None;
        } else if self.cork_until.is_none() {
            let until = clc::now().after(CORK_TIME);
            self.cork_until = Some(until);
            Task::run_after(this, clc::jiffies_until(until));
        }
    }
}

impl Conn {
    /// Copies as much of `msg` as there is room for, posts it, and counts it.
    fn write(
        this: &Arc<Task<Self>>,
        msg: &Message<'_>,
        flags: u32,
        sent: &mut usize,
    ) -> Result<Written> {
        let guard = this.send.lock();
        loop {
            let mut tx = this.tx.lock();
            tx.check()?;
            if this.sock.has_error() {
                return Err(EPIPE);
            }
            let left = u32::try_from(msg.left()).unwrap_or(u32::MAX);
            if left == 0 {
                return Ok(Written::All);
            }
            let (slow, shared) = (tx.pace.is_slow(), tx.is_shared(&this.seat));
            let (Some(buf), Some(out)) = (&*guard, &mut tx.out) else {
                return Err(EPIPE);
            };
            out.ring.set_link(slow, shared);
            let piece = out.ring.piece();
            let spans = out.ring.write_spans(left.min(piece));
            let urgent_waits = flags & uapi::MSG_OOB != 0 && out.ring.urgent_busy();
            if spans.is_empty() || urgent_waits {
                out.ring.set_stream();
                tx.nospace = true;
                return Ok(Written::Full);
            }
            drop(tx);
            let mut copied = 0;
            for span in spans.iter() {
                let n = copy(buf, span.offset, span.len, msg);
                copied += n;
                if n < span.len {
                    break;
                }
            }
            if copied == 0 {
                return Ok(Written::Away(left.min(piece) as usize));
            }
            let all = msg.left() == 0;
            Self::wrote(this, copied, all, flags)?;
            *sent += copied as usize;
            if all {
                return Ok(Written::All);
            }
        }
    }

    /// The writer has copied so many bytes: `all` there are.
    fn wrote(this: &Arc<Task<Self>>, bytes: u32, all: bool, flags: u32) -> Result {
        let mut after = After::default();
        let mut tx = this.tx.lock();
        tx.check()?;
        let Some(out) = &mut tx.out else {
            return Err(EPIPE);
        };
        out.ring.wrote(bytes).map_err(|_| EINVAL)?;
        if all && flags & uapi::MSG_OOB != 0 {
            out.ring.mark_urgent().map_err(|_| EINVAL)?;
        }
        if out.ring.peer_space() == 0 {
            this.count(|stats| stats.buffer(Tech::R, Dir::Tx, Buffer::PeerFull));
        }
        let more = flags & uapi::MSG_MORE != 0 || this.sock.is_corked();
        tx.mode.nodelay = this.sock.is_nodelay();
        tx.mode.more = !all;
        tx.set_cork(this, all && more);
        Self::settle(this, &mut tx, &mut after);
        drop(tx);
        Self::finish(this, after);
        Ok(())
    }

    /// Whether a writer that found no room can go on.
    fn may_write(&self, urgent: bool) -> bool {
        let mut tx = self.tx.lock();
        let can = tx.check().is_err()
            || self.sock.has_error()
            || tx.is_writable(self.sock.notsent_lowat())
                && !(urgent && tx.out.as_ref().is_some_and(|out| out.ring.urgent_busy()));
        tx.nospace |= !can;
        can
    }
}

/// Copies the next bytes of `msg`; how many were in memory.
fn copy(buf: &Arc<DmaBuf>, off: u32, len: u32, msg: &Message<'_>) -> u32 {
    let n = buf.copy_from(off as usize, len as usize, msg).unwrap_or(0);
    u32::try_from(n).unwrap_or(len)
}
