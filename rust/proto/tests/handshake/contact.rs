// SPDX-License-Identifier: GPL-2.0

//! Handshakes that come to their end, and those that never begin.

use super::ends::*;

#[test]
fn first_contact_runs_to_the_end() {
    let (mut client, mut server, confirm) = confirmed(true);
    assert_eq!(client.on_sent(Millis(300)), Action::ConfirmLink);
    assert_eq!(client.deadline(), None);
    assert_eq!(client.expected(), Some(Kind::Decline));
    let action = wire(&confirm, |m| server.on_message(m, &mut RXE.clone()));
    assert_eq!(action, Action::TakePeer);
    let Some(Peer::Rdma(peer)) = server.negotiated().peer else {
        panic!()
    };
    assert_eq!(peer.sender.peer_id, CLIENT_ID);
    assert_eq!(server.on_peer_taken(), Action::ConfirmLink);
    assert_eq!(client.on_link(Ok(()), Millis(500)), Action::Established);
    assert_eq!(server.on_link(Ok(()), Millis(500)), Action::Established);
    for agreed in [client.negotiated(), server.negotiated()] {
        assert!(agreed.first_contact);
        assert_eq!(agreed.mode(), Modes::R);
        assert_eq!(agreed.version.number(), 2);
        assert_eq!(agreed.eid, UEID);
        assert_eq!(agreed.release, 1);
        assert_eq!((agreed.max_conns, agreed.max_links), (255, 1));
        assert_eq!(agreed.feature_mask, 1);
        assert_eq!(agreed.peer_features, Some(Features::SYN_PROPOSAL));
    }
    // Nothing belongs to it any more.
    assert_eq!((client.expected(), client.deadline()), (None, None));
    assert_eq!(client.on_timeout(Millis(u64::MAX)), Action::Wait);
    assert_eq!(server.on_closed(), Action::Wait);
    assert_eq!(server.on_malformed(), Action::Wait);
    assert_eq!(client.on_failure(Reason::NoMemory), Action::Wait);
    let action = wire(&confirm, |m| server.on_message(m, &mut RXE.clone()));
    assert_eq!(action, Action::Wait);
}

#[test]
fn later_contact_needs_no_link() {
    let (mut client, mut server, confirm) = confirmed(false);
    assert_eq!(client.on_sent(Millis(300)), Action::Established);
    let action = wire(&confirm, |m| server.on_message(m, &mut RXE.clone()));
    assert_eq!(action, Action::TakePeer);
    assert_eq!(server.on_peer_taken(), Action::Established);
    assert!(!client.negotiated().first_contact);
    // The client learns the server's features on first contact only.
    assert_eq!(client.negotiated().peer_features, None);
    assert_eq!(
        server.negotiated().peer_features,
        Some(Features::SYN_PROPOSAL)
    );
}

#[test]
fn the_proposal_of_our_offer_is_no_longer_than_linux_makes_it() {
    let mut eids = [0; 32];
    let (_, proposal) = proposed(&rxe_offer(&mut eids));
    // 40 base, 40 SMC-D area, 40 v2 extension, 1 EID, trailer.
    assert_eq!(proposal.len(), 156);
    wire(&proposal, |m| {
        let Message::Proposal(p) = m else { panic!() };
        let ProposalBody::V2(v2) = p.body else {
            panic!()
        };
        assert_eq!(
            ext::from_proposal(&v2.smcd.vendor),
            Some(Features::SYN_PROPOSAL)
        );
        assert!(matches!(v2.v2.unwrap().kind, V2Kind::R(_)));
    });
}

#[test]
fn the_smaller_mtu_is_in_the_confirm() {
    let (_, _, confirm) = confirmed(true);
    wire(&confirm, |m| {
        let Message::AcceptConfirm(AcceptConfirm {
            body: Body::RV2 { smcr, v2 },
            ..
        }) = m
        else {
            panic!()
        };
        assert_eq!(smcr.mtu.bits(), 3);
        let fce = v2.first_contact.unwrap();
        assert!(fce.v2_direct);
        assert!(fce.gids.is_some());
    });
}

