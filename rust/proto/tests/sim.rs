// SPDX-License-Identifier: GPL-2.0

//! Two hosts over a wire with latency: how many round trips things take, and
//! that both ends agree whatever the wire does. Needs the feature `sim`.

use proptest::prelude::*;
use smc_proto::group::Millis;
use smc_proto::sim::{ConnId, Fault, HostConfig, Outcome, PathConfig, Side, World, WorldConfig};
use smc_proto::wire::clc::Reason;
use smc_proto::wire::ext::Features;

/// 50 ms each way.
const RTT: u64 = 100;

/// Longer than any timeout.
const LONG: Millis = Millis(120_000);

fn hosts(config: HostConfig) -> WorldConfig {
    WorldConfig {
        hosts: [config; 2],
        ..WorldConfig::default()
    }
}

/// Connects and runs; gives the round trips that the client's connect() took.
fn round_trips(world: &mut World) -> u64 {
    let conn = world.connect(Side::A);
    world.run(LONG);
    let report = world.report(Side::A, conn).unwrap();
    assert_eq!(report.outcome, Outcome::Smc);
    let there = world.report(Side::B, conn).unwrap();
    assert_eq!(there.outcome, Outcome::Smc);
    assert_eq!(report.first_contact, there.first_contact);
    assert_eq!(report.took % RTT, 0, "{report:?}");
    assert_eq!(world.unknown_keys(), []);
    assert_eq!(world.leaked(), 0);
    report.took / RTT
}

#[test]
fn handshake_takes_4_rtt_with_rkey_exchange_and_tcp_handshake_first_2_without_the_exchange_1_with_the_proposal_in_the_syn(
) {
    // Two links: each connection's RMB is a new one, which needs CONFIRM RKEY
    // from both ends, as the C module does it always.
    let two = HostConfig {
        max_links: 2,
        ..HostConfig::default()
    };
    let mut world = World::new(&hosts(two));
    round_trips(&mut world);
    assert_eq!(world.active_links(Side::A), 2);
    let before = world.rdma_messages();
    assert_eq!(round_trips(&mut world), 4);
    // A request and an answer from each end.
    assert_eq!(world.rdma_messages() - before, 4);

    // Two links, but the RMB is known on both.
    let shared = HostConfig {
        rmb_per_conn: false,
        ..two
    };
    let mut world = World::new(&hosts(shared));
    round_trips(&mut world);
    assert_eq!(world.active_links(Side::A), 2);
    let before = world.rdma_messages();
    assert_eq!(round_trips(&mut world), 2);
    assert_eq!(world.rdma_messages(), before);

    // One link: the CLC messages carry all there is to know.
    let one = HostConfig::default();
    let mut world = World::new(&hosts(one));
    round_trips(&mut world);
    assert_eq!(world.active_links(Side::A), 1);
    let before = world.rdma_messages();
    assert_eq!(round_trips(&mut world), 2);
    assert_eq!(world.rdma_messages(), before);

    // And the Proposal rides in the SYN.
    let syn = HostConfig {
        syn_proposal: true,
        ..one
    };
    let mut world = World::new(&hosts(syn));
    round_trips(&mut world);
    assert_eq!(round_trips(&mut world), 1);
}

#[test]
fn first_contact_takes_3_rtt_and_2_with_the_proposal_in_the_syn() {
    // TCP, Proposal to Accept, Confirm to the server's question on the link.
    let mut world = World::new(&WorldConfig::default());
    assert_eq!(round_trips(&mut world), 3);
    let mut world = World::new(&hosts(HostConfig {
        syn_proposal: true,
        ..HostConfig::default()
    }));
    assert_eq!(round_trips(&mut world), 2);
}

#[test]
fn first_contact_does_not_wait_for_the_second_link() {
    let mut world = World::new(&hosts(HostConfig {
        max_links: 2,
        ..HostConfig::default()
    }));
    assert_eq!(round_trips(&mut world), 3);
    assert_eq!(world.active_links(Side::A), 2);
}

#[test]
fn both_learn_on_first_contact_that_the_other_takes_proposals_in_syns() {
    let mut world = World::new(&WorldConfig::default());
    let first = world.connect(Side::A);
    world.run(LONG);
    let later = world.connect(Side::A);
    world.run(LONG);
    let features = |side, conn| world.report(side, conn).unwrap().peer_features;
    let yes = Some(Features::SYN_PROPOSAL);
    assert_eq!(features(Side::A, first), yes);
    assert_eq!(features(Side::B, first), yes);
    assert_eq!(features(Side::A, later), None);
    assert_eq!(features(Side::B, later), yes);
    // A server that does not take them says so.
    let mut config = WorldConfig::default();
    config.hosts[1].takes_syn = false;
    let mut world = World::new(&config);
    let conn = world.connect(Side::A);
    world.run(LONG);
    let report = world.report(Side::A, conn).unwrap();
    assert_eq!(report.peer_features, Some(Features::NONE));
}

