// SPDX-License-Identifier: GPL-2.0

//! CLC messages as bytes: built by hand after the layouts of RFC 7609
//! Appendix A.2 and of SMC v2, and the vectors of the smc-go parser (github.com/
//! hwipl/smc-go, pkg/clc), which is independent of Linux and of this crate.

use smc_proto::wire::clc::{
    AcceptConfirm, Body, ClcError, Decline, Entries, Eyecatcher, FirstContact, GidChid, Kind,
    Message, Modes, OsType, Proposal, ProposalBody, Reason, Role, V2Kind, Version,
};
use smc_proto::wire::types::{AlertToken, Eid, Gid, Mac, PeerId, QpMtu, Rkey, RmbAddr, RmbeIndex};

fn hex(s: &str) -> Vec<u8> {
    let digits: Vec<u8> = s
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|d| d as u8)
        .collect();
    digits.chunks(2).map(|d| d[0] << 4 | d[1]).collect()
}

/// Parses, and checks that emitting gives the same bytes.
fn same(bytes: &[u8]) -> Message<'_> {
    let msg = Message::parse(bytes).unwrap();
    let mut buf = [0xaa; 1024];
    let n = msg.emit(&mut buf).unwrap();
    assert_eq!(&buf[..n], bytes);
    msg
}

fn proposal(bytes: &[u8]) -> Proposal<'_> {
    match same(bytes) {
        Message::Proposal(p) => p,
        other => panic!("{other:?}"),
    }
}

fn accept_confirm(bytes: &[u8]) -> AcceptConfirm<'_> {
    match same(bytes) {
        Message::AcceptConfirm(m) => m,
        other => panic!("{other:?}"),
    }
}

fn eid(s: &str, pad: u8) -> Eid {
    let mut e = [pad; 32];
    e[..s.len()].copy_from_slice(s.as_bytes());
    Eid(e)
}

const GO_PEER: PeerId = PeerId([0xb1, 0xa0, 0x98, 0x03, 0x9b, 0xab, 0xcd, 0xef]);
const GO_MAC: Mac = Mac([0x98, 0x03, 0x9b, 0xab, 0xcd, 0xef]);

#[test]
fn smc_go_proposal_v1_smcr_ipv4() {
    let bytes = hex(
        "e2d4c3d901003410b1a098039babcdef fe800000000000009a039bfffeabcdef \
                     98039babcdef00007f00000008000000 e2d4c3d9",
    );
    let p = proposal(&bytes);
    assert_eq!(p.eyecatcher, Eyecatcher::SmcR);
    assert_eq!(p.sender.peer_id, GO_PEER);
    assert_eq!(p.sender.mac, GO_MAC);
    assert_eq!(p.sender.gid.0[..2], [0xfe, 0x80]);
    let ProposalBody::V1(v1) = p.body else {
        panic!("{p:?}")
    };
    assert_eq!(v1.modes.modes(), Modes::R);
    assert_eq!(v1.ip.subnet, [127, 0, 0, 0]);
    assert_eq!(v1.ip.prefix_len, 8);
    assert!(v1.ip.v6.is_empty());
    assert_eq!(v1.smcd(), None);
}

#[test]
fn smc_go_proposal_v1_smcd_ipv4() {
    let bytes = hex(
        "e2d4c3c401005c11b1a098039babcdef 00000000000000000000000000000000 \
                     00000000000000280123456789abcdef 00000000000000000000000000000000 \
                     00000000000000000000000000000000 7f00000008000000e2d4c3c4",
    );
    let p = proposal(&bytes);
    assert_eq!(
        (p.eyecatcher, p.trailer),
        (Eyecatcher::SmcD, Eyecatcher::SmcD)
    );
    let ProposalBody::V1(v1) = p.body else {
        panic!("{p:?}")
    };
    assert_eq!(v1.modes.modes(), Modes::D);
    assert_eq!(v1.smcd(), Some(0x0123_4567_89ab_cdef));
}

