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
use core::net::Ipv4Addr;
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

/// Listeners that are shown at a time.
const PAGE: usize = 16;

/// The position of a dump: the last listener that was shown.
fn position(out: &mut Dumping<'_>) -> Option<PeerKey> {
    if out.position(0) == 0 {
        return None;
    }
    Some(PeerKey {
        ifindex: u32::try_from(out.position(1)).ok()?,
        addr: Ipv4Addr::from(u32::try_from(out.position(2)).ok()?),
        port: u16::try_from(out.position(3)).ok()?,
    })
}

fn set_position(out: &mut Dumping<'_>, key: &PeerKey) {
    out.set_position(0, 1);
    out.set_position(1, key.ifindex as usize);
    out.set_position(2, u32::from(key.addr) as usize);
    out.set_position(3, key.port.into());
}

fn put_peer(attrs: &mut Attrs<'_>, key: &PeerKey, peer: &Peer) -> Put {
    let now = clc::now();
    let left = u32::try_from(peer.left(now) / 1000).unwrap_or(u32::MAX);
    let state = match peer.verdict(now) {
        Verdict::Unknown => 0,
        Verdict::Known => 1,
        Verdict::Suspended => 2,
    };
    attrs.u32(PEER_IFINDEX, key.ifindex)?;
    attrs.bytes(PEER_ADDR, &key.addr.octets())?;
    attrs.u16(PEER_PORT, key.port)?;
    attrs.u8(PEER_STATE, state)?;
    attrs.u32(PEER_LEFT, left)?;
    attrs.u32(PEER_FAILURES, peer.failures())
}

/// The listeners that are known to take Proposals in SYNs.
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
