// SPDX-License-Identifier: GPL-2.0

//! Every interleaving of two groups, up to a bound: all orders of delivery on
//! all links and over IP, all orders in which the callers finish their steps
//! and have their wishes, with timeouts and failures.

use crate::group_world::*;
use smc_proto::group::Redundancy;
use smc_proto::wire::llc::LlcVersion;
use std::collections::hash_map::{Entry, HashMap};
use std::hash::Hash;
use std::panic::{catch_unwind, AssertUnwindSafe};

const V1: LlcVersion = LlcVersion::V1;

/// What a search saw.
#[derive(Default, Debug)]
struct Seen {
    states: usize,
    /// Resting states in which both sides have that many active links.
    rest: HashMap<(usize, usize), usize>,
    /// Resting states with an RMB that was refused though its group lives.
    refused: usize,
    ended: usize,
}

fn key(w: &World) -> u128 {
    let mut h = Wide::default();
    w.hash(&mut h);
    h.both()
}

/// Depth first. A state that is met again while it is being left is a circle
/// in which nothing is ever finished.
fn search(mut start: World) -> Seen {
    let rough = |w: &(Side, Wish)| matches!(w.1, Fail(_) | Terminate);
    start.calm = start.timeouts == 0 && start.failures == 0 && !start.wishes.iter().any(rough);

    struct Frame {
        at: u128,
        world: World,
        moves: Vec<Move>,
        step: Option<Move>,
    }
    let mut seen = Seen::default();
    // Whether the search has left the state.
    let mut known: HashMap<u128, bool> = HashMap::new();
    let mut stack: Vec<Frame> = vec![];
    let mut todo = Some((start, None::<Move>));
    loop {
        if let Some((mut world, step)) = todo.take() {
            let run = catch_unwind(AssertUnwindSafe(|| {
                if let Some(step) = &step {
                    world.apply(step);
                }
                world.check();
                if world.moves().is_empty() {
                    world.check_rest();
                    if world.hosts.iter().all(|h| h.ended.is_none()) {
                        assert_eq!(world.active(Server), world.active(Client));
                    }
                }
            }));
            let at = key(&world);
            if run.is_err() || known.get(&at) == Some(&false) {
                for f in &stack {
                    eprintln!("{:?}", f.step);
                }
                panic!("wrong, or a circle, after {step:?}");
            }
            match known.entry(at) {
                Entry::Occupied(_) => {}
                Entry::Vacant(place) => {
                    place.insert(false);
                    let moves = world.moves();
                    if moves.is_empty() {
                        let [s, c] = Side::BOTH.map(|s| world.active(s));
                        let n = [s.len(), c.len()];
                        *seen.rest.entry((n[0], n[1])).or_default() += 1;
                        let h = &world.hosts;
                        let refused = |h: &&Kept| !h.refused.is_empty() && h.ended.is_none();
                        seen.refused += h.iter().filter(refused).count();
                        seen.ended += usize::from(h.iter().any(|h| h.ended.is_some()));
                    }
                    stack.push(Frame {
                        at,
                        world,
                        moves,
                        step,
                    });
                }
            }
        }
        let Some(top) = stack.last_mut() else { break };
        match top.moves.pop() {
            Some(m) => todo = Some((top.world.clone(), Some(m))),
            None => {
                known.insert(top.at, true);
                stack.pop();
            }
        }
    }
    seen.states = known.len();
    seen
}

fn explore(name: &str, start: World) -> Seen {
    let t = std::time::Instant::now();
    let seen = search(start);
    println!("{name}: {seen:?} in {:?}", t.elapsed());
    seen
}

use Side::{Client, Server};
use Wish::{Add, Announce, Delete, Drop, Fail, Terminate};

fn up(version: LlcVersion, ports: [u8; 2], wishes: &[(Side, Wish)]) -> World {
    let mut w = World::up(version, [2, 2], ports);
    w.wishes = wishes.to_vec();
    w
}

/// One link up, though both could have two: the second one was deleted.
fn single(version: LlcVersion, wishes: &[(Side, Wish)]) -> World {
    let mut w = World::up(version, [2, 2], [1, 1]);
    assert_eq!(w.active(Server).len(), 1);
    for side in Side::BOTH {
        w.host(side).ports = 2;
    }
    w.wishes = wishes.to_vec();
    w
}

