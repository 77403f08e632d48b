// SPDX-License-Identifier: GPL-2.0

//! Being told when RDMA devices come and go.

use super::{DeviceRef, TEARDOWN};
use crate::abstractions::work::WorkqueueRegistration;
use core::{
    marker::PhantomData,
    mem::{offset_of, zeroed},
    ptr::{self, NonNull},
};
use kernel::{
    c_str,
    error::{from_result, to_result},
    ffi::{c_int, c_void},
    prelude::*,
    sync::Arc,
    types::Opaque,
};
use smc_bindings as bindings;

/// What has happened to a device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceEvent {
    /// This port can be used from now on.
    PortActive(u32),
    /// This port cannot be used any more.
    PortError(u32),
    /// The GID table of this port has changed.
    GidChange(u32),
    /// Something else about this port has changed.
    PortChange(u32),
    /// The device will not work any more.
    Fatal,
}

/// What wants to know of devices.
pub(crate) trait Client: 'static {
    /// What it keeps for each device.
    type Device: Send + Sync + 'static;

    /// What it is called.
    const NAME: &'static CStr;

    /// A device has come. Process context, with locks of the RDMA core: it must
    /// not register or unregister devices or clients.
    ///
    /// A [`DeviceEvent::PortChange`] of each port follows.
    ///
    /// # Errors
    ///
    /// The client does not use the device.
    fn add(device: DeviceRef) -> Result<Arc<Self::Device>>;

    /// A device goes. Afterwards the last [`DeviceRef`] is waited for. Process
    /// context; may sleep.
    fn remove(device: Arc<Self::Device>);

    /// Something has happened to a device; not after [`Client::remove`] has
    /// begun. Process context.
    fn event(device: &Arc<Self::Device>, event: DeviceEvent);
}

/// A registered [`Client`]. There is one at a time.
///
/// # Invariants
///
/// [`CLIENT`] is registered, for `C`.
pub(crate) struct ClientRegistration<C: Client> {
    _teardown: WorkqueueRegistration,
    _client: PhantomData<C>,
}

/// # Invariants
///
/// Written by who has started [`TEARDOWN`], before it is registered.
struct ClientCell(Opaque<bindings::ib_client>);

// SAFETY: once it is registered only the RDMA core uses it, under its own locks.
unsafe impl Sync for ClientCell {}

/// The core does not say which client it calls.
static CLIENT: ClientCell = ClientCell(Opaque::uninit());

/// What hangs on a device for client `C`.
///
/// # Invariants
///
/// `handler` is registered with the device.
#[pin_data]
struct Entry<C: Client> {
    #[pin]
    handler: Opaque<bindings::ib_event_handler>,
    device: DeviceRef,
    data: Arc<C::Device>,
}

impl<C: Client> ClientRegistration<C> {
    /// Registers it; [`Client::add`] is called for each device that is there.
    /// Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `EBUSY` if there is one, `ENOMEM` without memory, else the core's errors.
    pub(crate) fn register() -> Result<Self> {
        let teardown = TEARDOWN.start(c_str!("smc_rdma"))?;
        let client = CLIENT.0.get();
        // SAFETY: ours alone, as the workqueue is. All-zero bytes are a valid
        // `struct ib_client`.
        unsafe {
            client.write(zeroed());
            (*client).name = C::NAME.as_char_ptr().cast();
            (*client).add = Some(Self::add);
            (*client).remove = Some(Self::remove);
        }
        // SAFETY: complete, and static.
        to_result(unsafe { bindings::ib_register_client(client) })?;
        // INVARIANT: registered.
        Ok(Self {
            _teardown: teardown,
            _client: PhantomData,
        })
    }

