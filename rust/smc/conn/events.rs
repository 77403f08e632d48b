// SPDX-License-Identifier: GPL-2.0

//! What happens to a connection: messages come, and have left; what the close machine
//! makes of it.

use super::{nanos, After, Conn, Tx, CHANGED, READABLE, WRITABLE};
use crate::{
    abstractions::{
        net::{errno::NetErrno, uapi},
        work::Task,
    },
    smc::{
        clc,
        stats::{Buffer, Dir, Stats, Tech},
    },
};
use kernel::sync::Arc;
use smc_proto::{
    close::{Actions, ConnFlags, Rings, SocketError, Timer},
    ring::{TxTicket, UrgentMode},
    wire::cdc::Cdc,
};

/// How long unsent data may take to leave after the application has closed, in
/// milliseconds.
const DRAIN_TIME: u32 = 120_000;
/// How long a peer may take to say that it has closed when nobody here waits for
/// it: as TCP's `tcp_fin_timeout`.
const ORPHAN_TIME: u32 = 60_000;

impl Conn {
    /// A CDC message has come. Softirq.
    pub(crate) fn on_cdc(this: &Arc<Task<Self>>, cdc: &Cdc) {
        let mut after = After::default();
        let mut tx = this.tx.lock();
        let taken = this.take_cdc(&mut tx, cdc, &mut after);
        let actions = match taken {
            Ok(Taken::Old) => return,
            Ok(Taken::News) if cdc.state == ConnFlags::default() => Actions::default(),
            Ok(Taken::News) => {
                let rings = this.rings(&tx);
                tx.closer.peer_said(cdc.state, rings)
            }
            Err(Violation) => {
                this.count(Stats::violation);
                tx.closer.abort()
            }
        };
        Self::act(this, &mut tx, actions, &mut after);
        drop(tx);
        Self::finish(this, after);
    }

    fn take_cdc(&self, tx: &mut Tx, cdc: &Cdc, after: &mut After) -> Result<Taken, Violation> {
        let mut guard = self.rx.lock();
        let rx = &mut *guard;
        if rx.rmbe.is_none() {
            return Ok(Taken::Old);
        }
        if cdc.failover_validation {
            let lost = rx.sequence.validate(cdc.seqno).is_err();
            return if lost { Err(Violation) } else { Ok(Taken::Old) };
        }
        if !rx.sequence.accept(cdc.seqno) {
            return Ok(Taken::Old);
        }
        let mode = self.urgent_mode();
        let outcome = rx.ring.on_cdc(cdc.producer, cdc.flags, mode);
        let outcome = outcome.map_err(|_| Violation)?;
        rx.arrived(outcome.arrived);
        rx.pace.reach(rx.ring.arrived(), nanos);
        if let (Some(at), Some(rmbe)) = (outcome.urgent_at, &rx.rmbe) {
            let at = rmbe.offset() + at as usize;
            rmbe.buf().sync_for_cpu(at, 1);
            if let Some(byte) = rmbe.buf().byte(at) {
                rx.ring.keep_urgent(byte);
            }
            after.urgent = true;
            after.events |= uapi::EPOLLPRI;
        }
        after.urgent |= outcome.urgent_announced;
        if rx.discard {
            rx.ring.discard();
        } else if outcome.arrived > 0 && rx.is_worth_waking(&self.sock, mode) {
            after.events |= READABLE;
        }
        drop(guard);
        if let Some(out) = &mut tx.out {
            let outcome = out.ring.on_consumer(cdc.consumer).map_err(|_| Violation)?;
            if outcome.urgent_done && core::mem::take(&mut tx.nospace) {
                after.events |= WRITABLE;
            }
        }
        Ok(Taken::News)
    }

    /// A message of ours has left, with what it announces, or has failed. Softirq,
    /// or process context.
    pub(crate) fn on_sent(this: &Arc<Task<Self>>, ticket: TxTicket, ok: bool) {
        let mut after = After::default();
        let mut tx = this.tx.lock();
        tx.pending = tx.pending.saturating_sub(1);
        let waits = tx.nospace;
        if let (Some(out), true) = (&mut tx.out, ok) {
            out.ring.complete(ticket);
            if waits {
                out.ring.set_stream();
            }
            let (left, _) = out.ring.under_way();
            tx.pace.reach(left, nanos);
        }
        Self::settle(this, &mut tx, &mut after);
        if tx.nospace && tx.is_writable(this.sock.notsent_lowat()) {
            tx.nospace = false;
            after.events |= WRITABLE;
            this.count(|stats| stats.buffer(Tech::R, Dir::Tx, Buffer::Full));
        }
        after.kick |= tx.is_silent() && tx.free.is_some();
        drop(tx);
        Self::finish(this, after);
    }

