// SPDX-License-Identifier: GPL-2.0

//! CLC messages: the handshake inside the TCP connection.
//!
//! RFC 7609 §3.2 and Appendix A.2 for version 1. Version 2 and its release 1
//! ("v2.1") as linux-6.12 net/smc/smc_clc.h lays them out, after IBM's "SMC
//! Version 2" and its third edition.
//!
//! A message is parsed from exactly its own bytes; [`Framer`] cuts them out of
//! the TCP stream and decides what of an oversized message is kept.

mod accept;
mod decline;
mod fce;
mod framer;
mod header;
mod ip;
mod list;
mod offer;
mod proposal;
mod reason;

pub use accept::{AcceptConfirm, Body, Role, SmcdBody, SmcdV2, SmcrBody, SmcrV2};
pub use decline::{Decline, DeclineV2};
pub use fce::{FirstContact, FirstContactV2x, GidList, OsType};
pub use framer::{FrameError, Framer, Step, MAX_KEPT};
pub use header::{Eyecatcher, Header, Kind, Modes, Version};
pub use ip::{IpArea, V6Prefixes};
pub use list::{Entries, Entry, GidChid, V6Prefix};
pub use offer::{
    Eids, GidChids, RsvdIsm, SmcdArea, SmcdV2Ext, V1Modes, V1Offer, V2Kind, V2Offer, VendorOptions,
};
pub use proposal::{Proposal, ProposalBody, ProposalV1, ProposalV2, Sender, MAX_PROPOSAL_LEN};
pub use reason::{OtherReason, Reason};

use super::codec::{NoSpace, Truncated};

/// Why bytes are not a CLC message.
///
/// The C module ends the connection with `EPROTO` in each of these cases,
/// without a Decline and without a fallback (`smc_clc_wait_msg`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClcError {
    /// The bytes end inside a field.
    Truncated,
    /// Neither eye catcher, "SMCR" or "SMCD" in EBCDIC, stands at the front.
    Eyecatcher,
    /// Neither eye catcher stands at the end.
    Trailer,
    /// Not a type of message, or not the one that was asked for.
    Kind(u8),
    /// Version 0.
    Version,
    /// The length in the header is not that of such a message.
    Length(u16),
    /// A count is above its maximum.
    Count(u8),
    /// An offset does not lead to the area that it announces.
    Offset(u16),
    /// The modes (SMC-R, SMC-D) in the header are not allowed in this message.
    Modes,
    /// First contact is announced, its extension is missing or cut.
    FirstContact,
    /// RMBE index 0: it would place the element in front of its RMB.
    RmbeIndex,
}

impl ClcError {
    /// A sentence for logs and tracepoints.
    pub const fn sentence(self) -> &'static str {
        match self {
            ClcError::Truncated => "CLC message ends inside a field",
            ClcError::Eyecatcher => "no SMC eye catcher at the front of a CLC message",
            ClcError::Trailer => "no SMC eye catcher at the end of a CLC message",
            ClcError::Kind(_) => "CLC message of another type than expected",
            ClcError::Version => "CLC message of version 0",
            ClcError::Length(_) => "CLC message has a wrong length",
            ClcError::Count(_) => "CLC message counts more entries than allowed",
            ClcError::Offset(_) => "CLC message has an offset to a wrong place",
            ClcError::Modes => "CLC message with modes that it can't have",
            ClcError::FirstContact => "CLC first contact extension missing or cut",
            ClcError::RmbeIndex => "CLC message with RMBE index 0",
        }
    }
}

impl From<Truncated> for ClcError {
    fn from(_: Truncated) -> Self {
        ClcError::Truncated
    }
}

/// Any CLC message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// From the client: what it can do.
    Proposal(Proposal<'a>),
    /// Accept from the server or Confirm from the client: what was chosen.
    AcceptConfirm(AcceptConfirm<'a>),
    /// From either: TCP without SMC from here on, or the end.
    Decline(Decline),
}

impl<'a> Message<'a> {
    /// Parses one message. `bytes` is what a [`Framer`] gave: the whole
    /// message, or of an oversized Accept or Confirm the part that is kept.
    ///
    /// # Errors
    ///
    /// See [`ClcError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ClcError> {
        match Header::peek(bytes)?.kind {
            Kind::Proposal => Proposal::parse(bytes).map(Message::Proposal),
            Kind::Accept | Kind::Confirm => AcceptConfirm::parse(bytes).map(Message::AcceptConfirm),
            Kind::Decline => Decline::parse(bytes).map(Message::Decline),
        }
    }

    /// Writes the message to the front of `buf`; gives its length in bytes.
    ///
    /// # Errors
    ///
    /// [`NoSpace`] where `buf` is shorter than the message, or a part of it longer
    /// than a message may be.
    pub fn emit(&self, buf: &mut [u8]) -> Result<usize, NoSpace> {
        match self {
            Message::Proposal(p) => p.emit(buf),
            Message::AcceptConfirm(m) => m.emit(buf),
            Message::Decline(d) => d.emit(buf),
        }
    }
}