#[test]
fn smc_go_proposal_v1_both_ipv4() {
    let bytes = hex(
        "e2d4c3d901005c13b1a098039babcdef fe800000000000009a039bfffeabcdef \
                     98039babcdef00280123456789abcdef 00000000000000000000000000000000 \
                     00000000000000000000000000000000 7f00000008000000e2d4c3d9",
    );
    let p = proposal(&bytes);
    let ProposalBody::V1(v1) = p.body else {
        panic!("{p:?}")
    };
    assert_eq!(v1.modes.modes(), Modes::Both);
    assert_eq!(v1.smcd(), Some(0x0123_4567_89ab_cdef));
}

#[test]
fn smc_go_proposal_v1_smcr_ipv6() {
    let bytes = hex(
        "e2d4c3d901004510394498039babcdef fe800000000000009a039bfffeabcdef \
                     98039babcdef00000000000000000001 00000000000000000000000000000001 \
                     80e2d4c3d9",
    );
    let p = proposal(&bytes);
    let ProposalBody::V1(v1) = p.body else {
        panic!("{p:?}")
    };
    let prefixes: Vec<_> = v1.ip.v6.iter().collect();
    assert_eq!(prefixes.len(), 1);
    assert_eq!(prefixes[0].len, 128);
    assert_eq!(prefixes[0].addr[15], 1);
}

#[test]
fn smc_go_proposal_v2_with_v1_offers_only() {
    // Version 2, no v2 offer, SMC-R and SMC-D version 1, IPv4.
    let bytes = hex(
        "e2d4c3d901005c2b394498039babcdef fe800000000000009a039bfffeabcdef \
                     98039babcdef00280123456789abcdef 12340000 \
                     000000000000000000000000 00000000000000000000000000000000 \
                     7f00000008000000 e2d4c3d9",
    );
    let p = proposal(&bytes);
    let ProposalBody::V2(v2) = p.body else {
        panic!("{p:?}")
    };
    assert_eq!(v2.version(), Version::V2);
    assert!(v2.v2.is_none());
    assert_eq!(v2.v1.unwrap().modes.modes(), Modes::Both);
    assert_eq!(v2.smcd.ism.gid, 0x0123_4567_89ab_cdef);
    assert_eq!(v2.smcd.ism.chid, 0x1234);
}

/// The smc-go vector of version 2 with all offers, with its offset to the v2
/// extension as in the vector (0x19) or as Linux wants it (0x24).
fn smc_go_v2_both(v2_ext_offset: &str) -> Vec<u8> {
    hex(&format!(
        "e2d4c3d90100de2f394498039babcdef fe800000000000009a039bfffeabcdef \
         98039babcdef00280123456789abcdef 1234{v2_ext_offset} \
         000000000000000000000000 00000000000000000000000000000000 \
         7f00000008000000 \
         0101000100000040 00000000000000000000000000000000 00000000000000000000000000000000 \
         546869734973534d4376324549443031 00000000000000000000000000000000 \
         546869734973534d4376324549443032 00000000000000000000000000000000 \
         00000000000000000000000000000000 abcdef01234567890123 \
         e2d4c3d9"
    ))
}

#[test]
fn smc_go_proposal_v2_all_offers() {
    // In the vector the offset leads into the SMC-D area, where the C module
    // finds no EID, and rejects the length. So do we, for the offset.
    assert_eq!(
        Message::parse(&smc_go_v2_both("0019")),
        Err(ClcError::Offset(0x19))
    );
    let bytes = smc_go_v2_both("0024");
    let p = proposal(&bytes);
    let ProposalBody::V2(v2) = p.body else {
        panic!("{p:?}")
    };
    let offer = v2.v2.unwrap();
    assert_eq!(offer.kind.modes(), Modes::Both);
    assert_eq!(offer.release, 0);
    assert!(offer.seid);
    let eids: Vec<_> = offer.eids.iter().collect();
    assert_eq!(eids, [eid("ThisIsSMCv2EID01", 0)]);
    let ext = offer.kind.smcd().unwrap();
    assert!(ext.is_announced());
    assert_eq!(ext.system_eid, eid("ThisIsSMCv2EID02", 0));
    let gids: Vec<_> = ext.gids.iter().collect();
    assert_eq!(
        gids,
        [GidChid {
            gid: 0xabcd_ef01_2345_6789,
            chid: 0x0123
        }]
    );
}

