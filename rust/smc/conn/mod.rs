// SPDX-License-Identifier: GPL-2.0

//! A connection over RDMA: two rings, and how they end.
//!
//! All rules are in `smc_proto` ([`ring`](smc_proto::ring),
//! [`close`](smc_proto::close)); here they get memory, messages, a socket and
//! time. The socket's sock is TCP's all the time: its wait queue, error and
//! options are those of the connection, the state of the TCP connection is not.
//!
//! # Locks
//!
//! `tx` protects what is sent and how the connection ends, `rx` what is received;
//! both are taken in softirqs, `tx` first. What the end means for a reader is
//! mirrored in `rx`, so that reading takes `rx` only. The mutexes `send` and
//! `recv` are for one writer and one reader at a time to copy; nobody waits for
//! the peer with one of them, nor for the application's memory, which somebody
//! else may have in his hands: what is not there is brought in without them.

mod close;
mod events;
mod info;
mod post;
mod ready;
mod rx;
mod splice;
mod tx;

pub(crate) use close::{release, reset, shutdown};
pub(crate) use events::Turned;
pub(crate) use ready::{get_option, ioctl, poll, set_option, set_rcvlowat};
pub(crate) use rx::recv;
pub(crate) use splice::splice_read;
pub(crate) use tx::{flush, send};

use super::{
    group::{Link, Rmbe, Seat, SendBuffer},
    stats::{Dir, Stats, Tech},
};
use crate::abstractions::{
    net::{sock::Sock, uapi},
    rdma::{DmaBuf, QpRef},
    sync::{new_spinlock_bh, SpinLockBh, SpinLockBhBackend},
    work::{Run, Task, Workqueue, WorkqueueRegistration},
};
use kernel::{
    c_str, new_mutex,
    prelude::*,
    rbtree::RBTree,
    sync::{lock::Guard, Arc, Mutex},
    time::Ktime,
    types::ARef,
};
use smc_proto::{
    close::{Closer, RecvEnd, Release, TcpAction, Timer},
    cursor::RingSize,
    group::{Millis, RmbId},
    ring::{CdcSequence, Nanos, Pace, RxRing, SendMode, TxRing, UrgentMode},
    wire::{
        llc::Rtoken,
        types::{AlertToken, RmbeIndex},
    },
};

/// Where connections do what softirqs cannot, and what is due later.
static CONNS: Workqueue = Workqueue::new();

/// Has connections do their work while it exists.
pub(crate) struct Registration {
    _queue: WorkqueueRegistration,
}

impl Registration {
    /// Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` without memory.
    pub(crate) fn register() -> Result<Self> {
        Ok(Self {
            _queue: CONNS.start(c_str!("smc_conn"))?,
        })
    }
}

/// What a connection is made of.
pub(crate) struct ConnParts {
    pub(crate) sock: ARef<Sock>,
    pub(crate) seat: Seat,
    pub(crate) link: QpRef<Link>,
    pub(crate) sndbuf: SendBuffer,
    pub(crate) rmbe: Rmbe,
}

/// The peer's end of a connection.
#[derive(Clone, Copy)]
pub(crate) struct PeerEnd {
    /// What the peer calls it.
    pub(crate) token: AlertToken,
    /// Key of the peer's RMB.
    pub(crate) rkey: u32,
    /// Address of the peer's ring.
    pub(crate) base: u64,
    /// Size of the peer's ring.
    pub(crate) size: RingSize,
}

/// What a CLC message says of our ring.
pub(crate) struct Element {
    pub(crate) token: Rtoken,
    pub(crate) index: RmbeIndex,
    pub(crate) size: RingSize,
}

/// A connection.
#[pin_data]
pub(crate) struct Conn {
    sock: ARef<Sock>,
    seat: Seat,
    #[pin]
    tx: SpinLockBh<Tx>,
    rx: Arc<Inlet>,
    /// The writer's way to the send buffer.
    #[pin]
    send: Mutex<Option<Arc<DmaBuf>>>,
    /// The reader's way to the RMB.
    #[pin]
    recv: Mutex<Option<Arc<DmaBuf>>>,
}

