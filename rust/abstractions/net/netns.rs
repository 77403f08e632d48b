// SPDX-License-Identifier: GPL-2.0

//! Rust data of each network namespace.
//!
//! C headers: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h),
//! [`include/net/netns/generic.h`](srctree/include/net/netns/generic.h)

use super::Net;
use crate::abstractions::rcu;
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::{size_of, zeroed, ManuallyDrop},
    ptr,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering},
};
use kernel::{
    error::{from_result, to_result},
    ffi::{c_int, c_uint},
    prelude::*,
    sync::Arc,
};
use smc_bindings as bindings;

/// What a namespace has from its beginning to its end: the registrations that
/// are its own, which go when this is dropped.
pub(crate) trait PerNet: Send + Sync + Sized + 'static {
    /// What others find by the namespace, and may keep beyond its end.
    type Data: Send + Sync + 'static;

    /// Where the data are kept.
    fn slot() -> &'static Slot<Self>;

    /// A namespace begins, or was there already when the slot is registered.
    /// Process context; may sleep.
    ///
    /// # Errors
    ///
    /// Any: the namespace cannot be made then, or the slot not be registered.
    fn enter(net: &Net) -> Result<(Self, Arc<Self::Data>)>;

    /// The namespace ends, or the slot goes: nobody finds the data by it any more, and
    /// its network devices are still there. Process context; may sleep, but all
    /// namespaces that end wait for it.
    fn leave(data: &Arc<Self::Data>);
}

/// What the kernel keeps for us in each namespace; zeroed at first.
///
/// # Invariants
///
/// `published` is null, or the pointer in `state`. `state` is null, or an owned
/// `KBox<State<P>>`, whose pointer is that of a counted `Arc<P::Data>`.
struct Entry<P: PerNet> {
    published: AtomicPtr<P::Data>,
    state: *mut State<P>,
}

struct State<P: PerNet> {
    own: P,
    data: *const P::Data,
}

/// One kind of data that each namespace has.
///
/// # Invariants
///
/// While `visible` is not zero it is the number that the kernel knows the
/// registered `ops` by. Once registered, only the kernel changes `ops` and `id`.
pub(crate) struct Slot<P: PerNet> {
    ops: UnsafeCell<bindings::pernet_operations>,
    id: UnsafeCell<c_uint>,
    registered: AtomicBool,
    visible: AtomicU32,
    _data: PhantomData<P>,
}

// SAFETY: the kernel serialises its changes to `ops` and `id`; the rest is
// atomic. The data are `Send` and `Sync`.
unsafe impl<P: PerNet> Sync for Slot<P> {}

impl<P: PerNet> Slot<P> {
    /// One that is not registered.
    pub(crate) const fn new() -> Self {
        Self {
            // SAFETY: all-zero bytes are a valid `struct pernet_operations`.
            ops: UnsafeCell::new(unsafe { zeroed() }),
            id: UnsafeCell::new(0),
            registered: AtomicBool::new(false),
            visible: AtomicU32::new(0),
            _data: PhantomData,
        }
    }

    /// Enters all namespaces, those to come as well. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `EBUSY` if it is registered already; the errors of [`PerNet::enter`] and
    /// the kernel's otherwise.
    pub(crate) fn register(&'static self) -> Result<SlotRegistration<P>> {
        if self.registered.swap(true, Ordering::Acquire) {
            return Err(EBUSY);
        }
        let ops = self.ops.get();
        // SAFETY: not registered, so it is ours alone.
        unsafe {
            ops.write(bindings::pernet_operations {
                init: Some(Self::init),
                pre_exit: Some(Self::pre_exit),
                exit: Some(Self::exit),
                id: self.id.get(),
                size: size_of::<Entry<P>>(),
                ..zeroed()
            });
        }
        // SAFETY: static and complete.
        to_result(unsafe { bindings::register_pernet_subsys(ops) })
            .inspect_err(|_| self.registered.store(false, Ordering::Release))?;
        // SAFETY: written by the registration, and not any more.
        let id = unsafe { *self.id.get() };
        // INVARIANT: the kernel knows it by this number.
        self.visible.store(id, Ordering::Release);
        Ok(SlotRegistration(self))
    }

