// SPDX-License-Identifier: GPL-2.0

//! What parsing and emitting CLC and CDC messages costs. Nothing of it allocates.

#![allow(missing_docs)] // what criterion's macros expand to

use criterion::{black_box, criterion_group, criterion_main, Criterion};
use smc_proto::wire::cdc::{Cdc, CDC_LEN};
use smc_proto::wire::clc::{Message, MAX_KEPT};

#[path = "../tests/pcap/mod.rs"]
#[allow(dead_code)]
mod pcap;

fn clc(c: &mut Criterion) {
    for sample in pcap::samples() {
        c.bench_function(&format!("clc/parse {}", sample.name), |b| {
            b.iter(|| Message::parse(black_box(&sample.bytes)).is_ok())
        });
        let message = Message::parse(&sample.bytes).expect("our own message");
        let mut buf = [0; MAX_KEPT];
        c.bench_function(&format!("clc/emit {}", sample.name), |b| {
            b.iter(|| black_box(&message).emit(&mut buf))
        });
    }
}

fn cdc(c: &mut Criterion) {
    let mut buf = [0; CDC_LEN];
    Cdc::default().emit(&mut buf).expect("room");
    c.bench_function("cdc/parse", |b| b.iter(|| Cdc::parse(black_box(&buf))));
    let cdc = Cdc::parse(&buf).expect("our own message");
    c.bench_function("cdc/emit", |b| b.iter(|| black_box(&cdc).emit(&mut buf)));
}

criterion_group!(benches, clc, cdc);
criterion_main!(benches);