#[test]
fn smc_go_proposal_v2_without_offset_is_rejected_as_in_c() {
    // "SMCB" of smc-go: v2 offered, but the offset to its extension is 0.
    let bytes = hex(
        "e2d4c3d90100d62e394498039babcdef fe800000000000009a039bfffeabcdef \
                     98039babcdef00280123456789abcdef 12340000 \
                     000000000000000000000000 00000000000000000000000000000000 \
                     0101000100000040 00000000000000000000000000000000 \
                     00000000000000000000000000000000 \
                     546869734973534d4376324549443031 00000000000000000000000000000000 \
                     546869734973534d4376324549443032 00000000000000000000000000000000 \
                     00000000000000000000000000000000 abcdef01234567890123 e2d4c3d9",
    );
    assert_eq!(bytes.len(), 214);
    // The byte that would count IPv6 prefixes is the 0x40 of an offset.
    assert_eq!(Message::parse(&bytes), Err(ClcError::Count(0x40)));
}

#[test]
fn linux_proposal_v21_smcr_as_laid_out_by_hand() {
    // SMC-R v2 only, release 1, one UEID, max_conns 255, max_links 2, feature
    // 1, vendor options 02 53 52 and 5 bytes: 40 + 40 + 40 + 32 + 4 = 156.
    let ueid = "534d4356322d4549442020202020202020202020202020202020202020202020";
    let bytes = hex(&format!(
        "e2d4c3d9 01 009c 22 0001020304050607 00000000000000000000000000000000 020304050607 0000 \
         0000000000000000 0000 001c 025352 a1a2a3a4a5 0000000000000000000000000000000000000000 \
         01 00 00 10 0000 0000 00000000000000000000ffff0a000001 ff 02 0001 000000000000000000000000 \
         {ueid} e2d4c3d9"
    ));
    assert_eq!(bytes.len(), 156);
    let p = proposal(&bytes);
    let ProposalBody::V2(v2) = p.body else {
        panic!("{p:?}")
    };
    assert!(v2.v1.is_none());
    assert_eq!(v2.smcd.vendor.oui, [2, 0x53, 0x52]);
    assert_eq!(v2.smcd.vendor.options, [0xa1, 0xa2, 0xa3, 0xa4, 0xa5]);
    let offer = v2.v2.unwrap();
    assert!(matches!(offer.kind, V2Kind::R(_)));
    assert_eq!(offer.release, 1);
    assert!(!offer.seid);
    assert_eq!(offer.roce, Gid::from_ipv4([10, 0, 0, 1]));
    assert_eq!((offer.max_conns, offer.max_links), (255, 2));
    assert_eq!(offer.feature_mask, 1);
    let eids: Vec<_> = offer.eids.iter().collect();
    assert_eq!(eids, [eid("SMCV2-EID", b' ')]);
    assert!(eids[0].is_valid_ueid());
}

#[test]
fn smc_go_accept_smcr() {
    let bytes = hex(
        "e2d4c3d902004418b1a098039babcdef fe800000000000009a039bfffeabcdef \
                     98039babcdef0000e40000157d010000 0005230000000000f0a600000072f5fe e2d4c3d9",
    );
    let m = accept_confirm(&bytes);
    assert_eq!(m.role, Role::Accept);
    assert!(m.is_first_contact());
    assert_eq!(m.version(), Version::V1);
    let Body::RV1 { smcr, .. } = m.body else {
        panic!("{m:?}")
    };
    assert_eq!(smcr.sender.peer_id, GO_PEER);
    assert_eq!(smcr.qpn.get(), 228);
    assert_eq!(smcr.rkey, Rkey(5501));
    assert_eq!(smcr.rmbe_index, RmbeIndex::FIRST);
    assert_eq!(smcr.token, AlertToken(5));
    assert_eq!(smcr.rmbe_size.bytes(), 65536);
    assert_eq!(smcr.mtu.bytes(), Some(1024));
    assert_eq!(Some(smcr.mtu), QpMtu::from_bits(3));
    assert_eq!(smcr.rmb_addr, RmbAddr(0xf0a6_0000));
    assert_eq!(smcr.psn.get(), 7_534_078);
}

