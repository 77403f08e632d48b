// SPDX-License-Identifier: GPL-2.0

//! The two machines of the handshake against each other and against what the C
//! module would send: every event where it belongs, and where it does not.

mod bounds;
mod choice;
mod contact;
mod endings;
mod ends;
