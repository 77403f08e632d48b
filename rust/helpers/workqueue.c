// SPDX-License-Identifier: GPL-2.0

#include <linux/workqueue.h>

__rust_helper void smc_rs_helper_init_delayed_work(struct delayed_work *work, work_func_t func)
{
	INIT_DELAYED_WORK(work, func);
}

__rust_helper unsigned int smc_rs_helper_num_online_cpus(void)
{
	return num_online_cpus();
}

__rust_helper struct workqueue_struct *smc_rs_helper_alloc_workqueue_unbound(const char *name,
									     int max_active)
{
	return alloc_workqueue("%s", WQ_UNBOUND | WQ_MEM_RECLAIM, max_active, name);
}

__rust_helper void smc_rs_helper_init_work(struct work_struct *work, work_func_t func)
{
	INIT_WORK(work, func);
}