/// The way to the peer, once that is known.
struct Outlet {
    ring: TxRing,
    peer: PeerEnd,
}

struct Tx {
    closer: Closer,
    out: Option<Outlet>,
    link: Option<QpRef<Link>>,
    sndbuf: Option<SendBuffer>,
    /// Messages that are posted and have not come back.
    pending: u32,
    /// How fast they are.
    pace: Pace,
    /// A message is owed to the peer for what it says of the connection's end.
    owed: bool,
    mode: SendMode,
    /// Somebody waits for room.
    nospace: bool,
    /// When what is corked goes anyway.
    cork_until: Option<Millis>,
    timer: Option<(Timer, Millis)>,
    /// For the task: what to do with TCP.
    tcp: Option<TcpAction>,
    /// For the task: give the parts back when nothing is under way any more.
    free: Option<Release>,
}

/// What is received. A pipe that has bytes of it may outlive the connection.
#[pin_data]
struct Inlet {
    #[pin]
    rx: SpinLockBh<Rx>,
}

impl Inlet {
    fn lock(&self) -> Guard<'_, Rx, SpinLockBhBackend> {
        self.rx.lock()
    }
}

struct Rx {
    /// Whose it is, while it is established and not over.
    conn: Option<Arc<Task<Conn>>>,
    /// Bytes that pipes have, by their place in the stream.
    lent: RBTree<u64, splice::Lent>,
    ring: RxRing,
    /// How fast what comes into it is.
    pace: Pace,
    sequence: CdcSequence,
    rmbe: Option<Rmbe>,
    /// All bytes that have arrived, at most as many as the ring has.
    written: u32,
    /// Why no more will come.
    end: Option<RecvEnd>,
    /// Nobody reads any more.
    discard: bool,
    /// Readers that wait, and the fewest bytes that one of them waits for.
    readers: u32,
    wanted: u32,
}

/// The clock of [`Pace`]. Any context.
fn nanos() -> Nanos {
    Nanos(u64::try_from(Ktime::ktime_get().to_ns()).unwrap_or(0))
}

/// What is left to do after an event when the locks are free.
#[derive(Default)]
struct After {
    /// What to wake for (`EPOLL…`).
    events: u32,
    /// Everybody, as the connection is another one now.
    changed: bool,
    urgent: bool,
    kick: bool,
}

/// All that there is to wait for.
const CHANGED: u32 = READABLE | WRITABLE | uapi::EPOLLRDHUP | uapi::EPOLLHUP | uapi::EPOLLERR;
const READABLE: u32 = uapi::EPOLLIN | uapi::EPOLLRDNORM;
const WRITABLE: u32 = uapi::EPOLLOUT | uapi::EPOLLWRNORM;

