// SPDX-License-Identifier: GPL-2.0

//! sock_diag of AF_SMC: all sockets of a namespace that are SMC sockets to their
//! users, those that became plain TCP sockets among them.
//!
//! A plain one has nothing of ours on it, and nobody says when it is closed. It
//! is remembered by what it is to TCP (addresses, ports, cookie), and looked up
//! there when somebody asks. The last few are only noted: of short connections most
//! are gone when their place is needed, and are forgotten then. Whenever one is added
//! to the others, a few of those are looked up as well and forgotten if they are gone:
//! there are never many more than there are sockets.

use super::{
    netlink::{gid_text, sources::LinkInfo},
    netns::NetData,
    socket,
};
use crate::{
    abstractions::{
        net::{
            diag::{Diag, DiagDump, Handler, HandlerRegistration, SockId},
            netlink::Put,
            smc_uapi::*,
            sock::{Sock, TcpState},
            AddressFamily, Net, PF_INET, PF_INET6, PF_SMC,
        },
        sync::SpinLockBh,
    },
    THIS_MODULE,
};
use kernel::{
    prelude::*,
    rbtree::{RBTree, RBTreeNode},
    types::ARef,
};
use smc_proto::{close::ConnState, cursor::RawCursor, wire::types::AlertToken};

/// A connection over RDMA.
#[derive(Clone, Copy)]
pub(crate) struct ConnInfo {
    /// Where it stands.
    pub(crate) state: ConnState,
    /// What is shut down, as TCP has it: 1 receiving, 2 sending.
    pub(crate) shutdown: u8,
    /// Its token on this host, until it has given everything back.
    pub(crate) token: Option<AlertToken>,
    /// Size of the send buffer.
    pub(crate) sndbuf_size: u32,
    /// Size of the RMB element.
    pub(crate) rmbe_size: u32,
    /// Size of the peer's.
    pub(crate) peer_rmbe_size: u32,
    /// The producer and consumer cursors that have come last.
    pub(crate) rx: [RawCursor; 2],
    /// Those that were sent last.
    pub(crate) tx: [RawCursor; 2],
    /// The producer and connection flags that have come last.
    pub(crate) rx_flags: [u8; 2],
    /// Those that were sent last.
    pub(crate) tx_flags: [u8; 2],
    /// In the send buffer: up to where data are there, were sent, have arrived.
    pub(crate) sndbuf: [RawCursor; 3],
    /// The link, while there is one, and whether this host was the server at first
    /// contact.
    pub(crate) link: Option<(LinkInfo, bool)>,
}

/// What is told of a socket besides what TCP knows.
#[derive(Clone, Copy)]
pub(crate) struct Snapshot {
    /// Made by `socket(AF_SMC, ...)`.
    pub(crate) af_smc: bool,
    /// What it is.
    pub(crate) kind: Kind,
}

/// What a socket is.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Not connected, or on its way.
    Idle,
    /// It listens.
    Listening,
    /// Connected over RDMA.
    Smc(ConnInfo),
    /// A plain one, with our reason and the peer's.
    Plain(u32, u32),
}

/// Sockets that have become plain ones.
pub(crate) struct Plain {
    by_cookie: RBTree<u64, Record>,
    /// Up to which one they were looked up lately.
    swept: u64,
    len: usize,
    /// Those that were added last.
    recent: Recent,
}

/// The last few, `len` of them.
struct Recent {
    /// [`RECENT`] places, the first of which are taken.
    records: KVec<Option<Record>>,
    len: usize,
    /// Where the oldest is when all are.
    oldest: usize,
}

impl Recent {
    fn new() -> Result<Self> {
        let mut records = KVec::with_capacity(RECENT, GFP_KERNEL)?;
        for _ in 0..RECENT {
            records.push(None, GFP_KERNEL)?;
        }
        Ok(Self {
            records,
            len: 0,
            oldest: 0,
        })
    }

