// SPDX-License-Identifier: GPL-2.0

//! The test vectors of hwipl/smc-go (pkg/llc), some of them captured, some made
//! up there.

use super::*;

#[test]
fn smc_go_confirm_link() {
    let b = hex(
        "012c0003 98039bab cdeffe80 00000000 00009a03 9bfffeab cdef0001 07000001
                 00000200 00000000 00000000",
    );
    let m = parse(&b);
    assert!(!m.is_response());
    assert!(m.header.no_eyecatcher());
    assert_eq!(m.version(), LlcVersion::V1);
    let Body::ConfirmLink(c) = m.body else {
        panic!()
    };
    assert_eq!((c.mac, c.gid), (MAC, gid()));
    assert_eq!(c.qpn.get(), 263);
    assert_eq!(c.link, LinkNum(0));
    assert_eq!(c.uid, LinkUid([0, 1, 0, 0]));
    assert_eq!((c.max_links, c.max_conns), (2, 0));
}

#[test]
fn smc_go_add_link() {
    let b = hex(
        "022c0000 98039bab cdef0000 fe800000 00000000 9a039bff feabcdef 00000000
                 00000000 00000000 00000000",
    );
    let m = parse(&b);
    assert!(!m.is_response() && !m.header.is_rejected());
    let Body::AddLink(a) = m.body else { panic!() };
    assert_eq!((a.mac, a.gid), (MAC, gid()));
    assert_eq!((a.qpn.get(), a.psn.get(), a.mtu.bits()), (0, 0, 0));
    assert_eq!(a.link, LinkNum(0));
    assert_eq!(a.ext, None);
}

#[test]
fn smc_go_add_link_cont() {
    let b = hex(
        "032c0080 01010000 00000001 00000002 00000000 00000003 00000004 00000005
                 00000000 00000006 00000000",
    );
    let m = parse(&b);
    assert!(m.is_response());
    let Body::AddLinkCont(c) = m.body else {
        panic!()
    };
    assert_eq!((c.link, c.remaining), (LinkNum(1), 1));
    let first = KeyPair {
        known: Rkey(1),
        new: token(2, 3),
    };
    let second = KeyPair {
        known: Rkey(4),
        new: token(5, 6),
    };
    assert_eq!(c.pairs, [first, second]);
    assert_eq!(c.pairs().collect::<Vec<_>>(), [first]);
}

#[test]
fn smc_go_confirm_rkey() {
    let b = hex(
        "062c0000 00000015 5d000000 0eef4d00 00000000 00000000 00000000 00000000
                 00000000 00000000 00000000",
    );
    let m = parse(&b);
    let Body::ConfirmRkey(c) = m.body else {
        panic!()
    };
    assert_eq!(c.count, 0);
    assert_eq!(c.here, token(5469, 0xe_ef4d_0000));
    assert_eq!(c.others().count(), 0);
}

#[test]
fn smc_go_confirm_rkey_cont() {
    // The original is 45 bytes long; the message is the first 44.
    let b = hex(
        "082c00a0 01010000 00020000 00000000 00030400 00000500 00000000 00000607
                 00000008 00000000 00000009 00",
    );
    let m = parse(&b);
    assert_eq!(m.wire_len(), LLC_LEN);
    assert!(m.is_response() && m.header.is_negative() && !m.header.is_retry());
    let Body::ConfirmRkeyCont(c) = m.body else {
        panic!()
    };
    assert_eq!(c.count, 1);
    let key = |link, rkey, addr| LinkKey {
        link: LinkNum(link),
        token: token(rkey, addr),
    };
    assert_eq!(c.keys, [key(1, 2, 3), key(4, 5, 6), key(7, 8, 9)]);
}

#[test]
fn smc_go_delete_link() {
    let b = hex(&format!("042c0060{}", "00".repeat(40)));
    let m = parse(&b);
    assert!(!m.is_response() && m.header.is_delete_all() && m.header.is_orderly());
    let Body::DeleteLink(d) = m.body else {
        panic!()
    };
    assert_eq!((d.link, d.reason), (LinkNum(0), DeleteReason::None));
}

#[test]
fn smc_go_delete_rkey() {
    let b = hex(&format!("092c0000 01000000 0000155d {}", "00".repeat(32)));
    let m = parse(&b);
    let Body::DeleteRkey(d) = m.body else {
        panic!()
    };
    assert_eq!((d.count, d.errors), (1, 0));
    assert_eq!(d.keys().collect::<Vec<_>>(), [Rkey(5469)]);
}

#[test]
fn smc_go_test_link_is_too_short_as_it_stands() {
    // Its vector ends after the user data and a byte.
    let b = hex(&format!("072c0080 {}", "00".repeat(17)));
    assert_eq!(Message::parse(&b), Err(LlcError::Short));
    let b = hex(&format!("072c0080 {}", "00".repeat(40)));
    let m = parse(&b);
    assert!(m.is_response());
    assert_eq!(m.body.kind(), Kind::TestLink);
}
