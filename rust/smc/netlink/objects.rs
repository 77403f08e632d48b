// SPDX-License-Identifier: GPL-2.0

//! What this host is, its link groups, links and devices.

use super::sources::{self, DeviceInfo, GroupInfo, GroupV2, LinkInfo, PortInfo};
use crate::{
    abstractions::net::{
        genl::{Dump, Dumping},
        netlink::{Attrs, Put},
        smc_uapi::*,
    },
    smc::{identity, pnet::PnetId},
};
use smc_proto::wire::types::Gid;

/// The version of SMC, and its release.
const VERSION: u8 = 2;
const RELEASE: u8 = 1;

/// This host.
pub(super) struct SysInfo;

impl Dump for SysInfo {
    fn dump(out: &mut Dumping<'_>) -> Put {
        out.single(SMC_NETLINK_GET_SYS_INFO, |attrs| {
            attrs.nest(SMC_GEN_SYS_INFO, |attrs| {
                attrs.u8(SMC_NLA_SYS_VER, VERSION)?;
                attrs.u8(SMC_NLA_SYS_REL, RELEASE)?;
                attrs.u8(SMC_NLA_SYS_IS_ISM_V2, 0)?;
                attrs.u8(SMC_NLA_SYS_IS_SMCR_V2, 1)?;
                attrs.text(SMC_NLA_SYS_LOCAL_HOST, &identity::hostname().0)
            })
        })
    }
}

/// What this host has none of.
pub(super) struct Nothing;

impl Dump for Nothing {
    fn dump(_out: &mut Dumping<'_>) -> Put {
        Ok(())
    }
}

/// Link groups of SMC-R.
pub(super) struct Groups;

impl Dump for Groups {
    fn dump(out: &mut Dumping<'_>) -> Put {
        dump_groups(out, false)
    }
}

/// Link groups and, after each, its links.
pub(super) struct Links;

impl Dump for Links {
    fn dump(out: &mut Dumping<'_>) -> Put {
        dump_groups(out, true)
    }
}

/// The first position is of the group, the second of its next message.
fn dump_groups(out: &mut Dumping<'_>, with_links: bool) -> Put {
    let (from, mut part) = (out.position(0), out.position(1));
    let mut at = 0;
    let mut put = Ok(());
    sources::for_each_group(&mut |group, links| {
        at += 1;
        if at <= from {
            return true;
        }
        let links = if with_links { links } else { &[] };
        while put.is_ok() && part <= links.len() {
            put = match part.checked_sub(1).and_then(|i| links.get(i)) {
                None => out.message(SMC_NETLINK_GET_LGR_SMCR, |attrs| put_group(attrs, group)),
                Some(link) => out.message(SMC_NETLINK_GET_LINK_SMCR, |attrs| put_link(attrs, link)),
            };
            if put.is_ok() {
                part += 1;
            }
        }
        if put.is_ok() {
            part = 0;
            out.set_position(0, at);
        }
        put.is_ok()
    });
    out.set_position(1, part);
    put
}

fn put_pnet_id(attrs: &mut Attrs<'_>, attr: u32, id: Option<PnetId>) -> Put {
    match id {
        Some(id) => attrs.text(attr, id.as_bytes()),
        None => attrs.text(attr, b""),
    }
}

fn put_group(attrs: &mut Attrs<'_>, group: &GroupInfo) -> Put {
    attrs.nest(SMC_GEN_LGR_SMCR, |attrs| {
        attrs.u32(SMC_NLA_LGR_R_ID, group.id)?;
        attrs.u32(SMC_NLA_LGR_R_CONNS_NUM, group.conns)?;
        attrs.u8(SMC_NLA_LGR_R_ROLE, group.server.into())?;
        attrs.u8(SMC_NLA_LGR_R_TYPE, group.kind)?;
        attrs.u8(SMC_NLA_LGR_R_BUF_TYPE, group.buf_type)?;
        attrs.u8(SMC_NLA_LGR_R_VLAN_ID, group.vlan)?;
        attrs.u64(
            SMC_NLA_LGR_R_NET_COOKIE,
            group.net_cookie,
            SMC_NLA_LGR_R_PAD,
        )?;
        put_pnet_id(attrs, SMC_NLA_LGR_R_PNETID, group.pnet_id)?;
        attrs.uint(SMC_NLA_LGR_R_SNDBUF_ALLOC, group.sndbufs)?;
        attrs.uint(SMC_NLA_LGR_R_RMB_ALLOC, group.rmbs)?;
        match &group.v2 {
            Some(v2) => put_v2(attrs, v2),
            None => Ok(()),
        }
    })
}

