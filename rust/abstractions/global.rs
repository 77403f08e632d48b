// SPDX-License-Identifier: GPL-2.0

//! Locks in statics.
//!
//! The kernel crate makes locks at run time only, in memory that is pinned. A
//! static is; its lock is made when it is first taken.

use core::{
    hint,
    sync::atomic::{AtomicU8, Ordering},
};
use kernel::{
    init::PinInit,
    prelude::*,
    sync::{
        lock::{mutex::MutexBackend, Backend, Guard, Lock},
        LockClassKey,
    },
    types::Opaque,
};

/// A mutex in a static.
pub(crate) type GlobalMutex<T> = Global<T, MutexBackend>;

const RAW: u8 = 0;
const IN_THE_MAKING: u8 = 1;
const MADE: u8 = 2;

/// A value in a static, and the lock that protects it.
///
/// The value is not dropped when the module goes: what it owns is to be taken
/// out before.
///
/// # Invariants
///
/// `lock` is initialised if `state` is `MADE`; only the thread that has brought
/// `state` from `RAW` to `IN_THE_MAKING` touches it before.
pub(crate) struct Global<T, B: Backend> {
    state: AtomicU8,
    lock: Opaque<Lock<T, B>>,
    value: fn() -> T,
    name: &'static CStr,
    key: &'static LockClassKey,
}

// SAFETY: the value is reached through its lock only, which may be taken by any
// thread, and is made by one.
unsafe impl<T: Send, B: Backend> Sync for Global<T, B> {}

impl<T, B: Backend> Global<T, B> {
    /// Protects what `value` gives, by a lock of this name and class.
    pub(crate) const fn new(
        value: fn() -> T,
        name: &'static CStr,
        key: &'static LockClassKey,
    ) -> Self {
        Self {
            state: AtomicU8::new(RAW),
            lock: Opaque::uninit(),
            value,
            name,
            key,
        }
    }

    /// Takes the lock; context as that of the kind of lock.
    pub(crate) fn lock(&'static self) -> Guard<'static, T, B> {
        if self.state.load(Ordering::Acquire) != MADE {
            self.make();
        }
        // SAFETY: made, by the type invariant, and in a static: it stays.
        unsafe { &*self.lock.get() }.lock()
    }

    #[cold]
    fn make(&'static self) {
        let first = self
            .state
            .compare_exchange(RAW, IN_THE_MAKING, Ordering::Acquire, Ordering::Acquire)
            .is_ok();
        if first {
            let lock = Lock::new((self.value)(), self.name, self.key);
            // SAFETY: nobody else touches the memory now, which does not move.
            // The initialiser cannot fail.
            let made: core::result::Result<(), core::convert::Infallible> =
                unsafe { lock.__pinned_init(self.lock.get()) };
            let Ok(()) = made;
            // INVARIANT: initialised.
            self.state.store(MADE, Ordering::Release);
        }
        while self.state.load(Ordering::Acquire) != MADE {
            hint::spin_loop();
        }
    }
}

/// Makes a [`Global`] with a lock class of its own, as the value of a static.
macro_rules! global_lock {
    ($value:expr, $name:literal) => {
        $crate::abstractions::global::Global::new(
            $value,
            ::kernel::c_str!($name),
            ::kernel::static_lock_class!(),
        )
    };
}
pub(crate) use global_lock;
