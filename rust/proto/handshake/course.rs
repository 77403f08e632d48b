// SPDX-License-Identifier: GPL-2.0

//! What [`Client`](super::Client) and [`Server`](super::Server) share: where a
//! handshake stands, until when it waits, and how it is given up.

use super::{Abort, Action, Cause, DeclineVersion, Fallback, GroupFate, Negotiated};
use super::{BUSY_MOST, CLC_WAIT, DECLINE_GRACE};
use crate::group::{FirstError, Millis};
use crate::wire::clc::{Decline, Reason, Version};

/// The places of a handshake that both ends have.
pub(super) trait Place: PartialEq {
    /// The first link is being confirmed.
    const LINKING: Self;
    /// It was not, in time: the peer's Decline is waited for.
    const GRACE: Self;
    /// Over.
    const DONE: Self;

    /// The peer's next message is waited for, and for a time only.
    fn awaits_message(&self) -> bool;
}

/// The course of one handshake.
#[derive(Clone, Debug)]
pub(super) struct Course<P> {
    pub(super) place: P,
    pub(super) deadline: Option<Millis>,
    /// Since when a message is waited for, after the first one of a server.
    since: Millis,
    /// Something failed here while a message of the peer may be on its way.
    pub(super) failed: Option<Reason>,
    pub(super) agreed: Negotiated,
    /// Layout of a Decline of ours.
    pub(super) decline: DeclineVersion,
    /// A link group was made for this handshake.
    pub(super) group_is_new: bool,
}

impl<P: Place> Course<P> {
    pub(super) const fn new(place: P, deadline: Option<Millis>) -> Self {
        Course {
            place,
            deadline,
            since: Millis(0),
            failed: None,
            agreed: Negotiated::new(Version::V1),
            // What the peer understands is not known before its first message,
            // and every version understands this.
            decline: DeclineVersion::V1,
            group_is_new: false,
        }
    }

    /// Waits for the peer's message at `place`, from `now` on, so many milliseconds.
    pub(super) fn wait(&mut self, place: P, now: Millis, time: u32) -> Action {
        self.place = place;
        self.since = now;
        self.deadline = Some(now.after(time));
        Action::Wait
    }

    /// Whether it has waited long enough.
    pub(super) fn is_late(&self, now: Millis) -> bool {
        self.deadline.is_some_and(|deadline| now >= deadline)
    }

    /// The peer was seen at work on other connections, at `busy` for the last time: it comes
    /// to this one.
    pub(super) fn on_busy(&mut self, busy: Millis) {
        if self.place.awaits_message() {
            let until = busy.after(CLC_WAIT).min(self.since.after(BUSY_MOST));
            self.deadline = self.deadline.max(Some(until));
        }
    }

    /// What became of the first link. A timeout is told to the peer only after
    /// a grace, in which its Decline may come (af_smc.c,
    /// `smcr_clnt_conf_first_link`).
    pub(super) fn on_link(&mut self, link: Result<(), FirstError>, now: Millis) -> Action {
        let in_grace = self.place == P::GRACE;
        if self.place != P::LINKING && !in_grace {
            return Action::Wait;
        }
        match link {
            Ok(()) => self.finish(Action::Established),
            Err(FirstError::Timeout) if in_grace => Action::Wait,
            Err(FirstError::Timeout) => self.wait(P::GRACE, now, DECLINE_GRACE),
            Err(FirstError::EyeCatcher) => self.decline(Reason::EyecatcherInBuffer),
            Err(FirstError::NotReady) => self.decline(Reason::LinkNotReady),
            Err(FirstError::LinkDown | FirstError::Ended) => self.decline(Reason::NoActiveLink),
        }
    }

    pub(super) fn on_timeout(&mut self, now: Millis) -> Action {
        if !self.is_late(now) {
            Action::Wait
        } else if self.place.awaits_message() {
            self.abort(Cause::TimedOut)
        } else if self.place == P::GRACE {
            self.decline(Reason::ConfirmLinkTimeout)
        } else {
            Action::Wait
        }
    }

    /// The connection is broken, unless the handshake is over.
    pub(super) fn abort(&mut self, cause: Cause) -> Action {
        if self.place == P::DONE {
            return Action::Wait;
        }
        let group = self.fate();
        self.finish(Action::Abort(Abort { cause, group }))
    }

    pub(super) fn decline(&mut self, reason: Reason) -> Action {
        let fallback = Fallback {
            reason,
            peer_reason: None,
            group: self.fate(),
            decline: Some(self.decline),
        };
        self.finish(Action::Fallback(fallback))
    }

    /// The peer declined. If it says that the groups differ, ours is ended (RFC
    /// 7609 Appendix A.2.5; smc_clc.c, `smc_clc_wait_msg`).
    pub(super) fn declined(&mut self, decline: &Decline) -> Action {
        let fallback = self.after_decline(decline);
        self.finish(Action::Fallback(fallback))
    }

    /// What [`Course::declined`] comes to.
    pub(super) fn after_decline(&self, decline: &Decline) -> Fallback {
        let group = if decline.out_of_sync && !self.group_is_new {
            GroupFate::OutOfSync
        } else {
            self.fate()
        };
        Fallback {
            reason: Reason::PeerDeclined,
            peer_reason: Some(decline.reason),
            group,
            decline: None,
        }
    }

    pub(super) fn finish(&mut self, action: Action) -> Action {
        self.place = P::DONE;
        self.deadline = None;
        action
    }

    const fn fate(&self) -> GroupFate {
        if self.group_is_new {
            GroupFate::Discard
        } else {
            GroupFate::Keep
        }
    }
}
