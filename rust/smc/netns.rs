// SPDX-License-Identifier: GPL-2.0

//! What the stack keeps for each network namespace.

use super::{
    clc::ReadyDeclines,
    diag::{self, PlainLock},
    eid,
    fastopen::FastOpen,
    group,
    identity::Instance,
    pnet,
    stats::Stats,
    sysctl,
};
use crate::abstractions::{
    net::{
        listed::SockList,
        netns::{PerNet, Slot, SlotRegistration},
        Net,
    },
    sync::{new_spinlock_bh, SpinLockBh},
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};

/// The data of a namespace.
#[pin_data]
pub(crate) struct NetData {
    /// What its peers know it by.
    pub(super) instance: Instance,
    /// net.smc.*
    pub(super) settings: Arc<sysctl::Table>,
    /// The PNET table.
    #[pin]
    pub(super) pnet: Mutex<pnet::Table>,
    /// Enterprise IDs: of all namespaces, kept with the first.
    #[pin]
    pub(super) eids: SpinLockBh<eid::Table>,
    /// Declines that are ready to be sent.
    #[pin]
    pub(super) declines: SpinLockBh<ReadyDeclines>,
    /// What was counted.
    #[pin]
    pub(crate) stats: Stats,
    /// Proposals in SYNs.
    #[pin]
    pub(super) fastopen: FastOpen,
    /// Sockets that are ours.
    pub(super) sockets: Arc<SockList>,
    /// Sockets that were.
    #[pin]
    pub(super) plain: PlainLock,
}

impl NetData {
    /// Those of `net`; `None` while it begins or ends. Any context.
    pub(crate) fn of(net: &Net) -> Option<Arc<Self>> {
        SLOT.get(net)
    }
}

/// What goes when the namespace does.
pub(crate) struct NetState {
    _sysctls: sysctl::Files,
}

static SLOT: Slot<NetState> = Slot::new();

impl PerNet for NetState {
    type Data = NetData;

    fn slot() -> &'static Slot<Self> {
        &SLOT
    }

    fn enter(net: &Net) -> Result<(Self, Arc<NetData>)> {
        let (files, settings) = sysctl::register(net)?;
        let data = Arc::pin_init(
            try_pin_init!(NetData {
                instance: Instance::next(),
                settings,
                pnet <- new_mutex!(pnet::Table::new(), "NetData::pnet"),
                eids <- new_spinlock_bh!(eid::Table::new(), "NetData::eids"),
                declines <- new_spinlock_bh!(ReadyDeclines::new(), "NetData::declines"),
                stats <- Stats::new(),
                fastopen <- FastOpen::new(),
                sockets: Arc::pin_init(SockList::new(), GFP_KERNEL)?,
                plain <- new_spinlock_bh!(diag::Plain::new()?, "NetData::plain"),
            }? Error),
            GFP_KERNEL,
        )?;
        Ok((Self { _sysctls: files }, data))
    }

    fn leave(data: &Arc<NetData>) {
        group::net_gone(data);
    }
}

/// All namespaces have their data while this exists.
pub(super) struct Namespaces {
    _slot: SlotRegistration<NetState>,
}

impl Namespaces {
    /// Process context; may sleep.
    ///
    /// # Errors
    ///
    /// The kernel's, and `ENOMEM`.
    pub(super) fn register() -> Result<Self> {
        SLOT.register().map(|slot| Self { _slot: slot })
    }
}
