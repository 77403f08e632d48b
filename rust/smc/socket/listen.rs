// SPDX-License-Identifier: GPL-2.0

//! listen(2) and accept(2).
//!
//! TCP has one queue of connections for a listener. Those without SMC at both
//! ends are the application's as they are; the others go through a handshake
//! first, all at the same time, and are ready when it is over. Ready ones wait
//! here, and count against the backlog as those in TCP's queue do.

use super::{
    fallback,
    passive::{self, Passive},
    queues::{Accepted, Entry, Queues, Tally, HANDSHAKES_FROM},
    syn, Attachment, Phase, SmcSock, HANDSHAKES,
};
use crate::abstractions::{
    memcg,
    net::{
        attach::EventSock,
        sock::{Child, Sock, TcpState},
        socket::{Berth, Socket, Vessel},
        stream::{Listening, NewChild},
    },
    wait::{Share, Waited},
    work::{Run, Task, Workqueue},
};
use crate::smc::conn;
use crate::smc::stats::{self, Fallen, Side};
use core::sync::atomic::{AtomicUsize, Ordering};
use kernel::{
    ffi::c_int,
    new_mutex,
    prelude::*,
    rbtree::{RBTree, RBTreeNodeReservation},
    sync::{Arc, Mutex},
    time::msecs_to_jiffies,
    types::ARef,
};
use smc_proto::wire::clc::Reason;

/// Handshakes of one listener at a time. Clients that come when there are so
/// many are served as by TCP: the SYN-ACK does not offer them SMC.
const MAX_HANDSHAKES: usize = 16_384;
/// The same where the administrator or the application wants it limited: as many
/// as the C module works on (WQ_DFL_ACTIVE).
const LIMITED_HANDSHAKES: usize = 256;

/// When a connection is looked for again that could not be taken out of TCP's queue for
/// lack of memory, in milliseconds.
const MEMORY_TIME: u32 = 100;

/// A listening socket.
#[pin_data]
pub(super) struct Listener {
    sock: ARef<Sock>,
    /// Made by `socket(AF_SMC, …)`.
    af_smc: bool,
    #[pin]
    queues: Mutex<Queues>,
    /// Connections that TCP has announced, and that came out of its queue: those that
    /// are the application's at once, and those with a handshake.
    plain: Tally,
    smc: Tally,
    handshakes: AtomicUsize,
    /// Lent to a connection that sends, as it has no socket of its own.
    berth: Berth,
}

/// A connection out of TCP's queue.
enum Came {
    /// The application's as it is.
    Plain(Child),
    /// It goes through a handshake.
    Smc(Child),
}

impl Listener {
    fn new(sock: &Sock, af_smc: bool) -> Result<Arc<Task<Self>>> {
        Arc::pin_init(
            Task::new(try_pin_init!(Self {
                sock: sock.into(),
                af_smc,
                queues <- new_mutex!(Queues {
                    open: true,
                    next: 0,
                    entries: RBTree::new(),
                }, "Listener::queues"),
                plain: Tally::default(),
                smc: Tally::default(),
                handshakes: AtomicUsize::new(0),
                berth: Berth::new(),
            }? Error)),
            GFP_KERNEL,
        )
    }

    /// Runs `f`, what it allocates for a connection being charged to the listener's
    /// owner: one that nobody has accepted has none of its own. Process context.
    pub(super) fn charged<R>(&self, f: impl FnOnce() -> R) -> R {
        memcg::charged_to(&self.sock, f)
    }

    /// TCP has made a connection; softirq.
    pub(super) fn on_child(&self, child: &NewChild<'_>) {
        if !child.has_smc() {
            self.plain.add();
        } else if self.sock.defer_accept() == 0 && passive::declines(child) {
            child.mark();
            child.ack_soon();
            self.plain.add();
        } else {
            self.smc.add();
        }
    }

    /// A connection is in TCP's queue; softirq, the listener is not locked.
    pub(super) fn on_connection(&self, sock: &EventSock<'_>, task: &Arc<Task<Self>>) {
        if self.smc.any() {
            Task::kick(task);
        }
        if self.plain.any() {
            sock.default_data_ready();
        }
    }

    /// Whether SMC is not to be offered for now; softirq.
    pub(super) fn is_congested(&self, limited: bool) -> bool {
        let most = if limited {
            LIMITED_HANDSHAKES
        } else {
            MAX_HANDSHAKES
        };
        self.handshakes.load(Ordering::Relaxed) >= most
    }

