// SPDX-License-Identifier: GPL-2.0

#include <linux/percpu.h>

__rust_helper u64 __percpu *smc_rs_helper_alloc_percpu_u64(size_t n)
{
	return __alloc_percpu(array_size(n, sizeof(u64)), __alignof__(u64));
}

__rust_helper void smc_rs_helper_free_percpu_u64(u64 __percpu *counters)
{
	free_percpu(counters);
}

__rust_helper void smc_rs_helper_this_cpu_add_u64(u64 __percpu *counters, size_t i, u64 n)
{
	this_cpu_add(counters[i], n);
}

__rust_helper u64 smc_rs_helper_percpu_sum_u64(const u64 __percpu *counters, size_t i)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(counters, cpu)[i]);
	return sum;
}
