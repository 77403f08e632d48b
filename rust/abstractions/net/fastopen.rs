// SPDX-License-Identifier: GPL-2.0

//! TCP Fast Open between SMC sockets: CLC messages as the payload of SYNs.
//!
//! Only a kernel with the series in `patches/` keeps such a payload away from
//! applications. What says that it is for SMC alone, [`SmcOnly`], is the proof that
//! this kernel is one.
//!
//! C header: [`include/net/tcp.h`](srctree/include/net/tcp.h)

use super::{
    errno::NetErrno,
    sock::{to_value, Sock, SockGuard, TcpState},
    socket::{Address, OptName, Socket},
    uapi, Net,
};
use core::{
    mem::zeroed,
    net::{IpAddr, Ipv6Addr},
};
use kernel::{ffi::c_int, prelude::*};
use smc_bindings as bindings;

/// TCP of this kernel can keep Fast Open of a socket between SMC sockets.
///
/// # Invariants
///
/// The kernel has `tcp_fastopen_smc_only()`.
#[derive(Clone, Copy)]
pub(crate) struct SmcOnly(());

impl SmcOnly {
    /// The proof, if the kernel has what it takes. Any context.
    pub(crate) fn get() -> Option<Self> {
        // SAFETY: looks whether a symbol was found when the module was loaded.
        let there = unsafe { bindings::tcp_has_fastopen_smc_only() };
        // INVARIANT: just seen.
        there.then_some(Self(()))
    }

    /// Fast Open of the sock, which offers SMC, is for SMC only from now on, or no
    /// longer. Any context.
    pub(crate) fn set(self, sock: &SockGuard<'_>, on: bool) {
        // SAFETY: there, by the type invariant; a TCP sock, which is locked.
        unsafe { bindings::tcp_set_fastopen_smc_only(sock.as_ptr(), on) };
    }

    /// Undoes [`SmcOnly::set`]. Any context; the sock is locked, in the one way or the
    /// other.
    pub(crate) fn unset(self, sock: &Sock) {
        // SAFETY: as above.
        unsafe { bindings::tcp_set_fastopen_smc_only(sock.as_ptr(), false) };
    }
}

/// What `net.ipv4.tcp_fastopen` allows.
#[derive(Clone, Copy)]
pub(crate) struct Allowed(c_int);

impl Allowed {
    /// In a namespace, at this moment. Any context.
    pub(crate) fn of(net: &Net) -> Self {
        // SAFETY: alive, by the type invariant.
        Self(unsafe { bindings::sysctl_tcp_fastopen(net.as_ptr()) })
    }

    fn has(self, bit: u32) -> bool {
        self.0 & bit as c_int != 0
    }

    /// connect() with data.
    pub(crate) fn client(self) -> bool {
        self.has(bindings::TFO_CLIENT_ENABLE)
    }

    /// Listeners that take data.
    pub(crate) fn server(self) -> bool {
        self.has(bindings::TFO_SERVER_ENABLE)
    }

    /// All listeners take data, whether or not they were asked to.
    pub(crate) fn all_listeners(self) -> bool {
        self.server() && self.has(bindings::TFO_SERVER_WO_SOCKOPT1)
    }
}

/// The address argument of connect(2), kept.
pub(crate) struct SavedAddress {
    storage: bindings::__kernel_sockaddr_storage,
    len: c_int,
}

// SAFETY: plain bytes.
unsafe impl Send for SavedAddress {}
// SAFETY: as above.
unsafe impl Sync for SavedAddress {}

impl SavedAddress {
    /// A copy of the address as it is now.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is longer than addresses are.
    pub(crate) fn new(address: &Address<'_>) -> Result<Self> {
        let (from, len) = address.as_raw();
        let n = usize::try_from(len).map_err(|_| EINVAL)?;
        if n > size_of::<bindings::__kernel_sockaddr_storage>() {
            return Err(EINVAL);
        }
        let mut saved = Self {
            // SAFETY: all-zero bytes are a valid `struct sockaddr_storage`.
            storage: unsafe { zeroed() },
            len,
        };
        let to: *mut bindings::__kernel_sockaddr_storage = &mut saved.storage;
        // SAFETY: `n` bytes may be read, by the invariant of `Address`, and there is
        // room for them.
        unsafe { core::ptr::copy_nonoverlapping(from.cast::<u8>(), to.cast::<u8>(), n) };
        Ok(saved)
    }

    fn as_mut_ptr(&mut self) -> *mut bindings::sockaddr {
        let storage: *mut bindings::__kernel_sockaddr_storage = &mut self.storage;
        storage.cast()
    }
}

/// What became of a SYN with data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SynSent {
    /// It is on its way with so many bytes of them, at least one. If TCP could not
    /// send them they are queued behind it.
    With(usize),
    /// It is on its way without them, and asks for a cookie, if anything.
    Without,
}