#[test]
fn smc_go_confirm_smcr() {
    let bytes = hex(
        "e2d4c3d903004410b1a098039babcdef fe800000000000009a039bfffeabcdef \
                     98039babcdef0000e50000187f010000 0006230000000000f0a40000000d89a4 e2d4c3d9",
    );
    let m = accept_confirm(&bytes);
    assert_eq!(m.role, Role::Confirm);
    assert!(!m.is_first_contact());
    let Body::RV1 { smcr, .. } = m.body else {
        panic!("{m:?}")
    };
    assert_eq!(smcr.qpn.get(), 229);
    assert_eq!(smcr.rkey, Rkey(6271));
    assert_eq!(smcr.psn.get(), 887_204);
}

#[test]
fn smc_go_accept_smcd() {
    let bytes = hex(
        "e2d4c3c4020030110123456789abcdef 0123456789abcdefff100000ffffffff \
                     000000000000000000000000e2d4c3c4",
    );
    let m = accept_confirm(&bytes);
    assert!(!m.is_first_contact());
    let Body::DV1 { smcd, .. } = m.body else {
        panic!("{m:?}")
    };
    assert_eq!(smcd.gid, 0x0123_4567_89ab_cdef);
    assert_eq!(smcd.token, 0x0123_4567_89ab_cdef);
    assert_eq!(smcd.dmbe_index, 255);
    assert_eq!(smcd.dmbe_size.bytes(), 32768);
    assert_eq!(smcd.link_id, [0xff; 4]);
}

#[test]
fn smc_go_smcd_v2_accept_and_confirm_with_first_contact() {
    for (kind, role) in [("02", Role::Accept), ("03", Role::Confirm)] {
        let bytes = hex(&format!(
            "e2d4c3c4 {kind} 0072 29 0123456789abcdef 0123456789abcdef ff 10 0000 ffffffff 0123 \
             546869734973534d4376324549443031 00000000000000000000000000000000 0000000000000000 \
             00 20 0000 546869734973486f73746e616d653031 00000000000000000000000000000000 \
             e2d4c3c4"
        ));
        let m = accept_confirm(&bytes);
        assert_eq!(m.role, role);
        let Body::DV2 { v2, .. } = m.body else {
            panic!("{m:?}")
        };
        assert_eq!(v2.chid, 0x0123);
        assert_eq!(v2.eid, eid("ThisIsSMCv2EID01", 0));
        let fce = v2.first_contact.unwrap();
        assert_eq!(fce.os, OsType::LINUX);
        assert_eq!(fce.release, 0);
        assert!(fce.hostname.0.starts_with(b"ThisIsHostname01"));
        assert!(fce.v2x.is_none() && fce.gids.is_none() && v2.tail.is_empty());
    }
}

#[test]
fn smc_go_confirm_smcd_v2_later_contact() {
    let bytes = hex(
        "e2d4c3c4 03 004e 21 0123456789abcdef 0123456789abcdef ff 10 0000 ffffffff \
                     0123 546869734973534d4376324549443031 00000000000000000000000000000000 \
                     0000000000000000 e2d4c3c4",
    );
    let m = accept_confirm(&bytes);
    assert!(!m.is_first_contact());
    assert_eq!(m.version(), Version::V2);
}

/// SMC-R version 2, up to the first contact extension; kind, length and the
/// last header byte as given.
fn smcr_v2(kind: &str, len: u16, last: &str, fce: &str) -> Vec<u8> {
    hex(&format!(
        "e2d4c3d9 {kind} {len:04x} {last} \
         0001020304050607 00000000000000000000ffff0a000002 020000000002 \
         000011 00001234 01 00000007 25 00 00007f0000100000 00 abcdef \
         534d4356322d4549442020202020202020202020202020202020202020202020 0000000000000000 \
         {fce} e2d4c3d9"
    ))
}

const HOST: &str = "706565722020202020202020202020202020202020202020202020202020202020";

/// 36 bytes: direct, Linux, the given release, host name.
fn fce_base(release: u8) -> String {
    format!("80 2{release} 0000 {}", &HOST[..64])
}

