/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracepoints of SMC: names and fields are those that scripts know from
 * the C module.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM smc

#if !defined(_SMC_RS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _SMC_RS_TRACE_H

#include <linux/tracepoint.h>
#include <net/net_namespace.h>
#include <net/sock.h>

TRACE_EVENT(smc_switch_to_fallback,

	TP_PROTO(const struct sock *sk, int fallback_rsn),

	TP_ARGS(sk, fallback_rsn),

	/* One sock is both: the application's and TCP's. */
	TP_STRUCT__entry(
		__field(const void *, sk)
		__field(const void *, clcsk)
		__field(u64, net_cookie)
		__field(int, fallback_rsn)
	),

	TP_fast_assign(
		__entry->sk = sk;
		__entry->clcsk = sk;
		__entry->net_cookie = sock_net(sk)->net_cookie;
		__entry->fallback_rsn = fallback_rsn;
	),

	TP_printk("sk=%p clcsk=%p net=%llu fallback_rsn=%d",
		  __entry->sk, __entry->clcsk,
		  __entry->net_cookie, __entry->fallback_rsn)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE smc_trace
#include <trace/define_trace.h>
