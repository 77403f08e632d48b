// SPDX-License-Identifier: GPL-2.0

//! Links go.

use super::solo::*;

#[test]
fn the_server_deletes_a_link() {
    let mut s = Solo::double(Server, V1);
    s.g.delete_link(s.now, Slot::S0, DeleteReason::Operator);
    assert_eq!(s.act(), Action::LinkLost(Slot::S0));
    assert_eq!(s.act(), Action::DrainLink(Slot::S0));
    s.rest();
    assert_eq!(s.g.active_link(), Some(Slot::S1));
    s.g.link_drained(s.now, Slot::S1);
    s.g.link_drained(s.now, Slot::S0);
    let (slot, mut m) = s.poll().unwrap();
    assert_eq!(slot, Slot::S1);
    assert_eq!(delete_of(&m), (0x20, 1, DeleteReason::Operator));
    m[3] |= 0x80;
    s.drops(Slot::S0, &m);
    s.take(Slot::S1, &m);
    assert_eq!(s.act(), Action::FreeLink(Slot::S0));
    // Another one is wanted in its place.
    assert_eq!(s.act(), Action::PrepareLink(Slot::S2));
    assert_eq!(s.g.redundancy(), Redundancy::Single);
    // Links that are not active are not deleted.
    s.g.delete_link(s.now, Slot::S0, DeleteReason::Operator);
    s.rest();
}

#[test]
fn a_link_goes_though_nobody_drains_or_answers() {
    let mut s = Solo::double(Server, V1);
    s.g.delete_link(s.now, Slot::S1, DeleteReason::Operator);
    assert_eq!(s.act(), Action::LinkLost(Slot::S1));
    assert_eq!(s.act(), Action::DrainLink(Slot::S1));
    s.time();
    assert_eq!(delete_of(&s.sent()).1, 2);
    s.time();
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    assert_eq!(s.act(), Action::PrepareLink(Slot::S2));
}

#[test]
fn the_client_asks_the_server_to_delete() {
    let mut s = Solo::double(Client, V1);
    s.g.delete_link(s.now, Slot::S0, DeleteReason::Operator);
    s.g.delete_link(s.now, Slot::S0, DeleteReason::Operator);
    assert_eq!(s.act(), Action::LinkLost(Slot::S0));
    let (slot, m) = s.poll().unwrap();
    assert_eq!(slot, Slot::S1);
    assert_eq!(delete_of(&m), (0x20, 1, DeleteReason::Operator));
    s.rest();
    // It is still heard, and goes when the server says so.
    let reply = s.take(Slot::S0, &m).unwrap();
    assert_eq!(delete_of(&reply), (0xa0, 1, DeleteReason::None));
    s.rest_but(Action::FreeLink(Slot::S0));
    // Or when the server says nothing for long.
    let mut s = Solo::double(Client, V1);
    s.g.delete_link(s.now, Slot::S0, DeleteReason::Operator);
    assert_eq!(s.act(), Action::LinkLost(Slot::S0));
    s.poll();
    s.time();
    s.rest();
    s.time();
    s.rest_but(Action::FreeLink(Slot::S0));
}

#[test]
fn the_server_does_what_the_client_asks() {
    let mut s = Solo::double(Server, V1);
    let unknown = delete_link(V1, Flags::ORDERLY, 9, DeleteReason::LostPath);
    assert_eq!(s.take(Slot::S0, &unknown), None);
    s.rest();
    // While an exchange runs over that very link.
    s.announce(1).unwrap();
    assert_eq!(s.poll().unwrap().0, Slot::S0);
    let m = delete_link(V1, Flags::REQUEST, 1, DeleteReason::LostPath);
    assert_eq!(s.take(Slot::S1, &m), None);
    assert_eq!(s.take(Slot::S1, &m), None);
    assert_eq!(s.act(), Action::LinkLost(Slot::S0));
    assert_eq!(s.act(), Action::DrainLink(Slot::S0));
    s.g.link_drained(s.now, Slot::S0);
    let (slot, mut m) = s.poll().unwrap();
    assert_eq!(slot, Slot::S1);
    assert_eq!(delete_of(&m), (0, 1, DeleteReason::LostPath));
    m[3] |= 0x80;
    s.take(Slot::S1, &m);
    // Then the RMB, over the link that is left.
    let (slot, m) = s.poll().unwrap();
    assert_eq!((slot, m[0]), (Slot::S1, 6));
}

