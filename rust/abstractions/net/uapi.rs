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
/// `MSG_OOB`.
pub(crate) const MSG_OOB: u32 = bindings::MSG_OOB;
/// `MSG_PEEK`.
pub(crate) const MSG_PEEK: u32 = bindings::MSG_PEEK;
/// `MSG_TRUNC`.
pub(crate) const MSG_TRUNC: u32 = bindings::MSG_TRUNC;
/// `MSG_WAITALL`.
pub(crate) const MSG_WAITALL: u32 = bindings::MSG_WAITALL;
/// `MSG_MORE`.
pub(crate) const MSG_MORE: u32 = bindings::MSG_MORE;
/// `MSG_ZEROCOPY`.
pub(crate) const MSG_ZEROCOPY: u32 = bindings::MSG_ZEROCOPY;
/// `MSG_FASTOPEN`.
pub(crate) const MSG_FASTOPEN: u32 = bindings::MSG_FASTOPEN;

/// `SHUT_RD`.
pub(crate) const SHUT_RD: c_int = bindings::sock_shutdown_cmd_SHUT_RD as c_int;
/// `SHUT_RDWR`.
pub(crate) const SHUT_RDWR: c_int = bindings::sock_shutdown_cmd_SHUT_RDWR as c_int;
/// `SHUT_WR`: the other end may still send.
pub(crate) const SHUT_WR: c_int = bindings::sock_shutdown_cmd_SHUT_WR as c_int;

/// `EPOLLIN`.
pub(crate) const EPOLLIN: u32 = bindings::EPOLLIN;
/// `EPOLLRDNORM`.
pub(crate) const EPOLLRDNORM: u32 = bindings::EPOLLRDNORM;
/// `EPOLLRDHUP`.
pub(crate) const EPOLLRDHUP: u32 = bindings::EPOLLRDHUP;
/// `EPOLLET`.
pub(crate) const EPOLLET: u32 = bindings::EPOLLET;
/// `EPOLLOUT`.
pub(crate) const EPOLLOUT: u32 = bindings::EPOLLOUT;
/// `EPOLLWRNORM`.
pub(crate) const EPOLLWRNORM: u32 = bindings::EPOLLWRNORM;
/// `EPOLLPRI`.
pub(crate) const EPOLLPRI: u32 = bindings::EPOLLPRI;
/// `EPOLLHUP`.
pub(crate) const EPOLLHUP: u32 = bindings::EPOLLHUP;
/// `EPOLLERR`.
pub(crate) const EPOLLERR: u32 = bindings::EPOLLERR;

/// `SIOCINQ`: bytes to be read.
pub(crate) const SIOCINQ: u32 = bindings::SIOCINQ;
/// `SIOCOUTQ`: bytes that the peer has not acknowledged.
pub(crate) const SIOCOUTQ: u32 = bindings::SIOCOUTQ;
/// `SIOCOUTQNSD`: bytes not sent.
pub(crate) const SIOCOUTQNSD: u32 = bindings::SIOCOUTQNSD;

/// `SIOCATMARK`: whether the next byte is the urgent one.
pub(crate) const SIOCATMARK: u32 = bindings::SIOCATMARK;

/// `SOL_TCP`.
pub(crate) const SOL_TCP: c_int = bindings::SOL_TCP as c_int;
/// `SOL_IPV6`.
pub(crate) const SOL_IPV6: c_int = bindings::SOL_IPV6 as c_int;
/// `SOL_SMC`.
pub(crate) const SOL_SMC: c_int = bindings::SOL_SMC as c_int;

/// `SMC_LIMIT_HS`, of `SOL_SMC`.
pub(crate) const SMC_LIMIT_HS: c_int = bindings::SMC_LIMIT_HS as c_int;

/// `TCP_KEEPCNT`, of `SOL_TCP`.
pub(crate) const TCP_KEEPCNT: c_int = bindings::TCP_KEEPCNT as c_int;
/// `TCP_KEEPIDLE`, of `SOL_TCP`.
pub(crate) const TCP_KEEPIDLE: c_int = bindings::TCP_KEEPIDLE as c_int;
/// `TCP_KEEPINTVL`, of `SOL_TCP`.
pub(crate) const TCP_KEEPINTVL: c_int = bindings::TCP_KEEPINTVL as c_int;
/// `TCP_USER_TIMEOUT`, of `SOL_TCP`.
pub(crate) const TCP_USER_TIMEOUT: c_int = bindings::TCP_USER_TIMEOUT as c_int;
/// `TCP_NODELAY`, of `SOL_TCP`.
pub(crate) const TCP_NODELAY: c_int = bindings::TCP_NODELAY as c_int;
/// `TCP_CORK`, of `SOL_TCP`.
pub(crate) const TCP_CORK: c_int = bindings::TCP_CORK as c_int;
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
