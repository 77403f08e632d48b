// SPDX-License-Identifier: GPL-2.0

//! Rust data on a TCP sock, told of what happens to the sock.
//!
//! The sock's `sk_user_data` holds a reference to the data; two of the sock's
//! callbacks, `sk_data_ready` and `sk_state_change`, lead to them. All of it is
//! written under `sk_callback_lock`. That the pointer is ours shows the
//! destructor, which is set along with it: others, that use `sk_user_data` once
//! we have let go of it, leave the destructor alone or restore it.
//!
//! C header: [`include/net/sock.h`](srctree/include/net/sock.h)

use super::{
    listed::{Place, SockList},
    sock::{Sock, SockGuard},
    AddressFamily,
};
use crate::abstractions::{
    module_ref::ModuleRef,
    sync::{new_spinlock_bh, SpinLockBh},
};
use core::{
    any::TypeId,
    cell::UnsafeCell,
    marker::PhantomData,
    ops::Deref,
    ptr::{self, NonNull},
    sync::atomic::{AtomicBool, Ordering},
};
use kernel::{prelude::*, sync::Arc};
use smc_bindings as bindings;

/// What is told of a sock.
pub(crate) trait Events: Send + Sync + Sized + 'static {
    /// Bytes, the end of the stream, or (listener) a connection have come. Who
    /// waits for it is told by `sock.default_data_ready()`.
    ///
    /// Softirq or process context. The sock is locked, in the one way or the
    /// other, unless it listens.
    fn data_ready(this: &Arc<Attached<Self>>, sock: &EventSock<'_>);

    /// The connection's state has changed. Who waits for it is told by
    /// `sock.default_state_change()`.
    ///
    /// Softirq or process context; the sock is locked.
    fn state_change(this: &Arc<Attached<Self>>, sock: &EventSock<'_>);

    /// The list that a sock is in while it has the data, if any. Process context.
    fn list(_sock: &Sock) -> Option<Arc<SockList>> {
        None
    }

    /// The sock goes, and nobody has detached it. Any context.
    fn lost(_this: &Attached<Self>, _sock: &Sock) {}
}

/// Data that may hang on a sock.
///
/// # Invariants
///
/// `type_id` is that of `T`, at the start of the object whatever `T` is.
#[pin_data]
#[repr(C)]
pub(crate) struct Attached<T: Events> {
    type_id: TypeId,
    release: unsafe fn(*const Header, &Sock),
    /// Keeps the module there until the last thread has let go.
    module: Option<ModuleRef>,
    /// The list that the sock is in, and by what.
    #[pin]
    listed: SpinLockBh<Option<(Arc<SockList>, u64)>>,
    #[pin]
    data: T,
}

/// What all [`Attached`] begin with.
#[repr(C)]
pub(super) struct Header {
    type_id: TypeId,
    release: unsafe fn(*const Header, &Sock),
}

impl<T: Events> Deref for Attached<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T: Events> Attached<T> {
    /// Data that do not hang on a sock yet.
    pub(crate) fn new(
        module: Option<ModuleRef>,
        data: impl PinInit<T, Error>,
    ) -> Result<Arc<Self>> {
        // INVARIANT: the type is named.
        Arc::<Self>::pin_init(
            try_pin_init!(Self {
                type_id: TypeId::of::<T>(),
                release: Self::release,
                module,
                listed <- new_spinlock_bh!(None, "Attached::listed"),
                data <- data,
            }),
            GFP_KERNEL,
        )
    }

    /// The last reference is dropped while the socket still has its own to the
    /// module.
    ///
    /// # Safety
    ///
    /// The socket's release operation calls it; nobody else uses the socket.
    pub(super) unsafe fn in_release(&self) {
        if let Some(module) = &self.module {
            // SAFETY: the kernel puts the reference of the socket's operations
            // after this one, unless a callback or a task drops it.
            unsafe { module.set_outlived() };
        }
    }

    /// # Safety
    ///
    /// `header` came out of `Arc::<Self>::into_raw`, and its reference is given up.
    unsafe fn release(header: *const Header, sock: &Sock) {
        // SAFETY: by this function's contract.
        let this = unsafe { Arc::from_raw(header.cast::<Self>()) };
        this.unlist();
        T::lost(&this, sock);
    }

    fn unlist(&self) {
        let listed = self.listed.lock().take();
        if let Some((list, key)) = listed {
            list.remove(key);
        }
    }

    /// Hangs it on `sock`. Process context.
    ///
    /// # Errors
    ///
    /// `EBUSY` if somebody else uses the sock's data or callbacks, `ENOMEM`.
    pub(crate) fn attach(this: &Arc<Self>, sock: &SockGuard<'_>) -> Result {
        let sk = sock.as_ptr();
        let mut list = match T::list(sock) {
            Some(list) => Some((list, Place::new()?)),
            None => None,
        };
        let defaults = Defaults::of(sock.family());
        // SAFETY: alive and locked; the callback lock is held while these fields
        // are looked at and changed.
        unsafe {
            bindings::sk_callback_write_lock(sk);
            let free = bindings::sk_user_data(sk).is_null()
                && same((*sk).sk_data_ready, defaults.data_ready)
                && same((*sk).sk_state_change, defaults.state_change)
                && same((*sk).sk_destruct, defaults.destruct);
            if free {
                let raw = Arc::into_raw(this.clone());
                bindings::sk_set_user_data(sk, raw.cast_mut().cast());
                (*sk).sk_destruct = DESTRUCT;
                (*sk).sk_data_ready = Some(data_ready::<T>);
                (*sk).sk_state_change = Some(state_change::<T>);
                // The sock leaves the list before its data are taken off it, or in
                // its destructor.
                if let (Some((list, place)), Some(sk)) = (list.take(), NonNull::new(sk)) {
                    let key = list.insert(place, sk);
                    *this.listed.lock() = Some((list, key));
                }
            }
            bindings::sk_callback_write_unlock(sk);
            if free {
                Ok(())
            } else {
                Err(EBUSY)
            }
        }
    }

    /// What hangs on `sk`, if it is of this type.
    ///
    /// # Safety
    ///
    /// `sk` is a live TCP sock.
    pub(super) unsafe fn lookup(sk: *mut bindings::sock) -> Option<Arc<Self>> {
        // SAFETY: alive; under the lock the reference on the sock cannot go away.
        unsafe {
            bindings::sk_callback_read_lock(sk);
            let found = Self::borrow(sk).map(|raw| {
                let held = Arc::from_raw(raw);
                let ours = held.clone();
                // The sock keeps its reference.
                let _ = Arc::into_raw(held);
                ours
            });
            bindings::sk_callback_read_unlock(sk);
            found
        }
    }

    /// What hangs on `sock`, if it is of this type. Any context.
    pub(crate) fn of(sock: &Sock) -> Option<Arc<Self>> {
        // SAFETY: alive, by the type invariant of `Sock`.
        unsafe { Self::lookup(sock.as_ptr()) }
    }

    /// # Safety
    ///
    /// `sk` is alive, its callback lock is held.
    unsafe fn borrow(sk: *mut bindings::sock) -> Option<*const Self> {
        // SAFETY: by this function's contract. With our destructor the data are
        // an `Attached` of some type, and begin with a `Header`.
        unsafe {
            let header = header(sk)?;
            ((*header).type_id == TypeId::of::<T>()).then_some(header.cast())
        }
    }

    /// Takes it off `sk`, whose callbacks are TCP's again; whether it hung there.
    ///
    /// `also` runs while nobody can see the sock in between.
    ///
    /// # Safety
    ///
    /// `sk` is a live TCP sock.
    pub(super) unsafe fn detach_with(
        this: &Arc<Self>,
        sk: *mut bindings::sock,
        also: impl FnOnce(),
    ) -> bool {
        // SAFETY: alive, by this function's contract.
        let defaults = Defaults::of(unsafe { Sock::from_raw(sk) }.family());
        let this: *const Self = &**this;
        // SAFETY: alive; the fields change under the callback lock only.
        let held = unsafe {
            bindings::sk_callback_write_lock(sk);
            let held = Self::borrow(sk).filter(|raw| ptr::eq(*raw, this));
            if let Some(held) = held {
                (*held).unlist();
                bindings::sk_set_user_data(sk, ptr::null_mut());
                (*sk).sk_destruct = defaults.destruct;
                (*sk).sk_data_ready = defaults.data_ready;
                (*sk).sk_state_change = defaults.state_change;
                also();
            }
            bindings::sk_callback_write_unlock(sk);
            held
        };
        match held {
            // SAFETY: the reference that the sock had.
            Some(raw) => drop(unsafe { Arc::from_raw(raw) }),
            None => return false,
        }
        true
    }

    /// Takes it off `sock`. Any context.
    pub(crate) fn detach(this: &Arc<Self>, sock: &Sock) {
        // SAFETY: alive, by the type invariant of `Sock`.
        unsafe { Self::detach_with(this, sock.as_ptr(), || {}) };
    }
}

/// # Safety
///
/// `sk` is alive; its callback lock is held, or nobody else has it.
unsafe fn header(sk: *mut bindings::sock) -> Option<*const Header> {
    // SAFETY: by this function's contract.
    unsafe {
        if !same((*sk).sk_destruct, DESTRUCT) {
            return None;
        }
        let raw = bindings::sk_user_data_ptr(bindings::sk_user_data(sk));
        (!raw.is_null()).then_some(raw.cast_const().cast())
    }
}

/// The destructor of a sock with data: of one that never got as far as a file,
/// or a clone of a listener that TCP gave up before anybody saw it (which has
/// the destructor but no data).
///
/// # Safety
///
/// Called when the last reference to `sk` has gone.
unsafe extern "C" fn destruct(sk: *mut bindings::sock) {
    // SAFETY: nobody else has the sock; the data's reference is given up once.
    unsafe {
        if let Some(header) = header(sk) {
            bindings::sk_set_user_data(sk, ptr::null_mut());
            ((*header).release)(header, Sock::from_raw(sk));
        }
        if let Some(destruct) = Defaults::of(Sock::from_raw(sk).family()).destruct {
            destruct(sk);
        }
    }
}

/// Gives a clone of a listener TCP's own callbacks; its data the kernel did not
/// copy.
///
/// # Safety
///
/// `child` is a live TCP sock that no other CPU has yet.
pub(super) unsafe fn undo_clone(child: *mut bindings::sock) {
    // SAFETY: by this function's contract.
    unsafe {
        let defaults = Defaults::of(Sock::from_raw(child).family());
        (*child).sk_destruct = defaults.destruct;
        (*child).sk_data_ready = defaults.data_ready;
        (*child).sk_state_change = defaults.state_change;
    }
}

/// # Safety
///
/// Called by TCP as `sk_data_ready`.
unsafe extern "C" fn data_ready<T: Events>(sk: *mut bindings::sock) {
    // SAFETY: valid during the call, by this function's contract.
    let (found, sock) = unsafe { (Attached::<T>::lookup(sk), EventSock::new(sk)) };
    match found {
        Some(data) => T::data_ready(&data, &sock),
        // Taken off while we were on our way.
        None => sock.default_data_ready(),
    }
}

/// # Safety
///
/// Called by TCP as `sk_state_change`.
unsafe extern "C" fn state_change<T: Events>(sk: *mut bindings::sock) {
    // SAFETY: valid during the call, by this function's contract.
    let (found, sock) = unsafe { (Attached::<T>::lookup(sk), EventSock::new(sk)) };
    match found {
        Some(data) => T::state_change(&data, &sock),
        None => sock.default_state_change(),
    }
}

/// The sock that something has happened to, while its callback runs.
pub(crate) struct EventSock<'a> {
    sock: &'a Sock,
    _not_send: PhantomData<*mut ()>,
}

