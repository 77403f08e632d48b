// SPDX-License-Identifier: GPL-2.0

//! What the machine wants of its caller.

use super::{RkeyError, RmbId, Slot};
use crate::wire::llc::{DeleteReason, RejectReason};

/// A step for the caller, or the answer to one of its wishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Find a port for another link, make a queue pair on it, register all RMBs
    /// with it; on the client also bring it to RTR, towards
    /// [`Link::peer`](super::Link::peer). Then call
    /// [`Group::link_prepared`](super::Group::link_prepared).
    ///
    /// A server without another port should offer that of the link it has: the
    /// client may have two, and if not it rejects. Without any offer the C
    /// module's client waits for one in connect() (three seconds).
    PrepareLink(Slot),
    /// Server: bring the queue pair to RTR and RTS, towards
    /// [`Link::peer`](super::Link::peer). Then call
    /// [`Group::link_connected`](super::Group::link_connected).
    ConnectLink(Slot),
    /// Client: bring the queue pair to RTS. Then call
    /// [`Group::link_enabled`](super::Group::link_enabled).
    EnableLink(Slot),
    /// The link may carry data.
    LinkActive(Slot),
    /// Post no more data on the link and move its connections to another one,
    /// see [`Group::active_link`](super::Group::active_link).
    LinkLost(Slot),
    /// Wait until no send on the link is outstanding. Then call
    /// [`Group::link_drained`](super::Group::link_drained); the peer is told
    /// without it, too, after a while.
    DrainLink(Slot),
    /// Bring the queue pair to the error state and destroy it, after the reply
    /// to the message that came last. Then call
    /// [`Group::link_freed`](super::Group::link_freed).
    FreeLink(Slot),
    /// The first link works, or the first contact failed and the group is at
    /// its end.
    FirstContact(Result<(), FirstError>),
    /// Answer to [`Group::add_link`](super::Group::add_link). `None`: the
    /// server knows of the hint and may add a link when it likes (version 1).
    AddLink(Result<Option<Slot>, AddError>),
    /// Answer to [`Group::announce`](super::Group::announce): the RMB's key may
    /// travel in CLC messages.
    RkeyUsable(RmbId),
    /// Answer to [`Group::announce`](super::Group::announce): the RMB can't be
    /// used.
    RkeyRefused(RmbId, RkeyError),
    /// Answer to [`Group::drop_rmb`](super::Group::drop_rmb): the RMB may be
    /// deregistered.
    RkeyGone(RmbId),
    /// The group is at its end. All its links were given to
    /// [`Action::FreeLink`], but for one that the caller is still making: that
    /// follows [`Group::link_prepared`](super::Group::link_prepared).
    Ended(EndReason),
}

/// Why the first contact failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FirstError {
    /// CONFIRM LINK did not come in time.
    Timeout,
    /// The peer writes RMBE eye catchers, which Linux never did.
    EyeCatcher,
    /// The queue pair could not be brought up.
    NotReady,
    /// The link failed.
    LinkDown,
    /// The group was ended meanwhile.
    Ended,
}

/// Why there is no other link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddError {
    /// The group has as many links as it may have.
    Full,
    /// No port could be found, or no queue pair made.
    NoPort,
    /// The client rejected the offer. Version 2 gives no reason.
    Rejected(Option<RejectReason>),
    /// The server has no link to offer.
    Declined,
    /// The peer did not answer in time.
    Timeout,
    /// The new link, or the one over which it was being added, failed.
    LinkDown,
    /// The peer's answer made no sense.
    BadAnswer,
    /// The peer took the new link back.
    Withdrawn,
    /// A key of an RMB could not be told to the peer.
    Keys,
    /// The group was ended meanwhile.
    Ended,
}

/// Why a group is at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The first contact failed.
    FirstContact,
    /// This side ended it.
    Local(DeleteReason),
    /// The peer ended it.
    Peer(DeleteReason),
    /// The last link failed.
    LostPath,
}
