// SPDX-License-Identifier: GPL-2.0

//! The client's handshake, from the SYN to the decision what the connection is.
//!
//! It goes on by itself: TCP's callbacks kick it, as does its deadline. A thread
//! that waits in connect() drives it instead of the workqueue, which saves two
//! switches of threads.

use super::{
    client::{End, Io, Step},
    fallback,
    option::{self, SynOption},
    quiet,
    syn::Syn,
    Attachment, Phase, HANDSHAKES,
};
use crate::{
    abstractions::{
        memcg,
        net::{
            attach::EventSock,
            ready::ReadyMessage,
            sock::{Sock, TcpState},
            socket::Address,
        },
        work::{Run, Task, Workqueue},
    },
    smc::{
        clc,
        conn::Conn,
        fastopen::{self, PeerKey, Standing},
        netns::NetData,
        path::Path,
        session::Session,
        stats::{self, Side},
        sysctl::Settings,
        wait::Waker,
    },
};
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
    time::msecs_to_jiffies,
    types::ARef,
};
use smc_proto::{
    group::{Millis, Role},
    handshake::{Client, Fallback, GroupFate},
    wire::{clc::Reason, ext::Features},
};

/// Most often the Accept is right behind the SYN-ACK of a SYN with the Proposal. When
/// it is not, in milliseconds, the handshake begins to wait for it.
const ACCEPT_TIME: u32 = 100;
/// SO_RCVLOWAT of the application is not known here.
const NO_RCVLOWAT: i32 = -1;

/// One connect().
#[pin_data]
pub(crate) struct Active {
    pub(super) owner: Arc<Attachment>,
    pub(super) sock: ARef<Sock>,
    #[pin]
    pub(super) io: Mutex<Io>,
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
    /// The listener that is connected to.
    pub(super) peer: Option<PeerKey>,
    /// What was known of it.
    pub(super) standing: Standing,
    /// The SMC option of the SYN.
    pub(super) option: SynOption,
    /// The Proposal in the SYN.
    pub(super) syn: Syn,
    /// What it comes to with a server that has SMC, if that is certain.
    foreseen: Option<Foreseen>,
}

/// A fallback without a handshake: a Decline takes the place of the Proposal.
struct Foreseen {
    fallback: Fallback,
    decline: Arc<ReadyMessage>,
}

impl Foreseen {
    /// That of a client for which it is certain. Without memory there is a handshake.
    fn of(client: &Client, data: &NetData) -> Option<Self> {
        let fallback = client.foreseen()?;
        let decline = clc::ready_decline(&fallback, data).ok()?;
        Some(Self { fallback, decline })
    }
}

/// How far it is.
pub(super) enum Progress {
    /// The peer has to say something, until then if a time is given.
    Waits(Option<Millis>),
    /// It is over: the socket is what it shall be, or has failed.
    Over,
}