    /// Takes one more, in the place of `gone` if there is no other. The one that is in the
    /// way, if that is another one.
    fn push(&mut self, record: Record, gone: Option<&Record>) -> Option<Record> {
        let at = if self.len < RECENT {
            self.len += 1;
            self.len - 1
        } else {
            self.oldest
        };
        let place = self.records.get_mut(at)?;
        let cookie = |record: &Record| record.id.cookie();
        if place.is_some() && place.as_ref().map(cookie) != gone.map(cookie) {
            return *place;
        }
        if place.replace(record).is_some() {
            self.oldest = (at + 1) % RECENT;
        }
        None
    }

    fn last(&self) -> Option<Record> {
        *self.records.get(self.len.checked_sub(1)?)?
    }

    fn remove(&mut self, cookie: u64) {
        let is_it = |place: &Option<Record>| place.is_some_and(|r| r.id.cookie() == cookie);
        if let Some(at) = self.records.iter().position(is_it) {
            self.len -= 1;
            self.records.swap(at, self.len);
            if let Some(place) = self.records.get_mut(self.len) {
                *place = None;
            }
            // Which of the others is the oldest does not matter much.
            self.oldest = 0;
        }
    }
}

#[derive(Clone, Copy)]
struct Record {
    id: SockId,
    family: AddressFamily,
    af_smc: bool,
    reason: u32,
    peer_reason: u32,
}

/// As many are remembered at most.
const MAX_PLAIN: usize = 65_536;
/// As many are looked up whenever one is added.
const SWEEP: usize = 2;
/// As many are noted only: some 4 KiB of them.
const RECENT: usize = 64;
/// So often it is tried to note one, while others are noted at the same time.
const TRIES: usize = 4;

impl Plain {
    /// Without any. Process context.
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            by_cookie: RBTree::new(),
            swept: 0,
            len: 0,
            recent: Recent::new()?,
        })
    }

    /// The first one from `cookie` on.
    fn next(&mut self, cookie: u64) -> Option<Record> {
        let cursor = self.by_cookie.cursor_lower_bound(&cookie)?;
        Some(*cursor.current().1)
    }

    /// The next one to be looked up, in turn.
    fn sweep_next(&mut self) -> Option<Record> {
        let next = match self.next(self.swept.saturating_add(1)) {
            Some(record) => record,
            None => self.next(0)?,
        };
        self.swept = next.id.cookie();
        Some(next)
    }

    fn insert(&mut self, node: RBTreeNode<u64, Record>) -> Option<RBTreeNode<u64, Record>> {
        let old = self.by_cookie.insert(node);
        if old.is_none() {
            self.len += 1;
        }
        old
    }

    fn remove(&mut self, cookie: u64) -> Option<RBTreeNode<u64, Record>> {
        let node = self.by_cookie.remove_node(&cookie);
        if node.is_some() {
            self.len -= 1;
        }
        node
    }
}

/// Remembers that `sock` has become a plain one. Any context. One that is not
/// connected cannot be found again, and is not remembered.
pub(super) fn remember(data: &NetData, sock: &Sock, af_smc: bool, reason: u32, peer_reason: u32) {
    if matches!(sock.state(), TcpState::Close | TcpState::Listen) {
        return;
    }
    let record = Record {
        id: sock.diag_id(),
        family: sock.family(),
        af_smc,
        reason,
        peer_reason,
    };
    let mut gone = None;
    for _ in 0..TRIES {
        let Some(old) = data.plain.lock().recent.push(record, gone.as_ref()) else {
            return;
        };
        keep_if_alive(data, sock.net(), &old);
        gone = Some(old);
    }
    keep(data, sock.net(), record);
}

/// Forgets the recent ones that are gone, and adds the others to those that last. Any
/// context.
fn settle(data: &NetData, net: &Net) {
    for _ in 0..RECENT {
        let last = data.plain.lock().recent.last();
        let Some(record) = last else {
            return;
        };
        keep_if_alive(data, net, &record);
        data.plain.lock().recent.remove(record.id.cookie());
    }
}

