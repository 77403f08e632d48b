// SPDX-License-Identifier: GPL-2.0

//! The bodies of the fuzz targets: plain functions of a byte string that panic on
//! a finding. libFuzzer calls them from `fuzz_targets/`, and `cargo test` with
//! every file of `corpus/` (`../tests/fuzz_corpus.rs`).

pub mod cdc;
pub mod clc;
pub mod ext;
pub mod group;
pub mod handshake;
pub mod llc;
pub mod ring;
