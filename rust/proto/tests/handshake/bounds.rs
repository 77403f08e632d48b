// SPDX-License-Identifier: GPL-2.0

//! What a peer may say, and what it may not.

use super::ends::*;

#[test]
fn a_server_reuse_that_the_client_does_not_know_is_a_sync_error() {
    let (mut client, _, accept) = accepted(false);
    let action = wire(&accept, |m| client.on_message(m));
    assert!(matches!(action, Action::FindGroup(_)));
    let (reason, group, decline) = fallback(client.on_failure(Reason::SyncError));
    assert_eq!((reason, group), (Reason::SyncError, GroupFate::Keep));
    assert!(decline.unwrap().out_of_sync);
}

#[test]
fn a_confirm_that_disagrees_about_first_contact_is_a_sync_error() {
    for first in [true, false] {
        let (_, mut server, _) = accepted(first);
        let (_, _, other) = confirmed(!first);
        let action = wire(&other, |m| server.on_message(m, &mut RXE.clone()));
        let (reason, group, decline) = fallback(action);
        assert_eq!(reason, Reason::SyncError);
        assert!(decline.unwrap().out_of_sync);
        assert_eq!(
            group,
            if first {
                GroupFate::Discard
            } else {
                GroupFate::Keep
            }
        );
    }
}

#[test]
fn a_confirm_of_another_host_mode_or_version_ends_the_connection() {
    let change = |at: usize, value: u8| {
        let (_, mut server, mut confirm) = confirmed(false);
        confirm[at] = value;
        wire(&confirm, |m| server.on_message(m, &mut RXE.clone()))
    };
    assert_eq!(abort(change(8, 0x77)).0, Cause::Protocol);
    assert_eq!(abort(change(7, 0x30)).0, Cause::Protocol);
    assert_eq!(abort(change(7, 0x21)).0, Cause::Protocol);
    // A C client with SMC-R version 2 alone names no host in its Proposal.
    let mut eids = [0; 32];
    let (_, mut proposal) = proposed(&rxe_offer(&mut eids));
    proposal[8..16].fill(0);
    let mut server = server();
    wire(&proposal, |m| server.on_message(m, &mut RXE.clone()));
    server.on_group(false);
    server.on_prepared();
    server.on_sent(Millis(1));
    let (_, _, confirm) = confirmed(false);
    let action = wire(&confirm, |m| server.on_message(m, &mut RXE.clone()));
    assert_eq!(action, Action::TakePeer);
}

#[test]
fn confirms_must_repeat_what_the_server_set() {
    let change = |at: usize, value: u8| {
        let (_, mut server, mut confirm) = confirmed(true);
        confirm[at] = value;
        let action = wire(&confirm, |m| server.on_message(m, &mut RXE.clone()));
        (action, *server.negotiated())
    };
    // The first contact extension begins at 104.
    assert_eq!(fallback(change(105, 0x22).0).0, Reason::ReleaseMismatch);
    assert_eq!(fallback(change(140, 254).0).0, Reason::MaxConns);
    assert_eq!(fallback(change(141, 2).0).0, Reason::MaxLinks);
    // Features are what both have; a client can't add any.
    let (action, agreed) = change(143, 0xfe);
    assert_eq!(action, Action::TakePeer);
    assert_eq!(agreed.feature_mask, 0);
}

#[test]
fn limits_in_an_accept_are_bounded() {
    let change = |at: usize, value: u8| {
        let (mut client, _, mut accept) = accepted(true);
        accept[at] = value;
        wire(&accept, |m| client.on_message(m))
    };
    assert_eq!(fallback(change(140, 15)).0, Reason::MaxConns);
    assert!(matches!(change(140, 16), Action::CreateGroup(_)));
    assert_eq!(fallback(change(141, 0)).0, Reason::MaxLinks);
    assert_eq!(fallback(change(141, 3)).0, Reason::MaxLinks);
    assert!(matches!(change(141, 2), Action::CreateGroup(_)));
}

#[test]
fn limits_in_a_proposal_are_bounded() {
    let mut eids = [0; 32];
    let (_, proposal) = proposed(&rxe_offer(&mut eids));
    let change = |at: usize, value: u8| {
        let mut p = proposal.clone();
        p[at] = value;
        let mut server = server();
        let action = wire(&p, |m| server.on_message(m, &mut RXE.clone()));
        (action, *server.negotiated())
    };
    // The v2 extension begins at 80, its limits at 104.
    assert_eq!(fallback(change(104, 15).0).0, Reason::MaxConns);
    assert_eq!(change(104, 16).1.max_conns, 16);
    assert_eq!(fallback(change(105, 0).0).0, Reason::MaxLinks);
    assert_eq!(change(105, 9).1.max_links, 2);
    // Release 0 has no limits; a release from the future is spoken as ours.
    let (action, agreed) = change(83, 0x00);
    assert!(matches!(action, Action::FindOrCreateGroup(_)));
    assert_eq!((agreed.release, agreed.max_links), (0, 2));
    assert_eq!(change(83, 0x70).1.release, 1);
}

#[test]
fn a_gateway_that_the_server_claims_must_be_there() {
    let indirect = || {
        let (mut client, _, mut accept) = accepted(true);
        accept[104] = 0;
        let action = wire(&accept, |m| client.on_message(m));
        assert_eq!(action, Action::FindRoute(SERVER_GID));
        client
    };
    assert_eq!(fallback(indirect().on_route(None)).0, Reason::NoRoute);
    assert_eq!(
        fallback(indirect().on_route(Some(Route::Direct))).0,
        Reason::NotIndirect
    );
    assert!(matches!(
        indirect().on_route(Some(Route::Gateway)),
        Action::CreateGroup(_)
    ));
    assert_eq!(
        accepted(true).0.on_route(Some(Route::Gateway)),
        Action::Wait
    );
}

#[test]
fn a_mode_or_version_that_was_not_offered_is_declined() {
    let (mut client, _, accept) = accepted(false);
    // SMC-R of version 1, which was not offered.
    let mut v1 = accept[..64].to_vec();
    v1.extend(&accept[104..]);
    v1[6] = 68;
    v1[7] = 0x10;
    let (reason, _, decline) = fallback(wire(&v1, |m| client.on_message(m)));
    assert_eq!(reason, Reason::ModeMismatch);
    // Declined in the version of the Accept.
    assert!(decline.unwrap().v2.is_none());
}
