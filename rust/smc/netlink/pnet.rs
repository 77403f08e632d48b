// SPDX-License-Identifier: GPL-2.0

//! The generic netlink family SMC_PNETID.

use crate::{
    abstractions::net::{
        genl::{Do, Dump, Dumping, Family, Op, Policy, Request},
        netlink::{Attrs, Put},
        smc_uapi::*,
    },
    smc::{
        netns::NetData,
        pnet::{self, Entry, Member, PnetId, MAX_PORTS},
    },
    THIS_MODULE,
};
use kernel::{c_str, prelude::*};

static POLICY: [Policy; 5] = [
    Policy::NONE,
    // SMC_PNETID_NAME, _ETHNAME, _IBNAME, _IBPORT
    Policy::nul_string(16),
    Policy::nul_string(15),
    Policy::nul_string(63),
    Policy::U8,
];

static OPS: [Op; 4] = [
    Op::new(SMC_PNETID_GET)
        .does::<Get>()
        .dumps::<All>()
        .lenient(),
    Op::new(SMC_PNETID_ADD).does::<Add>().admin().lenient(),
    Op::new(SMC_PNETID_DEL).does::<Del>().admin().lenient(),
    Op::new(SMC_PNETID_FLUSH).does::<Flush>().admin().lenient(),
];

pub(super) static FAMILY: Family = Family::new(
    c_str!("SMC_PNETID"),
    1,
    &POLICY,
    &OPS,
    SMC_PNETID_FLUSH + 1,
    &THIS_MODULE,
);

fn put_entry(attrs: &mut Attrs<'_>, entry: &Entry) -> Put {
    attrs.text(SMC_PNETID_NAME, entry.id.as_bytes())?;
    match &entry.member {
        Member::Eth { name, .. } => {
            attrs.text(SMC_PNETID_ETHNAME, name)?;
            attrs.text(SMC_PNETID_IBNAME, b"n/a")?;
            attrs.u8(SMC_PNETID_IBPORT, 0xff)
        }
        Member::Ib { name, port } => {
            attrs.text(SMC_PNETID_ETHNAME, b"n/a")?;
            attrs.text(SMC_PNETID_IBNAME, name)?;
            attrs.u8(SMC_PNETID_IBPORT, *port)
        }
    }
}

/// The whole table.
struct All;

impl Dump for All {
    fn dump(out: &mut Dumping<'_>) -> Put {
        let from = out.position(0);
        let mut at = 0;
        let mut put = Ok(());
        let Some(data) = NetData::of(out.net()) else {
            return Ok(());
        };
        pnet::for_each(&data, None, |entry| {
            at += 1;
            if at > from {
                put = out.message(SMC_PNETID_GET, |attrs| put_entry(attrs, entry));
                if put.is_ok() {
                    out.set_position(0, at);
                }
            }
            put.is_ok()
        });
        put
    }
}

/// What is on one network.
struct Get;

impl Do for Get {
    fn run(request: &Request<'_>) -> Result {
        let name = request.text(SMC_PNETID_NAME).ok_or(EINVAL)?;
        request.reply(|out| {
            let Some(data) = NetData::of(request.net()) else {
                return;
            };
            // What there is no room for is left out.
            pnet::for_each(&data, Some(name.as_bytes()), |entry| {
                out.message(SMC_PNETID_GET, |attrs| put_entry(attrs, entry))
                    .is_ok()
            });
        })
    }
}

/// Adds a network device, or a port of an RDMA device, or both.
struct Add;

impl Do for Add {
    fn run(request: &Request<'_>) -> Result {
        let name = request.text(SMC_PNETID_NAME).ok_or(EINVAL)?;
        let id = PnetId::parse(name.as_bytes()).ok_or(EINVAL)?;
        let mut any = false;
        let mut added = |done: Result| match done {
            Ok(()) => {
                any = true;
                Ok(())
            }
            // The other one may not be there yet.
            Err(e) if e == EEXIST => Ok(()),
            Err(e) => Err(e),
        };
        if let Some(device) = request.text(SMC_PNETID_ETHNAME) {
            added(pnet::add_eth(request.net(), id, device))?;
        }
        let ib = request.text(SMC_PNETID_IBNAME);
        // RDMA devices are the first namespace's.
        if let Some(device) = ib.filter(|_| request.net().is_init()) {
            let port = match request.attr(SMC_PNETID_IBPORT) {
                Some(port) => *port.first().ok_or(EINVAL)?,
                None => 1,
            };
            if !(1..=MAX_PORTS).contains(&port) {
                return Err(EINVAL);
            }
            added(pnet::add_ib(id, pnet::trim(device.as_bytes()), port))?;
        }
        if any {
            Ok(())
        } else {
            Err(EEXIST)
        }
    }
}

/// Removes all that is on one network.
struct Del;

impl Do for Del {
    fn run(request: &Request<'_>) -> Result {
        let name = request.text(SMC_PNETID_NAME).ok_or(EINVAL)?;
        pnet::remove(request.net(), name.as_bytes())
    }
}

/// Removes all.
struct Flush;

impl Do for Flush {
    fn run(request: &Request<'_>) -> Result {
        pnet::flush(request.net());
        Ok(())
    }
}
