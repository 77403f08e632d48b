// SPDX-License-Identifier: GPL-2.0
/*
 * Inline functions and macros of the kernel as functions that Rust can call.
 * One file per header; each only calls what it is named after.
 */
#include "net_sock.c"
#include "notifier.c"
