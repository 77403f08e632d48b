// SPDX-License-Identifier: GPL-2.0

//! The SMC protocol with no kernel in it.
//!
//! Wire formats and state machines of SMC-R and SMC-D (RFC 7609, SMC v2 and
//! v2.1), sans-IO: bytes, events and time come in as arguments; messages and
//! actions go out as values. Nothing here allocates, blocks, locks or reads a
//! clock, and nothing here is `unsafe`.
//!
//! The same files are compiled twice: by Kbuild into the kernel module (which
//! adds `no_std` itself and passes `--cfg MODULE`), and by cargo on any
//! machine, where the tests, the simulator, the fuzz targets and the benchmarks
//! live.

#![cfg_attr(not(MODULE), no_std)]
#![forbid(unsafe_code)]

#[cfg(all(not(MODULE), any(test, feature = "sim")))]
extern crate std;

pub mod close;
pub mod cursor;
pub mod group;
pub mod handshake;
pub mod ring;
pub mod wire;

#[cfg(all(not(MODULE), feature = "sim"))]
pub mod sim;
