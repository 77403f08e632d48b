// SPDX-License-Identifier: GPL-2.0

//! The CLC handshake of client and server, sans-IO (RFC 7609 §3.5; SMC v2).
//!
//! A [`Client`] or a [`Server`] is one end of one handshake. Everything that
//! happens is told to it by a method, `on_…`, and each of them gives the next
//! [`Action`]: what its owner has to do. It waits for nobody and holds no
//! message, only what was agreed on. Times are arguments.
//!
//! ```text
//! client                                            server
//! on_connected      Send(Proposal)
//! on_sent           Wait           --Proposal-->    on_message    FindOrCreateGroup
//!                                                   on_group      Prepare
//!                                                   on_prepared   Send(Accept)
//! on_message        CreateGroup    <--Accept---     on_sent       Wait
//!               or  FindGroup
//! on_group          Prepare
//! on_prepared       Send(Confirm)
//! on_sent           ConfirmLink    --Confirm-->     on_message    TakePeer
//!               or  Established                     on_peer_taken ConfirmLink
//!                                                             or  Established
//! on_link           Established    <-- RDMA -->     on_link       Established
//! ```
//!
//! A handshake ends with [`Action::Established`], [`Action::Fallback`],
//! [`Action::Reconnect`] or [`Action::Abort`]. Afterwards, and for an event that
//! does not belong to where the handshake stands (an answer that comes late), the
//! action is [`Action::Wait`] and nothing changes.
//!
//! The owner reads the TCP stream with a [`Framer`](crate::wire::clc::Framer)
//! for the kind of message that `expected` names, in every state that names
//! one: a Decline can arrive at any time.

mod client;
mod course;
mod message;
mod offer;
mod select;
mod server;

pub use client::Client;
pub use message::{Local, LocalIsm, LocalRdma, WriteError};
pub use offer::{Offer, OfferV2, OfferV2Kind};
pub use select::{Lookup, Route};
pub use server::{Server, ServerConfig};

use crate::wire::clc::{Decline, Kind, Modes, OsType, Reason, SmcdBody, SmcrBody, Version};
use crate::wire::ext::Features;
use crate::wire::types::{Eid, Gid, Hostname, Mac, PeerId, Qpn};

/// How long each end waits for the other's CLC message, in milliseconds
/// (smc_clc.h, `CLC_WAIT_TIME`).
pub const CLC_WAIT: u32 = 6_000;
/// The same where the Proposal was in the SYN, and the Accept perhaps sent before TCP's
/// handshake was over. If the SYN-ACK is lost, and an ACK, the server's TCP takes the two
/// seconds until the next SYN-ACK for the time of a round trip (RFC 7323 §4.1), and repeats
/// the Accept after three times that.
pub const EARLY_WAIT: u32 = 2 * CLC_WAIT;
/// How long one end waits at most for the other's next message while that is at work on other
/// connections: as long as TCP tries to connect (tcp_syn_retries).
pub const BUSY_MOST: u32 = 20 * CLC_WAIT;
/// How long a connection of a server waits for the first contact of others, in milliseconds.
/// Its client waits for the Accept a second longer: until then it can still be told that it
/// has TCP.
pub const GROUP_WAIT: u32 = CLC_WAIT - 1_000;
/// How long a Decline of the peer is still waited for when the first link was
/// not confirmed in time, in milliseconds (smc_clc.h, `CLC_WAIT_TIME_SHORT`).
pub const DECLINE_GRACE: u32 = 1_000;

/// Release of SMC v2 that we speak ("v2.1").
const RELEASE: u8 = 1;
/// Fewest connections that a link group may be limited to (smc_core.h).
const MIN_CONNS: u8 = 16;
/// Most connections in a link group.
pub const MAX_CONNS: u8 = 255;
/// Most links in a link group.
pub const MAX_LINKS: u8 = 2;

/// What the owner of a handshake does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing, until something happens.
    Wait,
    /// Client: find out what this host has for the connection, call
    /// `on_offer`; or `on_failure`, with the reason why SMC is not possible.
    FindDevices,
    /// Write the message with the machine's `write_…`, send it, call
    /// `on_sent`.
    Send(Kind),
    /// Client: find the route to the server's RoCE port, call `on_route`.
    FindRoute(Gid),
    /// Client: find the link group and the link that the server named, call
    /// `on_group`; if there is none, or it has come to its end, `on_failure` with
    /// [`Reason::SyncError`], which ends the server's; with
    /// [`Reason::NoServerLink`] if the group is all right, but cannot be used.
    FindGroup(GroupKey),
    /// Client: make a new link group and its first link, call `on_group`.
    CreateGroup(GroupKey),
    /// Server: find a link group of this peer with room, or make one, call
    /// `on_group`. Connections that find the first contact of the peer under
    /// way are answered when it is over.
    FindOrCreateGroup(GroupKey),
    /// Get the connection's buffers. The client stores the peer's key. In a new
    /// group it brings the queue pair to "ready to receive" and calls
    /// [`Group::first_contact`](crate::group::Group::first_contact), as the
    /// server's question comes as soon as the server has the Confirm. In an
    /// older one both wait for the exchange of keys if the group asks for it
    /// ([`Group::announce`](crate::group::Group::announce)). Then call
    /// `on_prepared`; on a server whose group has come to its end meanwhile,
    /// [`Server::on_group_lost`].
    Prepare,
    /// Server: store the peer's key. In a new group bring the queue pair to
    /// "ready to send" and call
    /// [`Group::first_contact`](crate::group::Group::first_contact). Then call
    /// `on_peer_taken`.
    TakePeer,
    /// Wait until the group has confirmed its first link over RDMA, and call
    /// `on_link` with what comes out of it.
    ConfirmLink,
    /// The connection is up. What was agreed on is in `negotiated`.
    Established,
    /// The connection goes on as plain TCP.
    Fallback(Fallback),
    /// Client: the peer, which got a Proposal in a SYN, does not speak SMC. The
    /// connection is given up before it could see more, and made again as
    /// plain TCP. Reason of the fallback: [`Reason::PeerNoSmc`].
    Reconnect,
    /// The connection is broken: no SMC, and no TCP either.
    Abort(Abort),
}

