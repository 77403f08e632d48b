// SPDX-License-Identifier: GPL-2.0

//! RDMA devices, and what keeps them.

use crate::abstractions::net::{
    netdev::{Name, NetDevice},
    Net,
};
use core::{
    mem::zeroed,
    ops::{Deref, RangeInclusive},
    ptr::{self, NonNull},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::Arc,
    types::{ARef, Opaque},
};
use smc_bindings as bindings;

/// An RDMA device that has not been removed yet.
///
/// # Invariants
///
/// A `&IbDevice` is a registered `struct ib_device`.
#[repr(transparent)]
pub(crate) struct IbDevice(Opaque<bindings::ib_device>);

// SAFETY: what is read here does not change, or is said to at each method.
unsafe impl Sync for IbDevice {}

/// What a port is like now.
#[derive(Clone, Copy)]
pub(crate) struct PortAttr {
    /// Whether it can be used.
    pub(crate) active: bool,
    /// The longest packets it can send.
    pub(crate) mtu: Mtu,
    /// Entries of its GID table, in use or not.
    pub(crate) gid_count: u32,
}

/// Payload of the longest packet on a path. The numbers are those of InfiniBand,
/// which are also on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Mtu {
    /// 256 bytes.
    M256 = 1,
    /// 512 bytes.
    M512 = 2,
    /// 1024 bytes.
    M1024 = 3,
    /// 2048 bytes.
    M2048 = 4,
    /// 4096 bytes.
    M4096 = 5,
}

impl Mtu {
    /// The one with this number.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::M256,
            2 => Self::M512,
            3 => Self::M1024,
            4 => Self::M2048,
            5 => Self::M4096,
            _ => return None,
        })
    }

    /// Its number.
    pub(crate) fn number(self) -> u8 {
        self as u8
    }
}

/// Who made a device, and what it is called there.
#[derive(Clone, Copy)]
pub(crate) struct PciIds {
    /// The PCI vendor.
    pub(crate) vendor: u16,
    /// The vendor's number for the device.
    pub(crate) device: u16,
}

impl IbDevice {
    pub(super) fn as_ptr(&self) -> *mut bindings::ib_device {
        self.0.get()
    }

    pub(super) fn attrs(&self) -> &bindings::ib_device_attr {
        // SAFETY: alive, by the type invariant; set before it was registered.
        unsafe { &*ptr::addr_of!((*self.as_ptr()).attrs) }
    }

    /// Its name now. Any context.
    pub(crate) fn name(&self) -> Name<{ bindings::IB_DEVICE_NAME_MAX as usize }> {
        // SAFETY: alive, by the type invariant. The array is there all the time,
        // and ends with NUL; while the device is renamed a mix may be read.
        let name = unsafe { ptr::addr_of!((*self.as_ptr()).name).read_volatile() };
        Name::new(name)
    }

    /// Whether it is a driver that copies by itself, as soft-RoCE is. Any context.
    pub(super) fn is_virtual(&self) -> bool {
        // SAFETY: alive, by the type invariant; set before it was registered.
        unsafe { bindings::ib_uses_virt_dma(self.as_ptr()) }
    }

