// SPDX-License-Identifier: GPL-2.0

//! Client and server as one type.

use crate::group::{FirstError, Millis, Role};
use crate::handshake::{Action, Client, Negotiated, Server};
use crate::wire::clc::Kind;
use std::boxed::Box;

/// One end of a handshake.
pub(super) enum Machine {
    Client(Box<Client>),
    Server(Box<Server>),
}

impl Machine {
    pub(super) fn expected(&self) -> Option<Kind> {
        match self {
            Machine::Client(m) => m.expected(),
            Machine::Server(m) => m.expected(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        match self {
            Machine::Client(m) => m.deadline(),
            Machine::Server(m) => m.deadline(),
        }
    }

    pub(super) fn negotiated(&self) -> &Negotiated {
        match self {
            Machine::Client(m) => m.negotiated(),
            Machine::Server(m) => m.negotiated(),
        }
    }

    pub(super) fn on_sent(&mut self, now: Millis) -> Action {
        match self {
            Machine::Client(m) => m.on_sent(now),
            Machine::Server(m) => m.on_sent(now),
        }
    }

    pub(super) fn on_prepared(&mut self) -> Action {
        match self {
            Machine::Client(m) => m.on_prepared(),
            Machine::Server(m) => m.on_prepared(),
        }
    }

    pub(super) fn on_link(&mut self, link: Result<(), FirstError>, now: Millis) -> Action {
        match self {
            Machine::Client(m) => m.on_link(link, now),
            Machine::Server(m) => m.on_link(link, now),
        }
    }

    pub(super) fn on_closed(&mut self) -> Action {
        match self {
            Machine::Client(m) => m.on_closed(),
            Machine::Server(m) => m.on_closed(),
        }
    }

    pub(super) fn on_malformed(&mut self) -> Action {
        match self {
            Machine::Client(m) => m.on_malformed(),
            Machine::Server(m) => m.on_malformed(),
        }
    }

    pub(super) fn on_timeout(&mut self, now: Millis) -> Action {
        match self {
            Machine::Client(m) => m.on_timeout(now),
            Machine::Server(m) => m.on_timeout(now),
        }
    }

    pub(super) fn role(&self) -> Role {
        match self {
            Machine::Client(_) => Role::Client,
            Machine::Server(_) => Role::Server,
        }
    }
}
