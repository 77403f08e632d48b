// SPDX-License-Identifier: GPL-2.0

//! Unit tests of the receive half.

use super::UrgentMode::{Inline, OutOfBand};
use super::*;
use std::vec::Vec;

const SIZE: u32 = 16 * 1024;
const SHARE: u32 = SIZE / 5;

const PLAIN: ProducerFlags = ProducerFlags {
    write_blocked: false,
    urgent_pending: false,
    urgent_present: false,
    consumer_update_requested: false,
};
const BLOCKED: ProducerFlags = ProducerFlags {
    write_blocked: true,
    ..PLAIN
};
const PENDING: ProducerFlags = ProducerFlags {
    urgent_pending: true,
    ..PLAIN
};
const URGENT: ProducerFlags = ProducerFlags {
    urgent_pending: true,
    urgent_present: true,
    ..PLAIN
};

fn ring() -> RxRing {
    RxRing::new(RingSize::MIN)
}

fn raw(wrap: u16, count: u32) -> RawCursor {
    RawCursor { wrap, count }
}

fn arrive(rx: &mut RxRing, count: u32, flags: ProducerFlags, mode: UrgentMode) -> RxOutcome {
    rx.on_cdc(raw(0, count), flags, mode).unwrap()
}

fn report(rx: &mut RxRing) -> RawCursor {
    let report = rx.report();
    rx.reported(report.ticket);
    report.consumer
}

fn pieces(spans: Spans) -> Vec<(u32, u32)> {
    spans.iter().map(|s| (s.offset, s.len)).collect()
}

#[test]
fn bytes_are_readable_from_arrival_to_consumption() {
    let mut rx = ring();
    assert_eq!(rx.readable(Inline), 0);
    assert!(!rx.loses_data());
    assert_eq!(arrive(&mut rx, 100, PLAIN, Inline).arrived, 100);
    assert_eq!((rx.readable(Inline), rx.unread()), (100, 100));
    assert_eq!(pieces(rx.read_spans(0, 40, Inline)), [(0, 40)]);
    assert_eq!(pieces(rx.read_spans(90, 40, Inline)), [(90, 10)]);
    assert!(rx.read_spans(101, 40, Inline).is_empty());
    assert_eq!(rx.consume(101, Inline), Err(TooMany));
    assert_eq!(rx.consume(60, Inline), Ok(()));
    assert_eq!(pieces(rx.read_spans(0, u32::MAX, Inline)), [(60, 40)]);
    assert!(rx.loses_data());
    rx.consume(40, Inline).unwrap();
    assert!(!rx.loses_data());
    assert_eq!(report(&mut rx), raw(0, 100));
}

#[test]
fn a_producer_gets_no_farther_than_it_was_granted() {
    let mut rx = ring();
    rx.on_cdc(raw(1, 0), PLAIN, Inline).unwrap();
    assert_eq!(rx.unread(), SIZE);
    rx.consume(100, Inline).unwrap();
    assert_eq!(
        rx.on_cdc(raw(1, 1), PLAIN, Inline),
        Err(CursorError::Overrun),
        "consumed, but it can't know"
    );
    // A message that may have been posted counts.
    let _ = rx.report();
    assert_eq!(
        rx.on_cdc(raw(1, 101), PLAIN, Inline),
        Err(CursorError::Overrun)
    );
    assert_eq!(rx.on_cdc(raw(1, 100), PLAIN, Inline).unwrap().arrived, 100);
    assert_eq!(rx.unread(), SIZE);
    assert_eq!(
        pieces(rx.read_spans(0, u32::MAX, Inline)),
        [(100, SIZE - 100), (0, 100)]
    );
}

#[test]
fn a_producer_that_goes_back_changes_no_bytes() {
    let mut rx = ring();
    arrive(&mut rx, 100, PLAIN, Inline);
    let outcome = arrive(&mut rx, 50, BLOCKED, Inline);
    assert_eq!(outcome, RxOutcome::default());
    assert_eq!(rx.unread(), 100);
    assert!(rx.peer_blocked(), "its flags are news all the same");
}

