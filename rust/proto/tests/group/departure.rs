// SPDX-License-Identifier: GPL-2.0

//! How a group goes: connections, DELETE LINK, link.

use smc_proto::group::{Aborted, Departure, Millis};
use smc_proto::wire::llc::DeleteReason::{LostPath, Program};

const T: Millis = Millis(50_000);

fn at(ms: u32) -> Millis {
    T.after(ms)
}

fn running() -> Aborted {
    Aborted::Sending
}

fn told() -> Aborted {
    Aborted::Told
}

fn unasked() -> Aborted {
    panic!("nothing waits for the connections");
}

#[test]
fn a_group_that_stays_has_nothing_to_do() {
    for c_peer in [false, true] {
        let mut d = Departure::new(c_peer);
        assert_eq!(d.due(T, unasked), None);
        assert_eq!(d.next_time(T, true), None);
        assert!(!d.parts(T, false, true));
        assert!(!d.is_parting());
    }
}

#[test]
fn the_connections_with_a_c_peer_end_before_their_group() {
    let mut d = Departure::new(true);
    assert!(d.begin(T, LostPath, 2), "they are aborted");
    assert_eq!(d.due(at(3_999), running), None);
    assert_eq!(d.next_time(T, false), Some(at(20)));
    assert_eq!(d.next_time(at(3_990), false), Some(at(4_000)));
    // Once, and for the first reason.
    assert!(!d.begin(at(10), Program, 2));
    let mut over = d;
    assert_eq!(over.due(at(20), || Aborted::Both), Some(LostPath));
    assert_eq!(d.due(at(4_000), unasked), Some(LostPath));
    assert!(!d.delete(2), "they have been");
    assert_eq!(d.due(at(4_000), unasked), None);
    assert_eq!(d.next_time(at(4_000), true), None);
}

/// DELETE LINK is not to come right behind the last abort: a C peer has to have looked at
/// that before, which no message tells of where the application does nothing.
#[test]
fn a_c_peer_has_a_second_from_when_the_last_abort_has_arrived() {
    let mut d = Departure::new(true);
    assert!(d.begin(T, Program, 2));
    assert_eq!(d.due(at(1_500), running), None);
    assert_eq!(d.due(at(1_520), told), None);
    // Another one has something to say once more: it has had its time.
    assert_eq!(d.due(at(2_000), running), None);
    assert_eq!(d.due(at(2_519), told), None);
    assert_eq!(d.next_time(at(2_519), false), Some(at(2_520)));
    assert_eq!(d.due(at(2_520), unasked), Some(Program));
    // But no more time than all has.
    let mut d = Departure::new(true);
    assert!(d.begin(T, Program, 2));
    assert_eq!(d.due(at(3_900), told), None);
    assert_eq!(d.due(at(4_000), unasked), Some(Program));
}

#[test]
fn a_group_without_them_or_with_a_peer_like_this_one_ends_at_once() {
    for (c_peer, conns) in [(true, 0), (false, 0), (false, 5)] {
        let mut d = Departure::new(c_peer);
        assert!(!d.begin(T, Program, conns));
        assert_eq!(d.due(T, unasked), Some(Program));
        assert!(!d.delete(conns));
        assert_eq!(d.due(T, unasked), None);
    }
}

#[test]
fn connections_are_aborted_before_delete_link_that_somebody_else_wants() {
    let mut d = Departure::new(true);
    assert!(d.delete(1));
    assert!(!d.delete(1));
    assert!(!d.begin(T, Program, 1), "it ends already");
    assert_eq!(d.due(at(9_000), unasked), None);
    for (c_peer, conns) in [(true, 0), (false, 1)] {
        assert!(!Departure::new(c_peer).delete(conns));
    }
}

#[test]
fn a_c_peer_with_connections_has_a_last_word() {
    // They were there when they were aborted, or are still.
    for (aborted, left) in [(1, 0), (0, 1), (1, 1)] {
        let mut d = Departure::new(true);
        assert_eq!(d.delete(aborted), aborted != 0);
        d.part(T, left);
        assert_eq!(d.next_time(T, false), Some(at(3_000)));
        assert!(!d.parts(at(2_999), false, false));
        let mut heard = d;
        assert!(heard.parts(at(5), false, true));
        assert!(d.parts(at(3_000), false, false));
    }
    for (c_peer, conns) in [(true, 0), (false, 1)] {
        let mut d = Departure::new(c_peer);
        d.part(T, conns);
        assert_eq!(d.next_time(T, false), Some(T));
        assert!(d.parts(T, false, false));
    }
}

#[test]
fn the_last_messages_have_a_second_to_leave() {
    let mut d = Departure::new(false);
    d.part(T, 1);
    assert_eq!(d.next_time(T, true), Some(at(1_000)));
    assert!(!d.parts(at(999), true, true));
    let mut left = d;
    assert!(left.parts(at(1), false, false));
    assert!(d.parts(at(1_000), true, false));
    // A peer may still be waited for then.
    let mut d = Departure::new(true);
    d.part(T, 1);
    assert_eq!(d.next_time(at(1_000), true), Some(at(3_000)));
    assert!(!d.parts(at(1_000), true, false));
}

#[test]
fn a_link_goes_once() {
    let mut d = Departure::new(true);
    // As where the link has failed: nobody has said anything.
    d.part(T, 1);
    assert!(!d.begin(T, Program, 1));
    assert!(!d.delete(1));
    assert!(d.is_parting());
    assert!(d.parts(T, false, true));
    assert!(!d.is_parting());
    assert!(!d.parts(at(9_000), false, true));
    assert_eq!(d.next_time(at(9_000), true), None);
    assert!(!d.begin(at(9_000), Program, 1));
    assert_eq!(d.due(at(9_000), unasked), None);
}
