// SPDX-License-Identifier: GPL-2.0

//! How a connection ends, and gives back what it is made of.

use super::{After, Conn, CHANGED};
use crate::{
    abstractions::{
        net::{
            attach::EventSock,
            errno::NetErrno,
            flow::{is_exiting, Shutdown},
            sock::TcpState,
            socket::Socket,
            uapi,
        },
        wait::Share,
        work::Task,
    },
    smc::{
        clc,
        group::{Rmbe, SendBuffer},
        stats::{Dir, Tech},
    },
};
use kernel::{ffi::c_int, prelude::*, sync::Arc};
use smc_proto::{
    close::{Actions, ConnState, How, Linger, RecvEnd, Release, TcpAction},
    cursor::RingSize,
    group::{Aborted, Millis},
};

/// shutdown(2). Process context.
pub(crate) fn shutdown(this: &Arc<Task<Conn>>, how: c_int) -> Result<c_int> {
    let how = match how {
        uapi::SHUT_RD => How::Read,
        uapi::SHUT_WR => How::Write,
        uapi::SHUT_RDWR => How::Both,
        _ => return Err(EINVAL),
    };
    let mut after = After::default();
    let mut tx = this.tx.lock();
    let rings = this.rings(&tx);
    let actions = tx.closer.shutdown(how, rings);
    let actions = actions.map_err(|_| Error::from(NetErrno::NotConn))?;
    Conn::act(this, &mut tx, actions, &mut after);
    drop(tx);
    Conn::finish_here(this, after);
    Ok(0)
}

/// The file is closed; TCP's own release follows. Process context; waits as long
/// as SO_LINGER says.
pub(crate) fn release(this: &Arc<Task<Conn>>, socket: Socket<'_>) {
    let linger = this.sock.linger();
    let how = if linger == Some(0) {
        Linger::Abort
    } else {
        Linger::Drain
    };
    let mut after = After::default();
    let mut tx = this.tx.lock();
    let rings = this.rings(&tx);
    let actions = tx.closer.close(how, rings);
    Conn::act(this, &mut tx, actions, &mut after);
    drop(tx);
    Conn::finish_here(this, after);
    if let Some(time) = linger.filter(|time| *time > 0 && !is_exiting()) {
        socket.wait(Share::All, time, || !this.tx.lock().closer.draining());
    }
    this.act_on_tcp();
}

/// The connection is not wanted: it ends with an abort, and TCP's with it.
/// Process context.
pub(crate) fn reset(this: &Arc<Task<Conn>>) {
    let mut after = After::default();
    let mut tx = this.tx.lock();
    let rings = this.rings(&tx);
    let actions = tx.closer.close(Linger::Abort, rings);
    Conn::act(this, &mut tx, actions, &mut after);
    drop(tx);
    Conn::finish_here(this, after);
}

/// What is due, or has to wait for process context; several may be at it at a time.
pub(super) fn run(this: &Arc<Task<Conn>>) {
    let mut after = After::default();
    let now = clc::now();
    let lingers = this.rx.lock().take_back();
    let mut tx = this.tx.lock();
    if tx.cork_until.is_some_and(|until| until <= now) {
        tx.cork_until = None;
        tx.mode.corked = false;
    }
    let actions = match tx.timer {
        Some((timer, at)) if at <= now => {
            tx.timer = None;
            tx.closer.timer(timer)
        }
        _ => Actions::default(),
    };
    Conn::act(this, &mut tx, actions, &mut after);
    let over = tx.free.filter(|_| tx.is_silent());
    let next = earliest(tx.timer.map(|(_, at)| at), tx.cork_until);
    let next = earliest(next, lingers.then(|| now.after(LINGER_TIME)));
    if let (None, Some(until)) = (over, next) {
        // Under the lock: who has seen the end of what this is for kicks the task later,
        // and it does not hold the connection until then.
        Task::run_after(this, clc::jiffies_until(until));
    }
    drop(tx);
    after.kick = false;
    Conn::finish(this, after);
    this.act_on_tcp();
    if let Some(release) = over {
        Conn::give_up(this, release != Release::Reusable);
    }
}

fn earliest(a: Option<Millis>, b: Option<Millis>) -> Option<Millis> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// How often, in milliseconds, to look whether pages are free that nobody tells of
/// when they are.
const LINGER_TIME: u32 = 10;

impl Conn {
    /// As `finish`, without another thread for what has to be done in process context.
    fn finish_here(this: &Arc<Task<Self>>, mut after: After) {
        let due = core::mem::take(&mut after.kick);
        Self::finish(this, after);
        if due {
            run(this);
        }
    }

