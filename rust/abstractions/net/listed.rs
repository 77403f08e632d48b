// SPDX-License-Identifier: GPL-2.0

//! Lists of socks, which do not keep the socks.

use super::sock::Sock;
use crate::abstractions::sync::{new_spinlock_bh, SpinLockBh};
use core::ptr::NonNull;
use kernel::{
    prelude::*,
    rbtree::{RBTree, RBTreeNodeReservation},
    types::ARef,
};
use smc_bindings as bindings;

/// Socks in the order they were entered in.
///
/// # Invariants
///
/// The memory of each is there until it is removed.
#[pin_data]
pub(crate) struct SockList {
    #[pin]
    socks: SpinLockBh<Socks>,
}

struct Socks {
    next: u64,
    by_key: RBTree<u64, SockPtr>,
}

struct SockPtr(NonNull<bindings::sock>);

// SAFETY: a pointer; what is done with it is said where it is done.
unsafe impl Send for SockPtr {}

/// Memory for a place in a list.
pub(super) struct Place(RBTreeNodeReservation<u64, SockPtr>);

impl Place {
    /// Process context; may sleep.
    pub(super) fn new() -> Result<Self> {
        RBTreeNodeReservation::new(GFP_KERNEL).map(Self)
    }
}

impl SockList {
    /// One with nothing in it.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            socks <- new_spinlock_bh!(
                Socks {
                    next: 1,
                    by_key: RBTree::new(),
                },
                "SockList::socks"
            ),
        })
    }

    /// Enters a sock; gives what it is removed by. Any context.
    ///
    /// # Safety
    ///
    /// It is removed before its memory goes.
    pub(super) unsafe fn insert(&self, place: Place, sk: NonNull<bindings::sock>) -> u64 {
        let mut socks = self.socks.lock();
        let key = socks.next;
        socks.next += 1;
        // INVARIANT: by this function's contract.
        socks.by_key.insert(place.0.into_node(key, SockPtr(sk)));
        key
    }

    /// Removes a sock. Any context.
    pub(super) fn remove(&self, key: u64) {
        let node = self.socks.lock().by_key.remove_node(&key);
        drop(node);
    }

    /// The first sock from the place `from` on, and its place. Any context.
    pub(crate) fn next(&self, from: u64) -> Option<(u64, ARef<Sock>)> {
        let mut socks = self.socks.lock();
        let mut cursor = socks.by_key.cursor_lower_bound(&from)?;
        loop {
            let (key, sk) = cursor.current();
            // SAFETY: the memory is there, by the type invariant; with a reference
            // it is a live sock.
            unsafe {
                if bindings::sock_hold_not_zero(sk.0.as_ptr()) {
                    let sock = ARef::from_raw(NonNull::from(Sock::from_raw(sk.0.as_ptr())));
                    return Some((*key, sock));
                }
            }
            // It is on its way out.
            cursor = cursor.move_next()?;
        }
    }
}
