// SPDX-License-Identifier: GPL-2.0

//! What a simulated host has.

use crate::handshake::{IsmKey, Lookup};
use crate::wire::clc::IpArea;
use crate::wire::types::{Eid, Gid};

/// The answers of a host with one RoCE port and SMC-Rv2, as rxe makes it.
pub(super) struct Devices {
    pub(super) ueid: Eid,
}

impl Lookup for Devices {
    fn ism_v2_capable(&mut self) -> bool {
        false
    }
    fn ism_v2(&mut self, _peer: &IsmKey) -> bool {
        false
    }
    fn ism_v1(&mut self, _gid: u64) -> bool {
        false
    }
    fn roce_v2(&mut self, gid: &Gid) -> bool {
        gid.ipv4().is_some()
    }
    fn roce_v1(&mut self) -> bool {
        false
    }
    fn same_subnet(&mut self, _ip: &IpArea<'_>) -> bool {
        true
    }
    fn vlan(&mut self) -> bool {
        true
    }
    fn has_ueid(&mut self, eid: &Eid) -> bool {
        *eid == self.ueid
    }
    fn seid(&mut self) -> Option<Eid> {
        None
    }
}
