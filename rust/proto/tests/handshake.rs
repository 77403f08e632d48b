// SPDX-License-Identifier: GPL-2.0

//! The two machines of the handshake against each other and against what the C
//! module would send: every event where it belongs, and where it does not.

use smc_proto::group::{FirstError, Millis};
use smc_proto::handshake::{
    Action, Cause, Client, GroupFate, GroupKey, IsmKey, Local, LocalIsm, LocalRdma, Lookup, Offer,
    OfferV2, OfferV2Kind, Peer, Route, Server, ServerConfig, WriteError, CLC_WAIT, DECLINE_GRACE,
};
use smc_proto::wire::clc::{
    AcceptConfirm, Body, Decline, Entries, GidChid, IpArea, Kind, Message, Modes, Proposal,
    ProposalBody, Reason, Sender, V1Modes, V1Offer, V2Kind, VendorOptions,
};
use smc_proto::wire::ext::{self, Features};
use smc_proto::wire::types::{
    AlertToken, BufSize, Eid, Gid, Hostname, Mac, PeerId, Psn, QpMtu, Qpn, Rkey, RmbAddr, RmbeIndex,
};

const UEID: Eid = Eid(*b"SMCV2-EID-ONE                   ");
const OTHER: Eid = Eid(*b"SMCV2-EID-TWO                   ");
const SEID: Eid = Eid(*b"IBM-SYSZ-ISMSEID0000000012345678");
const CLIENT_ID: PeerId = PeerId([0, 1, 2, 0, 0, 0, 0, 1]);
const SERVER_ID: PeerId = PeerId([0, 2, 2, 0, 0, 0, 0, 2]);
const CLIENT_GID: Gid = Gid::from_ipv4([10, 0, 0, 1]);
const SERVER_GID: Gid = Gid::from_ipv4([10, 0, 0, 2]);

fn sender(id: PeerId, gid: Gid) -> Sender {
    Sender {
        peer_id: id,
        gid,
        mac: Mac([2, 0, 0, 0, 0, id.0[7]]),
    }
}

fn local(id: PeerId, gid: Gid, mtu: u8) -> LocalRdma<'static> {
    LocalRdma {
        sender: sender(id, gid),
        qpn: Qpn::new(0x11).unwrap(),
        rkey: Rkey(0x1234),
        rmbe_index: RmbeIndex::FIRST,
        token: AlertToken(7),
        rmbe_size: BufSize::holding(65536),
        mtu: QpMtu::from_bits(mtu).unwrap(),
        rmb_addr: RmbAddr(0x7f00_0010_0000),
        psn: Psn::new(0xabcdef).unwrap(),
        direct: true,
        gids: Entries::EMPTY,
        hostname: Hostname([b' '; 32]),
    }
}

fn client_end() -> LocalRdma<'static> {
    local(CLIENT_ID, CLIENT_GID, 3)
}

fn server_end() -> LocalRdma<'static> {
    local(SERVER_ID, SERVER_GID, 5)
}

fn ism_end(gid: u64, chid: u16) -> LocalIsm {
    LocalIsm {
        gid,
        gid_ext: 0x99,
        chid,
        token: 0x5555,
        dmbe_index: 0,
        dmbe_size: BufSize::holding(65536),
        link_id: [1, 2, 3, 4],
        hostname: Hostname([b' '; 32]),
    }
}

/// What a server's host has.
#[derive(Clone, Copy, Debug)]
struct Host {
    ism_v2_capable: bool,
    ism_v2: bool,
    ism_v1: bool,
    roce_v2: bool,
    roce_v1: bool,
    same_subnet: bool,
    vlan: bool,
    ueid: Option<Eid>,
    seid: Option<Eid>,
}

/// A host with one RoCE port, as rxe makes it.
const RXE: Host = Host {
    ism_v2_capable: false,
    ism_v2: false,
    ism_v1: false,
    roce_v2: true,
    roce_v1: false,
    same_subnet: true,
    vlan: true,
    ueid: Some(UEID),
    seid: None,
};

impl Lookup for Host {
    fn ism_v2_capable(&mut self) -> bool {
        self.ism_v2_capable
    }
    fn ism_v2(&mut self, peer: &IsmKey) -> bool {
        self.ism_v2 && peer.chid != 0x0bad
    }
    fn ism_v1(&mut self, _gid: u64) -> bool {
        self.ism_v1
    }
    fn roce_v2(&mut self, gid: &Gid) -> bool {
        self.roce_v2 && gid.ipv4().is_some()
    }
    fn roce_v1(&mut self) -> bool {
        self.roce_v1
    }
    fn same_subnet(&mut self, _ip: &IpArea<'_>) -> bool {
        self.same_subnet
    }
    fn vlan(&mut self) -> bool {
        self.vlan
    }
    fn has_ueid(&mut self, eid: &Eid) -> bool {
        self.ueid == Some(*eid)
    }
    fn seid(&mut self) -> Option<Eid> {
        self.seid
    }
}

