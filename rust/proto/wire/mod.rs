// SPDX-License-Identifier: GPL-2.0

//! Wire formats: bytes to typed messages and back.
//!
//! Parsing is total: any byte string gives a message or an error. Messages
//! borrow what is long from the input. Emitting writes into the caller's
//! buffer and gives the length; what was parsed is emitted as the same bytes.

pub mod cdc;
pub mod clc;
pub mod codec;
pub mod ext;
pub mod llc;
pub mod types;
