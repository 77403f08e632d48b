// SPDX-License-Identifier: GPL-2.0

#include <linux/etherdevice.h>
#include <linux/netdevice.h>

__rust_helper void smc_rs_helper_dev_hold(struct net_device *dev)
{
	dev_hold(dev);
}

__rust_helper void smc_rs_helper_dev_put(struct net_device *dev)
{
	dev_put(dev);
}

__rust_helper int smc_rs_helper_netdev_ifindex(const struct net_device *dev)
{
	return READ_ONCE(dev->ifindex);
}

/* ETH_ALEN bytes; whether the device has such an address. */
__rust_helper bool smc_rs_helper_netdev_mac(const struct net_device *dev, u8 *mac)
{
	if (dev->addr_len != ETH_ALEN)
		return false;
	memcpy(mac, dev->dev_addr, ETH_ALEN);
	return true;
}
