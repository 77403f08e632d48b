// SPDX-License-Identifier: GPL-2.0

//! Which link groups there are, by peer.
//!
//! A server makes one link group with a peer at a time: connections that come
//! while its first link is being made wait in the peer's list, as state and not
//! as threads, and peers do not wait for each other.

use super::{conns::Seat, Group};
use crate::{
    abstractions::{
        global::{global_lock, GlobalMutex},
        work::Task,
    },
    smc::{
        device::Device,
        slots::Slots,
        wait::{Outcome, Wait, Waker, What},
    },
};
use core::{
    net::Ipv4Addr,
    sync::atomic::{AtomicUsize, Ordering},
};
use kernel::{
    new_mutex,
    prelude::*,
    rbtree::{RBTree, RBTreeNode},
    sync::{Arc, Mutex},
};
use smc_proto::{
    group::{Millis, Role},
    wire::types::{Gid, Mac, PeerId, Qpn},
};

/// By what peers are told apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PeerKey {
    /// Network namespace of the connections.
    pub(crate) net: u64,
    /// Device of this host.
    pub(crate) device: u32,
    /// This host is the server.
    pub(crate) server: bool,
    pub(crate) v1: bool,
    /// Zero where a client does not tell.
    pub(crate) peer_id: [u8; 8],
    pub(crate) gid: [u8; 16],
    /// Version 1 only.
    pub(crate) mac: [u8; 6],
    pub(crate) vlan: u16,
}

impl PeerKey {
    pub(crate) fn set_peer(&mut self, id: PeerId, gid: Gid, mac: Mac) {
        self.peer_id = id.0;
        self.gid = gid.0;
        self.mac = if self.v1 { mac.0 } else { [0; 6] };
    }
}

/// The link groups with one peer.
#[pin_data]
struct Peer {
    #[pin]
    state: Mutex<State>,
}

struct State {
    groups: Slots<Arc<Task<Group>>>,
    /// A first contact is under way.
    meeting: bool,
    waiting: Slots<Arc<Wait>>,
    /// It is not in the table any more.
    forgotten: bool,
}

impl State {
    const fn new() -> Self {
        Self {
            groups: Slots::new(),
            meeting: false,
            waiting: Slots::new(),
            forgotten: false,
        }
    }

    /// Whether nothing is known of the peer.
    fn is_void(&self) -> bool {
        self.groups.is_empty() && !self.meeting && self.waiting.is_empty()
    }

    /// A seat in the first of the groups that pass the test and have one.
    fn seat(&self, test: impl Fn(&Group) -> bool) -> Option<Seat> {
        let mut groups = self.groups.iter().filter(|group| test(group));
        groups.find_map(Seat::take)
    }
}

static PEERS: GlobalMutex<RBTree<PeerKey, Arc<Peer>>> = global_lock!(RBTree::new, "PEERS");

fn known(key: &PeerKey) -> Option<Arc<Peer>> {
    PEERS.lock().get(key).cloned()
}

fn known_or_new(key: &PeerKey) -> Result<Arc<Peer>> {
    if let Some(peer) = known(key) {
        return Ok(peer);
    }
    let new = Arc::pin_init(
        pin_init!(Peer {
            state <- new_mutex!(State::new(), "Peer::state"),
        }),
        GFP_KERNEL,
    )?;
    let node = RBTreeNode::new(*key, new.clone(), GFP_KERNEL)?;
    let mut peers = PEERS.lock();
    if let Some(other) = peers.get(key) {
        return Ok(other.clone());
    }
    peers.insert(node);
    Ok(new)
}

/// Has `f` look at the peer `key`, of which something may be known afterwards.
fn with<R>(key: &PeerKey, f: impl FnOnce(&mut State) -> R) -> Result<R> {
    loop {
        let peer = known_or_new(key)?;
        let mut state = peer.state.lock();
        if !state.forgotten {
            let result = f(&mut state);
            drop(state);
            forget_if_void(key, &peer);
            return Ok(result);
        }
    }
}

fn forget_if_void(key: &PeerKey, peer: &Peer) {
    if !peer.state.lock().is_void() {
        return;
    }
    let mut peers = PEERS.lock();
    let mut state = peer.state.lock();
    if state.is_void() && !state.forgotten {
        state.forgotten = true;
        drop(state);
        peers.remove(key);
    }
}

/// What a server finds.
pub(crate) enum Found {
    /// A group with room.
    Seat(Seat),
    /// There is none: this connection makes it.
    First(Meeting),
    /// It is being made; when that is over it is time to ask again.
    Wait(Arc<Wait>),
}

