// SPDX-License-Identifier: GPL-2.0

//! Giving a socket back to TCP.

use super::{Attachment, Phase};
use crate::{
    abstractions::net::{fastopen::SmcOnly, sock::Sock, socket::Socket},
    smc::stats::{self, Fallen, Side},
};
use kernel::sync::Arc;
use smc_proto::wire::clc::Reason;

/// Makes the socket a plain TCP socket, because of `reason`. Any context; the
/// sock is locked. Who waits for the connection is not woken.
pub(super) fn to_plain(this: &Arc<Attachment>, sock: &Sock, reason: Reason) {
    to_plain_after(this, sock, reason, None);
}

/// As [`to_plain`], where the peer may have said why.
pub(super) fn to_plain_after(
    this: &Arc<Attachment>,
    sock: &Sock,
    reason: Reason,
    peer_reason: Option<Reason>,
) {
    this.enter(Phase::Plain);
    sock.set_syn_smc(false);
    if let Some(proof) = SmcOnly::get() {
        proof.unset(sock);
    }
    if Socket::become_plain(this, sock) {
        let fallen = Fallen {
            side: Side::Client,
            af_smc: this.is_af_smc(),
            reason,
            peer_reason,
        };
        stats::fallback(sock, &fallen);
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
