// SPDX-License-Identifier: GPL-2.0

//! CONFIRM RKEY and DELETE RKEY.

use super::solo::*;

#[test]
fn a_single_group_skips_confirm_rkey_and_owes_delete_rkey_once() {
    let mut s = Solo::up(Server, V1, 1);
    for _ in 0..3 {
        assert_eq!(s.announce(1), Ok(Announce::Ready));
    }
    s.rest();
    // Never announced: nothing is owed.
    assert_eq!(s.g.drop_rmb(s.now, rmb(2)), Dropped::Free);
    assert_eq!(s.g.drop_rmb(s.now, rmb(1)), Dropped::Wait);
    assert_eq!(s.g.drop_rmb(s.now, rmb(1)), Dropped::Wait);
    assert_eq!(s.announce(1), Err(RkeyError::Dropping));
    let m = s.sent();
    let key = token(Server, rmb(1), 0x11).rkey.0.to_be_bytes();
    assert_eq!(m[..8], [9, 44, 0, 0, 1, 0, 0, 0]);
    assert_eq!(m[8..12], key);
    let mut answer = m.clone();
    answer[3] = 0x80;
    // Only as an answer on that link, once.
    s.drops(Slot::S1, &answer);
    assert_eq!(s.take(Slot::S0, &answer), None);
    assert_eq!(s.act(), Action::RkeyGone(rmb(1)));
    s.drops(Slot::S0, &answer);
    assert_eq!(s.g.drop_rmb(s.now, rmb(1)), Dropped::Free);
    // A negative answer, or none: gone all the same.
    for happens in [
        |s: &mut Solo, mut m: Vec<u8>| {
            m[3] = 0xa0;
            s.take(Slot::S0, &m);
        },
        |s: &mut Solo, _| s.time(),
    ] {
        s.announce(1).unwrap();
        s.g.drop_rmb(s.now, rmb(1));
        let m = s.sent();
        happens(&mut s, m);
        assert_eq!(s.act(), Action::RkeyGone(rmb(1)));
        s.rest();
    }
    // A key that is missing can't be named; the RMB goes without.
    s.announce(1).unwrap();
    s.keys.missing.push(rmb(1));
    s.g.drop_rmb(s.now, rmb(1));
    s.rest_but(Action::RkeyGone(rmb(1)));
}

#[test]
fn two_links_need_confirm_rkey() {
    let mut s = Solo::double(Server, V2);
    assert_eq!(s.announce(3), Ok(Announce::Wait));
    assert_eq!(s.announce(3), Ok(Announce::Wait));
    assert_eq!(s.g.owed().waiting, 1);
    let m = s.sent();
    let parsed = Message::parse(&m).unwrap();
    let Body::ConfirmRkey(c) = parsed.body else {
        panic!()
    };
    assert_eq!(c.here, token(Server, rmb(3), 0x11));
    assert_eq!(c.count, 1);
    let other = LinkKey {
        link: LinkNum(2),
        token: token(Server, rmb(3), 0x12),
    };
    assert_eq!(c.others().collect::<Vec<_>>(), [other]);
    let mut answer = m.clone();
    answer[3] = 0x80;
    // Another RMB's answer, come late.
    let mut late = answer.clone();
    late[8] ^= 1;
    s.drops(Slot::S0, &late);
    assert_eq!(s.take(Slot::S0, &answer), None);
    assert_eq!(s.act(), Action::RkeyUsable(rmb(3)));
    s.rest();
    // Once is enough.
    assert_eq!(s.announce(3), Ok(Announce::Ready));

    // No.
    s.announce(4).unwrap();
    let mut no = s.sent();
    no[3] = 0xb0;
    s.take(Slot::S0, &no);
    assert_eq!(s.act(), Action::RkeyRefused(rmb(4), RkeyError::Refused));
    // The peer does not know it.
    assert_eq!(s.g.drop_rmb(s.now, rmb(4)), Dropped::Free);
    // No answer; the peer may know it.
    s.announce(5).unwrap();
    s.sent();
    s.time();
    assert_eq!(s.act(), Action::RkeyRefused(rmb(5), RkeyError::Timeout));
    assert_eq!(s.g.drop_rmb(s.now, rmb(5)), Dropped::Wait);
    let mut answer = s.sent();
    assert_eq!(answer[..4], [0x29, 44, 0, 0]);
    answer[3] = 0x80;
    s.take(Slot::S0, &answer);
    assert_eq!(s.act(), Action::RkeyGone(rmb(5)));
    // Not registered.
    s.keys.missing.push(rmb(6));
    s.announce(6).unwrap();
    s.rest_but(Action::RkeyRefused(rmb(6), RkeyError::Refused));
}

#[test]
fn dropping_takes_an_announcement_back() {
    let mut s = Solo::double(Client, V1);
    // Not sent yet, but under way.
    s.announce(1).unwrap();
    s.announce(2).unwrap();
    assert_eq!(s.g.drop_rmb(s.now, rmb(2)), Dropped::Free);
    assert_eq!(s.g.drop_rmb(s.now, rmb(1)), Dropped::Wait);
    let mut answer = s.sent();
    answer[3] = 0x80;
    s.take(Slot::S0, &answer);
    // No answer to the announcement; the deletion follows.
    assert_eq!(s.g.poll_action(), None);
    let mut answer = s.sent();
    assert_eq!(answer[0], 9);
    answer[3] = 0x80;
    s.take(Slot::S0, &answer);
    s.rest_but(Action::RkeyGone(rmb(1)));
}