#[test]
fn failing_links_are_deleted_by_the_server() {
    let mut s = Solo::double(Server, V2);
    s.g.link_down(s.now, Slot::S1);
    s.g.link_down(s.now, Slot::S1);
    assert_eq!(s.act(), Action::LinkLost(Slot::S1));
    let m = s.sent();
    assert_eq!(delete_of(&m), (0x20, 2, DeleteReason::LostPath));
    // The one that carries the exchange fails, too: the end.
    s.g.link_down(s.now, Slot::S0);
    assert_eq!(s.act(), Action::FreeLink(Slot::S0));
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    assert_eq!(s.act(), Action::Ended(EndReason::LostPath));
    s.g.link_freed(s.now, Slot::S0);
    s.g.link_freed(s.now, Slot::S1);
    s.g.link_down(s.now, Slot::S0);
    s.rest();
}

#[test]
fn the_path_of_an_exchange_fails() {
    // Adding a third link to an asymmetric group, over a link that fails.
    let mut s = Solo::up(Server, V2, 2);
    s.prepare(Slot::S1, 0);
    s.sent();
    s.take(Slot::S0, &answer_add(V2, 2, 1));
    assert_eq!(s.act(), Action::ConnectLink(Slot::S1));
    s.g.link_connected(s.now, Slot::S1, true);
    let mut m = s.sent();
    m[3] |= 0x80;
    s.take(Slot::S1, &m);
    assert_eq!(s.act(), Action::LinkActive(Slot::S1));
    assert_eq!(s.g.redundancy(), Redundancy::AsymmetricLocal);
    s.g.add_link(s.now, None).unwrap();
    s.prepare(Slot::S2, 1);
    s.sent();
    s.g.link_down(s.now, Slot::S0);
    assert_eq!(s.act(), Action::LinkLost(Slot::S0));
    assert_eq!(s.act(), Action::FreeLink(Slot::S2));
    assert_eq!(s.act(), Action::AddLink(Err(AddError::LinkDown)));
    let (slot, m) = s.poll().unwrap();
    assert_eq!(slot, Slot::S1);
    assert_eq!(delete_of(&m), (0, 3, DeleteReason::LostPath));
    assert_eq!(delete_of(&s.sent()), (0x20, 1, DeleteReason::LostPath));

    // REQUEST ADD LINK, and an offer that waits.
    let mut s = Solo::up(Client, V2, 2);
    s.take(Slot::S0, &add_link(V2, 2, 0));
    s.prepare(Slot::S1, 1);
    s.sent();
    s.take(Slot::S1, &confirm_link(V2, 2));
    s.act();
    s.g.link_enabled(s.now, Slot::S1, true);
    s.sent();
    assert_eq!(s.g.redundancy(), Redundancy::AsymmetricPeer);
    assert_eq!(
        s.g.add_link(s.now, Some(Hint::default())),
        Err(AddError::Full)
    );
    s.act();
    s.announce(1).unwrap();
    s.sent();
    s.take(Slot::S0, &add_link(V2, 3, 1));
    s.g.link_down(s.now, Slot::S0);
    assert_eq!(s.act(), Action::LinkLost(Slot::S0));
    assert_eq!(s.act(), Action::FreeLink(Slot::S0));
    s.rest_of(&[0x24, 0x26]);
    assert_eq!(s.g.link(Slot::S2).state(), LinkState::Unused);
}

#[test]
fn a_client_with_one_port_asks_and_loses_its_path() {
    let mut s = Solo::up(Client, V2, 2);
    s.take(Slot::S0, &add_link(V2, 2, 1));
    s.prepare(Slot::S1, 0);
    s.sent();
    s.take(Slot::S1, &confirm_link(V2, 2));
    s.act();
    s.g.link_enabled(s.now, Slot::S1, true);
    s.sent();
    s.act();
    assert_eq!(s.g.redundancy(), Redundancy::AsymmetricLocal);
    s.g.add_link(s.now, Some(Hint::default())).unwrap();
    assert_eq!(s.poll().unwrap().0, Slot::S0);
    s.g.link_down(s.now, Slot::S0);
    assert_eq!(s.act(), Action::LinkLost(Slot::S0));
    assert_eq!(s.act(), Action::FreeLink(Slot::S0));
    assert_eq!(s.act(), Action::AddLink(Err(AddError::LinkDown)));
}

// The end.
