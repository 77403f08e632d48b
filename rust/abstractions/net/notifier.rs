// SPDX-License-Identifier: GPL-2.0

//! Network devices as they come and go, and what they stand on.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::Net;
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::zeroed,
    slice,
    sync::atomic::{AtomicBool, Ordering},
};
use kernel::{
    error::to_result,
    ffi::{c_int, c_ulong, c_void},
    prelude::*,
};
use smc_bindings as bindings;

/// A device's name, with NULs to the end.
pub(crate) type Name = [u8; bindings::IFNAMSIZ as usize];

/// What has happened to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceEvent {
    /// It is there now, in its namespace.
    Registered,
    /// It goes, or leaves its namespace.
    Unregistered,
    /// It is up or down, or has another MTU or address.
    Changed,
}

/// Who wants to know.
pub(crate) trait DeviceEvents: 'static {
    /// Something has happened to `device`. Process context, under the RTNL lock;
    /// may sleep.
    fn on_event(device: &EventDevice<'_>, event: DeviceEvent);
}

/// The device that something has happened to.
///
/// # Invariants
///
/// It is alive while its event is told of.
pub(crate) struct EventDevice<'a>(*mut bindings::net_device, PhantomData<&'a ()>);

impl EventDevice<'_> {
    /// Its namespace.
    pub(crate) fn net(&self) -> &Net {
        // SAFETY: a device has a namespace, which it does not leave during the
        // event.
        unsafe { Net::from_raw(bindings::dev_net(self.0)) }
    }

    /// Its index.
    pub(crate) fn ifindex(&self) -> u32 {
        // SAFETY: alive, by the type invariant.
        u32::try_from(unsafe { (*self.0).ifindex }).unwrap_or(0)
    }

    /// Its name, which does not change during the event.
    pub(crate) fn name(&self) -> Name {
        let mut name = [0; bindings::IFNAMSIZ as usize];
        // SAFETY: alive, by the type invariant; the array is of this size.
        let bytes = unsafe { slice::from_raw_parts((*self.0).name.as_ptr().cast(), name.len()) };
        let len = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        for (to, from) in name.iter_mut().zip(bytes).take(len) {
            *to = *from;
        }
        name
    }
}

/// The notifier of `E`.
///
/// # Invariants
///
/// Once registered, only the kernel changes `block`.
pub(crate) struct DeviceNotifier<E: DeviceEvents> {
    block: UnsafeCell<bindings::notifier_block>,
    registered: AtomicBool,
    _events: PhantomData<E>,
}

// SAFETY: the kernel serialises its changes to `block`; `E` is never instantiated.
unsafe impl<E: DeviceEvents> Sync for DeviceNotifier<E> {}

impl<E: DeviceEvents> DeviceNotifier<E> {
    /// One that is not registered.
    pub(crate) const fn new() -> Self {
        Self {
            // SAFETY: all-zero bytes are a valid `struct notifier_block`.
            block: UnsafeCell::new(unsafe { zeroed() }),
            registered: AtomicBool::new(false),
            _events: PhantomData,
        }
    }

    /// Tells `E` of all devices that are there, and of what happens from now on, when
    /// everybody else has been told: RDMA drivers, for one, know of it then. Process
    /// context, without the RTNL lock; may sleep.
    ///
    /// # Errors
    ///
    /// `EBUSY` if it is registered already, `ENOMEM`.
    pub(crate) fn register(&'static self) -> Result<DeviceNotifierRegistration<E>> {
        if self.registered.swap(true, Ordering::Acquire) {
            return Err(EBUSY);
        }
        // SAFETY: not registered, so it is ours alone; static from then on.
        to_result(unsafe {
            (*self.block.get()).notifier_call = Some(Self::call);
            (*self.block.get()).priority = c_int::MIN;
            bindings::register_netdevice_notifier(self.block.get())
        })
        .inspect_err(|_| self.registered.store(false, Ordering::Release))?;
        // INVARIANT: registered now.
        Ok(DeviceNotifierRegistration(self))
    }

