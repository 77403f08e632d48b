// SPDX-License-Identifier: GPL-2.0

//! When a Proposal may ride in a SYN: what this host can and may do, and towards
//! whom. And whose SYN is not to have even the SMC option.

mod peers;

use super::{
    clc,
    netns::NetData,
    path::Path,
    sysctl::{self, Settings},
};
use crate::abstractions::{
    net::{
        fastopen::{Allowed, SmcOnly},
        sock::Sock,
        Net,
    },
    percpu::Counters,
    sync::{new_spinlock_bh, SpinLockBh},
};
use kernel::prelude::*;
pub(crate) use peers::{Outcome, Peer, PeerKey, Standing, Verdict};
use peers::{Peers, Room};
use smc_proto::wire::ext::Features;

/// What is counted. The order is that of the netlink attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A SYN has left with a Proposal.
    Sent,
    /// It was taken.
    Taken,
    /// It was not, and was sent again behind the SYN-ACK.
    NotTaken,
    /// A SYN with a Proposal was lost.
    Lost,
    /// There was no SMC, and the connection was made anew.
    NotSmc,
    /// The connection failed.
    Failed,
    /// The peer took it and broke the protocol, or was silent.
    Broken,
    /// A connection is up that has saved a round trip.
    Saved,
    /// The SYN left without: there was no cookie yet, or no room.
    NoCookie,
    /// The SYN left without: the peer is not known.
    Unknown,
    /// The SYN left without: it went wrong with the peer not long ago.
    Suspended,
    /// The SYN left without: the application has chosen the port.
    PortBound,
    /// A listener has got a Proposal with a SYN.
    Received,
    /// A connection is there only since its SYN was repeated without the SMC option.
    OptionLost,
    /// The SYN left without the SMC option: it was lost not long ago.
    OptionLeftOut,
}

/// How many kinds of events there are.
pub(crate) const EVENTS: usize = 15;

impl Event {
    const fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Taken => Self::Taken,
            Outcome::NotTaken => Self::NotTaken,
            Outcome::Lost => Self::Lost,
            Outcome::NotSmc => Self::NotSmc,
            Outcome::Failed => Self::Failed,
            Outcome::Broken => Self::Broken,
        }
    }
}

/// What a namespace knows and has counted.
#[pin_data]
pub(crate) struct FastOpen {
    counters: Counters<EVENTS>,
    #[pin]
    peers: SpinLockBh<Peers>,
}

impl FastOpen {
    /// Process context; may sleep.
    pub(super) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            counters: Counters::new()?,
            peers <- new_spinlock_bh!(Peers::new(), "FastOpen::peers"),
        }? Error)
    }

    /// Something has happened. Any context.
    pub(crate) fn count(&self, event: Event) {
        self.counters.add(event as usize, 1);
    }

    /// How often the `i`th event has happened. Any context.
    pub(crate) fn counted(&self, i: usize) -> u64 {
        self.counters.sum(i)
    }

    /// The first `N` listeners that are known behind `after`. Any context.
    pub(crate) fn page<const N: usize>(
        &self,
        after: Option<PeerKey>,
    ) -> [Option<(PeerKey, Peer)>; N] {
        self.peers.lock().page(after)
    }

    /// Forgets all listeners. Any context.
    pub(crate) fn flush(&self) {
        self.peers.lock().shrink(0);
    }
}

/// The switch `net.smc.fastopen`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Switch(i32);

impl Switch {
    /// Of its value.
    pub(super) const fn new(value: i32) -> Self {
        Self(value)
    }

    const fn client(self) -> bool {
        self.0 & sysctl::FASTOPEN_CLIENT != 0
    }

    const fn server(self) -> bool {
        self.0 & sysctl::FASTOPEN_SERVER != 0
    }
}

/// Says what the kernel is capable of, when the module is loaded.
pub(crate) fn announce() {
    match SmcOnly::get() {
        Some(_) => pr_info!("this kernel can have SMC proposals in SYNs\n"),
        None => pr_info!(
            "this kernel cannot have SMC proposals in SYNs: connections take a round trip more\n"
        ),
    }
}

