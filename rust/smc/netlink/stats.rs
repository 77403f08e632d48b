// SPDX-License-Identifier: GPL-2.0

//! What was counted.

use crate::{
    abstractions::net::{
        genl::{Dump, Dumping},
        netlink::{Attrs, Put},
        smc_uapi::*,
    },
    smc::{
        netns::NetData,
        stats::{Buffer, Dir, Event, Fallbacks as Counts, Side, Stats, Tech},
    },
};

/// How often peers have broken the protocol: an attribute of this module's own, far
/// from those that the C module may get.
const VIOLATIONS: u32 = 0x1000;

/// All counters.
pub(super) struct Counters;

impl Dump for Counters {
    fn dump(out: &mut Dumping<'_>) -> Put {
        let Some(data) = NetData::of(out.net()) else {
            return Ok(());
        };
        let stats = &data.stats;
        out.single(SMC_NETLINK_GET_STATS, |attrs| {
            attrs.nest(SMC_GEN_STATS, |attrs| {
                attrs.nest(SMC_NLA_STATS_SMCD_TECH, |attrs| {
                    put_tech(attrs, stats, Tech::D)
                })?;
                attrs.nest(SMC_NLA_STATS_SMCR_TECH, |attrs| {
                    put_tech(attrs, stats, Tech::R)
                })?;
                let mut failures =
                    |attr, side| attrs.u64(attr, stats.failures(side), SMC_NLA_STATS_PAD);
                failures(SMC_NLA_STATS_CLNT_HS_ERR_CNT, Side::Client)?;
                failures(SMC_NLA_STATS_SRV_HS_ERR_CNT, Side::Server)?;
                // Unknown to the C module: there only if there is something to tell.
                match stats.violations() {
                    0 => Ok(()),
                    n => attrs.u64(VIOLATIONS, n, SMC_NLA_STATS_PAD),
                }
            })
        })
    }
}

fn put_tech(attrs: &mut Attrs<'_>, stats: &Stats, tech: Tech) -> Put {
    for (attr, dir) in [
        (SMC_NLA_STATS_T_TX_RMB_STATS, Dir::Tx),
        (SMC_NLA_STATS_T_RX_RMB_STATS, Dir::Rx),
    ] {
        attrs.nest(attr, |attrs| {
            put_buffers(attrs, |what| stats.buffers(tech, dir, what))
        })?;
    }
    for (attr, dir) in [
        (SMC_NLA_STATS_T_TXPLOAD_SIZE, Dir::Tx),
        (SMC_NLA_STATS_T_RXPLOAD_SIZE, Dir::Rx),
    ] {
        attrs.nest(attr, |attrs| {
            put_classes(attrs, |i| stats.payloads(tech, dir, i))
        })?;
    }
    for (attr, dir) in [
        (SMC_NLA_STATS_T_TX_RMB_SIZE, Dir::Tx),
        (SMC_NLA_STATS_T_RX_RMB_SIZE, Dir::Rx),
    ] {
        attrs.nest(attr, |attrs| {
            put_classes(attrs, |i| stats.buffer_sizes(tech, dir, i))
        })?;
    }
    let success = |side, v2| stats.successes(tech, side, v2);
    let before = [
        (SMC_NLA_STATS_T_CLNT_V1_SUCC, success(Side::Client, false)),
        (SMC_NLA_STATS_T_CLNT_V2_SUCC, success(Side::Client, true)),
        (SMC_NLA_STATS_T_SRV_V1_SUCC, success(Side::Server, false)),
        (SMC_NLA_STATS_T_SRV_V2_SUCC, success(Side::Server, true)),
        (SMC_NLA_STATS_T_RX_BYTES, stats.bytes(tech, Dir::Rx)),
        (SMC_NLA_STATS_T_TX_BYTES, stats.bytes(tech, Dir::Tx)),
    ];
    for (attr, value) in before {
        attrs.u64(attr, value, SMC_NLA_STATS_PAD)?;
    }
    attrs.uint(SMC_NLA_STATS_T_RX_RMB_USAGE, stats.in_use(tech, Dir::Rx))?;
    attrs.uint(SMC_NLA_STATS_T_TX_RMB_USAGE, stats.in_use(tech, Dir::Tx))?;
    let after = [
        (SMC_NLA_STATS_T_RX_CNT, stats.calls(tech, Dir::Rx)),
        (SMC_NLA_STATS_T_TX_CNT, stats.calls(tech, Dir::Tx)),
        // There is no such operation any more.
        (SMC_NLA_STATS_T_SENDPAGE_CNT, 0),
        (SMC_NLA_STATS_T_CORK_CNT, stats.events(tech, Event::Cork)),
        (SMC_NLA_STATS_T_NDLY_CNT, stats.events(tech, Event::NoDelay)),
        (
            SMC_NLA_STATS_T_SPLICE_CNT,
            stats.events(tech, Event::Splice),
        ),
        (
            SMC_NLA_STATS_T_URG_DATA_CNT,
            stats.events(tech, Event::Urgent),
        ),
    ];
    for (attr, value) in after {
        attrs.u64(attr, value, SMC_NLA_STATS_PAD)?;
    }
    Ok(())
}

