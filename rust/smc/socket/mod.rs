// SPDX-License-Identifier: GPL-2.0

//! AF_SMC sockets, and IPPROTO_SMC on AF_INET and AF_INET6.
//!
//! An SMC socket is a TCP socket all the time: it has one sock, TCP's. What is
//! here runs before it is decided whether the connection gets RDMA; a socket
//! that does not is given back to TCP and never comes here again.

mod active;
mod client;
mod connect;
mod create;
mod data;
mod fallback;
mod listen;
mod option;
mod options;
mod passive;
mod queues;
mod quiet;
mod syn;

use crate::{
    abstractions::{
        module_ref::Quiesce,
        net::{
            attach::{Attached, EventSock, Events},
            errno::NetErrno,
            family::{Family as SocketFamily, FamilyRegistration as SocketFamilyRegistration},
            listed::SockList,
            proto::{Proto, ProtoRegistration},
            sock::{Sock, SockGuard, TcpState},
            socket::{
                Address, Ioctl, Message, NewSocket, OptName, OptOut, OptValue, Poll, Socket, Splice,
            },
            stream::{Family, FamilyRegistration, NewChild, StreamSocket},
            tcp::SmcOption,
            AddressFamily, Net,
        },
        sync::{new_spinlock_bh, SpinLockBh},
        work::{Task, Workqueue, WorkqueueRegistration},
    },
    smc::{
        coexist,
        conn::{self, Conn},
        diag::{Kind, Snapshot},
        netns::NetData,
        sysctl::Settings,
    },
    THIS_MODULE,
};
pub(crate) use active::Active;
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::{
    c_str, new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};
use listen::Listener;
pub(crate) use passive::Passive;

/// The protocol number of `socket(AF_INET, SOCK_STREAM, IPPROTO_SMC)`.
const IPPROTO_SMC: u16 = 256;

/// What a socket is about.
#[derive(Clone)]
enum Phase {
    /// Nothing yet, or nothing any more: connect() and listen() decide.
    Idle,
    /// connect() is under way.
    Connecting(Arc<Task<Active>>),
    /// It listens.
    Listening(Arc<Task<Listener>>),
    /// It is connected, over RDMA.
    Smc(Arc<Task<Conn>>),
    /// It is a TCP socket, and no more of ours.
    Plain,
}

/// An SMC socket, as long as it is not a plain TCP socket.
#[pin_data]
pub(crate) struct SmcSock {
    #[pin]
    phase: SpinLockBh<Phase>,
    /// Serialises what begins and ends a phase at the user's will.
    #[pin]
    setup: Mutex<()>,
    family: AddressFamily,
    /// Made by `socket(AF_SMC, …)`; else it has been made by that of IPPROTO_SMC.
    of_af_smc: AtomicBool,
    /// SMC_LIMIT_HS.
    limit_handshakes: AtomicBool,
    /// It listens, and takes Proposals out of SYNs.
    takes_from_syns: AtomicBool,
    /// It is connected, and about to be a plain one.
    quiet: quiet::Quiet,
}

type Attachment = Attached<SmcSock>;

impl SmcSock {
    /// The handshake of a connect() that is under way.
    fn active(&self) -> Option<Arc<Task<Active>>> {
        match &*self.phase.lock() {
            Phase::Connecting(active) => Some(active.clone()),
            _ => None,
        }
    }

    /// The listener, if it is one.
    fn listener(&self) -> Option<Arc<Task<Listener>>> {
        match &*self.phase.lock() {
            Phase::Listening(listener) => Some(listener.clone()),
            _ => None,
        }
    }

    /// The connection, if it has RDMA.
    fn smc(&self) -> Option<Arc<Task<Conn>>> {
        match &*self.phase.lock() {
            Phase::Smc(conn) => Some(conn.clone()),
            _ => None,
        }
    }

