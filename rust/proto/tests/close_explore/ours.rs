// SPDX-License-Identifier: GPL-2.0

//! Our end.

use super::peer::*;
use smc_proto::close::{Actions, Closer, ConnFlags, ConnState, How, Linger, Release, Rings, Timer};

/// Our end: the machine, and what its owner keeps.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Ours {
    pub(crate) closer: Closer,
    rings: Rings,
    pub(crate) gone: bool,
    discards: bool,
    pub(crate) timer: Option<Timer>,
    freed: Option<Release>,
}

impl Ours {
    pub(crate) fn apply(&mut self, actions: Actions) -> bool {
        if let Some(timer) = actions.timer {
            self.timer = timer;
        }
        self.discards |= actions.discard;
        if let Some(release) = actions.free {
            assert_eq!(self.freed, None, "freed twice");
            assert!(self.gone, "freed under the application");
            self.freed = Some(release);
        }
        if self.freed.is_some() {
            assert_eq!(self.closer.state(), ConnState::Closed);
            assert_eq!(self.timer, None, "a timer outlives the connection");
        }
        if self.closer.draining() {
            assert!(self.rings.unsent, "waits for what is not there");
        }
        let alone = self.gone || self.closer.state() == ConnState::PeerAbortWait;
        if alone && self.closer.state() != ConnState::Closed {
            assert!(self.timer.is_some(), "nobody waits and no timer runs");
        }
        if self.gone {
            assert_eq!(
                self.freed.is_some(),
                self.closer.state() == ConnState::Closed,
                "over and not freed, or the reverse"
            );
        }
        actions.send
    }
}

impl Peer for Ours {
    fn new(unsent: bool, unread: bool) -> Self {
        let mut closer = Closer::new();
        closer.established();
        Self {
            closer,
            rings: Rings {
                unsent,
                unread,
                peer_blocked: false,
            },
            gone: false,
            discards: false,
            timer: None,
            freed: None,
        }
    }

    fn op(&mut self, op: Op) -> Option<bool> {
        if self.gone && op != Op::Abort && op != Op::TcpReset {
            return None;
        }
        let rings = self.rings;
        let actions = match op {
            Op::ShutdownRead => self.closer.shutdown(How::Read, rings).ok()?,
            Op::ShutdownWrite => self.closer.shutdown(How::Write, rings).ok()?,
            Op::ShutdownBoth => self.closer.shutdown(How::Both, rings).ok()?,
            Op::Close | Op::CloseAbort => {
                self.gone = true;
                let linger = if op == Op::Close {
                    Linger::Drain
                } else {
                    Linger::Abort
                };
                self.closer.close(linger, rings)
            }
            Op::Abort => self.closer.abort(),
            Op::TcpReset => self.closer.tcp_reset(),
        };
        Some(self.apply(actions))
    }

    fn hear(&mut self, flags: ConnFlags) -> bool {
        let actions = self.closer.peer_said(flags, self.rings);
        self.apply(actions)
    }

    fn drain(&mut self) -> Option<bool> {
        if !self.rings.unsent {
            return None;
        }
        self.rings.unsent = false;
        let actions = self.closer.drained(self.rings);
        Some(self.apply(actions))
    }

    fn read(&mut self) -> bool {
        !self.gone && std::mem::replace(&mut self.rings.unread, false)
    }

    fn link_down(&mut self) {
        let actions = self.closer.link_group_down();
        self.apply(actions);
    }

    fn flags(&self) -> ConnFlags {
        self.closer.flags()
    }

    fn takes_data(&self) -> bool {
        !self.gone || self.discards
    }

    fn arrive(&mut self) {
        self.rings.unread = true;
    }

    fn freed(&self) -> bool {
        self.freed.is_some()
    }

    fn reusable(&self) -> bool {
        self.freed == Some(Release::Reusable)
    }
}
