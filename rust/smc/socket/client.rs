// SPDX-License-Identifier: GPL-2.0

//! The steps of a client's handshake: what it says, what it hears, what it needs.

use super::syn::SynProposal;
use crate::{
    abstractions::{
        net::{errno::NetErrno, sock::Sock},
        work::Task,
    },
    smc::{
        clc::{self, Inbox, Input},
        conn::Conn,
        path,
        session::{self, Session},
        wait::Waker,
    },
};
use core::task::Poll;
use kernel::{prelude::*, sync::Arc};
use smc_proto::{
    group::Millis,
    handshake::{Action, Client, Fallback, GroupKey, Local},
    wire::{
        clc::{Kind, Message, Reason, MAX_PROPOSAL_LEN},
        ext::Features,
    },
};

/// The handshake, and what it has got so far.
pub(super) struct Io {
    pub(super) client: Client,
    inbox: Inbox,
    begun: bool,
    pub(super) session: Session,
    pub(super) syn: Option<KBox<SynProposal>>,
    /// What the server has said of itself, once the connection is up.
    pub(super) peer_features: Features,
    pending: Pending,
}

/// What the handshake waits for here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pending {
    Nothing,
    Buffers,
    Link,
}

/// What a look at the stream has come to.
pub(super) enum Step {
    Waits(Option<Millis>),
    Ends(Result<End>),
}

/// What the connection is.
pub(super) enum End {
    Plain(Fallback),
    Smc(Arc<Task<Conn>>),
}

impl Io {
    pub(super) fn new(client: Client, session: Session) -> Self {
        Self {
            client,
            inbox: Inbox::new(),
            begun: false,
            session,
            syn: None,
            peer_features: Features::NONE,
            pending: Pending::Nothing,
        }
    }

    pub(super) fn step(&mut self, sock: &Sock, waker: &Waker) -> Step {
        let mut action = if self.begun {
            Action::Wait
        } else {
            self.begun = true;
            if let Err(e) = self.send_rest(sock) {
                return Step::Ends(Err(e));
            }
            self.client.on_connected(true, clc::now())
        };
        loop {
            action = match action {
                Action::Wait => match self.look(sock, waker) {
                    Ok(Some(action)) => action,
                    // As with a server: what has come in time counts.
                    Ok(None) => {
                        let now = clc::now();
                        self.client.on_progress(sock.has_all_arrived(), now);
                        if self.client.is_late(now) {
                            // The server may be at work on others.
                            if let Some(busy) = self.session.peer_busy(sock) {
                                self.client.on_busy(busy);
                            }
                        }
                        match self.client.on_timeout(now) {
                            Action::Wait => return Step::Waits(self.client.deadline()),
                            action => action,
                        }
                    }
                    Err(e) => return Step::Ends(Err(e)),
                },
                Action::Established => {
                    self.peer_features = self.session.peer_features();
                    let conn = self.session.establish().ok_or(EINVAL);
                    return Step::Ends(conn.map(End::Smc));
                }
                Action::Fallback(fallback) => {
                    self.session.fall_back(&fallback);
                    let told =
                        clc::send_decline(&fallback, sock.net(), |bytes| sock.send_now(bytes));
                    return Step::Ends(told.map(|()| End::Plain(fallback)));
                }
                Action::Abort(abort) => {
                    self.session.give_up(abort.group);
                    return Step::Ends(Err(clc::error_of(abort.cause)));
                }
                action => match self.carry_out(action, sock) {
                    Ok(action) => action,
                    Err(e) => return Step::Ends(Err(e)),
                },
            };
        }
    }

