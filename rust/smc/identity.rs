// SPDX-License-Identifier: GPL-2.0

//! Who this host is to its peers.

use super::device::{self, Device};
use crate::abstractions::{random, uts};
use core::sync::atomic::{AtomicU64, Ordering};
use smc_proto::wire::types::{Hostname, PeerId};

static PEER_ID: AtomicU64 = AtomicU64::new(0);

/// Chooses the instance number that, with the MAC address of a RoCE port, makes
/// this host's peer ID: another one at each load, so that peers notice that the
/// link groups they know are gone (RFC 7609 §2.2.4, A.2.1).
pub(crate) fn choose() {
    let instance = u64::from(random::u16());
    PEER_ID.store(instance << 48, Ordering::Relaxed);
}

/// Peer ID of this host. Its MAC address is zero until it has a RoCE port.
pub(crate) fn peer_id() -> PeerId {
    PeerId(PEER_ID.load(Ordering::Relaxed).to_be_bytes())
}

/// Takes the MAC address of the first RoCE port that there is into the peer ID.
/// Process context.
pub(crate) fn learn(device: &Device) {
    const MAC: u64 = (1 << 48) - 1;
    let now = PEER_ID.load(Ordering::Relaxed);
    if now & MAC != 0 {
        return;
    }
    let Some(dev) = device.dev() else {
        return;
    };
    let mut netdevs = device::ports(&dev).filter_map(|port| dev.netdev(port));
    if let Some(mac) = netdevs.find_map(|netdev| netdev.mac()) {
        let mac = mac.iter().fold(0, |n, b| n << 8 | u64::from(*b));
        let with = now & !MAC | mac;
        // Somebody else may have been first.
        let _ = PEER_ID.compare_exchange(now, with, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// Name of this host, padded with blanks. Process context.
pub(crate) fn hostname() -> Hostname {
    let mut name = [b' '; 32];
    uts::hostname(&mut name);
    Hostname(name)
}
