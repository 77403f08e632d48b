// SPDX-License-Identifier: GPL-2.0

//! How a connection ends (RFC 7609 §4.8).
//!
//! Each end says up to three things about itself, in this order and in flags of
//! its CDC messages: that it is done writing, that it has closed, that it aborts.
//! A connection is over when each end has said that it closed, or aborted; only
//! then is it sure that the other one writes no more into our memory.
//!
//! [`Closer`] holds what was said by whom, and derives the state from it: a state
//! that contradicts the flags can't be written. It is told of events and returns
//! [`Actions`]. All of it is called under the connection's state lock (the socket
//! lock); it takes no time, does no I/O and never waits. A message it asks for
//! is posted after the data in the rings, so that the flags arrive behind it.

mod state;

pub use state::{
    Actions, ConnFlags, ConnState, How, Linger, RecvEnd, Release, Rings, SendRefused, SocketError,
    TcpAction, Timer,
};

/// `shutdown()` in a state that has nothing to shut down: `ENOTCONN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotConnected;

/// What one end has said about itself. Later values include the earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Said {
    Nothing,
    DoneWriting,
    Closed,
    Aborted,
}

impl Said {
    const fn from_flags(flags: ConnFlags) -> Self {
        if flags.abort {
            Self::Aborted
        } else if flags.closed {
            Self::Closed
        } else if flags.done_writing {
            Self::DoneWriting
        } else {
            Self::Nothing
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    Init,
    Up,
    Over,
}

/// What we will say once the send ring is drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Pending {
    DoneWriting,
    /// By `shutdown()`: closed, whatever is unread.
    Shutdown,
    /// By `close()`: closed, or an abort if data is unread.
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum End {
    Ours,
    Peers,
}

/// The close state machine of one socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Closer {
    phase: Phase,
    /// The handshake succeeded, or a message came before it did.
    was_up: bool,
    sent: Said,
    /// The flags that said so.
    told: ConnFlags,
    received: Said,
    pending: Option<Pending>,
    /// Who spoke first.
    first: Option<End>,
    /// Who aborted first.
    aborted: Option<End>,
    /// The application has closed its socket.
    orphan: bool,
    read_shut: bool,
    /// The peer closed while it was blocked: it may have data left.
    closed_blocked: bool,
}

impl Closer {
    /// A socket that is not connected.
    pub const fn new() -> Self {
        Self {
            phase: Phase::Init,
            was_up: false,
            sent: Said::Nothing,
            told: ConnFlags {
                done_writing: false,
                closed: false,
                abort: false,
            },
            received: Said::Nothing,
            pending: None,
            first: None,
            aborted: None,
            orphan: false,
            read_shut: false,
            closed_blocked: false,
        }
    }

    /// The handshake has succeeded.
    pub fn established(&mut self) {
        if self.phase == Phase::Init {
            self.phase = Phase::Up;
            self.was_up = true;
        }
    }

    /// The state, as diagnostics show it.
    pub fn state(&self) -> ConnState {
        match self.phase {
            Phase::Over => return ConnState::Closed,
            Phase::Init if !self.was_up => return ConnState::Init,
            Phase::Init | Phase::Up => {}
        }
        match self.aborted {
            Some(End::Ours) => return ConnState::PeerAbortWait,
            Some(End::Peers) => return ConnState::ProcessAbort,
            None => {}
        }
        let ours_first = self.first == Some(End::Ours);
        match (self.sent, self.received) {
            (Said::Nothing, Said::Nothing) => ConnState::Active,
            (Said::Nothing, _) => ConnState::AppCloseWait1,
            (_, Said::Nothing) => ConnState::PeerCloseWait1,
            (_, Said::DoneWriting) if ours_first => ConnState::PeerCloseWait2,
            (Said::DoneWriting, Said::DoneWriting) => ConnState::AppCloseWait2,
            (_, Said::DoneWriting) => ConnState::PeerFinCloseWait,
            (_, _) if ours_first => ConnState::AppFinCloseWait,
            (_, _) => ConnState::AppCloseWait2,
        }
    }