    /// Carries out a step of the handshake, and gives the next.
    fn carry_out(&mut self, action: Action, sock: &Sock) -> Result<Action> {
        Ok(match action {
            Action::FindDevices => self.offer(sock),
            Action::Send(Kind::Proposal) => self.propose(sock)?,
            Action::Send(Kind::Confirm) => self.confirm(sock)?,
            Action::FindRoute(gid) => {
                let path = self.session.path.as_mut();
                let route = path.and_then(|path| path.route_to(&gid));
                self.client.on_route(route)
            }
            Action::FindGroup(GroupKey::Rdma(key)) => match self.session.find(sock, &key) {
                Ok(()) => self.client.on_group(),
                Err(reason) => self.client.on_failure(reason),
            },
            Action::CreateGroup(GroupKey::Rdma(key)) => {
                let agreed = *self.client.negotiated();
                match self.session.create(sock, &key, &agreed) {
                    Ok(()) => self.client.on_group(),
                    Err(reason) => self.client.on_failure(reason),
                }
            }
            Action::Prepare => {
                self.pending = Pending::Buffers;
                Action::Wait
            }
            Action::ConfirmLink => {
                self.pending = Pending::Link;
                Action::Wait
            }
            // Steps of a server, or with devices that were not offered.
            _ => return Err(NetErrno::Proto.into()),
        })
    }

    pub(super) fn offer(&mut self, sock: &Sock) -> Action {
        let Some(path) = &self.session.path else {
            return self.client.on_failure(Reason::NoDevice);
        };
        let mut eids = [0; path::EID_AREA];
        let offer = path::offer(path, session::limits(sock), &mut eids);
        self.client.on_offer(&offer)
    }

    /// Writes the Proposal of the last offer; how long it is.
    pub(super) fn write_proposal(&self, sock: &Sock, to: &mut [u8]) -> Result<usize> {
        let path = self.session.path.as_ref().ok_or(EINVAL)?;
        let mut eids = [0; path::EID_AREA];
        let offer = path::offer(path, session::limits(sock), &mut eids);
        self.client.write_proposal(&offer, to).map_err(|_| EINVAL)
    }

    fn propose(&mut self, sock: &Sock) -> Result<Action> {
        let mut message = KBox::new([0; MAX_PROPOSAL_LEN], GFP_KERNEL)?;
        let len = self.write_proposal(sock, &mut message[..])?;
        sock.send_now(message.get(..len).ok_or(EINVAL)?)?;
        Ok(self.client.on_sent(clc::now()))
    }

    fn confirm(&mut self, sock: &Sock) -> Result<Action> {
        let mut message = [0; clc::MAX_ACCEPT];
        let Some(local) = self.session.local() else {
            return Ok(self.client.on_failure(Reason::Internal));
        };
        let len = self
            .client
            .write_confirm(&Local::Rdma(&local), &mut message)
            .map_err(|_| EINVAL)?;
        sock.send_now(message.get(..len).ok_or(EINVAL)?)?;
        Ok(self.client.on_sent(clc::now()))
    }

    /// Whether something that is waited for has come.
    fn look(&mut self, sock: &Sock, waker: &Waker) -> Result<Option<Action>> {
        let agreed = *self.client.negotiated();
        let done = match self.pending {
            Pending::Nothing => None,
            Pending::Buffers => match self.session.prepare(sock, &agreed, waker) {
                Poll::Pending => None,
                Poll::Ready(Ok(())) => Some(self.client.on_prepared()),
                Poll::Ready(Err(_)) if !agreed.first_contact && self.session.is_closing() => {
                    // The server had better not name the group again.
                    Some(self.client.on_failure(Reason::SyncError))
                }
                Poll::Ready(Err(reason)) => Some(self.client.on_failure(reason)),
            },
            Pending::Link => match self.session.link() {
                Poll::Pending => None,
                Poll::Ready(link) => Some(self.client.on_link(link, clc::now())),
            },
        };
        match done {
            Some(action) => {
                self.pending = Pending::Nothing;
                Ok(Some(action))
            }
            None => self.read(sock),
        }
    }

    fn read(&mut self, sock: &Sock) -> Result<Option<Action>> {
        let Some(expected) = self.client.expected() else {
            return Ok(None);
        };
        Ok(match self.inbox.read(sock, expected)? {
            Input::Nothing => None,
            Input::Message(bytes) => Some(match Message::parse(bytes) {
                Ok(message) => self.client.on_message(&message),
                Err(_) => self.client.on_malformed(),
            }),
            Input::Malformed => Some(self.client.on_malformed()),
            Input::Closed => Some(self.client.on_closed()),
        })
    }
}
