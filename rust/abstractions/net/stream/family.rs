// SPDX-License-Identifier: GPL-2.0

//! TCP over IPv4 and over IPv6, and our sockets made from it.

use super::{ops, StreamSocket};
use crate::abstractions::module_ref::ModuleRef;
use crate::abstractions::net::{
    attach::{Attached, Defaults},
    proto::{Proto, ProtoRegistration},
    sock::Sock,
    socket, AddressFamily, Net,
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::zeroed,
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};
use kernel::{
    error::{from_result, to_result},
    ffi::c_int,
    prelude::*,
};
use smc_bindings as bindings;

/// TCP itself, of one address family.
///
/// # Invariants
///
/// Each pointer is null or a static object of the kernel.
pub(crate) struct Base {
    ops: AtomicPtr<bindings::proto_ops>,
    prot: AtomicPtr<bindings::proto>,
    pub(super) af_ops: AtomicPtr<bindings::inet_connection_sock_af_ops>,
}

impl Base {
    const fn new() -> Self {
        Self {
            ops: AtomicPtr::new(ptr::null_mut()),
            prot: AtomicPtr::new(ptr::null_mut()),
            af_ops: AtomicPtr::new(ptr::null_mut()),
        }
    }

    pub(crate) fn of(family: AddressFamily) -> &'static Self {
        static INET: Base = Base::new();
        static INET6: Base = Base::new();
        match family {
            AddressFamily::Inet => &INET,
            AddressFamily::Inet6 => &INET6,
        }
    }

    /// The operations of a TCP socket.
    pub(in crate::abstractions::net) fn ops(&self) -> &'static bindings::proto_ops {
        // SAFETY: static, by the type invariant; it is known since before there
        // were sockets of the family.
        unsafe { &*self.ops.load(Ordering::Relaxed) }
    }

    fn prot(&self) -> *mut bindings::proto {
        self.prot.load(Ordering::Relaxed)
    }

    /// Learns from a new socket what TCP is made of: not all of it is exported.
    /// Process context.
    ///
    /// # Errors
    ///
    /// What socket(2) gives for such a socket; `EAFNOSUPPORT` if IPv6 is off.
    fn learn(family: AddressFamily) -> Result<&'static Self> {
        let base = Self::of(family);
        let mut sock = ptr::null_mut();
        // SAFETY: the first namespace is always there; `sock` may be written.
        to_result(unsafe {
            bindings::sock_create_kern(
                Net::init().as_ptr(),
                family.as_raw(),
                bindings::sock_type_SOCK_STREAM as c_int,
                bindings::IPPROTO_TCP as c_int,
                &mut sock,
            )
        })?;
        // SAFETY: a fresh TCP socket of ours; no socket of the family is attached,
        // as its registration comes later.
        // INVARIANT: its operations and protocol are statics of TCP's.
        unsafe {
            let sk = (*sock).sk;
            base.ops
                .store(bindings::socket_ops(sock).cast_mut(), Ordering::Relaxed);
            base.prot.store(bindings::sk_prot(sk), Ordering::Relaxed);
            base.af_ops
                .store(bindings::icsk_af_ops(sk).cast_mut(), Ordering::Relaxed);
            Defaults::learn(family, sk);
            bindings::sock_release(sock);
        }
        Ok(base)
    }
}

/// `socket(AF_INET…, SOCK_STREAM, protocol)`, made from TCP.
///
/// # Invariants
///
/// Once registered, nothing but `protosw`'s list entry changes, and that by the
/// kernel.
pub(crate) struct Family<T: StreamSocket> {
    family: AddressFamily,
    protocol: u16,
    module: &'static ThisModule,
    proto: &'static Proto,
    ops: UnsafeCell<bindings::proto_ops>,
    protosw: UnsafeCell<bindings::inet_protosw>,
    pub(super) af_ops: UnsafeCell<bindings::inet_connection_sock_af_ops>,
    _data: PhantomData<T>,
}

// SAFETY: only read once registered, but for what the kernel serialises.
unsafe impl<T: StreamSocket> Sync for Family<T> {}

impl<T: StreamSocket> Family<T> {
    /// Sockets of `family` whose socks come from `proto`, and which keep
    /// `module` loaded.
    pub(crate) const fn new(
        family: AddressFamily,
        protocol: u16,
        proto: &'static Proto,
        module: &'static ThisModule,
    ) -> Self {
        Self {
            family,
            protocol,
            module,
            proto,
            // SAFETY: all-zero bytes are valid in these three.
            ops: UnsafeCell::new(unsafe { zeroed() }),
            // SAFETY: as above.
            protosw: UnsafeCell::new(unsafe { zeroed() }),
            // SAFETY: as above.
            af_ops: UnsafeCell::new(unsafe { zeroed() }),
            _data: PhantomData,
        }
    }

