// SPDX-License-Identifier: GPL-2.0

//! The Proposal as the payload of the SYN: a client that sends it, a listener that
//! takes it.
//!
//! TCP ends a connection whose SYN with a Proposal was answered by something that is
//! not a listener with SMC (`patches/`). To the application nothing has happened
//! then: the socket connects once more, without SMC.

use super::{active::Active, client::Io, Attachment};
use crate::{
    abstractions::{
        net::{
            attach::EventSock,
            errno::NetErrno,
            fastopen::{Allowed, SavedAddress, SmcOnly, SynSent},
            sock::{Sock, SockGuard, TcpState},
            socket::{Address, Socket},
            uapi,
        },
        work::Task,
    },
    smc::{
        clc,
        fastopen::{self, Event, Outcome, Verdict},
        path::Path,
    },
};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use kernel::{ffi::c_int, prelude::*, sync::Arc};
use smc_proto::{
    handshake::Action,
    wire::clc::{Kind, MAX_PROPOSAL_LEN},
};

/// A Proposal that is to go with the SYN, or has gone.
pub(super) struct SynProposal {
    proof: SmcOnly,
    to: SavedAddress,
    bytes: [u8; MAX_PROPOSAL_LEN],
    len: usize,
    /// How much of it TCP has with the SYN; `None`: the SYN has not left.
    sent: Option<usize>,
}

/// What a client's handshake knows of its SYN, outside of its lock.
pub(super) struct Syn {
    /// The Proposal is with the SYN, and there was no answer yet.
    carried: AtomicBool,
    /// It has the Fast Open option in place of the Proposal, most likely.
    asked: AtomicBool,
    /// Not all of it had room there.
    has_rest: AtomicBool,
    /// The server has taken it.
    taken: AtomicBool,
    /// It went somewhere without SMC: a new connection is to be made.
    astray: AtomicBool,
    /// How many new ones were made.
    attempts: AtomicU32,
}

impl Syn {
    /// One that has not left.
    pub(super) const fn new() -> Self {
        Self {
            carried: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            has_rest: AtomicBool::new(false),
            taken: AtomicBool::new(false),
            astray: AtomicBool::new(false),
            attempts: AtomicU32::new(0),
        }
    }
}

impl Io {
    /// Writes the Proposal, if it may go with the SYN. Without memory it does not.
    fn prepare_syn(&mut self, sock: &Sock, to: &Address<'_>, verdict: Verdict) -> Option<SmcOnly> {
        self.session.path.as_ref().and_then(Path::peer)?;
        let proof = fastopen::may_send(sock, verdict)?;
        let mut syn = KBox::new(
            SynProposal {
                proof,
                to: SavedAddress::new(to).ok()?,
                bytes: [0; MAX_PROPOSAL_LEN],
                len: 0,
                sent: None,
            },
            GFP_KERNEL,
        )
        .ok()?;
        if self.offer(sock) != Action::Send(Kind::Proposal) {
            return None;
        }
        match self.write_proposal(sock, &mut syn.bytes) {
            Ok(len) => syn.len = len,
            Err(_) => {
                self.client.on_not_in_syn();
                return None;
            }
        }
        self.syn = Some(syn);
        Some(proof)
    }

