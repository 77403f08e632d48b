// SPDX-License-Identifier: GPL-2.0

//! One SMC at a time: the C module and this one exclude each other.
//!
//! Both want the socket family, the generic netlink and sock_diag families and
//! the TCP hooks. Left to themselves they would meet half-way through their
//! initialisation, with an error number as the only explanation.

use crate::abstractions::module::{LoadFilter, LoadWatch};
use kernel::prelude::*;

struct CModule;

impl LoadFilter for CModule {
    fn refuse(name: &CStr) -> Option<Error> {
        if name.as_bytes() != b"smc" {
            return None;
        }
        pr_err!("module smc is refused: smc_rs serves AF_SMC (rmmod smc_rs first)\n");
        Some(EEXIST)
    }
}

/// Refuses to let the C module in for as long as it exists.
pub(crate) struct Refusal {
    _watch: LoadWatch<CModule>,
}

impl Refusal {
    /// Starts refusing.
    pub(crate) fn register() -> Result<Self> {
        Ok(Self {
            _watch: LoadWatch::register()?,
        })
    }
}

/// Says why AF_SMC could not be had.
pub(crate) fn explain_taken() {
    pr_err!("AF_SMC is taken: the kernel's C module smc is there (rmmod smc_diag smc first; impossible where it is built in)\n");
}
