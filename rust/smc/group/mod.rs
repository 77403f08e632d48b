// SPDX-License-Identifier: GPL-2.0

//! Link groups: what this host and a peer have in common for all their
//! connections (RFC 7609 §2.2): links, memory, and the flows that tend them.
//!
//! A group's work is one [`Task`]; all decisions are those of the LLC machine in
//! `smc_proto`, which it drives (`llc.rs`).

mod conns;
mod link;
mod llc;
mod peers;
mod pool;

pub(crate) use conns::Seat;
pub(crate) use link::{cdc_slot, CdcSlot, Link};
pub(crate) use peers::{find, find_or_create, for_each, Found, Known, Meeting, PeerKey};
pub(crate) use pool::{Origin, Rmbe, SendBuffer};

use super::{
    clc,
    conn::Conn,
    device::Device,
    netns::NetData,
    path::Path,
    sysctl::BufType,
    wait::{Wait, Waits, Waker, What},
};
use crate::abstractions::{
    rdma::{GidRef, Pd, QpRef},
    sync::{new_spinlock_bh, SpinLockBh},
    time,
    work::{Run, Task, Workqueue, WorkqueueRegistration},
};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicU8, Ordering};
use kernel::{
    c_str, new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};
use llc::{Course, Inbox, Llc, NotKept};
use pool::Pool;
use smc_proto::{
    group::{self as machine, Announce, Config, End, Millis, RmbId, Slot, Times},
    handshake::Negotiated,
    wire::{
        clc::{OsType, Reason, Version},
        ext::Features,
        llc::{ByteOrder, LlcVersion},
        types::{Eid, Hostname, Psn, Qpn},
    },
};

/// Where link groups are tended.
static GROUPS: Workqueue = Workqueue::new();

/// By how much longer the client keeps a group without connections than the server,
/// in milliseconds, so as not to use one that is about to go (smc_core.c).
const IDLE_CLIENT_MORE: u32 = 10_000;

/// How long the peers of all groups are told, in rounds of so many milliseconds.
const FAREWELL_ROUNDS: u32 = 200;
const FAREWELL_ROUND: u32 = 10;

/// What a group is, for all of its life.
pub(crate) struct Spec {
    pub(crate) key: PeerKey,
    pub(crate) version: Version,
    pub(crate) eid: Eid,
    pub(crate) release: u8,
    pub(crate) max_conns: u8,
    pub(crate) max_links: u8,
    pub(crate) direct: bool,
    pub(crate) memory: BufType,
    /// Where it is counted.
    pub(crate) net: Arc<NetData>,
    /// Milliseconds of silence before TEST LINK; 0 for never.
    pub(crate) test_link: u32,
    /// Milliseconds that the server keeps it without connections.
    pub(crate) idle: u32,
    /// What the peer has said of itself, beyond the protocol.
    pub(crate) peer_features: Features,
    /// It runs this module.
    pub(crate) peer_is_ours: bool,
}

/// Where a group stands.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Life {
    /// The first contact is under way.
    Joining,
    /// It takes connections.
    Open,
    /// It takes no new ones.
    Closing,
    /// It has no links any more.
    Ended,
}

/// A link group.
#[pin_data]
pub(crate) struct Group {
    id: u32,
    spec: Spec,
    device: Arc<Device>,
    /// Until it has ended.
    #[pin]
    pd: SpinLockBh<Option<Arc<Pd>>>,
    life: AtomicU8,
    far: FarEnd,
    /// Since when there is no connection, in milliseconds; 0: there is one.
    idle_since: AtomicU64,
    /// When its task runs next, unless something happens before.
    runs_at: AtomicU64,
    wishes: Wishes,
    /// What kind of host the peer is, and its name.
    #[pin]
    host: SpinLockBh<(OsType, Hostname)>,
    #[pin]
    inbox: SpinLockBh<Inbox>,
    #[pin]
    conns: SpinLockBh<conns::Conns>,
    #[pin]
    pool: SpinLockBh<Pool>,
    #[pin]
    waits: Waits,
    #[pin]
    llc: Mutex<Llc>,
}