const CONFIG: ServerConfig = ServerConfig {
    features: Features::SYN_PROPOSAL,
    max_conns: 255,
    max_links: 2,
    feature_mask: 1,
};

/// An offer of SMC-Rv2 alone with one EID.
fn rxe_offer(eids: &mut [u8; 32]) -> Offer<'_> {
    Offer {
        sender: sender(CLIENT_ID, Gid::default()),
        ism: GidChid::default(),
        v1: None,
        v2: Some(OfferV2 {
            kind: OfferV2Kind::R(CLIENT_GID),
            eids: Entries::fill(eids, [UEID]).unwrap(),
            seid: None,
            max_conns: 255,
            max_links: 1,
            feature_mask: 1,
        }),
    }
}

/// Sends a message through bytes.
fn wire<R>(msg: &[u8], f: impl FnOnce(&Message<'_>) -> R) -> R {
    f(&Message::parse(msg).unwrap())
}

/// A client that has sent the offer, and the Proposal's bytes.
fn proposed(offer: &Offer<'_>) -> (Client, Vec<u8>) {
    let mut client = Client::new(Features::SYN_PROPOSAL);
    assert_eq!(client.expected(), None);
    assert_eq!(client.on_connected(true, Millis(100)), Action::FindDevices);
    assert_eq!(client.on_offer(offer), Action::Send(Kind::Proposal));
    let mut buf = [0; 652];
    let n = client.write_proposal(offer, &mut buf).unwrap();
    assert_eq!(client.on_sent(Millis(100)), Action::Wait);
    assert_eq!(client.expected(), Some(Kind::Accept));
    assert_eq!(client.deadline(), Some(Millis(100).after(CLC_WAIT)));
    (client, buf[..n].to_vec())
}

fn server() -> Server {
    let (server, action) = Server::new(CONFIG, true, Millis(100));
    assert_eq!(action, Action::Wait);
    assert_eq!(server.expected(), Some(Kind::Proposal));
    server
}

/// Client and server up to the Accept, the group new or not.
fn accepted(first_contact: bool) -> (Client, Server, Vec<u8>) {
    let mut eids = [0; 32];
    let (client, proposal) = proposed(&rxe_offer(&mut eids));
    let mut server = server();
    let action = wire(&proposal, |m| server.on_message(m, &mut RXE.clone()));
    let Action::FindOrCreateGroup(GroupKey::Rdma(key)) = action else {
        panic!("{action:?}")
    };
    assert_eq!(key.gid, CLIENT_GID);
    assert_eq!(key.peer_id, CLIENT_ID);
    assert_eq!(server.on_group(first_contact), Action::Prepare);
    assert_eq!(server.on_prepared(), Action::Send(Kind::Accept));
    let mut buf = [0; 652];
    let end = server_end();
    let n = server.write_accept(&Local::Rdma(&end), &mut buf).unwrap();
    assert_eq!(server.on_sent(Millis(200)), Action::Wait);
    assert_eq!(server.deadline(), Some(Millis(200).after(CLC_WAIT)));
    (client, server, buf[..n].to_vec())
}

/// Both up to the Confirm, which is in flight.
fn confirmed(first_contact: bool) -> (Client, Server, Vec<u8>) {
    let (mut client, server, accept) = accepted(first_contact);
    let action = wire(&accept, |m| client.on_message(m));
    match action {
        Action::CreateGroup(GroupKey::Rdma(key)) if first_contact => {
            assert_eq!((key.gid, key.peer_id), (SERVER_GID, SERVER_ID));
        }
        Action::FindGroup(GroupKey::Rdma(key)) if !first_contact => {
            assert_eq!(key.qpn, Qpn::new(0x11));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(client.on_group(), Action::Prepare);
    assert_eq!(client.on_prepared(), Action::Send(Kind::Confirm));
    let mut buf = [0; 652];
    let end = client_end();
    let n = client.write_confirm(&Local::Rdma(&end), &mut buf).unwrap();
    (client, server, buf[..n].to_vec())
}

/// The fallback of an action.
fn fallback(action: Action) -> (Reason, GroupFate, Option<Decline>) {
    match action {
        Action::Fallback(f) => (f.reason, f.group, f.decline(CLIENT_ID)),
        other => panic!("{other:?}"),
    }
}

fn abort(action: Action) -> (Cause, GroupFate) {
    match action {
        Action::Abort(a) => (a.cause, a.group),
        other => panic!("{other:?}"),
    }
}

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
    assert_eq!(client.deadline(), Some(Millis(50).after(CLC_WAIT)));

    let mut client = Client::new(Features::SYN_PROPOSAL);
    client.on_offer(&offer);
    assert_eq!(client.on_connected(false, Millis(50)), Action::Reconnect);
    assert_eq!(client.on_connected(true, Millis(51)), Action::Wait);

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
    assert_eq!(client.on_failure(Reason::NoMemory), Action::Wait);
    assert_eq!(
        fallback(client.on_connected(true, Millis(1))).0,
        Reason::NoMemory
    );
}

#[test]
fn timeouts_before_the_link_end_the_connection() {
    let mut eids = [0; 32];
    let (mut client, _) = proposed(&rxe_offer(&mut eids));
    assert_eq!(client.on_timeout(Millis(99).after(CLC_WAIT)), Action::Wait);
    assert_eq!(
        abort(client.on_timeout(Millis(100).after(CLC_WAIT))),
        (Cause::TimedOut, GroupFate::Keep)
    );
    let mut s = server();
    assert_eq!(s.on_timeout(Millis(99).after(CLC_WAIT)), Action::Wait);
    assert_eq!(
        abort(s.on_timeout(Millis(100).after(CLC_WAIT))).0,
        Cause::TimedOut
    );
    let (_, mut s, _) = accepted(true);
    assert_eq!(
        abort(s.on_timeout(Millis(200).after(CLC_WAIT))),
        (Cause::TimedOut, GroupFate::Discard)
    );
}

#[test]
fn a_link_that_is_not_confirmed_ends_in_tcp_after_the_grace() {
    let (mut client, mut server, confirm) = confirmed(true);
    client.on_sent(Millis(300));
    let late = Millis(4300);
    let timeout = Err(FirstError::Timeout);
    assert_eq!(client.on_link(timeout, late), Action::Wait);
    assert_eq!(client.deadline(), Some(late.after(DECLINE_GRACE)));
    assert_eq!(client.on_link(timeout, Millis(4400)), Action::Wait);
    assert_eq!(client.on_timeout(late), Action::Wait);
    let (reason, group, decline) = fallback(client.on_timeout(late.after(DECLINE_GRACE)));
    assert_eq!(
        (reason, group),
        (Reason::ConfirmLinkTimeout, GroupFate::Discard)
    );
    assert!(decline.unwrap().v2.is_some());

    // A Decline within the grace.
    wire(&confirm, |m| server.on_message(m, &mut RXE.clone()));
    server.on_peer_taken();
    assert_eq!(server.on_link(timeout, Millis(900)), Action::Wait);
    assert_eq!(server.deadline(), Some(Millis(900).after(DECLINE_GRACE)));
    let action = server.on_message(&Message::Decline(decline.unwrap()), &mut RXE.clone());
    let Action::Fallback(f) = action else {
        panic!("{action:?}")
    };
    assert_eq!(f.reason, Reason::PeerDeclined);
    assert_eq!(f.peer_reason, Some(Reason::ConfirmLinkTimeout));
    assert_eq!(f.group, GroupFate::Discard);
    assert_eq!(f.decline(SERVER_ID), None);
}

#[test]
fn a_link_confirmed_within_the_grace_still_counts() {
    let (mut client, _, _) = confirmed(true);
    client.on_sent(Millis(300));
    client.on_link(Err(FirstError::Timeout), Millis(301));
    assert_eq!(client.on_link(Ok(()), Millis(500)), Action::Established);
}

#[test]
fn a_server_link_timeout_declines_in_version_2() {
    let (_, mut server, confirm) = confirmed(true);
    wire(&confirm, |m| server.on_message(m, &mut RXE.clone()));
    server.on_peer_taken();
    server.on_link(Err(FirstError::Timeout), Millis(2400));
    let (reason, group, decline) = fallback(server.on_timeout(Millis(3400)));
    assert_eq!(
        (reason, group),
        (Reason::ConfirmLinkTimeout, GroupFate::Discard)
    );
    assert_eq!(decline.unwrap().emitted_len(), 44);
}

#[test]
fn a_link_that_fails_is_declined_at_once() {
    for (error, reason) in [
        (FirstError::EyeCatcher, Reason::EyecatcherInBuffer),
        (FirstError::NotReady, Reason::LinkNotReady),
        (FirstError::LinkDown, Reason::NoActiveLink),
        (FirstError::Ended, Reason::NoActiveLink),
    ] {
        let (mut client, mut server, confirm) = confirmed(true);
        client.on_sent(Millis(300));
        wire(&confirm, |m| server.on_message(m, &mut RXE.clone()));
        server.on_peer_taken();
        for action in [
            client.on_link(Err(error), Millis(301)),
            server.on_link(Err(error), Millis(301)),
        ] {
            let (told, group, decline) = fallback(action);
            assert_eq!((told, group), (reason, GroupFate::Discard));
            assert!(decline.is_some());
        }
    }
}

#[test]
fn declines_are_taken_in_every_state() {
    let decline = |reason| Message::Decline(Decline::new(true, SERVER_ID, reason));
    let mut eids = [0; 32];
    let (mut client, _) = proposed(&rxe_offer(&mut eids));
    let (reason, group, reply) = fallback(client.on_message(&decline(Reason::NoDevice)));
    assert_eq!(
        (reason, group, reply),
        (Reason::PeerDeclined, GroupFate::Keep, None)
    );
    // Out of sync in a later contact: the group is not used any more.
    let (_, mut server, _) = confirmed(false);
    let action = server.on_message(&decline(Reason::SyncError), &mut RXE.clone());
    assert_eq!(fallback(action).1, GroupFate::OutOfSync);
    // On first contact it is gone anyway.
    let (_, mut server, _) = confirmed(true);
    let action = server.on_message(&decline(Reason::SyncError), &mut RXE.clone());
    assert_eq!(fallback(action).1, GroupFate::Discard);
    let mut fresh = self::server();
    let action = fresh.on_message(&decline(Reason::NoDevice), &mut RXE.clone());
    assert_eq!(fallback(action).0, Reason::PeerDeclined);
}

#[test]
fn closed_and_malformed_streams_end_the_connection() {
    let (mut client, mut server, _) = accepted(true);
    assert_eq!(abort(client.on_closed()), (Cause::Closed, GroupFate::Keep));
    assert_eq!(
        abort(server.on_malformed()),
        (Cause::Protocol, GroupFate::Discard)
    );
    let (mut client, mut server, accept) = accepted(true);
    assert_eq!(
        abort(server.on_closed()),
        (Cause::Closed, GroupFate::Discard)
    );
    // An Accept to a server, and twice to a client.
    let mut s = self::server();
    let action = wire(&accept, |m| s.on_message(m, &mut RXE.clone()));
    assert_eq!(abort(action).0, Cause::Protocol);
    wire(&accept, |m| client.on_message(m));
    let action = wire(&accept, |m| client.on_message(m));
    assert_eq!(abort(action).0, Cause::Protocol);
    let (mut client, _, _) = accepted(true);
    assert_eq!(abort(client.on_malformed()).0, Cause::Protocol);
}

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

#[test]
fn a_failure_while_a_message_is_on_its_way_waits_for_it() {
    let (mut client, mut server, accept) = accepted(true);
    assert_eq!(client.on_failure(Reason::NoMemory), Action::Wait);
    let (reason, _, decline) = fallback(wire(&accept, |m| client.on_message(m)));
    assert_eq!(reason, Reason::NoMemory);
    assert!(decline.unwrap().v2.is_some());
    assert_eq!(
        server.on_failure(Reason::NoActiveLink, &mut RXE.clone()),
        Action::Wait
    );
    let (_, _, confirm) = confirmed(true);
    let action = wire(&confirm, |m| server.on_message(m, &mut RXE.clone()));
    assert_eq!(fallback(action).0, Reason::NoActiveLink);
    let mut server = self::server();
    server.on_failure(Reason::Ipsec, &mut RXE.clone());
    let mut eids = [0; 32];
    let (_, proposal) = proposed(&rxe_offer(&mut eids));
    let action = wire(&proposal, |m| server.on_message(m, &mut RXE.clone()));
    assert_eq!(fallback(action).0, Reason::Ipsec);
}

#[test]
fn failures_of_the_client_behind_the_accept_decline_at_once() {
    let (mut client, _, accept) = accepted(true);
    wire(&accept, |m| client.on_message(m));
    client.on_group();
    let (reason, group, _) = fallback(client.on_failure(Reason::RegisterBuffer));
    assert_eq!(
        (reason, group),
        (Reason::RegisterBuffer, GroupFate::Discard)
    );
    let (_, mut server, confirm) = confirmed(true);
    wire(&confirm, |m| server.on_message(m, &mut RXE.clone()));
    let (reason, group, _) = fallback(server.on_failure(Reason::RemoteKeys, &mut RXE.clone()));
    assert_eq!((reason, group), (Reason::RemoteKeys, GroupFate::Discard));
}

#[test]
fn events_that_do_not_belong_change_nothing() {
    let mut eids = [0; 32];
    let offer = rxe_offer(&mut eids);
    let (mut client, _) = proposed(&offer);
    assert_eq!(client.on_offer(&offer), Action::Wait);
    assert_eq!(client.on_connected(true, Millis(1)), Action::Wait);
    assert_eq!(client.on_sent(Millis(1)), Action::Wait);
    assert_eq!(client.on_group(), Action::Wait);
    assert_eq!(client.on_prepared(), Action::Wait);
    assert_eq!(client.on_link(Ok(()), Millis(500)), Action::Wait);
    assert_eq!(
        client.on_link(Err(FirstError::Timeout), Millis(1)),
        Action::Wait
    );
    let mut buf = [0; 652];
    assert_eq!(
        client.write_confirm(&Local::Rdma(&client_end()), &mut buf),
        Err(WriteError::WrongPlace)
    );
    assert_eq!(client.expected(), Some(Kind::Accept));
    let mut server = server();
    assert_eq!(server.on_group(true), Action::Wait);
    assert_eq!(server.on_prepared(), Action::Wait);
    assert_eq!(server.on_sent(Millis(1)), Action::Wait);
    assert_eq!(server.on_peer_taken(), Action::Wait);
    assert_eq!(server.on_link(Ok(()), Millis(500)), Action::Wait);
    assert_eq!(
        server.on_link(Err(FirstError::Timeout), Millis(1)),
        Action::Wait
    );
    assert_eq!(
        server.write_accept(&Local::Rdma(&server_end()), &mut buf),
        Err(WriteError::WrongPlace)
    );
    assert_eq!(server.expected(), Some(Kind::Proposal));
    // The wrong kind of end, and a small buffer.
    let (mut client, _, accept) = accepted(true);
    wire(&accept, |m| client.on_message(m));
    client.on_group();
    client.on_prepared();
    assert_eq!(
        client.write_confirm(&Local::Ism(&ism_end(1, 2)), &mut buf),
        Err(WriteError::WrongPlace)
    );
    assert_eq!(
        client.write_confirm(&Local::Rdma(&client_end()), &mut buf[..20]),
        Err(WriteError::NoSpace)
    );
}

// --- SMC-D, and all combinations ---

const ISM: GidChid = GidChid {
    gid: 0x1111,
    chid: 0x0101,
};

/// Everything that a client may have.
#[derive(Clone, Copy, Debug)]
struct Caps {
    v1: Modes,
    v2: Modes,
    ueid: Option<Eid>,
    seid: Option<Eid>,
}

/// Storage of an offer's lists.
struct Lists {
    eids: [u8; 32],
    gids: [u8; 30],
}

fn offer<'a>(caps: &Caps, lists: &'a mut Lists) -> Offer<'a> {
    let kind = match caps.v2 {
        Modes::None => None,
        modes => {
            // A device on a channel that the server can't reach, and an
            // emulated one of two entries.
            let gids = Entries::fill(
                &mut lists.gids,
                [
                    GidChid {
                        gid: 5,
                        chid: 0x0bad,
                    },
                    GidChid {
                        gid: 6,
                        chid: 0xff00,
                    },
                    GidChid {
                        gid: 7,
                        chid: 0xff00,
                    },
                ],
            )
            .unwrap();
            Some(match modes {
                Modes::R => OfferV2Kind::R(CLIENT_GID),
                Modes::D => OfferV2Kind::D(gids),
                _ => OfferV2Kind::Both(CLIENT_GID, gids),
            })
        }
    };
    Offer {
        sender: sender(CLIENT_ID, CLIENT_GID),
        ism: if caps.v1.ism() {
            ISM
        } else {
            GidChid::default()
        },
        v1: V1Modes::from_modes(caps.v1).map(|modes| V1Offer {
            modes,
            ip: IpArea::v4([10, 0, 0, 0], 24),
        }),
        v2: kind.map(|kind| OfferV2 {
            kind,
            eids: Entries::fill(&mut lists.eids, caps.ueid).unwrap(),
            seid: caps.seid,
            max_conns: 255,
            max_links: 2,
            feature_mask: 1,
        }),
    }
}