/// What becomes of the link group of a handshake that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupFate {
    /// Nothing, if there was one.
    Keep,
    /// It was made for this handshake, and goes with it.
    Discard,
    /// The peer does not know it: it takes no new connection, and is ended.
    OutOfSync,
}

/// A handshake that ends in plain TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// Why.
    pub reason: Reason,
    /// What the peer said, where it declined.
    pub peer_reason: Option<Reason>,
    /// Link group.
    pub group: GroupFate,
    decline: Option<DeclineVersion>,
}

/// Layout of the Decline to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DeclineVersion {
    V1,
    V2,
}

impl DeclineVersion {
    const fn of(version: Version) -> Self {
        if version.is_v1() {
            DeclineVersion::V1
        } else {
            DeclineVersion::V2
        }
    }
}

impl Fallback {
    /// The Decline to send before anything else goes into the stream; `None`
    /// where the peer knows already. `peer_id` is ours.
    pub const fn decline(&self, peer_id: PeerId) -> Option<Decline> {
        match self.decline {
            None => None,
            Some(version) => {
                let v2 = matches!(version, DeclineVersion::V2);
                Some(Decline::new(v2, peer_id, self.reason))
            }
        }
    }

    /// The peer does not expect more from us.
    const fn silent(reason: Reason) -> Self {
        Fallback {
            reason,
            peer_reason: None,
            group: GroupFate::Keep,
            decline: None,
        }
    }
}

/// A handshake that ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abort {
    /// Why.
    pub cause: Cause,
    /// Link group.
    pub group: GroupFate,
}

/// Why a connection is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The peer broke the protocol (`EPROTO`).
    Protocol,
    /// The peer closed or reset the TCP connection (`ECONNRESET`).
    Closed,
    /// The peer did not answer in time (`ETIMEDOUT`).
    TimedOut,
}

/// By what a link group is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKey {
    /// SMC-R.
    Rdma(RdmaKey),
    /// SMC-D.
    Ism(IsmKey),
}

/// A peer's RoCE port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RdmaKey {
    /// Version of SMC of the group.
    pub version: Version,
    /// The peer's host. A C client that offers SMC-Rv2 alone sends zero in its
    /// Proposal, so this may not be enough to tell hosts apart.
    pub peer_id: PeerId,
    /// GID of its port: a link of the group leads there.
    pub gid: Gid,
    /// MAC address of its port; version 1 compares it too, version 2 sends
    /// there unless a gateway is on the way.
    pub mac: Mac,
    /// Client: the queue pair of the link that the server chose.
    pub qpn: Option<Qpn>,
}

/// A peer's ISM device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IsmKey {
    /// Version of SMC of the group.
    pub version: Version,
    /// GID of the device.
    pub gid: u64,
    /// Lower half of the GID of an emulated device; otherwise zero.
    pub gid_ext: u64,
    /// Channel; zero in version 1.
    pub chid: u16,
}

/// The other end's part of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// SMC-R: queue pair, key, address and size of the buffer.
    Rdma(SmcrBody),
    /// SMC-D: device, token and size of the buffer.
    Ism(SmcdBody),
}

/// What the two ends agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Version of SMC, as the Accept names it.
    pub version: Version,
    /// Whether a new link group begins with this connection.
    pub first_contact: bool,
    /// The EID that both have; zero in version 1.
    pub eid: Eid,
    /// Release of version 2. This and what follows counts on first contact;
    /// later contacts have what their group was made with.
    pub release: u8,
    /// Most connections in the group.
    pub max_conns: u8,
    /// Most links in the group.
    pub max_links: u8,
    /// Supplemental features that both have.
    pub feature_mask: u16,
    /// What else the peer can do, where it follows our convention
    /// ([`crate::wire::ext`]). Client: on first contact only.
    pub peer_features: Option<Features>,
    /// What kind of host the peer is, once a first contact has told.
    pub peer_os: OsType,
    /// Name of the peer's host, once a first contact has told; else zero.
    pub peer_host: Hostname,
    /// The peer's part; on a server when the Confirm is there.
    pub peer: Option<Peer>,
}

impl Negotiated {
    const fn new(version: Version) -> Self {
        Negotiated {
            version,
            first_contact: false,
            eid: Eid([0; 32]),
            release: 0,
            max_conns: MAX_CONNS,
            max_links: MAX_LINKS,
            feature_mask: 0,
            peer_features: None,
            peer_os: OsType::UNKNOWN,
            peer_host: Hostname([0; 32]),
            peer: None,
        }
    }

    /// SMC-R or SMC-D, once the peer's part is known.
    pub const fn mode(&self) -> Modes {
        match self.peer {
            None => Modes::None,
            Some(Peer::Rdma(_)) => Modes::R,
            Some(Peer::Ism(_)) => Modes::D,
        }
    }
}
