// SPDX-License-Identifier: GPL-2.0

//! CLC messages of every layout.

use super::{Carrier, Sample};
use smc_proto::handshake::{Offer, OfferV2, OfferV2Kind};
use smc_proto::wire::clc::{
    AcceptConfirm, Body, Decline, Entries, FirstContact, FirstContactV2x, GidChid, GidList, IpArea,
    OsType, Proposal, ProposalBody, ProposalV1, Reason, Role, Sender, SmcdBody, SmcdV2, SmcrBody,
    SmcrV2, V1Modes, V1Offer, V6Prefix, Version,
};
use smc_proto::wire::ext::Features;
use smc_proto::wire::types::{
    AlertToken, BufSize, Eid, Gid, Hostname, Mac, PeerId, Psn, QpMtu, Qpn, Rkey, RmbAddr, RmbeIndex,
};

const UEID: Eid = Eid(*b"SMCV2-EID-ONE                   ");
const SEID: Eid = Eid(*b"IBM-SYSZ-ISMSEID0000000012345678");
const HOST: Hostname = Hostname(*b"peer.example                    ");

fn sender() -> Sender {
    Sender {
        peer_id: PeerId([0, 0x17, 2, 0, 0, 0xaa, 0xbb, 0xcc]),
        gid: Gid([
            0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0xaa, 0xbb, 0xcc,
        ]),
        mac: Mac([2, 0, 0, 0xaa, 0xbb, 0xcc]),
    }
}

fn smcr() -> SmcrBody {
    SmcrBody {
        sender: sender(),
        qpn: Qpn::new(0x01_0203).unwrap(),
        rkey: Rkey(0x1122_3344),
        rmbe_index: RmbeIndex::new(9).unwrap(),
        token: AlertToken(0x5566_7788),
        rmbe_size: BufSize::holding(512 << 10),
        mtu: QpMtu::from_bits(3).unwrap(),
        reserved1: 0,
        rmb_addr: RmbAddr(0x0000_7f12_3456_7000),
        reserved2: 0,
        psn: Psn::new(0xa1_b2c3).unwrap(),
    }
}

fn smcd() -> SmcdBody {
    SmcdBody {
        gid: 0x0123_4567_89ab_cdef,
        token: 0xfedc_ba98_7654_3210,
        dmbe_index: 4,
        dmbe_size: BufSize::holding(65536),
        reserved: [0; 3],
        link_id: [1, 2, 3, 4],
    }
}

