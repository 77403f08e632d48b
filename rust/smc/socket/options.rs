// SPDX-License-Identifier: GPL-2.0

//! Socket options. Those of TCP and IP are TCP's; a few decide that the socket
//! cannot be anything else, or would let the application see the handshake.

use super::{fallback, quiet, syn, Attachment, Phase};
use crate::abstractions::net::{
    errno::NetErrno,
    socket::{OptName, OptOut, OptValue, Socket},
    uapi::{self, SMC_LIMIT_HS, SOL_IPV6, SOL_SMC, SOL_TCP},
};
use crate::smc::conn;
use core::sync::atomic::Ordering;
use kernel::{ffi::c_int, prelude::*, sync::Arc};
use smc_proto::wire::clc::Reason;

/// An option of TCP that SMC cannot go along with.
fn is_tcp_only(opt: OptName) -> bool {
    opt.level == SOL_TCP
        && matches!(
            opt.name,
            uapi::TCP_FASTOPEN
                | uapi::TCP_FASTOPEN_CONNECT
                | uapi::TCP_FASTOPEN_KEY
                | uapi::TCP_FASTOPEN_NO_COOKIE
                | uapi::TCP_REPAIR
        )
}

/// What TCP answers while it is not connected to options that want it to be, and
/// that would take the stream away from the handshake.
fn not_before_connected(opt: OptName) -> Option<NetErrno> {
    let takes_stream = matches!(
        (opt.level, opt.name),
        (
            SOL_TCP,
            uapi::TCP_ULP | uapi::TCP_ZEROCOPY_RECEIVE | uapi::TCP_REPAIR
        ) | (SOL_IPV6, uapi::IPV6_ADDRFORM)
    );
    takes_stream.then_some(NetErrno::NotConn)
}

/// setsockopt(2).
pub(super) fn set(
    this: &Arc<Attachment>,
    socket: Socket<'_>,
    opt: OptName,
    value: &OptValue,
) -> Result<c_int> {
    if opt.level == SOL_SMC {
        return set_smc(this, opt, value);
    }
    if !quiet::is_indifferent(opt) {
        quiet::end(this, socket, false);
    }
    let phase = this.phase.lock().clone();
    let handshake = match phase {
        Phase::Smc(conn) => return conn::set_option(&conn, socket, opt, value),
        Phase::Connecting(active) => active.is_connected(),
        Phase::Idle | Phase::Listening(_) | Phase::Plain => false,
    };
    // Kernel TLS makes its operations from those of the first socket that asks for
    // it, whatever it answers: they may not be ours.
    let copies_operations = opt.level == SOL_TCP && opt.name == uapi::TCP_ULP && !this.is_plain();
    if let Some(e) = not_before_connected(opt).filter(|_| handshake || copies_operations) {
        return Err(e.into());
    }
    let done = value.tcp_set(socket, opt)?;
    if is_tcp_only(opt) {
        let sock = socket.sock();
        fallback::give_up(this, sock, Reason::OptionUnsupported);
        if matches!(&*this.phase.lock(), Phase::Listening(_)) {
            // Connections that come from now on are plain ones, and Fast Open is what
            // the application wants of it.
            sock.set_syn_smc(false);
            syn::take_no_more(this, &sock.lock(), opt.name != uapi::TCP_FASTOPEN);
        }
    }
    Ok(done)
}

fn set_smc(this: &Arc<Attachment>, opt: OptName, value: &OptValue) -> Result<c_int> {
    let value = value.int()?;
    if opt.name != SMC_LIMIT_HS {
        return Err(NetErrno::OpNotSupp.into());
    }
    this.limit_handshakes.store(value != 0, Ordering::Relaxed);
    Ok(0)
}

/// getsockopt(2).
pub(super) fn get(
    this: &Arc<Attachment>,
    socket: Socket<'_>,
    opt: OptName,
    out: &OptOut,
) -> Result<c_int> {
    if opt.level == SOL_SMC {
        if opt.name != SMC_LIMIT_HS {
            return Err(NetErrno::OpNotSupp.into());
        }
        let value = this.limit_handshakes.load(Ordering::Relaxed);
        return out.put_int(value.into()).map(|()| 0);
    }
    if this.smc().is_some() {
        return conn::get_option(socket, opt, out);
    }
    let fastopen = opt.level == SOL_TCP && opt.name == uapi::TCP_FASTOPEN;
    if fastopen && this.takes_from_syns.load(Ordering::Relaxed) {
        // The application has not asked for it.
        return out.put_int(0).map(|()| 0);
    }
    let reads_stream = opt.level == SOL_TCP && opt.name == uapi::TCP_ZEROCOPY_RECEIVE;
    if reads_stream && this.is_connecting() {
        return Err(NetErrno::NotConn.into());
    }
    out.tcp_get(socket, opt)
}
