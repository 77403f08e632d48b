// SPDX-License-Identifier: GPL-2.0

#include <net/net_namespace.h>
#include <net/netns/generic.h>

__rust_helper void *smc_rs_helper_net_generic_data(const struct net *net, unsigned int id)
{
	return net_generic(net, id);
}
