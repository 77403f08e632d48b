// SPDX-License-Identifier: GPL-2.0

//! The SMC stack on top of the abstractions and the protocol crate.

mod clc;
mod coexist;
mod conn;
mod device;
mod diag;
mod eid;
mod fastopen;
mod group;
mod identity;
mod netlink;
mod netns;
mod path;
mod pnet;
mod session;
mod slots;
mod socket;
mod stats;
mod sysctl;
mod wait;

use kernel::prelude::*;

/// Everything the module has registered with the kernel.
///
/// Fields are dropped in the order they are declared in: the reverse of the
/// order they are made in.
pub(crate) struct Stack {
    _sockets: socket::Registrations,
    _diag: diag::Registration,
    _families: netlink::Families,
    _farewell: group::Farewell,
    _roce: device::Registration,
    _groups: group::Registration,
    _conns: conn::Registration,
    _devices: pnet::DeviceWatch,
    _namespaces: netns::Namespaces,
    _claim: socket::Claim,
    _c_module: coexist::Refusal,
}

impl Stack {
    /// Takes over AF_SMC and IPPROTO_SMC.
    ///
    /// # Errors
    ///
    /// `EEXIST` if the C module has them; the kernel's errors otherwise.
    pub(crate) fn register() -> Result<Self> {
        // First, so that the C module cannot come in between.
        let c_module = coexist::Refusal::register()?;
        let claim = socket::Claim::register()?;
        identity::choose();
        let namespaces = netns::Namespaces::register()?;
        let devices = pnet::DeviceWatch::register()?;
        let families = netlink::Families::register()?;
        let diag = diag::Registration::register()?;
        let conns = conn::Registration::register()?;
        let groups = group::Registration::register()?;
        let roce = device::Registration::register()?;
        let sockets = socket::Registrations::register()?;
        fastopen::announce();
        Ok(Self {
            _sockets: sockets,
            _diag: diag,
            _families: families,
            _farewell: group::Farewell,
            _roce: roce,
            _groups: groups,
            _conns: conns,
            _devices: devices,
            _namespaces: namespaces,
            _claim: claim,
            _c_module: c_module,
        })
    }
}