    /// # Safety
    ///
    /// Called by the RDMA core: the device stays registered until `remove` has
    /// returned, or this has with an error.
    unsafe extern "C" fn add(raw: *mut bindings::ib_device) -> c_int {
        from_result(|| {
            let device = NonNull::new(raw).ok_or(EINVAL)?;
            // SAFETY: by this function's contract; it is waited for here or in
            // `remove`.
            let device = unsafe { DeviceRef::first(device) }?;
            let last = device.last();
            // SAFETY: by this function's contract.
            unsafe { Self::set_up(device) }.inspect_err(|_| last.wait())?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As `add`, with the device's first reference.
    unsafe fn set_up(device: DeviceRef) -> Result {
        let raw = device.as_ptr();
        let data = C::add(device.clone())?;
        let kept = data.clone();
        let entry = KBox::pin_init(
            pin_init!(Entry::<C> {
                handler <- Opaque::ffi_init(|slot: *mut bindings::ib_event_handler| {
                    // SAFETY: `slot` may be written, and does not move afterwards.
                    unsafe {
                        slot.write(zeroed());
                        (*slot).device = raw;
                        (*slot).handler = Some(Self::event);
                        let list = ptr::addr_of_mut!((*slot).list);
                        (*list).next = list;
                        (*list).prev = list;
                    }
                }),
                device,
                data: kept,
            }),
            GFP_KERNEL,
        )
        .inspect_err(|_| C::remove(data.clone()))?;
        // SAFETY: the entry does not move; it stays until `remove` has taken the
        // handler back, or longer.
        unsafe { bindings::ib_register_event_handler(entry.handler.get()) };
        for port in entry.device.ports() {
            C::event(&data, DeviceEvent::PortChange(port));
        }
        // SAFETY: not moved out of its box. The client is registered, or about to
        // be: the core calls.
        unsafe {
            let entry = KBox::into_raw(Pin::into_inner_unchecked(entry));
            bindings::ib_set_client_data(raw, CLIENT.0.get(), entry.cast());
        }
        Ok(())
    }

    /// # Safety
    ///
    /// Called by the RDMA core, once, with what `add` has set.
    unsafe extern "C" fn remove(_raw: *mut bindings::ib_device, data: *mut c_void) {
        // SAFETY: `add` has set it, by this function's contract. Waits for
        // handlers that run.
        let entry = unsafe {
            let entry: *mut Entry<C> = data.cast();
            bindings::ib_unregister_event_handler((*entry).handler.get());
            KBox::from_raw(entry)
        };
        let last = entry.device.last();
        C::remove(entry.data.clone());
        drop(entry);
        last.wait();
    }

    /// # Safety
    ///
    /// Called by the RDMA core with a registered handler, and its event.
    unsafe extern "C" fn event(
        handler: *mut bindings::ib_event_handler,
        event: *mut bindings::ib_event,
    ) {
        // SAFETY: the handler is in an entry, which stays while this runs.
        let (data, kind, port) = unsafe {
            let entry = handler.byte_sub(offset_of!(Entry<C>, handler));
            let entry: *const Entry<C> = entry.cast();
            (&(*entry).data, (*event).event, (*event).element.port_num)
        };
        let event = match kind {
            bindings::ib_event_type_IB_EVENT_PORT_ACTIVE => DeviceEvent::PortActive(port),
            bindings::ib_event_type_IB_EVENT_PORT_ERR => DeviceEvent::PortError(port),
            bindings::ib_event_type_IB_EVENT_GID_CHANGE => DeviceEvent::GidChange(port),
            bindings::ib_event_type_IB_EVENT_LID_CHANGE
            | bindings::ib_event_type_IB_EVENT_PKEY_CHANGE
            | bindings::ib_event_type_IB_EVENT_CLIENT_REREGISTER => DeviceEvent::PortChange(port),
            bindings::ib_event_type_IB_EVENT_DEVICE_FATAL => DeviceEvent::Fatal,
            _ => return,
        };
        C::event(data, event);
    }
}

impl<C: Client> Drop for ClientRegistration<C> {
    /// [`Client::remove`] is called for each device. Process context; sleeps.
    fn drop(&mut self) {
        // SAFETY: registered, by the type invariant. Waits for what runs.
        unsafe { bindings::ib_unregister_client(CLIENT.0.get()) };
    }
}
