// SPDX-License-Identifier: GPL-2.0

//! LLC and CDC messages of every layout. Those of version 2 have network byte
//! order, which the dissector expects; Linux sends what its processor has.

use super::{Carrier, Sample};
use smc_proto::close::ConnFlags;
use smc_proto::cursor::RawCursor;
use smc_proto::ring::ProducerFlags;
use smc_proto::wire::cdc::Cdc;
use smc_proto::wire::codec::Writer;
use smc_proto::wire::llc::*;
use smc_proto::wire::types::{AlertToken, Gid, Mac, Psn, QpMtu, Qpn, Rkey, RmbAddr};

const V1: LlcVersion = LlcVersion::V1;
const V2: LlcVersion = LlcVersion::V2(ByteOrder::Big);
const MAC: Mac = Mac([2, 0, 0, 0xaa, 0xbb, 0xcc]);
const GID: Gid = Gid([
    0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0xaa, 0xbb, 0xcc,
]);

fn token(n: u32) -> Rtoken {
    Rtoken {
        rkey: Rkey(0x1122_0000 + n),
        addr: RmbAddr(0x7f12_3456_0000 + u64::from(n)),
    }
}

fn pair(n: u32) -> KeyPair {
    KeyPair {
        known: Rkey(0x3344_0000 + n),
        new: token(n),
    }
}

fn link_key(n: u8) -> LinkKey {
    LinkKey {
        link: LinkNum(n),
        token: token(n.into()),
    }
}

fn confirm_link() -> Body<'static> {
    Body::ConfirmLink(ConfirmLink {
        mac: MAC,
        gid: GID,
        qpn: Qpn::new(0x01_0203).unwrap(),
        link: LinkNum(5),
        uid: LinkUid([1, 2, 3, 4]),
        max_links: 2,
        max_conns: 200,
        reserved: &[0; 8],
    })
}

fn add_link(ext: Option<AddLinkExt<'_>>) -> AddLink<'_> {
    AddLink {
        mac: MAC,
        reserved2: &[0; 2],
        gid: GID,
        qpn: Qpn::new(0x01_0203).unwrap(),
        link: LinkNum(5),
        mtu: QpMtu::from_bits(3).unwrap(),
        mtu_reserved: 0,
        psn: Psn::new(0xa1_b2c3).unwrap(),
        reserved: &[0; 8],
        ext,
    }
}

fn delete_link(link: u8, reason: DeleteReason) -> Body<'static> {
    Body::DeleteLink(DeleteLink {
        link: LinkNum(link),
        reason,
        reserved: &[0; 35],
    })
}

fn test_link() -> Body<'static> {
    Body::TestLink(TestLink {
        user_data: b"sixteen bytes...",
        reserved: &[0; 24],
    })
}

fn confirm_rkey(count: u8) -> Body<'static> {
    Body::ConfirmRkey(ConfirmRkey {
        count,
        here: token(1),
        others: [link_key(6), link_key(7)],
        reserved: 0,
    })
}

