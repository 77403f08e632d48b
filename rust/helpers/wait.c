// SPDX-License-Identifier: GPL-2.0

#include <linux/completion.h>
#include <linux/sched.h>
#include <linux/wait.h>

__rust_helper void smc_rs_helper_init_waitqueue_func_entry(struct wait_queue_entry *entry,
							   wait_queue_func_t func)
{
	init_waitqueue_func_entry(entry, func);
	entry->private = current;
	INIT_LIST_HEAD(&entry->entry);
}

__rust_helper bool smc_rs_helper_current_signal_pending(void)
{
	return signal_pending(current);
}

__rust_helper void smc_rs_helper_init_completion(struct completion *x)
{
	init_completion(x);
}