impl Active {
    /// A handshake for the connection that `sock` is about to make to `to`, over RDMA by
    /// `path`.
    pub(super) fn new(
        owner: &Arc<Attachment>,
        sock: &Sock,
        path: Result<Path, Reason>,
        to: &Address<'_>,
    ) -> Result<Arc<Task<Self>>> {
        let mut session = Session::new(Role::Client);
        let peer = path.as_ref().ok().and_then(Path::peer);
        let peer = peer.or_else(|| option::listener(sock, to));
        // One whose namespace ends is like any other, and about to be reset.
        let data = NetData::of(sock.net());
        let data = data.as_deref();
        let look = |(data, peer)| fastopen::look(data, peer);
        let standing = data.zip(peer.as_ref()).map_or(Standing::UNKNOWN, look);
        let (client, foreseen) = match path {
            Ok(path) => {
                session.path = Some(path);
                let set = data.map_or(Settings::FIRST, NetData::settings);
                let features = fastopen::client_features(sock.net(), set);
                (Client::new(features), None)
            }
            Err(reason) => {
                // It says nothing of itself.
                let mut client = Client::new(Features::NONE);
                client.on_failure(reason);
                let foreseen = data.and_then(|data| Foreseen::of(&client, data));
                (client, foreseen)
            }
        };
        Arc::pin_init(
            Task::new(try_pin_init!(Self {
                owner: owner.clone(),
                sock: sock.into(),
                io <- new_mutex!(Io::new(client, session), "Active::io"),
                connected: AtomicBool::new(false),
                threaded: AtomicBool::new(false),
                event: AtomicBool::new(false),
                over: AtomicBool::new(false),
                rcvlowat: AtomicI32::new(NO_RCVLOWAT),
                peer,
                standing,
                option: SynOption::new(),
                syn: Syn::new(),
                foreseen,
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
        if !on && (self.is_connected() || self.is_astray()) {
            Task::kick(task);
        }
    }

    /// Whether something has happened since the last call, or it is over.
    pub(super) fn has_news(&self) -> bool {
        self.event.swap(false, Ordering::SeqCst) || self.over.load(Ordering::SeqCst)
    }

    /// Whether nothing is done any more.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
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
            return self.on_message(sock, task);
        }
        // The SYN is answered, or given up.
        self.on_last_syn(sock, task);
        match sock.state() {
            TcpState::Established | TcpState::Closing if self.is_client_of_smc(sock) => {
                self.on_option_heard(sock);
                if self.decline_at_once(sock) {
                    return;
                }
                let proposed = self.on_syn_answered(sock);
                // Each byte counts, whatever the application has asked for.
                let rcvlowat = sock.swap_rcvlowat(1);
                self.rcvlowat.store(rcvlowat, Ordering::Release);
                self.connected.store(true, Ordering::SeqCst);
                if proposed && !self.has_thread() {
                    Task::run_after(task, msecs_to_jiffies(ACCEPT_TIME));
                } else {
                    self.on_message(sock, task);
                }
            }
            TcpState::Established | TcpState::Closing => {
                self.on_no_option(sock);
                let ack = quiet::first_bytes(&self.owner, sock, self.has_thread());
                fallback::to_plain_connected(&self.owner, sock, Reason::PeerNoSmc, ack);
            }
            TcpState::Close if self.on_syn_closed(sock, task) => {}
            // What the application sees of it is TCP's.
            _ => sock.default_state_change(),
        }
    }

    /// Ends it where nothing but a Decline follows; whether it has. Contexts as in
    /// `on_state`.
    fn decline_at_once(&self, sock: &EventSock<'_>) -> bool {
        let Some(foreseen) = &self.foreseen else {
            return false;
        };
        let when = quiet::first_bytes(&self.owner, sock, self.has_thread());
        let Ok(sent) = sock.send_first(&foreseen.decline, when) else {
            // Nothing of it.
            return false;
        };
        // It is the ACK of the SYN-ACK, too.
        sock.delay_acks();
        fallback::to_plain_connected(&self.owner, sock, foreseen.fallback.reason, sent);
        true
    }

    /// Whether the peer is a server with SMC. Where both ends have connected to
    /// each other there is no server to answer a Proposal.
    fn is_client_of_smc(&self, sock: &Sock) -> bool {
        (sock.syn_smc() || self.option.is_left_out()) && sock.peer_smc() && !sock.syns_crossed()
    }

    /// Something has come; contexts as in `on_state`.
    pub(super) fn on_data(&self, sock: &EventSock<'_>, task: &Arc<Task<Self>>) {
        // The Confirm acknowledges the Accept.
        sock.delay_acks();
        self.on_message(sock, task);
    }

    fn on_message(&self, sock: &EventSock<'_>, task: &Arc<Task<Self>>) {
        self.event.store(true, Ordering::SeqCst);
        if self.has_thread() {
            sock.default_state_change();
        } else {
            Task::kick(task);
        }
    }

    /// Something that the handshake waits for has come out. Any context.
    pub(crate) fn wake(&self, task: &Arc<Task<Self>>) {
        self.event.store(true, Ordering::SeqCst);
        if self.has_thread() {
            self.sock.default_state_change();
        } else {
            Task::kick(task);
        }
    }

    /// The socket is being closed, or used for something else.
    pub(super) fn cancel(&self, task: &Arc<Task<Self>>) {
        let mut io = self.io.lock();
        self.over.store(true, Ordering::SeqCst);
        io.session.give_up(GroupFate::Keep);
        drop(io);
        // A deadline that is due holds the socket's memory, and the module.
        Task::kick(task);
    }

    /// Does what can be done without waiting. Process context.
    ///
    /// The lock is held until the socket is what it shall be: who cancels the
    /// handshake knows that nothing comes after.
    pub(super) fn step(this: &Arc<Task<Self>>) -> Progress {
        let mut io = this.io.lock();
        let waker = Waker::Active(this.clone());
        if this.is_over() {
            return Progress::Over;
        }
        // The socket's owner pays for what the connection is made of, whose thread ever
        // this is.
        let end = match memcg::charged_to(&this.sock, || io.step(&this.sock, &waker)) {
            Step::Waits(until) => return Progress::Waits(until),
            Step::Ends(end) => end,
        };
        // Not with the handshake, the last reference to which a softirq may have.
        io.session.give_up(GroupFate::Keep);
        match end {
            Ok(End::Plain(_)) => {}
            Ok(End::Smc(_)) => this.on_syn_over(&io, true),
            Err(_) => this.on_syn_over(&io, false),
        }
        match end {
            Ok(End::Plain(fallback)) => this.become_plain(&fallback),
            Ok(End::Smc(conn)) => this.become_smc(conn),
            Err(e) => this.fail(e),
        }
        this.over.store(true, Ordering::SeqCst);
        this.sock.wake_connected();
        Progress::Over
    }

    /// It comes to nothing. Process context.
    fn end(&self, error: Error) {
        let io = self.io.lock();
        if !self.is_over() {
            self.fail(error);
            self.over.store(true, Ordering::SeqCst);
            self.sock.wake_connected();
        }
        drop(io);
    }

    fn restore_rcvlowat(&self, sock: &Sock) {
        let rcvlowat = self.rcvlowat.swap(NO_RCVLOWAT, Ordering::AcqRel);
        if rcvlowat != NO_RCVLOWAT {
            sock.swap_rcvlowat(rcvlowat);
        }
    }

    /// The connection is TCP's from here on.
    fn become_plain(&self, fallback: &Fallback) {
        // What the server has sent last may have been a Decline.
        self.sock.ack_now();
        let locked = self.sock.lock();
        self.restore_rcvlowat(&locked);
        fallback::to_plain_after(&self.owner, &locked, fallback.reason, fallback.peer_reason);
    }

    /// The connection has RDMA from here on.
    fn become_smc(&self, conn: Arc<Task<Conn>>) {
        self.restore_rcvlowat(&self.sock.lock());
        conn.count_success(Side::Client);
        self.owner.enter(Phase::Smc(conn));
    }

    /// The connection is broken; the socket stays ours, and connect() may be
    /// called again.
    fn fail(&self, error: Error) {
        self.restore_rcvlowat(&self.sock.lock());
        self.owner.enter(Phase::Idle);
        stats::failure(&self.sock, Side::Client);
        self.sock.fail(error);
    }
}

impl Run for Active {
    fn queue() -> &'static Workqueue {
        &HANDSHAKES
    }

    fn run(this: &Arc<Task<Self>>) {
        this.check_option(this);
        if this.has_thread() {
            return;
        }
        if let Err(e) = this.connect_again() {
            return this.end(e);
        }
        if !this.is_connected() {
            return;
        }
        if let Progress::Waits(Some(until)) = Self::step(this) {
            Task::run_after(this, clc::jiffies_until(until));
        }
    }
}
