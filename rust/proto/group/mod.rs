// SPDX-License-Identifier: GPL-2.0

//! The LLC flows of one link group, as a machine: both roles, no I/O.
//!
//! [`Group`] is told what happens (a message came, the caller finished a step,
//! time passed, somebody wants something) and is asked what to do:
//! [`Group::poll_transmit`] for messages, [`Group::poll_action`] for queue
//! pairs and answers, [`Group::poll_timeout`] for the next point in time. After
//! each event the caller polls the first two until they give nothing.
//!
//! # Flows
//!
//! RFC 7609 §3.5.5.3 sorts LLC messages into exchanges, of which a group runs
//! one at a time, and messages that need none. Here:
//!
//! - One *flow* of this side at a time: first contact, adding a link, deleting
//!   a link (server), CONFIRM RKEY or DELETE RKEY for own RMBs, REQUEST ADD
//!   LINK (client). What comes while one runs waits as a bit, so that nothing
//!   can grow: own wishes, the client's hints, links to be deleted, one offer
//!   of the server.
//! - CONFIRM RKEY, DELETE RKEY and TEST LINK of the peer are answered at once,
//!   whatever runs here: each side manages its own RMBs. While a link is being
//!   added RFC 7609 §3.5.5.3.1 wants a negative answer; smc_llc.c answers as
//!   always and takes a negative answer for the end of the connection, so a
//!   positive answer it is. That is safe: a side writes only with keys that it
//!   knows ([`PeerTable::token`]), and asks for those it will need before it
//!   lets a link be added.
//! - DELETE LINK of all links ends the group from any state. What a host does before and
//!   after it: [`Departure`].
//!
//! # When CONFIRM RKEY may be skipped
//!
//! See [`Group::announce`], and `rkey.rs` for the whole rule and its reasons.

mod action;
mod add;
mod delete;
mod departure;
mod flow;
mod keys;
mod link;
mod offer;
mod receive;
mod rkey;
mod rmb;
mod timer;
mod transmit;

pub use action::{Action, AddError, EndReason, FirstError};
pub use departure::{Aborted, Departure};
pub use keys::{LocalKeys, PeerKeys, PeerRmb, PeerRow, PeerTable};
pub use link::{End, Link, LinkState, Slot};
pub use receive::{Ignored, Received};
pub use rkey::{Announce, Dropped, RkeyError};
pub use rmb::{RmbId, MAX_RMBS};
pub use timer::{Millis, Times};
pub use transmit::{Hint, Transmit};

use crate::wire::llc::{LinkNum, LinkUid, LlcVersion, LLC_LEN, LLC_MAX_LEN};
use flow::Flow;
pub use flow::FlowKind;
use link::Ask;
use rkey::Rkeys;

/// Which end of the group this is: the TCP server of the first connection is
/// the server of the group for good (RFC 7609 §2.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Decides about links.
    Server,
    /// Asks, and follows.
    Client,
}

/// How many ports carry the group (RFC 7609 §2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Redundancy {
    /// One link.
    Single,
    /// Two links without a port in common.
    Symmetric,
    /// Two links, both ending in one port of the peer.
    AsymmetricPeer,
    /// Two links, both ending in one port of this side.
    AsymmetricLocal,
}

/// What CLC negotiated for the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Which end this is.
    pub role: Role,
    /// Version of the LLC messages. The byte order is a first guess; the peer's
    /// is learned from its first message.
    pub version: LlcVersion,
    /// How many links the group may have: 1 keeps it single, 2 is what v1 and
    /// v2.0 imply (SMC v2.1, max_links).
    pub max_links: u8,
    /// How many connections the group may have, for CONFIRM LINK: as
    /// negotiated in SMC v2.1, else 0. With 0 the peer can't know that a group
    /// is to stay single, and is told by LLC.
    pub max_conns: u8,
    /// No gateway is between the ports (SMC v2, ADD LINK).
    pub direct: bool,
    /// First part of the names of this side's links.
    pub uid: [u8; 4],
    /// How long to wait for what.
    pub times: Times,
}

/// What is owed at this moment, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    /// The exchange that runs; while one runs, wishes wait.
    pub flow: FlowKind,
    /// The caller owes the end of a step (`link_prepared` and its like).
    pub caller: bool,
    /// This side owes the peer a message: [`Group::poll_transmit`] has one.
    pub message: bool,
    /// The peer owes an answer until then.
    pub peer: Option<Millis>,
    /// Wishes that wait for a flow of their own: RMBs to confirm or delete,
    /// links to add or delete.
    pub waiting: u16,
}

/// The LLC state of one link group. See the module's description.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    role: Role,
    version: LlcVersion,
    max_links: u8,
    max_conns: u8,
    direct: bool,
    uid: [u8; 4],
    times: Times,
    next_num: u8,
    redundancy: Redundancy,
    links: [Link; Slot::COUNT],
    flow: Flow,
    /// The message of the flow's step is still to be sent.
    due: bool,
    rkeys: Rkeys,
    add: offer::AddWish,
    /// Own RMBs are to be served before links.
    rkeys_first: bool,
    /// When wishes that wait get old.
    tick: Option<Millis>,
    first_result: Option<Result<(), FirstError>>,
    ended: Option<EndReason>,
    /// Nothing more comes from the peer.
    peer_gone: bool,
}