/// The peer's end.
#[derive(Default)]
struct FarEnd {
    /// Queue pair that the first link leads to.
    qpn: AtomicU32,
    /// It has told all keys that it may.
    keys_full: AtomicBool,
}

/// What others want of the group's task.
#[derive(Default)]
struct Wishes {
    broken: AtomicBool,
    sent: AtomicBool,
    violation: AtomicBool,
    /// GIDs of the link's port have changed.
    gids: AtomicBool,
    end: AtomicBool,
}

static NEXT_ID: AtomicU32 = AtomicU32::new(1);

impl Group {
    /// A group for the first contact over `path`, with the queue pair of its first
    /// link at INIT. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM` and the device's.
    pub(crate) fn create(spec: Spec, path: &Path, peer: End) -> Result<Arc<Task<Self>>> {
        let device = path.device().clone();
        let gid = path.gid_ref().ok_or(ENODEV)?;
        let pd = Pd::alloc(&device.dev().ok_or(ENODEV)?)?;
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let rows = Llc::rows()?;
        let group = Arc::pin_init(
            Task::new(try_pin_init!(Self {
                id,
                device,
                pd <- new_spinlock_bh!(Some(pd), "Group::pd"),
                life: AtomicU8::new(Life::Joining as u8),
                far: FarEnd::default(),
                idle_since: AtomicU64::new(0),
                runs_at: AtomicU64::new(u64::MAX),
                wishes: Wishes::default(),
                host <- new_spinlock_bh!(
                    (OsType::UNKNOWN, Hostname::default()),
                    "Group::host"
                ),
                inbox <- new_spinlock_bh!(Inbox::new(), "Group::inbox"),
                conns <- new_spinlock_bh!(conns::Conns::new(), "Group::conns"),
                pool <- new_spinlock_bh!(Pool::new(), "Group::pool"),
                waits <- Waits::new(),
                llc <- new_mutex!(Llc::new(rows, !spec.peer_is_ours), "Group::llc"),
                spec,
            }? Error)),
            GFP_KERNEL,
        )?;
        let link = Link::create(&group, Slot::S0)?;
        let begun = link.init(path.port()).and_then(|()| peers::enter(&group));
        if let Err(e) = begun {
            link.close();
            return Err(e);
        }
        let local = End {
            mac: path.mac(),
            gid: path.gid(),
            qpn: Qpn::new(link.num()).unwrap_or_default(),
            psn: Psn::new(link.psn()).unwrap_or_default(),
            mtu: path.mtu(),
        };
        group
            .llc
            .lock()
            .begin(group.config(), local, peer, link, gid);
        // What has happened to the device before may not have been told to the group; what
        // comes from here on is.
        if group.device.is_gone() {
            Self::on_link_broken(&group);
        }
        if path.may_have_changed() {
            Self::on_gids(&group);
        }
        Ok(group)
    }

    fn config(&self) -> Config {
        let v2 = !self.spec.version.is_v1();
        Config {
            role: peers::role(&self.spec.key),
            version: if v2 {
                LlcVersion::V2(ByteOrder::Little)
            } else {
                LlcVersion::V1
            },
            max_links: self.spec.max_links,
            max_conns: if self.spec.release >= 1 {
                self.spec.max_conns
            } else {
                0
            },
            direct: self.spec.direct,
            uid: self.id.to_be_bytes(),
            times: Times {
                test_link: self.spec.test_link,
                ..Times::default()
            },
        }
    }

    /// Number of the group on this host.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// What it is.
    pub(crate) fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The protection domain of its link and its memory, until it has ended. Any
    /// context.
    fn pd(&self) -> Result<Arc<Pd>> {
        self.pd.lock().clone().ok_or(ENODEV)
    }

    /// Its device.
    pub(crate) fn device(&self) -> &Arc<Device> {
        &self.device
    }

    fn is(&self, life: Life) -> bool {
        self.life.load(Ordering::Acquire) == life as u8
    }

    fn set_life(&self, life: Life) {
        // It only ever goes forward.
        self.life.fetch_max(life as u8, Ordering::AcqRel);
    }

    /// Whether it takes connections.
    pub(crate) fn is_open(&self) -> bool {
        self.is(Life::Open)
    }

