// SPDX-License-Identifier: GPL-2.0

//! Unit tests of what waits.

use super::super::TxTicket;
use super::*;
use crate::cursor::{RawCursor, RingSize};
use std::collections::VecDeque;

const SIZE: u32 = 16 * 1024;
const LIMIT: u32 = 1000;

const PLAIN: SendMode = SendMode {
    flush: false,
    corked: false,
    nodelay: false,
    more: false,
    autocork: LIMIT,
};
const NODELAY_MODE: SendMode = SendMode {
    nodelay: true,
    ..PLAIN
};
const CORKED: SendMode = SendMode {
    corked: true,
    ..PLAIN
};
const FLUSH: SendMode = SendMode {
    flush: true,
    ..CORKED
};

/// A ring with so many bytes that wait.
fn with(unsent: u32) -> TxRing {
    let mut tx = TxRing::new(RingSize::MIN, RingSize::MIN);
    tx.wrote(unsent).unwrap();
    tx
}

fn send(tx: &mut TxRing, max: u32) -> TxTicket {
    if let Some(plan) = tx.plan(max) {
        plan.commit();
    }
    let ticket = tx.report().ticket;
    tx.reported(ticket);
    ticket
}

#[test]
fn what_is_small_waits_for_the_message_before() {
    let tx = with(1);
    assert!(!tx.holds_back(&PLAIN, 0));
    assert!(tx.holds_back(&PLAIN, 1));
    assert!(with(LIMIT).holds_back(&PLAIN, 1));
    assert!(!with(LIMIT + 1).holds_back(&PLAIN, 9));
    let at_once = SendMode {
        autocork: 0,
        ..PLAIN
    };
    assert!(!tx.holds_back(&at_once, 1));
}

#[test]
fn a_piece_is_not_small_nor_half_the_send_buffer_on_a_shared_link() {
    let mode = SendMode {
        autocork: u32::MAX,
        ..PLAIN
    };
    for (pieces, small) in [
        (Pieces::Quarters, SIZE / 4 - 1),
        (Pieces::Halves, SIZE / 2 - 1),
        (Pieces::Wholes, SIZE / 2),
    ] {
        for (unsent, waits) in [(small, true), (small + 1, false)] {
            let mut tx = with(unsent);
            tx.pieces = pieces;
            assert_eq!(tx.holds_back(&mode, 1), waits, "{unsent}");
            // An application that has asked for it waits for more.
            let corked = SendMode {
                corked: true,
                ..mode
            };
            assert_eq!(tx.is_corked(&corked), unsent <= SIZE / 2);
        }
    }
}

#[test]
fn with_nodelay_one_message_more_may_be_under_way() {
    let tx = with(1);
    assert!(!tx.holds_back(&NODELAY_MODE, 1));
    assert!(tx.holds_back(&NODELAY_MODE, 2));
    // The piece of a write that is not over is no request.
    let piece = SendMode {
        more: true,
        ..NODELAY_MODE
    };
    assert!(!tx.holds_back(&piece, 0));
    assert!(tx.holds_back(&piece, 1));
}

#[test]
fn with_nodelay_a_stream_waits_as_without() {
    // 8 KiB are under way and to go, and then a byte more.
    for (unsent, waits) in [(192, false), (193, true)] {
        let mut tx = with(8000);
        send(&mut tx, u32::MAX);
        tx.wrote(unsent).unwrap();
        assert_eq!(tx.holds_back(&NODELAY_MODE, 1), waits, "{unsent}");
        assert!(tx.holds_back(&PLAIN, 1));
    }
}

/// After 8 bytes, so that no write of 1 KiB ends where a half does.
#[test]
fn in_halves_a_message_ends_where_one_does() {
    let mode = SendMode {
        autocork: u32::MAX,
        ..PLAIN
    };
    let mut tx = TxRing::new(RingSize::from_compressed(1).unwrap(), RingSize::MIN);
    tx.pieces = Pieces::Halves;
    tx.wrote(8).unwrap();
    send(&mut tx, u32::MAX);
    tx.wrote(8183).unwrap();
    assert!(tx.holds_back(&mode, 1), "a byte is missing");
    tx.wrote(1).unwrap();
    assert!(!tx.holds_back(&mode, 1));
    tx.wrote(8192 + 5).unwrap();
    for bytes in [8184, 8192] {
        assert!(!tx.holds_back(&mode, 2), "{bytes}");
        let most = tx.most(false);
        assert_eq!(most, bytes);
        send(&mut tx, most);
    }
    assert_eq!((tx.unsent(), tx.peer_space()), (5, 0));
    assert!(tx.holds_back(&mode, 3));
    // On a shared link it is no matter where they end.
    assert_eq!(tx.most(true), (128 << 10) - SIZE);
}