    /// The flags that every CDC message carries from now on. With `closed` or
    /// `abort` among them no RDMA write may follow: the peer's element may belong to
    /// another connection then.
    pub const fn flags(&self) -> ConnFlags {
        self.told
    }

    /// What the peer has said of itself, in the words of its messages.
    pub fn peer_flags(&self) -> ConnFlags {
        ConnFlags {
            done_writing: self.received >= Said::DoneWriting,
            closed: self.received >= Said::Closed,
            abort: self.received >= Said::Aborted,
        }
    }

    /// Whether unsent data holds back what we have to say: `close()` with a linger
    /// time waits for this to end.
    pub fn draining(&self) -> bool {
        self.pending.is_some()
    }

    /// Whether the application may write.
    ///
    /// # Errors
    ///
    /// [`SendRefused`] says what the call returns instead.
    pub fn may_send(&self) -> Result<(), SendRefused> {
        if self.aborted == Some(End::Ours) {
            return Err(SendRefused::Aborted);
        }
        if self.received >= Said::Closed {
            return Err(SendRefused::Reset);
        }
        if self.pending.is_some() || self.sent != Said::Nothing {
            return Err(SendRefused::BrokenPipe);
        }
        match self.phase {
            Phase::Up => Ok(()),
            Phase::Init => Err(SendRefused::NotConnected),
            Phase::Over => Err(SendRefused::BrokenPipe),
        }
    }

    /// What a reader gets when there is nothing left to read; `None` if more may
    /// come, and it waits.
    pub fn recv_end(&self) -> Option<RecvEnd> {
        match self.phase {
            Phase::Init => Some(RecvEnd::NotConnected),
            _ if self.aborted.is_some() => Some(RecvEnd::Broken),
            Phase::Over => Some(RecvEnd::EndOfFile),
            Phase::Up if self.received > Said::Nothing || self.read_shut => {
                Some(RecvEnd::EndOfFile)
            }
            Phase::Up => None,
        }
    }

    /// The application calls `shutdown()`.
    ///
    /// # Errors
    ///
    /// [`NotConnected`] in a state in which the C peer says so too.
    pub fn shutdown(&mut self, how: How, rings: Rings) -> Result<Actions, NotConnected> {
        match self.state() {
            ConnState::Active
            | ConnState::PeerCloseWait1
            | ConnState::PeerCloseWait2
            | ConnState::AppCloseWait1
            | ConnState::AppCloseWait2
            | ConnState::AppFinCloseWait => {}
            _ => return Err(NotConnected),
        }
        let mut actions = Actions {
            wake: true,
            ..Actions::default()
        };
        self.read_shut |= how != How::Write;
        match how {
            How::Read => {}
            How::Write => self.pend(Pending::DoneWriting, rings, &mut actions),
            How::Both => self.pend(Pending::Shutdown, rings, &mut actions),
        }
        Ok(actions)
    }

    /// The application closes its socket. No other call of the application
    /// follows.
    pub fn close(&mut self, linger: Linger, rings: Rings) -> Actions {
        let mut actions = Actions::default();
        if self.orphan {
            return actions;
        }
        self.orphan = true;
        match self.phase {
            Phase::Init if !self.was_up => {
                actions.tcp = Some(TcpAction::Reset);
                self.over(&mut actions);
                return actions;
            }
            Phase::Over => {
                actions.timer = Some(None);
                actions.free = Some(self.release());
                return actions;
            }
            Phase::Init | Phase::Up => {}
        }
        if linger == Linger::Abort && self.aborted.is_none() && self.sent < Said::Closed {
            self.abort_now(&mut actions);
        } else {
            self.pend(Pending::Close, rings, &mut actions);
        }
        if !self.settle(&mut actions) {
            actions.discard = true;
            actions.timer = Some(Some(if self.draining() {
                Timer::Drain
            } else {
                Timer::Orphan
            }));
        }
        actions
    }

