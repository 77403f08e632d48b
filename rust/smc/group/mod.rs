// SPDX-License-Identifier: GPL-2.0

//! Link groups: what this host and a peer have in common for all their
//! connections (RFC 7609 §2.2): links, memory, and the flows that tend them.
//!
//! A group's work is one [`Task`]; all decisions are those of the LLC machine in
//! `smc_proto`, which it drives (`llc.rs`).

mod conns;
mod contact;
mod events;
mod inbox;
mod link;
mod llc;
mod peers;
mod pool;

pub(crate) use conns::Seat;
pub(crate) use events::{
    device_gone, gids_changed, is_only_device, links_through, net_gone, port_down,
};
pub(crate) use link::{cdc_slot, data_may_go, CdcSlot, Link};
pub(crate) use peers::{
    busy_at, busy_with, find, find_or_create, for_each, Found, Known, Meeting, PeerKey,
};
pub(crate) use pool::{Origin, Rmbe, SendBuffer};

use super::{
    clc, conn::Conn, device::Device, netns::NetData, path::Path, sysctl::BufType, wait::Waits,
};
use crate::abstractions::{
    rdma::{GidRef, Pd, QpRef},
    sync::{new_spinlock_bh, SpinLockBh},
    time,
    work::{Run, Task, Workqueue, WorkqueueRegistration},
};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicU8, Ordering};
use inbox::Inbox;
use kernel::{
    c_str, new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};
use llc::{Course, Llc};
use pool::Pool;
use smc_proto::{
    group::{self as machine, Config, End, Slot, Times},
    wire::{
        clc::{OsType, Reason, Version},
        ext::Features,
        llc::{ByteOrder, LlcVersion},
        types::{Eid, Hostname, Psn, Qpn},
    },
};

/// Where link groups are tended.
static GROUPS: Workqueue = Workqueue::new();

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
    /// When it was seen at work on connections, in milliseconds; 0: never.
    busy: AtomicU64,
    /// Client: where the server of the last connection listens; 0: nowhere.
    server: AtomicU32,
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
