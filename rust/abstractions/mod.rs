// SPDX-License-Identifier: GPL-2.0

//! What the kernel crate lacks, written as it would be for the kernel crate.
//!
//! All of the module's `unsafe` is here and in `smc_bindings`: each block with
//! its argument, each type with its invariants, each function with the context
//! it may be called in. What leaves this floor is a safe interface.

pub(crate) mod global;
pub(crate) mod memcg;
pub(crate) mod module;
pub(crate) mod module_ref;
pub(crate) mod net;
pub(crate) mod percpu;
pub(crate) mod random;
pub(crate) mod rcu;
pub(crate) mod rdma;
pub(crate) mod sync;
pub(crate) mod sysctl;
pub(crate) mod time;
pub(crate) mod trace;
pub(crate) mod uts;
pub(crate) mod wait;
pub(crate) mod work;
