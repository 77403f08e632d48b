// SPDX-License-Identifier: GPL-2.0

//! A link: a queue pair of the group, and what comes and goes on it.

use super::{pool::Registration, Group};
use crate::{
    abstractions::{
        rdma::{DmaBuf, Endpoint, NoSlot, Qp, QpRef, QpSizes, RemoteWrite, SendSlot, SendStatus},
        work::Task,
    },
    smc::{
        clc,
        conn::{Conn, Turned},
        wait::{Outcome, What},
    },
};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use kernel::{prelude::*, sync::Arc};
use smc_proto::{
    group::{Millis, RmbId, Slot},
    ring::{Backlog, Load, TxTicket},
    wire::{
        cdc::{Cdc, CDC_LEN, CDC_TYPE},
        clc::Reason,
        llc::{LLC_LEN, LLC_MAX_LEN},
    },
};

use super::conns::Seat;

/// Messages of ours that may be under way at a time.
const SEND_SLOTS: u16 = 64;
/// Messages of the peer that may come before we have looked at one.
const RECV_SLOTS: u16 = 48;
/// How long a link counts as shared after one has sent again behind another one, in
/// milliseconds; and how long after the other one has begun it may be that.
const SHARED_TIME: u32 = 1_000;

/// What a message, or another request, is for: kept until it has left.
pub(crate) enum Posted {
    /// An LLC message.
    Llc {
        /// The LLC machine wants to hear when it has left.
        confirm: bool,
    },
    /// A CDC message, and the data that it announces.
    Cdc(Arc<Task<Conn>>, TxTicket, Load),
    /// The registration of an RMB.
    Register(RmbId),
}

/// A link of a group.
pub(crate) struct Link {
    group: Arc<Task<Group>>,
    slot: Slot,
    /// Something came since the LLC machine was last told.
    heard: AtomicBool,
    /// LLC messages wait for a slot: they go first.
    llc_waits: AtomicBool,
    /// LLC messages of ours that have not left yet.
    llc_posted: AtomicUsize,
    /// Data of all connections that have not left yet.
    backlog: Backlog,
    /// Somebody waits for some of them to leave.
    backlogged: AtomicBool,
    /// Who has sent last: a connection's token, or 0 for LLC.
    sender: AtomicU32,
    /// When it was somebody else than before, in milliseconds.
    changed: AtomicU64,
    /// When it last was one that had sent before, soon after, in milliseconds.
    shared: AtomicU64,
}

impl Link {
    /// A queue pair for a link of `group`. Process context.
    pub(super) fn create(group: &Arc<Task<Group>>, slot: Slot) -> Result<QpRef<Self>> {
        let long = !group.spec.version.is_v1();
        let sizes = QpSizes {
            send_slots: SEND_SLOTS,
            recv_slots: RECV_SLOTS,
            recv_len: if long { LLC_MAX_LEN } else { LLC_LEN } as u32,
        };
        let link = Self {
            group: group.clone(),
            slot,
            heard: AtomicBool::new(false),
            llc_waits: AtomicBool::new(false),
            llc_posted: AtomicUsize::new(0),
            backlog: Backlog::new(),
            backlogged: AtomicBool::new(false),
            sender: AtomicU32::new(0),
            changed: AtomicU64::new(0),
            shared: AtomicU64::new(0),
        };
        Qp::new(&group.pd()?, sizes, link)
    }

    /// Whether something came since the last call.
    pub(super) fn take_heard(&self) -> bool {
        self.heard.swap(false, Ordering::Relaxed)
    }

    /// Posts an LLC message. Any context.
    ///
    /// # Errors
    ///
    /// The device's; the link is of no use then.
    pub(super) fn post_llc(
        &self,
        slot: SendSlot<'_, Self>,
        message: &[u8],
        confirm: bool,
    ) -> Result {
        self.note_sender(0, true);
        self.llc_posted.fetch_add(1, Ordering::AcqRel);
        slot.post(message, None, Posted::Llc { confirm })
            .map_err(|(e, _)| {
                self.llc_posted.fetch_sub(1, Ordering::AcqRel);
                e
            })
    }

    /// Who sends now, and whether it has sent before.
    fn note_sender(&self, token: u32, again: bool) {
        if self.sender.swap(token, Ordering::Relaxed) != token {
            let now = clc::now();
            let before = Millis(self.changed.swap(now.0, Ordering::Relaxed));
            // One that begins when another one is over has the link for itself.
            if again && now < before.after(SHARED_TIME) {
                self.shared.store(now.0, Ordering::Relaxed);
            }
        }
    }

    /// Whether a connection that sends now is not alone in that. Any context.
    pub(crate) fn is_shared(&self, seat: &Seat) -> bool {
        self.sender.load(Ordering::Relaxed) != seat.token().0
            || clc::now() < Millis(self.shared.load(Ordering::Relaxed)).after(SHARED_TIME)
    }

    /// Data have left the link, or never will. Any context.
    fn relieve(this: &QpRef<Self>, load: Load, arrived: bool) {
        this.backlog.left(load, clc::now(), arrived);
        if this.backlog.has_room() && this.backlogged.swap(false, Ordering::SeqCst) {
            serve_waiting(this);
        }
    }

    /// Whether an LLC message of ours has not left yet. Any context.
    pub(super) fn llc_under_way(&self) -> bool {
        self.llc_posted.load(Ordering::Acquire) != 0
    }
}

/// A place for an LLC message, or `None`: the group's task runs again when there
/// is one. Nobody else gets one then, until [`llc_done`]. Any context.
pub(super) fn llc_slot(link: &QpRef<Link>) -> Option<SendSlot<'_, Link>> {
    let waits = |_| {
        link.llc_waits.store(true, Ordering::SeqCst);
        link.take_slot()
    };
    link.take_slot().or_else(waits).ok()
}

