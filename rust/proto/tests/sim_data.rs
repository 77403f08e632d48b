// SPDX-License-Identifier: GPL-2.0

//! Two hosts' connections with data, over paths that delay and reorder: what
//! arrives, and how connections end, in all the ways in which applications end
//! them. Needs the feature `sim`.

use proptest::prelude::*;
use smc_proto::close::{ConnState, RecvEnd, Release, SocketError};
use smc_proto::group::Millis;
use smc_proto::sim::{
    App, ConnId, Fault, Finish, HostConfig, Outcome, PathConfig, Side, StreamReport, World,
    WorldConfig,
};

/// Longer than a drain and the wait of an orphan behind it.
const LONG: u64 = 400_000;

const SIDES: [Side; 2] = [Side::A, Side::B];

fn app(writes: u64, finish: Finish) -> App {
    App {
        writes,
        finish,
        ..App::default()
    }
}

/// A connection from A, whose applications do this, run to its end.
fn run(world: &mut World, apps: [App; 2]) -> [StreamReport; 2] {
    let conn = world.connect_apps(Side::A, apps);
    let until = Millis(world.now().0 + LONG);
    world.run(until);
    reports(world, conn)
}

fn reports(world: &World, conn: ConnId) -> [StreamReport; 2] {
    assert_eq!(world.bad_writes(), 0);
    assert_eq!(world.leaked(), 0);
    SIDES.map(|side| world.stream(side, conn).unwrap())
}

fn ends(apps: [App; 2]) -> [StreamReport; 2] {
    run(&mut World::new(&WorldConfig::default()), apps)
}

/// All bytes arrived, both saw the end of the file, and nothing is left.
fn assert_clean(apps: &[App; 2], reports: &[StreamReport; 2]) {
    for (app, there, here) in [
        (apps[0], reports[1], reports[0]),
        (apps[1], reports[0], reports[1]),
    ] {
        assert_eq!(here.written, app.writes);
        assert_eq!(there.read, app.writes);
        assert!(there.intact);
        assert_eq!((here.error, here.state), (None, ConnState::Closed));
        assert_eq!(here.released, Some(Release::Reusable));
    }
}

#[test]
fn data_of_many_rings_arrives_both_ways() {
    for sizes in [[1_000_000, 0], [0, 300_000], [200_000, 200_001], [1, 1]] {
        let apps = sizes.map(|n| app(n, Finish::HalfClose));
        let reports = ends(apps);
        assert_clean(&apps, &reports);
        assert!(reports.iter().all(|r| r.end == Some(RecvEnd::EndOfFile)));
    }
}

#[test]
fn what_one_end_wrote_before_its_close_arrives() {
    // 200,000 bytes are twelve rings: they are sent behind the close.
    for writes in [0, 100, 200_000] {
        let apps = [app(writes, Finish::Close), app(0, Finish::AfterPeer)];
        assert_clean(&apps, &ends(apps));
        assert_clean(&[apps[1], apps[0]], &ends([apps[1], apps[0]]));
        let apps = [app(writes, Finish::Shutdown), app(0, Finish::AfterPeer)];
        assert_clean(&apps, &ends(apps));
    }
}

#[test]
fn a_slow_reader_loses_nothing() {
    let slow = App {
        reads_after: 20_000,
        ..app(500, Finish::AfterPeer)
    };
    let apps = [app(100_000, Finish::HalfClose), slow];
    assert_clean(&apps, &ends(apps));
}

#[test]
fn both_may_close_at_once() {
    for finish in [Finish::Close, Finish::Shutdown, Finish::HalfClose] {
        // Both come up before either ends.
        let apps = [0, 60].map(|finish_after| App {
            finish_after: 1000 - finish_after,
            ..app(100, finish)
        });
        assert_clean(&apps, &ends(apps));
    }
}

/// What a reader finds behind a peer's abort.
const BROKEN: (Option<RecvEnd>, Option<SocketError>) =
    (Some(RecvEnd::Broken), Some(SocketError::Reset));

/// What is left of an end that knows that the peer writes no more.
const GONE: (ConnState, Option<Release>) = (ConnState::Closed, Some(Release::Reusable));

