/* SPDX-License-Identifier: GPL-2.0 */

/* Part of the function that calls it, where the module is optimised when it is linked. */
#ifdef SMC_RS_INLINE
#define __rust_helper __attribute__((__always_inline__))
#else
#define __rust_helper
#endif

/*
 * The helpers of the kernel's own crate that are called most, so that they are inlined as
 * well: by that crate's functions they are in every Arc, lock and tree.  They are taken
 * from the kernel's sources, where those are at hand.
 */
#if defined(SMC_RS_INLINE) && __has_include(<rust/helpers/refcount.c>)
#include <linux/err.h>
#include <linux/export.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#pragma clang attribute push(__attribute__((__always_inline__)), apply_to = function)
#include <rust/helpers/err.c>
#include <rust/helpers/mutex.c>
#include <rust/helpers/rbtree.c>
#include <rust/helpers/refcount.c>
#include <rust/helpers/slab.c>
#include <rust/helpers/spinlock.c>
#pragma clang attribute pop
#endif
