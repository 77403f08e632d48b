// SPDX-License-Identifier: GPL-2.0

//! One group and a peer that is written out by hand: what each message gets for
//! an answer, and what is on the wire.

mod add_ask;
mod add_keys;
mod add_offer;
mod add_steps;
mod delete;
mod departure;
mod ending;
mod first;
mod rkey;
mod solo;
