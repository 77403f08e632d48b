// SPDX-License-Identifier: GPL-2.0

#include <linux/sched/mm.h>
#include <net/sock.h>

/*
 * What the task allocates with __GFP_ACCOUNT is charged to the memory cgroup of `sk`
 * from here on, if it has one.  Returns what smc_rs_helper_charge_end() wants.
 */
__rust_helper struct mem_cgroup *smc_rs_helper_charge_to(const struct sock *sk)
{
	struct mem_cgroup *memcg = mem_cgroup_from_sk(sk);
	struct mem_cgroup *before = set_active_memcg(memcg);

	if (!memcg)
		set_active_memcg(before);
	return before;
}

__rust_helper void smc_rs_helper_charge_end(struct mem_cgroup *before)
{
	set_active_memcg(before);
}