/// What the C module would come to: mode and version, or a reason.
type Outcome = Result<(Modes, u8), Reason>;

/// The decision of the C server in a table of attempts: what has to hold for
/// each, and what is the reason if it does not (`None`: none is noted).
fn c_outcome(caps: &Caps, host: &Host) -> Outcome {
    // What the client really offers: no SMC-R version 2 without a UEID.
    let r2 = caps.v2.rdma() && caps.ueid.is_some();
    let d2 = caps.v2.ism();
    if caps.v1 == Modes::None && !r2 && !d2 {
        return Err(Reason::NoDevice);
    }
    // Which versions remain after the first check.
    let mut last = Reason::PeerNoSmc;
    let mut use_d2 = d2;
    if d2 && !host.ism_v2_capable {
        use_d2 = false;
        last = Reason::NoIsmV2;
    } else if d2 && caps.ueid.is_none() && caps.seid.is_none() {
        use_d2 = false;
        last = Reason::NoUeid;
    }
    if caps.v1 == Modes::None && !use_d2 && !r2 {
        return Err(last);
    }
    let mut first = None;
    let mut note = |r: Reason| {
        first.get_or_insert(r);
    };
    let ueid = caps.ueid.is_some() && caps.ueid == host.ueid;
    let seid = caps.seid.is_some() && caps.seid == host.seid;
    if use_d2 {
        if !host.ism_v2 {
            note(Reason::NoSmcdV2Device);
        } else if seid || ueid {
            return Ok((Modes::D, 2));
        }
    }
    let subnet = caps.v1 == Modes::None || host.same_subnet;
    if !subnet {
        note(Reason::DifferentPrefix);
    }
    if !host.vlan {
        return Err(first.unwrap_or(Reason::VlanUnknown));
    }
    if subnet && caps.v1.ism() {
        if host.ism_v1 {
            return Ok((Modes::D, 1));
        }
        note(Reason::NoSmcdDevice);
    }
    if !caps.v1.rdma() && !r2 {
        return Err(first.unwrap_or(Reason::NoSmcdDevice));
    }
    if r2 && ueid {
        if host.roce_v2 {
            return Ok((Modes::R, 2));
        }
        first.get_or_insert(Reason::NoSmcrDevice);
    }
    if !subnet {
        return Err(Reason::DifferentPrefix);
    }
    if caps.v1.rdma() && host.roce_v1 {
        return Ok((Modes::R, 1));
    }
    Err(first.unwrap_or(Reason::NoDevice))
}