#[test]
fn a_proposal_in_a_syn_that_is_not_taken_costs_nothing() {
    // The server's TCP acknowledges the SYN only; the Proposal goes again with
    // the third packet.
    let mut config = hosts(HostConfig {
        syn_proposal: true,
        ..HostConfig::default()
    });
    config.hosts[1].takes_syn = false;
    let mut world = World::new(&config);
    round_trips(&mut world);
    assert_eq!(round_trips(&mut world), 2);
}

#[test]
fn a_host_without_smc_never_sees_a_proposal() {
    for syn_proposal in [false, true] {
        let mut config = hosts(HostConfig {
            syn_proposal,
            ..HostConfig::default()
        });
        config.hosts[1].smc = false;
        let mut world = World::new(&config);
        let conn = world.connect(Side::A);
        world.run(LONG);
        let report = world.report(Side::A, conn).unwrap();
        assert_eq!(report.outcome, Outcome::Tcp(Reason::PeerNoSmc));
        assert_eq!(report.took, RTT);
        assert_eq!(world.leaked(), 0);
    }
}

#[test]
fn hosts_without_a_common_eid_fall_back_both() {
    let mut config = WorldConfig::default();
    config.hosts[0].eid_matches = false;
    let mut world = World::new(&config);
    let conn = world.connect(Side::A);
    world.run(LONG);
    assert_eq!(
        world.report(Side::A, conn).unwrap().outcome,
        Outcome::Tcp(Reason::PeerDeclined)
    );
    assert_eq!(
        world.report(Side::B, conn).unwrap().outcome,
        Outcome::Tcp(Reason::NoDevice)
    );
}

#[test]
fn connections_that_arrive_during_the_first_contact_wait_for_it() {
    let mut world = World::new(&WorldConfig::default());
    let conns: Vec<ConnId> = (0..10).map(|_| world.connect(Side::A)).collect();
    world.run(LONG);
    let reports: Vec<_> = conns
        .iter()
        .map(|c| world.report(Side::A, *c).unwrap())
        .collect();
    assert!(reports.iter().all(|r| r.outcome == Outcome::Smc));
    assert_eq!(reports.iter().filter(|r| r.first_contact).count(), 1);
    // The server knows half a round trip after the client that the link works.
    assert!(reports.iter().all(|r| r.took <= 4 * RTT), "{reports:?}");
    assert_eq!(world.unknown_keys(), []);
}

#[test]
fn both_hosts_may_be_client_and_server_at_once() {
    let mut world = World::new(&hosts(HostConfig {
        max_links: 2,
        ..HostConfig::default()
    }));
    let conns: Vec<ConnId> = [Side::A, Side::B, Side::A, Side::B]
        .into_iter()
        .map(|side| world.connect(side))
        .collect();
    world.run(LONG);
    for conn in conns {
        for side in [Side::A, Side::B] {
            assert_eq!(world.report(side, conn).unwrap().outcome, Outcome::Smc);
        }
    }
    assert_eq!(world.unknown_keys(), []);
}

#[test]
fn a_lost_segment_costs_its_repetition_and_nothing_else() {
    // 0 SYN, 1 SYN-ACK, 2 ACK, 3 Proposal, 4 Accept, 5 Confirm.
    for segment in 0..6 {
        let mut world = World::new(&WorldConfig::default());
        world.fault(segment, Fault::Delay(1000));
        let conn = world.connect(Side::A);
        world.run(LONG);
        for side in [Side::A, Side::B] {
            assert_eq!(world.report(side, conn).unwrap().outcome, Outcome::Smc);
        }
        let took = world.report(Side::A, conn).unwrap().took;
        assert_eq!(took, 3 * RTT + 1000, "segment {segment}");
    }
}

#[test]
fn a_segment_that_comes_too_late_breaks_the_connection_as_in_c() {
    // The Accept, held up for longer than the client waits.
    let mut world = World::new(&WorldConfig::default());
    world.fault(4, Fault::Delay(10_000));
    let conn = world.connect(Side::A);
    world.run(LONG);
    assert_eq!(
        world.report(Side::A, conn).unwrap().outcome,
        Outcome::Broken
    );
    assert_eq!(
        world.report(Side::B, conn).unwrap().outcome,
        Outcome::Broken
    );
    // The next one starts anew.
    assert_eq!(round_trips(&mut world), 3);
}

