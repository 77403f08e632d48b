// SPDX-License-Identifier: GPL-2.0

//! The server's handshake of one connection.
//!
//! TCP's callbacks kick it, as does its deadline; a client that says nothing
//! costs memory until then, and no thread.

use super::{listen::Listener, queues::Accepted, HANDSHAKES};
use crate::{
    abstractions::{
        net::{
            attach::{Attached, EventSock, Events},
            errno::NetErrno,
            sock::{Child, Sock, TcpState},
            stream::NewChild,
        },
        work::{Run, Task, Workqueue},
    },
    smc::{
        clc::{self, Inbox, Input},
        conn::Conn,
        fastopen::{self, Event},
        path::Host,
        session::{self, Session},
        stats::{self, Side},
        wait::Waker,
    },
};
use core::{
    sync::atomic::{AtomicBool, Ordering},
    task::Poll,
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};
use smc_proto::{
    group::{Millis, Role},
    handshake::{Action, Fallback, GroupFate, GroupKey, Local, RdmaKey, Server, ServerConfig},
    wire::clc::{Decline, Kind, Message, Reason},
};

/// How often it is looked whether TCP's handshake is over at last, in milliseconds;
/// its end makes itself known.
const SYN_ACK_TIME: u32 = 1_000;

/// One connection that is being accepted.
#[pin_data]
pub(crate) struct Passive {
    listener: Arc<Task<Listener>>,
    /// By what the listener knows it.
    key: u64,
    #[pin]
    io: Mutex<Io>,
}

struct Io {
    server: Server,
    inbox: Inbox,
    child: Option<Child>,
    hook: Option<Arc<Attached<Hook>>>,
    /// The application's SO_RCVLOWAT, inherited from the listener.
    rcvlowat: i32,
    /// A plain connection already; accept() shall not have it before there are
    /// data, or before this time (TCP_DEFER_ACCEPT).
    deferred: Option<Millis>,
    /// It was a plain one before TCP's handshake was over.
    early: bool,
    cancelled: bool,
    session: Session,
    pending: Pending,
    /// What the link group is looked for by.
    wanted: Option<RdmaKey>,
    /// The connection has RDMA.
    conn: Option<Arc<Task<Conn>>>,
}

/// What the handshake waits for here.
#[derive(Clone, Copy)]
enum Pending {
    Nothing,
    Group,
    Buffers,
    Link,
}

/// Whether a connection begins with a Decline. Softirq.
///
/// Such a client knows that there will be no more: accept() has the connection out of
/// TCP's queue, as any other of TCP's, and [`declined`] takes the Decline from it.
pub(super) fn declines(child: &NewChild<'_>) -> bool {
    let mut bytes = [0; Decline::MAX_LEN];
    let n = child.first_bytes(&mut bytes);
    bytes.get(..n).and_then(Decline::first).is_some()
}

/// What comes of a connection that begins with a Decline, which is taken from it; `None`
/// if it is not there: it goes through a handshake then. Its ACKs are as those of
/// `listener` from now on. Process context.
pub(super) fn declined(child: &Child, listener: &Sock) -> Option<Fallback> {
    let mut bytes = [0; Decline::MAX_LEN];
    // TCP may be at its first segment yet, on another CPU: the connection is in the queue
    // before that is read, and established before its bytes are there.
    let locked = child.lock();
    let decline = locked.take_front(&mut bytes, Decline::first);
    if decline.is_some() {
        locked.set_syn_smc(false);
    }
    // Not before: for TCP who reads all that is there is to acknowledge it.
    locked.ack_as(listener);
    drop(locked);
    decline.map(|decline| Server::declined_first(&decline))
}

/// What leads from the child to its handshake.
struct Hook {
    task: Arc<Task<Passive>>,
    /// TCP's handshake was over, whatever came of the connection then.
    connected: AtomicBool,
}

impl Events for Hook {
    fn data_ready(this: &Arc<Attached<Self>>, sock: &EventSock<'_>) {
        // The Accept acknowledges the Proposal, and the end of a short connection the
        // Confirm. After a Decline TCP goes on as if nothing had been delayed.
        sock.delay_acks();
        Task::kick(&this.task);
    }

    fn state_change(this: &Arc<Attached<Self>>, sock: &EventSock<'_>) {
        if sock.state() == TcpState::Established {
            this.connected.store(true, Ordering::SeqCst);
        }
        Task::kick(&this.task);
    }
}