#[test]
fn small_gains_are_not_reported() {
    let mut rx = ring();
    arrive(&mut rx, SIZE - 1, BLOCKED, Inline);
    rx.consume(SHARE - 1, Inline).unwrap();
    assert!(!rx.update_due());
    rx.consume(1, Inline).unwrap();
    assert!(rx.update_due());
    report(&mut rx);
    assert!(!rx.update_due());
}

#[test]
fn a_sender_that_sees_half_the_ring_free_is_left_alone() {
    let mut rx = ring();
    arrive(&mut rx, SIZE / 2, PLAIN, Inline);
    rx.consume(SIZE / 2, Inline).unwrap();
    assert!(!rx.update_due());
    arrive(&mut rx, SIZE / 2 + 1, PLAIN, Inline);
    assert!(rx.update_due());
}

#[test]
fn a_sender_that_says_it_is_blocked_is_helped_at_any_filling() {
    let mut rx = ring();
    arrive(&mut rx, SIZE / 4, BLOCKED, Inline);
    rx.consume(SIZE / 4, Inline).unwrap();
    assert!(rx.update_due());
}

#[test]
fn a_request_is_answered_even_with_nothing_new() {
    let mut rx = ring();
    let asks = ProducerFlags {
        consumer_update_requested: true,
        ..PLAIN
    };
    arrive(&mut rx, 0, asks, Inline);
    assert!(rx.update_due());
    let first = rx.report();
    assert!(rx.update_due(), "not posted yet");
    // A second request between the report and its posting is not lost.
    arrive(&mut rx, 0, asks, Inline);
    rx.reported(first.ticket);
    assert!(rx.update_due());
    report(&mut rx);
    assert!(!rx.update_due());
}

#[test]
fn a_failover_makes_a_report_due() {
    let mut rx = ring();
    rx.fail_over();
    assert!(rx.update_due());
    report(&mut rx);
    assert!(!rx.update_due());
}

#[test]
fn the_step_of_a_reader_is_worth_a_report() {
    for compressed in 0..=15 {
        let size = RingSize::from_compressed(compressed).unwrap();
        assert!(RxRing::new(size).step() > size.bytes() / 5);
    }
}

/// Reads a full ring in steps: after how many bytes each a report was due.
fn reports_of_a_full_ring(size: RingSize, pieces: Pieces) -> Vec<u32> {
    let mut rx = RxRing::new(size);
    rx.pieces = pieces;
    rx.on_cdc(raw(1, 0), BLOCKED, Inline).unwrap();
    let (mut after, mut unreported) = (Vec::new(), 0);
    while rx.unread() > 0 {
        let step = rx.step().min(rx.unread());
        rx.consume(step, Inline).unwrap();
        unreported += step;
        if rx.update_due() {
            report(&mut rx);
            after.push(core::mem::take(&mut unreported));
        }
    }
    after
}

#[test]
fn on_a_shared_link_reports_are_few_and_none_is_missing() {
    for (compressed, shared, alone) in [
        (0, &[16 << 10][..], [4 << 10; 4]),
        (2, &[64 << 10], [16 << 10; 4]),
        (3, &[64 << 10; 2], [32 << 10; 4]),
        (4, &[64 << 10; 4], [64 << 10; 4]),
        (6, &[256 << 10; 4], [256 << 10; 4]),
    ] {
        let size = RingSize::from_compressed(compressed).unwrap();
        assert_eq!(reports_of_a_full_ring(size, Pieces::Wholes), shared);
        assert_eq!(reports_of_a_full_ring(size, Pieces::Quarters), alone);
    }
}