#[test]
fn halves_are_for_a_stream_that_is_alone_on_a_slow_link() {
    let mut tx = with(SIZE);
    let first = send(&mut tx, SIZE / 2);
    let pieces = |tx: &mut TxRing, slow, shared| {
        tx.set_link(slow, shared);
        tx.pieces
    };
    assert_eq!(pieces(&mut tx, true, false), Pieces::Wholes);
    tx.set_stream();
    assert_eq!(pieces(&mut tx, true, false), Pieces::Halves);
    assert_eq!(pieces(&mut tx, true, true), Pieces::Wholes);
    assert_eq!(pieces(&mut tx, false, false), Pieces::Quarters);
    let last = send(&mut tx, SIZE);
    tx.complete(first);
    assert_eq!(pieces(&mut tx, true, false), Pieces::Halves);
    tx.complete(last);
    assert_eq!(pieces(&mut tx, true, false), Pieces::Wholes, "it is over");
}

#[test]
fn in_halves_a_send_buffer_smaller_than_one_is_no_hindrance() {
    let mode = SendMode {
        autocork: u32::MAX,
        ..PLAIN
    };
    let mut tx = TxRing::new(RingSize::MIN, RingSize::from_compressed(5).unwrap());
    tx.pieces = Pieces::Halves;
    tx.wrote(SIZE / 2 - 1).unwrap();
    assert!(tx.holds_back(&mode, 1));
    tx.wrote(1).unwrap();
    assert!(!tx.holds_back(&mode, 1));
}

#[test]
fn a_cork_holds_what_is_small_with_nothing_under_way() {
    assert!(with(1).is_corked(&CORKED));
    assert!(!with(1).is_corked(&PLAIN));
    assert!(with(LIMIT).holds_back(&CORKED, 0));
    assert!(!with(LIMIT + 1).holds_back(&CORKED, 0));
    let nodelay = SendMode {
        corked: true,
        ..NODELAY_MODE
    };
    assert!(with(1).holds_back(&nodelay, 0), "a cork counts for more");
}

#[test]
fn a_cork_does_not_hold_a_full_buffer() {
    let mut tx = with(SIZE);
    // All but a few bytes are under way.
    send(&mut tx, SIZE - 1);
    assert_eq!((tx.unsent(), tx.writable()), (1, 0));
    assert!(!tx.is_corked(&CORKED));
    assert!(!tx.holds_back(&CORKED, 0));
    assert!(tx.holds_back(&CORKED, 1), "as without it");
}

#[test]
fn nothing_holds_back_what_is_urgent() {
    let mut tx = with(1);
    assert!(!tx.holds_back(&FLUSH, 9));
    assert!(tx.holds_back(&CORKED, 9));
    tx.mark_urgent().unwrap();
    assert!(!tx.holds_back(&CORKED, 9));
    assert!(!tx.is_corked(&CORKED));
}

#[test]
fn what_has_no_room_waits_on_a_shared_or_slow_link_unless_it_is_urgent() {
    // The peer has 4095 bytes free, and 5000 are to go.
    let mut tx = TxRing::new(RingSize::from_compressed(2).unwrap(), RingSize::MIN);
    tx.wrote(SIZE - 4095).unwrap();
    send(&mut tx, u32::MAX);
    tx.wrote(5000).unwrap();
    assert!(tx.is_tight());
    assert!(!tx.holds_back(&PLAIN, 1), "it may be as much as that");
    for pieces in [Pieces::Halves, Pieces::Wholes] {
        tx.pieces = pieces;
        assert!(tx.holds_back(&PLAIN, 1), "though it is not small");
    }
    assert!(tx.holds_back(&NODELAY_MODE, 1));
    assert!(!tx.holds_back(&PLAIN, 0), "a reader may wait for all of it");
    assert!(!tx.holds_back(&FLUSH, 1));
    tx.mark_urgent().unwrap();
    assert!(!tx.holds_back(&PLAIN, 1));
}

