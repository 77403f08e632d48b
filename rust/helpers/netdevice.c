// SPDX-License-Identifier: GPL-2.0

#include <linux/if_vlan.h>
#include <linux/netdevice.h>

void smc_rs_helper_dev_hold(struct net_device *dev)
{
	dev_hold(dev);
}

void smc_rs_helper_dev_put(struct net_device *dev)
{
	dev_put(dev);
}

int smc_rs_helper_netdev_ifindex(const struct net_device *dev)
{
	return READ_ONCE(dev->ifindex);
}

/* IFNAMSIZ bytes, with a NUL at the end even while the device is renamed. */
void smc_rs_helper_netdev_name(const struct net_device *dev, char *name)
{
	strscpy(name, dev->name, IFNAMSIZ);
}

/* ETH_ALEN bytes; whether the device has such an address. */
bool smc_rs_helper_netdev_mac(const struct net_device *dev, u8 *mac)
{
	if (dev->addr_len != ETH_ALEN)
		return false;
	memcpy(mac, dev->dev_addr, ETH_ALEN);
	return true;
}

unsigned int smc_rs_helper_netdev_mtu(const struct net_device *dev)
{
	return READ_ONCE(dev->mtu);
}

bool smc_rs_helper_netdev_is_up(const struct net_device *dev)
{
	return netif_running(dev) && netif_carrier_ok(dev);
}

bool smc_rs_helper_netdev_is_loopback(const struct net_device *dev)
{
	return READ_ONCE(dev->flags) & IFF_LOOPBACK;
}

bool smc_rs_helper_netdev_is_in(const struct net_device *dev, const struct net *net)
{
	return net_eq(dev_net(dev), net);
}

bool smc_rs_helper_netdev_vlan(const struct net_device *dev, u16 *id)
{
	if (!is_vlan_dev(dev))
		return false;
	*id = vlan_dev_vlan_id(dev);
	return true;
}