    /// Sends `bytes` on a connection that is in a handshake; see
    /// [`Vessel::send`]. Process context; may sleep.
    pub(super) fn send_on(&self, child: &Child, bytes: &[u8]) -> Result {
        let mut vessel = match self.berth.take() {
            Some(vessel) => vessel,
            None => Vessel::new(child.family())?,
        };
        let sent = vessel.send(child, bytes);
        drop(self.berth.put(vessel));
        sent
    }

    /// TCP_DEFER_ACCEPT, in seconds.
    pub(super) fn defer_accept(&self) -> u32 {
        self.sock.defer_accept()
    }

    /// Whether there is a connection for accept(). Process context.
    pub(super) fn has_connection(&self, task: &Arc<Task<Self>>) -> bool {
        // Without one for SMC in TCP's queue accept() has the first of it as it is.
        if !self.sock.acceptq_empty() && !self.smc.any() {
            return true;
        }
        let mut queues = self.queues.lock();
        if !queues.has_ready() && !self.sock.acceptq_empty() {
            let (_, due) = self.sort(&mut queues, task);
            if let Some(passive) = due {
                Task::kick(&passive);
            }
        }
        queues.has_ready()
    }

    /// The next connection for accept().
    fn take(&self, task: &Arc<Task<Self>>) -> Result<Accepted> {
        let mut queues = self.queues.lock();
        if let Some(accepted) = queues.pop_ready() {
            self.sock.acceptq_removed();
            return Ok(accepted);
        }
        while !self.is_full() {
            let child = match self.take_over(self.sock.accept_now()?) {
                Came::Plain(child) => return Ok(Accepted::plain(child)),
                Came::Smc(child) => child,
            };
            // Without memory for its handshake it is closed.
            if let Ok(node) = RBTreeNodeReservation::new(GFP_KERNEL) {
                if let Some(passive) = self.start(&mut queues, node, child, task) {
                    Task::kick(&passive);
                }
            }
        }
        Err(EAGAIN)
    }

    /// What becomes of a connection that has come out of TCP's queue.
    fn take_over(&self, child: Child) -> Came {
        let (smc, declines) = (child.syn_smc(), child.take_mark());
        let tally = if smc && !declines {
            &self.smc
        } else {
            &self.plain
        };
        tally.take();
        if !smc {
            self.fell_back(&child, Reason::PeerNoSmc, None);
            return Came::Plain(child);
        }
        if !declines {
            return Came::Smc(child);
        }
        let Some(fallback) = passive::declined(&child, &self.sock) else {
            // TCP had no memory for it, and will have it again.
            return Came::Smc(child);
        };
        self.fell_back(&child, fallback.reason, fallback.peer_reason);
        Came::Plain(child)
    }

    /// A connection is a plain one.
    pub(super) fn fell_back(&self, child: &Sock, reason: Reason, peer_reason: Option<Reason>) {
        let fallen = Fallen {
            side: Side::Server,
            af_smc: self.af_smc,
            reason,
            peer_reason,
        };
        stats::fallback(child, &fallen);
    }

    fn is_full(&self) -> bool {
        self.handshakes.load(Ordering::Relaxed) >= MAX_HANDSHAKES
    }

    /// Takes everything out of TCP's queue. Whether something is ready then that was
    /// not before; and a handshake that is for the caller to run or to kick.
    fn sort(
        &self,
        queues: &mut Queues,
        task: &Arc<Task<Self>>,
    ) -> (bool, Option<Arc<Task<Passive>>>) {
        let mut ready = false;
        let mut due: Option<Arc<Task<Passive>>> = None;
        while queues.open && !self.is_full() && !self.sock.acceptq_empty() {
            let Ok(node) = RBTreeNodeReservation::new(GFP_KERNEL) else {
                // Nobody else looks for it: its client waits, and so may accept().
                Task::run_after(task, msecs_to_jiffies(MEMORY_TIME));
                break;
            };
            let Ok(child) = self.sock.accept_now() else {
                break;
            };
            match self.take_over(child) {
                Came::Smc(child) => {
                    if let Some(passive) = self.start(queues, node, child, task) {
                        if let Some(before) = due.replace(passive) {
                            Task::kick(&before);
                        }
                    }
                }
                Came::Plain(child) => {
                    self.sock.acceptq_added();
                    queues.insert(node, Entry::Ready(Accepted::plain(child)));
                    ready = true;
                }
            }
        }
        (ready, due)
    }

