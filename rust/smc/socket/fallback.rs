// SPDX-License-Identifier: GPL-2.0

//! Giving a socket back to TCP.

use super::{Attachment, Phase};
use crate::{
    abstractions::net::{
        attach::EventSock, fastopen::SmcOnly, ready::First, sock::Sock, socket::Socket,
    },
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
    if let Some(fallen) = turn(this, sock, reason, peer_reason) {
        stats::fallback(sock, &fallen);
    }
}

/// As [`to_plain`] for a connection that TCP has just made, where `first` may wait for what
/// the application says first (see [`super::quiet`]). Who waits for it is woken, and then
/// it is counted: that thread gets the sock's lock when all of it is over, and can be on
/// its way there meanwhile. Contexts as in `Events::state_change`.
pub(super) fn to_plain_connected(
    this: &Arc<Attachment>,
    sock: &EventSock<'_>,
    reason: Reason,
    first: First,
) {
    let fallen = match first {
        First::Held(len) => {
            sock.delay_acks();
            this.quiet.begin(len);
            leave(this, sock);
            Some(fallen(this, reason, None))
        }
        First::AtOnce => turn(this, sock, reason, None),
    };
    sock.default_state_change();
    if let Some(fallen) = fallen {
        stats::fallback(sock, &fallen);
    }
}

/// The socket is a plain one from here on; what is to be counted, if it has become one.
fn turn(
    this: &Arc<Attachment>,
    sock: &Sock,
    reason: Reason,
    peer_reason: Option<Reason>,
) -> Option<Fallen> {
    leave(this, sock);
    Socket::become_plain(this, sock).then(|| fallen(this, reason, peer_reason))
}

/// The connection is none of ours from here on.
fn leave(this: &Arc<Attachment>, sock: &Sock) {
    this.enter(Phase::Plain);
    sock.set_syn_smc(false);
    if let Some(proof) = SmcOnly::get() {
        proof.unset(sock);
    }
}

fn fallen(this: &Attachment, reason: Reason, peer_reason: Option<Reason>) -> Fallen {
    Fallen {
        side: Side::Client,
        af_smc: this.is_af_smc(),
        reason,
        peer_reason,
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
