// SPDX-License-Identifier: GPL-2.0

//! Vectors that are written out from the structures of RFC 7609 Appendix A.3 and
//! smc_llc.c.

use super::*;

#[test]
fn confirm_link_of_v2_1() {
    let b = hex(
        "212c0083 020304050607 00000000000000000000ffff0a000001 000102 01 aabbccdd 01 ff
                 0000000000000000",
    );
    let m = parse(&b);
    assert_eq!(m.version(), V2LE);
    let Body::ConfirmLink(c) = m.body else {
        panic!()
    };
    assert_eq!(c.gid.ipv4(), Some([10, 0, 0, 1]));
    assert_eq!((c.max_links, c.max_conns), (1, 255));
    let built = Message::new(
        V2LE,
        Flags::RESPONSE.with(Flags::NO_EYECATCHER),
        Body::ConfirmLink(ConfirmLink {
            mac: Mac([2, 3, 4, 5, 6, 7]),
            gid: Gid::from_ipv4([10, 0, 0, 1]),
            qpn: Qpn::new(0x102).unwrap(),
            link: LinkNum(1),
            uid: LinkUid([0xaa, 0xbb, 0xcc, 0xdd]),
            max_links: 1,
            max_conns: 255,
            reserved: &[0; 8],
        }),
    );
    assert_eq!(emit(&built), b);
}

