// SPDX-License-Identifier: GPL-2.0

//! Parse and emit of the LLC messages that two C modules sent each other
//! (`tests/vectors`): one of each kind.

#![allow(missing_docs)] // what criterion's macros expand to

use criterion::{black_box, criterion_group, criterion_main, Criterion};
use smc_proto::wire::llc::{Message, LLC_MAX_LEN};

/// The captured scenarios that have LLC messages.
const SCENARIOS: [&str; 2] = [
    include_str!("../tests/vectors/first-contact.txt"),
    include_str!("../tests/vectors/later-contact.txt"),
];

fn messages() -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    for line in SCENARIOS.iter().flat_map(|s| s.lines()) {
        let Some((_, hex)) = line.split_once(" rdma ") else {
            continue;
        };
        let bytes: Vec<u8> = (0..hex.len() / 2)
            .filter_map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok())
            .collect();
        let known = |m: &Vec<u8>| m[0] == bytes[0] && m[3] == bytes[3];
        if Message::parse(&bytes).is_ok() && !found.iter().any(known) {
            found.push(bytes);
        }
    }
    found
}

fn llc(c: &mut Criterion) {
    for bytes in messages() {
        let Ok(message) = Message::parse(&bytes) else {
            continue;
        };
        let what = format!("{:?} {:02x}", message.body.kind(), bytes[3]);
        c.bench_function(&format!("llc/parse {what}"), |b| {
            b.iter(|| Message::parse(black_box(&bytes)).is_ok())
        });
        let mut buf = [0; LLC_MAX_LEN];
        c.bench_function(&format!("llc/emit {what}"), |b| {
            b.iter(|| black_box(&message).emit(&mut buf))
        });
    }
}

criterion_group!(benches, llc);
criterion_main!(benches);
