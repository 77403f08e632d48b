// SPDX-License-Identifier: GPL-2.0

//! What an end of a connection can do, whoever has written it.

use smc_proto::close::ConnFlags;

/// What an application can do to its socket, each at most once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Op {
    ShutdownRead,
    ShutdownWrite,
    ShutdownBoth,
    Close,
    CloseAbort,
    /// The connection is aborted from inside, as by a bad cursor.
    Abort,
    TcpReset,
}

pub(crate) const OPS: [Op; 7] = [
    Op::ShutdownRead,
    Op::ShutdownWrite,
    Op::ShutdownBoth,
    Op::Close,
    Op::CloseAbort,
    Op::Abort,
    Op::TcpReset,
];

/// One end, ours or the C peer's.
pub(crate) trait Peer: Clone + Eq + std::hash::Hash + std::fmt::Debug {
    fn new(unsent: bool, unread: bool) -> Self;
    /// Does it; `None` if this end can't. Returns whether a message is to be sent.
    fn op(&mut self, op: Op) -> Option<bool>;
    fn hear(&mut self, flags: ConnFlags) -> bool;
    /// The send ring is drained, if something was in it.
    fn drain(&mut self) -> Option<bool>;
    /// The application reads what there is.
    fn read(&mut self) -> bool;
    fn link_down(&mut self);
    fn flags(&self) -> ConnFlags;
    /// Data from the other end goes somewhere: to the application, or away.
    fn takes_data(&self) -> bool;
    /// Data of the other end has arrived.
    fn arrive(&mut self);
    /// The connection was freed.
    fn freed(&self) -> bool;
    /// Freed, and the element may be given to somebody else.
    fn reusable(&self) -> bool;
}