fn put_v2(attrs: &mut Attrs<'_>, v2: &GroupV2) -> Put {
    attrs.nest(SMC_NLA_LGR_R_V2_COMMON, |attrs| {
        attrs.u8(SMC_NLA_LGR_V2_VER, v2.version)?;
        attrs.u8(SMC_NLA_LGR_V2_REL, v2.release)?;
        attrs.u8(SMC_NLA_LGR_V2_OS, v2.os)?;
        attrs.text(SMC_NLA_LGR_V2_PEER_HOST, &v2.host.0)?;
        attrs.text(SMC_NLA_LGR_V2_NEG_EID, &v2.eid.0)
    })?;
    attrs.nest(SMC_NLA_LGR_R_V2, |attrs| {
        attrs.u8(SMC_NLA_LGR_R_V2_DIRECT, v2.direct.into())?;
        attrs.u8(SMC_NLA_LGR_R_V2_MAX_CONNS, v2.max_conns)?;
        attrs.u8(SMC_NLA_LGR_R_V2_MAX_LINKS, v2.max_links)
    })
}

/// A GID as users read it: eight groups of four digits.
pub(crate) fn gid_text(gid: &Gid) -> [u8; 40] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 40];
    let mut to = text.iter_mut();
    for (i, byte) in gid.0.iter().enumerate() {
        let colon = (i != 0 && i % 2 == 0).then_some(b':');
        let digit = |n: u8| DIGITS.get(usize::from(n)).copied().unwrap_or(b'0');
        let chars = [digit(byte >> 4), digit(byte & 0xf)];
        for (c, to) in colon.into_iter().chain(chars).zip(to.by_ref()) {
            *to = c;
        }
    }
    text
}

fn put_link(attrs: &mut Attrs<'_>, link: &LinkInfo) -> Put {
    attrs.nest(SMC_GEN_LINK_SMCR, |attrs| {
        attrs.u8(SMC_NLA_LINK_ID, link.id)?;
        attrs.u32(SMC_NLA_LINK_STATE, link.state)?;
        attrs.u32(SMC_NLA_LINK_CONN_CNT, link.conns)?;
        attrs.u8(SMC_NLA_LINK_IB_PORT, link.port)?;
        attrs.u32(SMC_NLA_LINK_NET_DEV, link.ifindex)?;
        attrs.text(SMC_NLA_LINK_IB_DEV, &link.device)?;
        attrs.u32(SMC_NLA_LINK_UID, u32::from_ne_bytes(link.uid))?;
        attrs.u32(SMC_NLA_LINK_PEER_UID, u32::from_ne_bytes(link.peer_uid))?;
        attrs.text(SMC_NLA_LINK_GID, &gid_text(&link.gid))?;
        attrs.text(SMC_NLA_LINK_PEER_GID, &gid_text(&link.peer_gid))
    })
}

/// RDMA devices.
pub(super) struct Devices;

impl Dump for Devices {
    fn dump(out: &mut Dumping<'_>) -> Put {
        let from = out.position(0);
        let mut at = 0;
        let mut put = Ok(());
        sources::for_each_device(&mut |device| {
            at += 1;
            if at <= from {
                return true;
            }
            put = out.message(SMC_NETLINK_GET_DEV_SMCR, |attrs| put_device(attrs, device));
            if put.is_ok() {
                out.set_position(0, at);
            }
            put.is_ok()
        });
        put
    }
}

fn put_device(attrs: &mut Attrs<'_>, device: &DeviceInfo) -> Put {
    attrs.nest(SMC_GEN_DEV_SMCR, |attrs| {
        attrs.u8(SMC_NLA_DEV_IS_CRIT, device.critical.into())?;
        if let Some(pci) = &device.pci {
            attrs.u32(SMC_NLA_DEV_PCI_FID, 0)?;
            attrs.u16(SMC_NLA_DEV_PCI_CHID, 0)?;
            attrs.u16(SMC_NLA_DEV_PCI_VENDOR, pci.vendor)?;
            attrs.u16(SMC_NLA_DEV_PCI_DEVICE, pci.device)?;
            attrs.text(SMC_NLA_DEV_PCI_ID, &pci.address)?;
        }
        attrs.text(SMC_NLA_DEV_IB_NAME, &device.name)?;
        let ports = [SMC_NLA_DEV_PORT, SMC_NLA_DEV_PORT2];
        for (attr, port) in ports.into_iter().zip(&device.ports) {
            if let Some(port) = port {
                attrs.nest(attr, |attrs| put_port(attrs, port))?;
            }
        }
        Ok(())
    })
}

fn put_port(attrs: &mut Attrs<'_>, port: &PortInfo) -> Put {
    attrs.u8(SMC_NLA_DEV_PORT_PNET_USR, port.pnet_id.is_some().into())?;
    put_pnet_id(attrs, SMC_NLA_DEV_PORT_PNETID, port.pnet_id)?;
    attrs.u32(SMC_NLA_DEV_PORT_NETDEV, port.ifindex)?;
    attrs.u8(SMC_NLA_DEV_PORT_VALID, 1)?;
    attrs.u8(SMC_NLA_DEV_PORT_STATE, port.active.into())?;
    attrs.u32(SMC_NLA_DEV_PORT_LNK_CNT, port.links)
}
