// SPDX-License-Identifier: GPL-2.0

//! A port's GID table: the addresses by which RoCE reaches it.
//!
//! C header: [`include/rdma/ib_cache.h`](srctree/include/rdma/ib_cache.h)

use super::{DeviceRef, Gid};
use crate::abstractions::net::netdev::{Mac, NetDevice};
use core::{
    net::{Ipv4Addr, Ipv6Addr},
    ptr::{self, NonNull},
};
use kernel::{error::from_err_ptr, types::ARef};
use smc_bindings as bindings;

/// How packets to and from a GID look.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum GidKind {
    /// An Ethernet type of its own.
    RoceV1,
    /// UDP.
    RoceV2,
}

/// An entry of a GID table. While this exists its index means nothing else.
///
/// # Invariants
///
/// `attr` is an entry of `device`, a reference to which is owned.
pub(crate) struct GidRef {
    attr: NonNull<bindings::ib_gid_attr>,
    device: DeviceRef,
}

// SAFETY: an entry may be read and let go of by any thread.
unsafe impl Send for GidRef {}
// SAFETY: what is read here does not change while there is a reference.
unsafe impl Sync for GidRef {}

impl DeviceRef {
    /// The entry of a port's GID table, if there is one at `index`. Any context.
    pub(crate) fn gid(&self, port: u32, index: u32) -> Option<GidRef> {
        let index = i32::try_from(index).ok()?;
        // SAFETY: the device is there; port and index are checked by the core.
        let attr = unsafe { bindings::rdma_get_gid_attr(self.as_ptr(), port, index) };
        // SAFETY: an error, or an entry with a reference, which is never null.
        let attr = unsafe { NonNull::new_unchecked(from_err_ptr(attr.cast_mut()).ok()?) };
        // INVARIANT: an entry of this device, with its reference.
        Some(GidRef {
            attr,
            device: self.clone(),
        })
    }

    /// The GIDs of a port whose table has `count` entries. Process context.
    pub(crate) fn gids(&self, port: u32, count: u32) -> impl Iterator<Item = GidRef> + '_ {
        (0..count).filter_map(move |index| self.gid(port, index))
    }
}

impl GidRef {
    pub(super) fn as_ptr(&self) -> *const bindings::ib_gid_attr {
        self.attr.as_ptr()
    }

    /// Its index in the table. Any context.
    pub(crate) fn index(&self) -> u16 {
        // SAFETY: alive, by the type invariant.
        unsafe { (*self.as_ptr()).index }
    }

    /// The GID. Any context.
    pub(crate) fn gid(&self) -> Gid {
        // SAFETY: alive, by the type invariant; 16 bytes as they are on the wire.
        unsafe { ptr::addr_of!((*self.as_ptr()).gid).cast::<Gid>().read() }
    }

    /// The IPv4 address that it stands for, if it does for one. Any context.
    pub(crate) fn ipv4(&self) -> Option<Ipv4Addr> {
        Ipv6Addr::from(self.gid()).to_ipv4_mapped()
    }

    /// How its packets look; none for a GID that is not of RoCE. Any context.
    pub(crate) fn kind(&self) -> Option<GidKind> {
        // SAFETY: alive, by the type invariant.
        match unsafe { (*self.as_ptr()).gid_type } {
            bindings::ib_gid_type_IB_GID_TYPE_ROCE => Some(GidKind::RoceV1),
            bindings::ib_gid_type_IB_GID_TYPE_ROCE_UDP_ENCAP => Some(GidKind::RoceV2),
            _ => None,
        }
    }

    /// The port it is a GID of. Any context.
    pub(crate) fn port(&self) -> u32 {
        // SAFETY: alive, by the type invariant.
        unsafe { (*self.as_ptr()).port_num }
    }

    /// The device it is an entry of. Any context.
    pub(crate) fn device(&self) -> &DeviceRef {
        &self.device
    }

    /// The network device that has the address, if it is up. Any context.
    pub(crate) fn netdev(&self) -> Option<ARef<NetDevice>> {
        // SAFETY: alive, by the type invariant; the result is counted.
        unsafe { NetDevice::from_counted(bindings::rdma_gid_netdev(self.as_ptr())) }
    }

    /// The MAC address that its packets come from, and their VLAN. Any context.
    pub(crate) fn ethernet(&self) -> Option<(Mac, Option<u16>)> {
        let mut mac = Mac::default();
        let mut vlan = NO_VLAN;
        // SAFETY: alive, by the type invariant; both may be written.
        let ret = unsafe {
            bindings::rdma_read_gid_l2_fields(self.as_ptr(), &mut vlan, mac.as_mut_ptr())
        };
        (ret == 0).then_some((mac, (vlan != NO_VLAN).then_some(vlan)))
    }
}

/// What stands for no VLAN.
const NO_VLAN: u16 = 0xffff;

impl Clone for GidRef {
    fn clone(&self) -> Self {
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::rdma_hold_gid_attr(self.as_ptr()) };
        // INVARIANT: a reference was taken just now.
        Self {
            attr: self.attr,
            device: self.device.clone(),
        }
    }
}

impl Drop for GidRef {
    /// Any context.
    fn drop(&mut self) {
        // SAFETY: owned, by the type invariant; freeing it is left to a workqueue
        // of the core.
        unsafe { bindings::rdma_put_gid_attr(self.as_ptr()) };
    }
}