fn first_contact(rdma: bool, gids: Option<GidList<'_>>) -> FirstContact<'_> {
    FirstContact {
        v2_direct: rdma,
        reserved_flags: 0,
        os: OsType::LINUX,
        release: 1,
        reserved: [0; 2],
        hostname: HOST,
        v2x: Some(FirstContactV2x {
            max_conns: if rdma { 200 } else { 0 },
            max_links: if rdma { 2 } else { 0 },
            feature_mask: 1,
            vendor: [0; 4],
            reserved: [0; 8],
        }),
        gids,
    }
}

/// CLC messages of every layout.
pub(crate) fn samples() -> Vec<Sample> {
    let mut all = Vec::new();
    let mut add = |name, from_client, emit: &dyn Fn(&mut [u8]) -> usize| {
        let mut bytes = vec![0; 652];
        let n = emit(&mut bytes);
        bytes.truncate(n);
        all.push(Sample {
            name,
            carrier: Carrier::Tcp { from_client },
            bytes,
        });
    };
    let mut v6 = [0; 34];
    let v6 = Entries::fill(
        &mut v6,
        [
            V6Prefix {
                addr: [0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                len: 48,
            },
            V6Prefix {
                addr: [0x20, 1, 0xd, 0xb8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                len: 64,
            },
        ],
    )
    .unwrap();
    let (mut eids, mut gids) = ([0; 64], [0; 20]);
    let eids = Entries::fill(&mut eids, [UEID, Eid(*b"SMCV2-EID-TWO                   ")]).unwrap();
    let gids = Entries::fill(
        &mut gids,
        [
            GidChid {
                gid: 0x1111_2222_3333_4444,
                chid: 0x0501,
            },
            GidChid {
                gid: 0x5555_6666_7777_8888,
                chid: 0x0502,
            },
        ],
    )
    .unwrap();
    let v2 = |kind| OfferV2 {
        kind,
        eids,
        seid: Some(SEID),
        max_conns: 200,
        max_links: 2,
        feature_mask: 1,
    };
    let roce = Gid::from_ipv4([192, 0, 2, 1]);
    let offer = |ism, v1, v2| Offer {
        sender: sender(),
        ism,
        v1,
        v2,
    };
    let ism = GidChid {
        gid: 0x0123_4567_89ab_cdef,
        chid: 0x0500,
    };
    let v4 = IpArea::v4([192, 0, 2, 0], 24);
    let mut area = [0; 40];
    area[..8].copy_from_slice(&ism.gid.to_be_bytes());
    let proposals = [
        (
            // With an area, as tshark 4.0 takes it for granted.
            "proposal version 1",
            Proposal::new(
                sender(),
                ProposalBody::V1(ProposalV1 {
                    modes: V1Modes::Both,
                    reserved_bits: 0,
                    area: &area,
                    ip: v4,
                }),
            ),
        ),
        (
            "proposal version 2 SMC-R v1 only IPv6",
            offer(
                GidChid::default(),
                Some(V1Offer {
                    modes: V1Modes::R,
                    ip: IpArea::v6(v6),
                }),
                None,
            )
            .proposal(Features::NONE),
        ),
        (
            "proposal version 2 SMC-R v2 only",
            Offer {
                sender: Sender {
                    gid: Gid::default(),
                    ..sender()
                },
                ism: GidChid::default(),
                v1: None,
                v2: Some(v2(OfferV2Kind::R(roce))),
            }
            .proposal(Features::SYN_PROPOSAL),
        ),
        (
            "proposal version 2 everything",
            offer(
                ism,
                Some(V1Offer {
                    modes: V1Modes::Both,
                    ip: v4,
                }),
                Some(v2(OfferV2Kind::Both(roce, gids))),
            )
            .proposal(Features::SYN_PROPOSAL),
        ),
    ];
    for (name, p) in &proposals {
        add(name, true, &|buf| p.emit(buf).unwrap());
    }
    let v2r = |fce| SmcrV2 {
        version: Version::V2,
        eid: UEID,
        reserved: [0; 8],
        first_contact: fce,
        tail: &[],
    };
    let v2d = |fce| SmcdV2 {
        version: Version::V2,
        chid: 0x0501,
        eid: UEID,
        gid_ext: 0,
        first_contact: fce,
        tail: &[],
    };
    let mut list = [0; 32];
    let list = Entries::fill(&mut list, [roce, Gid::from_ipv4([192, 0, 2, 65])]).unwrap();
    let list = GidList {
        reserved: [0; 3],
        gids: list,
    };
    let (r, d) = (smcr(), smcd());
    let bodies = [
        (
            ["accept SMC-R v1", "confirm SMC-R v1"],
            Body::RV1 {
                first_contact: true,
                smcr: r,
            },
        ),
        (
            ["accept SMC-D v1", "confirm SMC-D v1"],
            Body::DV1 {
                first_contact: false,
                smcd: d,
                reserved: &[0; 12],
            },
        ),
        (
            ["accept SMC-R v2 later", "confirm SMC-R v2 later"],
            Body::RV2 {
                smcr: r,
                v2: v2r(None),
            },
        ),
        (
            ["accept SMC-D v2 first", "confirm SMC-D v2 first"],
            Body::DV2 {
                smcd: d,
                v2: v2d(Some(first_contact(false, None))),
            },
        ),
    ];
    for (names, body) in bodies {
        for (name, role) in names.into_iter().zip([Role::Accept, Role::Confirm]) {
            let m = AcceptConfirm::new(role, body);
            add(name, role == Role::Confirm, &|buf| m.emit(buf).unwrap());
        }
    }
    for (name, role, gids) in [
        ("accept SMC-R v2 first", Role::Accept, None),
        ("confirm SMC-R v2 first", Role::Confirm, Some(list)),
    ] {
        let m = AcceptConfirm::new(
            role,
            Body::RV2 {
                smcr: r,
                v2: v2r(Some(first_contact(true, gids))),
            },
        );
        add(name, role == Role::Confirm, &|buf| m.emit(buf).unwrap());
    }
    for (name, v2, reason) in [
        ("decline version 1", false, Reason::NoDevice),
        ("decline version 2 out of sync", true, Reason::SyncError),
    ] {
        let d = Decline::new(v2, sender().peer_id, reason);
        add(name, false, &|buf| d.emit(buf).unwrap());
    }
    all
}