#[test]
fn small_reads_on_a_shared_link_leave_half_the_ring_reported() {
    let mut rx = ring();
    rx.pieces = Pieces::Wholes;
    arrive(&mut rx, SIZE - 1, PLAIN, Inline);
    rx.consume(SIZE / 2 - 1, Inline).unwrap();
    assert!(!rx.update_due());
    rx.consume(1, Inline).unwrap();
    assert!(rx.update_due());
}

#[test]
fn an_inline_urgent_byte_starts_a_read_of_its_own() {
    let mut rx = ring();
    let outcome = arrive(&mut rx, 10, URGENT, Inline);
    assert_eq!((outcome.arrived, outcome.urgent_at), (10, Some(9)));
    assert!(!outcome.urgent_announced);
    rx.keep_urgent(b'!');
    assert_eq!(rx.take_urgent(false, Inline), Err(UrgentRefused::Absent));
    assert_eq!(rx.readable(Inline), 9);
    assert!(!rx.at_mark());
    rx.consume(9, Inline).unwrap();
    assert!(rx.at_mark());
    assert!(!rx.update_due());
    assert_eq!(rx.readable(Inline), 1);
    rx.consume(1, Inline).unwrap();
    assert!(rx.update_due(), "the sender waits for this");
    assert_eq!(report(&mut rx), raw(0, 10));
}

#[test]
fn an_out_of_band_byte_is_not_in_the_stream() {
    let mut rx = ring();
    arrive(&mut rx, 10, URGENT, OutOfBand);
    rx.keep_urgent(b'!');
    assert!(rx.urgent_waiting());
    assert_eq!(rx.readable(OutOfBand), 9);
    rx.consume(4, OutOfBand).unwrap();
    assert!(!rx.update_due());
    rx.consume(5, OutOfBand).unwrap();
    assert!(rx.at_mark());
    assert_eq!((rx.readable(OutOfBand), rx.unread()), (0, 0), "skipped");
    assert!(rx.update_due());
    assert_eq!(report(&mut rx), raw(0, 10));

    assert_eq!(rx.take_urgent(true, OutOfBand), Ok(b'!'));
    assert_eq!(rx.take_urgent(false, OutOfBand), Ok(b'!'));
    assert!(!rx.urgent_waiting());
    assert_eq!(rx.take_urgent(false, OutOfBand), Err(UrgentRefused::Absent));
}

#[test]
fn a_lone_out_of_band_byte_is_skipped_when_it_comes() {
    let mut rx = ring();
    let outcome = arrive(&mut rx, 1, URGENT, OutOfBand);
    assert_eq!(outcome.urgent_at, Some(0));
    rx.keep_urgent(7);
    assert_eq!(rx.unread(), 0);
    assert!(
        rx.update_due(),
        "nobody has to read to let the sender go on"
    );
    // Reading on forgets it.
    arrive(&mut rx, 5, PLAIN, OutOfBand);
    assert!(rx.urgent_waiting());
    rx.consume(1, OutOfBand).unwrap();
    assert!(!rx.urgent_waiting() && !rx.at_mark());
}

#[test]
fn the_urgent_byte_before_the_end_of_the_ring_is_found() {
    let mut rx = ring();
    let outcome = rx.on_cdc(raw(1, 0), URGENT, Inline).unwrap();
    assert_eq!(outcome.urgent_at, Some(SIZE - 1));
}

#[test]
fn switching_to_out_of_band_skips_a_byte_that_is_next() {
    let mut rx = ring();
    arrive(&mut rx, 3, URGENT, Inline);
    rx.consume(2, Inline).unwrap();
    // A hostile or unusual peer sends on.
    arrive(&mut rx, 10, PLAIN, Inline);
    assert_eq!(rx.readable(Inline), 8);
    assert_eq!(rx.readable(OutOfBand), 7);
    assert_eq!(pieces(rx.read_spans(0, 99, OutOfBand)), [(3, 7)]);
    rx.consume(7, OutOfBand).unwrap();
    assert_eq!(rx.unread(), 0);
    assert!(rx.update_due());
}

