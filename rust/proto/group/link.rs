// SPDX-License-Identifier: GPL-2.0

//! One link of a group: a queue pair here, a queue pair there, and where they
//! stand.

use super::Millis;
use crate::wire::llc::{DeleteReason, LinkNum, LinkUid};
use crate::wire::types::{Gid, Mac, Psn, QpMtu, Qpn};

/// Where a link is kept: three places, two of them in use but for the moment in
/// which a third link replaces an asymmetric one (RFC 7609 §2.2.2). A place is
/// this side's own matter; the peer names links by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// The link of the first contact begins here.
    S0,
    /// The second place.
    S1,
    /// The third place.
    S2,
}

impl Slot {
    /// How many places there are.
    pub const COUNT: usize = 3;
    /// All places.
    pub const ALL: [Slot; Slot::COUNT] = [Slot::S0, Slot::S1, Slot::S2];

    /// Number of the place: 0, 1 or 2.
    pub const fn index(self) -> usize {
        match self {
            Slot::S0 => 0,
            Slot::S1 => 1,
            Slot::S2 => 2,
        }
    }

    /// The element of this place.
    pub const fn of<T>(self, all: &[T; Slot::COUNT]) -> &T {
        let [a, b, c] = all;
        match self {
            Slot::S0 => a,
            Slot::S1 => b,
            Slot::S2 => c,
        }
    }

    /// The element of this place.
    pub fn of_mut<T>(self, all: &mut [T; Slot::COUNT]) -> &mut T {
        let [a, b, c] = all;
        match self {
            Slot::S0 => a,
            Slot::S1 => b,
            Slot::S2 => c,
        }
    }
}

/// One end of a link, as the other end must know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct End {
    /// MAC address of the port.
    pub mac: Mac,
    /// GID of the port.
    pub gid: Gid,
    /// Queue pair.
    pub qpn: Qpn,
    /// Packet sequence number that the queue pair begins with.
    pub psn: Psn,
    /// Path MTU that this end can do.
    pub mtu: QpMtu,
}

impl End {
    /// Whether both are the same port (smc_llc.c: SMC-Rv2 compares the GID
    /// only).
    pub(super) fn same_port(&self, other: &End, v2: bool) -> bool {
        self.gid == other.gid && (v2 || self.mac == other.mac)
    }
}

/// Where a link stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LinkState {
    /// The place is free.
    #[default]
    Unused,
    /// The caller makes the queue pair, or will be asked to.
    Preparing,
    /// Nobody wants the link any more, but the caller is still making it.
    Abandoned,
    /// The queue pair is there; LLC messages may travel, data may not.
    Joining,
    /// Data may travel.
    Active,
    /// No new data; the peer is being told that the link goes.
    Leaving,
    /// The caller destroys the queue pair, or will be asked to.
    Freeing,
}

/// What the caller is asked to do with a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Ask {
    Prepare,
    Connect,
    Enable,
    Drain,
    Free,
}

/// A deletion that the peer is to be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Removal {
    pub(super) num: LinkNum,
    pub(super) reason: DeleteReason,
    pub(super) orderly: bool,
}

/// Where the keepalive of a link stands (RFC 7609 §4.5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Test {
    /// The peer was heard lately.
    #[default]
    Quiet,
    /// TEST LINK is to be sent; anything must be heard until then.
    Due(Millis),
    /// TEST LINK is sent; anything must be heard until then.
    Sent(Millis),
}

/// A link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Link {
    pub(super) state: LinkState,
    pub(super) num: LinkNum,
    pub(super) uid: LinkUid,
    pub(super) peer_uid: LinkUid,
    pub(super) local: End,
    pub(super) peer: End,
    /// What the caller is to be asked.
    pub(super) ask: Option<Ask>,
    /// The caller was asked to prepare and has not answered.
    pub(super) preparing: bool,
    /// The queue pair is dead.
    pub(super) down: bool,
    /// The caller is to be told that the link is active.
    pub(super) tell_active: bool,
    /// The caller is to be told that the link must carry no more data.
    pub(super) tell_lost: bool,
    /// The link is to be deleted by an exchange (server).
    pub(super) removal: Option<Removal>,
    /// The removal waits since before the last tick.
    pub(super) aged: bool,
    /// A DELETE LINK request that is owed to the peer outside any exchange. It
    /// names its link itself; the place may have been left by then.
    pub(super) notice: Option<Removal>,
    pub(super) last_rx: Millis,
    pub(super) test: Test,
}

impl Link {
    /// Where the link stands.
    pub const fn state(&self) -> LinkState {
        self.state
    }

    /// Number of the link in the group; 0 where the server has not given one
    /// yet.
    pub const fn num(&self) -> LinkNum {
        self.num
    }

    /// This side's name for the link.
    pub const fn uid(&self) -> LinkUid {
        self.uid
    }

    /// The peer's name for the link.
    pub const fn peer_uid(&self) -> LinkUid {
        self.peer_uid
    }

    /// This side's end.
    pub const fn local(&self) -> &End {
        &self.local
    }

    /// The peer's end.
    pub const fn peer(&self) -> &End {
        &self.peer
    }

    /// Whether data may travel on the link.
    pub const fn is_active(&self) -> bool {
        matches!(self.state, LinkState::Active)
    }

    /// Whether LLC messages are taken from the link.
    pub(super) fn hears(&self) -> bool {
        match self.state {
            LinkState::Joining | LinkState::Active => true,
            LinkState::Leaving => !self.down,
            _ => false,
        }
    }

    /// Whether a number in a message may mean this link.
    pub(super) fn is_named(&self, num: LinkNum) -> bool {
        self.num == num
            && num.0 != 0
            && matches!(
                self.state,
                LinkState::Preparing | LinkState::Joining | LinkState::Active | LinkState::Leaving
            )
    }

    /// Leaves the place, but for a notice that is still owed.
    pub(super) fn reset(&mut self) {
        *self = Link {
            notice: self.notice,
            ..Link::default()
        };
    }
}
