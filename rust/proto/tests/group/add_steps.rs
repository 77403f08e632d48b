// SPDX-License-Identifier: GPL-2.0

//! How adding a link fails, at each step and on either side.

use super::solo::*;

#[test]
fn the_server_hears_no() {
    let mut s = Solo::adding(Server, V1);
    let mut m = s.sent();
    m[2] = 1;
    m[3] = 0xc0;
    s.drops(Slot::S1, &m);
    s.take(Slot::S0, &m);
    // Nobody asked: no answer but the link's end.
    s.rest_but(Action::FreeLink(Slot::S1));
    s.g.link_freed(s.now, Slot::S1);
    s.g.add_link(s.now, None).unwrap();
    s.prepare(Slot::S1, 1);
    let mut m = s.sent();
    m[2] = 1;
    m[3] = 0xc0;
    s.take(Slot::S0, &m);
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    let why = AddError::Rejected(Some(RejectReason::NoAlternatePath));
    s.rest_but(Action::AddLink(Err(why)));
}

#[test]
fn answers_that_make_no_sense_end_the_exchange() {
    type Spoil = fn(&mut Vec<u8>);
    let cases: [(u8, Spoil); 4] = [
        (1, |m| m[31] = 9),
        (1, |m| m[32] = 0),
        (1, |m| m.truncate(LLC_LEN)),
        // Both ports are those of the first link.
        (0, |m| m[12..28].copy_from_slice(&end(2, 0, 0).gid.0)),
    ];
    for (port, spoil) in cases {
        let mut s = Solo::up(Server, V2, 2);
        s.prepare(Slot::S1, port);
        s.sent();
        let mut m = answer_add(V2, 2, 1);
        spoil(&mut m);
        s.take(Slot::S0, &m);
        let m = s.sent();
        assert_eq!(delete_of(&m), (0, 2, DeleteReason::LostPath));
        s.rest_but(Action::FreeLink(Slot::S1));
    }
}

#[test]
fn each_step_of_the_server_may_fail() {
    let start = || {
        let mut s = Solo::adding(Server, V2);
        s.sent();
        s
    };
    let told = |s: &mut Solo| {
        assert_eq!(delete_of(&s.sent()), (0, 2, DeleteReason::LostPath));
        s.rest_but(Action::FreeLink(Slot::S1));
    };
    // No answer to the offer.
    let mut s = start();
    s.time();
    told(&mut s);
    // The queue pair.
    let mut s = start();
    s.take(Slot::S0, &answer_add(V2, 2, 1));
    s.g.link_connected(s.now, Slot::S1, true);
    assert_eq!(s.act(), Action::ConnectLink(Slot::S1));
    s.g.link_connected(s.now, Slot::S0, true);
    s.g.link_connected(s.now, Slot::S1, false);
    told(&mut s);
    // CONFIRM LINK is not answered.
    let mut s = start();
    s.take(Slot::S0, &answer_add(V2, 2, 1));
    s.act();
    s.g.link_connected(s.now, Slot::S1, true);
    s.sent();
    assert_eq!(s.g.owed().peer, Some(Millis(5_000)));
    s.time();
    told(&mut s);
    // The new link fails.
    let mut s = start();
    s.g.link_down(s.now, Slot::S1);
    told(&mut s);
    // The client takes it back.
    let mut s = start();
    let m = delete_link(V2, Flags::REQUEST, 2, DeleteReason::LostPath);
    assert_eq!(s.take(Slot::S0, &m), None);
    s.rest_but(Action::FreeLink(Slot::S1));
}

#[test]
fn each_step_of_the_client_may_fail() {
    let start = || {
        let mut s = Solo::adding(Client, V2);
        s.sent();
        s
    };
    let told = |s: &mut Solo| {
        assert_eq!(delete_of(&s.sent()), (0, 2, DeleteReason::LostPath));
        s.rest_but(Action::FreeLink(Slot::S1));
    };
    let mut s = start();
    assert_eq!(s.g.owed().peer, Some(Millis(5_000)));
    s.time();
    told(&mut s);
    let mut s = start();
    s.take(Slot::S1, &confirm_link(V2, 2));
    assert_eq!(s.act(), Action::EnableLink(Slot::S1));
    s.g.link_enabled(s.now, Slot::S0, true);
    s.g.link_enabled(s.now, Slot::S1, false);
    told(&mut s);
    let mut s = start();
    let order = delete_link(V2, Flags::REQUEST, 2, DeleteReason::LostPath);
    let reply = s.take(Slot::S0, &order).unwrap();
    assert_eq!(delete_of(&reply), (0x80, 2, DeleteReason::None));
    s.rest_but(Action::FreeLink(Slot::S1));
    // While the caller is still at it.
    let mut s = Solo::up(Client, V2, 2);
    s.take(Slot::S0, &add_link(V2, 2, 1));
    assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
    s.take(Slot::S0, &order);
    assert_eq!(s.g.link(Slot::S1).state(), LinkState::Abandoned);
    s.g.link_down(s.now, Slot::S1);
    assert_eq!(s.announce(1), Ok(Announce::Wait));
    s.sent();
    s.g.link_prepared(s.now, Slot::S1, Ok(end(1, 1, 0x12)));
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    s.g.link_prepared(s.now, Slot::S1, Ok(end(1, 1, 0x12)));
    s.g.link_freed(s.now, Slot::S1);
    s.take(Slot::S0, &add_link(V2, 3, 1));
    s.time();
    assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
    s.take(
        Slot::S0,
        &delete_link(V2, Flags::REQUEST, 3, DeleteReason::LostPath),
    );
    s.g.link_prepared(s.now, Slot::S1, Err(AddError::NoPort));
    assert_eq!(s.g.link(Slot::S1).state(), LinkState::Unused);
}

// Asking for links.
