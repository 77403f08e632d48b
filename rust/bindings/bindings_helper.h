/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen reads: the headers whose types and functions the abstractions
 * use beyond those of the kernel crate's own bindings.
 */

#include <linux/kconfig.h>

#if !IS_ENABLED(CONFIG_SMC)
#error "smc_rs needs a kernel with CONFIG_SMC=m or =y: its TCP hooks are compiled in only then"
#endif

#include <asm/ioctls.h>
#include <linux/bvec.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/dma-direction.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/notifier.h>
#include <linux/smc.h>
#include <linux/smc_diag.h>
#include <linux/poll.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/scatterlist.h>
#include <linux/sock_diag.h>
#include <linux/socket.h>
#include <linux/sockios.h>
#include <linux/splice.h>
#include <linux/sysctl.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/genetlink.h>
#include <net/inet_common.h>
#include <net/inet_connection_sock.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/netlink.h>
#include <net/netns/generic.h>
#include <net/protocol.h>
#include <net/smc.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <net/transp_v6.h>
#include <rdma/ib_cache.h>
#include <rdma/ib_verbs.h>

/* Constants that bindgen cannot see: macros with casts or expressions. */
/* HZ itself bindgen takes for that of user space. */
const int RUST_CONST_HELPER_JIFFIES_PER_SECOND = HZ;
const int RUST_CONST_HELPER_WORK_CPU_UNBOUND = WORK_CPU_UNBOUND;
const u32 RUST_CONST_HELPER_GFP_ATOMIC = (__force u32)GFP_ATOMIC;
const u32 RUST_CONST_HELPER_EPOLLIN = (__force u32)EPOLLIN;
const u32 RUST_CONST_HELPER_EPOLLERR = (__force u32)EPOLLERR;
const u32 RUST_CONST_HELPER_EPOLLRDNORM = (__force u32)EPOLLRDNORM;
const u32 RUST_CONST_HELPER_EPOLLRDHUP = (__force u32)EPOLLRDHUP;
const u32 RUST_CONST_HELPER_EPOLLET = (__force u32)EPOLLET;
const u32 RUST_CONST_HELPER_EPOLLOUT = (__force u32)EPOLLOUT;
const u32 RUST_CONST_HELPER_EPOLLWRNORM = (__force u32)EPOLLWRNORM;
const u32 RUST_CONST_HELPER_EPOLLPRI = (__force u32)EPOLLPRI;
const u32 RUST_CONST_HELPER_EPOLLHUP = (__force u32)EPOLLHUP;

#define SIZE(type) \
	const size_t RUST_CONST_HELPER_SIZEOF_##type = sizeof(struct type)
#define FIELD(type, field) \
	const size_t RUST_CONST_HELPER_OFFSETOF_##type##__##field = \
		offsetof(struct type, field)
#include "layout.h"