/// 16 bytes: 255 connections, 1 link, feature 1, vendor options.
const V2X: &str = "ff 01 0001 c1c2c3c4 0000000000000000";
/// Two GIDs.
const GIDS: &str = "02 000000 00000000000000000000ffff0a000001 00000000000000000000ffff0a000101";

fn first_contact<'a>(m: &AcceptConfirm<'a>) -> (FirstContact<'a>, &'a [u8]) {
    match m.body {
        Body::RV2 { v2, .. } => (v2.first_contact.unwrap(), v2.tail),
        _ => panic!("{m:?}"),
    }
}

#[test]
fn smcr_v2_accept_of_a_first_contact_v21() {
    let bytes = smcr_v2("02", 160, "28", &format!("{} {V2X}", fce_base(1)));
    assert_eq!(bytes.len(), 160);
    let m = accept_confirm(&bytes);
    let (fce, tail) = first_contact(&m);
    assert!(fce.v2_direct);
    assert_eq!(fce.release, 1);
    assert_eq!(fce.os, OsType::LINUX);
    assert!(fce.hostname.0.starts_with(b"peer "));
    let v2x = fce.v2x.unwrap();
    assert_eq!((v2x.max_conns, v2x.max_links), (255, 1));
    assert_eq!(v2x.feature_mask, 1);
    assert_eq!(v2x.vendor, [0xc1, 0xc2, 0xc3, 0xc4]);
    assert!(tail.is_empty());
    let Body::RV2 { smcr, .. } = m.body else {
        unreachable!()
    };
    assert_eq!(smcr.rmbe_size.bytes(), 65536);
    assert_eq!(smcr.mtu.bytes(), Some(4096));
}

#[test]
fn smcr_v2_accept_of_release_0_with_and_without_the_v21_bytes() {
    // Linux 6.6 and later send them, zero; older ones don't.
    let zero = "00 00 0000 00000000 0000000000000000";
    let bytes = smcr_v2("02", 160, "28", &format!("{} {zero}", fce_base(0)));
    assert!(first_contact(&accept_confirm(&bytes)).0.v2x.is_some());
    let bytes = smcr_v2("02", 144, "28", &fce_base(0));
    let m = accept_confirm(&bytes);
    assert!(first_contact(&m).0.v2x.is_none());
}

#[test]
fn smcr_v2_confirm_finds_the_gids_in_every_release() {
    let zero = "00 00 0000 00000000 0000000000000000";
    for (len, fce) in [
        (196, format!("{} {V2X} {GIDS}", fce_base(1))),
        (196, format!("{} {zero} {GIDS}", fce_base(0))),
        (180, format!("{} {GIDS}", fce_base(0))),
    ] {
        let bytes = smcr_v2("03", len, "28", &fce);
        let m = accept_confirm(&bytes);
        let (fce, tail) = first_contact(&m);
        let gids: Vec<_> = fce.gids.unwrap().gids.iter().collect();
        assert_eq!(
            gids,
            [Gid::from_ipv4([10, 0, 0, 1]), Gid::from_ipv4([10, 0, 1, 1])]
        );
        assert_eq!(fce.v2x.is_some(), len == 196);
        assert!(tail.is_empty());
    }
}

#[test]
fn smcr_v2_confirm_with_a_gid_list_that_does_not_fit_is_kept_as_bytes() {
    let bytes = smcr_v2(
        "03",
        180,
        "28",
        &format!("{} {V2X} ff 000000 {:032x}", fce_base(1), 1),
    );
    let m = accept_confirm(&bytes);
    let (fce, tail) = first_contact(&m);
    assert!(fce.gids.is_none());
    assert_eq!(tail.len(), 20);
}

#[test]
fn a_longer_accept_keeps_what_future_releases_add() {
    let bytes = smcr_v2("02", 112, "20", "deadbeef");
    let m = accept_confirm(&bytes);
    assert!(!m.is_first_contact());
    let Body::RV2 { v2, .. } = m.body else {
        panic!("{m:?}")
    };
    assert_eq!(v2.tail, [0xde, 0xad, 0xbe, 0xef]);
}

