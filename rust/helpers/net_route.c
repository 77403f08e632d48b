// SPDX-License-Identifier: GPL-2.0

#include <linux/inetdevice.h>
#include <net/addrconf.h>
#include <net/sock.h>

static bool smc_rs_each_addr4(struct net_device *dev,
			      bool (*each)(void *ctx, const u8 *addr, size_t len, u8 prefix_len),
			      void *ctx)
{
	struct in_device *in_dev = __in_dev_get_rcu(dev);
	const struct in_ifaddr *ifa;

	if (!in_dev)
		return false;
	in_dev_for_each_ifa_rcu(ifa, in_dev)
		if (each(ctx, (const u8 *)&ifa->ifa_local, sizeof(ifa->ifa_local),
			 inet_mask_len(ifa->ifa_mask)))
			return true;
	return false;
}

static bool smc_rs_each_addr6(struct net_device *dev,
			      bool (*each)(void *ctx, const u8 *addr, size_t len, u8 prefix_len),
			      void *ctx)
{
	bool found = false;
#if IS_ENABLED(CONFIG_IPV6)
	struct inet6_dev *in6_dev = __in6_dev_get(dev);
	const struct inet6_ifaddr *ifa;

	if (!in6_dev)
		return false;
	read_lock_bh(&in6_dev->lock);
	list_for_each_entry(ifa, &in6_dev->addr_list, if_list) {
		found = each(ctx, ifa->addr.s6_addr, sizeof(ifa->addr), ifa->prefix_len);
		if (found)
			break;
	}
	read_unlock_bh(&in6_dev->lock);
#endif
	return found;
}

/* The addresses of a device; whether `each` has said yes to one of them. */
bool smc_rs_helper_netdev_any_addr(struct net_device *dev,
				   bool (*each)(void *ctx, const u8 *addr, size_t len,
						u8 prefix_len),
				   void *ctx)
{
	bool found;

	rcu_read_lock();
	found = smc_rs_each_addr4(dev, each, ctx) || smc_rs_each_addr6(dev, each, ctx);
	rcu_read_unlock();
	return found;
}

/*
 * The addresses of the device that the route of a connection leads to; whether
 * `each` has said yes to one of them.
 */
bool smc_rs_helper_sk_dev_any_addr(struct sock *sk,
			      bool (*each)(void *ctx, const u8 *addr, size_t len, u8 prefix_len),
			      void *ctx)
{
	struct dst_entry *dst;
	bool found = false;

	rcu_read_lock();
	dst = __sk_dst_get(sk);
	if (dst) {
		struct net_device *dev = READ_ONCE(dst->dev);

		found = smc_rs_each_addr4(dev, each, ctx) || smc_rs_each_addr6(dev, each, ctx);
	}
	rcu_read_unlock();
	return found;
}
