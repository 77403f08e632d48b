// SPDX-License-Identifier: GPL-2.0

//! A model of the C module's end.

use super::peer::*;
use smc_proto::close::{ConnFlags, ConnState};

/// What a thread of the C peer is blocked in, until its data is sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Blocked {
    Close,
    ShutdownBoth,
    ShutdownWrite,
}

/// The C peer, from what its functions do in each state: `smc_close_active`,
/// `smc_close_shutdown_write`, `smc_close_passive_work`,
/// `smc_close_passive_abort_received` and `smc_close_active_abort`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct CPeer {
    pub(crate) state: ConnState,
    tx: ConnFlags,
    rx: ConnFlags,
    /// `SOCK_DEAD`
    dead: bool,
    unsent: bool,
    unread: bool,
    blocked: Option<Blocked>,
    killed: bool,
}

impl CPeer {
    fn heard_close(&self) -> bool {
        self.rx.closed || self.rx.abort
    }

    fn said_close(&self) -> bool {
        self.tx.closed || self.tx.abort
    }

    /// `smc_close_final`
    fn close_final(&mut self) -> bool {
        if self.unread {
            self.tx.abort = true;
        } else {
            self.tx.closed = true;
        }
        !self.killed
    }

    /// `smc_close_active`; `None` if it blocks.
    fn close_active(&mut self, wait: bool) -> Option<bool> {
        use ConnState::*;
        let mut send = false;
        match self.state {
            Active => {
                if wait && self.unsent {
                    return None;
                }
                send = self.close_final();
                self.state = PeerCloseWait1;
            }
            AppFinCloseWait => {
                if self.tx.done_writing && !self.said_close() {
                    send = self.close_final();
                }
                self.state = Closed;
            }
            AppCloseWait1 | AppCloseWait2 => {
                if wait && self.unsent && !self.heard_close() {
                    return None;
                }
                send = self.close_final();
                self.state = if self.heard_close() {
                    Closed
                } else {
                    PeerFinCloseWait
                };
            }
            PeerCloseWait1 | PeerCloseWait2 => {
                if self.tx.done_writing && !self.said_close() {
                    send = self.close_final();
                }
            }
            ProcessAbort => {
                self.tx.abort = true;
                send = !self.killed;
                self.state = Closed;
            }
            PeerAbortWait | Init | Listen => self.state = Closed,
            PeerFinCloseWait | Closed => {}
        }
        Some(send)
    }

    /// `smc_close_shutdown_write`; `None` if it blocks.
    fn shutdown_write(&mut self, wait: bool) -> Option<bool> {
        use ConnState::*;
        let next = match self.state {
            Active => PeerCloseWait1,
            AppCloseWait1 => AppCloseWait2,
            _ => return Some(false),
        };
        if wait && self.unsent && !self.heard_close() {
            return None;
        }
        self.tx.done_writing = true;
        self.state = next;
        Some(true)
    }

    fn run(&mut self, what: Blocked, wait: bool) -> bool {
        let sent = match what {
            Blocked::ShutdownWrite => self.shutdown_write(wait),
            Blocked::Close | Blocked::ShutdownBoth => self.close_active(wait),
        };
        match sent {
            Some(send) => {
                self.blocked = None;
                self.dead |= what == Blocked::Close;
                send
            }
            None => {
                self.blocked = Some(what);
                false
            }
        }
    }

    /// `smc_close_passive_work`
    fn passive(&mut self) {
        use ConnState::*;
        if self.rx.abort {
            self.state = match self.state {
                Init | Active | AppCloseWait1 | AppFinCloseWait => ProcessAbort,
                PeerCloseWait1 | PeerCloseWait2
                    if self.tx.done_writing && !self.said_close_before_abort() =>
                {
                    ProcessAbort
                }
                PeerCloseWait1 | PeerCloseWait2 | AppCloseWait2 | PeerFinCloseWait
                | PeerAbortWait => Closed,
                other => other,
            };
            return;
        }
        match self.state {
            Init | Active => self.state = AppCloseWait1,
            PeerCloseWait1 | PeerCloseWait2 => {
                if self.rx.done_writing {
                    self.state = PeerCloseWait2;
                }
                if self.heard_close() {
                    self.state = if self.dead && self.said_close() {
                        Closed
                    } else {
                        AppFinCloseWait
                    };
                }
            }
            PeerFinCloseWait if self.heard_close() => self.state = Closed,
            _ => {}
        }
    }

    /// By the time the work runs, the receive path has set the abort flag of the
    /// messages to come (`smc_cdc_msg_recv_action`), so that an end which had only
    /// shut down writing counts as closed.
    fn said_close_before_abort(&self) -> bool {
        self.said_close()
    }
}

impl Peer for CPeer {
    fn new(unsent: bool, unread: bool) -> Self {
        Self {
            state: ConnState::Active,
            tx: ConnFlags::default(),
            rx: ConnFlags::default(),
            dead: false,
            unsent,
            unread,
            blocked: None,
            killed: false,
        }
    }

    fn op(&mut self, op: Op) -> Option<bool> {
        use ConnState::*;
        if self.blocked.is_some() || self.dead {
            return None;
        }
        let shuttable = matches!(
            self.state,
            Active
                | PeerCloseWait1
                | PeerCloseWait2
                | AppCloseWait1
                | AppCloseWait2
                | AppFinCloseWait
        );
        match op {
            Op::ShutdownRead => None,
            Op::ShutdownWrite if shuttable => Some(self.run(Blocked::ShutdownWrite, true)),
            Op::ShutdownBoth if shuttable => Some(self.run(Blocked::ShutdownBoth, true)),
            Op::ShutdownWrite | Op::ShutdownBoth => None,
            Op::Close => Some(self.run(Blocked::Close, true)),
            // A linger time of 0 is one that is over at once.
            Op::CloseAbort => Some(self.run(Blocked::Close, false)),
            // `smc_conn_kill`
            Op::Abort => {
                if self.killed {
                    return None;
                }
                self.tx.abort = true;
                self.killed = true;
                self.state = Closed;
                Some(true)
            }
            // A reset of the TCP connection goes unnoticed.
            Op::TcpReset => None,
        }
    }

    fn hear(&mut self, flags: ConnFlags) -> bool {
        if self.killed || self.freed() {
            return false;
        }
        self.rx = flags;
        if flags.abort {
            self.tx.abort = true;
        }
        if flags.abort || flags.closed || flags.done_writing {
            self.passive();
        }
        // A close that waits for data to be sent looks at the new state; an abort
        // ends its wait (sk_err).
        match self.blocked {
            Some(what) if flags.abort || flags.closed => self.run(what, false),
            _ => false,
        }
    }

    fn drain(&mut self) -> Option<bool> {
        if !self.unsent || self.killed {
            return None;
        }
        self.unsent = false;
        Some(match self.blocked {
            Some(what) => self.run(what, true),
            None => false,
        })
    }

    fn read(&mut self) -> bool {
        !self.dead && self.blocked.is_none() && std::mem::replace(&mut self.unread, false)
    }

    fn link_down(&mut self) {
        if !self.freed() {
            self.killed = true;
            self.state = ConnState::Closed;
            if let Some(what) = self.blocked {
                self.run(what, false);
            }
        }
    }

    fn flags(&self) -> ConnFlags {
        self.tx
    }

    fn takes_data(&self) -> bool {
        !self.dead && !matches!(self.blocked, Some(Blocked::Close))
    }

    fn arrive(&mut self) {
        self.unread = true;
    }

    fn freed(&self) -> bool {
        self.dead && self.state == ConnState::Closed
    }

    fn reusable(&self) -> bool {
        false
    }
}
