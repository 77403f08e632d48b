// SPDX-License-Identifier: GPL-2.0

//! What is told of link groups, links and devices.

use crate::smc::pnet::{DeviceName, PnetId};
use smc_proto::wire::types::{Eid, Gid, Hostname};

/// What version 2 adds to a link group.
#[derive(Clone, Copy)]
pub(crate) struct GroupV2 {
    /// The version.
    pub(crate) version: u8,
    /// The peer's release of it.
    pub(crate) release: u8,
    /// The peer's kind of operating system.
    pub(crate) os: u8,
    /// The EID in common.
    pub(crate) eid: Eid,
    /// The peer's name.
    pub(crate) host: Hostname,
    /// The peer is reached without a gateway.
    pub(crate) direct: bool,
    /// Connections at most.
    pub(crate) max_conns: u8,
    /// Links at most.
    pub(crate) max_links: u8,
}

/// A link group of SMC-R.
#[derive(Clone, Copy)]
pub(crate) struct GroupInfo {
    /// Its number on this host.
    pub(crate) id: u32,
    /// This host was the server at first contact.
    pub(crate) server: bool,
    /// How its links lie: 1 for a single one.
    pub(crate) kind: u8,
    /// The physical network.
    pub(crate) pnet_id: Option<PnetId>,
    /// The VLAN, 0 for none.
    pub(crate) vlan: u8,
    /// Its connections.
    pub(crate) conns: u32,
    /// The namespace.
    pub(crate) net_cookie: u64,
    /// What its buffers are made of, as net.smc.smcr_buf_type.
    pub(crate) buf_type: u8,
    /// Bytes of all its send buffers.
    pub(crate) sndbufs: u64,
    /// Bytes of all its RMBs.
    pub(crate) rmbs: u64,
    /// If it is of version 2.
    pub(crate) v2: Option<GroupV2>,
}

/// A link.
#[derive(Clone, Copy)]
pub(crate) struct LinkInfo {
    /// Its number in the group.
    pub(crate) id: u8,
    /// The RDMA device.
    pub(crate) device: DeviceName,
    /// Its port.
    pub(crate) port: u8,
    /// The address of this end.
    pub(crate) gid: Gid,
    /// The address of the other end.
    pub(crate) peer_gid: Gid,
    /// Connections that send over it.
    pub(crate) conns: u32,
    /// The network device.
    pub(crate) ifindex: u32,
    /// What this end calls it.
    pub(crate) uid: [u8; 4],
    /// What the other end calls it.
    pub(crate) peer_uid: [u8; 4],
    /// 2: it comes up, 3: it is up.
    pub(crate) state: u32,
}

/// A port of an RDMA device.
#[derive(Clone, Copy)]
pub(crate) struct PortInfo {
    /// The physical network, as the administrator says.
    pub(crate) pnet_id: Option<PnetId>,
    /// The network device.
    pub(crate) ifindex: u32,
    /// It is up.
    pub(crate) active: bool,
    /// Links through it.
    pub(crate) links: u32,
}

/// A PCI device.
#[derive(Clone, Copy)]
pub(crate) struct PciInfo {
    /// Who has made it.
    pub(crate) vendor: u16,
    /// What it is.
    pub(crate) device: u16,
    /// Where it is; NULs to the end.
    pub(crate) address: [u8; 16],
}

/// An RDMA device.
#[derive(Clone, Copy)]
pub(crate) struct DeviceInfo {
    /// Its name.
    pub(crate) name: DeviceName,
    /// A link group has no other.
    pub(crate) critical: bool,
    /// The PCI device that it is.
    pub(crate) pci: Option<PciInfo>,
    /// Its ports, from the first.
    pub(crate) ports: [Option<PortInfo>; 2],
}

/// Calls `f` with each link group and its links until it says no. Process
/// context; `f` does not sleep.
pub(crate) fn for_each_group(_f: &mut dyn FnMut(&GroupInfo, &[LinkInfo]) -> bool) {}

/// Calls `f` with each RDMA device until it says no. Process context; `f` does
/// not sleep.
pub(crate) fn for_each_device(_f: &mut dyn FnMut(&DeviceInfo) -> bool) {}
