// SPDX-License-Identifier: GPL-2.0

#include <linux/inetdevice.h>
#include <net/addrconf.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/neighbour.h>
#include <net/route.h>
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
__rust_helper bool smc_rs_helper_netdev_any_addr(struct net_device *dev, bool (*each)(void *ctx,
						 const u8 *addr, size_t len, u8 prefix_len),
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
__rust_helper bool smc_rs_helper_sk_dev_any_addr(struct sock *sk, bool (*each)(void *ctx,
						 const u8 *addr, size_t len, u8 prefix_len),
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

/* What a route is like; its device gets a reference. */
static void smc_rs_describe(const struct dst_entry *dst, struct net_device **dev, bool *local)
{
	*dev = dst->dev;
	dev_hold(*dev);
	if (dst->ops->family == AF_INET)
		*local = dst_rtable(dst)->rt_flags & RTCF_LOCAL;
	else
		*local = dst_rt6_info(dst)->rt6i_flags & RTF_LOCAL;
}

static struct dst_entry *smc_rs_route_connect4(struct sock *sk, __be32 daddr, __be16 dport,
					       struct in6_addr *from)
{
	const struct inet_sock *inet = inet_sk(sk);
	const struct ip_options_rcu *opt;
	__be32 nexthop = daddr;
	struct flowi4 fl4;
	struct rtable *rt;

	opt = rcu_dereference_protected(inet->inet_opt, lockdep_sock_is_held(sk));
	if (opt && opt->opt.srr) {
		if (!daddr)
			return ERR_PTR(-EINVAL);
		nexthop = opt->opt.faddr;
	}
	rt = ip_route_connect(&fl4, nexthop, inet->inet_saddr, sk->sk_bound_dev_if, IPPROTO_TCP,
			      inet->inet_sport, dport, sk);
	if (IS_ERR(rt))
		return ERR_CAST(rt);
	if (rt->rt_flags & (RTCF_MULTICAST | RTCF_BROADCAST)) {
		ip_rt_put(rt);
		return ERR_PTR(-ENETUNREACH);
	}
	ipv6_addr_set_v4mapped(fl4.saddr, from);
	return &rt->dst;
}

#if IS_ENABLED(CONFIG_IPV6)
static struct dst_entry *smc_rs_route_connect6(struct sock *sk, const struct sockaddr_in6 *addr,
					       int len, struct in6_addr *from)
{
	const struct ipv6_pinfo *np = inet6_sk(sk);
	struct in6_addr final, *final_p;
	__be32 label = 0;
	struct flowi6 fl6 = {
		.flowi6_proto = IPPROTO_TCP,
		.flowi6_oif = sk->sk_bound_dev_if,
		.flowi6_mark = READ_ONCE(sk->sk_mark),
		.flowi6_uid = sk->sk_uid,
		.fl6_dport = addr->sin6_port,
		.fl6_sport = inet_sk(sk)->inet_sport,
		.daddr = addr->sin6_addr,
	};
	struct dst_entry *dst;
	int type;

	if (ipv6_addr_any(&fl6.daddr)) {
		if (ipv6_addr_v4mapped(&sk->sk_v6_rcv_saddr))
			ipv6_addr_set_v4mapped(htonl(INADDR_LOOPBACK), &fl6.daddr);
		else
			fl6.daddr = in6addr_loopback;
	}
	type = ipv6_addr_type(&fl6.daddr);
	if (type & IPV6_ADDR_MULTICAST)
		return ERR_PTR(-ENETUNREACH);
	if (type & IPV6_ADDR_LINKLOCAL) {
		if (len >= (int)sizeof(*addr) && addr->sin6_scope_id) {
			if (!sk_dev_equal_l3scope(sk, addr->sin6_scope_id))
				return ERR_PTR(-EINVAL);
			fl6.flowi6_oif = addr->sin6_scope_id;
		}
		if (!fl6.flowi6_oif)
			return ERR_PTR(-EINVAL);
	}
	if (type & IPV6_ADDR_MAPPED) {
		if (ipv6_only_sock(sk))
			return ERR_PTR(-ENETUNREACH);
		return smc_rs_route_connect4(sk, fl6.daddr.s6_addr32[3], addr->sin6_port, from);
	}
	fl6.saddr = ipv6_addr_any(&sk->sk_v6_rcv_saddr) ? np->saddr : sk->sk_v6_rcv_saddr;
	if (inet6_test_bit(SNDFLOW, sk))
		label = addr->sin6_flowinfo & IPV6_FLOWLABEL_MASK;
	fl6.flowlabel = ip6_make_flowinfo(np->tclass, label);
	final_p = fl6_update_dst(&fl6, rcu_dereference_protected(np->opt, lockdep_sock_is_held(sk)),
				 &final);
	security_sk_classify_flow(sk, flowi6_to_flowi_common(&fl6));
	dst = ip6_dst_lookup_flow(sock_net(sk), sk, &fl6, final_p);
	if (!IS_ERR(dst))
		*from = fl6.saddr;
	return dst;
}
#endif

/*
 * The route that connect() to `addr` would take, of a locked sock: its device,
 * with a reference, and this end's address, one of IPv4 mapped.
 */
__rust_helper int smc_rs_helper_route_connect(struct sock *sk, const struct sockaddr *addr, int len,
					      struct net_device **dev, struct in6_addr *from,
					      bool *local)
{
	const struct sockaddr_in *addr4 = (const struct sockaddr_in *)addr;
	struct dst_entry *dst;

	if (len < (int)sizeof(addr->sa_family))
		return -EINVAL;
	if (addr->sa_family != sk->sk_family)
		return -EAFNOSUPPORT;
	if (sk->sk_family == AF_INET) {
		if (len < (int)sizeof(*addr4))
			return -EINVAL;
		dst = smc_rs_route_connect4(sk, addr4->sin_addr.s_addr, addr4->sin_port, from);
#if IS_ENABLED(CONFIG_IPV6)
	} else if (sk->sk_family == AF_INET6) {
		if (len < SIN6_LEN_RFC2133)
			return -EINVAL;
		dst = smc_rs_route_connect6(sk, (const struct sockaddr_in6 *)addr, len, from);
#endif
	} else {
		return -EAFNOSUPPORT;
	}
	if (IS_ERR(dst))
		return PTR_ERR(dst);
	smc_rs_describe(dst, dev, local);
	dst_release(dst);
	return 0;
}

/* The same of a connected sock; false if it has no route now. */
__rust_helper bool smc_rs_helper_route_of(struct sock *sk, struct net_device **dev,
					  struct in6_addr *from, bool *local)
{
	struct dst_entry *dst = sk_dst_get(sk);

	if (!dst)
		return false;
	smc_rs_describe(dst, dev, local);
	dst_release(dst);
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6) {
		*from = sk->sk_v6_rcv_saddr;
		return true;
	}
#endif
	ipv6_addr_set_v4mapped(inet_sk(sk)->inet_saddr, from);
	return true;
}

/* The namespace of a device, which may be moved to another; NULL if it ends. */
static struct net *net_of(const struct net_device *dev)
{
	struct net *net;

	rcu_read_lock();
	net = maybe_get_net(dev_net(dev));
	rcu_read_unlock();
	return net;
}

/* Whether one other host has the address, as far as the routing tables say. */
__rust_helper bool smc_rs_helper_route_is_unicast(const struct net_device *dev, __be32 addr)
{
	struct net *net = net_of(dev);
	bool unicast;

	if (!net)
		return false;
	unicast = inet_addr_type(net, addr) == RTN_UNICAST;
	put_net(net);
	return unicast;
}

/*
 * Where packets from `saddr` to `daddr` go next: whether that is a gateway, and its
 * MAC address, which is asked for if it is not known.
 */
__rust_helper int smc_rs_helper_route_next_hop(const struct net_device *dev, __be32 saddr,
					       __be32 daddr, bool *gateway, bool *known, u8 *mac)
{
	struct flowi4 fl4 = { .saddr = saddr, .daddr = daddr };
	struct net *net = net_of(dev);
	struct neighbour *neigh;
	struct rtable *rt;
	int ret = 0;

	if (!net)
		return -ENODEV;
	rt = ip_route_output_flow(net, &fl4, NULL);
	if (IS_ERR(rt)) {
		put_net(net);
		return PTR_ERR(rt);
	}
	if (rt->rt_type != RTN_UNICAST) {
		ret = -ENETUNREACH;
		goto out;
	}
	*gateway = rt->rt_uses_gateway;
	*known = false;
	neigh = dst_neigh_lookup(&rt->dst, &fl4.daddr);
	if (!neigh || neigh->dev->addr_len != ETH_ALEN) {
		ret = -EHOSTUNREACH;
	} else if (READ_ONCE(neigh->nud_state) & NUD_VALID) {
		neigh_ha_snapshot(mac, neigh, neigh->dev);
		*known = true;
	} else {
		neigh_event_send(neigh, NULL);
	}
	if (neigh)
		neigh_release(neigh);
out:
	ip_rt_put(rt);
	put_net(net);
	return ret;
}