#[test]
fn towards_a_peer_without_our_convention_the_vendor_bytes_are_zero() {
    // As a C client sends it: no vendor options.
    let mut eids = [0; 32];
    let (_, mut proposal) = proposed(&rxe_offer(&mut eids));
    proposal[52..60].fill(0);
    let mut server = server();
    wire(&proposal, |m| server.on_message(m, &mut RXE.clone()));
    server.on_group(true);
    server.on_prepared();
    let mut buf = [0; 652];
    let n = server
        .write_accept(&Local::Rdma(&server_end()), &mut buf)
        .unwrap();
    assert_eq!(n, 160);
    assert_eq!(server.negotiated().peer_features, None);
    let vendor = |bytes: &[u8]| {
        wire(bytes, |m| match m {
            Message::AcceptConfirm(AcceptConfirm {
                body: Body::RV2 { v2, .. },
                ..
            }) => v2.first_contact.unwrap().v2x.unwrap().vendor,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(vendor(&buf[..n]), [0; 4]);
    // And a client that gets such an Accept sends none either.
    let (mut client, _, mut accept) = accepted(true);
    accept[144..148].fill(0);
    wire(&accept, |m| client.on_message(m));
    client.on_group();
    client.on_prepared();
    let n = client
        .write_confirm(&Local::Rdma(&client_end()), &mut buf)
        .unwrap();
    assert_eq!(vendor(&buf[..n]), [0; 4]);
    // Between two of us they are there.
    let (_, _, accept) = accepted(true);
    assert_eq!(
        ext::from_first_contact(vendor(&accept)),
        Some(Features::SYN_PROPOSAL)
    );
    assert_eq!(VendorOptions::default().oui, [0; 3]);
}

#[test]
fn without_the_option_in_the_syn_ack_the_client_says_nothing() {
    let mut client = Client::new(Features::NONE);
    let action = client.on_connected(false, Millis(1));
    assert_eq!(fallback(action), (Reason::PeerNoSmc, GroupFate::Keep, None));
    let (mut server, action) = Server::new(CONFIG, false, Millis(1));
    assert_eq!(fallback(action).0, Reason::PeerNoSmc);
    assert_eq!(server.expected(), None);
    assert_eq!(server.on_timeout(Millis(u64::MAX)), Action::Wait);
}

#[test]
fn a_proposal_in_the_syn_waits_for_the_option() {
    let mut eids = [0; 32];
    let offer = rxe_offer(&mut eids);
    let mut client = Client::new(Features::SYN_PROPOSAL);
    assert_eq!(client.on_offer(&offer), Action::Send(Kind::Proposal));
    assert_eq!(client.on_sent(Millis(0)), Action::Wait);
    assert_eq!(client.expected(), None);
    assert_eq!(client.on_connected(true, Millis(50)), Action::Wait);
    assert_eq!(client.expected(), Some(Kind::Accept));
    assert_eq!(client.deadline(), Some(Millis(50).after(EARLY_WAIT)));

    let mut client = Client::new(Features::SYN_PROPOSAL);
    client.on_offer(&offer);
    assert_eq!(client.on_connected(false, Millis(50)), Action::Reconnect);
    assert_eq!(client.on_connected(true, Millis(51)), Action::Wait);

    // The SYN has left without it: it is offered anew when TCP is connected.
    let mut client = Client::new(Features::SYN_PROPOSAL);
    client.on_offer(&offer);
    client.on_not_in_syn();
    assert_eq!(client.on_connected(true, Millis(50)), Action::FindDevices);
    assert_eq!(client.on_offer(&offer), Action::Send(Kind::Proposal));
    client.on_not_in_syn();
    assert_eq!(client.on_sent(Millis(51)), Action::Wait);
    assert_eq!(client.expected(), Some(Kind::Accept));
    let mut client = Client::new(Features::SYN_PROPOSAL);
    client.on_offer(&offer);
    client.on_not_in_syn();
    let action = client.on_connected(false, Millis(50));
    assert_eq!(fallback(action), (Reason::PeerNoSmc, GroupFate::Keep, None));

    // Nothing to offer: nothing is sent in the SYN, and another lookup follows.
    let none = Offer { v2: None, ..offer };
    let mut client = Client::new(Features::SYN_PROPOSAL);
    assert_eq!(client.on_offer(&none), Action::Wait);
    assert_eq!(client.on_connected(true, Millis(50)), Action::FindDevices);
}

#[test]
fn without_a_device_the_client_declines_in_version_1() {
    let mut eids = [0; 32];
    let offer = rxe_offer(&mut eids);
    for none in [
        Offer { v2: None, ..offer },
        // SMC-R version 2 without an EID is no offer.
        Offer {
            v2: offer.v2.map(|v2| OfferV2 {
                eids: Entries::EMPTY,
                ..v2
            }),
            ..offer
        },
    ] {
        let mut client = Client::new(Features::NONE);
        client.on_connected(true, Millis(1));
        let (reason, _, decline) = fallback(client.on_offer(&none));
        assert_eq!(reason, Reason::NoDevice);
        assert!(decline.unwrap().v2.is_none());
    }
    let mut client = Client::new(Features::NONE);
    client.on_connected(true, Millis(1));
    assert_eq!(fallback(client.on_failure(Reason::Ipsec)).0, Reason::Ipsec);
    // Known before TCP is connected: the server is told when it can be.
    let mut client = Client::new(Features::NONE);
    assert_eq!(client.foreseen(), None);
    assert_eq!(client.on_failure(Reason::NoMemory), Action::Wait);
    // Without waiting for it, too; and the handshake stays where it is.
    let foreseen = client.foreseen().map(Action::Fallback).unwrap();
    let told = client.on_connected(true, Millis(1));
    assert_eq!(told, foreseen);
    assert_eq!(fallback(told).0, Reason::NoMemory);
    assert_eq!(client.foreseen(), None);
}

#[test]
fn the_machines_are_small() {
    assert!(
        std::mem::size_of::<Client>() <= 480,
        "{}",
        std::mem::size_of::<Client>()
    );
    assert!(
        std::mem::size_of::<Server>() <= 672,
        "{}",
        std::mem::size_of::<Server>()
    );
}
