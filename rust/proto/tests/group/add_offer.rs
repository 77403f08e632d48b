// SPDX-License-Identifier: GPL-2.0

//! Which offers of a link are taken, and when.

use super::solo::*;

#[test]
fn a_single_group_rejects_every_link() {
    let mut s = Solo::up(Client, V1, 1);
    let offer = add_link(V1, 2, 1);
    let reply = s.take(Slot::S0, &offer).unwrap();
    let mut want = offer.clone();
    want[2] = 1;
    want[3] = 0xc0;
    assert_eq!(reply, want);
    s.rest();

    let mut s = Solo::up(Client, V2, 1);
    let reply = s.take(Slot::S0, &add_link(V2, 2, 1)).unwrap();
    assert_eq!(reply[..4], [0x22, 44, 0, 0xc0]);
    s.rest();
    assert_eq!(
        s.g.add_link(s.now, Some(Hint::default())),
        Err(AddError::Full)
    );

    // As a server it has nothing to offer.
    let mut s = Solo::up(Server, V1, 1);
    s.rest();
    assert_eq!(s.take(Slot::S0, &add_link(V1, 0, 1)), None);
    s.rest();
    let mut s = Solo::up(Server, V2, 1);
    let reply = s.take(Slot::S0, &req_add_link()).unwrap();
    assert_eq!(reply, [&[0x25, 44, 0, 0x80][..], &[0; 40]].concat());
    s.rest();
    assert_eq!(s.g.add_link(s.now, None), Err(AddError::Full));
}

#[test]
fn a_client_that_does_not_know_is_told_that_no_link_comes() {
    for (max_conns, told) in [(0, true), (255, false)] {
        let mut s = Solo::new(Server, V1, 1);
        let c = Config {
            max_conns,
            ..config(Server, V1, 1)
        };
        s.g = Group::new(c, end(1, 0, 0x11), end(2, 0, 0x21));
        s.g.first_contact(s.now);
        let mut answer = s.sent();
        answer[3] |= 0x80;
        s.take(Slot::S0, &answer);
        s.act();
        s.act();
        if told {
            let offer = s.sent();
            assert_eq!(offer[..4], [2, 44, 0, 0]);
            // No MTU: every client rejects that at once, ours included.
            assert_eq!(offer[32], 0);
            let mut client = Solo::up(Client, V1, 2);
            let no = client.take(Slot::S0, &offer).unwrap();
            assert_eq!(no[3], 0xc0);
            client.rest();
            s.drops(Slot::S0, &no);
        }
        s.rest();
        assert_eq!(s.g.redundancy(), Redundancy::Single);
        assert_eq!(s.announce(1), Ok(Announce::Ready));
    }
}

#[test]
fn offers_of_no_use_are_rejected_at_once() {
    let reject = |s: &mut Solo, m: &[u8]| {
        let reply = s.take(Slot::S0, m).expect("a rejection");
        assert_eq!(reply[3], 0xc0);
        reply[2]
    };
    let mut s = Solo::up(Client, V1, 2);
    // No MTU.
    let mut m = add_link(V1, 2, 1);
    m[32] = 0;
    assert_eq!(reject(&mut s, &m), 2);
    // No number, one that is taken, the wrong version.
    assert_eq!(reject(&mut s, &add_link(V1, 0, 1)), 1);
    assert_eq!(reject(&mut s, &add_link(V1, 1, 1)), 1);
    let reply = s.take(Slot::S0, &add_link(V2, 2, 1)).unwrap();
    assert_eq!(reply[..4], [2, 44, 1, 0xc0]);
    s.rest();
    let mut s = Solo::double(Client, V1);
    assert_eq!(reject(&mut s, &add_link(V1, 3, 1)), 1);
    s.rest();
    // In version 2 an offer without keys would lose those of the server.
    let mut s = Solo::up(Client, V2, 2);
    reject(&mut s, &add_link(V2, 2, 1)[..LLC_LEN]);
    s.rest();
}

#[test]
fn an_offer_is_rejected_later_where_there_is_no_port() {
    let mut s = Solo::up(Client, V1, 2);
    s.take(Slot::S0, &add_link(V1, 2, 1));
    assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
    s.g.link_prepared(s.now, Slot::S1, Err(AddError::NoPort));
    let m = s.sent();
    assert_eq!(m[..4], [2, 44, 1, 0xc0]);
    assert_eq!(m[31], 2);
    s.rest();
    // Both ends on the ports of the first link.
    s.take(Slot::S0, &add_link(V1, 3, 0));
    s.prepare(Slot::S1, 0);
    assert_eq!(s.sent()[..4], [2, 44, 1, 0xc0]);
    s.rest_but(Action::FreeLink(Slot::S1));
}

#[test]
fn an_offer_waits_for_an_exchange_of_this_side() {
    // As smc_llc.c does with its own.
    let mut s = Solo::double(Client, V1);
    let order = delete_link(V1, Flags::ORDERLY, 2, DeleteReason::Operator);
    s.take(Slot::S0, &order);
    s.announce(1).unwrap();
    let mut confirm = s.sent();
    s.g.poll_action();
    s.g.poll_action();
    s.g.link_freed(s.now, Slot::S1);
    s.take(Slot::S0, &add_link(V1, 3, 1));
    assert_eq!(s.g.owed().waiting, 2);
    s.rest();
    confirm[3] = 0x80;
    s.take(Slot::S0, &confirm);
    // On to the offer before anything else.
    assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
    assert_eq!(s.act(), Action::RkeyUsable(rmb(1)));
}

