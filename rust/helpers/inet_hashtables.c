// SPDX-License-Identifier: GPL-2.0

#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>
#include <net/sock.h>
#include <net/tcp.h>

/* Which connection a sock is: what sock_diag calls it by. */
__rust_helper void smc_rs_helper_sk_diag_id(struct sock *sk, struct inet_diag_sockid *id)
{
	memset(id, 0, sizeof(*id));
	id->idiag_sport = htons(READ_ONCE(sk->sk_num));
	id->idiag_dport = READ_ONCE(sk->sk_dport);
	id->idiag_if = READ_ONCE(sk->sk_bound_dev_if);
	sock_diag_save_cookie(sk, id->idiag_cookie);
#if IS_ENABLED(CONFIG_IPV6)
	if (READ_ONCE(sk->sk_family) == AF_INET6) {
		memcpy(id->idiag_src, &sk->sk_v6_rcv_saddr, sizeof(id->idiag_src));
		memcpy(id->idiag_dst, &sk->sk_v6_daddr, sizeof(id->idiag_dst));
		return;
	}
#endif
	id->idiag_src[0] = sk->sk_rcv_saddr;
	id->idiag_dst[0] = sk->sk_daddr;
}

/* The connection by that, if a file has it; held. */
__rust_helper struct sock *smc_rs_helper_tcp_by_diag_id(struct net *net,
							const struct inet_diag_sockid *id, bool v6)
{
	struct inet_hashinfo *hashinfo = net->ipv4.tcp_death_row.hashinfo;
	const struct in6_addr *src = (const struct in6_addr *)id->idiag_src;
	const struct in6_addr *dst = (const struct in6_addr *)id->idiag_dst;
	bool mapped = v6 && ipv6_addr_v4mapped(dst);
	u16 num = ntohs(id->idiag_sport);
	struct sock *sk = NULL;

	rcu_read_lock();
	if (!v6 || mapped)
		sk = __inet_lookup_established(net, hashinfo,
					       id->idiag_dst[mapped ? 3 : 0], id->idiag_dport,
					       id->idiag_src[mapped ? 3 : 0], num,
					       id->idiag_if, 0);
#if IS_ENABLED(CONFIG_IPV6)
	else
		sk = __inet6_lookup_established(net, hashinfo, dst, id->idiag_dport, src, num,
						id->idiag_if, 0);
#endif
	rcu_read_unlock();
	if (!sk)
		return NULL;
	if (sk_fullsock(sk) && !sock_flag(sk, SOCK_DEAD) &&
	    !sock_diag_check_cookie(sk, id->idiag_cookie))
		return sk;
	sock_gen_put(sk);
	return NULL;
}

__rust_helper bool smc_rs_helper_sock_hold_not_zero(struct sock *sk)
{
	return refcount_inc_not_zero(&sk->sk_refcnt);
}