#[test]
fn a_link_that_does_not_come_up_ends_in_tcp_on_both_sides() {
    // RDMA takes longer than anybody waits.
    let config = WorldConfig {
        rdma: PathConfig {
            latency: 60_000,
            jitter: 0,
        },
        ..WorldConfig::default()
    };
    let mut world = World::new(&config);
    let conn = world.connect(Side::A);
    world.run(LONG);
    // The server gives up first and says so; the client goes along.
    assert_eq!(
        world.report(Side::B, conn).unwrap().outcome,
        Outcome::Tcp(Reason::ConfirmLinkTimeout)
    );
    assert_eq!(
        world.report(Side::A, conn).unwrap().outcome,
        Outcome::Tcp(Reason::PeerDeclined)
    );
    assert_eq!(world.leaked(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever the latencies and orders, as long as nobody waits for 6 s: both
    /// ends come up with SMC, and every writer knows the keys it needs, at each
    /// moment that is looked at.
    #[test]
    fn both_ends_agree(
        seed in any::<u64>(),
        ip in 1u32..200,
        rdma in 1u32..80,
        jitter in 0u32..80,
        links in 1u8..=2,
        syn in any::<bool>(),
        own_rmbs in any::<bool>(),
        from in prop::collection::vec((any::<bool>(), 0u64..400), 1..8),
        delays in prop::collection::vec((0u64..40, 1u32..400), 0..4),
    ) {
        let host = HostConfig {
            max_links: links,
            syn_proposal: syn,
            rmb_per_conn: own_rmbs,
            ..HostConfig::default()
        };
        let config = WorldConfig {
            ip: PathConfig { latency: ip, jitter },
            rdma: PathConfig { latency: rdma, jitter },
            seed,
            hosts: [host; 2],
        };
        let mut world = World::new(&config);
        for (segment, ms) in delays {
            world.fault(segment, Fault::Delay(ms));
        }
        let mut conns = Vec::new();
        for (b, wait) in from {
            conns.push(world.connect(if b { Side::B } else { Side::A }));
            let until = Millis(world.now().0 + wait);
            world.run(until);
            prop_assert_eq!(world.unknown_keys(), []);
        }
        world.run(LONG);
        for conn in conns {
            let a = world.report(Side::A, conn);
            let b = world.report(Side::B, conn);
            prop_assert_eq!(a.map(|r| r.outcome), Some(Outcome::Smc));
            prop_assert_eq!(b.map(|r| r.outcome), Some(Outcome::Smc));
        }
        prop_assert_eq!(world.unknown_keys(), []);
        prop_assert_eq!(world.leaked(), 0);
    }

    /// With connections that break at any segment: nobody is left waiting, no
    /// CLC byte reaches an application, and the next connection works.
    #[test]
    fn resets_leave_nothing_behind(
        seed in any::<u64>(),
        jitter in 0u32..100,
        links in 1u8..=2,
        syn in any::<bool>(),
        count in 1usize..6,
        breaks in prop::collection::vec(0u64..30, 1..4),
    ) {
        let host = HostConfig {
            max_links: links,
            syn_proposal: syn,
            ..HostConfig::default()
        };
        let mut config = hosts(host);
        config.seed = seed;
        config.ip.jitter = jitter;
        config.rdma.jitter = jitter;
        let mut world = World::new(&config);
        for segment in breaks {
            world.fault(segment, Fault::Reset);
        }
        let conns: Vec<ConnId> = (0..count).map(|_| world.connect(Side::A)).collect();
        world.run(LONG);
        for conn in conns {
            let report = world.report(Side::A, conn);
            prop_assert!(report.is_some());
            if world.report(Side::B, conn).map(|r| r.outcome) == Some(Outcome::Smc) {
                // A server is up only after the client.
                prop_assert_ne!(report.map(|r| r.outcome), Some(Outcome::Tcp(Reason::PeerNoSmc)));
            }
        }
        prop_assert_eq!(world.leaked(), 0);
        // Segments behind all faults: as if nothing had been.
        while world.tcp_segments() < 40 {
            world.connect(Side::A);
            let until = Millis(world.now().0 + 30_000);
            world.run(until);
        }
        let conn = world.connect(Side::A);
        world.run(Millis(world.now().0 + 30_000));
        let report = world.report(Side::A, conn);
        prop_assert_eq!(report.map(|r| r.outcome), Some(Outcome::Smc));
    }
}

#[test]
fn the_paths_do_reorder() {
    let config = WorldConfig {
        ip: PathConfig {
            latency: 200,
            jitter: 50,
        },
        rdma: PathConfig {
            latency: 10,
            jitter: 5,
        },
        seed: 7,
        hosts: [HostConfig {
            max_links: 2,
            ..HostConfig::default()
        }; 2],
    };
    let mut world = World::new(&config);
    for _ in 0..5 {
        world.connect(Side::A);
        world.run(Millis(world.now().0 + 300));
    }
    world.run(LONG);
    assert!(world.saw_reordering());
    assert_eq!(world.unknown_keys(), []);
}
