// SPDX-License-Identifier: GPL-2.0

//! What this host has for SMC, as a server's handshake asks for it.

use crate::abstractions::net::{route, sock::Sock};
use smc_proto::{
    handshake::{IsmKey, Lookup},
    wire::{
        clc::IpArea,
        types::{Eid, Gid},
    },
};

/// A host without RoCE and ISM devices.
pub(crate) struct NoDevices<'a> {
    connection: &'a Sock,
}

impl<'a> NoDevices<'a> {
    /// The answers for one connection.
    pub(crate) fn of(connection: &'a Sock) -> Self {
        Self { connection }
    }
}

impl Lookup for NoDevices<'_> {
    fn ism_v2_capable(&mut self) -> bool {
        false
    }

    fn ism_v2(&mut self, _peer: &IsmKey) -> bool {
        false
    }

    fn ism_v1(&mut self, _gid: u64) -> bool {
        false
    }

    fn roce_v2(&mut self, _gid: &Gid) -> bool {
        false
    }

    fn roce_v1(&mut self) -> bool {
        false
    }

    fn same_subnet(&mut self, ip: &IpArea<'_>) -> bool {
        route::any_address(self.connection, |addr, len| ip.matches(addr, len))
    }

    fn vlan(&mut self) -> bool {
        true
    }

    fn has_ueid(&mut self, _eid: &Eid) -> bool {
        false
    }

    fn seid(&mut self) -> Option<Eid> {
        None
    }
}
