// SPDX-License-Identifier: GPL-2.0

//! Send and receive rings: who may write which bytes, who may read them, and
//! when the other side has to be told.
//!
//! A connection has two independent halves:
//!
//! - [`TxRing`]: bytes the application wrote, from its copy into the local send
//!   buffer to the peer's word that it has consumed them. It holds two rings of
//!   unrelated size: the send buffer, and our view of the peer's element.
//! - [`RxRing`]: bytes the peer wrote into our element, from the CDC message that
//!   announces them to the CDC message in which we report them consumed.
//!
//! Neither holds bytes: they hand out offsets ([`Spans`]) for the owner of the
//! memory to copy from, copy to or post. [`CdcSequence`] puts the messages in
//! order; what can go and waits all the same is in `hold.rs`. [`Pace`] says whether
//! fewer messages are worth more than busy ends, [`Backlog`] how much the connections
//! of a link may have under way together.
//!
//! # Locking
//!
//! Neither half locks; `&mut` says what needs exclusion. The intended use:
//!
//! - The two halves have a lock each (`tx`, `rx`; both are taken in softirq
//!   context), so that `sendmsg` and `recvmsg` never wait for each other. If both
//!   are held, `tx` is taken first.
//! - At most one writer and one reader of a socket at a time (a sleeping lock per
//!   direction). The writer takes `tx` to get [`TxRing::write_spans`], copies
//!   without it, and takes it again for [`TxRing::wrote`]; the bytes in between
//!   belong to the writer because nobody else moves that cursor. The reader does
//!   the same with [`RxRing::read_spans`] and [`RxRing::consume`].
//! - Posting happens under `tx`: [`TxRing::plan`], post the RDMA writes,
//!   [`WritePlan::commit`], [`TxRing::report`], post the CDC message on the same
//!   queue pair, [`TxRing::reported`].
//! - The message needs the consumer cursor of the other half: [`RxRing::report`]
//!   and [`RxRing::reported`] under `rx`, nested in `tx`.
//! - A CDC message that arrives goes to [`RxRing::on_cdc`] under `rx` and to
//!   [`TxRing::on_consumer`] under `tx`, one after the other, then its connection
//!   flags to the close machine.
//! - A completion goes to [`TxRing::complete`] under `tx`.

mod backlog;
mod hold;
mod pace;
mod pieces;
mod rx;
mod sequence;
mod span;
mod tx;

pub use backlog::{Backlog, Load};
pub use hold::SendMode;
pub use pace::{Nanos, Pace};
use pieces::Pieces;
pub use rx::{RxOutcome, RxReport, RxRing, RxTicket, UrgentMode, UrgentRefused};
pub use sequence::{CdcLost, CdcSequence};
pub use span::{Span, Spans};
pub use tx::{
    ConsumerOutcome, RdmaWrite, TxPlaces, TxReport, TxRing, TxTicket, UrgentBusy, WritePlan, SHARE,
};

/// The producer's flags of a CDC message (RFC 7609 A.4; `struct
/// smc_cdc_producer_flags` in net/smc/smc.h), without the failover validation
/// bit, which makes a message a different one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProducerFlags {
    /// The writer has filled all the space it knows of (RFC 7609 §4.7.3).
    pub write_blocked: bool,
    /// Urgent data is on its way, perhaps not yet written (RFC 7609 §4.7.5).
    pub urgent_pending: bool,
    /// The byte before the producer cursor is urgent (RFC 7609 §4.7.5).
    pub urgent_present: bool,
    /// The writer asks for the consumer cursor.
    pub consumer_update_requested: bool,
}

/// The caller counted wrong: more bytes than the ring offered. Nothing was
/// changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;