fn put_buffers(attrs: &mut Attrs<'_>, count: impl Fn(Buffer) -> u64) -> Put {
    let counts = [
        (SMC_NLA_STATS_RMB_REUSE_CNT, Buffer::Reused),
        (SMC_NLA_STATS_RMB_SIZE_SM_PEER_CNT, Buffer::PeerTooSmall),
        (SMC_NLA_STATS_RMB_SIZE_SM_CNT, Buffer::TooSmall),
        (SMC_NLA_STATS_RMB_FULL_PEER_CNT, Buffer::PeerFull),
        (SMC_NLA_STATS_RMB_FULL_CNT, Buffer::Full),
        (SMC_NLA_STATS_RMB_ALLOC_CNT, Buffer::Made),
        (SMC_NLA_STATS_RMB_DGRADE_CNT, Buffer::Smaller),
    ];
    for (attr, what) in counts {
        attrs.u64(attr, count(what), SMC_NLA_STATS_RMB_PAD)?;
    }
    Ok(())
}

fn put_classes(attrs: &mut Attrs<'_>, count: impl Fn(usize) -> u64) -> Put {
    let classes = [
        SMC_NLA_STATS_PLOAD_8K,
        SMC_NLA_STATS_PLOAD_16K,
        SMC_NLA_STATS_PLOAD_32K,
        SMC_NLA_STATS_PLOAD_64K,
        SMC_NLA_STATS_PLOAD_128K,
        SMC_NLA_STATS_PLOAD_256K,
        SMC_NLA_STATS_PLOAD_512K,
        SMC_NLA_STATS_PLOAD_1024K,
        SMC_NLA_STATS_PLOAD_G_1024K,
    ];
    for (i, attr) in classes.into_iter().enumerate() {
        attrs.u64(attr, count(i), SMC_NLA_STATS_PLOAD_PAD)?;
    }
    Ok(())
}

/// The reasons of fallbacks: those of servers and of clients in turn, the sums
/// with the first.
pub(super) struct Fallbacks;

impl Dump for Fallbacks {
    fn dump(out: &mut Dumping<'_>) -> Put {
        let Some(data) = NetData::of(out.net()) else {
            return Ok(());
        };
        let [client, server] = data.stats.fallbacks();
        let mut at = out.position(0);
        loop {
            let (i, is_server) = (at / 2, at % 2 == 0);
            let side: &Counts = if is_server { &server } else { &client };
            match side.reason(i) {
                Some(reason) => {
                    let sums = (out.position(1) == 0).then_some((server.total, client.total));
                    out.message(SMC_NETLINK_GET_FBACK_STATS, |attrs| {
                        attrs.nest(SMC_GEN_FBACK_STATS, |attrs| {
                            attrs.u8(SMC_NLA_FBACK_STATS_TYPE, is_server.into())?;
                            if let Some((server, client)) = sums {
                                let mut sum = |attr, n| attrs.u64(attr, n, SMC_NLA_FBACK_STATS_PAD);
                                sum(SMC_NLA_FBACK_STATS_SRV_CNT, server)?;
                                sum(SMC_NLA_FBACK_STATS_CLNT_CNT, client)?;
                            }
                            attrs.u32(SMC_NLA_FBACK_STATS_RSN_CODE, reason.code)?;
                            attrs.u16(SMC_NLA_FBACK_STATS_RSN_CNT, reason.count)
                        })
                    })?;
                    out.set_position(1, 1);
                }
                None if server.reason(i).is_none() && client.reason(i).is_none() => return Ok(()),
                None => {}
            }
            at += 1;
            out.set_position(0, at);
        }
    }
}
