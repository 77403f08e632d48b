// SPDX-License-Identifier: GPL-2.0

//! The SMC option of a client's SYN, which not every path lets through.
//!
//! Something on the way may drop SYNs with an option that it does not know. TCP would
//! repeat the SYN as it is until connect() fails. So the option is left out of the
//! second repetition and all that follow: lost by chance are two SYNs in a row once in
//! very long. A connection that is there then is one of TCP.
//!
//! TCP says when it is about to repeat a SYN ([`Repeating`]); where it does not, with IPv6,
//! it is looked at by time.

use super::{active::Active, SmcSock};
use crate::{
    abstractions::{
        net::{
            attach::EventSock,
            sock::{Sock, SockGuard},
            socket::Address,
            stream::Repeating,
        },
        work::Task,
    },
    smc::fastopen::{self, Event, PeerKey, Verdict},
};
use core::{
    net::IpAddr,
    num::NonZeroU32,
    sync::atomic::{AtomicBool, Ordering},
};
use kernel::{sync::Arc, time::msecs_to_jiffies};

/// TCP repeats a SYN after a second, and at first after another one, in milliseconds.
const REPEATED_AFTER: u32 = 1_000;
/// How long after a SYN, or its repetition, the next one is made up, in milliseconds:
/// far from when TCP sends them.
const CHECKED_AFTER: u32 = REPEATED_AFTER / 2;

/// What a client's handshake knows of the option.
pub(super) struct SynOption {
    /// The last SYN does not have it, others had.
    left_out: AtomicBool,
    /// More than one had.
    lost: AtomicBool,
}

impl SynOption {
    /// Of a SYN that has not left.
    pub(super) const fn new() -> Self {
        Self {
            left_out: AtomicBool::new(false),
            lost: AtomicBool::new(false),
        }
    }

    /// Whether it was left out after SYNs that had it.
    pub(super) fn is_left_out(&self) -> bool {
        self.left_out.load(Ordering::SeqCst)
    }
}

/// The listener at an address that there is no way to over RDMA, for `sock`. Any context.
pub(super) fn listener(sock: &Sock, to: &Address<'_>) -> Option<PeerKey> {
    let (addr, port) = to.endpoint()?;
    let ifindex = if is_link_local(addr) {
        to.scope().map_or(sock.bound_interface(), NonZeroU32::get)
    } else {
        0
    };
    Some(PeerKey {
        ifindex,
        addr,
        port,
    })
}

/// Whether that is an address of a link's, and the same on another link may be another
/// host's.
fn is_link_local(addr: IpAddr) -> bool {
    matches!(addr, IpAddr::V6(addr) if addr.segments()[0] & 0xffc0 == 0xfe80)
}

/// How many repetitions of the SYN have the option: the last one has not.
fn repeats_with(sock: &Sock) -> u32 {
    sock.max_syn_repeats().saturating_sub(1).min(1)
}

impl Active {
    /// The SYN, which is about to leave, has the SMC option, unless SYNs with it get lost.
    /// Process context.
    pub(super) fn offer_smc(&self, sock: &SockGuard<'_>, task: &Arc<Task<Self>>) {
        let offer = self.standing.verdict != Verdict::Deaf;
        sock.set_syn_smc(offer);
        if !offer {
            fastopen::count(sock, Event::OptionLeftOut);
        } else if !Repeating::watch(&self.owner, sock) {
            let wait = REPEATED_AFTER * repeats_with(sock) + CHECKED_AFTER;
            Task::run_after(task, msecs_to_jiffies(wait));
        }
    }

    /// The SYN is about to be repeated for the `nth` time; contexts as in `on_state`.
    pub(super) fn on_repeat(&self, sock: &EventSock<'_>, nth: u32) {
        if sock.syn_smc() && nth > repeats_with(sock) {
            self.leave_option_out(sock, nth - 1);
        }
    }

    /// The SYN will not be repeated any more; contexts as in `on_state`.
    pub(super) fn on_last_syn(&self, sock: &EventSock<'_>, task: &Arc<Task<Self>>) {
        if !Repeating::leave::<SmcSock>(sock) {
            Task::cancel(task);
        }
    }

    /// Where nobody says so: leaves the option out, if it is time to; else looks again later.
    /// Process context.
    pub(super) fn check_option(&self, task: &Arc<Task<Self>>) {
        if self.is_connected() || self.is_over() {
            return;
        }
        let sock = self.sock.lock();
        let Some(repeats) = sock.syn_repeats().filter(|_| sock.syn_smc()) else {
            return;
        };
        if repeats < repeats_with(&sock) {
            return Task::run_after(task, msecs_to_jiffies(REPEATED_AFTER));
        }
        self.leave_option_out(&sock, repeats);
    }

    /// Of the repetitions so many had it. The sock is locked.
    fn leave_option_out(&self, sock: &Sock, repeats: u32) {
        // In this order, for who asks whether the connection is astray.
        self.option.left_out.store(true, Ordering::SeqCst);
        self.option.lost.store(repeats > 0, Ordering::SeqCst);
        sock.set_syn_smc(false);
    }

    /// TCP is connected, to a listener that has got the option: with one of the first
    /// SYNs, if the last one did not have it, and it is going to wait for a Proposal.
    /// Contexts as in `on_state`.
    pub(super) fn on_option_heard(&self, sock: &EventSock<'_>) {
        sock.set_syn_smc(true);
        self.option.left_out.store(false, Ordering::SeqCst);
        if let Some(peer) = self.peer.filter(|_| self.standing.doubtful) {
            fastopen::option_heard(sock, &peer);
        }
    }

    /// TCP has ended the connection, whose SYN had a Proposal before the option was left
    /// out of it: a new one is about to be made. Contexts as in `on_state`.
    pub(super) fn on_option_astray(&self, sock: &EventSock<'_>) {
        self.option.left_out.store(false, Ordering::SeqCst);
        if sock.peer_smc() {
            self.option.lost.store(false, Ordering::SeqCst);
        }
    }

    /// TCP is connected, to something without SMC; contexts as in `on_state`.
    pub(super) fn on_no_option(&self, sock: &EventSock<'_>) {
        let lost = self.option.lost.swap(false, Ordering::SeqCst) && !sock.syns_crossed();
        if let Some(peer) = self.peer.filter(|_| lost) {
            fastopen::option_lost(sock, &peer);
        }
    }
}