impl Deref for EventSock<'_> {
    type Target = Sock;

    fn deref(&self) -> &Sock {
        self.sock
    }
}

impl EventSock<'_> {
    /// # Safety
    ///
    /// `sk` is a live TCP sock during the callback.
    pub(super) unsafe fn new(sk: *mut bindings::sock) -> Self {
        Self {
            // SAFETY: by this function's contract.
            sock: unsafe { Sock::from_raw(sk) },
            _not_send: PhantomData,
        }
    }
}

impl Sock {
    /// Wakes who waits for input. Any context.
    pub(crate) fn default_data_ready(&self) {
        if let Some(wake) = Defaults::of(self.family()).data_ready {
            // SAFETY: alive, by the type invariant; looks for waiters under RCU.
            unsafe { wake(self.as_ptr()) };
        }
    }

    /// Wakes who waits for anything. Any context.
    pub(crate) fn default_state_change(&self) {
        if let Some(wake) = Defaults::of(self.family()).state_change {
            // SAFETY: as above.
            unsafe { wake(self.as_ptr()) };
        }
    }

    /// Tells everybody, SIGIO and all, that a connection is there or has failed.
    pub(crate) fn wake_connected(&self) {
        self.default_state_change();
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::sk_wake_async_out(self.as_ptr()) };
    }
}