    /// Does to TCP what is to be done. Process context.
    fn act_on_tcp(&self) {
        let action = self.tx.lock().tcp.take();
        match action {
            Some(TcpAction::ShutdownWrite) => self.sock.shut_down(Shutdown::Write),
            Some(TcpAction::ShutdownBoth) => self.sock.shut_down(Shutdown::Both),
            Some(TcpAction::Reset) => self.sock.reset(),
            None => {}
        }
    }

    /// Something has happened to the TCP connection: if it was reset, so is this
    /// one. Softirq or process context; the sock is locked.
    pub(crate) fn on_tcp_state(this: &Arc<Task<Self>>, sock: &EventSock<'_>) {
        if sock.state() != TcpState::Close || !sock.has_error() {
            return;
        }
        let mut after = After::default();
        let mut tx = this.tx.lock();
        let actions = tx.closer.tcp_reset();
        if actions == Actions::default() {
            if tx.closer.recv_end() != Some(RecvEnd::Broken) {
                // TCP has done its part: it is no error of the connection.
                sock.take_error();
            }
            return;
        }
        Self::act(this, &mut tx, actions, &mut after);
        drop(tx);
        Self::finish(this, after);
    }

    /// The link group is about to end: the peer hears it of each connection as well, as
    /// far as there is room on the link. Process context.
    pub(crate) fn on_group_ending(this: &Arc<Task<Self>>) {
        let mut after = After::default();
        let mut tx = this.tx.lock();
        if tx.closer.state() != ConnState::Init {
            let actions = tx.closer.abort();
            Self::act(this, &mut tx, actions, &mut after);
        }
        drop(tx);
        Self::finish(this, after);
    }

    /// How far the end is that [`Conn::on_group_ending`] has begun; that of a handshake is
    /// for others to see to.
    pub(crate) fn aborted(&self) -> Aborted {
        let tx = self.tx.lock();
        match tx.closer.state() {
            ConnState::Init | ConnState::Closed => Aborted::Both,
            _ if tx.is_silent() => Aborted::Told,
            _ => Aborted::Sending,
        }
    }

    /// The link group is at its end; what has been posted may still be under way. Process
    /// context.
    pub(crate) fn on_group_end(this: &Arc<Task<Self>>) {
        let mut after = After::default();
        let mut tx = this.tx.lock();
        // One that is not up yet has a handshake, which sees it.
        if tx.closer.state() != ConnState::Init {
            let actions = tx.closer.link_group_down();
            this.note(&mut tx, actions, &mut after);
        }
        tx.link = None;
        drop(tx);
        Self::finish(this, after);
    }

    /// The link group has no links any more, and takes its memory back. Process
    /// context; may sleep.
    pub(crate) fn on_group_down(this: &Arc<Task<Self>>) {
        Self::on_group_end(this);
        Self::give_up(this, true);
    }

    /// The handshake has failed; the peer may know of our ring if it was
    /// `announced`. Process context; may sleep.
    pub(crate) fn abandon(this: &Arc<Task<Self>>, announced: bool) {
        this.rx.lock().discard = true;
        Self::give_up(this, announced);
    }

    /// Gives back all that the link group has lent, once and for all; the ring for
    /// nobody else's use if the peer may `still_write` to it. Process context; may
    /// sleep.
    fn give_up(this: &Arc<Task<Self>>, still_write: bool) {
        let from = this.send.lock().take();
        let to = this.recv.lock().take();
        let (link, sndbuf) = {
            let mut tx = this.tx.lock();
            tx.free = None;
            (tx.link.take(), tx.sndbuf.take())
        };
        let (rmbe, lost, broken, lent, conn) = {
            let mut rx = this.rx.lock();
            let lost = !rx.discard && rx.conn.is_some() && rx.ring.unread() > 0;
            rx.ring.discard();
            if lost {
                // Before a reader sees the end, and asks for the reason.
                this.sock.set_error(NetErrno::ConnAborted.into());
            }
            let broken = *rx.end.get_or_insert(RecvEnd::Broken) == RecvEnd::Broken;
            let lent = core::mem::take(&mut rx.lent);
            (rx.rmbe.take(), lost, broken, lent, rx.conn.take())
        };
        if lost {
            this.sock.wake(CHANGED, true);
        }
        let given = |dir, size: Option<RingSize>| {
            if let Some(size) = size {
                this.count(|stats| stats.buffer_given(Tech::R, dir, size.bytes() as usize));
            }
        };
        given(Dir::Tx, sndbuf.as_ref().map(SendBuffer::size));
        given(Dir::Rx, rmbe.as_ref().map(Rmbe::size));
        match rmbe {
            // Or pipes still have pages of it.
            Some(rmbe) if still_write || lent.keys().next().is_some() => rmbe.quarantine(),
            Some(rmbe) => {
                if broken {
                    // The peer may have written more than it has told.
                    rmbe.set_written(rmbe.size().bytes());
                }
            }
            None => {}
        }
        drop((from, to, link, sndbuf, conn));
        this.seat.vacate();
    }
}