#[test]
fn a_second_urgent_byte_makes_the_first_an_ordinary_one() {
    let mut rx = ring();
    arrive(&mut rx, 3, URGENT, Inline);
    arrive(&mut rx, 6, URGENT, Inline);
    assert_eq!(rx.readable(Inline), 5);
}

#[test]
fn urgent_data_to_come_is_announced_once() {
    let mut rx = ring();
    assert_eq!(rx.take_urgent(false, OutOfBand), Err(UrgentRefused::Absent));
    assert!(arrive(&mut rx, 0, PENDING, OutOfBand).urgent_announced);
    assert_eq!(rx.take_urgent(false, OutOfBand), Err(UrgentRefused::NotYet));
    assert!(!arrive(&mut rx, 4, PENDING, OutOfBand).urgent_announced);
    let outcome = arrive(&mut rx, 8, URGENT, OutOfBand);
    assert!(outcome.urgent_at.is_some() && !outcome.urgent_announced);
    // The next one is announced again.
    arrive(&mut rx, 8, PLAIN, OutOfBand);
    assert!(arrive(&mut rx, 8, PENDING, OutOfBand).urgent_announced);
    // A peer that takes it back.
    arrive(&mut rx, 8, PLAIN, OutOfBand);
    assert_eq!(rx.take_urgent(false, OutOfBand), Err(UrgentRefused::Absent));
}

#[test]
fn an_urgent_flag_without_data_means_nothing() {
    let mut rx = ring();
    assert_eq!(arrive(&mut rx, 0, URGENT, OutOfBand).urgent_at, None);
    rx.keep_urgent(1);
    assert!(!rx.urgent_waiting());
}

#[test]
fn discarded_bytes_make_room_and_are_remembered_as_lost() {
    let mut rx = ring();
    assert_eq!(rx.discard(), 0);
    assert!(!rx.loses_data());
    rx.on_cdc(raw(1, 0), URGENT, Inline).unwrap();
    assert_eq!(rx.discard(), SIZE);
    assert!(rx.loses_data());
    assert_eq!(rx.unread(), 0);
    assert!(rx.update_due());
    assert_eq!(report(&mut rx), raw(1, 0));
    assert!(rx.loses_data());
}

#[test]
fn bytes_handed_out_in_place_keep_their_room() {
    let mut rx = ring();
    arrive(&mut rx, 1000, BLOCKED, Inline);
    assert_eq!(rx.take(0, Inline), Err(TooMany));
    assert_eq!(rx.take(1001, Inline), Err(TooMany));
    assert!(!rx.holds());
    rx.consume(100, Inline).unwrap();
    assert_eq!(rx.take(300, Inline), Ok(100));
    assert_eq!(rx.take(200, Inline), Ok(400));
    assert_eq!((rx.unread(), rx.readable(Inline)), (400, 400));
    assert_eq!(pieces(rx.read_spans(0, u32::MAX, Inline)), [(600, 400)]);
    assert_eq!(report(&mut rx), raw(0, 100));
    // What is copied meanwhile waits for what lies before it.
    rx.consume(400, Inline).unwrap();
    assert!(!rx.loses_data());
    assert_eq!(report(&mut rx), raw(0, 100));
    // The second piece is given back first.
    rx.give_back(Some(100));
    assert_eq!(report(&mut rx), raw(0, 100));
    rx.give_back(None);
    assert!(!rx.holds());
    assert_eq!(report(&mut rx), raw(0, 1000));
}

