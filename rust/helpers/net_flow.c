// SPDX-License-Identifier: GPL-2.0

#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <net/sock.h>
#include <net/tcp.h>

/* Wakes who waits for `events`, and tells who wants a signal. */
__rust_helper void smc_rs_helper_sk_wake(struct sock *sk, __poll_t events, bool all)
{
	struct socket_wq *wq;

	rcu_read_lock();
	wq = rcu_dereference(sk->sk_wq);
	if (skwq_has_sleeper(wq)) {
		if (all)
			__wake_up(&wq->wait, TASK_INTERRUPTIBLE, 0, poll_to_key(events));
		else
			wake_up_interruptible_sync_poll(&wq->wait, events);
	}
	if (events & EPOLLIN)
		sk_wake_async_rcu(sk, SOCK_WAKE_WAITD, POLL_IN);
	if (events & EPOLLOUT)
		sk_wake_async_rcu(sk, SOCK_WAKE_SPACE, POLL_OUT);
	rcu_read_unlock();
}

/* The next room in the send buffer is worth a signal. */
__rust_helper void smc_rs_helper_sk_set_nospace(struct sock *sk)
{
	sk_set_bit(SOCKWQ_ASYNC_NOSPACE, sk);
}

/* The file that the signal is for stays there under the lock. */
__rust_helper void smc_rs_helper_sk_signal_urgent(struct sock *sk)
{
	read_lock_bh(&sk->sk_callback_lock);
	sk_send_sigurg(sk);
	read_unlock_bh(&sk->sk_callback_lock);
}

__rust_helper bool smc_rs_helper_sk_urg_inline(const struct sock *sk)
{
	return sock_flag(sk, SOCK_URGINLINE);
}

/* SO_LINGER in jiffies, or -1 if it is off. */
__rust_helper long smc_rs_helper_sk_linger(const struct sock *sk)
{
	return sock_flag(sk, SOCK_LINGER) ? READ_ONCE(sk->sk_lingertime) : -1;
}

__rust_helper bool smc_rs_helper_current_is_exiting(void)
{
	return current->flags & PF_EXITING;
}

__rust_helper int smc_rs_helper_sk_err(const struct sock *sk)
{
	return READ_ONCE(sk->sk_err);
}

__rust_helper int smc_rs_helper_sock_error(struct sock *sk)
{
	return sock_error(sk);
}

/* The first error stays. */
__rust_helper void smc_rs_helper_sk_set_err(struct sock *sk, int err)
{
	cmpxchg(&sk->sk_err, 0, err);
}

/* As shutdown(2), on a connection that may have lost its file. */
__rust_helper void smc_rs_helper_sk_shutdown(struct sock *sk, int how)
{
	lock_sock(sk);
	if (!sock_flag(sk, SOCK_DEAD) && sk->sk_state != TCP_CLOSE) {
		WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | how);
		sk->sk_prot->shutdown(sk, how);
	}
	release_sock(sk);
}

__rust_helper bool smc_rs_helper_tcp_is_corked(const struct sock *sk)
{
	return tcp_sk(sk)->nonagle & TCP_NAGLE_CORK;
}

__rust_helper bool smc_rs_helper_tcp_is_nodelay(const struct sock *sk)
{
	return tcp_sk(sk)->nonagle & TCP_NAGLE_OFF;
}

__rust_helper u32 smc_rs_helper_tcp_notsent_lowat(const struct sock *sk)
{
	return tcp_notsent_lowat(tcp_sk(sk));
}

__rust_helper int smc_rs_helper_sk_peek_offset(const struct sock *sk, int flags)
{
	return sk_peek_offset(sk, flags);
}

__rust_helper void smc_rs_helper_sk_peek_offset_fwd(struct sock *sk, int bytes)
{
	sk_peek_offset_fwd(sk, bytes);
}

__rust_helper void smc_rs_helper_sk_peek_offset_bwd(struct sock *sk, int bytes)
{
	sk_peek_offset_bwd(sk, bytes);
}

__rust_helper int smc_rs_helper_sock_rcvlowat(const struct sock *sk, int waitall, int len)
{
	return sock_rcvlowat(sk, waitall, len);
}

__rust_helper void smc_rs_helper_sock_poll_wait(struct file *file, struct socket *sock,
						poll_table *table)
{
	sock_poll_wait(file, sock, table);
}

/* Bytes that are left to be read, for who has asked to be told. */
__rust_helper void smc_rs_helper_msg_put_inq(const struct sock *sk, struct msghdr *msg, int inq)
{
	if (tcp_sk(sk)->recvmsg_inq)
		put_cmsg(msg, SOL_TCP, TCP_CM_INQ, sizeof(inq), &inq);
	if (msg->msg_get_inq)
		msg->msg_inq = inq;
}

/* Announces `size` bytes, sent with MSG_ZEROCOPY, as copied and done with. */
__rust_helper int smc_rs_helper_sk_zerocopy_copied(struct sock *sk, size_t size)
{
	struct ubuf_info *uarg;

	if (!sock_flag(sk, SOCK_ZEROCOPY))
		return 0;
	uarg = msg_zerocopy_realloc(sk, size, NULL);
	if (!uarg)
		return -ENOBUFS;
	uarg_to_msgzc(uarg)->zerocopy = 0;
	net_zcopy_put(uarg);
	return 0;
}

__rust_helper bool smc_rs_helper_sk_has_messages(const struct sock *sk)
{
	return !skb_queue_empty_lockless(&sk->sk_error_queue);
}