#[test]
fn data_that_nobody_reads_makes_a_close_an_abort() {
    let short = App {
        reads: 10,
        finish_after: 2000,
        ..app(0, Finish::Close)
    };
    let [a, b] = ends([app(100, Finish::AfterPeer), short]);
    assert_eq!(
        (a.end, a.error),
        (Some(RecvEnd::Broken), Some(SocketError::Reset))
    );
    assert_eq!((b.read, b.error), (10, None));
    for end in [a, b] {
        assert_eq!(end.state, ConnState::Closed);
        assert_eq!(end.released, Some(Release::Reusable));
    }
}

#[test]
fn an_abort_is_seen_at_once() {
    let apps = [app(0, Finish::Never), app(50, Finish::Abort)];
    // The reset of the TCP connection, or the word on the link, comes first.
    for (rdma, state) in [(5, ConnState::ProcessAbort), (95, ConnState::Closed)] {
        let mut world = World::new(&WorldConfig {
            rdma: PathConfig {
                latency: rdma,
                jitter: 0,
            },
            ..WorldConfig::default()
        });
        let conn = world.connect_apps(Side::A, apps);
        world.run(Millis(2000));
        let [a, b] = reports(&world, conn);
        assert_eq!((a.end, a.error), BROKEN);
        assert_eq!(a.state, state);
        assert_eq!((b.state, b.released), GONE);
    }
}

/// An application whose data fill both rings, and which reads nothing.
fn deaf(finish: Finish) -> App {
    App {
        reads: 0,
        ..app(30_000, finish)
    }
}

#[test]
fn a_drain_that_takes_too_long_is_an_abort() {
    let [a, b] = ends([deaf(Finish::Close), deaf(Finish::Never)]);
    assert_eq!((a.written, a.state), (30_000, ConnState::Closed));
    assert_eq!(b.error, Some(SocketError::Reset));
    assert!(matches!(
        b.state,
        ConnState::ProcessAbort | ConnState::Closed
    ));
}

#[test]
fn two_ends_that_close_with_data_for_each_other_come_to_an_end() {
    for end in ends([deaf(Finish::Close); 2]) {
        assert_eq!((end.written, end.state), (30_000, ConnState::Closed));
        assert!(end.released.is_some());
    }
}

#[test]
fn an_end_whose_peer_never_closes_is_let_go() {
    let [a, b] = ends([app(10, Finish::Close), app(0, Finish::Never)]);
    // The peer may still write: nobody gets the element.
    assert_eq!(
        (a.state, a.released),
        (ConnState::Closed, Some(Release::Quarantined))
    );
    assert_eq!((b.read, b.end), (10, Some(RecvEnd::EndOfFile)));
    assert_eq!(b.state, ConnState::AppCloseWait1);
}

#[test]
fn data_may_come_before_the_confirm() {
    // RDMA is forty times as fast as IP: the client's first data is there long
    // before the message that tells the server of the client.
    let mut world = World::new(&WorldConfig {
        ip: PathConfig {
            latency: 200,
            jitter: 0,
        },
        rdma: PathConfig {
            latency: 5,
            jitter: 0,
        },
        ..WorldConfig::default()
    });
    world.connect(Side::A);
    world.run(Millis(5000));
    for finish in [Finish::HalfClose, Finish::Close] {
        let apps = [app(300, finish), app(0, Finish::AfterPeer)];
        assert_clean(&apps, &run(&mut world, apps));
    }
    // Even its abort may.
    let apps = [app(300, Finish::Abort), app(0, Finish::AfterPeer)];
    let [a, b] = run(&mut world, apps);
    assert_eq!((a.state, b.state), (ConnState::Closed, ConnState::Closed));
    assert_eq!(b.error, Some(SocketError::Reset));
    assert!(world.saw_reordering());
}

#[test]
fn elements_of_one_rmb_are_apart() {
    let host = HostConfig {
        rmb_per_conn: false,
        max_links: 2,
        ..HostConfig::default()
    };
    let mut world = World::new(&WorldConfig {
        hosts: [host; 2],
        ..WorldConfig::default()
    });
    let apps = [
        app(70_000, Finish::HalfClose),
        app(50_000, Finish::HalfClose),
    ];
    let conns: Vec<ConnId> = (0..8).map(|_| world.connect_apps(Side::A, apps)).collect();
    world.run(Millis(LONG));
    for conn in conns {
        assert_clean(&apps, &reports(&world, conn));
    }
}

