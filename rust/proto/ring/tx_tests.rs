// SPDX-License-Identifier: GPL-2.0

//! Unit tests of the send half.

use super::*;
use std::vec::Vec;

const SIZE: u32 = 16 * 1024;

fn ring() -> TxRing {
    TxRing::new(RingSize::MIN, RingSize::MIN)
}

fn write(tx: &mut TxRing, bytes: u32) {
    tx.wrote(bytes).unwrap();
}

/// Posts everything that can be posted, and returns the message.
fn send(tx: &mut TxRing) -> TxReport {
    if let Some(plan) = tx.plan(u32::MAX) {
        plan.commit();
    }
    send_message(tx)
}

/// Posts the message alone.
fn send_message(tx: &mut TxRing) -> TxReport {
    let report = tx.report();
    tx.reported(report.ticket);
    report
}

fn raw(wrap: u16, count: u32) -> RawCursor {
    RawCursor { wrap, count }
}

/// (remote offset, [(local offset, length)])
fn writes(plan: &WritePlan<'_>) -> Vec<(u32, Vec<(u32, u32)>)> {
    plan.writes()
        .map(|w| {
            let local = w.local.iter().map(|s| (s.offset, s.len)).collect();
            (w.remote_offset, local)
        })
        .collect()
}

#[test]
fn a_share_is_what_is_under_way_at_a_time() {
    let large = RingSize::from_bytes(SHARE * 4).unwrap();
    let mut tx = TxRing::new(large, large);
    write(&mut tx, SHARE * 4);
    let mut messages = Vec::new();
    while tx.share() > 0 {
        let max = tx.share().min(100_000);
        tx.plan(max).unwrap().commit();
        messages.push(send_message(&mut tx));
    }
    assert_eq!((tx.in_flight(), messages.len()), (SHARE, 2));
    // What the first has taken is there again.
    assert_eq!(tx.complete(messages[0].ticket), 100_000);
    assert_eq!(tx.share(), 100_000);
    // More that was posted before there were others.
    tx.plan(u32::MAX).unwrap().commit();
    assert_eq!(tx.share(), 0);
}

#[test]
fn bytes_are_counted_from_writing_to_completion() {
    let mut tx = ring();
    assert_eq!(tx.writable(), SIZE);
    assert_eq!(tx.write_spans(100).first().len, 100);
    write(&mut tx, 100);
    assert_eq!(
        (tx.unsent(), tx.in_flight(), tx.writable()),
        (100, 0, SIZE - 100)
    );
    assert!(!tx.report_due(), "nothing is posted");
    tx.plan(60).unwrap().commit();
    assert_eq!((tx.unsent(), tx.in_flight()), (40, 60));
    assert_eq!(tx.peer_space(), SIZE - 60);
    assert!(tx.report_due());
    let report = send(&mut tx);
    assert_eq!(report.producer, raw(0, 100));
    assert_eq!(report.seqno, 1);
    assert!(!tx.report_due());
    assert_eq!(tx.complete(report.ticket), 100);
    assert_eq!(tx.complete(report.ticket), 0);
    assert_eq!(
        tx.writable(),
        SIZE,
        "free although the peer has not consumed it"
    );
    assert_eq!(tx.peer_space(), SIZE - 100);
}

#[test]
fn more_than_there_is_room_for_is_refused() {
    let mut tx = ring();
    assert_eq!(tx.wrote(SIZE + 1), Err(TooMany));
    write(&mut tx, SIZE);
    assert_eq!(tx.wrote(1), Err(TooMany));
    assert_eq!(tx.writable(), 0);
    assert!(tx.write_spans(1).is_empty());
}

#[test]
fn a_dropped_plan_leaves_the_bytes_unsent() {
    let mut tx = ring();
    assert!(tx.plan(10).is_none());
    write(&mut tx, 10);
    assert!(tx.plan(0).is_none());
    assert_eq!(tx.plan(4).unwrap().bytes(), 4);
    assert_eq!(tx.unsent(), 10);
}

#[test]
fn source_and_destination_wrap_at_different_points() {
    // An element smaller than the send buffer by an SMC-D header: the two ends
    // drift apart by 32 bytes each time around.
    let peer = RingSize::dmbe_from_compressed(0).unwrap();
    let mut tx = TxRing::new(RingSize::MIN, peer);
    write(&mut tx, SIZE - 40);
    let first = send(&mut tx);
    tx.complete(first.ticket);
    tx.on_consumer(first.producer).unwrap();
    write(&mut tx, 100);
    let plan = tx.plan(u32::MAX).unwrap();
    assert_eq!(
        writes(&plan),
        [
            (SIZE - 40, Vec::from([(SIZE - 40, 8)])),
            (0, Vec::from([(SIZE - 32, 32), (0, 60)])),
        ]
    );
    plan.commit();
    assert_eq!(tx.report().producer, raw(1, 92));
}

