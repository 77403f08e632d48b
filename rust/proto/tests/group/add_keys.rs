// SPDX-License-Identifier: GPL-2.0

//! The keys that go with a new link.

use super::solo::*;

#[test]
fn add_link_tells_all_keys_in_v2() {
    let mut s = Solo::up(Server, V2, 2);
    // It is being added already: wait.
    assert_eq!(s.announce(1), Ok(Announce::Wait));
    assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
    s.g.link_prepared(s.now, Slot::S1, Err(AddError::NoPort));
    // There is no port; no exchange either.
    s.rest_but(Action::RkeyUsable(rmb(1)));
    s.announce(2).unwrap();
    s.g.proven(rmb(2));
    s.g.add_link(s.now, None).unwrap();
    assert_eq!(
        s.g.add_link(s.now, None),
        Err(AddError::Full),
        "one at a time"
    );
    s.prepare(Slot::S1, 1);
    // RMB 1 may not be known yet: that first. RMB 2 has been used.
    let mut m = s.sent();
    assert_eq!(m[0], 0x26);
    let Body::ConfirmRkey(c) = Message::parse(&m).unwrap().body else {
        panic!()
    };
    assert_eq!(c.here, token(Server, rmb(1), 0x11));
    m[3] = 0x80;
    s.take(Slot::S0, &m);
    let m = s.sent();
    let Body::AddLink(a) = Message::parse(&m).unwrap().body else {
        panic!()
    };
    let e = end(1, 1, 0x12);
    // Number 2 was that of the link that never was.
    assert_eq!(
        (a.mac, a.gid, a.qpn, a.link),
        (e.mac, e.gid, e.qpn, LinkNum(3))
    );
    assert_eq!((a.mtu, a.psn), (e.mtu, e.psn));
    let ext = a.ext.unwrap();
    assert_eq!(
        (ext.direct, ext.target_gid, ext.claimed()),
        (0x80, e.gid, 2)
    );
    let pairs: Vec<_> = ext.pairs().collect();
    for (n, pair) in [1, 2].into_iter().zip(&pairs) {
        assert_eq!(pair.known, token(Server, rmb(n), 0x11).rkey);
        assert_eq!(pair.new, token(Server, rmb(n), 0x12));
    }
    // The answer brings the client's.
    PeerTable::new(&mut s.rows[..]).add(Slot::S0, rtoken(5));
    let mut keys = [0u8; 16];
    keys[..4].copy_from_slice(&5u32.to_be_bytes());
    keys[4..8].copy_from_slice(&6u32.to_be_bytes());
    keys[8..].copy_from_slice(&(6u64 << 16).to_be_bytes());
    s.take(Slot::S0, &add_link_with(V2, Flags::RESPONSE, 3, 1, &keys));
    let row = PeerTable::new(&mut s.rows[..])
        .add(Slot::S0, rtoken(5))
        .unwrap();
    let table = PeerTable::new(&mut s.rows[..]);
    assert_eq!(table.token(row, Slot::S1), Some(rtoken(6)));
    assert_eq!(s.act(), Action::ConnectLink(Slot::S1));
    assert_eq!(s.g.link(Slot::S1).peer(), &end(2, 1, 0x23));
    s.g.link_connected(s.now, Slot::S1, true);
    let mut m = s.sent();
    m[3] |= 0x80;
    // On the old link it proves nothing.
    s.drops(Slot::S0, &m);
    s.take(Slot::S1, &m);
    assert_eq!(s.act(), Action::LinkActive(Slot::S1));
    assert_eq!(s.act(), Action::AddLink(Ok(Some(Slot::S1))));
    assert_eq!(s.g.redundancy(), Redundancy::Symmetric);
    assert_eq!(s.g.add_link(s.now, None), Err(AddError::Full));
    s.rest();
}

#[test]
fn add_link_tells_all_keys_in_turns_in_v1() {
    let mut s = Solo::up(Client, V1, 2);
    for n in 1..=3 {
        s.announce(n).unwrap();
        s.g.proven(rmb(n));
    }
    s.take(Slot::S0, &add_link(V1, 2, 1));
    s.prepare(Slot::S1, 1);
    let m = s.sent();
    assert_eq!(m[..4], [2, 44, 0, 0x80]);
    let cont = |remaining, link| {
        let m = AddLinkCont {
            link: LinkNum(link),
            remaining,
            reserved2: &[0; 2],
            pairs: [KeyPair::default(); 2],
            reserved: &[0; 4],
        };
        message(V1, Flags::REQUEST, Body::AddLinkCont(m))
    };
    s.drops(Slot::S0, &cont(0, 9));
    s.drops(Slot::S1, &cont(0, 2));
    s.take(Slot::S0, &cont(5, 2));
    s.drops(Slot::S0, &cont(5, 2));
    // 3, then 1, then none of this side, while the server has still some.
    for (remaining, first, theirs) in [(3, Some(1), 3), (1, Some(3), 1), (0, None, 0)] {
        let m = s.sent();
        assert_eq!(m[3], 0x80);
        let Body::AddLinkCont(c) = Message::parse(&m).unwrap().body else {
            panic!()
        };
        assert_eq!((c.link, c.remaining), (LinkNum(2), remaining));
        if let Some(n) = first {
            assert_eq!(c.pairs[0].known, token(Client, rmb(n), 0x11).rkey);
            assert_eq!(c.pairs[0].new, token(Client, rmb(n), 0x12));
        }
        if theirs > 0 {
            s.take(Slot::S0, &cont(theirs, 2));
        }
    }
    // Both have told all.
    s.drops(Slot::S0, &cont(0, 2));
    assert_eq!(s.g.owed().peer, Some(Millis(5_000)));
    s.take(Slot::S1, &confirm_link(V1, 2));
    assert_eq!(s.act(), Action::EnableLink(Slot::S1));
    s.g.link_enabled(s.now, Slot::S1, true);
    assert_eq!(s.sent()[..4], [1, 44, 0, 0x83]);
    assert_eq!(s.act(), Action::LinkActive(Slot::S1));
}

#[test]
fn keys_do_not_come_in_turns_for_ever() {
    let mut s = Solo::adding(Client, V1);
    s.sent();
    let m = AddLinkCont {
        link: LinkNum(2),
        remaining: 255,
        reserved2: &[0; 2],
        pairs: [KeyPair::default(); 2],
        reserved: &[0; 4],
    };
    let m = message(V1, Flags::REQUEST, Body::AddLinkCont(m));
    let mut rounds = 0;
    while s.g.owed().flow == FlowKind::AddLink {
        s.take(Slot::S0, &m);
        assert!(s.poll().is_some());
        rounds += 1;
        assert!(rounds < 200);
    }
    assert_eq!(rounds, 129);
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
}