fn finishes() -> impl Strategy<Value = Finish> {
    prop_oneof![
        Just(Finish::Close),
        Just(Finish::HalfClose),
        Just(Finish::Shutdown),
        Just(Finish::Abort),
        Just(Finish::AfterPeer),
    ]
}

fn apps() -> impl Strategy<Value = App> {
    (
        0u64..60_000,
        prop_oneof![Just(u64::MAX), 0u64..60_000],
        0u32..3000,
        finishes(),
        0u32..3000,
    )
        .prop_map(|(writes, reads, reads_after, finish, finish_after)| App {
            writes,
            reads,
            reads_after,
            finish,
            finish_after,
        })
}

/// Ends that can't hear of each other's end wait for ever, as with TCP.
fn both_wait(apps: &[App; 2]) -> bool {
    apps.iter().all(|app| app.finish == Finish::AfterPeer)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever the applications do, on whatever paths, and even if TCP breaks:
    /// each reads what the other wrote, in its order, as far as it reads; what is
    /// missing is never taken for an end of the file; nothing sticks; and nobody
    /// writes into memory that is not its own any more.
    #[test]
    fn connections_come_to_an_end(
        seed in any::<u64>(),
        ip in 1u32..200,
        rdma in 1u32..80,
        jitter in 0u32..80,
        links in 1u8..=2,
        own_rmbs in any::<bool>(),
        scenes in prop::collection::vec(([apps(), apps()], any::<bool>(), 0u64..2000), 1..4),
        breaks in prop::collection::vec(6u64..30, 0..2),
    ) {
        let host = HostConfig {
            max_links: links,
            rmb_per_conn: own_rmbs,
            ..HostConfig::default()
        };
        let mut world = World::new(&WorldConfig {
            ip: PathConfig { latency: ip, jitter },
            rdma: PathConfig { latency: rdma, jitter },
            seed,
            hosts: [host; 2],
        });
        for segment in &breaks {
            world.fault(*segment, Fault::Reset);
        }
        let mut conns = Vec::new();
        for (apps, from_b, wait) in scenes {
            let from = if from_b { Side::B } else { Side::A };
            conns.push((world.connect_apps(from, apps), apps));
            world.run(Millis(world.now().0 + wait));
        }
        world.run(Millis(world.now().0 + LONG));
        prop_assert_eq!(world.bad_writes(), 0);
        for (conn, apps) in conns {
            let outcomes = SIDES.map(|side| world.report(side, conn).map(|r| r.outcome));
            if outcomes != [Some(Outcome::Smc); 2] {
                // TCP broke, or a client that aborts resets it before the server
                // is through.
                let reset = apps.iter().any(|app| app.finish == Finish::Abort);
                prop_assert!(reset || !breaks.is_empty(), "{:?}", outcomes);
                continue;
            }
            let ends = SIDES.map(|side| world.stream(side, conn).unwrap());
            for (n, (app, end)) in apps.iter().zip(&ends).enumerate() {
                let there = &ends[1 - n];
                let peer = &apps[1 - n];
                prop_assert!(end.intact, "{n} {:?} {:?}", apps, ends);
                prop_assert!(end.read <= there.written && end.read <= app.reads);
                // An end of the file means that all was read, where it is not
                // this end's own.
                if end.end == Some(RecvEnd::EndOfFile)
                    && !matches!(app.finish, Finish::Close | Finish::Shutdown | Finish::Abort)
                {
                    prop_assert_eq!(end.read, there.written, "{:?} {:?}", apps, ends);
                }
                // Who reads on until the end gets all that an orderly peer has.
                let orderly = |a: &App| {
                    matches!(a.finish, Finish::HalfClose | Finish::AfterPeer)
                        && a.reads == u64::MAX
                };
                if breaks.is_empty() && apps.iter().all(orderly) && !both_wait(&apps) {
                    prop_assert_eq!(end.read, peer.writes);
                    prop_assert_eq!(end.error, None);
                }
                if !both_wait(&apps) || !breaks.is_empty() {
                    // It waits for nothing but its own application.
                    let over = end.state == ConnState::Closed
                        || end.state == ConnState::ProcessAbort;
                    prop_assert!(over || app.finish == Finish::AfterPeer, "{:?} {:?}", apps, ends);
                }
            }
        }
    }
}
