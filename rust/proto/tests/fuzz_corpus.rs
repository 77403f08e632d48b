// SPDX-License-Identifier: GPL-2.0

//! Replays the seeds of the fuzz targets with the same code that libFuzzer runs.

use crate::targets;

/// Runs a target over every file of its corpus, and proves that there is one.
fn replay(name: &str, target: fn(&[u8])) {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let mut seeds = 0;
    for entry in std::fs::read_dir(&dir).expect("the target has a corpus") {
        let path = entry.expect("readable").path();
        let data = std::fs::read(&path).expect("readable");
        println!("{}", path.display());
        target(&data);
        seeds += 1;
    }
    assert!(seeds > 0, "{} is empty", dir.display());
}

#[test]
fn ring_corpus_has_no_finding() {
    replay("ring", targets::ring::run);
}

#[test]
fn llc_corpus_has_no_finding() {
    replay("llc", targets::llc::run);
}

#[test]
fn group_corpus_has_no_finding() {
    replay("group", targets::group::run);
}

#[test]
fn clc_corpus_has_no_finding() {
    replay("clc", targets::clc::run);
}

#[test]
fn cdc_corpus_has_no_finding() {
    replay("cdc", targets::cdc::run);
}

#[test]
fn ext_corpus_has_no_finding() {
    replay("ext", targets::ext::run);
}

#[test]
fn handshake_corpus_has_no_finding() {
    replay("handshake", targets::handshake::run);
}