/// Adds a recent one to those that last, unless it is gone.
///
/// It stays among the recent ones until then, so that whoever looks for it finds it.
fn keep_if_alive(data: &NetData, net: &Net, record: &Record) {
    if record.id.find(net, record.family).is_some() {
        keep(data, net, *record);
    }
}

/// Adds one to those that last.
fn keep(data: &NetData, net: &Net, record: Record) {
    for _ in 0..SWEEP {
        let old = data.plain.lock().sweep_next();
        if let Some(old) = old {
            find(data, net, &old);
        }
    }
    let Ok(node) = RBTreeNode::new(record.id.cookie(), record, GFP_ATOMIC) else {
        return;
    };
    let mut plain = data.plain.lock();
    let evicted = match plain.len >= MAX_PLAIN {
        true => plain
            .sweep_next()
            .and_then(|old| plain.remove(old.id.cookie())),
        false => None,
    };
    let replaced = plain.insert(node);
    drop(plain);
    drop((evicted, replaced));
}

/// The sock of a record, which is forgotten if there is none.
fn find(data: &NetData, net: &Net, record: &Record) -> Option<ARef<Sock>> {
    let sock = record.id.find(net, record.family);
    if sock.is_none() {
        let node = data.plain.lock().remove(record.id.cookie());
        drop(node);
    }
    sock
}

/// Bytes of a message, or of an attribute, as they are put together.
struct Bytes<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Bytes<N> {
    fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
        }
    }

    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        let end = self.len + bytes.len();
        if let Some(to) = self.bytes.get_mut(self.len..end) {
            to.copy_from_slice(bytes);
            self.len = end;
        }
        self
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.put(&value.to_ne_bytes())
    }

    fn cursor(&mut self, cursor: RawCursor) -> &mut Self {
        self.put(&[0; 2])
            .put(&cursor.wrap.to_ne_bytes())
            .u32(cursor.count)
    }
}

/// `struct smc_diag_conninfo`.
fn conn_bytes(conn: &ConnInfo, token: AlertToken) -> [u8; 76] {
    let mut bytes = Bytes::new();
    bytes
        .u32(token.0)
        .u32(conn.sndbuf_size)
        .u32(conn.rmbe_size)
        .u32(conn.peer_rmbe_size);
    for cursor in [conn.rx, conn.tx].iter().flatten() {
        bytes.cursor(*cursor);
    }
    bytes.put(&conn.rx_flags).put(&conn.tx_flags);
    for cursor in &conn.sndbuf {
        bytes.cursor(*cursor);
    }
    bytes.bytes
}

/// `struct smc_diag_lgrinfo`.
fn link_bytes(link: &LinkInfo, server: bool) -> [u8; 147] {
    let mut bytes = Bytes::new();
    bytes
        .put(&[link.id])
        .put(&link.device)
        .put(&[link.port])
        .put(&gid_text(&link.gid))
        .put(&gid_text(&link.peer_gid))
        .put(&[server.into()]);
    bytes.bytes
}

