// SPDX-License-Identifier: GPL-2.0

//! The vocabulary of closing: states, flags, and what the owner has to do.

/// The state of an SMC socket with the number that `smc_diag` and `smcss` show
/// (`enum smc_state` in net/smc/smc.h; the names are those of RFC 7609 §4.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ConnState {
    /// Data flows both ways.
    Active = 1,
    /// Not connected yet.
    Init = 2,
    /// Nothing is owed to the peer, and nothing is expected from it.
    Closed = 7,
    /// Takes connections.
    Listen = 10,
    /// We said first that we are done writing, or closed; the peer has said
    /// nothing.
    PeerCloseWait1 = 20,
    /// As before, and the peer is done writing.
    PeerCloseWait2 = 21,
    /// The peer said first that it is done writing, or closed; we have said
    /// nothing.
    AppCloseWait1 = 22,
    /// As before, and we are done writing.
    AppCloseWait2 = 23,
    /// We said first that we are done, the peer has closed, and our application
    /// has not.
    AppFinCloseWait = 24,
    /// The peer said first that it is done writing, and we have closed.
    PeerFinCloseWait = 25,
    /// We aborted, and the peer has not answered.
    PeerAbortWait = 26,
    /// The peer aborted, and our application has not closed.
    ProcessAbort = 27,
}

impl ConnState {
    /// The number in diagnostics.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// The connection state flags of a CDC message (RFC 7609 A.4; `struct
/// smc_cdc_conn_state_flags` in net/smc/smc.h). A flag once set stays set in every
/// later message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct ConnFlags {
    /// The sender will write no more data.
    pub done_writing: bool,
    /// The sender's application has closed the connection.
    pub closed: bool,
    /// The sender has ended the connection, and data may be lost.
    pub abort: bool,
}

/// What `shutdown()` is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum How {
    /// `SHUT_RD`: the peer is not told.
    Read,
    /// `SHUT_WR`
    Write,
    /// `SHUT_RDWR`
    Both,
}

/// What `close()` does with unsent data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Linger {
    /// Sends it after the close, within the time of [`Timer::Drain`].
    Drain,
    /// Throws it away and aborts: `SO_LINGER` with a time of 0, as for TCP.
    Abort,
}

/// What the rings hold at the moment of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Rings {
    /// Data of the application is not announced to the peer yet
    /// (`TxRing::unsent` or `TxRing::report_due`).
    pub unsent: bool,
    /// Data of the peer was not read by the application, and may have been
    /// discarded (`RxRing::loses_data`).
    pub unread: bool,
    /// The peer's last message said that it is blocked (`RxRing::peer_blocked`).
    pub peer_blocked: bool,
}

/// A timer of the machine. One runs at a time; arming one stops the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timer {
    /// The application has closed, and unsent data waits for room at the peer.
    /// 120 s or the linger time (`SMC_MAX_STREAM_WAIT_TIMEOUT`).
    Drain,
    /// Nobody here waits any more for what the peer has to say. As long as TCP
    /// keeps an orphan (`tcp_fin_timeout`), or longer.
    Orphan,
}

/// What happens to the TCP connection underneath.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TcpAction {
    /// Shut it down for writing.
    ShutdownWrite,
    /// Shut it down both ways.
    ShutdownBoth,
    /// Reset it (RFC 7609 §4.8.2).
    Reset,
}

/// Whether the peer may still write to our element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Release {
    /// It won't: the element can be zeroed and given to another connection.
    Reusable,
    /// It might: nobody gets the element until the link group is gone, or the
    /// peer has closed the connection after all (RFC 7609 §4.4.2).
    Quarantined,
    /// The connection was never up; the handshake knows whether the element was
    /// announced.
    AsHandshake,
}

/// The error that a socket call returns once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SocketError {
    /// `ECONNRESET`: the peer aborted.
    Reset,
    /// `ECONNABORTED`: we aborted.
    Aborted,
}

/// What the owner of a connection has to do after an event, in this order. What
/// is returned is owed: the machine takes it as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[must_use = "actions that are not done leave the peer waiting"]
pub struct Actions {
    /// Post unsent data, corked or not, and report when there is none left
    /// (`Closer::drained`).
    pub flush: bool,
    /// From now on nobody reads: discard what the peer sends (`RxRing::discard`)
    /// and go on reporting, so that two ends that both have data left and nobody
    /// to read it don't wait for each other.
    pub discard: bool,
    /// Post a CDC message, which carries `Closer::flags`.
    pub send: bool,
    /// Do this to the TCP connection.
    pub tcp: Option<TcpAction>,
    /// The socket has this error from now on.
    pub error: Option<SocketError>,
    /// Stop the timer that runs, then arm this one if any.
    pub timer: Option<Option<Timer>>,
    /// Wake readers, writers and pollers: what they may do has changed.
    pub wake: bool,
    /// The connection is over and the application is gone: free it, once its
    /// work requests have completed.
    pub free: Option<Release>,
}

/// Why the application may not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SendRefused {
    /// `ENOTCONN`
    NotConnected,
    /// `EPIPE`: writing was shut down here.
    BrokenPipe,
    /// `ECONNRESET`: the peer has closed or aborted.
    Reset,
    /// `EPIPE`, after the socket's own error was returned: we aborted.
    Aborted,
}

/// Why there will be no more data for the application, once it has read what
/// there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecvEnd {
    /// `ENOTCONN`
    NotConnected,
    /// 0: end of file.
    EndOfFile,
    /// The socket's error, then end of file.
    Broken,
}
