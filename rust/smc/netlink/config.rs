// SPDX-License-Identifier: GPL-2.0

//! What may be asked and changed: EIDs and the limitation of handshakes.

use crate::{
    abstractions::net::{
        genl::{Do, Dump, Dumping, Request},
        netlink::Put,
        smc_uapi::*,
    },
    smc::{
        eid,
        netns::NetData,
        sysctl::{self, Settings},
    },
};
use kernel::prelude::*;
use smc_proto::wire::types::Eid;

/// All user-defined EIDs.
pub(super) struct Ueids;

impl Dump for Ueids {
    fn dump(out: &mut Dumping<'_>) -> Put {
        let table = eid::list();
        let from = out.position(0);
        for (i, eid) in table.as_slice().iter().enumerate().skip(from) {
            out.message(SMC_NETLINK_DUMP_UEID, |attrs| {
                attrs.text(SMC_NLA_EID_TABLE_ENTRY, &eid.0)
            })?;
            out.set_position(0, i + 1);
        }
        Ok(())
    }
}

/// The EID of a request: 32 bytes, and a NUL.
fn eid_of(request: &Request<'_>) -> Result<Eid> {
    let bytes = request.attr(SMC_NLA_EID_TABLE_ENTRY).ok_or(EINVAL)?;
    let (_, eid) = bytes.split_last().ok_or(EINVAL)?;
    eid.try_into().map(Eid).map_err(|_| EINVAL)
}

/// Adds one.
pub(super) struct AddUeid;

impl Do for AddUeid {
    fn run(request: &Request<'_>) -> Result {
        eid::add(eid_of(request)?)
    }
}

/// Removes one.
pub(super) struct RemoveUeid;

impl Do for RemoveUeid {
    fn run(request: &Request<'_>) -> Result {
        eid::remove(&eid_of(request)?)
    }
}

/// Removes all.
pub(super) struct FlushUeids;

impl Do for FlushUeids {
    fn run(_request: &Request<'_>) -> Result {
        eid::flush()
    }
}

/// The system's EID: there is none, which is one empty message.
pub(super) struct Seid;

impl Dump for Seid {
    fn dump(out: &mut Dumping<'_>) -> Put {
        out.single(SMC_NETLINK_DUMP_SEID, |_| Ok(()))
    }
}

/// Switches it on or off.
pub(super) struct SwitchSeid;

impl Do for SwitchSeid {
    fn run(_request: &Request<'_>) -> Result {
        eid::switch_seid()
    }
}

/// Whether new listeners limit their handshakes.
pub(super) struct Limitation;

impl Dump for Limitation {
    fn dump(out: &mut Dumping<'_>) -> Put {
        let on = Settings::of(out.net(), |set| set.limit_hs());
        out.single(SMC_NETLINK_DUMP_HS_LIMITATION, |attrs| {
            attrs.u8(SMC_NLA_HS_LIMITATION_ENABLED, on.into())
        })
    }
}

fn limit(request: &Request<'_>, on: bool) -> Result {
    let data = NetData::of(request.net()).ok_or(ENOENT)?;
    sysctl::set_limit_hs(&data, on);
    Ok(())
}

/// Has them do so.
pub(super) struct EnableLimitation;

impl Do for EnableLimitation {
    fn run(request: &Request<'_>) -> Result {
        limit(request, true)
    }
}

/// Has them not do so.
pub(super) struct DisableLimitation;

impl Do for DisableLimitation {
    fn run(request: &Request<'_>) -> Result {
        limit(request, false)
    }
}