/// LLC and CDC messages of every layout.
pub(crate) fn samples() -> Vec<Sample> {
    let mut all = Vec::new();
    let mut add = |name, version, flags, body| {
        let mut bytes = vec![0; LLC_MAX_LEN];
        let n = Message::new(version, flags, body).emit(&mut bytes).unwrap();
        bytes.truncate(n);
        all.push(Sample {
            name,
            carrier: Carrier::Rdma,
            bytes,
        });
    };
    let no_eyecatcher = Flags::RESPONSE.with(Flags::NO_EYECATCHER);
    add("confirm link v1", V1, Flags::NO_EYECATCHER, confirm_link());
    add("confirm link v2", V2, no_eyecatcher, confirm_link());

    let mut pairs = [0; 48];
    let mut w = Writer::new(&mut pairs);
    for n in 1..=2 {
        pair(n).write(&mut w).unwrap();
    }
    let written = w.written();
    let ext = AddLinkExt {
        direct: 0x80,
        reserved2: 0,
        target_gid: Gid::from_ipv4([192, 0, 2, 65]),
        reserved3: &[0; 8],
        count: AddLinkExt::count_bytes(ByteOrder::Big, 2),
        keys: KeyPairs::new(&pairs[..written]),
    };
    let with_ext = Body::AddLink(add_link(Some(ext)));
    add(
        "add link v1",
        V1,
        Flags::REQUEST,
        Body::AddLink(add_link(None)),
    );
    add("add link v2", V2, Flags::REQUEST, with_ext);
    let pairs = [pair(1), pair(2)];
    let cont = Body::AddLinkCont(AddLinkCont {
        link: LinkNum(5),
        remaining: 2,
        reserved2: &[0; 2],
        pairs,
        reserved: &[0; 4],
    });
    add("add link cont", V1, Flags::RESPONSE, cont);

    add(
        "delete link v1",
        V1,
        Flags::ORDERLY,
        delete_link(5, DeleteReason::LostPath),
    );
    add(
        "delete link v2",
        V2,
        Flags::DELETE_ALL,
        delete_link(0, DeleteReason::Program),
    );
    let gids = [GID, Gid::from_ipv4([192, 0, 2, 65])]
        .map(|gid| gid.0)
        .concat();
    let ask = Body::ReqAddLink(ReqAddLink {
        reserved: &[0; 20],
        count: 2,
        reserved2: &[0; 3],
        gid_bytes: &gids,
    });
    add("request add link", V2, Flags::REQUEST, ask);

    add("confirm rkey v1", V1, Flags::REQUEST, confirm_rkey(2));
    add(
        "confirm rkey v2",
        V2,
        Flags::NEGATIVE_RETRY,
        confirm_rkey(0),
    );
    let cont = Body::ConfirmRkeyCont(ConfirmRkeyCont {
        count: 3,
        keys: [link_key(6), link_key(7), link_key(8)],
    });
    add("confirm rkey cont", V1, Flags::REQUEST, cont);
    let keys: Vec<u8> = (1..=3)
        .flat_map(|n| token(n).rkey.0.to_be_bytes())
        .collect();
    let rkeys = |v2| Body::DeleteRkey(DeleteRkey::new(3, &keys, v2));
    add("delete rkey v1", V1, Flags::REQUEST, rkeys(false));
    add("delete rkey v2", V2, Flags::REQUEST, rkeys(true));
    let Body::DeleteRkey(asked) = rkeys(false) else {
        unreachable!()
    };
    let (answer, _) = asked.response([true, false, false].into_iter());
    add(
        "delete rkey refused",
        V1,
        Flags::NEGATIVE,
        Body::DeleteRkey(answer),
    );

    add("test link v1", V1, Flags::REQUEST, test_link());
    add("test link v2", V2, Flags::RESPONSE, test_link());

    for (name, version) in [("add link reject v1", V1), ("add link reject v2", V2)] {
        let no = Message::reject(version, add_link(None), RejectReason::NoAlternatePath);
        let mut bytes = vec![0; LLC_LEN];
        no.emit(&mut bytes).unwrap();
        all.push(Sample {
            name,
            carrier: Carrier::Rdma,
            bytes,
        });
    }
    for (name, cdc) in cdcs() {
        let mut bytes = vec![0; 44];
        cdc.emit(&mut bytes).unwrap();
        all.push(Sample {
            name,
            carrier: Carrier::Rdma,
            bytes,
        });
    }
    all
}

/// One bit of each pair of neighbours is set in the one, the other in the other.
fn cdcs() -> [(&'static str, Cdc); 2] {
    let cdc = Cdc {
        seqno: 0x0102,
        token: AlertToken(0x5566_7788),
        producer: RawCursor {
            wrap: 0x0a0b,
            count: 0x0001_0203,
        },
        consumer: RawCursor {
            wrap: 0x0c0d,
            count: 0x0004_0506,
        },
        ..Cdc::default()
    };
    [
        (
            "cdc blocked, urgent present, validation, closed",
            Cdc {
                flags: ProducerFlags {
                    write_blocked: true,
                    urgent_present: true,
                    ..ProducerFlags::default()
                },
                failover_validation: true,
                state: ConnFlags {
                    closed: true,
                    ..ConnFlags::default()
                },
                ..cdc
            },
        ),
        (
            "cdc urgent pending, update asked for, done, aborted",
            Cdc {
                flags: ProducerFlags {
                    urgent_pending: true,
                    consumer_update_requested: true,
                    ..ProducerFlags::default()
                },
                state: ConnFlags {
                    done_writing: true,
                    abort: true,
                    ..ConnFlags::default()
                },
                ..cdc
            },
        ),
    ]
}
