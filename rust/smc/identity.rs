// SPDX-License-Identifier: GPL-2.0

//! Who this host is to its peers.

use super::{
    device::{self, Device},
    netns::NetData,
};
use crate::abstractions::{net::Net, random, uts};
use core::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use smc_proto::wire::types::{Hostname, PeerId};

/// Of the first RoCE port; zero until there is one.
static MAC: AtomicU64 = AtomicU64::new(0);

static NEXT_INSTANCE: AtomicU16 = AtomicU16::new(0);

/// A TCP/IP stack, which is what a peer ID stands for: a network namespace. With one ID
/// for all of them, a server would name the link group of one to the clients of another.
pub(crate) struct Instance(u16);

impl Instance {
    /// The next namespace's. Numbers begin with another one at each load, so that peers
    /// notice that the link groups they know are gone (RFC 7609 §2.2.4, A.2.1).
    pub(crate) fn next() -> Self {
        // Wraps by intent.
        Self(NEXT_INSTANCE.fetch_add(1, Ordering::Relaxed))
    }
}

/// Chooses where the numbers of instances begin.
pub(crate) fn choose() {
    NEXT_INSTANCE.store(random::u16(), Ordering::Relaxed);
}

/// Peer ID of `net`; `None` while it begins or ends. Any context.
pub(crate) fn peer_id(net: &Net) -> Option<PeerId> {
    Some(NetData::of(net)?.peer_id())
}

impl NetData {
    /// As [`peer_id`].
    pub(super) fn peer_id(&self) -> PeerId {
        let instance = u64::from(self.instance.0);
        let id = instance << 48 | MAC.load(Ordering::Relaxed);
        PeerId(id.to_be_bytes())
    }
}

/// Takes the MAC address of the first RoCE port that there is into the peer IDs.
/// Process context.
pub(crate) fn learn(device: &Device) {
    if MAC.load(Ordering::Relaxed) != 0 {
        return;
    }
    let Some(dev) = device.dev() else {
        return;
    };
    let mut netdevs = device::ports(&dev).filter_map(|port| dev.netdev(port));
    if let Some(mac) = netdevs.find_map(|netdev| netdev.mac()) {
        let mac = mac.iter().fold(0, |n, b| n << 8 | u64::from(*b));
        // Somebody else may have been first.
        let _ = MAC.compare_exchange(0, mac, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// Name of this host, padded with blanks. Process context.
pub(crate) fn hostname() -> Hostname {
    let mut name = [b' '; 32];
    uts::hostname(&mut name);
    Hostname(name)
}
