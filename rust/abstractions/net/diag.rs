// SPDX-License-Identifier: GPL-2.0

//! Families of sock_diag.
//!
//! C header: [`include/linux/sock_diag.h`](srctree/include/linux/sock_diag.h)

use super::{
    netlink::{Attrs, Callback, Full, Put},
    sock::Sock,
    AddressFamily, Net,
};
use core::{
    marker::PhantomData,
    mem::{size_of, MaybeUninit},
    ptr::NonNull,
    slice,
};
use kernel::{error::to_result, ffi::c_int, prelude::*, types::ARef};
use smc_bindings as bindings;

/// What `sock_diag` tells of a family of sockets.
pub(crate) trait Diag: 'static {
    /// The family.
    const FAMILY: u8;

    /// Adds messages, until there are no more or there is no room: it is called
    /// again then, with the positions as it left them. Process context; may sleep.
    fn dump(out: &mut DiagDump<'_>) -> Put;
}

/// The handler of a family, of which only dumps can be asked.
#[repr(transparent)]
pub(crate) struct Handler<D: Diag>(bindings::sock_diag_handler, PhantomData<D>);

// SAFETY: it never changes; the kernel only reads it.
unsafe impl<D: Diag> Sync for Handler<D> {}

impl<D: Diag> Handler<D> {
    /// One that keeps `module` loaded while it is asked.
    pub(crate) const fn new(module: &'static ThisModule) -> Self {
        // SAFETY: all-zero bytes are a valid `struct sock_diag_handler`.
        let mut handler: bindings::sock_diag_handler = unsafe { core::mem::zeroed() };
        handler.owner = module.as_ptr().cast();
        handler.family = D::FAMILY;
        handler.dump = Some(request::<D>);
        Self(handler, PhantomData)
    }

    /// Registers it. Process context.
    ///
    /// # Errors
    ///
    /// `EBUSY` if the family has a handler.
    pub(crate) fn register(&'static self) -> Result<HandlerRegistration<D>> {
        // SAFETY: static and complete.
        to_result(unsafe { bindings::sock_diag_register(&self.0) })?;
        // INVARIANT: registered now.
        Ok(HandlerRegistration(self))
    }
}

/// A registered [`Handler`]; unregisters it when dropped.
///
/// # Invariants
///
/// It is registered.
pub(crate) struct HandlerRegistration<D: Diag>(&'static Handler<D>);

impl<D: Diag> Drop for HandlerRegistration<D> {
    fn drop(&mut self) {
        // SAFETY: registered, by the type invariant. Waits until nobody looks at
        // it; who does has the module.
        unsafe { bindings::sock_diag_unregister(&self.0 .0) };
    }
}

/// # Safety
///
/// Called by sock_diag with a request.
unsafe extern "C" fn request<D: Diag>(
    skb: *mut bindings::sk_buff,
    nlh: *mut bindings::nlmsghdr,
) -> c_int {
    // SAFETY: by this function's contract.
    unsafe {
        if (*nlh).nlmsg_type != bindings::SOCK_DIAG_BY_FAMILY as u16
            || u32::from((*nlh).nlmsg_flags) & bindings::NLM_F_DUMP != bindings::NLM_F_DUMP
        {
            return 0;
        }
        bindings::sock_diag_dump_start(skb, nlh, Some(dump::<D>))
    }
}

/// # Safety
///
/// Called by netlink with a dump that `request` has begun.
unsafe extern "C" fn dump<D: Diag>(
    skb: *mut bindings::sk_buff,
    cb: *mut bindings::netlink_callback,
) -> c_int {
    // SAFETY: by this function's contract.
    let mut out = DiagDump(unsafe { Callback::new(skb, cb) });
    // What did not go in goes into the next buffer.
    let _ = D::dump(&mut out);
    out.0.done()
}

/// A dump under way.
pub(crate) struct DiagDump<'a>(Callback<'a>);

