// SPDX-License-Identifier: GPL-2.0
/*
 * Inline functions and macros of the kernel as functions that Rust can call.
 * One file per header; each only calls what it is named after.
 */
#include "helpers.h"

#include "dma.c"
#include "inet_hashtables.c"
#include "iov.c"
#include "memcontrol.c"
#include "module.c"
#include "net_fastopen.c"
#include "net_flow.c"
#include "net_netlink.c"
#include "net_netns.c"
#include "net_route.c"
#include "net_sock.c"
#include "net_socket.c"
#include "net_tcp.c"
#include "netdevice.c"
#include "netdevice_notifier.c"
#include "notifier.c"
#include "percpu.c"
#include "rcupdate.c"
#include "rdma.c"
#include "spinlock.c"
#include "utsname.c"
#include "wait.c"
#include "workqueue.c"

/* An object of its own, as what it puts aside by assembler keeps functions from being inlined. */
#ifdef __BINDGEN__
#include "trace.c"
#endif
