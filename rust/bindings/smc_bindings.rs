// SPDX-License-Identifier: GPL-2.0

//! Raw bindings to the kernel's C, as this module needs them.
//!
//! The kernel crate's own bindings know `struct sock`, `struct net` and their
//! like by name only and nothing of sockets, generic netlink or RDMA; these
//! come from a bindgen run of this module over `bindings_helper.h`, for the
//! configuration of the kernel that the module is built against.
//!
//! Only `abstractions/` may use this crate.

#![allow(
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    rust_2018_idioms,
    unnecessary_transmutes,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]

mod raw {
    use kernel::ffi;
    type __kernel_size_t = usize;
    type __kernel_ssize_t = isize;
    type __kernel_ptrdiff_t = isize;
    include!("bindings_generated.rs");
}

mod helpers {
    use super::raw::*;
    use kernel::ffi;
    include!("helpers_generated.rs");
}

mod layout {
    use super::raw as b;
    use core::mem::{offset_of, size_of};
    include!("layout_generated.rs");
}

// A helper stands for an inline function or a macro; where bindgen has seen a
// function of the same name, the helper is the one that links.
pub use helpers::*;
pub use raw::*;
