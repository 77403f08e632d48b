// SPDX-License-Identifier: GPL-2.0

//! Numbers of the socket interface, as user space knows them.

use kernel::ffi::c_int;
use smc_bindings as bindings;

/// `O_NONBLOCK`, of files and connect(2)'s flags.
pub(crate) const O_NONBLOCK: c_int = bindings::O_NONBLOCK as c_int;

/// `MSG_DONTWAIT`.
pub(crate) const MSG_DONTWAIT: u32 = bindings::MSG_DONTWAIT;
/// `MSG_ERRQUEUE`.
pub(crate) const MSG_ERRQUEUE: u32 = bindings::MSG_ERRQUEUE;
/// `MSG_FASTOPEN`.
pub(crate) const MSG_FASTOPEN: u32 = bindings::MSG_FASTOPEN;

/// `SHUT_WR`: the other end may still send.
pub(crate) const SHUT_WR: c_int = bindings::sock_shutdown_cmd_SHUT_WR as c_int;

/// `EPOLLIN`.
pub(crate) const EPOLLIN: u32 = bindings::EPOLLIN;
/// `EPOLLRDNORM`.
pub(crate) const EPOLLRDNORM: u32 = bindings::EPOLLRDNORM;
/// `EPOLLERR`.
pub(crate) const EPOLLERR: u32 = bindings::EPOLLERR;

/// `SIOCINQ`: bytes to be read.
pub(crate) const SIOCINQ: u32 = bindings::SIOCINQ;
/// `SIOCOUTQ`: bytes that the peer has not acknowledged.
pub(crate) const SIOCOUTQ: u32 = bindings::SIOCOUTQ;
/// `SIOCOUTQNSD`: bytes not sent.
pub(crate) const SIOCOUTQNSD: u32 = bindings::SIOCOUTQNSD;

/// `SOL_TCP`.
pub(crate) const SOL_TCP: c_int = bindings::SOL_TCP as c_int;
/// `SOL_IPV6`.
pub(crate) const SOL_IPV6: c_int = bindings::SOL_IPV6 as c_int;
/// `SOL_SMC`.
pub(crate) const SOL_SMC: c_int = bindings::SOL_SMC as c_int;

/// `SMC_LIMIT_HS`, of `SOL_SMC`.
pub(crate) const SMC_LIMIT_HS: c_int = bindings::SMC_LIMIT_HS as c_int;

/// `TCP_REPAIR`, of `SOL_TCP` as the next ones.
pub(crate) const TCP_REPAIR: c_int = bindings::TCP_REPAIR as c_int;
/// `TCP_FASTOPEN`.
pub(crate) const TCP_FASTOPEN: c_int = bindings::TCP_FASTOPEN as c_int;
/// `TCP_FASTOPEN_CONNECT`.
pub(crate) const TCP_FASTOPEN_CONNECT: c_int = bindings::TCP_FASTOPEN_CONNECT as c_int;
/// `TCP_FASTOPEN_KEY`.
pub(crate) const TCP_FASTOPEN_KEY: c_int = bindings::TCP_FASTOPEN_KEY as c_int;
/// `TCP_FASTOPEN_NO_COOKIE`.
pub(crate) const TCP_FASTOPEN_NO_COOKIE: c_int = bindings::TCP_FASTOPEN_NO_COOKIE as c_int;
/// `TCP_ULP`.
pub(crate) const TCP_ULP: c_int = bindings::TCP_ULP as c_int;
/// `TCP_ZEROCOPY_RECEIVE`.
pub(crate) const TCP_ZEROCOPY_RECEIVE: c_int = bindings::TCP_ZEROCOPY_RECEIVE as c_int;

/// `IPV6_ADDRFORM`, of `SOL_IPV6`.
pub(crate) const IPV6_ADDRFORM: c_int = bindings::IPV6_ADDRFORM as c_int;
