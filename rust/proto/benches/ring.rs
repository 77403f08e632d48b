// SPDX-License-Identifier: GPL-2.0

//! What the rings and the close machine cost per operation.

#![allow(missing_docs)] // what criterion's macros expand to

use criterion::{black_box, criterion_group, criterion_main, Criterion};
use smc_proto::close::{Closer, ConnFlags, Linger, Rings};
use smc_proto::cursor::RingSize;
use smc_proto::ring::{ProducerFlags, RxRing, TxRing, UrgentMode};

/// The whole life of one message through both halves, without the copies: write,
/// plan, post, report, deliver, read, consume, update, complete.
fn message(c: &mut Criterion) {
    let size = RingSize::from_compressed(2).expect("a size");
    let mut tx = TxRing::new(size, size);
    let mut rx = RxRing::new(size);
    c.bench_function("ring/message through both halves", |b| {
        b.iter(|| {
            let spans = tx.write_spans(black_box(1000));
            tx.wrote(spans.len()).expect("room");
            let plan = tx.plan(u32::MAX).expect("room at the peer");
            for write in plan.writes() {
                black_box(write);
            }
            plan.commit();
            let report = tx.report();
            tx.reported(report.ticket);
            let outcome = rx
                .on_cdc(report.producer, report.flags, UrgentMode::Inline)
                .expect("in bounds");
            let spans = rx.read_spans(0, outcome.arrived, UrgentMode::Inline);
            rx.consume(black_box(spans).len(), UrgentMode::Inline)
                .expect("readable");
            if rx.update_due() {
                let report = rx.report();
                rx.reported(report.ticket);
                tx.on_consumer(report.consumer).expect("in bounds");
            }
            tx.complete(report.ticket)
        });
    });
}

/// The check of one cursor that says nothing new: what a flood of CDC messages
/// costs.
fn idle_cdc(c: &mut Criterion) {
    let mut rx = RxRing::new(RingSize::MIN);
    let raw = rx.report().consumer;
    c.bench_function("ring/cdc with nothing new", |b| {
        b.iter(|| {
            rx.on_cdc(
                black_box(raw),
                ProducerFlags::default(),
                UrgentMode::OutOfBand,
            )
        });
    });
}

fn close(c: &mut Criterion) {
    let closed = ConnFlags {
        closed: true,
        ..ConnFlags::default()
    };
    c.bench_function("close/both ends", |b| {
        b.iter(|| {
            let mut closer = Closer::new();
            closer.established();
            let first = closer.close(Linger::Drain, black_box(Rings::default()));
            (first, closer.peer_said(closed, Rings::default()))
        });
    });
}

criterion_group!(benches, message, idle_cdc, close);
criterion_main!(benches);