/// The proof that clients of `net`, in which that is `set`, may put Proposals into SYNs.
/// Any context.
fn client(net: &Net, set: Settings<'_>) -> Option<SmcOnly> {
    SmcOnly::get().filter(|_| set.fastopen().client() && Allowed::of(net).client())
}

/// The proof that listeners of `net` may take Proposals out of SYNs. Any context.
pub(crate) fn server(net: &Net) -> Option<SmcOnly> {
    SmcOnly::get().filter(|_| Settings::of(net, |set| set.fastopen()).server())
}

/// What a client of `net`, in which that is `set`, says of itself. Any context.
pub(crate) fn client_features(net: &Net, set: Settings<'_>) -> Features {
    match client(net, set) {
        Some(_) => Features::SYN_PROPOSAL,
        None => Features::NONE,
    }
}

/// What a server of `net` says of itself. Any context.
pub(crate) fn server_features(net: &Net) -> Features {
    match server(net) {
        Some(_) if Allowed::of(net).server() => Features::SYN_PROPOSAL,
        _ => Features::NONE,
    }
}

/// What is known of the listener `key`, which a sock in the namespace of `data` is about
/// to connect to. Any context.
pub(crate) fn look(data: &NetData, key: &PeerKey) -> Standing {
    data.fastopen.peers.lock().look(key, clc::now())
}

/// Whether the SYN of `sock` to a listener of which that is known may have the Proposal.
/// Any context.
pub(crate) fn may_send(sock: &Sock, verdict: Verdict) -> Option<SmcOnly> {
    let net = sock.net();
    let proof = Settings::of(net, |set| client(net, set))?;
    // Where both ends have chosen their ports their SYNs may cross, and there is no
    // listener for the Proposal.
    let why_not = if sock.port_is_bound() {
        Event::PortBound
    } else {
        match verdict {
            Verdict::Known => return Some(proof),
            Verdict::Unknown => Event::Unknown,
            Verdict::Suspended => Event::Suspended,
            Verdict::Deaf => return None,
        }
    };
    count(sock, why_not);
    None
}

/// `sock` has a connection, since its SYN was repeated without the SMC option. Any
/// context.
pub(crate) fn option_lost(sock: &Sock, key: &PeerKey) {
    let Some(data) = NetData::of(sock.net()) else {
        return;
    };
    data.fastopen.count(Event::OptionLost);
    // Without memory it will be lost once more.
    if let Ok(room) = Room::new(GFP_ATOMIC) {
        let max = data.settings().fastopen_peers();
        let mut peers = data.fastopen.peers.lock();
        peers.option_lost(key, room, clc::now(), max);
    }
}

/// The listener `key`, which was doubtful, has got the SMC option. Any context.
pub(crate) fn option_heard(sock: &Sock, key: &PeerKey) {
    if let Some(data) = NetData::of(sock.net()) {
        data.fastopen.peers.lock().option_heard(key);
    }
}

/// What came of a Proposal in a SYN to the listener `key`. Any context.
pub(crate) fn note(sock: &Sock, key: &PeerKey, outcome: Outcome) {
    if let Some(data) = NetData::of(sock.net()) {
        data.fastopen.count(Event::of(outcome));
        data.fastopen.peers.lock().note(key, outcome, clc::now());
    }
}

/// Something has happened to a connection of `sock`. Any context.
pub(crate) fn count(sock: &Sock, event: Event) {
    if let Some(data) = NetData::of(sock.net()) {
        data.fastopen.count(event);
    }
}

/// A handshake of `sock` with `key` has worked; the peer has these features. Process
/// context.
pub(crate) fn learn(sock: &Sock, path: &Path, features: Features) {
    let (Some(key), Some(data)) = (path.peer(), NetData::of(sock.net())) else {
        return;
    };
    // A BPF program may have had another address in mind than the application.
    let may = client(sock.net(), data.settings()).is_some();
    if !may || sock.peer() != (key.addr, key.port) {
        return;
    }
    let peers = &data.fastopen.peers;
    if !features.contains(Features::SYN_PROPOSAL) {
        // Another host may be there now, or the same one with another module.
        peers.lock().unlearn(&key, clc::now());
        return;
    }
    let Ok(room) = Room::new(GFP_KERNEL) else {
        return;
    };
    let max = data.settings().fastopen_peers();
    peers.lock().learn(&key, room, clc::now(), max);
}
