// SPDX-License-Identifier: GPL-2.0

#include <net/inet_connection_sock.h>
#include <net/inet_sock.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/tcp.h>

/*
 * From patches/: a kernel without them has it not, which the module finds out when
 * it is loaded. Called by way of a pointer, for an address of zero may be out of a
 * call's reach.
 */
extern void tcp_fastopen_smc_only(struct sock *sk, bool on) __weak;

static void (* const smc_rs_fastopen_smc_only)(struct sock *sk, bool on) =
	tcp_fastopen_smc_only;

__rust_helper bool smc_rs_helper_tcp_has_fastopen_smc_only(void)
{
	return READ_ONCE(smc_rs_fastopen_smc_only);
}

__rust_helper void smc_rs_helper_tcp_set_fastopen_smc_only(struct sock *sk, bool on)
{
	READ_ONCE(smc_rs_fastopen_smc_only)(sk, on);
}

__rust_helper int smc_rs_helper_sysctl_tcp_fastopen(const struct net *net)
{
	return READ_ONCE(net->ipv4.sysctl_tcp_fastopen);
}

__rust_helper void smc_rs_helper_fastopen_queue_tune(struct sock *sk, int backlog)
{
	fastopen_queue_tune(sk, backlog);
}

__rust_helper bool smc_rs_helper_tcp_syn_data_acked(const struct sock *sk)
{
	return tcp_sk(sk)->syn_data_acked;
}

/* Whether a SYN with data had to be sent again. */
__rust_helper bool smc_rs_helper_tcp_syn_was_lost(const struct sock *sk)
{
	return tcp_sk(sk)->fastopen_client_fail == TFO_SYN_RETRANSMITTED;
}

__rust_helper bool smc_rs_helper_sk_dead(const struct sock *sk)
{
	return sock_flag(sk, SOCK_DEAD);
}

__rust_helper bool smc_rs_helper_sk_port_is_bound(const struct sock *sk)
{
	return sk->sk_userlocks & SOCK_BINDPORT_LOCK;
}

__rust_helper u32 smc_rs_helper_sk_bound_interface(const struct sock *sk)
{
	return READ_ONCE(sk->sk_bound_dev_if);
}

/* The peer of a connection. */
__rust_helper void smc_rs_helper_sk_peer(const struct sock *sk, struct in6_addr *addr, __be16 *port)
{
	*port = inet_sk(sk)->inet_dport;
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6) {
		*addr = sk->sk_v6_daddr;
		return;
	}
#endif
	ipv6_addr_set_v4mapped(inet_sk(sk)->inet_daddr, addr);
}

/* ACKs wait for something to go with, for a while. The sock is locked. */
__rust_helper void smc_rs_helper_inet_csk_enter_pingpong_mode(struct sock *sk)
{
	inet_csk_enter_pingpong_mode(sk);
}

/*
 * Lets the ACK of what has come so far wait for something to go with, a tick of the
 * clock at most.  The sock is new.
 */
__rust_helper void smc_rs_helper_tcp_ack_soon(struct sock *sk)
{
	inet_csk(sk)->icsk_delack_max = 1;
	inet_csk_enter_pingpong_mode(sk);
}

/* Undoes it: for what comes next the sock delays ACKs as its listener says. It is locked. */
__rust_helper void smc_rs_helper_tcp_ack_as(struct sock *sk, const struct sock *listener)
{
	inet_csk(sk)->icsk_delack_max = READ_ONCE(inet_csk(listener)->icsk_delack_max);
	inet_csk_exit_pingpong_mode(sk);
}