#[test]
fn an_exchange_moves_to_another_link() {
    let mut s = Solo::double(Client, V1);
    s.announce(1).unwrap();
    assert_eq!(s.poll().unwrap().0, Slot::S0);
    s.g.link_down(s.now, Slot::S0);
    assert_eq!(s.act(), Action::LinkLost(Slot::S0));
    assert_eq!(s.act(), Action::FreeLink(Slot::S0));
    // The deletion is told, and the key again, over the other link.
    let (slot, m) = s.poll().unwrap();
    assert_eq!(slot, Slot::S1);
    assert_eq!(delete_of(&m), (0x20, 1, DeleteReason::LostPath));
    let (slot, m) = s.poll().unwrap();
    assert_eq!((slot, m[0]), (Slot::S1, 6));
    let Body::ConfirmRkey(c) = Message::parse(&m).unwrap().body else {
        panic!()
    };
    assert_eq!((c.count, c.here), (0, token(Client, rmb(1), 0x12)));
    // What the server orders then is done already.
    let order = delete_link(V1, Flags::ORDERLY, 1, DeleteReason::LostPath);
    let reply = s.take(Slot::S1, &order).unwrap();
    assert_eq!(delete_of(&reply), (0xa0, 1, DeleteReason::UnknownLink));
    // The queue pair may still take writes until it is destroyed.
    let mut answer = m;
    answer[3] = 0x80;
    s.take(Slot::S1, &answer);
    assert_eq!(s.act(), Action::RkeyUsable(rmb(1)));
    s.announce(2).unwrap();
    assert_eq!(s.sent()[0], 6);
    s.g.link_freed(s.now, Slot::S0);
    assert_eq!(s.announce(3), Ok(Announce::Ready));
}

#[test]
fn announcements_that_wait_for_a_link_to_go_need_no_message() {
    let mut s = Solo::double(Client, V1);
    let order = delete_link(V1, Flags::ORDERLY, 1, DeleteReason::Operator);
    let reply = s.take(Slot::S1, &order).unwrap();
    assert_eq!(delete_of(&reply), (0xa0, 1, DeleteReason::None));
    assert_eq!(s.act(), Action::LinkLost(Slot::S0));
    assert_eq!(s.act(), Action::FreeLink(Slot::S0));
    assert_eq!(s.g.redundancy(), Redundancy::Single);
    s.announce(1).unwrap();
    s.announce(2).unwrap();
    assert_eq!(s.sent()[0], 6);
    s.g.link_freed(s.now, Slot::S0);
    s.time();
    // The one that was under way got no answer; the other one needs none.
    assert_eq!(s.act(), Action::RkeyUsable(rmb(2)));
    assert_eq!(s.act(), Action::RkeyRefused(rmb(1), RkeyError::Timeout));
    s.rest();
}

#[test]
fn the_peers_keys_are_taken_in() {
    let mut s = Solo::double(Server, V1);
    let other = LinkKey {
        link: LinkNum(2),
        token: rtoken(0x22),
    };
    let unknown = LinkKey {
        link: LinkNum(9),
        token: rtoken(0x99),
    };
    let m = confirm_rkey(2, rtoken(0x21), [unknown, other]);
    let mut want = m.clone();
    want[3] = 0x80;
    assert_eq!(s.take(Slot::S0, &m).unwrap(), want);
    let row = PeerTable::new(&mut s.rows[..])
        .add(Slot::S0, rtoken(0x21))
        .unwrap();
    let table = PeerTable::new(&mut s.rows[..]);
    assert_eq!(table.token(row, Slot::S1), Some(rtoken(0x22)));
    assert_eq!(table.token(row, Slot::S2), None);
    // More links than there can be: no, try again.
    let m = confirm_rkey(4, rtoken(0x31), no_others());
    assert_eq!(s.take(Slot::S0, &m).unwrap()[3], 0xb0);
    // The table is full.
    for n in 0..4 {
        let m = confirm_rkey(0, rtoken(0x41 + n), no_others());
        let flags = s.take(Slot::S0, &m).unwrap()[3];
        assert_eq!(flags, if n < 3 { 0x80 } else { 0xb0 });
    }
    // Taken back, by its key on the other link.
    let keys = [0x22u32, 0x77].map(u32::to_be_bytes).concat();
    let mut key_bytes = [0; 36];
    key_bytes[..8].copy_from_slice(&keys);
    let m = message(
        V1,
        Flags::REQUEST,
        Body::DeleteRkey(DeleteRkey::new(2, &key_bytes, false)),
    );
    let reply = s.take(Slot::S1, &m).unwrap();
    assert_eq!(reply[3..6], [0xa0, 2, 0x40]);
    let table = PeerTable::new(&mut s.rows[..]);
    assert_eq!(table.token(row, Slot::S0), None);
    s.rest();
}

// Adding links.