    /// Whether it takes no connections any more: its links are going, or have gone.
    pub(crate) fn is_closing(&self) -> bool {
        self.life.load(Ordering::Acquire) >= Life::Closing as u8
    }

    /// Whether it has no links any more, and its connections are at their end.
    fn has_ended(&self) -> bool {
        self.is(Life::Ended)
    }

    /// Whether it has a link to that queue pair of the peer.
    pub(crate) fn leads_to(&self, qpn: Option<Qpn>) -> bool {
        qpn.is_some_and(|qpn| qpn.get() == self.far.qpn.load(Ordering::Acquire))
    }

    /// What kind of host the peer is, and its name. Any context.
    pub(crate) fn peer_host(&self) -> (OsType, Hostname) {
        *self.host.lock()
    }

    /// The first link, and the entry of its port's GID table. Process context.
    pub(crate) fn describe_link(&self) -> Option<(machine::Link, GidRef)> {
        self.llc.lock().describe_link()
    }

    /// The port of its link. Process context.
    pub(crate) fn port(&self) -> Option<u32> {
        self.llc.lock().port()
    }

    /// Bytes of the RMBs, and of the send buffers. Any context.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        self.pool.lock().bytes()
    }

    /// The link that carries data. Process context.
    ///
    /// # Errors
    ///
    /// [`Reason::NoActiveLink`] if there is none.
    pub(crate) fn link(&self) -> Result<QpRef<Link>, Reason> {
        self.llc.lock().link().ok_or(Reason::NoActiveLink)
    }

    /// This end of the first link, as CLC tells it. Process context.
    pub(crate) fn local_end(&self) -> Option<End> {
        self.llc.lock().local_end()
    }

    // ---- what handshakes want ----

    /// The seat of the connection that makes the group. Any context.
    pub(crate) fn first_seat(this: &Arc<Task<Self>>) -> Option<Seat> {
        Seat::take(this)
    }

    /// First contact: the peer's end is known. Brings the queue pair to "ready to
    /// receive", the server's to "ready to send", and waits for the other end.
    /// Process context.
    ///
    /// # Errors
    ///
    /// Why the handshake fails.
    pub(crate) fn meet(
        this: &Arc<Task<Self>>,
        path: &Path,
        peer: End,
        agreed: &Negotiated,
    ) -> Result<(), Reason> {
        *this.host.lock() = (agreed.peer_os, agreed.peer_host);
        this.far.qpn.store(peer.qpn.get(), Ordering::Release);
        this.llc.lock().meet(this, path, peer)?;
        Task::kick(this);
        Ok(())
    }

    /// Has `waker` woken when `what` has come out. Process context.
    ///
    /// # Errors
    ///
    /// [`Reason::NoMemory`].
    pub(crate) fn wait_for(&self, what: What, waker: &Waker) -> Result<Arc<Wait>, Reason> {
        self.waits.add(what, waker).map_err(|_| Reason::NoMemory)
    }

    /// Nobody waits for that any more: the group need not keep the handshake. Any
    /// context.
    pub(crate) fn forget_wait(&self, wait: &Arc<Wait>) {
        self.waits.forget(wait);
    }

    /// A CLC message is to tell the peer the key of `rmb`; what has to be waited
    /// for before. Process context.
    ///
    /// # Errors
    ///
    /// Why it may not.
    pub(crate) fn announce(
        this: &Arc<Task<Self>>,
        rmb: RmbId,
        waker: &Waker,
    ) -> Result<Option<Arc<Wait>>, Reason> {
        let mut llc = this.llc.lock();
        let registered = || this.pool.lock().registration(rmb) == pool::Registration::Done;
        if llc.is_met() && !registered() {
            let wait = this.wait_for(What::Registration(rmb), waker)?;
            llc.register(this).inspect_err(|_| {
                this.waits.forget(&wait);
                Self::on_link_broken(this);
            })?;
            // It may have come to its end before there was somebody to tell.
            if !registered() {
                return Ok(Some(wait));
            }
            this.waits.forget(&wait);
        }
        match llc.announce(rmb) {
            Ok(Announce::Ready) => Ok(None),
            Ok(Announce::Wait) => {
                let wait = this.wait_for(What::Key(rmb), waker)?;
                drop(llc);
                Task::kick(this);
                Ok(Some(wait))
            }
            Err(_) => Err(Reason::RegisterBuffer),
        }
    }

    /// The peer has answered a CLC message that told the key of `rmb`. Process
    /// context.
    pub(crate) fn proven(&self, rmb: RmbId) {
        self.llc.lock().proven(rmb);
    }

    /// The peer's memory for one connection: key and address on the link.
    /// Process context.
    ///
    /// # Errors
    ///
    /// [`Reason::RemoteKeys`] if it has told too many.
    pub(crate) fn learn_key(&self, token: smc_proto::wire::llc::Rtoken) -> Result<(), Reason> {
        self.llc.lock().learn_key(self, token)
    }

    /// Whether the peer has told all keys that it may.
    fn set_keys_full(&self, full: bool) {
        self.far.keys_full.store(full, Ordering::Relaxed);
    }

    /// Server: whether a connection may be given to it, if it has a place. One with an
    /// RMB that the peer has not told of yet would fail.
    fn is_choosable(&self) -> bool {
        self.is_open() && !self.far.keys_full.load(Ordering::Relaxed)
    }

    /// The peer does not know the group: it takes no more connections, and ends.
    /// Any context.
    pub(crate) fn end(this: &Arc<Task<Self>>) {
        this.set_life(Life::Closing);
        this.wishes.end.store(true, Ordering::Release);
        Task::kick(this);
    }

    // ---- what happens to it ----

    /// The last connection has gone. Any context.
    fn on_idle(this: &Arc<Task<Self>>) {
        let now = clc::now();
        this.idle_since.store(now.0.max(1), Ordering::SeqCst);
        // Most often the task looks after the link before that anyway.
        let until = now.after(this.idle_time());
        if !this.has_ended() && until.0 < this.runs_at.load(Ordering::SeqCst) {
            Task::kick(this);
        }
    }

    fn idle_time(&self) -> u32 {
        let more = if self.spec.key.server {
            0
        } else {
            IDLE_CLIENT_MORE
        };
        self.spec.idle.saturating_add(more)
    }

    /// When the group goes, if it is idle.
    fn idle_until(&self) -> Option<Millis> {
        if self.conn_count() != 0 {
            return None;
        }
        let since = self.idle_since.load(Ordering::SeqCst);
        (since != 0).then(|| Millis(since).after(self.idle_time()))
    }

    /// An LLC message came; softirq.
    fn on_llc(this: &Arc<Task<Self>>, slot: Slot, message: &[u8]) {
        // What is lost here leads nowhere.
        match this.inbox.lock().push(slot, message) {
            Ok(()) => {}
            Err(NotKept::TooMany) => this.wishes.violation.store(true, Ordering::Release),
            Err(NotKept::NoMemory) => this.wishes.end.store(true, Ordering::Release),
        }
        Task::kick(this);
    }

    /// An LLC message has left; `confirm`: the machine wants to know. Any context.
    fn on_llc_sent(this: &Arc<Task<Self>>, confirm: bool) {
        if confirm {
            this.wishes.sent.store(true, Ordering::Release);
        }
        if confirm || !this.is(Life::Open) {
            Task::kick(this);
        }
    }

    /// Takes no more connections, if there is none. Any context.
    fn close_if_empty(&self) -> bool {
        let mut conns = self.conns.lock();
        let empty = conns.close_if_empty();
        drop(conns);
        if empty {
            self.set_life(Life::Closing);
        }
        empty
    }

    /// Whether the link's port is not any more what the peer knows it by. Process
    /// context; asks the driver.
    fn is_gid_gone(&self) -> bool {
        self.describe_link().is_some_and(|(link, gid)| {
            let mac = link.local().mac.0;
            !self.device.has_still(&gid, mac, self.spec.key.vlan)
        })
    }

    /// GIDs of the link's port have changed, maybe its own. Any context.
    fn on_gids(this: &Arc<Task<Self>>) {
        // The group's task looks: a driver must not be asked under the locks of a search.
        this.wishes.gids.store(true, Ordering::Release);
        Task::kick(this);
    }

    /// The link's queue pair has failed, or its port. Any context.
    fn on_link_broken(this: &Arc<Task<Self>>) {
        this.set_life(Life::Closing);
        this.wishes.broken.store(true, Ordering::Release);
        Task::kick(this);
    }
}