    /// It is the connection's turn to post. Softirq, or process context.
    pub(crate) fn on_turn(this: &Arc<Task<Self>>) -> Turned {
        let mut after = After::default();
        let mut tx = this.tx.lock();
        let before = tx.pending;
        let turned = match Self::settle(this, &mut tx, &mut after) {
            true => Turned::All,
            false if tx.pending > before => Turned::Some,
            false => Turned::Nothing,
        };
        drop(tx);
        Self::finish(this, after);
        turned
    }

    /// Does what the close machine asks for, as far as the locks allow.
    pub(super) fn act(
        this: &Arc<Task<Self>>,
        tx: &mut Tx,
        actions: Actions,
        after: &mut After,
    ) -> bool {
        this.note(tx, actions, after);
        Self::settle(this, tx, after)
    }

    pub(super) fn note(&self, tx: &mut Tx, actions: Actions, after: &mut After) {
        if actions == Actions::default() {
            return;
        }
        tx.mode.flush |= actions.flush;
        tx.owed |= actions.send;
        after.changed |= actions.wake;
        if let Some(error) = actions.error {
            // Before a reader can see that there is nothing to come, and asks why.
            self.sock.set_error(match error {
                SocketError::Reset => NetErrno::ConnReset.into(),
                SocketError::Aborted => NetErrno::ConnAborted.into(),
            });
        }
        if actions.tcp.is_some() {
            tx.tcp = actions.tcp;
            after.kick = true;
        }
        if actions.free.is_some() {
            tx.free = actions.free;
            // Else who sees the last message come back sees to it.
            after.kick |= tx.pending == 0;
        }
        if let Some(timer) = actions.timer {
            let now = clc::now();
            let time = |timer| match timer {
                Timer::Drain => DRAIN_TIME,
                Timer::Orphan => ORPHAN_TIME,
            };
            // Stopping one has the task let go of the connection, if the end of that
            // does not.
            after.kick |= timer.is_some() || tx.timer.is_some() && tx.free.is_none();
            tx.timer = timer.map(|timer| (timer, now.after(time(timer))));
        }
        self.mirror(tx);
        if actions.discard {
            let mut rx = self.rx.lock();
            rx.discard = true;
            rx.ring.discard();
        }
    }

    /// Posts what is due, and ends what waited for that. Whether all could be
    /// posted.
    pub(super) fn settle(this: &Arc<Task<Self>>, tx: &mut Tx, after: &mut After) -> bool {
        loop {
            let posted = Self::push(this, tx);
            if !tx.closer.draining() || tx.is_unsent() {
                return posted;
            }
            let rings = this.rings(tx);
            let actions = tx.closer.drained(rings);
            this.note(tx, actions, after);
        }
    }

    /// Tells readers what the state of the connection means for them.
    pub(super) fn mirror(&self, tx: &Tx) {
        self.rx.lock().end = tx.closer.recv_end();
    }

    /// What is in the rings.
    pub(super) fn rings(&self, tx: &Tx) -> Rings {
        let rx = self.rx.lock();
        Rings {
            unsent: tx.is_unsent(),
            unread: rx.ring.loses_data(),
            peer_blocked: rx.ring.peer_blocked(),
        }
    }

    pub(super) fn urgent_mode(&self) -> UrgentMode {
        if self.sock.urgent_inline() {
            UrgentMode::Inline
        } else {
            UrgentMode::OutOfBand
        }
    }

    /// What has to wait until no lock is held. Any context.
    pub(super) fn finish(this: &Arc<Task<Self>>, after: After) {
        if after.changed {
            this.sock.wake(CHANGED | after.events, true);
        } else if after.events != 0 {
            this.sock.wake(after.events, false);
        }
        if after.urgent {
            this.sock.signal_urgent();
        }
        if after.kick {
            Task::kick(this);
        }
    }
}

/// How much of what it had to post a connection could post in its turn. Of the rest it
/// waits for another one.
pub(crate) enum Turned {
    All,
    Some,
    Nothing,
}

/// What a CDC message was.
enum Taken {
    /// Nothing that counts.
    Old,
    /// The rings know it now.
    News,
}

/// The peer broke the protocol.
struct Violation;
