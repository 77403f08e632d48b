// SPDX-License-Identifier: GPL-2.0

//! What parsing and emitting costs, for a message of every layout. No byte is
//! allocated: the crate knows no allocator (`selftests/host/style.sh` looks
//! for one among the symbols of the object in the module).

#![allow(missing_docs)] // what criterion's macros expand to

use std::time::Duration;

use criterion::{black_box, criterion_group, criterion_main, Criterion};
use smc_proto::wire::cdc::{Cdc, CDC_TYPE};
use smc_proto::wire::{clc, llc};

#[path = "../tests/pcap/mod.rs"]
#[allow(dead_code)]
mod pcap;

/// Parses `$bytes` and emits what that gave, which must be the same bytes.
macro_rules! both_ways {
    ($c:expr, $name:expr, $bytes:expr, $parse:path) => {{
        let bytes: &[u8] = $bytes;
        $c.bench_function(&format!("parse {}", $name), |b| {
            b.iter(|| $parse(black_box(bytes)).is_ok())
        });
        let message = $parse(bytes).expect("our own message");
        let mut buf = [0; llc::LLC_MAX_LEN];
        let len = message.emit(&mut buf).expect("room");
        assert_eq!(buf.get(..len), Some(bytes), "{}", $name);
        $c.bench_function(&format!("emit {}", $name), |b| {
            b.iter(|| black_box(&message).emit(&mut buf))
        });
    }};
}

fn messages(c: &mut Criterion) {
    for sample in pcap::samples() {
        let bytes = &sample.bytes;
        match (sample.carrier, bytes.first()) {
            (pcap::Carrier::Tcp { .. }, _) => {
                both_ways!(c, sample.name, bytes, clc::Message::parse)
            }
            (pcap::Carrier::Rdma, Some(&CDC_TYPE)) => {
                both_ways!(c, sample.name, bytes, Cdc::parse)
            }
            (pcap::Carrier::Rdma, _) => both_ways!(c, sample.name, bytes, llc::Message::parse),
        }
    }
}

criterion_group! {
    name = benches;
    // Two times 36 layouts: a minute and a half.
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    targets = messages
}
criterion_main!(benches);