impl Run for Group {
    fn queue() -> &'static Workqueue {
        &GROUPS
    }

    fn run(this: &Arc<Task<Self>>) {
        // Who comes to `on_idle` from here on has it run again: this run may not see
        // any more that there is no connection.
        this.runs_at.store(u64::MAX, Ordering::SeqCst);
        let gid_gone = this.wishes.gids.swap(false, Ordering::AcqRel) && this.is_gid_gone();
        let mut llc = this.llc.lock();
        let course = llc.advance(this, gid_gone);
        let next = llc.next_time();
        drop(llc);
        match course {
            Course::Runs => {}
            Course::Ends => this.each_conn(Conn::on_group_end),
            Course::Over => return Self::wind_up(this),
        }
        let next = [next, this.idle_until()].into_iter().flatten().min();
        this.runs_at
            .store(next.map_or(u64::MAX, |at| at.0), Ordering::SeqCst);
        if let Some(at) = next {
            Task::run_after(this, clc::jiffies_until(at));
        }
    }
}

impl Group {
    /// The group has no links any more: nobody finds it, and its connections are
    /// at their end. Process context.
    fn wind_up(this: &Arc<Task<Self>>) {
        if this.life.swap(Life::Ended as u8, Ordering::AcqRel) == Life::Ended as u8 {
            return;
        }
        peers::leave(this);
        this.each_conn(Conn::on_group_down);
        // Nobody, whatever of the group he has, keeps the device.
        let pd = this.pd.lock().take();
        let pool = this.pool.lock().close();
        drop((pd, pool));
    }
}