    /// Sends what had no room in the SYN.
    pub(super) fn send_rest(&self, sock: &Sock) -> Result {
        match &self.syn {
            Some(syn) => match syn.bytes.get(syn.sent.unwrap_or(syn.len)..syn.len) {
                Some(rest) if !rest.is_empty() => sock.send_now(rest),
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }
}

impl Active {
    /// Has the Proposal go with the SYN, if it may; the sock's Fast Open is to be for
    /// SMC only then. Process context, before anybody else has the handshake.
    pub(super) fn prepare_syn(&self, to: &Address<'_>) -> Option<SmcOnly> {
        let verdict = self.standing.verdict;
        self.io.lock().prepare_syn(&self.sock, to, verdict)
    }

    /// Sends the SYN, if the Proposal shall go with it. Whether it has left.
    fn send_syn(&self, socket: Socket<'_>) -> Result<bool> {
        let mut io = self.io.lock();
        let io = &mut *io;
        let Some(syn) = io.syn.as_deref_mut().filter(|syn| syn.sent.is_none()) else {
            return Ok(false);
        };
        let data = syn.bytes.get(..syn.len).ok_or(EINVAL)?;
        let sent = &mut syn.sent;
        let done = socket.tcp_connect_with(syn.proof, &mut syn.to, data, |what| {
            if let SynSent::With(n) = what {
                *sent = Some(n);
                self.syn.has_rest.store(n < data.len(), Ordering::SeqCst);
                self.syn.carried.store(true, Ordering::SeqCst);
            }
        });
        if syn.sent.is_some() {
            fastopen::count(&self.sock, Event::Sent);
            return Ok(true);
        }
        io.syn = None;
        io.client.on_not_in_syn();
        match done {
            Ok(()) => {
                fastopen::count(&self.sock, Event::NoCookie);
                self.syn.asked.store(true, Ordering::SeqCst);
                Ok(true)
            }
            // Switched off meanwhile.
            Err(e) if NetErrno::OpNotSupp.is(e) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Whether TCP has ended the connection since the SYN with the Proposal went
    /// somewhere without SMC: a new one is about to be made. Any context.
    pub(super) fn is_astray(&self) -> bool {
        self.syn.astray.load(Ordering::SeqCst)
            // TCP has just done so.
            || self.syn.carried.load(Ordering::SeqCst)
                && !self.is_connected()
                && !self.sock.syn_smc()
                && (!self.option.is_left_out()
                    || self.sock.state() == TcpState::Close && self.sock.was_answered())
    }

    /// How often a new connection was made. Any context.
    pub(super) fn attempts(&self) -> u32 {
        self.syn.attempts.load(Ordering::SeqCst)
    }

    /// The state of TCP has changed while the Proposal is with the SYN; contexts as in
    /// `on_state`. Whether nobody is to hear of it.
    pub(super) fn on_syn_closed(&self, sock: &EventSock<'_>, task: &Arc<Task<Self>>) -> bool {
        if !self.syn.carried.load(Ordering::SeqCst) || self.is_over() {
            // Nothing that the peer would have done.
            return false;
        }
        let left_out = self.option.is_left_out();
        // To TCP nothing without the option is a listener with SMC, whatever it answers.
        // Without an answer it is an administrator who has ended it (SOCK_DESTROY).
        let astray = !sock.syn_smc() && (!left_out || sock.is_aborted() && sock.was_answered());
        // In this order, for who asks whether it is astray.
        self.syn.astray.store(astray, Ordering::SeqCst);
        self.syn.carried.store(false, Ordering::SeqCst);
        if !astray {
            self.note(Outcome::Failed);
            return false;
        }
        // Not for the application.
        sock.take_error();
        self.note(if left_out {
            self.on_option_astray(sock);
            Outcome::Lost
        } else {
            Outcome::NotSmc
        });
        self.wake(task);
        true
    }

    /// TCP is connected, to a listener with SMC; contexts as in `on_state`. Whether the
    /// server has all of the Proposal, and its Accept is what comes next.
    pub(super) fn on_syn_answered(&self, sock: &EventSock<'_>) -> bool {
        if !self.syn.carried.swap(false, Ordering::SeqCst) {
            // The first message of the handshake follows at once, and is the ACK of the
            // SYN-ACK, too.
            sock.delay_acks();
            // TCP repeats a SYN without the Fast Open option: that may be what got it there.
            if self.syn.asked.load(Ordering::SeqCst) && sock.syn_was_repeated() {
                self.note(Outcome::Lost);
            }
            return false;
        }
        let taken = sock.syn_data_acked();
        if taken {
            // The Accept is right behind the SYN-ACK: what answers the one will do for
            // both.
            sock.delay_acks();
        }
        self.syn.taken.store(taken, Ordering::SeqCst);
        self.note(if taken {
            Outcome::Taken
        } else if sock.syn_was_lost() {
            Outcome::Lost
        } else {
            Outcome::NotTaken
        });
        taken && !self.syn.has_rest.load(Ordering::SeqCst)
    }

    /// The handshake is over; process context, before anything of it is given up.
    pub(super) fn on_syn_over(&self, io: &Io, worked: bool) {
        let taken = self.syn.taken.load(Ordering::SeqCst);
        if !worked {
            if taken {
                self.note(Outcome::Broken);
            }
            return;
        }
        if taken {
            fastopen::count(&self.sock, Event::Saved);
        }
        if let Some(path) = &io.session.path {
            fastopen::learn(&self.sock, path, io.peer_features);
        }
    }

    fn note(&self, outcome: Outcome) {
        if let Some(peer) = &self.peer {
            fastopen::note(&self.sock, peer, outcome);
        }
    }

    /// Makes the connection anew as plain TCP, if it has gone astray; whether it had.
    /// Process context; does not wait.
    ///
    /// # Errors
    ///
    /// Those of connect(2).
    pub(super) fn connect_again(&self) -> Result<bool> {
        if !self.syn.astray.load(Ordering::SeqCst) {
            return Ok(false);
        }
        let mut io = self.io.lock();
        if self.is_over() || !self.syn.astray.load(Ordering::SeqCst) {
            return Ok(false);
        }
        io.client.on_connected(false, clc::now());
        let mut syn = io.syn.take().ok_or(EINVAL)?;
        let done = self.sock.connect_again(syn.proof, &mut syn.to);
        self.syn.attempts.fetch_add(1, Ordering::SeqCst);
        self.syn.astray.store(false, Ordering::SeqCst);
        done.map(|()| true)
    }
}

/// connect(2) of TCP, with the Proposal in the SYN where it may be there.
pub(super) fn connect(
    active: &Arc<Task<Active>>,
    socket: Socket<'_>,
    to: &Address<'_>,
    flags: c_int,
) -> Result<c_int> {
    let first = active.send_syn(socket)?;
    if first && flags & uapi::O_NONBLOCK != 0 {
        return Err(NetErrno::InProgress.into());
    }
    active.connect_again()?;
    let mut done = socket.tcp_connect(to, flags);
    if done.is_err() && active.connect_again()? {
        done = socket.tcp_connect(to, flags);
    }
    match done {
        // To TCP this was the second call.
        Err(e) if first && NetErrno::Already.is(e) => Err(NetErrno::InProgress.into()),
        done => done,
    }
}

/// Lets the listener take Proposals out of SYNs, if it may. Process context, before
/// it listens.
pub(super) fn take_from_syns(this: &Attachment, socket: Socket<'_>, backlog: c_int) {
    let sock = socket.sock();
    // Where all listeners have Fast Open this one needs none of its own.
    let Some(proof) =
        fastopen::server(sock.net()).filter(|_| !Allowed::of(sock.net()).all_listeners())
    else {
        return;
    };
    if socket.set_fastopen_queue(backlog).is_ok() {
        proof.set(&sock.lock(), true);
        this.takes_from_syns.store(true, Ordering::Relaxed);
    }
}

/// Goes on with that as a new backlog wants it, or ends it where it has been switched off.
/// Process context; the socket listens.
pub(super) fn take_as_before(this: &Attachment, socket: Socket<'_>, backlog: c_int) {
    if !this.takes_from_syns.load(Ordering::Relaxed) {
        return;
    }
    let sock = socket.sock();
    if fastopen::server(sock.net()).is_none() || socket.set_fastopen_queue(backlog).is_err() {
        take_no_more(this, &sock.lock(), true);
    }
}

/// Takes that back; with `queue`, for all kinds of SYNs.
pub(super) fn take_no_more(this: &Attachment, locked: &SockGuard<'_>, queue: bool) {
    if !this.takes_from_syns.swap(false, Ordering::Relaxed) {
        return;
    }
    if let Some(proof) = SmcOnly::get() {
        if queue {
            locked.clear_fastopen_queue();
        }
        proof.set(locked, false);
    }
}