    /// Begins the handshake of a connection, or closes it without memory for one. It
    /// is returned if there is something for it to do already.
    fn start(
        &self,
        queues: &mut Queues,
        node: RBTreeNodeReservation<u64, Entry>,
        child: Child,
        task: &Arc<Task<Self>>,
    ) -> Option<Arc<Task<Passive>>> {
        let key = queues.next | HANDSHAKES_FROM;
        let passive = Passive::new(child, task.clone(), key).ok()?;
        queues.insert(node, Entry::Handshake(passive.clone()));
        self.handshakes.fetch_add(1, Ordering::Relaxed);
        Passive::begin(&passive).then_some(passive)
    }

    /// The handshake `key` is over: the connection is ready, if there is one.
    /// Process context.
    pub(super) fn finish(&self, key: u64, accepted: Option<Accepted>, task: &Arc<Task<Self>>) {
        let mut queues = self.queues.lock();
        let Some(node) = queues.entries.remove_node(&key) else {
            // The listener was closed first.
            drop(queues);
            if let Some(conn) = accepted.and_then(|mut accepted| accepted.conn.take()) {
                conn::reset(&conn);
            }
            return;
        };
        let full = self.is_full();
        self.handshakes.fetch_sub(1, Ordering::Relaxed);
        let ready = accepted.is_some();
        if let Some(accepted) = accepted {
            self.sock.acceptq_added();
            queues.insert(node.into_reservation(), Entry::Ready(accepted));
        }
        drop(queues);
        if full {
            Task::kick(task);
        }
        if ready {
            self.sock.default_data_ready();
        }
    }

    /// The socket listens no more: all connections are closed. Process context.
    pub(super) fn close(&self) {
        let mut queues = self.queues.lock();
        queues.open = false;
        let entries = core::mem::take(&mut queues.entries);
        for entry in entries.values() {
            match entry {
                Entry::Ready(_) => self.sock.acceptq_removed(),
                Entry::Handshake(passive) => Passive::cancel(passive),
            }
        }
        drop(queues);
        for entry in entries.values() {
            if let Entry::Ready(Accepted {
                conn: Some(conn), ..
            }) = entry
            {
                conn::reset(conn);
            }
        }
        // Closing takes the time it takes.
        drop(entries);
        // Not with the listener, the last reference to which a softirq may have.
        self.berth.close();
    }
}

impl Run for Listener {
    fn queue() -> &'static Workqueue {
        &HANDSHAKES
    }

    fn run(this: &Arc<Task<Self>>) {
        let (ready, due) = this.sort(&mut this.queues.lock(), this);
        if ready {
            this.sock.default_data_ready();
        }
        // Most often it is the only one: no need for another thread.
        if let Some(passive) = due {
            Passive::run_here(&passive);
        }
    }
}

/// listen(2).
pub(super) fn listen(this: &Arc<Attachment>, socket: Socket<'_>, backlog: c_int) -> Result<c_int> {
    let _setup = this.setup.lock();
    let sock = socket.sock();
    if !matches!(&*this.phase.lock(), Phase::Idle) {
        // A new backlog, or an error.
        let done = socket.tcp_listen(backlog)?;
        syn::take_as_before(this, socket, backlog);
        return Ok(done);
    }
    let listener = Listener::new(sock, this.is_af_smc())?;
    let locked = sock.lock();
    // Else it has become a plain one meanwhile.
    if this.begin(Phase::Listening(listener), &locked)
        && locked.state() == TcpState::Close
        && Listening::prepare(this, &locked).is_err()
    {
        fallback::to_plain(this, &locked, Reason::OptionUnsupported);
    }
    drop(locked);
    if !this.is_plain() {
        syn::take_from_syns(this, socket, backlog);
    }
    let done = socket.tcp_listen(backlog);
    if done.is_err() && !this.is_plain() {
        let locked = sock.lock();
        Listening::undo::<SmcSock>(&locked);
        syn::take_no_more(this, &locked, true);
        this.enter(Phase::Idle);
    }
    done
}

/// accept(2), without the new socket.
pub(super) fn accept(
    this: &Arc<Attachment>,
    socket: Socket<'_>,
    nonblock: bool,
) -> Result<Accepted> {
    let mut left = socket.sock().rcvtimeo(nonblock);
    loop {
        // Once more after each wait: somebody may have stopped listening.
        let listener = this.listener().ok_or(EINVAL)?;
        match listener.take(&listener) {
            Err(e) if e == EAGAIN => {}
            done => return done,
        }
        if left == 0 {
            return Err(EAGAIN);
        }
        let news =
            || listener.has_connection(&listener) || socket.sock().state() != TcpState::Listen;
        left = match socket.wait(Share::One, left, news) {
            Waited::Done(rest) => rest,
            Waited::TimedOut => return Err(EAGAIN),
            Waited::Signal(rest) => return Err(Socket::interrupted(rest)),
        };
    }
}