    /// A socket for a connection that the listener `of` has accepted.
    fn accepted(of: &Self, family: AddressFamily) -> impl PinInit<Self, Error> {
        let limit = of.limit_handshakes.load(Ordering::Relaxed);
        let of_af_smc = of.of_af_smc.load(Ordering::Relaxed);
        try_pin_init!(Self {
            phase <- new_spinlock_bh!(Phase::Idle, "SmcSock::phase"),
            setup <- new_mutex!((), "SmcSock::setup"),
            family,
            of_af_smc: AtomicBool::new(of_af_smc),
            limit_handshakes: AtomicBool::new(limit),
            takes_from_syns: AtomicBool::new(false),
            quiet: quiet::Quiet::new(),
        })
    }

    fn is_connecting(&self) -> bool {
        matches!(&*self.phase.lock(), Phase::Connecting(_))
    }

    /// Whether it will turn out what the connection is without anybody's doing:
    /// one that TCP has not brought about will not.
    fn is_undecided(&self, sock: &Sock) -> bool {
        self.active().is_some_and(|active| {
            // In this order: TCP says that it was astray before it closes.
            sock.state() != TcpState::Close || active.is_connected() || active.is_astray()
        })
    }

    fn is_plain(&self) -> bool {
        matches!(&*self.phase.lock(), Phase::Plain)
    }

    /// Puts in the next phase; gives the one that ends.
    fn enter(&self, phase: Phase) -> Phase {
        core::mem::replace(&mut *self.phase.lock(), phase)
    }

    /// Begins `phase`, if the socket is idle still: all that ends the idle phase
    /// does so with the sock locked.
    fn begin(&self, phase: Phase, _locked: &SockGuard<'_>) -> bool {
        let mut now = self.phase.lock();
        let idle = matches!(&*now, Phase::Idle);
        if idle {
            *now = phase;
        }
        idle
    }

    /// Ends what the socket is about, by `conn` where it is a connection with RDMA;
    /// nothing of it goes on when it returns. Process context.
    fn end(&self, conn: impl FnOnce(Arc<Task<Conn>>)) {
        let phase = self.phase.lock().clone();
        match phase {
            Phase::Connecting(active) => {
                active.cancel(&active);
                // It may have come to its end just before.
                if let Some(smc) = self.smc() {
                    conn(smc);
                }
            }
            Phase::Listening(listener) => listener.close(),
            Phase::Smc(smc) => conn(smc),
            Phase::Idle | Phase::Plain => {}
        }
    }

    /// Whether it was made by `socket(AF_SMC, …)`.
    fn is_af_smc(&self) -> bool {
        self.of_af_smc.load(Ordering::Relaxed)
    }

    /// The protocol that counts the socket.
    fn proto(&self) -> &'static Proto {
        match (self.is_af_smc(), self.family) {
            (true, AddressFamily::Inet) => &SMC,
            (true, AddressFamily::Inet6) => &SMC6,
            (false, family) => Self::family(family).proto(),
        }
    }
}

impl Events for SmcSock {
    fn data_ready(this: &Arc<Attachment>, sock: &EventSock<'_>) {
        let phase = this.phase.lock().clone();
        match phase {
            Phase::Connecting(active) => active.on_data(sock, &active),
            Phase::Listening(listener) => listener.on_connection(sock, &listener),
            Phase::Smc(_) => {}
            Phase::Idle | Phase::Plain => sock.default_data_ready(),
        }
    }

    fn state_change(this: &Arc<Attachment>, sock: &EventSock<'_>) {
        let phase = this.phase.lock().clone();
        match phase {
            Phase::Connecting(active) => active.on_state(sock, &active),
            Phase::Smc(conn) => Conn::on_tcp_state(&conn, sock),
            Phase::Idle | Phase::Listening(_) | Phase::Plain => sock.default_state_change(),
        }
    }

    fn list(sock: &Sock) -> Option<Arc<SockList>> {
        NetData::of(sock.net()).map(|data| data.sockets.clone())
    }

    fn lost(this: &Attachment, sock: &Sock) {
        Self::uncount(this, sock);
    }
}