    /// # Safety
    ///
    /// Called by the kernel under the RTNL lock, with what a netdevice notifier
    /// gets.
    unsafe extern "C" fn call(
        _block: *mut bindings::notifier_block,
        event: c_ulong,
        info: *mut c_void,
    ) -> c_int {
        let event = match event as u32 {
            bindings::netdev_cmd_NETDEV_REGISTER => DeviceEvent::Registered,
            bindings::netdev_cmd_NETDEV_UNREGISTER => DeviceEvent::Unregistered,
            bindings::netdev_cmd_NETDEV_UP
            | bindings::netdev_cmd_NETDEV_DOWN
            | bindings::netdev_cmd_NETDEV_CHANGE
            | bindings::netdev_cmd_NETDEV_CHANGEMTU
            | bindings::netdev_cmd_NETDEV_CHANGEADDR => DeviceEvent::Changed,
            _ => return bindings::NOTIFY_DONE as c_int,
        };
        // SAFETY: by this function's contract.
        let device = unsafe { bindings::netdev_notifier_info_to_dev(info.cast()) };
        E::on_event(&EventDevice(device, PhantomData), event);
        bindings::NOTIFY_OK as c_int
    }
}

/// A registered [`DeviceNotifier`].
///
/// # Invariants
///
/// It is registered.
pub(crate) struct DeviceNotifierRegistration<E: DeviceEvents>(&'static DeviceNotifier<E>);

impl<E: DeviceEvents> Drop for DeviceNotifierRegistration<E> {
    /// Tells `E` that all devices go. Process context, without the RTNL lock.
    fn drop(&mut self) {
        // SAFETY: registered, by the type invariant. Waits for who is being told.
        unsafe { bindings::unregister_netdevice_notifier(self.0.block.get()) };
        self.0.registered.store(false, Ordering::Release);
    }
}

/// The index of the device `name` in `net`. Any context.
pub(crate) fn index_by_name(net: &Net, name: &CStr) -> Option<u32> {
    // SAFETY: the namespace is alive; the name ends with NUL.
    let index = unsafe { bindings::netdev_index_by_name(net.as_ptr(), name.as_char_ptr().cast()) };
    u32::try_from(index).ok().filter(|index| *index != 0)
}

/// Calls `f` with the device that the one with this index stands on in the end
/// (of several on one level the first; itself if there is none), by its namespace
/// and index. `None` if the device is not there. Any context; `f` must not sleep.
pub(crate) fn with_base<R>(net: &Net, ifindex: u32, f: impl FnOnce(&Net, u32) -> R) -> Option<R> {
    let mut call = Call {
        f: Some(f),
        result: None,
    };
    let ctx: *mut Call<_, R> = &mut call;
    if let Ok(index) = c_int::try_from(ifindex) {
        let found = base_callback(&call);
        // SAFETY: the namespace is alive; `found` gets `ctx`, which it was made for.
        unsafe { bindings::netdev_base(net.as_ptr(), index, found, ctx.cast()) };
    }
    call.result
}

struct Call<F, R> {
    f: Option<F>,
    result: Option<R>,
}

type Found = Option<unsafe extern "C" fn(*mut c_void, *mut bindings::net, c_int)>;

fn base_callback<F: FnOnce(&Net, u32) -> R, R>(_call: &Call<F, R>) -> Found {
    Some(base_found::<F, R>)
}

/// # Safety
///
/// `ctx` is a `Call<F, R>` that nobody else uses; `net` is alive.
unsafe extern "C" fn base_found<F: FnOnce(&Net, u32) -> R, R>(
    ctx: *mut c_void,
    net: *mut bindings::net,
    ifindex: c_int,
) {
    // SAFETY: by this function's contract.
    let (call, net) = unsafe { (&mut *ctx.cast::<Call<F, R>>(), Net::from_raw(net)) };
    if let (Some(f), Ok(index)) = (call.f.take(), u32::try_from(ifindex)) {
        call.result = Some(f(net, index));
    }
}
