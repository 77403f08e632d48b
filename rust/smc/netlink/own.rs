// SPDX-License-Identifier: GPL-2.0

//! The generic netlink family SMC_RS: what this module has and others do not.
//! Documentation/one-rtt.rst lists commands and attributes.

use crate::{
    abstractions::net::{
        genl::{Do, Dump, Dumping, Family, Op, Policy, Request},
        netlink::{Attrs, Put},
    },
    smc::{
        clc,
        fastopen::{Peer, PeerKey, Verdict, EVENTS},
        netns::NetData,
    },
    THIS_MODULE,
};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use kernel::{c_str, prelude::*};

const GET_PEERS: u32 = 1;
const FLUSH_PEERS: u32 = 2;
const GET_COUNTERS: u32 = 3;

// Attributes of GET_PEERS.
const PEER_IFINDEX: u32 = 1;
const PEER_ADDR: u32 = 2;
const PEER_PORT: u32 = 3;
const PEER_STATE: u32 = 4;
const PEER_LEFT: u32 = 5;
const PEER_FAILURES: u32 = 6;
const PEER_OPTIONS_LOST: u32 = 7;
const PEER_ADDR6: u32 = 8;

// Attributes of GET_COUNTERS: the events in their order.
const COUNTER_FIRST: u32 = 1;

static NO_ATTRS: [Policy; 2] = [Policy::NONE, Policy::REJECT];

static OPS: [Op; 3] = [
    Op::new(GET_PEERS).dumps::<Peers>(),
    Op::new(FLUSH_PEERS).does::<Flush>().admin(),
    Op::new(GET_COUNTERS).dumps::<Counters>(),
];

pub(super) static FAMILY: Family = Family::new(
    c_str!("SMC_RS"),
    1,
    &NO_ATTRS,
    &OPS,
    GET_COUNTERS + 1,
    &THIS_MODULE,
);

// Of a dump's position; 0 is its beginning.
const FAMILY_V4: usize = 1;
const FAMILY_V6: usize = 2;

/// Listeners that are shown at a time.
const PAGE: usize = 16;

/// The position of a dump: the last listener that was shown.
fn position(out: &mut Dumping<'_>) -> Option<PeerKey> {
    let low = u64::try_from(out.position(3)).ok()?;
    let high = u64::try_from(out.position(4)).ok()?;
    let addr = match out.position(0) {
        FAMILY_V4 => Ipv4Addr::from(u32::try_from(low).ok()?).into(),
        FAMILY_V6 => Ipv6Addr::from(u128::from(high) << 64 | u128::from(low)).into(),
        _ => return None,
    };
    Some(PeerKey {
        ifindex: u32::try_from(out.position(1)).ok()?,
        addr,
        port: u16::try_from(out.position(2)).ok()?,
    })
}

fn set_position(out: &mut Dumping<'_>, key: &PeerKey) {
    let (family, bits) = match key.addr {
        IpAddr::V4(addr) => (FAMILY_V4, u128::from(u32::from(addr))),
        IpAddr::V6(addr) => (FAMILY_V6, u128::from(addr)),
    };
    out.set_position(0, family);
    out.set_position(1, key.ifindex as usize);
    out.set_position(2, key.port.into());
    out.set_position(3, bits as usize);
    out.set_position(4, (bits >> 64) as usize);
}

fn put_peer(attrs: &mut Attrs<'_>, key: &PeerKey, peer: &Peer) -> Put {
    let now = clc::now();
    let left = u32::try_from(peer.left(now) / 1000).unwrap_or(u32::MAX);
    let state = match peer.verdict(now) {
        Verdict::Unknown => 0,
        Verdict::Known => 1,
        Verdict::Suspended => 2,
        Verdict::Deaf => 3,
    };
    attrs.u32(PEER_IFINDEX, key.ifindex)?;
    match key.addr {
        IpAddr::V4(addr) => attrs.bytes(PEER_ADDR, &addr.octets())?,
        IpAddr::V6(addr) => attrs.bytes(PEER_ADDR6, &addr.octets())?,
    }
    attrs.u16(PEER_PORT, key.port)?;
    attrs.u8(PEER_STATE, state)?;
    attrs.u32(PEER_LEFT, left)?;
    attrs.u32(PEER_FAILURES, peer.failures())?;
    match peer.options_lost() {
        0 => Ok(()),
        n => attrs.u32(PEER_OPTIONS_LOST, n),
    }
}

/// The listeners that something is known of.
struct Peers;

impl Dump for Peers {
    fn dump(out: &mut Dumping<'_>) -> Put {
        let Some(data) = NetData::of(out.net()) else {
            return Ok(());
        };
        loop {
            let after = position(out);
            let page = data.fastopen.page::<PAGE>(after);
            if page.iter().flatten().next().is_none() {
                return Ok(());
            }
            for (key, peer) in page.iter().flatten() {
                out.message(GET_PEERS, |attrs| put_peer(attrs, key, peer))?;
                set_position(out, key);
            }
        }
    }
}

/// Forgets them.
struct Flush;

impl Do for Flush {
    fn run(request: &Request<'_>) -> Result {
        if let Some(data) = NetData::of(request.net()) {
            data.fastopen.flush();
        }
        Ok(())
    }
}

/// What was counted of Proposals in SYNs.
struct Counters;

impl Dump for Counters {
    fn dump(out: &mut Dumping<'_>) -> Put {
        let Some(data) = NetData::of(out.net()) else {
            return Ok(());
        };
        out.single(GET_COUNTERS, |attrs| {
            (COUNTER_FIRST..)
                .zip(0..EVENTS)
                .try_for_each(|(attr, i)| attrs.uint(attr, data.fastopen.counted(i)))
        })
    }
}
