// SPDX-License-Identifier: GPL-2.0

//! The way of one connection over RDMA.

use super::{
    device::{self, Device},
    eid,
    fastopen::PeerKey,
    identity,
};
use crate::abstractions::{
    net::{
        route::{self, NextHop, Route},
        sock::Sock,
        socket::Address,
    },
    rdma::{GidRef, Mtu},
};
use core::net::{IpAddr, Ipv4Addr};
use kernel::{prelude::*, sync::Arc};
use smc_proto::{
    handshake::{self, IsmKey, Lookup, Offer, OfferV2, OfferV2Kind},
    wire::{
        clc::{Entries, GidChid, IpArea, Reason, Sender},
        types::{Eid, Gid, Mac, PeerId, QpMtu},
    },
};

/// A RoCE port of this host, for a connection, and what leads from there. It does
/// not keep the device from going away.
pub(crate) struct Path {
    /// This end's.
    peer_id: PeerId,
    device: Arc<Device>,
    port: u32,
    gid: Gid,
    mac: Mac,
    vlan: u16,
    mtu: Mtu,
    /// How many changes of ports there had been before it was found.
    changes: u32,
    /// MAC address of the next hop, where a gateway is on the way.
    gateway: Option<Mac>,
    /// The client's port that it leads to, as its Proposal has it; of a server.
    peer: Option<Gid>,
    /// The interface that the way begins with.
    ifindex: u32,
    /// The listener that it leads to; of a client.
    listener: Option<(Ipv4Addr, u16)>,
}

/// The IPv4 address in `addr`, if it is one.
fn ipv4(addr: IpAddr) -> Option<Ipv4Addr> {
    match addr {
        IpAddr::V4(addr) => Some(addr),
        IpAddr::V6(addr) => addr.to_ipv4_mapped(),
    }
}

/// Where packets from a port to a peer's go next: it is the port's interface that sends
/// them, which may be in another namespace than the connection. Process context.
fn next_hop(own: &GidRef, peer: &Gid) -> Option<NextHop> {
    let daddr = Ipv4Addr::from(peer.ipv4()?);
    route::next_hop(&*own.netdev()?, own.ipv4()?, daddr).ok()
}

impl Path {
    /// The port for a route, and the entry of its GID table.
    fn of_route(sock: &Sock, route: &Route) -> Option<(Self, GidRef)> {
        let addr = ipv4(route.saddr)?;
        let changes = device::changes();
        let found = device::find_v2(sock.net(), &route.netdev, addr)?;
        let (mac, vlan) = found.gid.ethernet()?;
        let path = Self {
            peer_id: identity::peer_id(sock.net())?,
            device: found.device,
            port: found.port,
            gid: Gid(found.gid.gid()),
            mac: Mac(mac),
            vlan: vlan.unwrap_or(0),
            mtu: found.mtu,
            changes,
            gateway: None,
            peer: None,
            ifindex: route.netdev.ifindex(),
            listener: None,
        };
        Some((path, found.gid))
    }

