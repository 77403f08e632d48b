// SPDX-License-Identifier: GPL-2.0

//! Messages of netlink, as they are made.
//!
//! C header: [`include/net/netlink.h`](srctree/include/net/netlink.h)

use super::{errno::NetErrno, Net};
use core::marker::PhantomData;
use kernel::{
    ffi::{c_int, c_long},
    prelude::*,
};
use smc_bindings as bindings;

/// There is no room left in the buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Full;

impl From<Full> for Error {
    fn from(_: Full) -> Self {
        NetErrno::MsgSize.into()
    }
}

/// Whether it went in.
pub(crate) type Put = Result<(), Full>;

/// The attributes of a message, or of a nest in it.
///
/// # Invariants
///
/// `skb` is a live buffer that ends with the message.
pub(crate) struct Attrs<'a> {
    skb: *mut bindings::sk_buff,
    _life: PhantomData<&'a mut ()>,
}

impl Attrs<'_> {
    /// # Safety
    ///
    /// `skb` is alive for the life of the result, ends with the message, and
    /// nobody else changes it.
    pub(super) unsafe fn new(skb: *mut bindings::sk_buff) -> Self {
        // INVARIANT: by this function's contract.
        Self {
            skb,
            _life: PhantomData,
        }
    }

    /// Adds these bytes.
    pub(crate) fn bytes(&mut self, attr: u32, value: &[u8]) -> Put {
        let len = c_int::try_from(value.len()).map_err(|_| Full)?;
        // SAFETY: alive, by the type invariant; the bytes are copied.
        put(unsafe { bindings::nla_put(self.skb, attr as c_int, len, value.as_ptr().cast()) })
    }

    /// Adds a `u8`.
    pub(crate) fn u8(&mut self, attr: u32, value: u8) -> Put {
        self.bytes(attr, &[value])
    }

    /// Adds a `u16`.
    pub(crate) fn u16(&mut self, attr: u32, value: u16) -> Put {
        self.bytes(attr, &value.to_ne_bytes())
    }

    /// Adds a `u32`.
    pub(crate) fn u32(&mut self, attr: u32, value: u32) -> Put {
        self.bytes(attr, &value.to_ne_bytes())
    }

    /// Adds a `u64`, aligned, if need be, by an empty attribute `pad`.
    pub(crate) fn u64(&mut self, attr: u32, value: u64, pad: u32) -> Put {
        // SAFETY: alive, by the type invariant.
        put(unsafe { bindings::nla_put_u64_64bit(self.skb, attr as c_int, value, pad as c_int) })
    }

    /// Adds a number in as many bytes as it takes, 4 or 8.
    pub(crate) fn uint(&mut self, attr: u32, value: u64) -> Put {
        // SAFETY: alive, by the type invariant.
        put(unsafe { bindings::nla_put_uint(self.skb, attr as c_int, value) })
    }

    /// Adds text, up to its first NUL, and a NUL.
    pub(crate) fn text(&mut self, attr: u32, value: &[u8]) -> Put {
        let value = value.split(|b| *b == 0).next().unwrap_or_default();
        let len = c_int::try_from(value.len()).map_err(|_| Full)?;
        // SAFETY: alive, by the type invariant.
        let nla = unsafe { bindings::nla_reserve(self.skb, attr as c_int, len + 1) };
        if nla.is_null() {
            return Err(Full);
        }
        // SAFETY: room for the text and a NUL has just been made.
        unsafe {
            let data: *mut u8 = bindings::nla_data(nla).cast();
            data.copy_from_nonoverlapping(value.as_ptr(), value.len());
            data.add(value.len()).write(0);
        }
        Ok(())
    }

    /// Adds a nest with what `fill` puts in.
    pub(crate) fn nest(&mut self, attr: u32, fill: impl FnOnce(&mut Attrs<'_>) -> Put) -> Put {
        // SAFETY: alive, by the type invariant.
        let nest = unsafe { bindings::nla_nest_start(self.skb, attr as c_int) };
        if nest.is_null() {
            return Err(Full);
        }
        // A nest that did not get all goes with its message.
        fill(self)?;
        // SAFETY: begun above, and still in the buffer.
        unsafe { bindings::nla_nest_end(self.skb, nest) };
        Ok(())
    }
}

fn put(ret: c_int) -> Put {
    if ret == 0 {
        Ok(())
    } else {
        Err(Full)
    }
}

/// How many numbers a dump may remember from one buffer to the next.
const POSITIONS: usize = 6;

/// A dump, which goes on in another buffer when one is full.
///
/// # Invariants
///
/// `cb` is that of a dump, whose next buffer is `skb`.
pub(super) struct Callback<'a> {
    pub(super) skb: *mut bindings::sk_buff,
    pub(super) cb: *mut bindings::netlink_callback,
    _life: PhantomData<&'a mut ()>,
}

impl Callback<'_> {
    /// # Safety
    ///
    /// As the invariant says, for the life of the result.
    pub(super) unsafe fn new(
        skb: *mut bindings::sk_buff,
        cb: *mut bindings::netlink_callback,
    ) -> Self {
        // INVARIANT: by this function's contract.
        Self {
            skb,
            cb,
            _life: PhantomData,
        }
    }

    /// The namespace that is asked for.
    pub(super) fn net(&self) -> &Net {
        // SAFETY: alive, by the type invariant; a buffer of a dump belongs to the
        // socket of who asks, which keeps its namespace.
        unsafe {
            let sk = (*self.skb).sk;
            Net::from_raw(bindings::sock_net(sk))
        }
    }

    /// The port of who asks, and the number of the request.
    pub(super) fn asker(&self) -> (u32, u32) {
        // SAFETY: alive, by the type invariant.
        unsafe {
            (
                bindings::netlink_cb_portid(self.cb),
                (*(*self.cb).nlh).nlmsg_seq,
            )
        }
    }

    fn positions(&mut self) -> &mut [c_long; POSITIONS] {
        // SAFETY: alive, by the type invariant; the dump's own memory, zeroed at
        // the beginning.
        unsafe { &mut (*self.cb).__bindgen_anon_1.args }
    }

    /// The `i`th number, zero at the beginning.
    pub(super) fn position(&mut self, i: usize) -> u64 {
        self.positions().get(i).map_or(0, |p| *p as u64)
    }

    /// Changes the `i`th number.
    pub(super) fn set_position(&mut self, i: usize, value: u64) {
        if let Some(p) = self.positions().get_mut(i) {
            *p = value as c_long;
        }
    }

    /// What the kernel is told of how far the dump is: bytes in the buffer. A
    /// dump that has added nothing is over.
    pub(super) fn done(&self) -> c_int {
        // SAFETY: alive, by the type invariant.
        c_int::try_from(unsafe { (*self.skb).len }).unwrap_or(0)
    }
}