/// What two of ours come to, with all messages through bytes.
fn our_outcome(caps: &Caps, host: &Host, first_contact: bool) -> Outcome {
    let mut lists = Lists {
        eids: [0; 32],
        gids: [0; 30],
    };
    let offer = offer(caps, &mut lists);
    let mut client = Client::new(Features::SYN_PROPOSAL);
    client.on_connected(true, Millis(0));
    match client.on_offer(&offer) {
        Action::Send(Kind::Proposal) => {}
        Action::Fallback(f) => return Err(f.reason),
        other => panic!("{other:?}"),
    }
    let mut buf = [0; 652];
    let n = client.write_proposal(&offer, &mut buf).unwrap();
    client.on_sent(Millis(0));
    let mut host = *host;
    let (mut server, _) = Server::new(CONFIG, true, Millis(0));
    let action = wire(&buf[..n], |m| server.on_message(m, &mut host));
    let mode = match action {
        Action::FindOrCreateGroup(GroupKey::Rdma(_)) => Modes::R,
        Action::FindOrCreateGroup(GroupKey::Ism(key)) => {
            // The first device that can be reached.
            if key.version.number() == 2 && !caps.v1.ism() {
                assert_eq!((key.gid, key.gid_ext, key.chid), (6, 7, 0xff00));
            } else {
                assert_eq!(key.gid, ISM.gid);
            }
            Modes::D
        }
        Action::Fallback(f) => {
            let decline = f.decline(SERVER_ID).unwrap();
            let n = decline.emit(&mut buf).unwrap();
            let Action::Fallback(there) = wire(&buf[..n], |m| client.on_message(m)) else {
                panic!()
            };
            assert_eq!(there.reason, Reason::PeerDeclined);
            assert_eq!(there.peer_reason, Some(f.reason));
            return Err(f.reason);
        }
        other => panic!("{other:?}"),
    };
    let chid = match action {
        Action::FindOrCreateGroup(GroupKey::Ism(key)) => key.chid,
        _ => 0,
    };
    assert_eq!(server.on_group(first_contact), Action::Prepare);
    assert_eq!(server.on_prepared(), Action::Send(Kind::Accept));
    let (rdma, ism) = (server_end(), ism_end(0x2222, chid));
    let end = if mode == Modes::R {
        Local::Rdma(&rdma)
    } else {
        Local::Ism(&ism)
    };
    let n = server.write_accept(&end, &mut buf).unwrap();
    server.on_sent(Millis(0));
    let action = wire(&buf[..n], |m| client.on_message(m));
    match action {
        Action::CreateGroup(_) => assert!(first_contact),
        Action::FindGroup(_) => assert!(!first_contact),
        other => panic!("{other:?}"),
    }
    client.on_group();
    client.on_prepared();
    let (rdma, ism) = (client_end(), ism_end(0x1111, chid));
    let end = if mode == Modes::R {
        Local::Rdma(&rdma)
    } else {
        Local::Ism(&ism)
    };
    let n = client.write_confirm(&end, &mut buf).unwrap();
    let linking = first_contact && mode == Modes::R;
    let done = if linking {
        Action::ConfirmLink
    } else {
        Action::Established
    };
    assert_eq!(client.on_sent(Millis(0)), done);
    let action = wire(&buf[..n], |m| server.on_message(m, &mut host));
    assert_eq!(action, Action::TakePeer);
    assert_eq!(server.on_peer_taken(), done);
    if linking {
        assert_eq!(server.on_link(Ok(()), Millis(500)), Action::Established);
        assert_eq!(client.on_link(Ok(()), Millis(500)), Action::Established);
    }
    let (c, s) = (client.negotiated(), server.negotiated());
    assert_eq!(c.mode(), mode);
    assert_eq!(s.mode(), mode);
    assert_eq!(c.version, s.version);
    assert_eq!(c.eid, s.eid);
    if first_contact && c.version.number() > 1 {
        assert_eq!(c.feature_mask, s.feature_mask);
        assert_eq!((c.release, s.release), (1, 1));
        assert_eq!(c.peer_features, s.peer_features);
    }
    Ok((mode, c.version.number()))
}