    /// The data of `net`; `None` before the registration, and when the namespace
    /// is going. Any context.
    pub(crate) fn get(&self, net: &Net) -> Option<Arc<P::Data>> {
        let _rcu = rcu::read_lock();
        let id = self.visible.load(Ordering::Acquire);
        if id == 0 {
            return None;
        }
        // SAFETY: the namespace is alive, and the number ours for as long as the
        // RCU lock is held: it is given back a grace period after `visible` is
        // cleared.
        let entry: *const Entry<P> = unsafe { bindings::net_generic_data(net.as_ptr(), id) }.cast();
        // SAFETY: null, or our zeroed memory with an `Entry` in it, which is freed
        // no earlier than the number is.
        let data = unsafe { entry.as_ref() }?.published.load(Ordering::Acquire);
        if data.is_null() {
            return None;
        }
        // SAFETY: counted by the state of the namespace, which gives it up a grace
        // period after the pointer is cleared.
        let data = ManuallyDrop::new(unsafe { Arc::from_raw(data) });
        Some(Arc::clone(&data))
    }

    /// # Safety
    ///
    /// `net` is alive, and the slot is registered, or being registered.
    unsafe fn entry(net: *mut bindings::net) -> *mut Entry<P> {
        // SAFETY: by this function's contract; the number is written before the
        // first call of one of the operations.
        unsafe { bindings::net_generic_data(net, *P::slot().id.get()) }.cast()
    }

    /// # Safety
    ///
    /// Called by the kernel with a new namespace, whose entry is zeroed.
    unsafe extern "C" fn init(net: *mut bindings::net) -> c_int {
        from_result(|| {
            // SAFETY: alive during the call.
            let (own, data) = P::enter(unsafe { Net::from_raw(net) })?;
            let data = Arc::into_raw(data);
            let state = match KBox::new(State { own, data }, GFP_KERNEL) {
                Ok(state) => state,
                Err(_) => {
                    // SAFETY: came out of `into_raw`, and nobody else has it.
                    drop(unsafe { Arc::from_raw(data) });
                    return Err(ENOMEM);
                }
            };
            // SAFETY: the entry is there, and nobody else changes it.
            // INVARIANT: owned, and counted by `into_raw`.
            unsafe {
                let entry = Self::entry(net);
                (*entry).state = KBox::into_raw(state);
                (*entry).published.store(data.cast_mut(), Ordering::Release);
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Called by the kernel with a namespace that has been entered, a grace
    /// period before [`Self::exit`].
    unsafe extern "C" fn pre_exit(net: *mut bindings::net) {
        // SAFETY: the entry is there.
        let entry = unsafe { &*Self::entry(net) };
        entry.published.store(ptr::null_mut(), Ordering::Release);
        // SAFETY: owned until `exit`, by the type invariant; a failed `init` is not
        // followed by this call.
        let data = unsafe { (*entry.state).data };
        // SAFETY: counted by the state.
        let data = ManuallyDrop::new(unsafe { Arc::from_raw(data) });
        P::leave(&data);
    }

    /// # Safety
    ///
    /// Called by the kernel with a namespace that has been entered, once.
    unsafe extern "C" fn exit(net: *mut bindings::net) {
        // SAFETY: the entry is there, and its state owned, by the type invariant;
        // a failed `init` is not followed by this call.
        let state = unsafe { KBox::from_raw((*Self::entry(net)).state) };
        let State { own, data } = KBox::into_inner(state);
        drop(own);
        // SAFETY: counted by the state. Nobody can see the pointer any more.
        drop(unsafe { Arc::from_raw(data) });
    }
}

/// A registered [`Slot`]; all namespaces are left when it is dropped.
///
/// # Invariants
///
/// The slot is registered.
pub(crate) struct SlotRegistration<P: PerNet>(&'static Slot<P>);

impl<P: PerNet> Drop for SlotRegistration<P> {
    /// Process context; sleeps.
    fn drop(&mut self) {
        self.0.visible.store(0, Ordering::Release);
        // SAFETY: registered, by the type invariant. Leaves a grace period before
        // the data and the number go.
        unsafe { bindings::unregister_pernet_subsys(self.0.ops.get()) };
        self.0.registered.store(false, Ordering::Release);
    }
}
