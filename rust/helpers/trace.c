// SPDX-License-Identifier: GPL-2.0

#ifndef __BINDGEN__
#define CREATE_TRACE_POINTS
#endif
#include "smc_trace.h"

void smc_rs_helper_trace_switch_to_fallback(const struct sock *sk, int reason)
{
	trace_smc_switch_to_fallback(sk, reason);
}