#[test]
fn giving_back_the_first_piece_makes_room_up_to_the_second() {
    let mut rx = ring();
    arrive(&mut rx, SIZE - 1, BLOCKED, Inline);
    rx.take(SHARE, Inline).unwrap();
    rx.take(10, Inline).unwrap();
    assert!(!rx.update_due());
    rx.give_back(Some(SHARE.into()));
    assert!(rx.update_due());
    assert_eq!(report(&mut rx), raw(0, SHARE));
    // Nonsense moves nothing back, and nothing beyond what was read.
    rx.give_back(Some(0));
    assert_eq!(report(&mut rx), raw(0, SHARE));
    rx.give_back(Some(u64::MAX));
    assert_eq!(report(&mut rx), raw(0, SHARE + 10));
    rx.give_back(None);
    rx.give_back(Some(5));
    assert!(!rx.holds());
}

#[test]
fn an_urgent_byte_is_reported_when_its_place_is_free() {
    let mut rx = ring();
    let outcome = arrive(&mut rx, 11, URGENT, OutOfBand);
    assert_eq!(outcome.urgent_at, Some(10));
    rx.keep_urgent(7);
    assert_eq!(rx.take(10, OutOfBand), Ok(0));
    // The reader is past the byte, the peer is not told yet.
    assert!(rx.at_mark());
    assert_eq!(rx.unread(), 0);
    assert!(!rx.update_due());
    rx.give_back(None);
    assert!(rx.update_due());
    assert_eq!(report(&mut rx), raw(0, 11));
    assert_eq!(rx.take_urgent(false, OutOfBand), Ok(7));
}

#[test]
fn a_piece_behind_the_urgent_byte_begins_behind_it() {
    let mut rx = ring();
    arrive(&mut rx, 11, URGENT, Inline);
    rx.keep_urgent(7);
    rx.consume(10, Inline).unwrap();
    arrive(&mut rx, 20, PLAIN, Inline);
    // SO_OOBINLINE is switched off just now.
    assert_eq!(pieces(rx.read_spans(0, u32::MAX, OutOfBand)), [(11, 9)]);
    assert_eq!(rx.take(9, OutOfBand), Ok(11));
    assert_eq!(report(&mut rx), raw(0, 11));
    rx.give_back(None);
    assert_eq!(report(&mut rx), raw(0, 20));
}

#[test]
fn discarding_leaves_alone_what_is_held() {
    let mut rx = ring();
    arrive(&mut rx, 100, PLAIN, Inline);
    rx.take(30, Inline).unwrap();
    assert_eq!(rx.discard(), 70);
    assert_eq!(report(&mut rx), raw(0, 0));
    rx.give_back(None);
    assert_eq!(report(&mut rx), raw(0, 100));
}

/// A sender that writes half by half, and one that does not.
#[test]
fn in_halves_a_report_is_due_at_the_end_of_each() {
    let half = SIZE / 2;
    for writes in [
        [half, half, half, half],
        [half + 7, half - 7, half - 9, half + 9],
    ] {
        let mut rx = ring();
        rx.pieces = Pieces::Halves;
        let mut at = 0;
        for bytes in writes {
            at += bytes;
            let cursor = raw((at / SIZE) as u16, at % SIZE);
            rx.on_cdc(cursor, PLAIN, Inline).unwrap();
            let before = half - (at - bytes) % half;
            rx.consume(before.min(bytes) - 1, Inline).unwrap();
            assert!(!rx.update_due(), "{at}");
            rx.consume(bytes - before.min(bytes) + 1, Inline).unwrap();
            assert_eq!(rx.update_due(), at / half > (at - bytes) / half, "{at}");
            if rx.update_due() {
                report(&mut rx);
            }
        }
    }
}

#[test]
fn in_halves_the_end_of_one_is_no_report_of_its_own_for_few_bytes() {
    let mut rx = ring();
    rx.pieces = Pieces::Halves;
    arrive(&mut rx, SIZE - 1, BLOCKED, Inline);
    rx.consume(SIZE / 2 - 1, Inline).unwrap();
    // Another message had the cursor with it.
    report(&mut rx);
    rx.consume(SHARE - 1, Inline).unwrap();
    assert!(!rx.update_due());
    rx.consume(1, Inline).unwrap();
    assert!(rx.update_due());
}