#[test]
fn an_oversized_message_is_parsed_from_what_fits_the_c_buffer() {
    // 160 bytes of an Accept that announces 1000; neither trailer nor tail.
    let mut bytes = smcr_v2("02", 1000, "28", &format!("{} {V2X}", fce_base(1)));
    assert_eq!(bytes.len(), 160);
    bytes[156..].fill(0xff);
    let Ok(Message::AcceptConfirm(m)) = Message::parse(&bytes) else {
        panic!()
    };
    assert!(first_contact(&m).0.v2x.is_some());
    assert_eq!(Message::parse(&bytes[..159]), Err(ClcError::Length(1000)));
    // 652 bytes of a Confirm whose list of 255 GIDs is cut.
    let mut bytes = smcr_v2(
        "03",
        4260,
        "28",
        &format!("{} {V2X} ff 000000", fce_base(1)),
    );
    bytes.resize(652, 7);
    let Ok(Message::AcceptConfirm(m)) = Message::parse(&bytes) else {
        panic!()
    };
    assert_eq!(first_contact(&m).0.gids.unwrap().gids.len(), 30);
}

#[test]
fn first_contact_without_its_extension_is_an_error() {
    // The C module reads behind the message here.
    for (len, fce) in [
        (108, String::new()),
        (143, fce_base(0)[..fce_base(0).len() - 2].to_string()),
        (144, fce_base(1)),
        (159, format!("{} {}", fce_base(1), &V2X[..V2X.len() - 2])),
    ] {
        let bytes = smcr_v2("02", len, "28", &fce);
        assert_eq!(bytes.len(), usize::from(len));
        assert_eq!(Message::parse(&bytes), Err(ClcError::FirstContact));
    }
}

#[test]
fn rmbe_index_0_is_an_error() {
    // The C module would write in front of the RMB.
    let mut bytes = smcr_v2("02", 108, "20", "");
    bytes[45] = 0;
    assert_eq!(Message::parse(&bytes), Err(ClcError::RmbeIndex));
}

#[test]
fn lengths_of_accepts_are_those_of_c() {
    // Version 1 exact, version 2 at least.
    let v1r = hex(
        "e2d4c3d902004418b1a098039babcdef fe800000000000009a039bfffeabcdef \
                   98039babcdef0000e40000157d010000 0005230000000000f0a600000072f5fe e2d4c3d9",
    );
    let mut longer = v1r.clone();
    longer.splice(64..64, [0; 4]);
    longer[6] = 72;
    assert_eq!(Message::parse(&longer), Err(ClcError::Length(72)));
    let mut v2 = v1r.clone();
    v2[7] = 0x20;
    assert_eq!(Message::parse(&v2), Err(ClcError::Length(68)));
    let mut none = v1r.clone();
    none[7] = 0x12;
    assert_eq!(Message::parse(&none), Err(ClcError::Modes));
    let mut trailer = v1r;
    trailer[67] = 0;
    assert_eq!(Message::parse(&trailer), Err(ClcError::Trailer));
}

#[test]
fn smc_go_decline_v1() {
    let bytes = hex("e2d4c3d904001c102525252525252500 0303000000000000e2d4c3d9");
    let Message::Decline(d) = same(&bytes) else {
        panic!()
    };
    assert_eq!(d.reason, Reason::NoDevice);
    assert!(!d.out_of_sync);
    assert!(d.v2.is_none());
    assert_eq!(
        d,
        Decline::new(
            false,
            PeerId([0x25, 0x25, 0x25, 0x25, 0x25, 0x25, 0x25, 0]),
            Reason::NoDevice
        )
    );
}

#[test]
fn smc_go_decline_v2_of_28_bytes_is_rejected_as_in_c() {
    let bytes = hex("e2d4c3d904001c202525252525252500 0303000020000000e2d4c3d9");
    assert_eq!(Message::parse(&bytes), Err(ClcError::Length(28)));
}