type Callback = Option<unsafe extern "C" fn(sk: *mut bindings::sock)>;

/// The one address of our destructor.
static DESTRUCT: Callback = Some(destruct);

fn same(a: Callback, b: Callback) -> bool {
    a.map(|f| f as usize) == b.map(|f| f as usize)
}

/// The callbacks that a TCP sock is born with.
pub(super) struct Defaults {
    data_ready: Callback,
    state_change: Callback,
    destruct: Callback,
}

/// # Invariants
///
/// Written once, before the first sock with data.
struct DefaultsCell {
    value: UnsafeCell<Defaults>,
    set: AtomicBool,
}

// SAFETY: only read, once written.
unsafe impl Sync for DefaultsCell {}

impl DefaultsCell {
    const fn new() -> Self {
        Self {
            value: UnsafeCell::new(Defaults {
                data_ready: None,
                state_change: None,
                destruct: None,
            }),
            set: AtomicBool::new(false),
        }
    }
}

static INET: DefaultsCell = DefaultsCell::new();
static INET6: DefaultsCell = DefaultsCell::new();

impl Defaults {
    fn cell(family: AddressFamily) -> &'static DefaultsCell {
        match family {
            AddressFamily::Inet => &INET,
            AddressFamily::Inet6 => &INET6,
        }
    }

    fn of(family: AddressFamily) -> &'static Self {
        // SAFETY: nobody writes once there are socks with data.
        unsafe { &*Self::cell(family).value.get() }
    }

    /// Learns the callbacks of `sk`, a new TCP sock of this family.
    ///
    /// # Safety
    ///
    /// `sk` is valid, and nobody has changed its callbacks. Called while no sock
    /// of this family has data, and by one thread at a time.
    pub(super) unsafe fn learn(family: AddressFamily, sk: *mut bindings::sock) {
        let cell = Self::cell(family);
        if cell.set.swap(true, Ordering::AcqRel) {
            return;
        }
        // SAFETY: the first, and nobody reads yet.
        unsafe {
            *cell.value.get() = Self {
                data_ready: (*sk).sk_data_ready,
                state_change: (*sk).sk_state_change,
                destruct: (*sk).sk_destruct,
            };
        }
    }
}
