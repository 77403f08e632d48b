// SPDX-License-Identifier: GPL-2.0

//! RoCE devices: which there are, and which of their ports leads where.

use super::{
    group, identity,
    pnet::{self, PnetId},
    slots::Slots,
};
use crate::abstractions::{
    global::{global_lock, GlobalMutex},
    net::{
        errno::NetErrno,
        netdev::{Mac, NetDevice},
        Net,
    },
    rdma::{
        Client, ClientRegistration, DeviceEvent, DeviceRef, Gid, GidKind, GidRef, Mtu, PortAttr,
    },
    sync::{new_spinlock_bh, SpinLockBh},
};
use core::{
    net::Ipv4Addr,
    sync::atomic::{AtomicU32, AtomicUsize, Ordering},
};
use kernel::{c_str, prelude::*, sync::Arc};

/// A RoCE device. To have one does not keep it from going away.
#[pin_data]
pub(crate) struct Device {
    /// Number of the device, which no other one ever gets.
    id: u32,
    /// Until it goes away.
    #[pin]
    dev: SpinLockBh<Option<DeviceRef>>,
    /// What its ports were like, each when it was asked last.
    #[pin]
    ports: SpinLockBh<KVec<Option<Asked>>>,
}

/// An answer, and how many changes there had been before it.
#[derive(Clone, Copy)]
struct Asked {
    changes: u32,
    attr: PortAttr,
}

/// Changes that ports may have been through. To ask one is a command to the device,
/// or takes the RTNL lock: nothing for each connection.
static CHANGES: AtomicU32 = AtomicU32::new(0);

/// Something has changed that ports may depend on. Any context.
pub(super) fn changed() {
    CHANGES.fetch_add(1, Ordering::AcqRel);
}

/// How many there have been. If there was none between a look at a port and the time from
/// which on its events are heard, it is as it was. Any context.
pub(super) fn changes() -> u32 {
    CHANGES.load(Ordering::Acquire)
}

static DEVICES: GlobalMutex<Slots<Arc<Device>>> = global_lock!(Slots::new, "DEVICES");

/// How many there are, for who need not look any further on a host without.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Whether this host has a RoCE device. Any context.
pub(crate) fn any() -> bool {
    COUNT.load(Ordering::Acquire) != 0
}

static NEXT_ID: AtomicU32 = AtomicU32::new(1);

impl Device {
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// The device itself, which does not go away while it is held. Any context.
    pub(crate) fn dev(&self) -> Option<DeviceRef> {
        self.dev.lock().clone()
    }

    /// Whether it is going away. Any context.
    pub(crate) fn is_gone(&self) -> bool {
        self.dev.lock().is_none()
    }

    /// What a port is like, if it is there. Process context; may sleep.
    fn port(&self, dev: &DeviceRef, port: u32) -> Option<PortAttr> {
        let index = port.checked_sub(*dev.ports().start())? as usize;
        let changes = changes();
        let known = self.ports.lock().get(index).copied().flatten();
        if let Some(asked) = known.filter(|asked| asked.changes == changes) {
            return Some(asked.attr);
        }
        let attr = dev.port(port).ok()?;
        if let Some(place) = self.ports.lock().get_mut(index) {
            *place = Some(Asked { changes, attr });
        }
        Some(attr)
    }

    fn gids<'a>(&self, dev: &'a DeviceRef, port: u32) -> impl Iterator<Item = GidRef> + 'a {
        let count = self.port(dev, port).map_or(0, |attr| attr.gid_count);
        dev.gids(port, count)
    }

    /// What physical network a port is on, if the administrator has said so.
    /// Process context.
    pub(crate) fn pnet_id(&self, port: u32) -> Option<PnetId> {
        let dev = self.dev()?;
        let parent = dev.parent_name().map(CStr::as_bytes);
        pnet::id_of_port(dev.name().as_bytes(), parent, u8::try_from(port).ok()?)
    }

    /// The GID for SMC-Rv2 that a port has under this number still. Process
    /// context.
    pub(crate) fn gid(&self, port: u32, wanted: &Gid) -> Option<GidRef> {
        let dev = self.dev()?;
        let mut gids = self.gids(&dev, port);
        gids.find(|gid| gid.kind() == Some(GidKind::RoceV2) && gid.gid() == *wanted)
    }

    /// Whether a port has this entry still, or one that is the same to the peer: for a
    /// link that the peer reaches by the entry's GID, and by this MAC address and VLAN (0
    /// for none). Process context.
    pub(crate) fn has_still(&self, entry: &GidRef, mac: Mac, vlan: u16) -> bool {
        let Some(dev) = self.dev() else {
            return false;
        };
        let ethernet = Some((mac, (vlan != 0).then_some(vlan)));
        let same = |other: &GidRef| {
            other.kind() == entry.kind()
                && other.gid() == entry.gid()
                && other.ethernet() == ethernet
        };
        // Its place is nobody else's, as long as there is a reference.
        dev.gid(entry.port(), entry.index().into())
            .is_some_and(|other| same(&other))
            || self.gids(&dev, entry.port()).any(|other| same(&other))
    }
}

/// The ports of a device that are RoCE's.
pub(crate) fn ports(dev: &DeviceRef) -> impl Iterator<Item = u32> + '_ {
    dev.ports().filter(|port| dev.is_roce(*port))
}