impl Passive {
    /// The handshake of `child`, which the listener knows by `key`. The child is
    /// closed on an error.
    pub(super) fn new(
        child: Child,
        listener: Arc<Task<Listener>>,
        key: u64,
    ) -> Result<Arc<Task<Self>>> {
        if child.syn_data_acked() {
            fastopen::count(&child, Event::Received);
        }
        let limits = session::limits(&child);
        let config = ServerConfig {
            features: fastopen::server_features(child.net()),
            max_conns: limits.max_conns,
            max_links: limits.max_links,
            feature_mask: 0,
        };
        let (server, _) = Server::new(config, true, clc::now());
        Arc::pin_init(
            Task::new(try_pin_init!(Self {
                listener,
                key,
                io <- new_mutex!(Io {
                    server,
                    inbox: Inbox::new(),
                    child: Some(child),
                    hook: None,
                    rcvlowat: 1,
                    deferred: None,
                    early: false,
                    cancelled: false,
                    session: Session::new(Role::Server),
                    pending: Pending::Nothing,
                    wanted: None,
                    conn: None,
                }, "Passive::io"),
            }? Error)),
            GFP_KERNEL,
        )
    }

    /// Starts it. Whether there is something to do at once: the caller has it run, by
    /// [`Task::kick`] or [`Passive::run_here`].
    #[must_use]
    pub(super) fn begin(task: &Arc<Task<Self>>) -> bool {
        let mut io = task.io.lock();
        // Nothing has come yet, or whatever it is, it is for `run` to see.
        let due = !matches!(io.hook_up(task), Ok(false));
        if let Some(until) = io.server.deadline().filter(|_| !due) {
            Task::run_after(task, clc::jiffies_until(until));
        }
        due
    }

    /// Runs it in this thread, as far as it goes. Process context.
    ///
    /// Where that is all the way, as with a client that declines, its task never runs.
    pub(super) fn run_here(task: &Arc<Task<Self>>) {
        let mut io = task.io.lock();
        match io.advance(task) {
            Some(Ok(accepted)) => {
                drop(io);
                task.listener.finish(task.key, accepted, &task.listener);
            }
            Some(Err(until)) => Task::run_after(task, clc::jiffies_until(until)),
            None => {}
        }
    }

    /// The listener is gone, and has forgotten the handshake.
    pub(super) fn cancel(task: &Arc<Task<Self>>) {
        task.io.lock().cancelled = true;
        Task::kick(task);
    }
}

impl Io {
    /// Has the child's callbacks lead to `task`; whether something is there
    /// already.
    fn hook_up(&mut self, task: &Arc<Task<Passive>>) -> Result<bool> {
        let child = self.child.as_ref().ok_or(EINVAL)?;
        let hook = Hook {
            task: task.clone(),
            connected: AtomicBool::new(false),
        };
        let hook = Attached::new(None, hook)?;
        let locked = child.lock();
        Attached::attach(&hook, &locked)?;
        self.rcvlowat = locked.swap_rcvlowat(1);
        drop(locked);
        self.hook = Some(hook);
        Ok(child.has_input())
    }

    /// The child is not the handshake's any more.
    fn unhook(&mut self) {
        if let (Some(child), Some(hook)) = (&self.child, self.hook.take()) {
            let locked = child.lock();
            Attached::detach(&hook, &locked);
            if self.conn.is_none() {
                // Not before: a SYN-ACK that is repeated would say that the application
                // has the Proposal of the SYN.
                locked.set_syn_smc(false);
            }
            locked.swap_rcvlowat(self.rcvlowat);
        }
    }