/// What sock_diag tells of `sock`, if it is one of ours. Process context.
pub(super) fn snapshot(sock: &Sock) -> Option<Snapshot> {
    let this = Attachment::of(sock)?;
    let phase = this.phase.lock().clone();
    let kind = match phase {
        Phase::Idle | Phase::Connecting(_) => Kind::Idle,
        Phase::Smc(conn) => Kind::Smc(conn.info()),
        Phase::Listening(_) => Kind::Listening,
        Phase::Plain => return None,
    };
    Some(Snapshot {
        af_smc: this.is_af_smc(),
        kind,
    })
}

impl StreamSocket for SmcSock {
    fn family(family: AddressFamily) -> &'static Family<Self> {
        match family {
            AddressFamily::Inet => &TCP,
            AddressFamily::Inet6 => &TCP6,
        }
    }

    fn new(family: AddressFamily, net: &Net) -> impl PinInit<Self, Error> {
        let limited = Settings::of(net, |set| set.limit_hs());
        try_pin_init!(Self {
            phase <- new_spinlock_bh!(Phase::Idle, "SmcSock::phase"),
            setup <- new_mutex!((), "SmcSock::setup"),
            family,
            of_af_smc: AtomicBool::new(false),
            limit_handshakes: AtomicBool::new(limited),
            takes_from_syns: AtomicBool::new(false),
            quiet: quiet::Quiet::new(),
        })
    }

    fn count(this: &Attachment, sock: &Sock) {
        this.proto().count(sock, 1);
    }

    fn uncount(this: &Attachment, sock: &Sock) {
        this.proto().count(sock, -1);
    }

    fn settle(this: &Arc<Attachment>, socket: Socket<'_>, sends: bool) -> bool {
        quiet::end(this, socket, sends)
    }

    fn release(this: &Arc<Attachment>, socket: Socket<'_>) {
        // What ends with a reset shall have been there.
        if socket.sock().linger() == Some(0) {
            quiet::end(this, socket, false);
        }
        this.end(|conn| conn::release(&conn, socket));
        this.enter(Phase::Plain);
    }

    fn connect(
        this: &Arc<Attachment>,
        socket: Socket<'_>,
        to: &Address<'_>,
        flags: i32,
    ) -> Result<i32> {
        connect::connect(this, socket, to, flags)
    }

    fn listen(this: &Arc<Attachment>, socket: Socket<'_>, backlog: i32) -> Result<i32> {
        listen::listen(this, socket, backlog)
    }

    fn accept(
        this: &Arc<Attachment>,
        socket: Socket<'_>,
        new: NewSocket<'_>,
        nonblock: bool,
    ) -> Result {
        listen::accept(this, socket, nonblock)?.put_into(new, this)
    }

    fn has_connection(this: &Arc<Attachment>, _socket: Socket<'_>) -> bool {
        this.listener().is_some_and(|l| l.has_connection(&l))
    }

    fn poll(this: &Arc<Attachment>, socket: Socket<'_>, poll: &Poll<'_>) -> u32 {
        data::poll(this, socket, poll)
    }

    fn shutdown(this: &Arc<Attachment>, socket: Socket<'_>, how: i32) -> Result<i32> {
        connect::shutdown(this, socket, how)
    }

    fn setsockopt(
        this: &Arc<Attachment>,
        socket: Socket<'_>,
        opt: OptName,
        value: &OptValue,
    ) -> Result<i32> {
        options::set(this, socket, opt, value)
    }

    fn getsockopt(
        this: &Arc<Attachment>,
        socket: Socket<'_>,
        opt: OptName,
        out: &OptOut,
    ) -> Result<i32> {
        options::get(this, socket, opt, out)
    }

    fn ioctl(this: &Arc<Attachment>, socket: Socket<'_>, request: Ioctl) -> Result<i32> {
        data::ioctl(this, socket, request)
    }

    fn sendmsg(this: &Arc<Attachment>, socket: Socket<'_>, msg: &Message<'_>) -> Result<i32> {
        data::send(this, socket, msg)
    }

    fn recvmsg(
        this: &Arc<Attachment>,
        socket: Socket<'_>,
        msg: &Message<'_>,
        flags: i32,
    ) -> Result<i32> {
        data::recv(this, socket, msg, flags)
    }

    fn splice_read(
        this: &Arc<Attachment>,
        socket: Socket<'_>,
        splice: &Splice<'_>,
    ) -> Result<isize> {
        data::splice_read(this, socket, splice)
    }

    fn splice_eof(this: &Arc<Attachment>) -> bool {
        data::splice_eof(this)
    }

    fn set_rcvlowat(this: &Arc<Attachment>, sock: &Sock, value: i32) -> Option<Result<i32>> {
        if let Some(conn) = this.smc() {
            return Some(conn::set_rcvlowat(&conn, sock, value));
        }
        this.active()?.keep_rcvlowat(value).then_some(Ok(0))
    }

    fn syn_repeats(this: &Arc<Attachment>, sock: &EventSock<'_>, nth: u32) {
        if let Some(active) = this.active() {
            active.on_repeat(sock, nth);
        }
    }

    fn on_child(this: &Arc<Attachment>, child: &NewChild<'_>) {
        if let Some(listener) = this.listener() {
            listener.on_child(child);
        }
    }

    fn is_congested(this: &Arc<Attachment>) -> bool {
        this.listener().map_or(true, |l| {
            l.is_congested(this.limit_handshakes.load(Ordering::Relaxed))
        })
    }
}

