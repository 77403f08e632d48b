// SPDX-License-Identifier: GPL-2.0

//! Other modules as they are loaded.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

use core::{marker::PhantomData, ptr};
use kernel::{
    error::to_result,
    ffi::{c_int, c_ulong, c_void},
    prelude::*,
    types::Opaque,
};
use smc_bindings as bindings;

/// Decides which modules may be loaded.
pub(crate) trait LoadFilter: 'static {
    /// Called before the init function of module `name` runs: an error keeps
    /// the module out, and is what its loader gets.
    ///
    /// Process context; may sleep. The notifier chain's lock is held, so it
    /// must not load or unload modules.
    fn refuse(name: &CStr) -> Option<Error>;
}

/// A registered [`LoadFilter`].
///
/// # Invariants
///
/// `block` is on the kernel's module notifier chain for as long as this exists.
pub(crate) struct LoadWatch<F: LoadFilter> {
    block: Pin<KBox<Block>>,
    _filter: PhantomData<F>,
}

#[pin_data]
struct Block {
    #[pin]
    block: Opaque<bindings::notifier_block>,
}

// SAFETY: after registration only the kernel touches the block, under the
// notifier chain's lock; `F` is never instantiated.
unsafe impl<F: LoadFilter> Send for LoadWatch<F> {}
// SAFETY: as above; there are no methods on a shared reference.
unsafe impl<F: LoadFilter> Sync for LoadWatch<F> {}

impl<F: LoadFilter> LoadWatch<F> {
    /// Puts `F` on the module notifier chain. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or what the chain gives.
    pub(crate) fn register() -> Result<Self> {
        let block = KBox::pin_init(
            pin_init!(Block {
                block <- Opaque::ffi_init(|slot: *mut bindings::notifier_block| {
                    // SAFETY: `slot` is valid for writes, as the closure's caller guarantees.
                    unsafe {
                        slot.write(bindings::notifier_block {
                            notifier_call: Some(Self::call),
                            next: ptr::null_mut(),
                            priority: 0,
                        })
                    }
                }),
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: `block` is initialised, pinned, and stays until it is taken off
        // the chain in `drop`.
        to_result(unsafe { bindings::register_module_notifier(block.block.get()) })?;
        // INVARIANT: it is on the chain now.
        Ok(Self {
            block,
            _filter: PhantomData,
        })
    }

    /// # Safety
    ///
    /// Called by the module notifier chain: `data` is the `struct module` whose
    /// state changes.
    unsafe extern "C" fn call(
        _block: *mut bindings::notifier_block,
        event: c_ulong,
        data: *mut c_void,
    ) -> c_int {
        if event != bindings::module_state_MODULE_STATE_COMING as c_ulong {
            return bindings::NOTIFY_DONE as c_int;
        }
        let module: *const bindings::module = data.cast();
        // SAFETY: `module` is valid for this call; its name is a NUL-terminated
        // array that does not change.
        let name = unsafe { CStr::from_char_ptr(ptr::addr_of!((*module).name).cast()) };
        match F::refuse(name) {
            // SAFETY: only computes.
            Some(e) => unsafe { bindings::notifier_from_errno(e.to_errno()) },
            None => bindings::NOTIFY_DONE as c_int,
        }
    }
}

impl<F: LoadFilter> Drop for LoadWatch<F> {
    fn drop(&mut self) {
        // SAFETY: on the chain, by the type invariant. Waits for callbacks that
        // are running.
        unsafe { bindings::unregister_module_notifier(self.block.block.get()) };
    }
}
