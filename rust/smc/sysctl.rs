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

/// What is set in a namespace: each value is that of the moment in which it is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Settings<'a> {
    table: Option<&'a Table>,
}

impl Settings<'_> {
    /// What is set at first, and in a namespace that begins or ends.
    pub(crate) const FIRST: Self = Self { table: None };

    /// Asks those of `net`. Any context.
    pub(crate) fn of<T>(net: &Net, ask: impl FnOnce(Settings<'_>) -> T) -> T {
        let data = NetData::of(net);
        ask(data.as_deref().map_or(Settings::FIRST, NetData::settings))
    }

    /// Bytes that wait for more before they are sent at once all the same.
    pub(crate) fn autocorking_size(self) -> u32 {
        // Not limited to what an int can be.
        self.get(AUTOCORKING_SIZE) as u32
    }

    /// What buffers are made of.
    pub(crate) fn buf_type(self) -> BufType {
        match self.get(BUF_TYPE) {
            0 => BufType::Contiguous,
            1 => BufType::Virtual,
            _ => BufType::Mixed,
        }
    }

    /// Idle time after which a link is tested; zero: never.
    pub(crate) fn testlink_time(self) -> Jiffies {
        Jiffies::try_from(self.get(TESTLINK_TIME)).unwrap_or(0)
    }

    /// Size of send buffers.
    pub(crate) fn wmem(self) -> u32 {
        self.unsigned(WMEM)
    }

    /// Size of RMB elements.
    pub(crate) fn rmem(self) -> u32 {
        self.unsigned(RMEM)
    }

    /// Links of a group at most.
    pub(crate) fn max_links(self) -> u8 {
        self.byte(MAX_LINKS_PER_LGR)
    }

    /// Connections of a group at most.
    pub(crate) fn max_conns(self) -> u8 {
        self.byte(MAX_CONNS_PER_LGR)
    }

    /// New sockets offer no SMC while there are many handshakes.
    pub(crate) fn limit_hs(self) -> bool {
        self.get(LIMIT_HS) != 0
    }

    /// How long a group without connections is kept by its server.
    pub(crate) fn lgr_idle_time(self) -> Jiffies {
        Jiffies::try_from(self.get(LGR_IDLE_TIME)).unwrap_or(0)
    }

    /// Who may put Proposals into SYNs, and take them out.
    pub(super) fn fastopen(self) -> Switch {
        Switch::new(self.get(FASTOPEN))
    }

    /// Listeners that are remembered to take them, at most.
    pub(crate) fn fastopen_peers(self) -> usize {
        usize::try_from(self.get(FASTOPEN_PEERS)).unwrap_or(0)
    }

    fn get(self, i: usize) -> i32 {
        let set = self.table.and_then(|table| table.get(i));
        set.unwrap_or_else(|| TABLE.get(i).map_or(0, Knob::value))
    }

    fn unsigned(self, i: usize) -> u32 {
        u32::try_from(self.get(i)).unwrap_or(0)
    }

    fn byte(self, i: usize) -> u8 {
        u8::try_from(self.get(i)).unwrap_or(u8::MAX)
    }
}

impl NetData {
    /// What is set in this namespace. Any context.
    pub(super) fn settings(&self) -> Settings<'_> {
        Settings {
            table: Some(&self.settings),
        }
    }
}

/// Switches the limitation of handshakes of a namespace on or off.
pub(crate) fn set_limit_hs(net: &NetData, on: bool) {
    net.settings.set(LIMIT_HS, on.into());
}