impl Socket<'_> {
    /// As a connect(2) of TCP that does not wait, with `data` in the SYN as far as
    /// there is room and a cookie for them. `then` is told what became of them
    /// before an answer is seen. Process context.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` if Fast Open is switched off, and nothing was done; else those
    /// of connect(2).
    pub(crate) fn tcp_connect_with(
        &self,
        _proof: SmcOnly,
        to: &mut SavedAddress,
        data: &[u8],
        then: impl FnOnce(SynSent),
    ) -> Result {
        let locked = self.sock().lock();
        let vec = bindings::kvec {
            iov_base: data.as_ptr().cast_mut().cast(),
            iov_len: data.len(),
        };
        // SAFETY: all-zero bytes are a valid `struct msghdr`.
        let mut msg: bindings::msghdr = unsafe { zeroed() };
        msg.msg_flags = bindings::MSG_FASTOPEN | bindings::MSG_DONTWAIT | bindings::MSG_NOSIGNAL;
        msg.msg_namelen = to.len;
        msg.msg_name = to.as_mut_ptr().cast();
        // SAFETY: `vec`, `data` and the address outlive `msg`. The sock is locked, and
        // has its `struct socket`, which an operation is being called on.
        let n = unsafe {
            bindings::iov_iter_kvec(
                &mut msg.msg_iter,
                bindings::ITER_SOURCE,
                &vec,
                1,
                data.len(),
            );
            bindings::tcp_sendmsg_locked(locked.as_ptr(), &mut msg, data.len())
        };
        match usize::try_from(n) {
            Ok(n) if n > 0 => then(SynSent::With(n)),
            Ok(_) => then(SynSent::Without),
            Err(_) => {
                let e = Error::from_errno(n);
                if !NetErrno::InProgress.is(e) {
                    return Err(e);
                }
                then(SynSent::Without);
            }
        }
        Ok(())
    }

    /// Lets so many connections at a time, in TCP's queue or before the third packet
    /// of their handshake, take data of their SYN. The sock listens, or is about to.
    /// Process context; takes the sock's lock.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub(crate) fn set_fastopen_queue(&self, backlog: c_int) -> Result {
        let opt = OptName {
            level: uapi::SOL_TCP,
            name: uapi::TCP_FASTOPEN,
        };
        self.tcp_set_int(opt, backlog.max(1)).map(|_| ())
    }
}

impl Sock {
    /// Takes back what [`Socket::set_fastopen_queue`] did.
    pub(crate) fn clear_fastopen_queue(&self) {
        // SAFETY: a TCP sock, by the type invariant; one number.
        unsafe { bindings::fastopen_queue_tune(self.as_ptr(), 0) };
    }

    /// Connects it anew, without data in the SYN and without waiting, where TCP has
    /// ended the connection on its own: the application, which may be waiting in
    /// poll(2), sees none of that. Process context; takes the sock's lock.
    ///
    /// # Errors
    ///
    /// `ECONNABORTED` if no file has the sock any more, else those of connect(2).
    pub(crate) fn connect_again(&self, proof: SmcOnly, to: &mut SavedAddress) -> Result {
        let locked = self.lock();
        // SAFETY: alive, by the type invariant.
        if unsafe { bindings::sk_dead(self.as_ptr()) } {
            return Err(NetErrno::ConnAborted.into());
        }
        if self.state() != TcpState::Close {
            // Somebody was faster.
            return Ok(());
        }
        proof.set(&locked, false);
        locked.set_syn_smc(false);
        // SAFETY: the sock is locked and, not being dead, has its `struct socket`. On
        // one that is connecting, and has been closed, connect finds that out, tidies
        // up and leaves it unconnected.
        let done = unsafe {
            let socket = bindings::sk_socket(self.as_ptr());
            let connect = |to: &mut SavedAddress| {
                let flags = bindings::O_NONBLOCK as c_int;
                bindings::__inet_stream_connect(socket, to.as_mut_ptr(), to.len, flags, 0)
            };
            if (*socket).state == bindings::socket_state_SS_CONNECTING {
                connect(to);
            }
            connect(to)
        };
        match to_value(done) {
            Err(e) if !NetErrno::InProgress.is(e) => Err(e),
            _ => Ok(()),
        }
    }

    /// Whether the peer has acknowledged the data of our SYN with its SYN-ACK, or
    /// this end has taken those of the peer's.
    pub(crate) fn syn_data_acked(&self) -> bool {
        // SAFETY: a TCP sock, by the type invariant.
        unsafe { bindings::tcp_syn_data_acked(self.as_ptr()) }
    }

    /// Whether our SYN with data had to be sent again, and they were not acknowledged.
    pub(crate) fn syn_was_lost(&self) -> bool {
        // SAFETY: a TCP sock, by the type invariant.
        unsafe { bindings::tcp_syn_was_lost(self.as_ptr()) }
    }

    /// Whether the application has chosen the local port, so that a SYN of the peer
    /// might be meant for it.
    pub(crate) fn port_is_bound(&self) -> bool {
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::sk_port_is_bound(self.as_ptr()) }
    }

    /// The interface that the sock is bound to; 0 for none. Any context.
    pub(crate) fn bound_interface(&self) -> u32 {
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::sk_bound_interface(self.as_ptr()) }
    }

    /// Address and port of the peer; a mapped address of IPv4 is one of IPv4.
    pub(crate) fn peer(&self) -> (IpAddr, u16) {
        let mut addr = bindings::in6_addr::default();
        let mut port = 0;
        // SAFETY: alive, by the type invariant; both may be written.
        unsafe { bindings::sk_peer(self.as_ptr(), &mut addr, &mut port) };
        // SAFETY: 16 bytes, whatever they are taken for.
        let addr = Ipv6Addr::from(unsafe { addr.in6_u.u6_addr8 });
        (addr.to_canonical(), u16::from_be(port))
    }
}