#[test]
fn every_combination_ends_as_with_c_peers() {
    let modes = [Modes::None, Modes::R, Modes::D, Modes::Both];
    let mut seen = std::collections::BTreeMap::new();
    let mut count = 0;
    for client in 0..4 * 4 * 3 * 3 {
        let caps = Caps {
            v1: modes[client % 4],
            v2: modes[client / 4 % 4],
            ueid: [None, Some(UEID), Some(OTHER)][client / 16 % 3],
            seid: [None, Some(SEID), Some(OTHER)][client / 48],
        };
        for server in 0..1 << 9 {
            let bit = |n: u32| server >> n & 1 == 1;
            let host = Host {
                ism_v2_capable: bit(0),
                ism_v2: bit(1),
                ism_v1: bit(2),
                roce_v2: bit(3),
                roce_v1: bit(4),
                same_subnet: bit(5),
                vlan: bit(6),
                ueid: bit(7).then_some(UEID),
                seid: bit(8).then_some(SEID),
            };
            let want = c_outcome(&caps, &host);
            for first_contact in [true, false] {
                let got = our_outcome(&caps, &host, first_contact);
                assert_eq!(got, want, "{caps:?} {host:?}");
            }
            *seen.entry(format!("{want:?}")).or_insert(0) += 1;
            count += 1;
        }
    }
    assert_eq!(count, 144 * 512);
    // Every outcome was there: 4 ways to succeed, and these reasons.
    for outcome in [
        "Ok((R, 1))",
        "Ok((R, 2))",
        "Ok((D, 1))",
        "Ok((D, 2))",
        "Err(NoDevice)",
        "Err(NoIsmV2)",
        "Err(NoUeid)",
        "Err(NoSmcdV2Device)",
        "Err(NoSmcdDevice)",
        "Err(NoSmcrDevice)",
        "Err(DifferentPrefix)",
        "Err(VlanUnknown)",
    ] {
        assert!(seen.contains_key(outcome), "{outcome} {seen:?}");
    }
}