/// Server: a group with the peer that has room, or the task to make one. Process
/// context.
///
/// # Errors
///
/// `ENOMEM` without memory, `EBUSY` if too many peers are met at this time.
pub(crate) fn find_or_create(key: &PeerKey, waker: &Waker) -> Result<Found> {
    loop {
        let peer = known_or_new(key)?;
        let mut state = peer.state.lock();
        if state.forgotten {
            continue;
        }
        if let Some(seat) = state.seat(Group::is_choosable) {
            return Ok(Found::Seat(seat));
        }
        if state.meeting {
            let wait = Wait::new(What::Meeting, waker)?;
            state.waiting.insert(wait.clone(), GFP_KERNEL)?;
            return Ok(Found::Wait(wait));
        }
        let one_more = |n| (n < MAX_MEETINGS).then_some(n + 1);
        let counted = MEETINGS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        if counted.is_err() {
            drop(state);
            forget_if_void(key, &peer);
            return Err(EBUSY);
        }
        state.meeting = true;
        drop(state);
        return Ok(Found::First(Meeting { key: *key, peer }));
    }
}

/// What a client finds.
pub(crate) enum Known {
    /// A place in the server's choice.
    Seat(Seat),
    /// The group is all right, but has no place.
    Full,
    /// There is no such group, or not any more: the server had better not choose it
    /// again.
    Nothing,
}

/// Client: the group that has the link to the queue pair `qpn` of the server.
/// Process context.
pub(crate) fn find(key: &PeerKey, qpn: Option<Qpn>) -> Known {
    let Some(peer) = known(key) else {
        return Known::Nothing;
    };
    let state = peer.state.lock();
    let is_chosen = |group: &Group| group.is_open() && group.leads_to(qpn);
    match state.seat(is_chosen) {
        Some(seat) => Known::Seat(seat),
        None if state.groups.iter().any(|group| is_chosen(group)) => Known::Full,
        None => Known::Nothing,
    }
}

/// First contacts of this host as a server at a time. Each costs a queue pair and its
/// memory, half a MiB and more, before the client has shown that it is who it says.
const MAX_MEETINGS: usize = 256;

static MEETINGS: AtomicUsize = AtomicUsize::new(0);

/// A first contact of a server. Others of the same peer wait until it is dropped.
pub(crate) struct Meeting {
    key: PeerKey,
    peer: Arc<Peer>,
}

impl Drop for Meeting {
    /// Process context.
    fn drop(&mut self) {
        let mut state = self.peer.state.lock();
        state.meeting = false;
        let waiting = core::mem::replace(&mut state.waiting, Slots::new());
        drop(state);
        MEETINGS.fetch_sub(1, Ordering::Relaxed);
        for wait in waiting.iter() {
            wait.settle(Outcome::There);
        }
        forget_if_void(&self.key, &self.peer);
    }
}

/// A new group is known. Process context.
///
/// # Errors
///
/// `ENOMEM` without memory.
pub(super) fn enter(group: &Arc<Task<Group>>) -> Result {
    with(&group.spec.key, |state| {
        state.groups.insert(group.clone(), GFP_KERNEL)?;
        Ok(())
    })?
}

/// The group has ended. Process context.
pub(super) fn leave(group: &Arc<Task<Group>>) {
    let key = &group.spec.key;
    if let Some(peer) = known(key) {
        let mut state = peer.state.lock();
        let left = state.groups.take_if(|other| Arc::ptr_eq(other, group));
        drop(state);
        drop(left);
        forget_if_void(key, &peer);
    }
}

/// Calls `f` with each group. Process context; `f` may sleep, but not end groups.
pub(crate) fn for_each(mut f: impl FnMut(&Arc<Task<Group>>)) {
    let peers = PEERS.lock();
    for peer in peers.values() {
        for group in peer.state.lock().groups.iter() {
            f(group);
        }
    }
}

/// When the peer was seen at work on connections of this group, or of another one with it,
/// for the last time: it comes to those of all groups in turn. Process context.
pub(crate) fn busy_with(group: &Group) -> Option<Millis> {
    let peer = known(&group.spec.key)?;
    let state = peer.state.lock();
    state.groups.iter().filter_map(|group| group.busy()).max()
}

/// Client: when the server at `addr` was seen at work on connections for the last time, on
/// this device. Process context.
pub(crate) fn busy_at(net: u64, device: u32, addr: Ipv4Addr) -> Option<Millis> {
    let mut last = None;
    for_each(|group| {
        if group.is_to(net, device, addr) {
            last = last.max(group.busy());
        }
    });
    last
}

/// As [`for_each`], for the groups on one device.
pub(super) fn on_device(device: &Arc<Device>, mut f: impl FnMut(&Arc<Task<Group>>)) {
    for_each(|group| {
        if Arc::ptr_eq(group.device(), device) {
            f(group);
        }
    });
}

/// Which role a group's key says.
pub(super) fn role(key: &PeerKey) -> Role {
    if key.server {
        Role::Server
    } else {
        Role::Client
    }
}
