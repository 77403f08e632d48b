// SPDX-License-Identifier: GPL-2.0

#include <net/rps.h>
#include <net/sock.h>

__rust_helper void smc_rs_helper_sock_hold(struct sock *sk)
{
	sock_hold(sk);
}

__rust_helper void smc_rs_helper_sock_put(struct sock *sk)
{
	sock_put(sk);
}

__rust_helper void smc_rs_helper_lock_sock(struct sock *sk)
{
	lock_sock(sk);
}

__rust_helper void smc_rs_helper_sk_callback_read_lock(struct sock *sk)
{
	read_lock_bh(&sk->sk_callback_lock);
}

__rust_helper void smc_rs_helper_sk_callback_read_unlock(struct sock *sk)
{
	read_unlock_bh(&sk->sk_callback_lock);
}

__rust_helper void smc_rs_helper_sk_callback_write_lock(struct sock *sk)
{
	write_lock_bh(&sk->sk_callback_lock);
}

__rust_helper void smc_rs_helper_sk_callback_write_unlock(struct sock *sk)
{
	write_unlock_bh(&sk->sk_callback_lock);
}

/* A clone of the sock does not get the pointer. */
__rust_helper void smc_rs_helper_sk_set_user_data(struct sock *sk, void *ptr)
{
	__rcu_assign_sk_user_data_with_flags(sk, ptr, ptr ? SK_USER_DATA_NOCOPY : 0);
}

__rust_helper void *smc_rs_helper_sk_user_data(struct sock *sk)
{
	return rcu_dereference_check(__sk_user_data(sk),
				     lockdep_is_held(&sk->sk_callback_lock));
}

__rust_helper void *smc_rs_helper_sk_user_data_ptr(void *tagged)
{
	return (void *)((uintptr_t)tagged & SK_USER_DATA_PTRMASK);
}

__rust_helper struct net *smc_rs_helper_sock_net(const struct sock *sk)
{
	return sock_net(sk);
}

__rust_helper void smc_rs_helper_sock_prot_inuse_add(struct net *net, struct proto *prot, int val)
{
	sock_prot_inuse_add(net, prot, val);
}

__rust_helper struct proto *smc_rs_helper_sk_prot(const struct sock *sk)
{
	return READ_ONCE(sk->sk_prot);
}

__rust_helper unsigned short smc_rs_helper_sk_family(const struct sock *sk)
{
	return READ_ONCE(sk->sk_family);
}

__rust_helper int smc_rs_helper_sk_state(const struct sock *sk)
{
	/* Pairs with the release in inet_sk_state_store(). */
	return smp_load_acquire(&sk->sk_state);
}

__rust_helper bool smc_rs_helper_sk_is_shut_down(const struct sock *sk)
{
	return READ_ONCE(sk->sk_shutdown);
}

__rust_helper wait_queue_head_t *smc_rs_helper_sk_sleep(struct sock *sk)
{
	return sk_sleep(sk);
}

__rust_helper void smc_rs_helper_sk_wake_async_out(struct sock *sk)
{
	sk_wake_async(sk, SOCK_WAKE_IO, POLL_OUT);
}

__rust_helper void smc_rs_helper_sock_rps_record_flow(const struct sock *sk)
{
	sock_rps_record_flow(sk);
}

__rust_helper void smc_rs_helper_sock_graft(struct sock *sk, struct socket *parent)
{
	sock_graft(sk, parent);
}

__rust_helper long smc_rs_helper_sock_rcvtimeo(const struct sock *sk, bool noblock)
{
	return sock_rcvtimeo(sk, noblock);
}

__rust_helper long smc_rs_helper_sock_sndtimeo(const struct sock *sk, bool noblock)
{
	return sock_sndtimeo(sk, noblock);
}

__rust_helper int smc_rs_helper_sock_intr_errno(long timeo)
{
	return sock_intr_errno(timeo);
}

__rust_helper bool smc_rs_helper_sk_receive_queue_empty(const struct sock *sk)
{
	return skb_queue_empty_lockless(&sk->sk_receive_queue);
}

__rust_helper bool smc_rs_helper_sk_has_policy(const struct sock *sk)
{
#ifdef CONFIG_XFRM
	return rcu_access_pointer(sk->sk_policy[0]) || rcu_access_pointer(sk->sk_policy[1]);
#else
	return false;
#endif
}

__rust_helper gfp_t smc_rs_helper_sk_swap_allocation(struct sock *sk, gfp_t mask)
{
	gfp_t old = sk->sk_allocation;

	sk->sk_allocation = mask;
	return old;
}

__rust_helper bool smc_rs_helper_sk_can_scatter(const struct sock *sk)
{
	return sk->sk_route_caps & NETIF_F_SG;
}

__rust_helper u32 smc_rs_helper_sk_swap_tsflags(struct sock *sk, u32 flags)
{
	u32 old = sk->sk_tsflags;

	WRITE_ONCE(sk->sk_tsflags, flags);
	return old;
}

__rust_helper int smc_rs_helper_sk_swap_rcvlowat(struct sock *sk, int val)
{
	int old = sk->sk_rcvlowat;

	WRITE_ONCE(sk->sk_rcvlowat, val);
	return old;
}

__rust_helper struct socket *smc_rs_helper_sk_socket(struct sock *sk)
{
	return sk->sk_socket;
}

/* Undoes sock_graft(), but for the pointer in the socket. */
__rust_helper void smc_rs_helper_sk_part(struct sock *sk)
{
	write_lock_bh(&sk->sk_callback_lock);
	rcu_assign_pointer(sk->sk_wq, NULL);
	sk_set_socket(sk, NULL);
	write_unlock_bh(&sk->sk_callback_lock);
}

/* `sock` is where TCP looks, without becoming the owner. The sock is locked. */
__rust_helper void smc_rs_helper_sk_lend_socket(struct sock *sk, struct socket *sock)
{
	write_lock_bh(&sk->sk_callback_lock);
	rcu_assign_pointer(sk->sk_wq, &sock->wq);
	sk_set_socket(sk, sock);
	write_unlock_bh(&sk->sk_callback_lock);
}

__rust_helper void smc_rs_helper_sk_return_socket(struct sock *sk, struct socket *sock)
{
	smc_rs_helper_sk_part(sk);
	clear_bit(SOCK_NOSPACE, &sock->flags);
}

__rust_helper void smc_rs_helper_sk_set_prot(struct sock *sk, struct proto *prot)
{
	WRITE_ONCE(sk->sk_prot, prot);
}

__rust_helper void smc_rs_helper_sk_fail(struct sock *sk, int err)
{
	WRITE_ONCE(sk->sk_err, err);
	sk_error_report(sk);
}

/* What SO_RCVBUF has set, which is twice what it was given; 0 if it has not. */
__rust_helper int smc_rs_helper_sk_set_rcvbuf(const struct sock *sk)
{
	return sk->sk_userlocks & SOCK_RCVBUF_LOCK ? READ_ONCE(sk->sk_rcvbuf) : 0;
}

__rust_helper int smc_rs_helper_sk_set_sndbuf(const struct sock *sk)
{
	return sk->sk_userlocks & SOCK_SNDBUF_LOCK ? READ_ONCE(sk->sk_sndbuf) : 0;
}
