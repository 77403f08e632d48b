// SPDX-License-Identifier: GPL-2.0

//! What a handshake waits for that is not the peer's next CLC message.
//!
//! Nobody sleeps: who waits is woken, looks, and goes away again.

use super::{
    slots::Slots,
    socket::{Active, Passive},
};
use crate::abstractions::{
    sync::{new_spinlock_bh, SpinLockBh},
    work::Task,
};
use kernel::{prelude::*, sync::Arc};
use smc_proto::{
    group::{FirstError, RmbId},
    wire::clc::Reason,
};

/// A handshake that can be woken.
#[derive(Clone)]
pub(crate) enum Waker {
    /// Of a client.
    Active(Arc<Task<Active>>),
    /// Of a server.
    Passive(Arc<Task<Passive>>),
}

impl Waker {
    /// Makes the handshake look again. Any context.
    pub(crate) fn wake(&self) {
        match self {
            Self::Active(active) => active.wake(active),
            Self::Passive(passive) => Task::kick(passive),
        }
    }
}

/// What is waited for in a link group, or for one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// That another connection's first contact is over, one way or the other.
    Meeting,
    /// The first link.
    FirstContact,
    /// The registration of an RMB with the device.
    Registration(RmbId),
    /// That the peer knows an RMB's key.
    Key(RmbId),
}

/// How it came out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is there.
    There,
    /// The first link does not work.
    NoLink(FirstError),
    /// It will not be there.
    Failed(Reason),
}

/// One who waits.
#[pin_data]
pub(crate) struct Wait {
    what: What,
    waker: Waker,
    #[pin]
    outcome: SpinLockBh<Option<Outcome>>,
}

impl Wait {
    /// Has `waker` woken when it has come out. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` without memory.
    pub(crate) fn new(what: What, waker: &Waker) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                what,
                waker: waker.clone(),
                outcome <- new_spinlock_bh!(None, "Wait::outcome"),
            }),
            GFP_KERNEL,
        )
    }

    /// It has come out. Any context.
    pub(crate) fn settle(&self, outcome: Outcome) {
        *self.outcome.lock() = Some(outcome);
        self.waker.wake();
    }

    /// How it came out, once it has. Any context.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        *self.outcome.lock()
    }
}

/// Those who wait in one link group.
#[pin_data]
pub(crate) struct Waits {
    #[pin]
    list: SpinLockBh<Slots<Arc<Wait>>>,
}

impl Waits {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            list <- new_spinlock_bh!(Slots::new(), "Waits::list"),
        })
    }

    /// Has `waker` woken when `what` has come out. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` without memory.
    pub(crate) fn add(&self, what: What, waker: &Waker) -> Result<Arc<Wait>> {
        let wait = Wait::new(what, waker)?;
        self.list.lock().insert(wait.clone(), GFP_ATOMIC)?;
        Ok(wait)
    }

    /// Nobody waits for it any more. Any context.
    pub(crate) fn forget(&self, wait: &Arc<Wait>) {
        let forgotten = self.list.lock().take_if(|other| Arc::ptr_eq(other, wait));
        drop(forgotten);
    }

    /// It has come out. Any context.
    pub(crate) fn settle(&self, what: What, outcome: Outcome) {
        self.settle_if(|wait| wait == what, outcome);
    }

    /// Nothing more will come out. Any context.
    pub(crate) fn settle_all(&self, outcome: Outcome) {
        self.settle_if(|_| true, outcome);
    }

    fn settle_if(&self, test: impl Fn(What) -> bool, outcome: Outcome) {
        loop {
            let wait = self.list.lock().take_if(|wait| test(wait.what));
            let Some(wait) = wait else {
                return;
            };
            wait.settle(outcome);
        }
    }
}
