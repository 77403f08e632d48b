// SPDX-License-Identifier: GPL-2.0

#include <net/sock.h>

void smc_rs_helper_sock_hold(struct sock *sk)
{
	sock_hold(sk);
}

void smc_rs_helper_sock_put(struct sock *sk)
{
	sock_put(sk);
}

void smc_rs_helper_sock_orphan(struct sock *sk)
{
	sock_orphan(sk);
}

struct net *smc_rs_helper_sock_net(const struct sock *sk)
{
	return sock_net(sk);
}

void smc_rs_helper_sock_prot_inuse_add(struct net *net, struct proto *prot, int val)
{
	sock_prot_inuse_add(net, prot, val);
}

/*
 * An AF_SMC socket holds a TCP socket; both have a socket lock, of different
 * lockdep classes, since the one is taken inside the other.
 */
void smc_rs_helper_sock_lock_init_class(struct sock *sk)
{
	static struct lock_class_key slock_key, sk_lock_key;

	sock_lock_init_class_and_name(sk, "slock-AF_SMC", &slock_key,
				      "sk_lock-AF_SMC", &sk_lock_key);
}

struct proto *smc_rs_helper_sk_prot(const struct sock *sk)
{
	return READ_ONCE(sk->sk_prot);
}

unsigned short smc_rs_helper_sk_family(const struct sock *sk)
{
	return sk->sk_family;
}