#[test]
fn a_full_peer_is_told_that_we_are_blocked() {
    let mut tx = TxRing::new(RingSize::from_compressed(1).unwrap(), RingSize::MIN);
    write(&mut tx, SIZE - 1);
    assert!(!send(&mut tx).flags.write_blocked);
    write(&mut tx, 2);
    let report = send(&mut tx);
    assert!(report.flags.write_blocked);
    assert_eq!(report.producer, raw(1, 0));
    assert_eq!(tx.unsent(), 1);
    assert!(tx.plan(1).is_none(), "no room");
    assert!(!tx.report_due(), "nothing new to say");

    let outcome = tx.on_consumer(raw(0, 7)).unwrap();
    assert_eq!((outcome.opened, outcome.can_post), (7, true));
    assert!(!send(&mut tx).flags.write_blocked);
}

#[test]
fn a_consumer_may_not_pass_what_it_was_told() {
    let mut tx = ring();
    write(&mut tx, 50);
    assert_eq!(tx.on_consumer(raw(0, 1)), Err(CursorError::Overrun));
    tx.plan(50).unwrap().commit();
    assert_eq!(
        tx.on_consumer(raw(0, 1)),
        Err(CursorError::Overrun),
        "written to its memory, but it can't know"
    );
    // A message that may have been posted counts, as its answer can be faster than
    // we are.
    let _ = tx.report();
    assert_eq!(tx.on_consumer(raw(0, 51)), Err(CursorError::Overrun));
    assert_eq!(tx.on_consumer(raw(0, 50)).unwrap().opened, 50);
    assert_eq!(tx.on_consumer(raw(0, 50)), Ok(ConsumerOutcome::default()));
    assert_eq!(tx.on_consumer(raw(0, 20)), Ok(ConsumerOutcome::default()));
    assert_eq!(tx.peer_space(), SIZE);
}

#[test]
fn a_message_that_was_not_posted_is_due_again_with_its_number() {
    let mut tx = ring();
    write(&mut tx, 5);
    tx.plan(5).unwrap().commit();
    assert_eq!(tx.report().seqno, 1);
    assert!(tx.report_due());
    assert_eq!(tx.report().seqno, 1);
    assert_eq!(send(&mut tx).seqno, 1);
    assert_eq!(send(&mut tx).seqno, 2);
}

#[test]
fn nothing_is_posted_beyond_an_urgent_byte_until_it_is_consumed() {
    let mut tx = ring();
    assert_eq!(tx.mark_urgent(), Err(UrgentBusy), "nothing written");
    write(&mut tx, 10);
    tx.mark_urgent().unwrap();
    assert!(tx.urgent_busy());
    assert_eq!(tx.mark_urgent(), Err(UrgentBusy));
    assert!(tx.report_due(), "the peer should know that it comes");
    write(&mut tx, 20);

    tx.plan(4).unwrap().commit();
    let report = tx.report();
    assert!(report.flags.urgent_pending && !report.flags.urgent_present);
    tx.reported(report.ticket);
    assert!(!tx.report_due());

    let report = send(&mut tx);
    assert!(report.flags.urgent_pending && report.flags.urgent_present);
    assert_eq!(report.producer, raw(0, 10), "right behind the urgent byte");
    assert!(tx.plan(1).is_none());
    assert!(!tx.report_due());

    assert!(!tx.on_consumer(raw(0, 9)).unwrap().urgent_done);
    let outcome = tx.on_consumer(raw(0, 10)).unwrap();
    assert!(outcome.urgent_done && outcome.can_post);
    assert!(!tx.urgent_busy());
    let report = send(&mut tx);
    assert!(!report.flags.urgent_pending && !report.flags.urgent_present);
    assert_eq!(report.producer, raw(0, 30));
    assert_eq!(
        tx.mark_urgent(),
        Err(UrgentBusy),
        "its byte is posted already"
    );
}

#[test]
fn urgent_data_is_announced_through_a_closed_window() {
    let mut tx = TxRing::new(RingSize::from_compressed(1).unwrap(), RingSize::MIN);
    write(&mut tx, SIZE);
    send(&mut tx);
    write(&mut tx, 1);
    assert!(!tx.report_due());
    tx.mark_urgent().unwrap();
    assert!(tx.plan(u32::MAX).is_none());
    assert!(tx.report_due());
    let flags = send(&mut tx).flags;
    assert!(flags.urgent_pending && !flags.urgent_present && flags.write_blocked);
    assert!(!tx.report_due());
}