#[test]
fn a_server_that_refuses_keys_for_the_time_being_is_asked_again() {
    // RFC 7609 §3.5.5.3.1: CONFIRM RKEY crosses ADD LINK, the answer is no.
    let mut s = Solo::double(Client, V1);
    let order = delete_link(V1, Flags::ORDERLY, 2, DeleteReason::Operator);
    s.take(Slot::S0, &order);
    s.announce(1).unwrap();
    let mut no = s.sent();
    no[3] = 0xb0;
    for _ in 0..2 {
        // The old link is not gone yet.
        s.take(Slot::S0, &no);
        assert_eq!(s.sent()[0], 6);
    }
    s.take(Slot::S0, &no);
    assert_eq!(s.act(), Action::LinkLost(Slot::S1));
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    assert_eq!(s.act(), Action::RkeyRefused(rmb(1), RkeyError::Refused));
    s.announce(1).unwrap();
    assert_eq!(s.sent()[0], 6);
    s.g.link_freed(s.now, Slot::S1);
    s.take(Slot::S0, &add_link(V1, 3, 1));
    s.take(Slot::S0, &no);
    // The offer first.
    s.prepare(Slot::S1, 1);
    assert_eq!(s.sent()[0], 2);
    assert_eq!(s.g.owed().flow, FlowKind::AddLink);
    // When it fails, the key again; it needs no message any more.
    s.time();
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    assert_eq!(
        delete_of(&s.poll().unwrap().1),
        (0, 3, DeleteReason::LostPath)
    );
    assert_eq!(s.sent()[0], 6);
}

#[test]
fn no_link_is_added_where_keys_can_not_be_told() {
    for side in Side::BOTH {
        for refuse in [true, false] {
            let mut s = Solo::up(side, V2, 2);
            if side == Server {
                assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
                s.g.link_prepared(s.now, Slot::S1, Err(AddError::NoPort));
            }
            s.announce(1).unwrap();
            if side == Server {
                s.g.add_link(s.now, None).unwrap();
            } else {
                s.take(Slot::S0, &add_link(V2, 2, 1));
            }
            s.prepare(Slot::S1, 1);
            let mut m = s.sent();
            assert_eq!(m[0], 0x26);
            if refuse {
                m[3] = 0xb0;
                s.take(Slot::S0, &m);
            } else {
                s.time();
            }
            if side == Client {
                assert_eq!(s.sent()[..4], [0x22, 44, 0, 0xc0]);
            }
            assert_eq!(s.poll(), None);
            assert_eq!(s.act(), Action::FreeLink(Slot::S1));
            if side == Server {
                assert_eq!(s.act(), Action::AddLink(Err(AddError::Keys)));
            }
            s.rest();
        }
        // Not registered on the new link.
        let mut s = Solo::up(side, V2, 2);
        if side == Server {
            assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
            s.g.link_prepared(s.now, Slot::S1, Err(AddError::NoPort));
        }
        s.announce(1).unwrap();
        s.g.proven(rmb(1));
        if side == Server {
            s.g.add_link(s.now, None).unwrap();
        } else {
            s.take(Slot::S0, &add_link(V2, 2, 1));
        }
        s.prepare(Slot::S1, 1);
        s.keys.missing.push(rmb(1));
        let m = s.poll();
        assert_eq!(m.is_some(), side == Client, "a rejection: {m:?}");
        assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    }
}

#[test]
fn a_new_offer_takes_the_place_of_the_old_one() {
    let mut s = Solo::adding(Client, V2);
    s.sent();
    s.take(Slot::S0, &add_link(V2, 3, 1));
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    s.prepare(Slot::S2, 1);
    assert_eq!(s.sent()[31], 3);
    // No place is left for a third one.
    let reply = s.take(Slot::S0, &add_link(V2, 4, 1)).unwrap();
    assert_eq!(reply[3], 0xc0);
    // One that waits is replaced, too.
    let mut s = Solo::up(Client, V2, 2);
    s.announce(1).unwrap();
    s.g.drop_rmb(s.now, rmb(1));
    s.sent();
    s.take(Slot::S0, &add_link(V2, 2, 1));
    s.take(Slot::S0, &add_link(V2, 3, 1));
    // And taken back.
    let order = delete_link(V2, Flags::REQUEST, 3, DeleteReason::LostPath);
    let reply = s.take(Slot::S0, &order).unwrap();
    assert_eq!(delete_of(&reply), (0x80, 3, DeleteReason::None));
    s.time();
    s.rest_but(Action::RkeyGone(rmb(1)));
    // With it goes the wish that it was the answer to.
    let mut s = Solo::up(Client, V2, 2);
    s.announce(1).unwrap();
    s.g.add_link(s.now, Some(Hint::default())).unwrap();
    s.sent();
    s.g.drop_rmb(s.now, rmb(1));
    s.take(Slot::S0, &add_link(V2, 3, 1));
    assert_eq!(s.sent()[0], 0x29);
    s.take(Slot::S0, &order);
    s.rest_but(Action::AddLink(Err(AddError::Withdrawn)));
}