#[test]
fn a_candidate_that_fails_gives_way_to_the_next() {
    let caps = Caps {
        v1: Modes::Both,
        v2: Modes::Both,
        ueid: Some(UEID),
        seid: None,
    };
    let host = Host {
        ism_v2_capable: true,
        ism_v2: true,
        ism_v1: true,
        roce_v2: true,
        roce_v1: true,
        ..RXE
    };
    let mut lists = Lists {
        eids: [0; 32],
        gids: [0; 30],
    };
    let offer = offer(&caps, &mut lists);
    let (_, proposal) = proposed(&offer);
    let mut server = server();
    let mut action = wire(&proposal, |m| server.on_message(m, &mut host.clone()));
    let mut order = Vec::new();
    let reasons = [
        Reason::MaxDmb,
        Reason::NoMemory,
        Reason::RegisterBuffer,
        Reason::NoMemory,
    ];
    for (i, reason) in reasons.into_iter().enumerate() {
        let Action::FindOrCreateGroup(key) = action else {
            panic!("{action:?}")
        };
        order.push(match key {
            GroupKey::Rdma(k) => (Modes::R, k.version.number()),
            GroupKey::Ism(k) => (Modes::D, k.version.number()),
        });
        if i % 2 == 1 {
            assert_eq!(server.on_group(true), Action::Prepare);
        }
        action = server.on_failure(reason, &mut host.clone());
    }
    assert_eq!(
        order,
        [(Modes::D, 2), (Modes::D, 1), (Modes::R, 2), (Modes::R, 1)]
    );
    // The first reason is told; the last group goes.
    let (reason, group, _) = fallback(action);
    assert_eq!((reason, group), (Reason::MaxDmb, GroupFate::Discard));
}

