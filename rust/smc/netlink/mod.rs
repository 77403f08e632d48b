// SPDX-License-Identifier: GPL-2.0

//! The generic netlink family SMC_GEN_NETLINK, SMC_PNETID, and one of our own.

mod config;
mod objects;
mod own;
mod pnet;
pub(crate) mod sources;
mod stats;

use crate::{
    abstractions::net::{
        genl::{Family, FamilyRegistration, Op, Policy},
        smc_uapi::*,
    },
    THIS_MODULE,
};
use kernel::{c_str, prelude::*};

pub(crate) use objects::gid_text;

/// No attribute is taken but by the commands that have a policy of their own.
static NO_ATTRS: [Policy; 2] = [Policy::NONE, Policy::REJECT];

static EID: [Policy; 2] = [Policy::NONE, Policy::string(32)];

static OPS: [Op; 18] = [
    Op::new(SMC_NETLINK_GET_SYS_INFO).dumps::<objects::SysInfo>(),
    Op::new(SMC_NETLINK_GET_LGR_SMCR).dumps::<objects::Groups>(),
    Op::new(SMC_NETLINK_GET_LINK_SMCR).dumps::<objects::Links>(),
    // A host without ISM devices.
    Op::new(SMC_NETLINK_GET_LGR_SMCD).dumps::<objects::Nothing>(),
    Op::new(SMC_NETLINK_GET_DEV_SMCD).dumps::<objects::Nothing>(),
    Op::new(SMC_NETLINK_GET_DEV_SMCR).dumps::<objects::Devices>(),
    Op::new(SMC_NETLINK_GET_STATS).dumps::<stats::Counters>(),
    Op::new(SMC_NETLINK_GET_FBACK_STATS).dumps::<stats::Fallbacks>(),
    Op::new(SMC_NETLINK_DUMP_UEID).dumps::<config::Ueids>(),
    Op::new(SMC_NETLINK_ADD_UEID)
        .does::<config::AddUeid>()
        .admin()
        .policy(&EID),
    Op::new(SMC_NETLINK_REMOVE_UEID)
        .does::<config::RemoveUeid>()
        .admin()
        .policy(&EID),
    Op::new(SMC_NETLINK_FLUSH_UEID)
        .does::<config::FlushUeids>()
        .admin(),
    Op::new(SMC_NETLINK_DUMP_SEID).dumps::<config::Seid>(),
    Op::new(SMC_NETLINK_ENABLE_SEID)
        .does::<config::SwitchSeid>()
        .admin(),
    Op::new(SMC_NETLINK_DISABLE_SEID)
        .does::<config::SwitchSeid>()
        .admin(),
    Op::new(SMC_NETLINK_DUMP_HS_LIMITATION).dumps::<config::Limitation>(),
    Op::new(SMC_NETLINK_ENABLE_HS_LIMITATION)
        .does::<config::EnableLimitation>()
        .admin(),
    Op::new(SMC_NETLINK_DISABLE_HS_LIMITATION)
        .does::<config::DisableLimitation>()
        .admin(),
];

static FAMILY: Family = Family::new(
    c_str!("SMC_GEN_NETLINK"),
    1,
    &NO_ATTRS,
    &OPS,
    SMC_NETLINK_DISABLE_HS_LIMITATION + 1,
    &THIS_MODULE,
);

/// The families, registered.
pub(super) struct Families {
    _own: FamilyRegistration,
    _pnet: FamilyRegistration,
    _generic: FamilyRegistration,
}

impl Families {
    /// Process context; may sleep.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub(super) fn register() -> Result<Self> {
        let generic = FAMILY.register()?;
        let pnet = pnet::FAMILY.register()?;
        let own = own::FAMILY.register()?;
        Ok(Self {
            _own: own,
            _pnet: pnet,
            _generic: generic,
        })
    }
}
