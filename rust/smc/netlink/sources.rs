// SPDX-License-Identifier: GPL-2.0

//! What is told of link groups, links and devices.

use crate::abstractions::rdma::DeviceRef;
use crate::smc::{
    device::{self, Device},
    group::{self, Group},
    pnet::{DeviceName, PnetId},
};
use kernel::{prelude::*, sync::Arc};
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
/// context.
pub(crate) fn for_each_group(f: &mut dyn FnMut(&GroupInfo, &[LinkInfo]) -> bool) {
    let mut go_on = true;
    group::for_each(|group| {
        if go_on {
            let (info, link) = (describe_group(group), describe_link(group));
            go_on = f(&info, link.as_slice());
        }
    });
}

fn describe_group(group: &Group) -> GroupInfo {
    let spec = group.spec();
    let (rmbs, sndbufs) = group.bytes();
    let (os, host) = group.peer_host();
    GroupInfo {
        id: group.id(),
        server: spec.key.server,
        kind: 1,
        pnet_id: group.port().and_then(|port| group.device().pnet_id(port)),
        // The attribute is a byte.
        vlan: spec.key.vlan as u8,
        conns: u32::try_from(group.conn_count()).unwrap_or(u32::MAX),
        net_cookie: spec.key.net,
        buf_type: spec.memory as u8,
        sndbufs,
        rmbs,
        v2: (!spec.version.is_v1()).then(|| GroupV2 {
            version: spec.version.number(),
            release: spec.release,
            os: os.number(),
            eid: spec.eid,
            host,
            direct: spec.direct,
            max_conns: spec.max_conns,
            max_links: spec.max_links,
        }),
    }
}

/// The link of a group. Process context.
pub(crate) fn describe_link(group: &Group) -> Option<LinkInfo> {
    let (link, gid) = group.describe_link()?;
    Some(LinkInfo {
        id: link.num().0,
        device: device_name(group.device()),
        port: u8::try_from(gid.port()).unwrap_or(0),
        gid: link.local().gid,
        peer_gid: link.peer().gid,
        conns: u32::try_from(group.conn_count()).unwrap_or(u32::MAX),
        ifindex: gid.netdev().map_or(0, |netdev| netdev.ifindex()),
        uid: link.uid().0,
        peer_uid: link.peer_uid().0,
        state: if link.is_active() { 3 } else { 2 },
    })
}

fn device_name(device: &Device) -> DeviceName {
    let mut name = [0; 64];
    if let Some(dev) = device.dev() {
        for (to, from) in name.iter_mut().zip(dev.name().as_bytes()) {
            *to = *from;
        }
    }
    name
}

/// Calls `f` with each RDMA device until it says no. Process context.
pub(crate) fn for_each_device(f: &mut dyn FnMut(&DeviceInfo) -> bool) {
    let mut go_on = true;
    device::for_each(|device| {
        if let (true, Some(dev)) = (go_on, device.dev()) {
            go_on = f(&describe_device(device, &dev));
        }
    });
}

fn describe_device(device: &Arc<Device>, dev: &DeviceRef) -> DeviceInfo {
    let mut ports = [None; 2];
    for (place, port) in ports.iter_mut().zip(device::ports(dev)) {
        *place = Some(describe_port(device, dev, port));
    }
    DeviceInfo {
        name: device_name(device),
        critical: group::is_only_device(device),
        pci: dev.pci().map(|ids| {
            let mut address = [0; 16];
            let name = dev.parent_name().map_or(&b""[..], CStr::as_bytes);
            for (to, from) in address.iter_mut().zip(name) {
                *to = *from;
            }
            PciInfo {
                vendor: ids.vendor,
                device: ids.device,
                address,
            }
        }),
        ports,
    }
}

fn describe_port(device: &Arc<Device>, dev: &DeviceRef, port: u32) -> PortInfo {
    PortInfo {
        pnet_id: device.pnet_id(port),
        ifindex: dev.netdev(port).map_or(0, |netdev| netdev.ifindex()),
        active: dev.port(port).is_ok_and(|attr| attr.active),
        links: group::links_through(device, port),
    }
}