impl DiagDump<'_> {
    /// The namespace that is asked for.
    pub(crate) fn net(&self) -> &Net {
        self.0.net()
    }

    /// The `i`th of six numbers that are kept from one call to the next; zero at
    /// the beginning.
    pub(crate) fn position(&mut self, i: usize) -> u64 {
        self.0.position(i)
    }

    /// Changes the `i`th number.
    pub(crate) fn set_position(&mut self, i: usize, value: u64) {
        self.0.set_position(i, value);
    }

    /// The `i`th byte of the request, zero beyond its end.
    pub(crate) fn request_byte(&self, i: usize) -> u8 {
        // SAFETY: the request is there as long as the dump.
        let request = unsafe {
            let nlh = (*self.0.cb).nlh.cast_mut();
            let len = usize::try_from(bindings::nlmsg_len(nlh)).unwrap_or(0);
            slice::from_raw_parts(bindings::nlmsg_data(nlh).cast_const().cast::<u8>(), len)
        };
        request.get(i).copied().unwrap_or(0)
    }

    /// The user that `sock` belongs to, as who asks knows him.
    pub(crate) fn uid_of(&self, sock: &Sock) -> u32 {
        // SAFETY: the sock and the dump are alive.
        unsafe { bindings::sock_diag_uid(self.0.cb, sock.as_ptr()) }
    }

    /// Adds a message of these bytes with what `fill` puts behind them, or nothing.
    pub(crate) fn message(
        &mut self,
        bytes: &[u8],
        fill: impl FnOnce(&mut Attrs<'_>) -> Put,
    ) -> Put {
        let (port, seq) = self.0.asker();
        let len = c_int::try_from(bytes.len()).map_err(|_| Full)?;
        let skb = self.0.skb;
        // SAFETY: the dump's buffer.
        let nlh = unsafe {
            bindings::nlmsg_put(
                skb,
                port,
                seq,
                c_int::from((*(*self.0.cb).nlh).nlmsg_type),
                len,
                bindings::NLM_F_MULTI as c_int,
            )
        };
        if nlh.is_null() {
            return Err(Full);
        }
        // SAFETY: the message has just been begun, with room for the bytes.
        let put = unsafe {
            bindings::nlmsg_data(nlh)
                .cast::<u8>()
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            fill(&mut Attrs::new(skb))
        };
        // SAFETY: as above, and it is still at the end.
        unsafe {
            match put {
                Ok(()) => bindings::nlmsg_end(skb, nlh),
                Err(Full) => bindings::nlmsg_cancel(skb, nlh),
            }
        }
        put
    }
}

/// Which connection a sock is: addresses, ports, bound device and cookie.
#[derive(Clone, Copy)]
pub(crate) struct SockId(bindings::inet_diag_sockid);

impl SockId {
    /// As it stands in messages of sock_diag.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        // SAFETY: a struct of numbers without padding.
        unsafe {
            slice::from_raw_parts(
                (&raw const self.0).cast(),
                size_of::<bindings::inet_diag_sockid>(),
            )
        }
    }

    /// The number that no other sock gets.
    pub(crate) fn cookie(&self) -> u64 {
        let [low, high] = self.0.idiag_cookie;
        u64::from(high) << 32 | u64::from(low)
    }

    /// The connection, if it is there and a file has it. Any context.
    pub(crate) fn find(&self, net: &Net, family: AddressFamily) -> Option<ARef<Sock>> {
        let v6 = family == AddressFamily::Inet6;
        // SAFETY: the namespace is alive. With a reference the result is a live
        // sock, and TCP's.
        unsafe {
            let sk = bindings::tcp_by_diag_id(net.as_ptr(), &self.0, v6);
            (!sk.is_null()).then(|| ARef::from_raw(NonNull::from(Sock::from_raw(sk))))
        }
    }
}

impl Sock {
    /// Which connection it is. Any context.
    pub(crate) fn diag_id(&self) -> SockId {
        let mut id = MaybeUninit::uninit();
        // SAFETY: alive, by the type invariant; all of `id` is written.
        unsafe {
            bindings::sk_diag_id(self.as_ptr(), id.as_mut_ptr());
            SockId(id.assume_init())
        }
    }

    /// The inode of its file; zero without one. Any context.
    pub(crate) fn inode(&self) -> u64 {
        // SAFETY: alive, by the type invariant.
        unsafe { bindings::sock_i_ino(self.as_ptr()) as u64 }
    }
}
