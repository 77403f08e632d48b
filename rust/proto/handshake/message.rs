// SPDX-License-Identifier: GPL-2.0

//! Accept and Confirm out of what was agreed on and this end's part.

use super::Negotiated;
use crate::wire::clc::{
    AcceptConfirm, Body, Entries, FirstContact, FirstContactV2x, GidList, OsType, Role, Sender,
    SmcdBody, SmcdV2, SmcrBody, SmcrV2,
};
use crate::wire::codec::NoSpace;
use crate::wire::ext::{self, Features};
use crate::wire::types::{
    AlertToken, BufSize, Gid, Hostname, Psn, QpMtu, Qpn, Rkey, RmbAddr, RmbeIndex,
};

/// Why an Accept or Confirm was not written. The owner did something wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The buffer is too small.
    NoSpace,
    /// Not the message that is next, or SMC-D where SMC-R was agreed on, or
    /// the other way round.
    WrongPlace,
}

impl From<NoSpace> for WriteError {
    fn from(_: NoSpace) -> Self {
        WriteError::NoSpace
    }
}

/// This end's part of an SMC-R connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalRdma<'a> {
    /// This host, and the RoCE port of the link.
    pub sender: Sender,
    /// Queue pair of the link.
    pub qpn: Qpn,
    /// Key of the RMB on the link.
    pub rkey: Rkey,
    /// Element of the RMB.
    pub rmbe_index: RmbeIndex,
    /// Our name of the connection.
    pub token: AlertToken,
    /// Size of the element.
    pub rmbe_size: BufSize,
    /// MTU of the link.
    pub mtu: QpMtu,
    /// Address of the RMB on the link.
    pub rmb_addr: RmbAddr,
    /// First packet sequence number of the queue pair.
    pub psn: Psn,
    /// No gateway is on the way to the peer.
    pub direct: bool,
    /// Client: GIDs of its RoCE ports, the one of the link first.
    pub gids: Entries<'a, Gid, 255>,
    /// Name of this host.
    pub hostname: Hostname,
}

/// This end's part of an SMC-D connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalIsm {
    /// GID of the ISM device.
    pub gid: u64,
    /// Lower half of the GID of an emulated device; otherwise zero.
    pub gid_ext: u64,
    /// Channel of the device.
    pub chid: u16,
    /// Names the receive buffer.
    pub token: u64,
    /// Element of it.
    pub dmbe_index: u8,
    /// Size of the element.
    pub dmbe_size: BufSize,
    /// Our name of the link group.
    pub link_id: [u8; 4],
    /// Name of this host.
    pub hostname: Hostname,
}

/// This end's part of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local<'a> {
    /// SMC-R.
    Rdma(&'a LocalRdma<'a>),
    /// SMC-D.
    Ism(&'a LocalIsm),
}

/// Writes an Accept or Confirm. `features` is what we tell the peer about this
/// host, where it follows our convention.
pub(super) fn write(
    role: Role,
    agreed: &Negotiated,
    local: &Local<'_>,
    features: Option<Features>,
    buf: &mut [u8],
) -> Result<usize, WriteError> {
    let body = match local {
        Local::Rdma(end) => rdma_body(role, agreed, end, features),
        Local::Ism(end) => ism_body(agreed, end, features),
    };
    Ok(AcceptConfirm::new(role, body).emit(buf)?)
}

fn first_contact<'a>(
    agreed: &Negotiated,
    hostname: Hostname,
    features: Option<Features>,
) -> FirstContact<'a> {
    // Without release 1 the peer has no such bytes (SMC-D), or takes them for
    // reserved (SMC-R, Linux before 6.6): they stay out. SMC v2.1, "First Contact
    // Extension"; smc_clc.c, `smc_clc_fill_fce_v2x`.
    let v2x = (agreed.release >= 1).then(|| FirstContactV2x {
        max_conns: 0,
        max_links: 0,
        feature_mask: agreed.feature_mask,
        vendor: features.map_or([0; 4], ext::to_first_contact),
        reserved: [0; 8],
    });
    FirstContact {
        v2_direct: false,
        reserved_flags: 0,
        os: OsType::LINUX,
        release: agreed.release,
        reserved: [0; 2],
        hostname,
        v2x,
        gids: None,
    }
}

fn rdma_body<'a>(
    role: Role,
    agreed: &Negotiated,
    end: &LocalRdma<'a>,
    features: Option<Features>,
) -> Body<'a> {
    let smcr = SmcrBody {
        sender: end.sender,
        qpn: end.qpn,
        rkey: end.rkey,
        rmbe_index: end.rmbe_index,
        token: end.token,
        rmbe_size: end.rmbe_size,
        mtu: end.mtu,
        reserved1: 0,
        rmb_addr: end.rmb_addr,
        reserved2: 0,
        psn: end.psn,
    };
    if agreed.version.is_v1() {
        return Body::RV1 {
            first_contact: agreed.first_contact,
            smcr,
        };
    }
    let fce = agreed.first_contact.then(|| {
        let mut fce = first_contact(agreed, end.hostname, features);
        fce.v2_direct = end.direct;
        if let Some(v2x) = &mut fce.v2x {
            v2x.max_conns = agreed.max_conns;
            v2x.max_links = agreed.max_links;
        }
        if role == Role::Confirm {
            fce.gids = Some(GidList {
                reserved: [0; 3],
                gids: end.gids,
            });
        }
        fce
    });
    Body::RV2 {
        smcr,
        v2: SmcrV2 {
            version: agreed.version,
            eid: agreed.eid,
            reserved: [0; 8],
            first_contact: fce,
            tail: &[],
        },
    }
}

fn ism_body(agreed: &Negotiated, end: &LocalIsm, features: Option<Features>) -> Body<'static> {
    let smcd = SmcdBody {
        gid: end.gid,
        token: end.token,
        dmbe_index: end.dmbe_index,
        dmbe_size: end.dmbe_size,
        reserved: [0; 3],
        link_id: end.link_id,
    };
    if agreed.version.is_v1() {
        return Body::DV1 {
            first_contact: agreed.first_contact,
            smcd,
            reserved: &[0; 12],
        };
    }
    Body::DV2 {
        smcd,
        v2: SmcdV2 {
            version: agreed.version,
            chid: end.chid,
            eid: agreed.eid,
            gid_ext: end.gid_ext,
            first_contact: agreed
                .first_contact
                .then(|| first_contact(agreed, end.hostname, features)),
            tail: &[],
        },
    }
}