#[test]
fn a_failover_posts_again_what_may_be_lost() {
    let mut tx = ring();
    write(&mut tx, 100);
    let arrived = send(&mut tx);
    assert_eq!(tx.complete(arrived.ticket), 100);
    write(&mut tx, 200);
    let lost = send(&mut tx);
    assert_eq!(lost.producer, raw(0, 300));

    assert_eq!(tx.fail_over(), 1, "the last message that completed");
    assert_eq!((tx.unsent(), tx.in_flight()), (200, 0));
    assert_eq!(tx.complete(lost.ticket), 0, "a completion of the old link");
    tx.reported(lost.ticket);
    assert!(tx.report_due());
    let plan = tx.plan(u32::MAX).unwrap();
    assert_eq!(writes(&plan), [(100, Vec::from([(100, 200)]))]);
    plan.commit();
    let report = send(&mut tx);
    assert_eq!((report.seqno, report.producer), (3, raw(0, 300)));
    assert_eq!(tx.complete(report.ticket), 200);
}

#[test]
fn a_failover_does_not_post_what_the_peer_has_consumed() {
    let mut tx = ring();
    write(&mut tx, 100);
    let report = send(&mut tx);
    tx.on_consumer(raw(0, 60)).unwrap();
    assert_eq!(tx.fail_over(), 0, "no message completed");
    assert_eq!((tx.unsent(), tx.writable()), (40, SIZE - 40));
    assert_eq!(tx.complete(report.ticket), 0);

    // News from before the failover: more was consumed than is posted now.
    tx.plan(10).unwrap().commit();
    let outcome = tx.on_consumer(raw(0, 95)).unwrap();
    assert_eq!(outcome.opened, 35);
    assert_eq!((tx.unsent(), tx.peer_space()), (5, SIZE));
    assert_eq!(
        tx.on_consumer(raw(0, 101)),
        Err(CursorError::Overrun),
        "not more than was ever announced"
    );
    let plan = tx.plan(u32::MAX).unwrap();
    assert_eq!(writes(&plan), [(95, Vec::from([(95, 5)]))]);
    plan.commit();
    let report = send(&mut tx);
    assert_eq!(tx.complete(report.ticket), 40);
    assert_eq!(tx.writable(), SIZE);
}

#[test]
fn bytes_consumed_during_a_failover_leave_the_send_buffer() {
    let mut tx = ring();
    write(&mut tx, SIZE);
    send(&mut tx);
    tx.fail_over();
    tx.plan(10).unwrap().commit();
    let report = send_message(&mut tx);
    assert_eq!(tx.complete(report.ticket), 10);
    assert_eq!(tx.on_consumer(raw(1, 0)).unwrap().opened, SIZE);
    assert_eq!((tx.unsent(), tx.writable()), (0, 10));
    // The completion of the message that is due frees them.
    assert!(tx.report_due());
    let report = send_message(&mut tx);
    assert_eq!(tx.complete(report.ticket), SIZE - 10);
}

#[test]
fn urgent_data_is_announced_again_after_a_failover() {
    let mut tx = ring();
    write(&mut tx, 10);
    tx.mark_urgent().unwrap();
    let first = send(&mut tx);
    assert!(first.flags.urgent_present);
    tx.fail_over();
    assert!(!tx.report().flags.urgent_present, "to be posted again");
    assert!(send(&mut tx).flags.urgent_present);
}

#[test]
fn what_does_not_fit_is_tight_below_half_a_ring() {
    let mut tx = TxRing::new(RingSize::from_compressed(2).unwrap(), RingSize::MIN);
    write(&mut tx, SIZE - 1);
    assert!(!tx.is_tight(), "it fits");
    write(&mut tx, SIZE);
    assert!(!tx.is_tight(), "all of the ring is free");
    send(&mut tx);
    assert!(tx.is_tight());
    tx.on_consumer(raw(0, SIZE / 2 - 1)).unwrap();
    assert!(tx.is_tight());
    tx.on_consumer(raw(0, SIZE / 2)).unwrap();
    assert!(!tx.is_tight());
    send(&mut tx);
    tx.on_consumer(raw(0, SIZE - 1)).unwrap();
    assert_eq!(tx.unsent(), SIZE / 2 - 1);
    assert!(!tx.is_tight(), "what is left fits");
}

#[test]
fn sizes_are_those_given() {
    let peer = RingSize::from_compressed(3).unwrap();
    let tx = TxRing::new(RingSize::MIN, peer);
    assert_eq!((tx.local(), tx.peer()), (RingSize::MIN, peer));
}
