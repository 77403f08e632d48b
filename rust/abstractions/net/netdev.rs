// SPDX-License-Identifier: GPL-2.0

//! Network devices.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::route;
use crate::abstractions::rcu;
use core::{net::IpAddr, ptr::NonNull};
use kernel::{
    ffi::{c_int, c_void},
    types::{ARef, AlwaysRefCounted, Opaque},
};
use smc_bindings as bindings;

/// A MAC address.
pub(crate) type Mac = [u8; 6];

/// The name of a device, which ends with NUL within the `N` bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name<const N: usize>([u8; N]);

impl<const N: usize> Name<N> {
    /// What is before the first NUL of `bytes`.
    pub(in crate::abstractions) fn new(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// The name, without NUL.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        let len = self.0.iter().position(|b| *b == 0).unwrap_or(N);
        self.0.get(..len).unwrap_or_default()
    }
}

/// A network device.
///
/// A reference holds up its unregistration: keep one for moments only, and
/// remember the [`ifindex`](NetDevice::ifindex) otherwise.
///
/// # Invariants
///
/// A `&NetDevice` is a live `struct net_device`.
#[repr(transparent)]
pub(crate) struct NetDevice(Opaque<bindings::net_device>);

// SAFETY: a device may be used and let go of by any thread.
unsafe impl Send for NetDevice {}
// SAFETY: what is read here without a lock is said at each method.
unsafe impl Sync for NetDevice {}

// SAFETY: dev_hold() and dev_put() count the references of a device.
unsafe impl AlwaysRefCounted for NetDevice {
    fn inc_ref(&self) {
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::dev_hold(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: the caller gives up a reference of its own.
        unsafe { bindings::dev_put(obj.cast().as_ptr()) };
    }
}

impl NetDevice {
    /// # Safety
    ///
    /// `dev` is null, or a device with a reference that is given up.
    pub(in crate::abstractions) unsafe fn from_counted(
        dev: *mut bindings::net_device,
    ) -> Option<ARef<Self>> {
        // SAFETY: by this function's contract; the layouts are the same.
        NonNull::new(dev.cast::<Self>()).map(|dev| unsafe { ARef::from_raw(dev) })
    }

    pub(in crate::abstractions) fn as_ptr(&self) -> *mut bindings::net_device {
        self.0.get()
    }

    /// Its number in its namespace. Any context.
    pub(crate) fn ifindex(&self) -> u32 {
        // SAFETY: alive, by the type invariant. Never negative.
        unsafe { bindings::netdev_ifindex(self.as_ptr()) }.unsigned_abs()
    }

    /// Its MAC address, if it has one. Any context.
    pub(crate) fn mac(&self) -> Option<Mac> {
        let mut mac = Mac::default();
        // SAFETY: alive, by the type invariant; `mac` has room.
        unsafe { bindings::netdev_mac(self.as_ptr(), mac.as_mut_ptr()) }.then_some(mac)
    }

    /// The device at the bottom of those that this one stands on; itself, if it
    /// stands on none. Any context.
    pub(crate) fn base(&self) -> ARef<Self> {
        let mut base = ARef::from(self);
        loop {
            let mut lower = None;
            base.any_below(|dev| {
                lower = Some(ARef::from(dev));
                true
            });
            match lower {
                Some(dev) => base = dev,
                None => return base,
            }
        }
    }

    fn any_below<F: FnMut(&Self) -> bool>(&self, mut wanted: F) -> bool {
        let ctx: *mut F = &mut wanted;
        let mut walk = bindings::netdev_nested_priv {
            flags: 0,
            data: ctx.cast(),
        };
        let _rcu = rcu::read_lock();
        // SAFETY: alive, and under RCU; `each_lower` gets `ctx`, an `F`.
        let stopped = unsafe {
            bindings::netdev_walk_all_lower_dev_rcu(self.as_ptr(), Some(each_lower::<F>), &mut walk)
        };
        stopped != 0
    }

    /// Whether `wanted` says yes to one of its addresses, with the length of its
    /// prefix. Any context; `wanted` must not sleep.
    pub(crate) fn any_address<F: FnMut(IpAddr, u8) -> bool>(&self, mut wanted: F) -> bool {
        let ctx: *mut F = &mut wanted;
        let ctx: *mut c_void = ctx.cast();
        // SAFETY: alive; `each_address` gets `ctx`, an `F`.
        unsafe { bindings::netdev_any_addr(self.as_ptr(), Some(route::each_address::<F>), ctx) }
    }
}

/// # Safety
///
/// Called in a walk whose data are an `F` that nobody else uses; `dev` is alive.
unsafe extern "C" fn each_lower<F: FnMut(&NetDevice) -> bool>(
    dev: *mut bindings::net_device,
    walk: *mut bindings::netdev_nested_priv,
) -> c_int {
    // SAFETY: by this function's contract; the layouts are the same.
    let (wanted, dev) = unsafe { (&mut *(*walk).data.cast::<F>(), &*dev.cast::<NetDevice>()) };
    c_int::from(wanted(dev))
}
