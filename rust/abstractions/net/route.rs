// SPDX-License-Identifier: GPL-2.0

//! Where a connection goes through.
//!
//! C headers: [`include/net/dst.h`](srctree/include/net/dst.h),
//! [`include/linux/inetdevice.h`](srctree/include/linux/inetdevice.h)

use super::{
    netdev::{Mac, NetDevice},
    sock::Sock,
    socket::Address,
};
use core::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ptr, slice,
};
use kernel::{error::to_result, ffi::c_void, prelude::*, types::ARef};
use smc_bindings as bindings;

/// The way to a peer.
pub(crate) struct Route {
    /// The device that packets leave by. Not to be kept for long.
    pub(crate) netdev: ARef<NetDevice>,
    /// This end's address; a mapped one of IPv4 is one of IPv4.
    pub(crate) saddr: IpAddr,
    /// Whether the peer is this host.
    pub(crate) is_local: bool,
}

/// What C fills in.
struct Found {
    dev: *mut bindings::net_device,
    saddr: bindings::in6_addr,
    is_local: bool,
}

impl Found {
    fn nothing() -> Self {
        Self {
            dev: ptr::null_mut(),
            saddr: bindings::in6_addr::default(),
            is_local: false,
        }
    }

    /// # Safety
    ///
    /// `dev` is null, or comes with a reference that is given up.
    unsafe fn into_route(self) -> Option<Route> {
        let addr = |addr: bindings::in6_addr| {
            // SAFETY: 16 bytes, whatever they are taken for.
            Ipv6Addr::from(unsafe { addr.in6_u.u6_addr8 }).to_canonical()
        };
        Some(Route {
            // SAFETY: by this function's contract.
            netdev: unsafe { NetDevice::from_counted(self.dev) }?,
            saddr: addr(self.saddr),
            is_local: self.is_local,
        })
    }
}

impl Route {
    /// The way that connect(2) of TCP to this address would take now: with the
    /// namespace, bound address and device, mark, user and type of service of the
    /// sock. A BPF program that changes the address in connect(2) is not asked.
    /// Process context, without the sock's lock.
    ///
    /// # Errors
    ///
    /// What connect(2) would give.
    pub(crate) fn lookup(sock: &Sock, to: &Address<'_>) -> Result<Self> {
        let (addr, len) = to.as_raw();
        let mut found = Found::nothing();
        let locked = sock.lock();
        // SAFETY: alive and locked; the address may be read for its length, the
        // rest may be written.
        to_result(unsafe {
            bindings::route_connect(
                sock.as_ptr(),
                addr,
                len,
                &mut found.dev,
                &mut found.saddr,
                &mut found.is_local,
            )
        })?;
        drop(locked);
        // SAFETY: the device has a reference for us.
        unsafe { found.into_route() }.ok_or(ENODEV)
    }

    /// The way that a connection takes, if it is known. Process context, without
    /// the sock's lock.
    pub(crate) fn of(sock: &Sock) -> Option<Self> {
        let mut found = Found::nothing();
        let locked = sock.lock();
        // SAFETY: alive and locked; the rest may be written.
        unsafe {
            bindings::route_of(
                sock.as_ptr(),
                &mut found.dev,
                &mut found.saddr,
                &mut found.is_local,
            )
        };
        drop(locked);
        // SAFETY: null if there is none, else it has a reference for us.
        unsafe { found.into_route() }
    }
}

/// Where packets go next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct NextHop {
    /// Whether a router is next.
    pub(crate) gateway: bool,
    /// The MAC address of who is next. If it is not known, the neighbour is asked.
    pub(crate) mac: Option<Mac>,
}

/// An address in network byte order.
fn wire(addr: Ipv4Addr) -> u32 {
    u32::from_ne_bytes(addr.octets())
}

/// Whether `addr` is none of this host's, and not one of several hosts, as far as the
/// routing tables of the namespace of `dev` say. Process context.
pub(crate) fn is_unicast(dev: &NetDevice, addr: Ipv4Addr) -> bool {
    // SAFETY: the device is alive.
    unsafe { bindings::route_is_unicast(dev.as_ptr(), wire(addr)) }
}

/// Where packets from `saddr`, an address of `dev`, to `daddr` go next: in the
/// namespace of the device. Process context.
///
/// # Errors
///
/// `EHOSTUNREACH` if that is not an Ethernet neighbour, `ENETUNREACH` if it is this host,
/// or several ones, `ENODEV` if the namespace ends, or what the routing table says.
pub(crate) fn next_hop(dev: &NetDevice, saddr: Ipv4Addr, daddr: Ipv4Addr) -> Result<NextHop> {
    let (mut gateway, mut known) = (false, false);
    let mut mac = Mac::default();
    // SAFETY: the device is alive; the rest may be written.
    to_result(unsafe {
        bindings::route_next_hop(
            dev.as_ptr(),
            wire(saddr),
            wire(daddr),
            &mut gateway,
            &mut known,
            mac.as_mut_ptr(),
        )
    })?;
    Ok(NextHop {
        gateway,
        mac: known.then_some(mac),
    })
}

/// Whether `wanted` says yes to one of the addresses, with the length of its
/// prefix, of the device that `sock` is connected through. Process context;
/// `wanted` must not sleep.
pub(crate) fn any_address<F: FnMut(IpAddr, u8) -> bool>(sock: &Sock, mut wanted: F) -> bool {
    let ctx: *mut F = &mut wanted;
    let _locked = sock.lock();
    // SAFETY: the sock is alive and locked; `each` gets `ctx`, an `F`.
    unsafe { bindings::sk_dev_any_addr(sock.as_ptr(), Some(each_address::<F>), ctx.cast()) }
}

/// # Safety
///
/// `ctx` is an `F` that nobody else uses; `addr` is an address of `len` bytes.
pub(super) unsafe extern "C" fn each_address<F: FnMut(IpAddr, u8) -> bool>(
    ctx: *mut c_void,
    addr: *const u8,
    len: usize,
    prefix_len: u8,
) -> bool {
    // SAFETY: by this function's contract.
    let (wanted, bytes) = unsafe { (&mut *ctx.cast::<F>(), slice::from_raw_parts(addr, len)) };
    let addr = if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        IpAddr::from(v4)
    } else if let Ok(v6) = <[u8; 16]>::try_from(bytes) {
        IpAddr::from(v6)
    } else {
        return false;
    };
    wanted(addr, prefix_len)
}