    /// The protocol by which a new socket is counted.
    pub(crate) fn proto(&self) -> &'static Proto {
        self.proto
    }

    /// Registers it. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `EBUSY` if it is registered already; the kernel's errors otherwise, those
    /// of IPv6 being off among them.
    pub(crate) fn register(&'static self) -> Result<FamilyRegistration<T>> {
        let base = Base::learn(self.family)?;
        // SAFETY: TCP's protocol is registered; `init` does as asked.
        let proto = unsafe { self.proto.register_like(base.prot(), Self::init) }?;
        // SAFETY: ours alone: the protocol could be registered, so this is the
        // only registration. TCP's tables are static.
        unsafe {
            *self.ops.get() = ops::table::<T>(base.ops(), self.module);
            *self.af_ops.get() = super::listen::table::<T>(base);
            let protosw = self.protosw.get();
            (*protosw).type_ = bindings::sock_type_SOCK_STREAM as _;
            (*protosw).protocol = self.protocol;
            (*protosw).prot = self.proto.as_ptr();
            (*protosw).ops = self.ops.get();
            (*protosw).flags = bindings::INET_PROTOSW_ICSK as _;
            match self.family {
                AddressFamily::Inet => bindings::inet_register_protosw(protosw),
                AddressFamily::Inet6 => to_result(bindings::inet6_register_protosw(protosw))?,
            }
        }
        Ok(FamilyRegistration {
            family: self,
            _proto: proto,
        })
    }

    /// Makes `socket`, of a family of its own, one of these. Process context.
    ///
    /// # Errors
    ///
    /// What socket(2) gives for a TCP socket.
    ///
    /// # Safety
    ///
    /// Nobody else has `socket`, and it has no sock.
    pub(in crate::abstractions::net) unsafe fn make(
        &'static self,
        socket: *mut bindings::socket,
        net: &Net,
        kern: c_int,
    ) -> Result {
        // SAFETY: by this function's contract.
        unsafe { socket::move_in(socket, net, self.family, self.protocol.into(), kern) }
    }

    /// Makes a new sock of our protocol one of TCP, with our data on it.
    ///
    /// # Safety
    ///
    /// Called by inet_create() or inet6_create() with a new sock of this family.
    unsafe extern "C" fn init(sk: *mut bindings::sock) -> c_int {
        // SAFETY: the family is that of one of our two statics.
        let (family, base) = unsafe {
            let family = if c_int::from(bindings::sk_family(sk)) == super::super::PF_INET6 {
                AddressFamily::Inet6
            } else {
                AddressFamily::Inet
            };
            (family, Base::of(family))
        };
        // SAFETY: the reference that sk_alloc() has counted for our protocol, and
        // that would be put for `sk_prot_creator`, which becomes TCP's. Nobody else
        // has the sock.
        let (module, ret) = unsafe {
            (*sk).sk_protocol = bindings::IPPROTO_TCP as u16;
            (*sk).sk_prot_creator = base.prot();
            bindings::sk_set_prot(sk, base.prot());
            let module = ModuleRef::from_counted();
            let ret = match (*base.prot()).init {
                Some(init) => init(sk),
                None => 0,
            };
            (module, ret)
        };
        if ret != 0 {
            return ret;
        }
        from_result(|| {
            // SAFETY: a TCP sock now.
            let sock = unsafe { Sock::from_raw(sk) };
            let data = Attached::new(Some(module), T::new(family, sock.net()))?;
            Attached::attach(&data, &sock.lock())?;
            T::family(family).proto.count(sock, 1);
            Ok(0)
        })
    }
}

/// A registered [`Family`]; unregisters it when dropped.
///
/// # Invariants
///
/// The family is registered.
pub(crate) struct FamilyRegistration<T: StreamSocket> {
    family: &'static Family<T>,
    _proto: ProtoRegistration,
}

impl<T: StreamSocket> Drop for FamilyRegistration<T> {
    /// Process context; may sleep. The protocol goes after.
    fn drop(&mut self) {
        let protosw = self.family.protosw.get();
        match self.family.family {
            // SAFETY: registered there, by the type invariant. Waits for readers.
            AddressFamily::Inet => unsafe { bindings::inet_unregister_protosw(protosw) },
            // SAFETY: as above.
            AddressFamily::Inet6 => unsafe { bindings::inet6_unregister_protosw(protosw) },
        }
    }
}
