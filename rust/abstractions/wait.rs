// SPDX-License-Identifier: GPL-2.0

//! Waiting for something to happen to a socket.
//!
//! C header: [`include/linux/wait.h`](srctree/include/linux/wait.h)

use core::{marker::PhantomPinned, pin::pin};
use kernel::{ffi::c_long, types::Opaque};
use smc_bindings as bindings;

/// Why a wait ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    /// What was waited for has happened; so many jiffies were left.
    Done(c_long),
    /// Time is up.
    TimedOut,
    /// A signal; so many jiffies were left.
    Signal(c_long),
}

/// Whether one wake-up is for all that wait, or for one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// All are woken.
    All,
    /// One of those that say so is woken.
    One,
}

struct Entry {
    entry: Opaque<bindings::wait_queue_entry>,
    _pin: PhantomPinned,
}

/// Waits on `queue` until `ready`, a signal, or `timeout` jiffies have passed.
/// `ready` is asked first, and after each wake-up. Process context; sleeps.
///
/// # Safety
///
/// `queue` stays valid during the call.
pub(super) unsafe fn wait_on(
    queue: *mut bindings::wait_queue_head,
    share: Share,
    mut timeout: c_long,
    mut ready: impl FnMut() -> bool,
) -> Waited {
    let entry = pin!(Entry {
        entry: Opaque::uninit(),
        _pin: PhantomPinned,
    });
    let entry = entry.entry.get();
    // SAFETY: `entry` may be written; it stays in place, by pinning, until it
    // is off the queue below.
    unsafe {
        bindings::init_waitqueue_func_entry(entry, Some(bindings::woken_wake_function));
        match share {
            Share::All => bindings::add_wait_queue(queue, entry),
            Share::One => bindings::add_wait_queue_exclusive(queue, entry),
        }
    }
    let waited = loop {
        if ready() {
            break Waited::Done(timeout);
        }
        if timeout == 0 {
            break Waited::TimedOut;
        }
        // SAFETY: reads the flags of the current task.
        if unsafe { bindings::current_signal_pending() } {
            break Waited::Signal(timeout);
        }
        // SAFETY: `entry` is on the queue, and of this task. No wake-up since
        // the last look at `ready` is lost: it left its mark in `entry`.
        timeout =
            unsafe { bindings::wait_woken(entry, bindings::TASK_INTERRUPTIBLE as _, timeout) };
    };
    // SAFETY: on the queue, which is valid.
    unsafe { bindings::remove_wait_queue(queue, entry) };
    waited
}
