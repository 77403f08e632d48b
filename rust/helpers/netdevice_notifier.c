// SPDX-License-Identifier: GPL-2.0

#include <linux/netdevice.h>

__rust_helper struct net_device *
smc_rs_helper_netdev_notifier_info_to_dev(const struct netdev_notifier_info *info)
{
	return netdev_notifier_info_to_dev(info);
}

__rust_helper struct net *smc_rs_helper_dev_net(const struct net_device *dev)
{
	return dev_net(dev);
}

/* The index of a device by its name, 0 if there is none. */
__rust_helper int smc_rs_helper_netdev_index_by_name(struct net *net, const char *name)
{
	struct net_device *dev;
	int ifindex = 0;

	rcu_read_lock();
	dev = dev_get_by_name_rcu(net, name);
	if (dev)
		ifindex = dev->ifindex;
	rcu_read_unlock();
	return ifindex;
}

/*
 * What a device stands on, in the end: of several the first.  Tells `found` its
 * namespace and index, nothing if the device is not there.
 */
__rust_helper void smc_rs_helper_netdev_base(struct net *net, int ifindex, void (*found)(void *ctx,
					     struct net *net, int ifindex), void *ctx)
{
	struct net_device *dev, *lower;
	struct list_head *iter;
	int depth;

	rcu_read_lock();
	dev = dev_get_by_index_rcu(net, ifindex);
	if (!dev)
		goto out;
	for (depth = dev->lower_level; depth > 0; depth--) {
		iter = &dev->adj_list.lower;
		lower = netdev_next_lower_dev_rcu(dev, &iter);
		if (!lower)
			break;
		dev = lower;
	}
	found(ctx, dev_net(dev), dev->ifindex);
out:
	rcu_read_unlock();
}