/// Adds the message of one socket.
fn put_socket(out: &mut DiagDump<'_>, sock: &Sock, snapshot: &Snapshot) -> Put {
    // In `struct smc_diag_req`, behind the family and two bytes.
    let wanted = out.request_byte(3);
    let is_wanted = |attr: u32| wanted & 1 << (attr - 1) != 0;
    let family = match (snapshot.af_smc, sock.family()) {
        (true, _) => PF_SMC,
        (false, AddressFamily::Inet) => PF_INET,
        (false, AddressFamily::Inet6) => PF_INET6,
    };
    let (state, mode) = match &snapshot.kind {
        Kind::Idle => (ConnState::Init, SMC_DIAG_MODE_SMCR),
        Kind::Listening => (ConnState::Listen, SMC_DIAG_MODE_SMCR),
        Kind::Smc(conn) => (conn.state, SMC_DIAG_MODE_SMCR),
        Kind::Plain(..) => (ConnState::Active, SMC_DIAG_MODE_FALLBACK_TCP),
    };
    // `struct smc_diag_msg`
    let mut message = Bytes::<64>::new();
    message
        .put(&[family as u8, state.number(), mode as u8, 0])
        .put(sock.diag_id().as_bytes())
        .u32(out.uid_of(sock))
        .put(&sock.inode().to_ne_bytes());
    out.message(&message.bytes, |attrs| {
        let (shutdown, reasons, conn) = match &snapshot.kind {
            Kind::Smc(conn) => (conn.shutdown, (0, 0), Some(conn)),
            Kind::Plain(reason, peer) => (0, (*reason, *peer), None),
            Kind::Idle | Kind::Listening => (0, (0, 0), None),
        };
        attrs.u8(SMC_DIAG_SHUTDOWN, shutdown)?;
        let mut fallback = Bytes::<8>::new();
        fallback.u32(reasons.0).u32(reasons.1);
        attrs.bytes(SMC_DIAG_FALLBACK, &fallback.bytes)?;
        let Some(conn) = conn else {
            return Ok(());
        };
        match conn.token {
            Some(token) if is_wanted(SMC_DIAG_CONNINFO) => {
                attrs.bytes(SMC_DIAG_CONNINFO, &conn_bytes(conn, token))?;
            }
            _ => {}
        }
        match &conn.link {
            Some((link, server)) if is_wanted(SMC_DIAG_LGRINFO) => {
                attrs.bytes(SMC_DIAG_LGRINFO, &link_bytes(link, *server))
            }
            _ => Ok(()),
        }
    })
}

/// The sockets of a namespace: ours first, then those that have become plain. The
/// first position says which, the second from where on.
struct Sockets;

impl Diag for Sockets {
    const FAMILY: u8 = PF_SMC as u8;

    fn dump(out: &mut DiagDump<'_>) -> Put {
        let Some(data) = NetData::of(out.net()) else {
            return Ok(());
        };
        if out.position(0) == 0 {
            dump_ours(out, &data)?;
            out.set_position(0, 1);
            out.set_position(1, 0);
        }
        dump_plain(out, &data)
    }
}

fn dump_ours(out: &mut DiagDump<'_>, data: &NetData) -> Put {
    while let Some((key, sock)) = data.sockets.next(out.position(1)) {
        if let Some(snapshot) = socket::snapshot(&sock) {
            put_socket(out, &sock, &snapshot)?;
        }
        out.set_position(1, key + 1);
    }
    Ok(())
}

fn dump_plain(out: &mut DiagDump<'_>, data: &NetData) -> Put {
    if out.position(1) == 0 {
        settle(data, out.net());
    }
    loop {
        let from = out.position(1);
        let Some(record) = data.plain.lock().next(from) else {
            return Ok(());
        };
        if let Some(sock) = find(data, out.net(), &record) {
            let snapshot = Snapshot {
                af_smc: record.af_smc,
                kind: Kind::Plain(record.reason, record.peer_reason),
            };
            put_socket(out, &sock, &snapshot)?;
        }
        out.set_position(1, record.id.cookie().saturating_add(1));
    }
}

static HANDLER: Handler<Sockets> = Handler::new(&THIS_MODULE);

/// sock_diag answers for AF_SMC while this exists.
pub(super) struct Registration {
    _handler: HandlerRegistration<Sockets>,
}

impl Registration {
    /// Process context.
    ///
    /// # Errors
    ///
    /// `EBUSY` if the C module's is there.
    pub(super) fn register() -> Result<Self> {
        HANDLER.register().map(|handler| Self { _handler: handler })
    }
}

/// The plain ones of a namespace.
pub(super) type PlainLock = SpinLockBh<Plain>;
