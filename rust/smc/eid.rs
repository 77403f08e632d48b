// SPDX-License-Identifier: GPL-2.0

//! Enterprise IDs: hosts talk SMC version 2 to those with one in common.
//!
//! There is one table for all namespaces.

use super::netns::NetData;
use crate::abstractions::net::{errno::NetErrno, Net};
use kernel::{prelude::*, sync::Arc};
use smc_proto::wire::types::Eid;

/// As many as a proposal carries.
pub(crate) const MAX_UEIDS: usize = 8;

/// What hosts have in common that nobody has configured.
const DEFAULT: Eid = Eid(*b"SMCV2-DEFAULT-UEID              ");

/// The user-defined EIDs, in the order they were added in.
#[derive(Clone, Copy)]
pub(crate) struct Table {
    eids: [Eid; MAX_UEIDS],
    len: usize,
}

impl Table {
    /// As at load.
    pub(super) fn new() -> Self {
        Self {
            eids: [DEFAULT; MAX_UEIDS],
            len: 1,
        }
    }

    /// The EIDs.
    pub(crate) fn as_slice(&self) -> &[Eid] {
        self.eids.get(..self.len).unwrap_or_default()
    }

    fn add(&mut self, eid: Eid) -> Result {
        if self.as_slice().contains(&eid) {
            return Err(EEXIST);
        }
        *self.eids.get_mut(self.len).ok_or(ERANGE)? = eid;
        self.len += 1;
        Ok(())
    }

    fn remove(&mut self, eid: &Eid) -> Result {
        let at = self
            .as_slice()
            .iter()
            .position(|e| e == eid)
            .ok_or(ENOENT)?;
        self.eids.copy_within(at + 1..self.len, at);
        self.len -= 1;
        Ok(())
    }
}

fn data() -> Result<Arc<NetData>> {
    NetData::of(Net::init()).ok_or(ENOENT)
}

/// All user-defined EIDs. Any context.
pub(crate) fn list() -> Table {
    let none = Table {
        eids: [DEFAULT; MAX_UEIDS],
        len: 0,
    };
    data().map_or(none, |data| *data.eids.lock())
}

/// Whether `eid` is one of ours. Any context.
pub(crate) fn has(eid: &Eid) -> bool {
    data().is_ok_and(|data| data.eids.lock().as_slice().contains(eid))
}

/// Adds a user-defined EID. Any context.
///
/// # Errors
///
/// `EINVAL` if it is none, `EEXIST` if it is there already, `ERANGE` if there are
/// [`MAX_UEIDS`].
pub(crate) fn add(eid: Eid) -> Result {
    if !eid.is_valid_ueid() {
        return Err(EINVAL);
    }
    data()?.eids.lock().add(eid)
}

/// Removes a user-defined EID. Any context.
///
/// # Errors
///
/// `ENOENT` if it is not there.
pub(crate) fn remove(eid: &Eid) -> Result {
    data()?.eids.lock().remove(eid)
}

/// Removes all user-defined EIDs. Any context.
pub(crate) fn flush() -> Result {
    data()?.eids.lock().len = 0;
    Ok(())
}

/// The system's EID, by which hosts with ISM devices of one machine know each
/// other: this host has none, and nothing to switch on or off.
pub(crate) fn switch_seid() -> Result {
    Err(NetErrno::OpNotSupp.into())
}
