// SPDX-License-Identifier: GPL-2.0

//! The client's handshake, from the SYN to the decision what the connection is.
//!
//! It goes on by itself: TCP's callbacks kick it, as does its deadline. A thread
//! that waits in connect() drives it instead of the workqueue, which saves two
//! switches of threads.

use super::{fallback, Attachment, Phase, HANDSHAKES};
use crate::{
    abstractions::{
        net::{
            attach::EventSock,
            errno::NetErrno,
            sock::{Sock, TcpState},
        },
        work::{Run, Task, Workqueue},
    },
    smc::clc::{self, Inbox, Input},
};
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
    types::ARef,
};
use smc_proto::{
    group::Millis,
    handshake::{Action, Client, Fallback},
    wire::{
        clc::{Message, Reason},
        ext::Features,
    },
};

/// SO_RCVLOWAT of the application is not known here.
const NO_RCVLOWAT: i32 = -1;

/// One connect().
#[pin_data]
pub(super) struct Active {
    owner: Arc<Attachment>,
    sock: ARef<Sock>,
    #[pin]
    io: Mutex<Io>,
    /// TCP is connected, and the stream belongs to the handshake.
    connected: AtomicBool,
    /// A thread drives it.
    threaded: AtomicBool,
    /// Something has happened since the thread looked last.
    event: AtomicBool,
    /// Nothing is done any more.
    over: AtomicBool,
    /// SO_RCVLOWAT of the application, which gets it back at the end.
    rcvlowat: AtomicI32,
}

struct Io {
    client: Client,
    inbox: Inbox,
    begun: bool,
}

/// How far it is.
pub(super) enum Progress {
    /// The peer has to say something, until then if a time is given.
    Waits(Option<Millis>),
    /// It is over: the socket is a plain one, or has failed.
    Over,
}

impl Active {
    /// A handshake for the connection that `sock` is about to make.
    pub(super) fn new(owner: &Arc<Attachment>, sock: &Sock) -> Result<Arc<Task<Self>>> {
        Arc::pin_init(
            Task::new(try_pin_init!(Self {
                owner: owner.clone(),
                sock: sock.into(),
                io <- new_mutex!(Io {
                    client: Client::new(Features::NONE),
                    inbox: Inbox::new(),
                    begun: false,
                }, "Active::io"),
                connected: AtomicBool::new(false),
                threaded: AtomicBool::new(false),
                event: AtomicBool::new(false),
                over: AtomicBool::new(false),
                rcvlowat: AtomicI32::new(NO_RCVLOWAT),
            }? Error)),
            GFP_KERNEL,
        )
    }