/// The device is going away: every group on it ends, and tells its peer, as long as
/// the device still sends. Process context; those who still use the device are waited
/// for elsewhere.
pub(super) fn device_gone(device: &Arc<Device>) {
    peers::on_device(device, Group::end);
}

/// A network namespace ends: its groups do, and tell their peers. Whoever makes one
/// meanwhile looks afterwards whether the namespace is there. Process context.
pub(super) fn net_gone(net: &Arc<NetData>) {
    for_each(|group| {
        if Arc::ptr_eq(&group.spec.net, net) {
            Group::end(group);
        }
    });
}

/// A port, or all of them, does not carry anything any more. Process context.
pub(super) fn port_down(device: &Arc<Device>, port: Option<u32>) {
    peers::on_device(device, |group| {
        if port.map_or(true, |port| group.port() == Some(port)) {
            Group::on_link_broken(group);
        }
    });
}

/// The GIDs of a port have changed: links end whose own is not among them any more.
/// Process context.
pub(super) fn gids_changed(device: &Arc<Device>, port: u32) {
    peers::on_device(device, |group| {
        if group.port() == Some(port) {
            Group::on_gids(group);
        }
    });
}

/// How many links go through a port. Process context.
pub(crate) fn links_through(device: &Arc<Device>, port: u32) -> u32 {
    let mut links = 0;
    peers::on_device(device, |group| {
        links += u32::from(group.port() == Some(port));
    });
    links
}

/// Whether connections would be lost with the device: a group of one link has no
/// other. Process context.
pub(crate) fn is_only_device(device: &Arc<Device>) -> bool {
    let mut used = false;
    peers::on_device(device, |group| used |= group.conn_count() != 0);
    used
}

/// Link groups can be made while it exists.
pub(crate) struct Registration {
    _queue: WorkqueueRegistration,
}

impl Registration {
    pub(crate) fn register() -> Result<Self> {
        Ok(Self {
            _queue: GROUPS.start(c_str!("smc_group"))?,
        })
    }
}

/// Dropped, it ends all groups, and gives them the time to tell their peers.
pub(crate) struct Farewell;

impl Drop for Farewell {
    /// Process context; sleeps.
    fn drop(&mut self) {
        for_each(Group::end);
        for _ in 0..FAREWELL_ROUNDS {
            let mut any = false;
            for_each(|_| any = true);
            if !any {
                return;
            }
            time::sleep_ms(FAREWELL_ROUND);
        }
        // Their devices, which go next, end the others.
    }
}
