// SPDX-License-Identifier: GPL-2.0

//! Giving a socket back to TCP.

use super::{Attachment, Phase};
use crate::abstractions::{
    net::{sock::Sock, socket::Socket},
    trace,
};
use kernel::sync::Arc;
use smc_proto::wire::clc::Reason;

/// Makes the socket a plain TCP socket, because of `reason`. Any context; the
/// sock is locked. Who waits for the connection is not woken.
pub(super) fn to_plain(this: &Arc<Attachment>, sock: &Sock, reason: Reason) {
    this.enter(Phase::Plain);
    sock.set_syn_smc(false);
    if Socket::become_plain(this, sock) {
        trace::switch_to_fallback(sock, reason.code());
    }
}

/// As [`to_plain`] for a socket that is not connected, and not about to be; not
/// locked. Process context.
pub(super) fn give_up(this: &Arc<Attachment>, sock: &Sock, reason: Reason) {
    let locked = sock.lock();
    if matches!(&*this.phase.lock(), Phase::Idle) {
        to_plain(this, &locked, reason);
    }
}