#[test]
fn first_contact_and_second_link() {
    for version in [V1, V2] {
        let mut w = World::new(version, [2, 2], [2, 2]);
        w.wishes = vec![
            (Server, Announce(1)),
            (Server, Announce(2)),
            (Client, Announce(1)),
            (Client, Announce(2)),
        ];
        let seen = explore("first contact", w);
        assert_eq!(seen.rest.keys().collect::<Vec<_>>(), [&(2, 2)]);
        assert_eq!((seen.refused, seen.ended), (0, 0));
    }
}

#[test]
fn first_contact_with_timeouts_and_failures() {
    for version in [V1, V2] {
        let mut w = World::new(version, [2, 2], [2, 2]);
        w.wishes = vec![(Server, Announce(1)), (Client, Announce(1))];
        w.timeouts = 2;
        w.failures = 1;
        let seen = explore("first contact, timeouts", w);
        assert!(seen.rest.contains_key(&(2, 2)));
        assert!(seen.rest.contains_key(&(1, 1)));
        assert!(seen.ended > 0);
    }
}

#[test]
fn announcements_and_drops_while_a_link_is_added() {
    for version in [V1, V2] {
        let w = single(
            version,
            &[
                (Server, Add),
                (Server, Announce(1)),
                (Client, Announce(1)),
                (Client, Announce(2)),
                (Server, Drop(1)),
                (Client, Drop(1)),
            ],
        );
        let seen = explore("add, announce, drop", w);
        assert_eq!(seen.rest.keys().collect::<Vec<_>>(), [&(2, 2)]);
        assert_eq!((seen.refused, seen.ended), (0, 0));
    }
}

#[test]
fn both_sides_want_a_link() {
    for version in [V1, V2] {
        let w = single(
            version,
            &[
                (Server, Add),
                (Client, Add),
                (Server, Announce(1)),
                (Client, Announce(1)),
            ],
        );
        let seen = explore("both add", w);
        assert_eq!(seen.rest.keys().collect::<Vec<_>>(), [&(2, 2)]);
    }
}

#[test]
fn deletions_from_both_ends() {
    for version in [V1, V2] {
        let mut w = up(
            version,
            [2, 2],
            &[(Server, Delete), (Client, Delete), (Server, Announce(1))],
        );
        w.quick = true;
        let seen = explore("delete", w);
        assert_eq!(seen.refused, 0);
        assert!(seen.rest.contains_key(&(2, 2)), "a link was added again");
    }
}

#[test]
fn a_link_fails_at_any_moment() {
    for version in [V1, V2] {
        for side in Side::BOTH {
            let mut w = up(version, [2, 2], &[(side, Fail(1)), (side, Announce(1))]);
            w.timeouts = 1;
            w.quick = true;
            let seen = explore("one of two links fails", w);
            assert!(seen.rest.contains_key(&(2, 2)), "a link was added again");
        }
    }
}

#[test]
fn a_link_fails_while_another_is_added() {
    for version in [V1, V2] {
        for n in [0, 1] {
            let mut w = single(
                version,
                &[(Server, Add), (Server, Fail(n)), (Client, Announce(1))],
            );
            w.failures = 1;
            explore("fails while added", w);
        }
    }
}

#[test]
fn everything_times_out_at_any_moment() {
    for version in [V1, V2] {
        let mut w = single(
            version,
            &[(Server, Add), (Server, Announce(1)), (Client, Announce(1))],
        );
        w.timeouts = 2;
        let seen = explore("timeouts", w);
        assert_eq!(seen.ended, 0);
    }
}

/// All pairs of what the two sides may want at the same time, with one link or
/// two, with an RMB of each side in flight in a CLC message.
fn pairs(version: LlcVersion, links: usize, timeouts: u8) {
    let wants = [Announce(2), Drop(0), Add, Delete, Fail(0), Terminate];
    let mut states = 0;
    for a in wants {
        for b in wants {
            let extra = [(Server, Announce(1)), (Client, Announce(1))];
            let mut w = match links {
                1 => single(version, &[]),
                _ => up(version, [2, 2], &[]),
            };
            for (side, wish) in extra {
                w.wish(side, wish);
            }
            if links == 2 {
                w.run();
            }
            w.wishes = vec![(Server, a), (Client, b)];
            w.timeouts = timeouts;
            w.quick = true;
            let t = std::time::Instant::now();
            let seen = search(w);
            states += seen.states;
            println!("{links} {a:?} {b:?}: {} in {:?}", seen.states, t.elapsed());
            if timeouts == 0 && !matches!((a, b), (Fail(_), _) | (_, Fail(_))) {
                assert_eq!(seen.refused, 0, "{a:?} {b:?}");
            }
        }
    }
    println!("pairs, {links} links, {timeouts} timeouts: {states} states");
}