    /// Does what can be done without waiting; `None`: there is more to come.
    fn step(&mut self, waker: &Waker) -> Option<Result> {
        if self.hook.is_none() || self.cancelled {
            return Some(Err(NetErrno::ConnAborted.into()));
        }
        let mut action = Action::Wait;
        loop {
            action = match action {
                Action::Wait => match self.look(waker) {
                    Ok(Some(action)) => action,
                    // Not before: what has come in time counts, however late it is
                    // looked at.
                    Ok(None) => {
                        let now = clc::now();
                        self.server.on_progress(!self.is_early(), now);
                        if self.server.is_late(now) {
                            self.note_busy();
                        }
                        match self.server.on_timeout(now) {
                            Action::Wait => return None,
                            action => action,
                        }
                    }
                    Err(e) => return Some(Err(e)),
                },
                Action::Established => {
                    self.conn = self.session.establish();
                    if let Some(conn) = &self.conn {
                        conn.count_success(Side::Server);
                    }
                    return Some(self.conn.as_ref().map(|_| ()).ok_or(EINVAL));
                }
                Action::Fallback(fallback) => {
                    self.session.fall_back(&fallback);
                    return Some(self.fall_back(&fallback));
                }
                Action::Abort(abort) => {
                    self.session.give_up(abort.group);
                    return Some(Err(clc::error_of(abort.cause)));
                }
                action => match self.carry_out(action, waker) {
                    Ok(action) => action,
                    Err(e) => return Some(Err(e)),
                },
            };
        }
    }

    /// The client may be at work on others.
    fn note_busy(&mut self) {
        if let Some(busy) = self
            .child
            .as_ref()
            .and_then(|sock| self.session.peer_busy(sock))
        {
            self.server.on_busy(busy);
        }
    }

    /// Carries out a step of the handshake, and gives the next.
    fn carry_out(&mut self, action: Action, waker: &Waker) -> Result<Action> {
        Ok(match action {
            Action::FindOrCreateGroup(GroupKey::Rdma(key)) => {
                self.wanted = Some(key);
                self.server.on_group_wanted(clc::now());
                self.pending = Pending::Group;
                Action::Wait
            }
            Action::Prepare => {
                self.pending = Pending::Buffers;
                Action::Wait
            }
            Action::Send(Kind::Accept) => self.accept()?,
            Action::TakePeer => {
                let agreed = *self.server.negotiated();
                match self.session.take_peer(&agreed, waker) {
                    Ok(()) => self.server.on_peer_taken(),
                    Err(reason) => self.fail(reason)?,
                }
            }
            Action::ConfirmLink => {
                self.pending = Pending::Link;
                Action::Wait
            }
            // Steps of a client, or with devices that were not offered.
            _ => return Err(NetErrno::Proto.into()),
        })
    }

    /// Something failed here; what was got for it is given back.
    fn fail(&mut self, reason: Reason) -> Result<Action> {
        let child: &Sock = self.child.as_ref().ok_or(EINVAL)?;
        let mut host = Host::of(child, &mut self.session.path);
        let action = self.server.on_failure(reason, &mut host);
        if matches!(action, Action::FindOrCreateGroup(_)) {
            self.session.give_up(GroupFate::Discard);
        }
        Ok(action)
    }

    fn accept(&mut self) -> Result<Action> {
        let mut message = [0; clc::MAX_ACCEPT];
        let len = match self.session.local() {
            Some(local) => self
                .server
                .write_accept(&Local::Rdma(&local), &mut message)
                .map_err(|_| EINVAL)?,
            None => return self.fail(Reason::Internal),
        };
        let bytes = message.get(..len).ok_or(EINVAL)?;
        self.send(bytes)?;
        Ok(self.server.on_sent(clc::now()))
    }

    fn send(&self, bytes: &[u8]) -> Result {
        let child = self.child.as_ref().ok_or(EINVAL)?;
        let hook = self.hook.as_ref().ok_or(EINVAL)?;
        hook.task.listener.send_on(child, bytes)
    }

    /// Whether something that is waited for has come.
    fn look(&mut self, waker: &Waker) -> Result<Option<Action>> {
        let agreed = *self.server.negotiated();
        let child: &Sock = self.child.as_ref().ok_or(EINVAL)?;
        let session = &mut self.session;
        let done = match self.pending {
            Pending::Nothing => None,
            Pending::Group => {
                let key = self.wanted.as_ref().ok_or(EINVAL)?;
                match session.find_or_create(child, key, &agreed, waker) {
                    Poll::Pending => None,
                    Poll::Ready(Ok(new)) => Some(Ok(self.server.on_group(new))),
                    Poll::Ready(Err(reason)) => Some(Err(reason)),
                }
            }
            Pending::Buffers => match session.prepare(child, &agreed, waker) {
                Poll::Pending => None,
                Poll::Ready(Ok(())) => Some(Ok(self.server.on_prepared())),
                Poll::Ready(Err(_)) if session.is_closing() && self.server.on_group_lost() => {
                    // The client has not been told of that group: it gets another one.
                    session.give_up(GroupFate::Keep);
                    self.pending = Pending::Group;
                    return Ok(Some(Action::Wait));
                }
                Poll::Ready(Err(reason)) => Some(Err(reason)),
            },
            Pending::Link => match session.link() {
                Poll::Pending => None,
                Poll::Ready(link) => Some(Ok(self.server.on_link(link, clc::now()))),
            },
        };
        let Some(done) = done else {
            return self.read();
        };
        self.pending = Pending::Nothing;
        Ok(Some(match done {
            Ok(action) => action,
            Err(reason) => self.fail(reason)?,
        }))
    }

