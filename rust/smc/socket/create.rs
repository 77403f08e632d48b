// SPDX-License-Identifier: GPL-2.0

//! `socket(AF_SMC, …)`.

use super::{SmcSock, TCP, TCP6};
use crate::abstractions::net::{
    errno::NetErrno,
    family::{Creation, FamilyOps},
    stream::Family,
    PF_SMC,
};
use core::sync::atomic::{AtomicU8, Ordering};
use kernel::prelude::*;

/// `SMCPROTO_SMC`: over IPv4 (include/net/smc.h).
const SMCPROTO_SMC: i32 = 0;
/// `SMCPROTO_SMC6`: over IPv6.
const SMCPROTO_SMC6: i32 = 1;

/// Which sockets may be made: the family is registered before the rest.
static OPEN: AtomicU8 = AtomicU8::new(CLOSED);
const CLOSED: u8 = 0;
const IPV4: u8 = 1;
const IPV6_TOO: u8 = 2;

/// Lets the family make sockets while it exists.
pub(super) struct Open(());

impl Open {
    pub(super) fn new(ipv6: bool) -> Self {
        OPEN.store(if ipv6 { IPV6_TOO } else { IPV4 }, Ordering::Release);
        Self(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        OPEN.store(CLOSED, Ordering::Release);
    }
}

/// The AF_SMC socket family.
pub(super) struct SmcFamily;

impl FamilyOps for SmcFamily {
    const FAMILY: i32 = PF_SMC;

    fn create(socket: Creation<'_>) -> Result {
        let open = OPEN.load(Ordering::Acquire);
        if open == CLOSED {
            return Err(NetErrno::AfNoSupport.into());
        }
        if !socket.is_stream() {
            return Err(NetErrno::SockTNoSupport.into());
        }
        let family: &'static Family<SmcSock> = match socket.protocol() {
            SMCPROTO_SMC => &TCP,
            SMCPROTO_SMC6 if open == IPV6_TOO => &TCP6,
            SMCPROTO_SMC6 => return Err(NetErrno::AfNoSupport.into()),
            _ => return Err(NetErrno::ProtoNoSupport.into()),
        };
        let made = socket.make(family)?;
        // Counted as IPPROTO_SMC so far.
        let data = &made.data;
        data.proto().count(&made.sock, -1);
        data.of_af_smc.store(true, Ordering::Relaxed);
        data.proto().count(&made.sock, 1);
        Ok(())
    }
}
