// SPDX-License-Identifier: GPL-2.0

//! AF_SMC in Rust: stream sockets over RDMA, with TCP where that cannot be had.
//!
//! Takes the place of the kernel's C modules `smc` and `smc_diag`.
//!
//! Floors, each calling only downwards: `smc` (the socket stack), `abstractions`
//! (what the kernel crate lacks; the home of `unsafe`), `smc_bindings` (C as
//! bindgen sees it). `smc_proto` (the protocol) stands beside them and calls
//! nothing.

use kernel::prelude::*;

mod abstractions;
#[deny(unsafe_code)]
mod smc;

module! {
    type: SmcRs,
    name: "smc_rs",
    author: "The smc_rs authors",
    description: "SMC socket family (AF_SMC, IPPROTO_SMC) in Rust",
    license: "GPL",
    alias: [
        "net-pf-43",
        "net-pf-2-proto-256-type-1",
        "net-pf-10-proto-256-type-1",
        "net-pf-16-proto-16-family-SMC_GEN_NETLINK",
        "net-pf-16-proto-16-family-SMC_PNETID",
        "net-pf-16-proto-4-type-43",
    ],
}

struct SmcRs {
    _stack: smc::Stack,
}

impl kernel::Module for SmcRs {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _stack: smc::Stack::register()?,
        })
    }
}
