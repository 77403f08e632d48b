// SPDX-License-Identifier: GPL-2.0

#include <linux/module.h>

__rust_helper bool smc_rs_helper_module_try_get(struct module *module)
{
	return try_module_get(module);
}
