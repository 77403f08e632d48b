// SPDX-License-Identifier: GPL-2.0

//! `socket(AF_SMC, …)`.

use super::{SMC, SMC6, SMC_OPS};
use crate::abstractions::net::{
    errno::NetErrno,
    family::{Creation, FamilyOps},
    AddressFamily,
};
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::prelude::*;

pub(super) use crate::abstractions::net::{PF_INET, PF_INET6, PF_SMC};

/// `SMCPROTO_SMC`: over IPv4 (include/net/smc.h).
const SMCPROTO_SMC: i32 = 0;
/// `SMCPROTO_SMC6`: over IPv6.
const SMCPROTO_SMC6: i32 = 1;

/// Whether sockets may be made: the family is registered before the rest.
static OPEN: AtomicBool = AtomicBool::new(false);

/// Lets the family make sockets while it exists.
pub(super) struct Open(());

impl Open {
    pub(super) fn new() -> Self {
        OPEN.store(true, Ordering::Release);
        Self(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        OPEN.store(false, Ordering::Release);
    }
}

/// The AF_SMC socket family.
pub(super) struct SmcFamily;

impl FamilyOps for SmcFamily {
    const FAMILY: i32 = PF_SMC;

    fn create(socket: Creation<'_>) -> Result {
        if !OPEN.load(Ordering::Acquire) {
            return Err(NetErrno::AfNoSupport.into());
        }
        if !socket.is_stream() {
            return Err(NetErrno::SockTNoSupport.into());
        }
        match socket.protocol() {
            SMCPROTO_SMC => socket.make(&SMC, &SMC_OPS, AddressFamily::Inet),
            SMCPROTO_SMC6 => socket.make(&SMC6, &SMC_OPS, AddressFamily::Inet6),
            _ => Err(NetErrno::ProtoNoSupport.into()),
        }
    }
}