static SMC: Proto = Proto::new(b"SMC", &THIS_MODULE);
static SMC6: Proto = Proto::new(b"SMC6", &THIS_MODULE);
static INET_SMC: Proto = Proto::new(b"INET_SMC", &THIS_MODULE);
static INET6_SMC: Proto = Proto::new(b"INET6_SMC", &THIS_MODULE);

static TCP: Family<SmcSock> =
    Family::new(AddressFamily::Inet, IPPROTO_SMC, &INET_SMC, &THIS_MODULE);
static TCP6: Family<SmcSock> =
    Family::new(AddressFamily::Inet6, IPPROTO_SMC, &INET6_SMC, &THIS_MODULE);

static FAMILY: SocketFamily<create::SmcFamily> = SocketFamily::new(&THIS_MODULE);

/// Where handshakes go on.
static HANDSHAKES: Workqueue = Workqueue::new();

/// AF_SMC is this module's. It makes no sockets until there are [`Registrations`].
pub(crate) struct Claim {
    _family: SocketFamilyRegistration<create::SmcFamily>,
}

impl Claim {
    /// Claims it: before all else that there may be only one of, since this step
    /// tells whether the C module is there, and says so. Process context.
    ///
    /// # Errors
    ///
    /// `EEXIST` if somebody else has it.
    pub(crate) fn register() -> Result<Self> {
        let family = FAMILY.register().inspect_err(|e| {
            if *e == EEXIST {
                coexist::explain_taken();
            }
        })?;
        Ok(Self { _family: family })
    }
}

/// The protocols of IPPROTO_SMC, and what sockets of AF_SMC and theirs need.
///
/// Dropped in the order of declaration: no new socket first, then what sockets
/// are made of.
pub(crate) struct Registrations {
    _option: SmcOption,
    _open: create::Open,
    _inet6: Option<FamilyRegistration<SmcSock>>,
    _inet: FamilyRegistration<SmcSock>,
    _protos: [ProtoRegistration; 2],
    _handshakes: WorkqueueRegistration,
    _quiesce: Quiesce,
}

impl Registrations {
    /// Registers all of it.
    ///
    /// # Errors
    ///
    /// The kernel's errors.
    pub(crate) fn register() -> Result<Self> {
        let handshakes = HANDSHAKES.start(c_str!("smc_handshake"))?;
        let protos = [SMC.register()?, SMC6.register()?];
        let inet = TCP.register()?;
        let inet6 = match TCP6.register() {
            Ok(inet6) => Some(inet6),
            // A host without IPv6 has SMC over IPv4.
            Err(e) if NetErrno::AfNoSupport.is(e) => None,
            Err(e) => return Err(e),
        };
        Ok(Self {
            _quiesce: Quiesce::new(),
            _handshakes: handshakes,
            _protos: protos,
            _inet: inet,
            _open: create::Open::new(inet6.is_some()),
            _inet6: inet6,
            _option: SmcOption::enable(),
        })
    }
}