#[test]
fn one_message_announces_so_much_or_a_share() {
    let large = RingSize::from_compressed(6).unwrap();
    let mut tx = TxRing::new(large, large);
    assert_eq!(tx.most(false), 512 << 10);
    assert_eq!(tx.most(true), 128 << 10);
    tx.wrote(100_000).unwrap();
    send(&mut tx, 28 << 10);
    assert_eq!(tx.most(false), 512 << 10);
    assert_eq!(tx.most(true), 100 << 10);
}

/// What a stream of writes, one each time a message could have left, comes to: messages,
/// and the most of them that were under way. Every third time one comes back, and the
/// peer reads what it has announced; its ring is as `peer` says.
fn stream(mode: SendMode, pieces: Pieces, bytes: u32, peer: RingSize) -> (u32, usize) {
    let mut tx = TxRing::new(RingSize::MIN, peer);
    tx.pieces = pieces;
    let mut under_way = VecDeque::new();
    let (mut messages, mut most, mut left, mut read) = (0, 0, 400, 0u64);
    let mut turn = 0;
    while left > 0 || tx.unsent() > 0 || !under_way.is_empty() {
        turn += 1;
        assert!(turn < 10_000, "it goes on");
        if left > 0 && tx.writable() >= bytes {
            tx.wrote(bytes).unwrap();
            left -= 1;
        }
        let pending = under_way.len() as u32;
        if !tx.holds_back(&mode, pending) {
            if let Some(plan) = tx.plan(tx.most(false)) {
                let len = plan.bytes();
                plan.commit();
                let ticket = tx.report().ticket;
                tx.reported(ticket);
                under_way.push_back((ticket, len));
                messages += 1;
            }
        }
        most = most.max(under_way.len());
        if turn % 3 == 0 {
            if let Some((ticket, len)) = under_way.pop_front() {
                tx.complete(ticket);
                read += u64::from(len);
                let size = u64::from(peer.bytes());
                let at = RawCursor {
                    wrap: (read / size) as u16,
                    count: (read % size) as u32,
                };
                tx.on_consumer(at).unwrap();
            }
        }
    }
    (messages, most)
}

#[test]
fn a_stream_comes_to_its_end_and_small_writes_go_together() {
    for peer in [RingSize::MIN, RingSize::from_compressed(3).unwrap()] {
        for bytes in [1, 100, 5000, SIZE] {
            let at_once = SendMode {
                autocork: 0,
                ..PLAIN
            };
            for mode in [PLAIN, NODELAY_MODE, FLUSH, at_once] {
                for pieces in [Pieces::Quarters, Pieces::Halves, Pieces::Wholes] {
                    stream(mode, pieces, bytes, peer);
                }
            }
        }
        let (plain, at_a_time) = stream(PLAIN, Pieces::Quarters, 100, peer);
        assert!(at_a_time == 1 && plain < 200, "{plain} {at_a_time}");
        let (nodelay, at_a_time) = stream(NODELAY_MODE, Pieces::Quarters, 100, peer);
        assert!(at_a_time == 2 && nodelay < 200, "{nodelay} {at_a_time}");
        let (flush, _) = stream(FLUSH, Pieces::Quarters, 100, peer);
        assert!(flush > 300, "{flush}");
    }
}

#[test]
fn a_piece_of_a_write_is_one_of_the_ring_and_16_kib_at_least() {
    for (compressed, quarter, half, whole) in [(0, 16, 16, 16), (2, 16, 32, 64), (5, 128, 128, 128)]
    {
        let ring = RingSize::from_compressed(compressed).unwrap();
        let mut tx = TxRing::new(ring, RingSize::MIN);
        for (pieces, kib) in [
            (Pieces::Quarters, quarter),
            (Pieces::Halves, half),
            (Pieces::Wholes, whole),
        ] {
            tx.pieces = pieces;
            assert_eq!(tx.piece(), kib << 10);
        }
    }
}
