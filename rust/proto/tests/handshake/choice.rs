// SPDX-License-Identifier: GPL-2.0

//! What client and server agree on, for every combination of what they have.

use super::ends::*;

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
        Reason::MaxDmb,
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
        if i % 2 == 0 {
            assert_eq!(server.on_group(true), Action::Prepare);
        }
        action = server.on_failure(reason, &mut host.clone());
    }
    assert_eq!(
        order,
        [
            // Two devices of the client are in reach.
            (Modes::D, 2),
            (Modes::D, 2),
            (Modes::D, 1),
            (Modes::R, 2),
            (Modes::R, 1)
        ]
    );
    // The first reason is told; the last group goes.
    let (reason, group, _) = fallback(action);
    assert_eq!((reason, group), (Reason::MaxDmb, GroupFate::Discard));
}

/// A host to which some of the client's ISM devices lead.
struct Reach {
    gids: Vec<u64>,
    asked: Vec<u64>,
}

impl Lookup for Reach {
    fn ism_v2_capable(&mut self) -> bool {
        true
    }
    fn ism_v2(&mut self, peer: &IsmKey) -> bool {
        self.asked.push(peer.gid);
        self.gids.contains(&peer.gid)
    }
    fn ism_v1(&mut self, _gid: u64) -> bool {
        false
    }
    fn roce_v2(&mut self, _gid: &Gid) -> bool {
        false
    }
    fn roce_v1(&mut self) -> bool {
        false
    }
    fn same_subnet(&mut self, _ip: &IpArea<'_>) -> bool {
        false
    }
    fn vlan(&mut self) -> bool {
        true
    }
    fn has_ueid(&mut self, eid: &Eid) -> bool {
        *eid == UEID
    }
    fn seid(&mut self) -> Option<Eid> {
        None
    }
}

/// An offer of as many devices as there may be: the client's own and 8 entries.
fn nine_devices<'a>(eids: &'a mut [u8; 32], gids: &'a mut [u8; 80]) -> Offer<'a> {
    let listed = (1..=8).map(|n| GidChid {
        gid: u64::from(n),
        chid: 0x0200 + n,
    });
    let gids = Entries::fill(gids, listed).unwrap();
    let offer = rxe_offer(eids);
    Offer {
        ism: ISM,
        v1: Some(V1Offer {
            modes: V1Modes::D,
            ip: IpArea::v4([10, 0, 0, 0], 24),
        }),
        v2: offer.v2.map(|v2| OfferV2 {
            kind: OfferV2Kind::D(gids),
            ..v2
        }),
        ..offer
    }
}

/// The devices that a server tries, one after the other failing, and the reason
/// in the end. What is `lost` leads nowhere from the first failure on.
fn tried(reach: &[u64], lost: &[u64]) -> (Vec<u64>, Reason) {
    let (mut eids, mut gids) = ([0; 32], [0; 80]);
    let (_, proposal) = proposed(&nine_devices(&mut eids, &mut gids));
    let mut host = Reach {
        gids: reach.to_vec(),
        asked: vec![],
    };
    let mut server = server();
    let mut action = wire(&proposal, |m| server.on_message(m, &mut host));
    let mut order = Vec::new();
    while let Action::FindOrCreateGroup(GroupKey::Ism(key)) = action {
        // Who was asked last is who is meant.
        assert_eq!(host.asked.last(), Some(&key.gid));
        order.push(key.gid);
        host.gids.retain(|gid| !lost.contains(gid));
        action = server.on_failure(Reason::MaxDmb, &mut host);
    }
    (order, fallback(action).0)
}

#[test]
fn every_ism_device_in_reach_is_tried() {
    let all = [ISM.gid, 1, 2, 3, 4, 5, 6, 7, 8];
    assert_eq!(tried(&all, &[]), (all.to_vec(), Reason::MaxDmb));
    assert_eq!(tried(&[7, 3], &[]), (vec![3, 7], Reason::MaxDmb));
    assert_eq!(tried(&[], &[]), (vec![], Reason::NoSmcdV2Device));
    // A device that has gone when its turn comes.
    assert_eq!(tried(&[2, 4, 6], &[4]), (vec![2, 6], Reason::MaxDmb));
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