/// The GID of a port for SMC-Rv2 over `netdev` (RoCEv2, IPv4): that of `addr`
/// itself, else one in its subnet.
fn gid_v2(
    device: &Device,
    dev: &DeviceRef,
    port: u32,
    netdev: &NetDevice,
    addr: Ipv4Addr,
) -> Option<GidRef> {
    let usable = |gid: &GidRef| {
        gid.kind() == Some(GidKind::RoceV2)
            && gid
                .netdev()
                .is_some_and(|own| own.ifindex() == netdev.ifindex())
    };
    let mut near = None;
    for gid in device.gids(dev, port).filter(usable) {
        match gid.ipv4() {
            Some(own) if own == addr => return Some(gid),
            Some(own) if near.is_none() && same_subnet(netdev, addr, own) => near = Some(gid),
            _ => {}
        }
    }
    near
}

/// Whether two addresses are in one subnet of `netdev`.
fn same_subnet(netdev: &NetDevice, a: Ipv4Addr, b: Ipv4Addr) -> bool {
    netdev.any_address(|addr, len| {
        let core::net::IpAddr::V4(ours) = addr else {
            return false;
        };
        let mask = u32::MAX
            .checked_shl(32u32.saturating_sub(len.into()))
            .unwrap_or(0);
        let net = |addr: Ipv4Addr| u32::from(addr) & mask;
        net(ours) == net(a) && net(ours) == net(b)
    })
}

/// A port that leads somewhere.
pub(crate) struct Port {
    pub(crate) device: Arc<Device>,
    pub(crate) port: u32,
    pub(crate) mtu: Mtu,
    pub(crate) gid: GidRef,
}

/// A port for SMC-Rv2 connections from `addr` over `netdev`: one with the same
/// PNETID, or if the interface has none, that of the interface itself (SMC v2,
/// "PNETID"). Process context.
pub(crate) fn find_v2(net: &Net, netdev: &NetDevice, addr: Ipv4Addr) -> Option<Port> {
    let wanted = pnet::id_of(net, netdev.ifindex());
    for device in DEVICES.lock().iter() {
        let Some(dev) = device.dev().filter(|dev| dev.is_visible_in(net)) else {
            continue;
        };
        for port in ports(&dev) {
            let fits = match &wanted {
                Some(id) => device.pnet_id(port).as_ref() == Some(id),
                None => dev
                    .netdev(port)
                    .is_some_and(|own| own.ifindex() == netdev.base().ifindex()),
            };
            if !fits {
                continue;
            }
            let Some(attr) = device.port(&dev, port).filter(|attr| attr.active) else {
                continue;
            };
            // With a PNETID the port may belong to another interface than TCP's.
            let own = dev.netdev(port).filter(|_| wanted.is_some());
            let gid = gid_v2(device, &dev, port, netdev, addr).or_else(|| {
                let own = own.as_ref()?;
                let first = own_address(own)?;
                gid_v2(device, &dev, port, own, first)
            });
            if let Some(gid) = gid {
                return Some(Port {
                    device: device.clone(),
                    port,
                    mtu: attr.mtu,
                    gid,
                });
            }
        }
    }
    None
}

/// The first IPv4 address of an interface.
fn own_address(netdev: &NetDevice) -> Option<Ipv4Addr> {
    let mut found = None;
    netdev.any_address(|addr, _| match addr {
        core::net::IpAddr::V4(addr) => {
            found = Some(addr);
            true
        }
        core::net::IpAddr::V6(_) => false,
    });
    found
}

/// Tells of each device. Process context.
pub(crate) fn for_each(mut f: impl FnMut(&Arc<Device>)) {
    for device in DEVICES.lock().iter() {
        f(device);
    }
}

/// What the InfiniBand core tells of devices.
struct Roce;

impl Client for Roce {
    type Device = Device;
    const NAME: &'static CStr = c_str!("smc_rs");

    fn add(dev: DeviceRef) -> Result<Arc<Device>> {
        if !dev.ports().any(|port| dev.is_roce(port)) {
            return Err(NetErrno::OpNotSupp.into());
        }
        let mut ports = KVec::new();
        for _ in dev.ports() {
            ports.push(None, GFP_KERNEL)?;
        }
        let device = Arc::pin_init(
            pin_init!(Device {
                id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
                dev <- new_spinlock_bh!(Some(dev), "Device::dev"),
                ports <- new_spinlock_bh!(ports, "Device::ports"),
            }),
            GFP_KERNEL,
        )?;
        identity::learn(&device);
        DEVICES.lock().insert(device.clone(), GFP_KERNEL)?;
        COUNT.fetch_add(1, Ordering::Release);
        Ok(device)
    }

    fn remove(device: Arc<Device>) {
        let dev = device.dev.lock().take();
        drop(dev);
        let known = DEVICES.lock().take_if(|other| Arc::ptr_eq(other, &device));
        if known.is_some() {
            COUNT.fetch_sub(1, Ordering::Release);
        }
        drop(known);
        group::device_gone(&device);
    }

    fn event(device: &Arc<Device>, event: DeviceEvent) {
        changed();
        match event {
            DeviceEvent::PortError(port) => group::port_down(device, Some(port)),
            DeviceEvent::Fatal => group::port_down(device, None),
            DeviceEvent::GidChange(port) => {
                identity::learn(device);
                group::gids_changed(device, port);
            }
            DeviceEvent::PortActive(_) | DeviceEvent::PortChange(_) => identity::learn(device),
        }
    }
}

/// RoCE devices are used while it exists.
pub(crate) struct Registration(Option<ClientRegistration<Roce>>);

impl Registration {
    /// Begins to use those that are there, and those that will be. Process
    /// context; sleeps.
    pub(crate) fn register() -> Result<Self> {
        Ok(Self(Some(ClientRegistration::register()?)))
    }
}

impl Drop for Registration {
    /// Process context; sleeps until the last link group is gone.
    fn drop(&mut self) {
        self.0 = None;
        // It is empty; its memory goes.
        *DEVICES.lock() = Slots::new();
    }
}
