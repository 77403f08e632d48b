// SPDX-License-Identifier: GPL-2.0

//! net.smc.*: what the administrator of a namespace may set.

use super::{fastopen::Switch, netns::NetData};
use crate::abstractions::{
    net::Net,
    sysctl::{Kind, Knob, Range, Registration, Values},
};
use kernel::{c_str, prelude::*, sync::Arc, time::Jiffies};
use smc_proto::handshake::{MAX_CONNS, MAX_LINKS};

const KNOBS: usize = 11;

/// The values of a namespace.
pub(crate) type Table = Values<KNOBS>;
/// Its files.
pub(crate) type Files = Registration<KNOBS>;

const AUTOCORKING_SIZE: usize = 0;
const BUF_TYPE: usize = 1;
const TESTLINK_TIME: usize = 2;
const WMEM: usize = 3;
const RMEM: usize = 4;
const MAX_LINKS_PER_LGR: usize = 5;
const MAX_CONNS_PER_LGR: usize = 6;
const LIMIT_HS: usize = 7;
/// Not one of the C module's, which has 600 seconds.
const LGR_IDLE_TIME: usize = 8;
const FASTOPEN: usize = 9;
const FASTOPEN_PEERS: usize = 10;

/// Of `net.smc.fastopen`: clients put Proposals into SYNs.
pub(crate) const FASTOPEN_CLIENT: i32 = 1;
/// Of `net.smc.fastopen`: listeners take them out of SYNs.
pub(crate) const FASTOPEN_SERVER: i32 = 2;

static BUF_TYPES: Range = Range(0, 2);
static BUFFER: Range = Range(16 * 1024, i32::MAX / 2);
static LINKS: Range = Range(1, MAX_LINKS as i32);
static CONNS: Range = Range(16, MAX_CONNS as i32);
static SWITCH: Range = Range(0, 1);
static FASTOPEN_BITS: Range = Range(0, FASTOPEN_CLIENT | FASTOPEN_SERVER);
static PEERS: Range = Range(0, 1 << 16);

const fn knob(name: &'static CStr, kind: Kind, initial: i32) -> Knob {
    Knob {
        name,
        kind,
        initial,
    }
}

/// In the order of the constants above.
static TABLE: [Knob; KNOBS] = [
    knob(c_str!("autocorking_size"), Kind::Unsigned, 64 * 1024),
    knob(c_str!("smcr_buf_type"), Kind::UnsignedIn(&BUF_TYPES), 0),
    knob(c_str!("smcr_testlink_time"), Kind::Seconds, 30),
    knob(c_str!("wmem"), Kind::SignedIn(&BUFFER), 64 * 1024),
    knob(c_str!("rmem"), Kind::SignedIn(&BUFFER), 64 * 1024),
    knob(
        c_str!("smcr_max_links_per_lgr"),
        Kind::SignedIn(&LINKS),
        MAX_LINKS as i32,
    ),
    knob(
        c_str!("smcr_max_conns_per_lgr"),
        Kind::SignedIn(&CONNS),
        MAX_CONNS as i32,
    ),
    knob(c_str!("limit_smc_hs"), Kind::SignedIn(&SWITCH), 0),
    knob(c_str!("lgr_idle_time"), Kind::Seconds, 600),
    knob(
        c_str!("fastopen"),
        Kind::SignedIn(&FASTOPEN_BITS),
        FASTOPEN_CLIENT | FASTOPEN_SERVER,
    ),
    knob(c_str!("fastopen_peers"), Kind::SignedIn(&PEERS), 1024),
];

/// Makes the files of a namespace.
pub(super) fn register(net: &Net) -> Result<(Files, Arc<Table>)> {
    Registration::register(net, c_str!("net/smc"), &TABLE)
}

/// What kind of memory send buffers and RMBs of SMC-R are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BufType {
    /// Physically contiguous.
    Contiguous,
    /// Virtually contiguous.
    Virtual,
    /// Physically contiguous as long as there is such memory.
    Mixed,
}

/// What is set in a namespace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Bytes that wait for more before they are sent at once all the same.
    pub(crate) autocorking_size: u32,
    /// What buffers are made of.
    pub(crate) buf_type: BufType,
    /// Idle time after which a link is tested; zero: never.
    pub(crate) testlink_time: Jiffies,
    /// Size of send buffers.
    pub(crate) wmem: u32,
    /// Size of RMB elements.
    pub(crate) rmem: u32,
    /// Links of a group at most.
    pub(crate) max_links: u8,
    /// Connections of a group at most.
    pub(crate) max_conns: u8,
    /// New sockets offer no SMC while there are many handshakes.
    pub(crate) limit_hs: bool,
    /// How long a group without connections is kept by its server.
    pub(crate) lgr_idle_time: Jiffies,
    /// Listeners that are remembered to take them, at most.
    pub(crate) fastopen_peers: usize,
}

impl Settings {
    /// Those of `net`, at this moment. Any context.
    pub(crate) fn of(net: &Net) -> Self {
        match NetData::of(net) {
            Some(data) => Self::read(|i| data.settings.get(i)),
            None => Self::read(|_| None),
        }
    }

    /// `value` gives the values that are known; the others are the first ones.
    fn read(value: impl Fn(usize) -> Option<i32>) -> Self {
        let get = |i: usize| value(i).unwrap_or_else(|| first(i));
        let unsigned = |i| u32::try_from(get(i)).unwrap_or(0);
        let byte = |i| u8::try_from(get(i)).unwrap_or(u8::MAX);
        Self {
            // Not limited to what an int can be.
            autocorking_size: get(AUTOCORKING_SIZE) as u32,
            buf_type: match get(BUF_TYPE) {
                0 => BufType::Contiguous,
                1 => BufType::Virtual,
                _ => BufType::Mixed,
            },
            testlink_time: Jiffies::try_from(get(TESTLINK_TIME)).unwrap_or(0),
            wmem: unsigned(WMEM),
            rmem: unsigned(RMEM),
            max_links: byte(MAX_LINKS_PER_LGR),
            max_conns: byte(MAX_CONNS_PER_LGR),
            limit_hs: get(LIMIT_HS) != 0,
            lgr_idle_time: Jiffies::try_from(get(LGR_IDLE_TIME)).unwrap_or(0),
            fastopen_peers: usize::try_from(get(FASTOPEN_PEERS)).unwrap_or(0),
        }
    }
}

/// What a value is at first.
fn first(i: usize) -> i32 {
    TABLE.get(i).map_or(0, Knob::value)
}

/// `net.smc.fastopen` of `net`, at this moment: each connect(2) asks for it alone. Any
/// context.
pub(super) fn fastopen(net: &Net) -> Switch {
    let value = NetData::of(net).and_then(|data| data.settings.get(FASTOPEN));
    Switch::new(value.unwrap_or_else(|| first(FASTOPEN)))
}

/// Switches the limitation of handshakes of a namespace on or off.
pub(crate) fn set_limit_hs(net: &NetData, on: bool) {
    net.settings.set(LIMIT_HS, on.into());
}