impl Conn {
    /// A connection whose peer is not known yet. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` without memory; the parts are given back then.
    pub(crate) fn new(parts: ConnParts) -> Result<Arc<Task<Self>>> {
        let ConnParts {
            sock,
            seat,
            link,
            sndbuf,
            rmbe,
        } = parts;
        let mode = SendMode {
            autocork: seat.group().spec().net.settings().autocorking_size(),
            ..SendMode::default()
        };
        let sizes = [(Dir::Tx, sndbuf.size()), (Dir::Rx, rmbe.size())];
        let from = sndbuf.buf().cloned();
        let to = rmbe.buf().clone();
        let rx = Rx {
            conn: None,
            lent: RBTree::new(),
            ring: RxRing::new(rmbe.size()),
            pace: Pace::new(),
            sequence: CdcSequence::new(),
            rmbe: Some(rmbe),
            written: 0,
            end: None,
            discard: false,
            readers: 0,
            wanted: 0,
        };
        let rx = Arc::pin_init(
            pin_init!(Inlet {
                rx <- new_spinlock_bh!(rx, "Conn::rx"),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        let conn = Arc::pin_init(
            Task::new(try_pin_init!(Self {
                sock,
                seat,
                tx <- new_spinlock_bh!(Tx {
                    closer: Closer::new(),
                    out: None,
                    link: Some(link),
                    sndbuf: Some(sndbuf),
                    pending: 0,
                    pace: Pace::new(),
                    owed: false,
                    mode,
                    nospace: false,
                    cork_until: None,
                    timer: None,
                    tcp: None,
                    free: None,
                }, "Conn::tx"),
                rx,
                send <- new_mutex!(from, "Conn::send"),
                recv <- new_mutex!(Some(to), "Conn::recv"),
            }? Error)),
            GFP_KERNEL_ACCOUNT,
        )?;
        for (dir, size) in sizes {
            conn.count(|stats| stats.buffer_taken(Tech::R, dir, size.bytes() as usize));
        }
        Ok(conn)
    }

    /// Counts something. Any context.
    fn count(&self, count: impl FnOnce(&Stats)) {
        count(&self.seat.group().spec().net.stats);
    }

    /// Its place in the link group.
    pub(crate) fn seat(&self) -> &Seat {
        &self.seat
    }

    /// The RMB that the peer writes to, until the connection is over.
    pub(crate) fn rmb(&self) -> Option<RmbId> {
        self.rx.lock().rmbe.as_ref().map(Rmbe::rmb)
    }

    /// What a CLC message says of our ring, until the connection is over.
    pub(crate) fn element(&self) -> Option<Element> {
        let rx = self.rx.lock();
        let rmbe = rx.rmbe.as_ref()?;
        Some(Element {
            token: rmbe.token(),
            index: rmbe.index(),
            size: rmbe.size(),
        })
    }

    /// The peer has said where its end is. Process context.
    pub(crate) fn set_peer(this: &Arc<Task<Self>>, peer: PeerEnd) {
        let mut tx = this.tx.lock();
        let local = tx.sndbuf.as_ref().map(SendBuffer::size);
        tx.out = local.map(|local| Outlet {
            ring: TxRing::new(local, peer.size),
            peer,
        });
    }

    /// The handshake has succeeded. Process context.
    pub(crate) fn establish(this: &Arc<Task<Self>>) {
        let mut after = After::default();
        let mut tx = this.tx.lock();
        tx.closer.established();
        this.mirror(&tx);
        if tx.link.is_some() {
            this.rx.lock().conn = Some(this.clone());
            Self::settle(this, &mut tx, &mut after);
        } else {
            // The link group went in the meantime.
            let actions = tx.closer.link_group_down();
            this.note(&mut tx, actions, &mut after);
        }
        drop(tx);
        Self::finish(this, after);
    }
}

impl Rx {
    fn arrived(&mut self, bytes: u32) {
        if bytes == 0 {
            return;
        }
        self.written = self
            .written
            .saturating_add(bytes)
            .min(self.ring.size().bytes());
        if let Some(rmbe) = &self.rmbe {
            rmbe.set_written(self.written);
        }
    }

    /// Whether so many bytes are there as the application waits for.
    fn is_readable(&self, lowat: u32, mode: UrgentMode) -> bool {
        let readable = self.ring.readable(mode);
        // More than half of the ring the peer need not be able to write.
        let lowat = lowat.min(self.ring.size().bytes() / 2);
        readable > 0 && (readable >= lowat || self.ring.peer_blocked())
    }

    fn is_worth_waking(&self, sock: &Sock, mode: UrgentMode) -> bool {
        self.readers > 0 && self.is_readable(self.wanted, mode)
            || self.is_readable(lowat(sock), mode)
    }
}

/// SO_RCVLOWAT.
fn lowat(sock: &Sock) -> u32 {
    u32::try_from(sock.rcvlowat(false, usize::MAX)).unwrap_or(u32::MAX)
}

impl Run for Conn {
    fn queue() -> &'static Workqueue {
        &CONNS
    }

    fn run(this: &Arc<Task<Self>>) {
        close::run(this);
    }
}