    /// The numbers of its ports. Any context.
    pub(crate) fn ports(&self) -> RangeInclusive<u32> {
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::rdma_start_port(self.as_ptr())..=bindings::rdma_end_port(self.as_ptr()) }
    }

    /// What a port is like now. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is no such port, else the driver's errors.
    pub(crate) fn port(&self, port: u32) -> Result<PortAttr> {
        // SAFETY: all-zero bytes are a valid `struct ib_port_attr`.
        let mut attr: bindings::ib_port_attr = unsafe { zeroed() };
        // SAFETY: alive, by the type invariant; `attr` may be written.
        to_result(unsafe { bindings::ib_query_port(self.as_ptr(), port, &mut attr) })?;
        Ok(PortAttr {
            active: attr.state == bindings::ib_port_state_IB_PORT_ACTIVE,
            mtu: u8::try_from(attr.active_mtu)
                .ok()
                .and_then(Mtu::from_number)
                .ok_or(EINVAL)?,
            gid_count: attr.gid_tbl_len.unsigned_abs(),
        })
    }

    /// Whether a port speaks RoCE. Any context.
    pub(crate) fn is_roce(&self, port: u32) -> bool {
        // SAFETY: alive, by the type invariant; the port's number is checked.
        self.ports().contains(&port) && unsafe { bindings::rdma_protocol_roce(self.as_ptr(), port) }
    }

    /// The network device of a port. Process context.
    pub(crate) fn netdev(&self, port: u32) -> Option<ARef<NetDevice>> {
        // SAFETY: alive, by the type invariant; the result is counted.
        unsafe { NetDevice::from_counted(bindings::ib_device_get_netdev(self.as_ptr(), port)) }
    }

    /// The name of the hardware's device, if there is hardware. Any context.
    pub(crate) fn parent_name(&self) -> Option<&CStr> {
        // SAFETY: alive, by the type invariant, so is its parent, the name of
        // which does not change once a driver is bound to it.
        unsafe {
            let name = bindings::ib_device_parent_name(self.as_ptr());
            (!name.is_null()).then(|| CStr::from_char_ptr(name.cast()))
        }
    }

    /// What it is as a PCI device, if it is one. Any context.
    pub(crate) fn pci(&self) -> Option<PciIds> {
        let (mut vendor, mut device) = (0, 0);
        // SAFETY: alive, by the type invariant; the numbers may be written.
        unsafe { bindings::ib_device_pci_ids(self.as_ptr(), &mut vendor, &mut device) }
            .then_some(PciIds { vendor, device })
    }

    /// Whether who lives in `net` may use it. Any context.
    pub(crate) fn is_visible_in(&self, net: &Net) -> bool {
        // SAFETY: both are alive.
        unsafe { bindings::rdma_dev_access_netns(self.as_ptr(), net.as_ptr()) }
    }
}

/// A counted use of a device, the removal of which waits.
///
/// # Invariants
///
/// It is counted in the cell's `users`.
pub(crate) struct DeviceRef(Arc<Cell>);

/// # Invariants
///
/// `device` is registered as long as `users` is not zero.
#[pin_data]
struct Cell {
    device: NonNull<bindings::ib_device>,
    id: u64,
    users: AtomicUsize,
    #[pin]
    gone: Opaque<bindings::completion>,
}

// SAFETY: the completion has a lock of its own; the device may be used by any
// thread.
unsafe impl Send for Cell {}
// SAFETY: as above.
unsafe impl Sync for Cell {}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl DeviceRef {
    /// The first one of a device.
    ///
    /// # Safety
    ///
    /// `device` stays registered until [`Last::wait`] has returned, for its
    /// [`DeviceRef::last`].
    pub(super) unsafe fn first(device: NonNull<bindings::ib_device>) -> Result<Self> {
        let cell = Arc::pin_init(
            pin_init!(Cell {
                device,
                id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
                users: AtomicUsize::new(1),
                gone <- Opaque::ffi_init(|slot: *mut bindings::completion| {
                    // SAFETY: `slot` may be written and does not move afterwards.
                    unsafe { bindings::init_completion(slot) }
                }),
            }),
            GFP_KERNEL,
        )?;
        // INVARIANT: the one user that is counted.
        Ok(Self(cell))
    }

    /// What waits for the last one.
    pub(super) fn last(&self) -> Last {
        Last(self.0.clone())
    }

    /// A number that no other device has or had. Any context.
    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }
}

/// Waits for the last [`DeviceRef`] of a device.
pub(super) struct Last(Arc<Cell>);

impl Last {
    /// Waits until it has gone, once. Process context; sleeps.
    pub(super) fn wait(self) {
        // SAFETY: initialised, by construction.
        unsafe { bindings::wait_for_completion(self.0.gone.get()) };
    }
}

impl Clone for DeviceRef {
    fn clone(&self) -> Self {
        self.0.users.fetch_add(1, Ordering::Relaxed);
        // INVARIANT: counted just now.
        Self(self.0.clone())
    }
}

impl Drop for DeviceRef {
    /// Any context.
    fn drop(&mut self) {
        if self.0.users.fetch_sub(1, Ordering::AcqRel) == 1 {
            // SAFETY: initialised, by construction.
            unsafe { bindings::complete(self.0.gone.get()) };
        }
    }
}

impl Deref for DeviceRef {
    type Target = IbDevice;

    fn deref(&self) -> &IbDevice {
        // SAFETY: registered, by the invariants; the layouts are the same.
        unsafe { self.0.device.cast().as_ref() }
    }
}

impl PartialEq for DeviceRef {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for DeviceRef {}
