// SPDX-License-Identifier: GPL-2.0

//! The tests of the crate's interface, all in one program: to link one for each file
//! took longer than to run them.

mod captured;
mod cdc;
mod clc;
mod clc_vectors;
mod close_explore;
mod ext;
mod fuzz_corpus;
mod group;
mod group_explore;
mod group_hostile;
mod group_world;
mod handshake;
mod llc;
mod pcap;
mod ring_flow;
mod ring_model;
#[cfg(feature = "sim")]
mod sim;
#[cfg(feature = "sim")]
mod sim_data;
mod tshark;

#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code, missing_docs, unreachable_pub)]
mod targets;
