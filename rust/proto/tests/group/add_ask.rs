// SPDX-License-Identifier: GPL-2.0

//! The client asks for a link.

use super::solo::*;

#[test]
fn the_client_asks_for_a_link() {
    let hint = Hint {
        mac: Mac([6; 6]),
        gid: Gid([6; 16]),
    };
    let mut s = Solo::up(Client, V2, 2);
    assert_eq!(s.g.add_link(s.now, None), Err(AddError::NoPort));
    s.g.add_link(s.now, Some(hint)).unwrap();
    let m = s.sent();
    let Body::ReqAddLink(q) = Message::parse(&m).unwrap().body else {
        panic!()
    };
    assert_eq!(q.gids().collect::<Vec<_>>(), [end(1, 0, 0).gid, hint.gid]);
    assert_eq!(s.g.owed().flow, FlowKind::RequestAddLink);
    // No.
    s.take(Slot::S0, &message(V2, Flags::RESPONSE, none()));
    s.rest_but(Action::AddLink(Err(AddError::Declined)));
    // Yes.
    s.g.add_link(s.now, Some(hint)).unwrap();
    s.sent();
    s.take(Slot::S0, &add_link(V2, 2, 1));
    s.prepare(Slot::S1, 1);
    s.sent();
    s.take(Slot::S1, &confirm_link(V2, 2));
    assert_eq!(s.act(), Action::EnableLink(Slot::S1));
    s.g.link_enabled(s.now, Slot::S1, true);
    s.sent();
    assert_eq!(s.act(), Action::LinkActive(Slot::S1));
    s.rest_but(Action::AddLink(Ok(Some(Slot::S1))));
    // Silence.
    let mut s = Solo::up(Client, V2, 2);
    s.g.add_link(s.now, Some(hint)).unwrap();
    s.sent();
    s.time();
    s.rest_but(Action::AddLink(Err(AddError::Timeout)));
    // Version 1 has a hint for it, and no answer.
    let mut s = Solo::up(Client, V1, 2);
    s.g.add_link(s.now, Some(hint)).unwrap();
    let m = s.sent();
    let Body::AddLink(a) = Message::parse(&m).unwrap().body else {
        panic!()
    };
    assert_eq!((a.mac, a.gid), (hint.mac, hint.gid));
    assert_eq!((a.qpn.get(), a.link, a.mtu.bits()), (0, LinkNum(0), 0));
    s.rest_but(Action::AddLink(Ok(None)));
    // No room for the message.
    let mut s = Solo::up(Client, V2, 2);
    s.g.add_link(s.now, Some(hint)).unwrap();
    assert_eq!(s.g.poll_transmit(s.now, &s.keys, &mut [0; 50]), None);
    s.rest_but(Action::AddLink(Err(AddError::NoPort)));
}

fn none() -> Body<'static> {
    Body::ReqAddLink(ReqAddLink {
        reserved: &[0; 20],
        count: 0,
        reserved2: &[0; 3],
        gid_bytes: &[],
    })
}

#[test]
fn the_server_always_answers_who_asks() {
    let refused = [&[0x25, 44, 0, 0x80][..], &[0; 40]].concat();
    // It has no port.
    let mut s = Solo::up(Server, V2, 2);
    assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
    assert_eq!(s.take(Slot::S0, &req_add_link()), None);
    s.g.link_prepared(s.now, Slot::S1, Err(AddError::NoPort));
    assert_eq!(s.sent(), refused);
    // It has one: the offer is the answer.
    assert_eq!(s.take(Slot::S0, &req_add_link()), None);
    s.prepare(Slot::S1, 1);
    assert_eq!(s.sent()[0], 0x22);
    // Another one crosses the offer.
    assert_eq!(s.take(Slot::S0, &req_add_link()), None);
    s.take(Slot::S0, &answer_add(V2, 3, 1));
    // One that did not.
    assert_eq!(s.take(Slot::S0, &req_add_link()), Some(refused.clone()));
    // It has enough.
    let mut s = Solo::double(Server, V2);
    s.take(Slot::S1, &req_add_link());
    assert_eq!(s.sent(), refused);
    // It is busy: the answer comes later.
    s.announce(1).unwrap();
    let mut m = s.sent();
    assert_eq!(s.take(Slot::S1, &req_add_link()), None);
    s.rest();
    m[3] = 0x80;
    s.take(Slot::S0, &m);
    assert_eq!(s.sent(), refused);
    // A client is asked for nothing.
    let mut s = Solo::up(Client, V2, 2);
    s.drops(Slot::S0, &req_add_link());
    s.drops(Slot::S0, &message(V2, Flags::RESPONSE, none()));
}

#[test]
fn a_hint_of_the_client_waits_or_is_served_already() {
    let mut s = Solo::up(Server, V1, 2);
    assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
    s.drops(Slot::S0, &add_link(V1, 0, 1));
    s.g.link_prepared(s.now, Slot::S1, Err(AddError::NoPort));
    s.announce(1).unwrap();
    s.g.drop_rmb(s.now, rmb(1));
    let mut m = s.sent();
    s.take(Slot::S0, &add_link(V1, 0, 1));
    assert_eq!(s.g.poll_action(), None);
    m[3] = 0x80;
    s.take(Slot::S0, &m);
    assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
}

// Deleting links.