#[test]
fn add_link_v1_carries_mtu_psn_and_reserved_bits() {
    let b = hex(
        "022c0000 98039babcdef 1122 fe800000000000009a039bfffeabcdef 000107 02 a3 123456
                 0102030405060708",
    );
    let m = parse(&b);
    let Body::AddLink(a) = m.body else { panic!() };
    assert_eq!(a.qpn.get(), 0x107);
    assert_eq!(a.link, LinkNum(2));
    assert_eq!(a.mtu.bytes(), Some(1024));
    assert_eq!(a.mtu_reserved, 0xa0);
    assert_eq!(a.psn.get(), 0x12_3456);
    assert_eq!(a.reserved, &[1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn add_link_v1_reject_says_why() {
    let offer = hex(
        "022c0000 98039babcdef 0000 fe800000000000009a039bfffeabcdef 000107 02 03 123456
                     0000000000000000",
    );
    let Body::AddLink(a) = parse(&offer).body else {
        panic!()
    };
    let no = Message::reject(LlcVersion::V1, a, RejectReason::NoAlternatePath);
    let mut want = offer.clone();
    want[2] = 0x01;
    want[3] = 0xc0;
    assert_eq!(emit(&no), want);
    let m = parse(&want);
    assert!(m.is_response() && m.header.is_rejected());
    assert_eq!(
        m.header.reject_reason(),
        Some(RejectReason::NoAlternatePath)
    );
    let bad_mtu = emit(&Message::reject(
        LlcVersion::V1,
        a,
        RejectReason::InvalidMtu,
    ));
    assert_eq!(bad_mtu[2], 2);
    assert_eq!(
        parse(&bad_mtu).header.reject_reason(),
        Some(RejectReason::InvalidMtu)
    );
    let other = emit(&Message::reject(LlcVersion::V1, a, RejectReason::Other(7)));
    assert_eq!(
        parse(&other).header.reject_reason(),
        Some(RejectReason::Other(7))
    );
}

fn add_link_v2() -> Vec<u8> {
    hex(
        "225c0000 98039babcdef 0000 00000000000000000000ffff0a000001 000107 02 03 123456
         0000000000000000
         80 00 00000000000000000000ffff0a000001 0000000000000000 0100
         00000011 00000022 0000000000003300 55667788",
    )
}

#[test]
fn add_link_v2_reads_pairs_within_the_message_only() {
    let mut b = add_link_v2();
    b.truncate(LLC_LEN + 28 + 16);
    b[1] = 88;
    let m = parse(&b);
    assert_eq!(m.version(), V2LE);
    let Body::AddLink(a) = m.body else { panic!() };
    let ext = a.ext.unwrap();
    assert_eq!(ext.direct, 0x80);
    assert_eq!(ext.claimed(), 1);
    let pair = KeyPair {
        known: Rkey(0x11),
        new: token(0x22, 0x3300),
    };
    assert_eq!(ext.pairs().collect::<Vec<_>>(), [pair]);

    // A count beyond the message gives what is there, whatever follows it in
    // the receive buffer: smc_llc.c would read on.
    b[LLC_LEN + 26] = 3;
    let Body::AddLink(a) = parse(&b).body else {
        panic!()
    };
    assert_eq!(a.ext.unwrap().claimed(), 3);
    assert_eq!(a.ext.unwrap().pairs().count(), 1);
    // The same with part of another pair behind.
    let mut b = add_link_v2();
    b[LLC_LEN + 26] = 2;
    let Body::AddLink(a) = parse(&b).body else {
        panic!()
    };
    assert_eq!(a.ext.unwrap().pairs().count(), 1);
    // Fewer than there are.
    b[LLC_LEN + 26] = 0;
    let Body::AddLink(a) = parse(&b).body else {
        panic!()
    };
    assert_eq!(a.ext.unwrap().pairs().count(), 0);
}

#[test]
fn add_link_v2_counts_in_either_byte_order() {
    let mut b = add_link_v2();
    b.truncate(88);
    b[1..3].copy_from_slice(&[0, 88]);
    b[70..72].copy_from_slice(&[0, 1]);
    let m = parse(&b);
    assert_eq!(m.version(), V2BE);
    let Body::AddLink(a) = m.body else { panic!() };
    assert_eq!(a.ext.unwrap().pairs().count(), 1);
    // Both bytes set: the low byte of the little-endian reading.
    b[70..72].copy_from_slice(&[1, 1]);
    let Body::AddLink(a) = parse(&b).body else {
        panic!()
    };
    assert_eq!(a.ext.unwrap().claimed(), 1);
    assert_eq!(AddLinkExt::count_bytes(ByteOrder::Little, 5), [5, 0]);
    assert_eq!(AddLinkExt::count_bytes(ByteOrder::Big, 5), [0, 5]);
}

#[test]
fn add_link_v2_is_built_as_its_vector() {
    let mut b = add_link_v2();
    b.truncate(88);
    b[1] = 88;
    let mut keys = [0u8; 16];
    KeyPair {
        known: Rkey(0x11),
        new: token(0x22, 0x3300),
    }
    .write(&mut Writer::new(&mut keys))
    .unwrap();
    let gid = Gid::from_ipv4([10, 0, 0, 1]);
    let add = AddLink {
        mac: MAC,
        reserved2: &[0; 2],
        gid,
        qpn: Qpn::new(0x107).unwrap(),
        link: LinkNum(2),
        mtu: QpMtu::from_bits(3).unwrap(),
        mtu_reserved: 0,
        psn: Psn::new(0x12_3456).unwrap(),
        reserved: &[0; 8],
        ext: Some(AddLinkExt {
            direct: 0x80,
            reserved2: 0,
            target_gid: gid,
            reserved3: &[0; 8],
            count: AddLinkExt::count_bytes(ByteOrder::Little, 1),
            keys: KeyPairs::new(&keys),
        }),
    };
    assert_eq!(
        emit(&Message::new(V2LE, Flags::REQUEST, Body::AddLink(add))),
        b
    );
    // Version 1 has no extension to put it in.
    let mut buf = [0; 128];
    let m = Message::new(LlcVersion::V1, Flags::REQUEST, Body::AddLink(add));
    assert_eq!(m.emit(&mut buf), Err(NoSpace));
    // A rejection leaves it out.
    let no = emit(&Message::reject(V2LE, add, RejectReason::NoAlternatePath));
    assert_eq!(no.len(), LLC_LEN);
    assert_eq!(no[..4], [0x22, 44, 0, 0xc0]);
    assert_eq!(parse(&no).header.reject_reason(), None);
}

#[test]
fn an_extension_that_ends_early_is_a_violation() {
    for len in LLC_LEN + 1..LLC_LEN + 28 {
        let err = Message::parse(&add_link_v2()[..len]).unwrap_err();
        assert_eq!(err, LlcError::ListPastEnd);
        assert!(err.is_violation());
    }
}

#[test]
fn the_longest_add_link_fits_the_maximum() {
    let keys = vec![7; 255 * 16];
    let mut b = add_link_v2();
    b.truncate(72);
    b[70] = 255;
    b.extend(&keys);
    assert_eq!(b.len(), LLC_MAX_LEN);
    let Body::AddLink(a) = parse(&b).body else {
        panic!()
    };
    assert_eq!(a.ext.unwrap().pairs().count(), 255);
}

#[test]
fn delete_link_reasons_are_the_codes() {
    for (code, reason) in [
        (0, DeleteReason::None),
        (0x0001_0000, DeleteReason::LostPath),
        (0x0002_0000, DeleteReason::Operator),
        (0x0003_0000, DeleteReason::Program),
        (0x0004_0000, DeleteReason::ProtocolViolation),
        (0x0005_0000, DeleteReason::AsymmetricNotNeeded),
        (0x0010_0000, DeleteReason::UnknownLink),
        (0x0020_0000, DeleteReason::UnknownGroup),
        (0x1234_5678, DeleteReason::Other(0x1234_5678)),
    ] {
        let mut b = hex(&format!("242c0020 02 00000000 {}", "5a".repeat(35)));
        b[5..9].copy_from_slice(&u32::to_be_bytes(code));
        let m = parse(&b);
        assert!(m.header.is_orderly() && !m.header.is_delete_all());
        let Body::DeleteLink(d) = m.body else {
            panic!()
        };
        assert_eq!((d.link, d.reason), (LinkNum(2), reason));
        assert_eq!(reason.code(), code);
        assert!(reason.sentence().ends_with('.'));
    }
}

#[test]
fn answers_send_the_request_back() {
    let req = hex(&format!("272c0000 {}", "a5".repeat(40)));
    let m = parse(&req);
    let mut want = req.clone();
    want[3] = 0x80;
    assert_eq!(emit(&m.answer(Flags::RESPONSE, m.body)), want);

    let req = hex(&format!("042c0060 07 00010000 {}", "5a".repeat(35)));
    let m = parse(&req);
    let Body::DeleteLink(d) = m.body else {
        panic!()
    };
    let body = Body::DeleteLink(DeleteLink {
        reason: DeleteReason::UnknownLink,
        ..d
    });
    let mut want = req.clone();
    want[3] = 0xe0;
    want[5..9].copy_from_slice(&[0, 0x10, 0, 0]);
    assert_eq!(emit(&m.answer(Flags::RESPONSE, body)), want);
}

#[test]
fn confirm_rkey_lists_other_links() {
    let b = hex(
        "062c00b0 02 00000001 0000000000000002 05 00000003 0000000000000004
                 06 00000005 0000000000000006 ee",
    );
    let m = parse(&b);
    assert!(m.is_response() && m.header.is_negative() && m.header.is_retry());
    let Body::ConfirmRkey(c) = m.body else {
        panic!()
    };
    assert_eq!(c.here, token(1, 2));
    let others: Vec<_> = c.others().collect();
    assert_eq!(others[0].link, LinkNum(5));
    assert_eq!(others[0].token, token(3, 4));
    assert_eq!(others[1].link, LinkNum(6));
    assert_eq!(others[1].token, token(5, 6));
    // A larger count never gives more than the message has.
    let mut many = b.clone();
    many[4] = 255;
    let Body::ConfirmRkey(c) = parse(&many).body else {
        panic!()
    };
    assert_eq!(c.others().count(), OTHER_KEYS);
    assert_eq!(
        emit(&Message::new(
            LlcVersion::V1,
            Flags::NEGATIVE_RETRY,
            Body::ConfirmRkey(c)
        ))[3],
        0xb0
    );
}

#[test]
fn delete_rkey_v1_answers_with_a_mask() {
    let mut b = hex(&format!("092c0000 03 00 0000 {}", "00".repeat(36)));
    for (i, place) in b[8..40].chunks_mut(4).enumerate() {
        place.copy_from_slice(&u32::to_be_bytes(i as u32 + 1));
    }
    let m = parse(&b);
    let Body::DeleteRkey(d) = m.body else {
        panic!()
    };
    assert_eq!(d.keys().collect::<Vec<_>>(), [Rkey(1), Rkey(2), Rkey(3)]);
    let (body, all) = d.response([true, false, false].into_iter());
    assert!(!all);
    let resp = emit(&m.answer(Flags::NEGATIVE, Body::DeleteRkey(body)));
    let mut want = b.clone();
    want[3] = 0xa0;
    want[5] = 0b0110_0000;
    assert_eq!(resp, want);
    let (body, all) = d.response([true; 3].into_iter());
    assert!(all);
    want[3] = 0x80;
    want[5] = 0;
    assert_eq!(
        emit(&m.answer(Flags::RESPONSE, Body::DeleteRkey(body))),
        want
    );
    // Version 1 has room for eight, whatever the count.
    b[4] = 200;
    let Body::DeleteRkey(d) = parse(&b).body else {
        panic!()
    };
    assert_eq!(d.keys().count(), 8);
    let (body, _) = d.response([false; 9].into_iter());
    assert_eq!(body.errors, 0xff);
}

#[test]
fn delete_rkey_v2_answers_with_a_number_and_44_bytes() {
    let mut b = hex("29340000 0b 00 0000");
    for i in 1..=11u32 {
        b.extend(i.to_be_bytes());
    }
    let m = parse(&b);
    assert_eq!(m.version(), V2LE);
    let Body::DeleteRkey(d) = m.body else {
        panic!()
    };
    assert_eq!(d.keys().count(), 11);
    assert_eq!(d.keys().last(), Some(Rkey(11)));
    let (body, all) = d.response((0..11).map(|i| i % 2 == 0));
    assert!(!all);
    let resp = emit(&m.answer(Flags::NEGATIVE, Body::DeleteRkey(body)));
    let want = hex(&format!("292c00a0 0b 05 0000 {}", "00".repeat(36)));
    assert_eq!(resp, want);
    // smc_llc.c sends version 2 with one key and 44 bytes.
    let b = hex(&format!("292c0000 01 00 0000 00000009 {}", "00".repeat(32)));
    let Body::DeleteRkey(d) = parse(&b).body else {
        panic!()
    };
    assert_eq!(d.keys().collect::<Vec<_>>(), [Rkey(9)]);
}

#[test]
fn delete_rkey_v2_past_the_end_is_a_violation() {
    let mut b = hex(&format!("292c0000 09 00 0000 {}", "11".repeat(36)));
    assert!(Message::parse(&b).is_ok());
    b[4] = 10;
    assert_eq!(Message::parse(&b), Err(LlcError::ListPastEnd));
    // The response to a longer request has 44 bytes and its count.
    b[3] = 0x80;
    assert!(parse(&b).is_response());
}

#[test]
fn delete_rkey_is_built_with_its_padding() {
    let keys = 0x155du32.to_be_bytes();
    let m = Message::new(
        LlcVersion::V1,
        Flags::REQUEST,
        Body::DeleteRkey(DeleteRkey::new(1, &keys, false)),
    );
    assert_eq!(
        emit(&m),
        hex(&format!("092c0000 01000000 0000155d {}", "00".repeat(32)))
    );
}

#[test]
fn req_add_link_lists_gids() {
    let mut b = hex(&format!("253c0000 {} 02 000000", "00".repeat(20)));
    b.extend([1; 16]);
    b.extend([2; 16]);
    let m = parse(&b);
    assert_eq!(m.version(), V2LE);
    let Body::ReqAddLink(q) = m.body else {
        panic!()
    };
    assert_eq!(q.gids().collect::<Vec<_>>(), [Gid([1; 16]), Gid([2; 16])]);
    // A count beyond the message gives what is there.
    let mut many = b.clone();
    many[24] = 200;
    let Body::ReqAddLink(q) = parse(&many).body else {
        panic!()
    };
    assert_eq!(q.gids().count(), 2);
    // The refusal is all zero, 44 bytes.
    let none = Body::ReqAddLink(ReqAddLink {
        reserved: &[0; 20],
        count: 0,
        reserved2: &[0; 3],
        gid_bytes: &[],
    });
    let want = hex(&format!("252c0080 {}", "00".repeat(40)));
    assert_eq!(emit(&m.answer(Flags::RESPONSE, none)), want);
    assert_eq!(emit(&Message::new(V2LE, Flags::RESPONSE, none)), want);
    // Version 1 has no such message.
    let mut buf = [0; 64];
    assert_eq!(
        Message::new(LlcVersion::V1, Flags::REQUEST, none).emit(&mut buf),
        Err(NoSpace)
    );
}

#[test]
fn only_registered_types_are_messages() {
    let known = [
        0x01, 0x02, 0x03, 0x04, 0x06, 0x07, 0x08, 0x09, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x29,
    ];
    for t in 0..=255u8 {
        let mut b = [0u8; 80];
        b[0] = t;
        b[1] = 44;
        match Message::parse(&b) {
            Ok(_) => assert!(known.contains(&t), "{t:#x}"),
            Err(e) => {
                assert!(!known.contains(&t), "{t:#x}");
                assert_eq!(e, LlcError::UnknownType(t));
                assert!(!e.is_violation());
            }
        }
    }
}

#[test]
fn lengths_that_smc_llc_drops_are_dropped() {
    assert_eq!(Message::parse(&[]), Err(LlcError::Short));
    let v1 = hex(&format!("072c0000 {}", "00".repeat(40)));
    for len in 1..LLC_LEN {
        assert_eq!(Message::parse(&v1[..len]), Err(LlcError::Short));
    }
    for len in (0..=255u8).filter(|l| *l != 44) {
        let mut b = v1.clone();
        b[1] = len;
        assert_eq!(Message::parse(&b), Err(LlcError::BadLength));
    }
    let mut v2 = v1.clone();
    v2[0] = 0x27;
    for raw in [[0, 0], [1, 0], [43, 0]] {
        v2[1..3].copy_from_slice(&raw);
        assert_eq!(Message::parse(&v2), Err(LlcError::BadLength));
    }
    // 256 in network order is 1 in the other; a message so long is taken.
    let mut exact = vec![0x29, 1, 0, 0, 61];
    exact.resize(256, 0);
    assert_eq!(parse(&exact).version(), V2BE);
    exact.pop();
    assert_eq!(Message::parse(&exact), Err(LlcError::BadLength));
    v2[1..3].copy_from_slice(&[0, 44]);
    assert_eq!(parse(&v2).version(), V2BE);
    v2[1..3].copy_from_slice(&[44, 0]);
    assert_eq!(parse(&v2).version(), V2LE);
    // Trailing bytes of version 1 are not part of the message.
    let mut long = v1;
    long.extend([1, 2, 3]);
    assert_eq!(parse(&long).wire_len(), LLC_LEN);
}