/// No LLC message waits for a slot: connections may have them again. Any context.
pub(super) fn llc_done(link: &QpRef<Link>) {
    if link.llc_waits.swap(false, Ordering::SeqCst) {
        serve_waiting(link);
    }
}

/// A slot for a CDC message. Any context.
///
/// # Errors
///
/// [`NoSlot::Later`]: the connection's turn comes, `Conn::on_turn`. [`NoSlot::Down`] if
/// the link is gone, and with it all turns.
pub(crate) fn cdc_slot<'a>(link: &'a QpRef<Link>, seat: &Seat) -> Result<CdcSlot<'a>, NoSlot> {
    let mut found = unclaimed_slot(link);
    if matches!(found, Err(NoSlot::Later)) {
        // First the queue, then the slot: who frees one looks into the queue afterwards.
        let turn = seat.queue();
        found = unclaimed_slot(link);
        if matches!(found, Err(NoSlot::Later)) {
            turn.wait();
        }
    }
    if found.is_ok() {
        link.note_sender(seat.token().0, seat.note_sent());
    }
    found
}

/// Whether data may be posted, of which there are not too many on the link; else the
/// connection's turn comes, `Conn::on_turn`, if the link does not go. Any context.
pub(crate) fn data_may_go(link: &QpRef<Link>, seat: &Seat) -> bool {
    if link.backlog.has_room() {
        return true;
    }
    // First the queue: who makes room looks into it afterwards.
    let turn = seat.queue();
    link.backlogged.store(true, Ordering::SeqCst);
    let room = link.backlog.has_room();
    if !room {
        turn.wait();
    }
    room
}

/// A slot, unless LLC messages wait for one.
fn unclaimed_slot(link: &QpRef<Link>) -> Result<CdcSlot<'_>, NoSlot> {
    if !link.llc_waits.load(Ordering::SeqCst) {
        let slot = link.take_slot()?;
        return Ok(CdcSlot { link, slot });
    }
    Err(if link.is_open() {
        NoSlot::Later
    } else {
        NoSlot::Down
    })
}

/// A place for a CDC message and the RDMA writes in front of it.
pub(crate) struct CdcSlot<'a> {
    link: &'a Link,
    slot: SendSlot<'a, Link>,
}

impl CdcSlot<'_> {
    /// Posts data of a connection and the CDC message that announces them, in one
    /// go. `Conn::on_sent` follows if that succeeds. Any context.
    ///
    /// # Errors
    ///
    /// The device's; nothing was posted.
    pub(crate) fn post(
        self,
        conn: &Arc<Task<Conn>>,
        cdc: &Cdc,
        data: Option<(&Arc<DmaBuf>, &[RemoteWrite])>,
        ticket: TxTicket,
    ) -> Result {
        let mut message = [0; CDC_LEN];
        cdc.emit(&mut message).map_err(|_| EINVAL)?;
        let bytes = data.map_or(0, |(_, writes)| writes.iter().map(RemoteWrite::bytes).sum());
        let backlog = &self.link.backlog;
        let posted = Posted::Cdc(conn.clone(), ticket, backlog.add(bytes, clc::now()));
        self.slot
            .post(&message, data, posted)
            .map_err(|(e, posted)| {
                if let Posted::Cdc(_, _, load) = posted {
                    // Those who wait will hear that the link is broken.
                    backlog.left(load, clc::now(), false);
                }
                e
            })
    }
}

/// Lets connections send, one after the other, as long as there are slots, and not too many
/// data under way.
fn serve_waiting(link: &QpRef<Link>) {
    while let Some(conn) = link.group.next_waiting() {
        match Conn::on_turn(&conn) {
            Turned::All => {}
            Turned::Some => break,
            Turned::Nothing => {
                link.group.keep_turn(conn.seat());
                break;
            }
        }
    }
}

impl Endpoint for Link {
    type Context = Posted;

    fn received(this: &QpRef<Self>, message: &[u8]) {
        this.heard.store(true, Ordering::Relaxed);
        if message.first() != Some(&CDC_TYPE) {
            Group::on_llc(&this.group, this.slot, message);
            return;
        }
        // A message that is none, or for a connection that is gone, is dropped as
        // the C module does.
        if let Ok(cdc) = Cdc::parse(message) {
            if let Some(conn) = this.group.conn(cdc.token) {
                Conn::on_cdc(&conn, &cdc);
            }
        }
    }

    fn sent(this: &QpRef<Self>, posted: Posted, status: SendStatus) {
        match posted {
            Posted::Cdc(conn, ticket, load) => {
                let arrived = status == SendStatus::Ok;
                // Those who wait come before who has sent just now.
                Self::relieve(this, load, arrived);
                Conn::on_sent(&conn, ticket, arrived);
            }
            Posted::Llc { confirm } => {
                this.llc_posted.fetch_sub(1, Ordering::AcqRel);
                Group::on_llc_sent(&this.group, confirm);
            }
            Posted::Register(rmb) => {
                let (now, outcome) = if status == SendStatus::Ok {
                    (Registration::Done, Outcome::There)
                } else {
                    // Before who waits for it hears of it: the group takes nobody.
                    Group::on_link_broken(&this.group);
                    (Registration::Due, Outcome::Failed(Reason::RegisterBuffer))
                };
                this.group.pool.lock().set_registration(rmb, now);
                this.group.waits.settle(What::Registration(rmb), outcome);
            }
        }
    }

    fn slot_free(this: &QpRef<Self>) {
        if this.llc_waits.load(Ordering::SeqCst) {
            Task::kick(&this.group);
        } else {
            serve_waiting(this);
        }
    }

    fn broken(this: &QpRef<Self>) {
        Group::on_link_broken(&this.group);
    }
}