#[test]
fn pairs_of_flows_with_one_link_v1() {
    pairs(V1, 1, 1);
}

#[test]
fn pairs_of_flows_with_one_link_v2() {
    pairs(V2, 1, 1);
}

#[test]
fn pairs_of_flows_with_two_links_v1() {
    pairs(V1, 2, 1);
}

#[test]
fn pairs_of_flows_with_two_links_v2() {
    pairs(V2, 2, 1);
}

#[test]
fn the_group_is_ended_at_any_moment() {
    for version in [V1, V2] {
        for side in Side::BOTH {
            let mut w = single(
                version,
                &[
                    (Server, Add),
                    (side, Terminate),
                    (Server, Announce(1)),
                    (Client, Announce(1)),
                ],
            );
            w.quick = true;
            let seen = explore("ended", w);
            assert_eq!(seen.rest.keys().collect::<Vec<_>>(), [&(0, 0)]);
        }
    }
}

/// Wider than the others: takes minutes.
#[test]
#[ignore = "millions of states"]
fn wide() {
    for version in [V1, V2] {
        let mut w = single(
            version,
            &[
                (Server, Add),
                (Client, Add),
                (Server, Announce(1)),
                (Server, Announce(2)),
                (Client, Announce(1)),
                (Client, Announce(2)),
                (Server, Drop(0)),
                (Client, Drop(0)),
            ],
        );
        w.quick = true;
        explore("add, announce, drop, all twice", w);

        let mut w = single(
            version,
            &[
                (Server, Add),
                (Server, Fail(0)),
                (Server, Announce(1)),
                (Client, Announce(1)),
            ],
        );
        w.timeouts = 1;
        w.failures = 1;
        explore("fails while added", w);

        let mut w = up(
            version,
            [2, 2],
            &[
                (Server, Fail(1)),
                (Server, Delete),
                (Client, Delete),
                (Client, Announce(1)),
            ],
        );
        w.quick = true;
        explore("one of two links fails", w);

        let mut w = World::new(version, [2, 2], [2, 2]);
        w.wishes = vec![(Server, Announce(1)), (Client, Announce(1))];
        w.timeouts = 2;
        w.failures = 2;
        w.quick = true;
        explore("first contact", w);
    }
}

#[test]
fn asymmetric_links_come_and_go() {
    for version in [V1, V2] {
        for (ports, kind) in [
            ([1, 2], Redundancy::AsymmetricLocal),
            ([2, 1], Redundancy::AsymmetricPeer),
        ] {
            let mut w = up(version, ports, &[]);
            assert_eq!(w.peek(Server).g.redundancy(), kind);
            assert_eq!(w.active(Server).len(), 2);
            // The missing port appears.
            for side in Side::BOTH {
                w.host(side).ports = 2;
            }
            w.wishes = vec![(Server, Add), (Server, Announce(1)), (Client, Announce(1))];
            let seen = explore("asymmetric", w);
            assert_eq!(seen.rest.keys().collect::<Vec<_>>(), [&(2, 2)]);
            assert_eq!(seen.refused, 0);
        }
    }
}

#[test]
fn a_single_link_group_stays_single_and_skips_every_exchange() {
    for version in [V1, V2] {
        for max in [[1, 1], [1, 2], [2, 1]] {
            let mut w = World::new(version, max, [2, 2]);
            w.wishes = vec![
                (Server, Announce(1)),
                (Client, Announce(1)),
                (Client, Add),
                (Server, Drop(1)),
                (Client, Drop(1)),
            ];
            let seen = explore("single", w);
            assert_eq!(seen.rest.keys().collect::<Vec<_>>(), [&(1, 1)]);
            assert_eq!((seen.refused, seen.ended), (0, 0));
        }
    }
}
