// SPDX-License-Identifier: GPL-2.0

//! Which exchange runs, where it stands, and which comes next.

use super::link::Ask;
use super::rkey::Exchange;
use super::{EndReason, FirstError, Group, Link, LinkState, Millis, Redundancy, Role, Slot};
use crate::wire::llc::ConfirmLink;

/// The exchanges of RFC 7609 §3.5.5.3 by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlowKind {
    /// The CLC messages of the first contact are under way.
    BeforeFirstContact,
    /// CONFIRM LINK on the first link.
    FirstContact,
    /// None.
    Idle,
    /// A link is being added.
    AddLink,
    /// The server was asked for a link.
    RequestAddLink,
    /// The server deletes a link.
    DeleteLink,
    /// CONFIRM RKEY or DELETE RKEY for an own RMB.
    Rkey,
    /// The group is being ended.
    Ending,
    /// The group has ended.
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Flow {
    Fresh,
    First {
        step: FirstStep,
        deadline: Option<Millis>,
        /// Server: when to ask again.
        again: Option<Millis>,
    },
    Idle,
    Add(Adding),
    Invite {
        via: Slot,
        deadline: Millis,
    },
    Delete(Deleting),
    Rkey(Exchange),
    Ending {
        reason: EndReason,
        deadline: Millis,
    },
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum FirstStep {
    /// Server: the response; client: the request.
    AwaitConfirm,
    /// Server: the request is to be sent once more.
    AskingAgain,
    /// Client: the caller brings the queue pair up.
    Enabling,
    /// Client: the response is to be sent.
    Answering,
}

/// A link is being added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Adding {
    /// The link over which the messages travel.
    pub(super) via: Slot,
    /// The new link.
    pub(super) new: Slot,
    /// What the group will be with it.
    pub(super) becomes: Redundancy,
    pub(super) step: AddStep,
    pub(super) deadline: Option<Millis>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum AddStep {
    /// The caller makes the queue pair.
    Preparing,
    /// Keys that the peer may not know yet are told over the old link.
    Confirming(Exchange),
    /// Server: ADD LINK is offered.
    AwaitAnswer,
    /// Client: the answer to ADD LINK is to be sent.
    Answering,
    /// Server: the caller brings the queue pair up.
    Connecting,
    /// Version 1: ADD LINK CONTINUATION, in turns.
    Keys {
        /// How many RMBs the peer has still to tell.
        peer_left: u8,
        rounds: u8,
    },
    /// Server: the response; client: the request.
    AwaitConfirm,
    /// Client: the caller brings the queue pair up.
    Enabling,
    /// Client: CONFIRM LINK is to be answered.
    ConfirmAnswer,
}

/// The server deletes a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Deleting {
    pub(super) via: Slot,
    pub(super) slot: Slot,
    pub(super) step: DeleteStep,
    pub(super) deadline: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum DeleteStep {
    Draining,
    AwaitAnswer,
}

impl Flow {
    pub(super) fn kind(&self) -> FlowKind {
        match self {
            Flow::Fresh => FlowKind::BeforeFirstContact,
            Flow::First { .. } => FlowKind::FirstContact,
            Flow::Idle => FlowKind::Idle,
            Flow::Add(_) => FlowKind::AddLink,
            Flow::Invite { .. } => FlowKind::RequestAddLink,
            Flow::Delete(_) => FlowKind::DeleteLink,
            Flow::Rkey(_) => FlowKind::Rkey,
            Flow::Ending { .. } => FlowKind::Ending,
            Flow::Ended => FlowKind::Ended,
        }
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        match self {
            Flow::Fresh | Flow::Idle | Flow::Ended => None,
            Flow::First { deadline, .. } => *deadline,
            Flow::Add(adding) => match adding.step {
                AddStep::Confirming(exchange) => Some(exchange.deadline),
                _ => adding.deadline,
            },
            Flow::Invite { deadline, .. } | Flow::Ending { deadline, .. } => Some(*deadline),
            Flow::Delete(deleting) => Some(deleting.deadline),
            Flow::Rkey(exchange) => Some(exchange.deadline),
        }
    }

    /// When time does something, if nothing else does before.
    pub(super) fn next_time(&self) -> Option<Millis> {
        let again = match self {
            Flow::First { again, .. } => *again,
            _ => None,
        };
        again.into_iter().chain(self.deadline()).min()
    }

    pub(super) fn waits_for_caller(&self) -> bool {
        match self {
            Flow::First { step, .. } => *step == FirstStep::Enabling,
            Flow::Add(adding) => matches!(
                adding.step,
                AddStep::Preparing | AddStep::Connecting | AddStep::Enabling
            ),
            Flow::Delete(deleting) => deleting.step == DeleteStep::Draining,
            _ => false,
        }
    }
}

impl Group {
    /// First contact (RFC 7609 §3.5.1): the queue pair is ready (client: RTR,
    /// server: RTS) and the peer knows it, or will. The client calls this
    /// before it sends CLC Confirm, the server when it has it. RMBs that were
    /// announced before count as told.
    pub fn first_contact(&mut self, now: Millis) {
        if self.flow != Flow::Fresh {
            return;
        }
        let wait = match self.role {
            Role::Server => {
                self.due = true;
                self.times.first_server
            }
            Role::Client => self.times.first_client,
        };
        self.flow = Flow::First {
            step: FirstStep::AwaitConfirm,
            deadline: Some(now.after(wait)),
            again: self.ask_again(now),
        };
    }

    /// When a server asks for the confirmation of the first link once more. A C client
    /// drops what comes before it has begun to wait for it, which is after its CLC
    /// Confirm has left (`smc_connect_rdma`); what comes when it has answered does nothing.
    fn ask_again(&self, now: Millis) -> Option<Millis> {
        let asks = self.role == Role::Server && self.times.first_again != 0;
        asks.then(|| now.after(self.times.first_again))
    }

    /// Nothing has come on the first link.
    pub(super) fn first_timeout(&mut self, now: Millis) {
        match self.flow {
            Flow::First {
                deadline: Some(deadline),
                ..
            } if now < deadline => {
                self.due = true;
                self.flow = Flow::First {
                    step: FirstStep::AskingAgain,
                    deadline: Some(deadline),
                    again: None,
                };
            }
            _ => self.first_failed(FirstError::Timeout),
        }
    }

    /// Server: CONFIRM LINK has been sent.
    pub(super) fn first_asked(&mut self, now: Millis) {
        let next = self.ask_again(now);
        if let Flow::First { step, again, .. } = &mut self.flow {
            *step = FirstStep::AwaitConfirm;
            *again = next;
        }
    }

    /// The first link works in both directions.
    pub(super) fn first_done(&mut self, now: Millis) {
        self.make_active(now, Slot::S0);
        self.first_result = Some(Ok(()));
        // The CLC messages that carried these keys were answered before
        // CONFIRM LINK was sent (RFC 7609 §3.5.1, af_smc.c: "confirm_rkey is
        // implicit on 1st contact").
        self.rkeys.all_told();
        // The server tries for a second link at once (RFC 7609 §3.5.1).
        self.add.wanted |= self.role == Role::Server && self.max_links > 1;
        self.add.dismiss = self.dismiss();
        self.idle(now);
    }

    pub(super) fn first_failed(&mut self, why: FirstError) {
        self.first_result = Some(Err(why));
        self.end(EndReason::FirstContact);
    }

    /// Client: CONFIRM LINK came; the answer follows when the queue pair is up.
    pub(super) fn first_confirmed(&mut self, m: &ConfirmLink<'_>) {
        let uid = self.uid_of(m.link);
        let link = self.link_mut(Slot::S0);
        link.num = m.link;
        link.uid = uid;
        link.ask = Some(Ask::Enable);
        self.flow = Flow::First {
            step: FirstStep::Enabling,
            deadline: None,
            again: None,
        };
    }

    /// Client: the queue pair of the first link is at RTS, or can't be.
    pub(super) fn first_enabled(&mut self, ok: bool) {
        match self.flow {
            Flow::First {
                step: FirstStep::Enabling,
                ..
            } if ok => {
                self.due = true;
                self.flow = Flow::First {
                    step: FirstStep::Answering,
                    deadline: None,
                    again: None,
                };
            }
            Flow::First { .. } => self.first_failed(FirstError::NotReady),
            _ => {}
        }
    }

    pub(super) fn make_active(&mut self, now: Millis, slot: Slot) {
        let link: &mut Link = self.link_mut(slot);
        link.state = LinkState::Active;
        link.tell_active = true;
        self.heard(now, slot);
    }

    /// The flow is over: the next one may begin.
    pub(super) fn idle(&mut self, now: Millis) {
        self.rkeys_first = !matches!(self.flow, Flow::Rkey(_) | Flow::Idle);
        self.flow = Flow::Idle;
        self.due = false;
        self.next(now);
    }

    /// Begins what waits, if nothing runs. The peer's offer and links that are
    /// to go come before own RMBs, but never twice in a row, so that a peer
    /// can't keep the own wishes waiting.
    pub(super) fn next(&mut self, now: Millis) {
        if self.flow != Flow::Idle {
            return;
        }
        self.settle_rkeys();
        if core::mem::take(&mut self.rkeys_first) && self.start_rkey(now) {
            return;
        }
        let _ = self.start_offer()
            || self.start_delete(now)
            || self.start_add(now)
            || self.start_rkey(now);
    }
}