impl Group {
    /// A group whose first link exists as a pair of queue pairs, the first CLC
    /// messages being on their way. `local` and `peer` are the ends that CLC
    /// told; on the client `peer` may be given later by [`Group::set_peer`].
    pub fn new(config: Config, local: End, peer: End) -> Self {
        let mut group = Group {
            role: config.role,
            version: config.version,
            max_links: config.max_links,
            max_conns: config.max_conns,
            direct: config.direct,
            uid: config.uid,
            times: config.times,
            next_num: 0,
            redundancy: Redundancy::Single,
            links: [Link::default(); Slot::COUNT],
            flow: Flow::Fresh,
            due: false,
            rkeys: Rkeys::default(),
            add: offer::AddWish::default(),
            rkeys_first: false,
            tick: None,
            first_result: None,
            ended: None,
            peer_gone: false,
        };
        let num = group.new_num();
        let uid = group.uid_of(num);
        let first = group.link_mut(Slot::S0);
        first.state = LinkState::Joining;
        first.local = local;
        first.peer = peer;
        if config.role == Role::Server {
            first.num = num;
            first.uid = uid;
        }
        group
    }

    /// The peer's end of the first link became known (CLC Accept or Confirm).
    pub fn set_peer(&mut self, peer: End) {
        if self.flow == Flow::Fresh {
            self.link_mut(Slot::S0).peer = peer;
        }
    }

    /// Which end of the group this is.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// How many ports carry the group.
    pub const fn redundancy(&self) -> Redundancy {
        self.redundancy
    }

    /// The link in a place.
    pub const fn link(&self, slot: Slot) -> &Link {
        slot.of(&self.links)
    }

    /// A link that carries data: where to move connections from a lost one.
    pub fn active_link(&self) -> Option<Slot> {
        self.slots(|l| l.is_active()).next()
    }

    /// The place of the link with that number.
    pub fn find_link(&self, num: LinkNum) -> Option<Slot> {
        self.slots(|l| l.is_named(num)).next()
    }

    /// Whether the group has ended: its links are to be freed, and nothing is
    /// sent or taken any more.
    pub fn is_ended(&self) -> bool {
        self.flow == Flow::Ended
    }

    /// Whether the group has ended, or is about to: the peer is being told.
    pub fn is_ending(&self) -> bool {
        matches!(self.flow, Flow::Ending { .. } | Flow::Ended)
    }

    /// Whether the peer has said its last word, that its group is gone, or can't
    /// say it any more. Until then its connections may not be at their end:
    /// where the group has ended the caller may keep the link for it a while,
    /// before [`Group::link_freed`].
    pub const fn is_peer_gone(&self) -> bool {
        self.peer_gone
    }

    /// Length of the longest message that [`Group::poll_transmit`] may write.
    pub const fn max_transmit(&self) -> usize {
        if self.version.is_v2() {
            LLC_MAX_LEN
        } else {
            LLC_LEN
        }
    }

    /// What is owed now, and by whom.
    pub fn owed(&self) -> Owed {
        let waiting = self.rkeys.waiting()
            + u16::from(self.add.wanted || self.add.asked)
            + u16::from(self.add.offer.is_some())
            + Slot::ALL
                .iter()
                .map(|s| u16::from(self.link(*s).removal.is_some()))
                .sum::<u16>();
        Owed {
            flow: self.flow.kind(),
            caller: self.flow.waits_for_caller() || !self.slots(|l| l.ask.is_some()).count().eq(&0),
            message: self.has_message(),
            peer: self.flow.deadline(),
            waiting,
        }
    }

    /// The caller's next step or answer, if there is one. Poll until `None`.
    pub fn poll_action(&mut self) -> Option<Action> {
        if let Some(result) = self.first_result.take() {
            return Some(Action::FirstContact(result));
        }
        for slot in Slot::ALL {
            let link = self.link_mut(slot);
            if core::mem::take(&mut link.tell_active) {
                return Some(Action::LinkActive(slot));
            }
            if core::mem::take(&mut link.tell_lost) {
                return Some(Action::LinkLost(slot));
            }
            if let Some(ask) = link.ask.take() {
                return Some(match ask {
                    Ask::Prepare => {
                        link.preparing = true;
                        Action::PrepareLink(slot)
                    }
                    Ask::Connect => Action::ConnectLink(slot),
                    Ask::Enable => Action::EnableLink(slot),
                    Ask::Drain => Action::DrainLink(slot),
                    Ask::Free => Action::FreeLink(slot),
                });
            }
        }
        if let Some(result) = self.add.result.take() {
            return Some(Action::AddLink(result));
        }
        if let Some(action) = self.rkeys.poll() {
            return Some(action);
        }
        self.ended.take().map(Action::Ended)
    }

    fn link_mut(&mut self, slot: Slot) -> &mut Link {
        slot.of_mut(&mut self.links)
    }

    /// The places whose links pass a test.
    fn slots<'a>(&'a self, test: impl Fn(&Link) -> bool + 'a) -> impl Iterator<Item = Slot> + 'a {
        Slot::ALL.into_iter().filter(move |s| test(self.link(*s)))
    }

    /// A link that carries data, other than the one in `slot`.
    fn other_active(&self, slot: Slot) -> Option<Slot> {
        self.slots(|l| l.is_active()).find(|s| *s != slot)
    }

    fn active_count(&self) -> usize {
        self.slots(|l| l.is_active()).count()
    }

    /// A number that no link of the group has; the server gives them out and
    /// skips 0 (RFC 7609 §2.2.4).
    fn new_num(&mut self) -> LinkNum {
        loop {
            // Wraps by intent. At most four rounds: 0 and three links are taken.
            self.next_num = self.next_num.wrapping_add(1);
            let num = LinkNum(self.next_num);
            if num.0 != 0 && self.slots(|l| l.num == num).next().is_none() {
                return num;
            }
        }
    }

    /// This side's name for the link of that number.
    fn uid_of(&self, num: LinkNum) -> LinkUid {
        let uid = u32::from_be_bytes(self.uid).wrapping_add(num.0.into());
        LinkUid(uid.to_be_bytes())
    }
}