    /// All data of the application has been posted and announced. Only needed
    /// while [`Closer::draining`], and harmless otherwise.
    pub fn drained(&mut self, rings: Rings) -> Actions {
        let mut actions = Actions::default();
        let Some(pending) = self.pending else {
            return actions;
        };
        self.pend(
            pending,
            Rings {
                unsent: false,
                ..rings
            },
            &mut actions,
        );
        if !self.settle(&mut actions) && self.orphan {
            actions.timer = Some(Some(Timer::Orphan));
        }
        actions
    }

    /// A CDC message arrived; its cursors have been given to the rings already.
    pub fn peer_said(&mut self, flags: ConnFlags, rings: Rings) -> Actions {
        let mut actions = Actions::default();
        let said = Said::from_flags(flags);
        // Flags don't go back. A peer that takes one back is not believed.
        if said <= self.received || self.phase == Phase::Over {
            return actions;
        }
        self.received = said;
        self.was_up = true;
        self.first.get_or_insert(End::Peers);
        self.closed_blocked = said == Said::Closed && rings.peer_blocked;
        actions.wake = true;
        if said == Said::Aborted && self.aborted.is_none() {
            actions.error = Some(SocketError::Reset);
            if self.sent < Said::Closed {
                // Answer at once. The C peer answers when its application closes,
                // and in one state never (SMC_APPCLOSEWAIT2), so that an aborting
                // end may wait for ever; nothing is gained by it (RFC 7609 §4.8.2).
                self.aborted = Some(End::Peers);
                self.pending = None;
                self.say(Said::Aborted, &mut actions);
            } else {
                // Both have said all they had to say.
                self.over(&mut actions);
            }
        } else if said >= Said::Closed {
            // The peer won't take the unsent data any more.
            if let Some(pending) = self.pending {
                self.pend(pending, rings, &mut actions);
            }
        }
        if !self.settle(&mut actions) && self.orphan && !self.draining() {
            // It is alive: it gets its time anew.
            actions.timer = Some(Some(Timer::Orphan));
        }
        actions
    }

    /// The peer broke the protocol (a cursor out of bounds, a lost message), or
    /// the connection is to be ended from outside: abort it.
    pub fn abort(&mut self) -> Actions {
        self.abort_with(SocketError::Aborted)
    }

    /// The TCP connection was reset, which ends the SMC connection abnormally
    /// (RFC 7609 §4.8.2), unless one end has closed: then TCP is of no more use.
    pub fn tcp_reset(&mut self) -> Actions {
        if self.sent >= Said::Closed || self.received >= Said::Closed {
            return Actions::default();
        }
        self.abort_with(SocketError::Reset)
    }

    /// The link group is gone: no message can be sent or will come.
    pub fn link_group_down(&mut self) -> Actions {
        let mut actions = Actions::default();
        match self.phase {
            Phase::Over => return actions,
            Phase::Init | Phase::Up => {}
        }
        if self.aborted != Some(End::Ours) {
            actions.error = Some(SocketError::Aborted);
        }
        self.aborted.get_or_insert(End::Ours);
        self.pending = None;
        actions.tcp = Some(TcpAction::Reset);
        actions.wake = true;
        self.over(&mut actions);
        actions
    }

    /// A timer has run out.
    pub fn timer(&mut self, timer: Timer) -> Actions {
        let mut actions = Actions::default();
        if self.phase == Phase::Over {
            return actions;
        }
        match timer {
            Timer::Drain if self.orphan && self.draining() => {
                // Data is lost, and the peer must not take the end for a clean
                // one.
                self.abort_now(&mut actions);
                if !self.settle(&mut actions) {
                    actions.timer = Some(Some(Timer::Orphan));
                }
            }
            Timer::Orphan if self.waits_unattended() => self.over(&mut actions),
            Timer::Drain | Timer::Orphan => {}
        }
        actions
    }

    /// Whether only the peer can bring the connection to its end.
    fn waits_unattended(&self) -> bool {
        (self.orphan && !self.draining()) || self.aborted == Some(End::Ours)
    }