#[test]
fn a_channel_that_was_never_offered_ends_the_connection() {
    let caps = Caps {
        v1: Modes::None,
        v2: Modes::D,
        ueid: Some(UEID),
        seid: None,
    };
    let mut lists = Lists {
        eids: [0; 32],
        gids: [0; 30],
    };
    let offer = offer(&caps, &mut lists);
    let (_, proposal) = proposed(&offer);
    let host = Host {
        ism_v2_capable: true,
        ism_v2: true,
        ..RXE
    };
    for (chid, right) in [(0xff00, true), (0x0bad, true), (0x0101, false)] {
        let (mut client, _) = proposed(&offer);
        let mut server = self::server();
        wire(&proposal, |m| server.on_message(m, &mut host.clone()));
        server.on_group(true);
        server.on_prepared();
        let mut buf = [0; 652];
        let n = server
            .write_accept(&Local::Ism(&ism_end(0x2222, chid)), &mut buf)
            .unwrap();
        assert_eq!(n, 130);
        let action = wire(&buf[..n], |m| client.on_message(m));
        if right {
            let Action::CreateGroup(GroupKey::Ism(key)) = action else {
                panic!("{action:?}")
            };
            assert_eq!(key.gid_ext, if chid == 0xff00 { 0x99 } else { 0 });
        } else {
            assert_eq!(abort(action).0, Cause::Protocol);
        }
    }
}

