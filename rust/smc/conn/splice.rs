// SPDX-License-Identifier: GPL-2.0

//! splice(2) out of the ring, without a copy.
//!
//! The pipe gets pages of the RMB. The peer may write there again when the pipe
//! has let go of them, and so has who got them from the pipe: TCP, for one, sends
//! a page that was spliced to it later, and perhaps again.

use super::{rx::Next, rx::Want, Conn, Inlet, Rx};
use crate::abstractions::{
    net::{
        socket::{Socket, Splice},
        splice::Room,
    },
    work::Task,
};
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::{page::PAGE_SIZE, prelude::*, rbtree::RBTreeNodeReservation, sync::Arc};

/// Bytes that a pipe has, in one page.
pub(super) struct Lent {
    /// Where they are in the RMB.
    at: usize,
    len: usize,
    /// The pipe has let go of them.
    returned: bool,
}

/// What a pipe has; dropped when it has let go of it.
struct Lease {
    inlet: Arc<Inlet>,
    /// Its place in the stream; [`NOTHING`] before it has one.
    first: AtomicU64,
}

/// No place in a stream.
const NOTHING: u64 = u64::MAX;

impl Drop for Lease {
    /// Process context.
    fn drop(&mut self) {
        let first = self.first.load(Ordering::Relaxed);
        if first == NOTHING {
            return;
        }
        let mut rx = self.inlet.lock();
        if let Some(lent) = rx.lent.get_mut(&first) {
            lent.returned = true;
        }
        let lingers = rx.take_back();
        let due = rx.ring.update_due();
        let conn = rx.conn.clone();
        drop(rx);
        match conn {
            Some(conn) if lingers => Task::kick(&conn),
            Some(conn) if due => Conn::update(&conn),
            _ => {}
        }
    }
}

impl Rx {
    /// Takes back what nobody has any more, in order. Whether the next one was
    /// returned, and somebody still has its page.
    pub(super) fn take_back(&mut self) -> bool {
        let Some(rmbe) = &self.rmbe else {
            return false;
        };
        let mut lingers = false;
        let mut first = None;
        while let Some(cursor) = self.lent.cursor_front() {
            let (position, lent) = cursor.current();
            if !lent.returned || rmbe.buf().is_shared(lent.at, lent.len) {
                lingers = lent.returned;
                first = Some(*position);
                break;
            }
            cursor.remove_current();
        }
        if self.ring.holds() {
            self.ring.give_back(first);
        }
        lingers
    }
}

/// splice(2) out of the socket. Process context; sleeps.
pub(crate) fn splice_read(
    this: &Arc<Task<Conn>>,
    socket: Socket<'_>,
    splice: &Splice<'_>,
) -> Result<isize> {
    let want = Want {
        mode: this.urgent_mode(),
        peek: false,
        drop: false,
    };
    let mut left = this.sock.rcvtimeo(splice.is_nonblocking(socket));
    loop {
        let n = this.lend(splice, want)?;
        if n > 0 {
            this.sock.move_peek_offset(false, n);
            return isize::try_from(n).map_err(|_| EINVAL);
        }
        match this.next(want, 0, false) {
            // The pipe is full.
            Next::More if splice.room() == Room::Full => return Err(EAGAIN),
            Next::More | Next::Mark => continue,
            Next::End(end) => return this.end_error(end).map(|()| 0),
            Next::Nothing => {}
        }
        if let Some(e) = this.sock.take_error() {
            return Err(e);
        }
        left = this.wait_readable(socket, want.mode, 0, 1, left)?;
    }
}

impl Conn {
    /// Puts what is there into the pipe, as much as it takes; how much.
    fn lend(&self, splice: &Splice<'_>, want: Want) -> Result<usize> {
        let guard = self.recv.lock();
        let Some(buf) = &*guard else {
            return Ok(0);
        };
        let mut done = 0;
        let end = loop {
            // All that may fail comes before bytes are taken, which would be lost.
            if done >= splice.len() || splice.room() == Room::Full {
                break Ok(());
            }
            let lease = Lease {
                inlet: self.rx.clone(),
                first: AtomicU64::new(NOTHING),
            };
            let node = RBTreeNodeReservation::new(GFP_KERNEL);
            let (Ok(node), Ok(loan)) = (node, splice.loan(lease)) else {
                break Err(ENOMEM);
            };
            let most = u32::try_from(splice.len() - done).unwrap_or(u32::MAX);
            let mut rx = self.rx.lock();
            let Some(base) = rx.rmbe.as_ref().map(|rmbe| rmbe.offset()) else {
                break Ok(());
            };
            if done > 0 && rx.ring.at_mark() {
                break Ok(());
            }
            let span = rx.ring.read_spans(0, most, want.mode).first();
            let at = base + span.offset as usize;
            let len = (span.len as usize).min(PAGE_SIZE - at % PAGE_SIZE);
            let taken = u32::try_from(len).map_err(|_| EINVAL)?;
            let Ok(first) = rx.ring.take(taken, want.mode) else {
                // Nothing is there.
                break Ok(());
            };
            let lent = Lent {
                at,
                len,
                returned: false,
            };
            rx.lent.insert(node.into_node(first, lent));
            loan.data().first.store(first, Ordering::Relaxed);
            drop(rx);
            buf.sync_for_cpu(at, len);
            let put = match buf.page(at) {
                Some((page, off)) => splice.put(page, off, len, loan),
                None => Err(EFAULT),
            };
            if let Err(e) = put {
                break Err(e);
            }
            done += len;
        };
        match end {
            Err(e) if done == 0 => Err(e),
            _ => Ok(done),
        }
    }
}