    fn read(&mut self) -> Result<Option<Action>> {
        let Some(expected) = self.server.expected() else {
            return Ok(None);
        };
        let child: &Sock = self.child.as_ref().ok_or(EINVAL)?;
        let mut host = Host::of(child, &mut self.session.path);
        Ok(match self.inbox.read(child, expected)? {
            Input::Nothing => None,
            Input::Message(bytes) => Some(match Message::parse(bytes) {
                Ok(message) => self.server.on_message(&message, &mut host),
                Err(_) => self.server.on_malformed(),
            }),
            Input::Malformed => Some(self.server.on_malformed()),
            Input::Closed => Some(self.server.on_closed()),
        })
    }

    /// The connection is a plain one from here on; the client is told, where it
    /// does not know.
    fn fall_back(&mut self, fallback: &Fallback) -> Result {
        let child = self.child.as_ref().ok_or(EINVAL)?;
        // What cannot be told is closed.
        clc::send_decline(fallback, child.net(), |bytes| self.send(bytes))?;
        child.ack_now();
        if let Some(hook) = &self.hook {
            let listener = &hook.task.listener;
            listener.fell_back(child, fallback.reason, fallback.peer_reason);
        }
        Ok(())
    }

    /// As far as it goes: what the listener gets, or when to look again; `None` if there
    /// is nothing to be done any more, or by time.
    fn advance(&mut self, task: &Arc<Task<Passive>>) -> Option<Result<Option<Accepted>, Millis>> {
        self.child.as_ref()?;
        let end = match self.deferred {
            None => {
                let waker = Waker::Passive(task.clone());
                task.listener.charged(|| self.step(&waker))
            }
            Some(_) => Some(Ok(())),
        };
        match end {
            None => self.server.deadline().map(Err),
            Some(end) => Some(self.is_ready(end, task.listener.defer_accept())),
        }
    }

    /// Whether TCP's handshake is not over yet: the Proposal came with the SYN.
    fn is_early(&self) -> bool {
        let child = self.child.as_ref();
        child.is_some_and(|child| child.state() == TcpState::Handshake)
    }

    /// Whether TCP's handshake was over since this one began. Where it is not, and the child
    /// has ended, the client has answered with a reset, or not at all.
    fn is_connected(&self) -> bool {
        let hook = self.hook.as_ref();
        hook.is_some_and(|hook| hook.connected.load(Ordering::SeqCst))
    }

    /// The handshake has come to `end`: what is left of the connection, or when to
    /// look again whether accept() may have it.
    fn is_ready(&mut self, end: Result, defer: u32) -> Result<Option<Accepted>, Millis> {
        let is_early = self.is_early();
        if let (Ok(()), Some(child), None) = (&end, &self.child, &self.conn) {
            let now = clc::now();
            let until = *self
                .deferred
                .get_or_insert(now.after(defer.saturating_mul(1000)));
            if is_early && !self.cancelled {
                // Who has sent that may be gone.
                self.early = true;
                return Err(until.max(now.after(SYN_ACK_TIME)));
            }
            if now < until && !self.cancelled && !child.has_input() {
                return Err(until);
            }
        }
        if let (Err(_), Some(child), false) = (&end, &self.child, self.cancelled) {
            stats::failure(child, Side::Server);
        }
        let gone = self.early && !self.is_connected();
        self.unhook();
        self.session.give_up(GroupFate::Keep);
        let (child, conn) = (self.child.take(), self.conn.take());
        let accepted = child.map(|child| Accepted { child, conn });
        Ok(accepted.filter(|_| end.is_ok() && !gone))
    }
}

impl Run for Passive {
    fn queue() -> &'static Workqueue {
        &HANDSHAKES
    }

    fn run(this: &Arc<Task<Self>>) {
        Self::run_here(this);
    }
}