#[test]
fn proposals_of_version_1_are_answered_in_version_1() {
    // A Proposal as an old client sends it, SMC-R, no SMC-D area.
    let mut proposal = vec![0xe2, 0xd4, 0xc3, 0xd9, 1, 0, 52, 0x10];
    proposal.extend(CLIENT_ID.0);
    proposal.extend(CLIENT_GID.0);
    proposal.extend([2, 0, 0, 0, 0, 1, 0, 0]);
    proposal.extend([10, 0, 0, 0, 24, 0, 0, 0]);
    proposal.extend([0xe2, 0xd4, 0xc3, 0xd9]);
    let mut host = Host {
        roce_v1: true,
        ..RXE
    };
    let mut server = self::server();
    let action = wire(&proposal, |m| server.on_message(m, &mut host));
    let Action::FindOrCreateGroup(GroupKey::Rdma(key)) = action else {
        panic!("{action:?}")
    };
    assert!(key.version.is_v1());
    server.on_group(true);
    server.on_prepared();
    let mut buf = [0; 652];
    let n = server
        .write_accept(&Local::Rdma(&server_end()), &mut buf)
        .unwrap();
    assert_eq!(n, 68);
    assert_eq!(buf[7], 0x18);
    // Without a device the Decline is one of version 1.
    host.roce_v1 = false;
    let mut server = self::server();
    let action = wire(&proposal, |m| server.on_message(m, &mut host));
    let (reason, _, decline) = fallback(action);
    assert_eq!(reason, Reason::NoDevice);
    assert_eq!(decline.unwrap().emitted_len(), 28);
    // SMC-D with no area for it: the C module looks on at SMC-R.
    proposal[7] = 0x11;
    let mut server = self::server();
    let action = wire(&proposal, |m| server.on_message(m, &mut host));
    assert_eq!(fallback(action).0, Reason::NoDevice);
    proposal[7] = 0x15;
    let mut server = self::server();
    let action = wire(&proposal, |m| server.on_message(m, &mut host));
    assert_eq!(fallback(action).0, Reason::NoSmcdDevice);
}

#[test]
fn a_proposal_that_offers_nothing_is_declined() {
    let mut eids = [0; 32];
    let offer = Offer {
        v2: None,
        ..rxe_offer(&mut eids)
    };
    let nothing = offer.proposal(Features::NONE);
    let mut buf = [0; 652];
    let n = nothing.emit(&mut buf).unwrap();
    assert!(Proposal::parse(&buf[..n]).is_ok());
    let mut server = self::server();
    let action = wire(&buf[..n], |m| server.on_message(m, &mut RXE.clone()));
    assert_eq!(fallback(action).0, Reason::PeerNoSmc);
}

#[test]
fn subnets_match_as_in_c() {
    use std::net::IpAddr;
    let v4 = IpArea::v4([10, 1, 2, 0], 23);
    let addr = |s: &str| s.parse::<IpAddr>().unwrap();
    assert!(v4.matches(addr("10.1.3.77"), 23));
    assert!(!v4.matches(addr("10.1.4.77"), 23));
    assert!(!v4.matches(addr("10.1.2.77"), 24));
    assert!(!v4.matches(addr("::1"), 23));
    assert!(!IpArea::v4([1, 2, 3, 4], 200).matches(addr("1.2.3.4"), 200));
    let mut buf = [0; 17];
    let prefixes = Entries::fill(
        &mut buf,
        [smc_proto::wire::clc::V6Prefix {
            addr: "2001:db8::".parse::<std::net::Ipv6Addr>().unwrap().octets(),
            len: 61,
        }],
    )
    .unwrap();
    let v6 = IpArea::v6(prefixes);
    assert!(v6.matches(addr("2001:db8:0:7::1"), 61));
    assert!(!v6.matches(addr("2001:db8:0:8::1"), 61));
    assert!(!v6.matches(addr("2001:db8:0:7::1"), 64));
    assert!(!v6.matches(addr("10.1.2.3"), 61));
    assert!(!v6.matches(addr("fe80::1"), 61));
}

#[test]
fn the_machines_are_small() {
    assert!(
        std::mem::size_of::<Client>() <= 448,
        "{}",
        std::mem::size_of::<Client>()
    );
    assert!(
        std::mem::size_of::<Server>() <= 512,
        "{}",
        std::mem::size_of::<Server>()
    );
}