#[test]
fn decline_v2_with_out_of_sync() {
    let d = Decline::new(true, PeerId([1; 8]), Reason::SyncError);
    let mut buf = [0; 64];
    let n = d.emit(&mut buf).unwrap();
    assert_eq!(
        buf[..n],
        hex("e2d4c3d9 04 002c 28 0101010101010101 04000000 20000000 \
             00000000000000000000000000000000 e2d4c3d9")
    );
    assert_eq!(same(&buf[..n]), Message::Decline(d));
    // The trailer is not looked at.
    buf[n - 1] = 0;
    let Message::Decline(d) = same(&buf[..n]) else {
        panic!()
    };
    assert_eq!(d.trailer, [0xe2, 0xd4, 0xc3, 0]);
}

#[test]
fn a_decline_is_first_if_it_is_all_there_whatever_comes_behind() {
    for v2 in [false, true] {
        let mut buf = [0; 64];
        let decline = Decline::new(v2, PeerId([1; 8]), Reason::NoDevice);
        let n = decline.emit(&mut buf).unwrap();
        assert!(n <= Decline::MAX_LEN);
        assert_eq!(Decline::first(&buf[..n]), Some((n, decline)));
        assert_eq!(Decline::first(&buf), Some((n, decline)));
        for cut in 0..n {
            assert_eq!(Decline::first(&buf[..cut]), None, "{cut}");
        }
    }
    assert_eq!(Decline::first(&smcr_v2("02", 108, "20", "")), None);
    assert_eq!(
        Decline::first(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"),
        None
    );
}

#[test]
fn a_message_of_another_kind_is_refused_by_each_parser() {
    let decline = hex("e2d4c3d904001c102525252525252500 0303000000000000e2d4c3d9");
    assert_eq!(Proposal::parse(&decline), Err(ClcError::Kind(4)));
    assert_eq!(AcceptConfirm::parse(&decline), Err(ClcError::Kind(4)));
    let accept = smcr_v2("02", 108, "20", "");
    assert_eq!(Decline::parse(&accept), Err(ClcError::Kind(2)));
    assert_eq!(Kind::from_code(2), Some(Kind::Accept));
}

#[test]
fn every_error_has_its_own_sentence() {
    let errors = [
        ClcError::Truncated,
        ClcError::Eyecatcher,
        ClcError::Trailer,
        ClcError::Kind(9),
        ClcError::Version,
        ClcError::Length(9),
        ClcError::Count(9),
        ClcError::Offset(9),
        ClcError::Modes,
        ClcError::FirstContact,
        ClcError::RmbeIndex,
    ];
    let mut sentences: Vec<_> = errors.iter().map(|e| e.sentence()).collect();
    sentences.sort_unstable();
    sentences.dedup();
    assert_eq!(sentences.len(), errors.len());
}

#[test]
fn a_proposal_longer_than_its_parts_is_rejected_as_in_c() {
    let mut bytes = smc_go_v2_both("0024");
    let at = bytes.len() - 4;
    bytes.splice(at..at, [0; 4]);
    bytes[6] += 4;
    assert_eq!(Message::parse(&bytes), Err(ClcError::Length(226)));
}

#[test]
fn counts_and_offsets_are_bounded() {
    let good = smc_go_v2_both("0024");
    let with = |at: usize, v: u8| {
        let mut b = good.clone();
        b[at] = v;
        Message::parse(&b).err()
    };
    // EIDs, ISM GIDs, IPv6 prefixes: 9 of each.
    assert_eq!(with(88, 9), Some(ClcError::Count(9)));
    assert_eq!(with(89, 9), Some(ClcError::Count(9)));
    assert_eq!(with(87, 9), Some(ClcError::Count(9)));
    // 8 of each are allowed, but aren't there.
    assert_eq!(with(88, 8), Some(ClcError::Truncated));
    // Offset to the IP area, and to the SMC-Dv2 extension.
    assert_eq!(with(39, 0x27), Some(ClcError::Offset(0x27)));
    assert_eq!(with(95, 0x41), Some(ClcError::Offset(0x41)));
    // Without an offset to it, SMC-Dv2 is not usable, but the message stands.
    let mut b = good.clone();
    b[95] = 0;
    let p = proposal(&b);
    let ProposalBody::V2(v2) = p.body else {
        panic!()
    };
    assert!(!v2.v2.unwrap().kind.smcd().unwrap().is_announced());
    assert!(Entries::<Eid, 8>::EMPTY.is_empty());
}
