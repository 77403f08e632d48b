// SPDX-License-Identifier: GPL-2.0

#include <linux/utsname.h>

/* A name that is just being changed may come out as neither, but ends. */
__rust_helper void smc_rs_helper_uts_nodename(u8 *to, size_t len)
{
	const char *name = init_utsname()->nodename;

	memcpy(to, name, min(len, strnlen(name, __NEW_UTS_LEN)));
}