    /// The port for a connection that `sock` is about to make, by the route that
    /// TCP will take. Process context.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(crate) fn before_connect(sock: &Sock, to: &Address<'_>) -> Result<Self, Reason> {
        if sock.has_ipsec_policy() {
            return Err(Reason::Ipsec);
        }
        if !device::any() {
            return Err(Reason::NoDevice);
        }
        let route = Route::lookup(sock, to).map_err(|_| Reason::NoDevice)?;
        if route.is_local {
            // What does not leave the host gains nothing from a RoCE port.
            return Err(Reason::NoDevice);
        }
        let (mut path, _) = Self::of_route(sock, &route).ok_or(Reason::NoDevice)?;
        path.listener = to
            .endpoint()
            .and_then(|(addr, port)| ipv4(addr).zip(Some(port)));
        Ok(path)
    }

    /// The listener that a client's path leads to, for [`crate::smc::fastopen`].
    pub(crate) fn peer(&self) -> Option<PeerKey> {
        let (addr, port) = self.listener?;
        Some(PeerKey {
            ifindex: self.ifindex,
            addr: addr.into(),
            port,
        })
    }

    /// Where the server listens that a client's path leads to.
    pub(crate) fn server(&self) -> Option<Ipv4Addr> {
        self.listener.map(|(addr, _)| addr)
    }

    /// The port for a connection that has come, towards the client's port.
    /// Process context.
    fn towards(sock: &Sock, peer: &Gid) -> Option<Self> {
        let (mut path, gid) = Self::of_route(sock, &Route::of(sock)?)?;
        let hop = next_hop(&gid, peer)?;
        if hop.gateway {
            path.gateway = Some(Mac(hop.mac?));
        }
        path.peer = Some(*peer);
        Some(path)
    }

    /// First contact: RoCE packets are about to be sent to the port that the peer has
    /// told, which must be one that they may be sent to. Process context.
    ///
    /// # Errors
    ///
    /// [`Reason::NoRoute`].
    pub(crate) fn check_peer(&mut self, gid: &Gid, mac: Mac) -> Result<(), Reason> {
        let addr = Ipv4Addr::from(gid.ipv4().ok_or(Reason::NoRoute)?);
        let own = self.gid_ref().ok_or(Reason::NoRoute)?;
        if !own
            .netdev()
            .is_some_and(|dev| route::is_unicast(&dev, addr))
        {
            return Err(Reason::NoRoute);
        }
        // Where the server has found a way to another one, is there one to this, too?
        if self.peer.is_some_and(|proposed| proposed != *gid) {
            let hop = next_hop(&own, gid).ok_or(Reason::NoRoute)?;
            if hop.gateway != self.gateway.is_some() {
                return Err(Reason::NoRoute);
            }
            if hop.gateway {
                self.gateway = Some(Mac(hop.mac.ok_or(Reason::NoRoute)?));
            }
        }
        if self.first_hop(mac).is_unicast() {
            Ok(())
        } else {
            Err(Reason::NoRoute)
        }
    }

    /// How the client gets to the server's port, which has told that a gateway is
    /// on the way. Process context.
    pub(crate) fn route_to(&mut self, peer: &Gid) -> Option<handshake::Route> {
        let hop = next_hop(&self.gid_ref()?, peer)?;
        if !hop.gateway {
            return Some(handshake::Route::Direct);
        }
        self.gateway = Some(Mac(hop.mac?));
        Some(handshake::Route::Gateway)
    }

    pub(crate) fn device(&self) -> &Arc<Device> {
        &self.device
    }

    pub(crate) fn port(&self) -> u32 {
        self.port
    }

    /// VLAN of the port's interface; 0 for none.
    pub(crate) fn vlan(&self) -> u16 {
        self.vlan
    }

    /// The entry of the port's GID table, if it is there still. Process context.
    pub(crate) fn gid_ref(&self) -> Option<GidRef> {
        self.device.gid(self.port, &self.gid.0)
    }

    /// Whether its port, or any other, may have changed since it was found. Any context.
    pub(crate) fn may_have_changed(&self) -> bool {
        device::changes() != self.changes
    }

    /// Whether no gateway is on the way.
    pub(crate) fn is_direct(&self) -> bool {
        self.gateway.is_none()
    }

    /// Where frames to the peer go first.
    pub(crate) fn first_hop(&self, peer: Mac) -> Mac {
        self.gateway.unwrap_or(peer)
    }

    /// GID of the port.
    pub(crate) fn gid(&self) -> Gid {
        self.gid
    }

    /// MAC address of the port.
    pub(crate) fn mac(&self) -> Mac {
        self.mac
    }

    /// Path MTU that the port can do.
    pub(crate) fn mtu(&self) -> QpMtu {
        QpMtu::from_bits(self.mtu as u8).unwrap_or_default()
    }

    /// This host and the port, for CLC messages.
    pub(crate) fn sender(&self) -> Sender {
        Sender {
            peer_id: self.peer_id,
            gid: self.gid(),
            mac: self.mac(),
        }
    }
}

/// Room for the EIDs of a Proposal, in bytes.
pub(crate) const EID_AREA: usize = eid::MAX_UEIDS * 32;

/// What a client offers over `path`: SMC-Rv2.
pub(crate) fn offer<'a>(path: &Path, limits: Limits, area: &'a mut [u8; EID_AREA]) -> Offer<'a> {
    let sender = path.sender();
    Offer {
        // The GID there is one of version 1, which is not offered.
        sender: Sender {
            gid: Gid::default(),
            ..sender
        },
        ism: GidChid::default(),
        v1: None,
        v2: Some(OfferV2 {
            kind: OfferV2Kind::R(sender.gid),
            eids: Entries::fill(area, eid::list().as_slice().iter().copied())
                .unwrap_or(Entries::EMPTY),
            seid: None,
            max_conns: limits.max_conns,
            max_links: limits.max_links,
            feature_mask: 0,
        }),
    }
}

/// Limits of a link group that this host would agree to.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) max_conns: u8,
    pub(crate) max_links: u8,
}

/// What a server's handshake asks about its connection.
pub(crate) struct Host<'a> {
    connection: &'a Sock,
    path: &'a mut Option<Path>,
}

impl<'a> Host<'a> {
    /// The answers for one connection; a port that is found is put into `path`.
    pub(crate) fn of(connection: &'a Sock, path: &'a mut Option<Path>) -> Self {
        Self { connection, path }
    }
}

impl Lookup for Host<'_> {
    fn ism_v2_capable(&mut self) -> bool {
        false
    }

    fn ism_v2(&mut self, _peer: &IsmKey) -> bool {
        false
    }

    fn ism_v1(&mut self, _gid: u64) -> bool {
        false
    }

    fn roce_v2(&mut self, gid: &Gid) -> bool {
        *self.path = Path::towards(self.connection, gid);
        self.path.is_some()
    }

    fn roce_v1(&mut self) -> bool {
        false
    }

    fn same_subnet(&mut self, ip: &IpArea<'_>) -> bool {
        route::any_address(self.connection, |addr, len| ip.matches(addr, len))
    }

    fn vlan(&mut self) -> bool {
        true
    }

    fn has_ueid(&mut self, eid: &Eid) -> bool {
        eid::has(eid)
    }

    fn seid(&mut self) -> Option<Eid> {
        None
    }
}