    /// Whether the stream belongs to the handshake.
    pub(super) fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Acquire)
    }

    /// A thread takes over, or leaves.
    pub(super) fn set_threaded(&self, on: bool, task: &Arc<Task<Self>>) {
        self.threaded.store(on, Ordering::SeqCst);
        if !on && self.is_connected() {
            Task::kick(task);
        }
    }

    /// Whether something has happened since the last call, or it is over.
    pub(super) fn has_news(&self) -> bool {
        self.event.swap(false, Ordering::SeqCst) || self.over.load(Ordering::SeqCst)
    }

    fn has_thread(&self) -> bool {
        self.threaded.load(Ordering::SeqCst)
    }

    /// Keeps the application's SO_RCVLOWAT for later, if the stream is not its
    /// own yet.
    pub(super) fn keep_rcvlowat(&self, value: i32) -> bool {
        let value = match value {
            0 => 1,
            negative if negative < 0 => i32::MAX,
            other => other,
        };
        self.rcvlowat
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |old| {
                (old != NO_RCVLOWAT).then_some(value)
            })
            .is_ok()
    }

    /// The state of the TCP connection has changed; softirq or process context,
    /// the sock is locked.
    pub(super) fn on_state(&self, sock: &EventSock<'_>, task: &Arc<Task<Self>>) {
        if self.is_connected() {
            return self.on_data(sock, task);
        }
        match sock.state() {
            TcpState::Established | TcpState::Closing if Self::is_client_of_smc(sock) => {
                // Each byte counts, whatever the application has asked for.
                let rcvlowat = sock.swap_rcvlowat(1);
                self.rcvlowat.store(rcvlowat, Ordering::Release);
                self.connected.store(true, Ordering::SeqCst);
                self.on_data(sock, task);
            }
            TcpState::Established | TcpState::Closing => {
                fallback::to_plain(&self.owner, sock, Reason::PeerNoSmc);
                sock.default_state_change();
            }
            // What the application sees of it is TCP's.
            _ => sock.default_state_change(),
        }
    }

    /// Whether the peer is a server with SMC. Where both ends have connected to
    /// each other there is no server to answer a Proposal.
    fn is_client_of_smc(sock: &Sock) -> bool {
        sock.syn_smc() && sock.peer_smc() && !sock.syns_crossed()
    }

    /// Something has come; contexts as in `on_state`.
    pub(super) fn on_data(&self, sock: &EventSock<'_>, task: &Arc<Task<Self>>) {
        self.event.store(true, Ordering::SeqCst);
        if self.has_thread() {
            sock.default_state_change();
        } else {
            Task::kick(task);
        }
    }

    /// The socket is being closed, or used for something else.
    pub(super) fn cancel(&self, task: &Arc<Task<Self>>) {
        let io = self.io.lock();
        self.over.store(true, Ordering::SeqCst);
        drop(io);
        // A deadline that is due holds the socket's memory, and the module.
        Task::kick(task);
    }

    /// Does what can be done without waiting. Process context.
    ///
    /// The lock is held until the socket is what it shall be: who cancels the
    /// handshake knows that nothing comes after.
    pub(super) fn step(&self) -> Progress {
        let mut io = self.io.lock();
        if self.over.load(Ordering::SeqCst) {
            return Progress::Over;
        }
        let end = match io.step(&self.sock) {
            Step::Waits(until) => return Progress::Waits(until),
            Step::Ends(end) => end,
        };
        match end {
            Ok(fallback) => self.become_plain(&fallback),
            Err(e) => self.fail(e),
        }
        self.over.store(true, Ordering::SeqCst);
        self.sock.wake_connected();
        Progress::Over
    }

    fn restore_rcvlowat(&self, sock: &Sock) {
        let rcvlowat = self.rcvlowat.swap(NO_RCVLOWAT, Ordering::AcqRel);
        if rcvlowat != NO_RCVLOWAT {
            sock.swap_rcvlowat(rcvlowat);
        }
    }

    /// The connection is TCP's from here on.
    fn become_plain(&self, fallback: &Fallback) {
        let locked = self.sock.lock();
        self.restore_rcvlowat(&locked);
        fallback::to_plain_after(&self.owner, &locked, fallback.reason, fallback.peer_reason);
    }

    /// The connection is broken; the socket stays ours, and connect() may be
    /// called again.
    fn fail(&self, error: Error) {
        self.restore_rcvlowat(&self.sock.lock());
        self.owner.enter(Phase::Idle);
        self.sock.fail(error);
    }
}

/// What a look at the stream has come to.
enum Step {
    Waits(Option<Millis>),
    Ends(Result<Fallback>),
}

impl Io {
    fn step(&mut self, sock: &Sock) -> Step {
        let now = clc::now();
        let mut action = if self.begun {
            self.client.on_timeout(now)
        } else {
            self.begun = true;
            self.client.on_connected(true, now)
        };
        loop {
            action = match action {
                Action::Wait => match self.read(sock) {
                    Ok(Some(action)) => action,
                    Ok(None) => return Step::Waits(self.client.deadline()),
                    Err(e) => return Step::Ends(Err(e)),
                },
                Action::FindDevices => self.client.on_failure(Self::why_not(sock)),
                Action::Fallback(fallback) => {
                    return Step::Ends(clc::send_decline(sock, &fallback).map(|()| fallback))
                }
                Action::Abort(abort) => return Step::Ends(Err(clc::error_of(abort.cause))),
                // Steps of an offer, and none was made.
                _ => return Step::Ends(Err(NetErrno::Proto.into())),
            };
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

    /// Why this host offers the peer nothing.
    fn why_not(sock: &Sock) -> Reason {
        if sock.has_ipsec_policy() {
            Reason::Ipsec
        } else {
            Reason::NoDevice
        }
    }
}

impl Run for Active {
    fn queue() -> &'static Workqueue {
        &HANDSHAKES
    }

    fn run(this: &Arc<Task<Self>>) {
        if this.has_thread() || !this.is_connected() {
            return;
        }
        if let Progress::Waits(Some(until)) = this.step() {
            Task::run_after(this, clc::jiffies_until(until));
        }
    }
}
