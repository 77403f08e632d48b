// SPDX-License-Identifier: GPL-2.0

//! `struct sock` with Rust data behind it.
//!
//! C header: [`include/net/sock.h`](srctree/include/net/sock.h)

use super::{AddressFamily, Net, PF_INET, PF_INET6};
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ops::Deref,
    ptr::{self, addr_of, addr_of_mut, NonNull},
};
use kernel::{
    ffi::c_int,
    prelude::*,
    types::{AlwaysRefCounted, Opaque},
};
use smc_bindings as bindings;

/// What a protocol keeps in each of its socks.
///
/// Dropped with the last reference to the sock, in any context, softirq
/// included: what needs process context is given up in
/// [`release`](SockData::release).
pub(crate) trait SockData: Sized + Send + Sync + 'static {
    /// The data of a new sock. Process context; may sleep.
    fn new(args: &SockArgs<'_>) -> impl PinInit<Self, Error>;

    /// The last user has gone: the file was closed, or the sock never got one.
    /// Process context, no locks held; may sleep. Called once.
    fn release(sk: &Sock<Self>);
}

/// What is known of a sock before its data exist.
pub(crate) struct SockArgs<'a> {
    net: &'a Net,
    family: AddressFamily,
}

impl SockArgs<'_> {
    /// The sock's network namespace.
    pub(crate) fn net(&self) -> &Net {
        self.net
    }

    /// The family of the sock's addresses.
    pub(crate) fn family(&self) -> AddressFamily {
        self.family
    }
}

/// A sock of AF_INET or of a family of its own.
///
/// inet_create() writes to the `inet_sock`; other families have it unused.
#[repr(C)]
pub(super) struct SockLayout<T> {
    inet: bindings::inet_sock,
    /// Whether `data` are initialised; sk_alloc() gives zeroed objects.
    has_data: bool,
    data: MaybeUninit<T>,
}

/// A sock of AF_INET6.
#[repr(C)]
pub(super) struct SockLayout6<T> {
    sock: SockLayout<T>,
    pub(super) inet6: bindings::ipv6_pinfo,
}

/// A sock that carries a `T`.
///
/// # Invariants
///
/// A `&Sock<T>` is a live `struct sock` at the start of a [`SockLayout<T>`]
/// whose data are initialised.
#[repr(transparent)]
pub(crate) struct Sock<T: SockData>(Opaque<SockLayout<T>>, PhantomData<T>);

// SAFETY: a sock may be used and freed by any thread, its data are `Send + Sync`.
unsafe impl<T: SockData> Send for Sock<T> {}
// SAFETY: as above.
unsafe impl<T: SockData> Sync for Sock<T> {}

impl<T: SockData> Sock<T> {
    fn as_ptr(&self) -> *mut bindings::sock {
        self.0.get().cast()
    }
}

impl<T: SockData> Deref for Sock<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: initialised and alive, by the type invariant.
        unsafe { &*addr_of!((*self.0.get()).data).cast() }
    }
}

// SAFETY: sock_hold() and sock_put() count the references of a sock.
unsafe impl<T: SockData> AlwaysRefCounted for Sock<T> {
    fn inc_ref(&self) {
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::sock_hold(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: the caller gives up a reference of its own.
        unsafe { bindings::sock_put(obj.cast().as_ptr()) };
    }
}

/// Initialises the data behind `sk`. Process context; may sleep.
///
/// # Errors
///
/// What [`SockData::new`] gives; the sock has no data then, and can be put as
/// any other.
///
/// # Safety
///
/// `sk` is of a protocol made for `T`, valid, without data yet, and nobody else
/// has it.
pub(super) unsafe fn init<T: SockData>(sk: *mut bindings::sock, family: AddressFamily) -> Result {
    let args = SockArgs {
        // SAFETY: the sock lives during this call and keeps its namespace.
        net: unsafe { Net::from_raw(bindings::sock_net(sk)) },
        family,
    };
    let layout: *mut SockLayout<T> = sk.cast();
    // SAFETY: the object has room for `T` there (invariant of `Proto`), nobody
    // else has it, and it never moves.
    unsafe {
        T::new(&args).__pinned_init(addr_of_mut!((*layout).data).cast())?;
        (*layout).has_data = true;
    }
    // SAFETY: `sk` is valid and not shared yet.
    unsafe {
        bindings::sock_lock_init_class(sk);
        bindings::sock_prot_inuse_add(bindings::sock_net(sk), bindings::sk_prot(sk), 1);
        (*sk).sk_destruct = Some(destruct::<T>);
    }
    Ok(())
}

/// The sock as one with data, if it has them: a sock whose [`init()`] failed goes
/// through the same teardown as any other.
///
/// # Safety
///
/// `sk` is of a protocol made for `T`, and stays valid for `'a`.
pub(super) unsafe fn try_from_raw<'a, T: SockData>(sk: *mut bindings::sock) -> Option<&'a Sock<T>> {
    let layout: *mut SockLayout<T> = sk.cast();
    // SAFETY: valid, by this function's contract; the field changes only in
    // `init`, before the sock is shared.
    if !unsafe { (*layout).has_data } {
        return None;
    }
    // SAFETY: it has data.
    // INVARIANT: as just said.
    Some(unsafe { &*sk.cast() })
}

/// # Safety
///
/// Called when the last reference to `sk`, a sock with data, has gone.
unsafe extern "C" fn destruct<T: SockData>(sk: *mut bindings::sock) {
    let layout: *mut SockLayout<T> = sk.cast();
    // SAFETY: nobody has the sock any more, and its data are initialised: else
    // this would not be its destructor. The namespace is let go of only after.
    let family = unsafe {
        ptr::drop_in_place(addr_of_mut!((*layout).data).cast::<T>());
        bindings::sock_prot_inuse_add(bindings::sock_net(sk), bindings::sk_prot(sk), -1);
        c_int::from(bindings::sk_family(sk))
    };
    match family {
        // SAFETY: inet_create() made it, and it is closed.
        PF_INET => unsafe { bindings::inet_sock_destruct(sk) },
        #[cfg(CONFIG_IPV6)]
        // SAFETY: inet6_create() made it, and it is closed.
        PF_INET6 => unsafe { bindings::inet6_sock_destruct(sk) },
        _ => {}
    }
}
