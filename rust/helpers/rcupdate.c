// SPDX-License-Identifier: GPL-2.0

#include <linux/rcupdate.h>

#if defined(CONFIG_PREEMPTION) && !defined(CONFIG_TASKS_RCU)
#error "smc_rs needs CONFIG_TASKS_RCU on a preemptible kernel; BPF_SYSCALL, KPROBES and FUNCTION_TRACER select it"
#endif

__rust_helper void smc_rs_helper_rcu_read_lock(void)
{
	rcu_read_lock();
}

__rust_helper void smc_rs_helper_rcu_read_unlock(void)
{
	rcu_read_unlock();
}

__rust_helper void smc_rs_helper_rcu_tasks_synchronize(void)
{
	synchronize_rcu_tasks();
}