    fn abort_with(&mut self, error: SocketError) -> Actions {
        let mut actions = Actions::default();
        match self.phase {
            Phase::Over => return actions,
            Phase::Init | Phase::Up => {}
        }
        if self.aborted.is_some() {
            return actions;
        }
        actions.error = Some(error);
        actions.wake = true;
        if !self.was_up {
            self.aborted = Some(End::Ours);
            actions.tcp = Some(TcpAction::Reset);
            self.over(&mut actions);
            return actions;
        }
        self.abort_now(&mut actions);
        if !self.settle(&mut actions) {
            actions.timer = Some(Some(Timer::Orphan));
        }
        actions
    }

    fn abort_now(&mut self, actions: &mut Actions) {
        self.aborted.get_or_insert(End::Ours);
        self.pending = None;
        actions.tcp = Some(TcpAction::Reset);
        self.say(Said::Aborted, actions);
    }

    /// Says `pending`, or keeps it until the send ring is drained. What was pending
    /// before gives way to what says more.
    fn pend(&mut self, pending: Pending, rings: Rings, actions: &mut Actions) {
        let pending = match self.pending.take() {
            Some(before) => before.max(pending),
            None => pending,
        };
        if self.aborted.is_some() {
            return;
        }
        // A peer that has closed takes no more data.
        if rings.unsent && self.received < Said::Closed {
            actions.flush = true;
            self.pending = Some(pending);
            return;
        }
        let (said, tcp) = match pending {
            Pending::DoneWriting => (Said::DoneWriting, TcpAction::ShutdownWrite),
            // RFC 7609 §4.8.1: data that nobody will read makes it an abort.
            Pending::Close if rings.unread && self.sent < Said::Closed => {
                self.aborted = Some(End::Ours);
                (Said::Aborted, TcpAction::ShutdownBoth)
            }
            Pending::Shutdown | Pending::Close => (Said::Closed, TcpAction::ShutdownBoth),
        };
        if said > self.sent {
            actions.tcp = Some(tcp);
            self.say(said, actions);
        }
        self.settle(actions);
    }

    fn say(&mut self, said: Said, actions: &mut Actions) {
        if said > self.sent {
            self.sent = said;
            self.told.done_writing |= said == Said::DoneWriting;
            self.told.closed |= said == Said::Closed;
            self.told.abort |= said == Said::Aborted;
            self.first.get_or_insert(End::Ours);
            actions.send = true;
        }
    }

    /// Ends the connection if nothing more is to be said or heard. Returns whether
    /// it has ended.
    fn settle(&mut self, actions: &mut Actions) -> bool {
        if self.phase == Phase::Over {
            return true;
        }
        let done = match self.aborted {
            // An end that is done writing may answer an abort with silence: the C
            // peer does in SMC_APPCLOSEWAIT2.
            Some(End::Ours) => self.received >= Said::DoneWriting,
            Some(End::Peers) => self.orphan,
            None => {
                let both = self.sent >= Said::Closed && self.received >= Said::Closed;
                // An end that began keeps its state until its application closes,
                // as the C peer does (SMC_APPFINCLOSEWAIT).
                both && (self.orphan || self.first != Some(End::Ours))
            }
        };
        if done {
            self.over(actions);
        }
        done
    }

    fn over(&mut self, actions: &mut Actions) {
        self.phase = Phase::Over;
        self.pending = None;
        actions.timer = Some(None);
        actions.wake = true;
        if self.orphan {
            actions.free = Some(self.release());
        }
    }

    fn release(&self) -> Release {
        if !self.was_up {
            return Release::AsHandshake;
        }
        // A C peer whose close ran out of time may still have data to write when
        // room opens, and says nothing but that it is blocked.
        if self.received == Said::Aborted || (self.received == Said::Closed && !self.closed_blocked)
        {
            Release::Reusable
        } else {
            Release::Quarantined
        }
    }
}

impl Default for Closer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
