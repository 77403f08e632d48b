// SPDX-License-Identifier: GPL-2.0

#include <net/inet_connection_sock.h>
#include <net/smc.h>
#include <net/tcp.h>

__rust_helper bool smc_rs_helper_tcp_syn_smc(const struct sock *sk)
{
	return READ_ONCE(tcp_sk(sk)->syn_smc);
}

__rust_helper void smc_rs_helper_tcp_set_syn_smc(struct sock *sk, bool on)
{
	WRITE_ONCE(tcp_sk(sk)->syn_smc, on);
}

/* Whether the peer's SYN or SYN-ACK had the SMC option. */
__rust_helper bool smc_rs_helper_tcp_peer_smc_ok(const struct sock *sk)
{
	return tcp_sk(sk)->rx_opt.smc_ok;
}

/* Whether the peer has all that was sent, as far as is known. */
__rust_helper bool smc_rs_helper_tcp_all_arrived(const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);

	return READ_ONCE(tp->snd_una) == READ_ONCE(tp->write_seq);
}

/*
 * How often the SYN has been repeated; -1 if there is none that waits for its answer.
 * Before TCP sends one the counter is that of the last.
 */
__rust_helper int smc_rs_helper_tcp_syn_repeats(const struct sock *sk)
{
	return sk->sk_state == TCP_SYN_SENT && tcp_sk(sk)->packets_out ?
		       inet_csk(sk)->icsk_retransmits : -1;
}

/* How often a SYN is repeated before connect() fails. */
__rust_helper int smc_rs_helper_tcp_max_syn_repeats(const struct sock *sk)
{
	const struct net *net = sock_net(sk);
	int backoff = READ_ONCE(inet_csk(sk)->icsk_syn_retries) ? :
		      READ_ONCE(net->ipv4.sysctl_tcp_syn_retries);

	return backoff + READ_ONCE(net->ipv4.sysctl_tcp_syn_linear_timeouts);
}

/* Whether anything, which is the SYN on a new connection, had to be sent again. */
__rust_helper bool smc_rs_helper_tcp_has_repeated(const struct sock *sk)
{
	return tcp_sk(sk)->total_retrans;
}

/* Whether a segment has come since the sock was made, or was last disconnected. */
__rust_helper bool smc_rs_helper_tcp_was_answered(const struct sock *sk)
{
	return READ_ONCE(tcp_sk(sk)->segs_in);
}

__rust_helper u32 smc_rs_helper_tcp_delivered(const struct sock *sk)
{
	return tcp_sk(sk)->delivered;
}

__rust_helper u8 smc_rs_helper_tcp_defer_accept(const struct sock *sk)
{
	return READ_ONCE(inet_csk(sk)->icsk_accept_queue.rskq_defer_accept);
}

__rust_helper void smc_rs_helper_tcp_set_smc_hs_congested(struct sock *sk,
							  bool (*congested)(const struct sock *sk))
{
	WRITE_ONCE(tcp_sk(sk)->smc_hs_congested, congested);
}

__rust_helper bool smc_rs_helper_tcp_has_smc_hs_congested(const struct sock *sk)
{
	return READ_ONCE(tcp_sk(sk)->smc_hs_congested);
}

/*
 * Copies what has come with the ACK that has made this connection, as far as
 * there is room for it, unless something else has to be read before it. TCP
 * has the header in front of it still.
 */
__rust_helper u32 smc_rs_helper_tcp_first_bytes(const struct sock *child, const struct sk_buff *skb,
						u8 *buf, u32 len)
{
	const struct tcphdr *th = tcp_hdr(skb);
	u32 off = th->doff * 4;

	if (th->syn || skb->len <= off || TCP_SKB_CB(skb)->seq != tcp_sk(child)->rcv_nxt)
		return 0;
	len = min(len, skb->len - off);
	return skb_copy_bits(skb, off, buf, len) ? 0 : len;
}

struct front {
	u8 *buf;
	u32 len;
	u32 (*parse)(void *arg, u32 len);
	void *arg;
};

static int take_front(read_descriptor_t *desc, struct sk_buff *skb, unsigned int off, size_t len)
{
	struct front *front = desc->arg.data;
	u32 n = min_t(size_t, len, front->len);

	if (!desc->count)
		return 0;
	desc->count = 0;
	return skb_copy_bits(skb, off, front->buf, n) ? 0 : min(front->parse(front->arg, n), n);
}

/*
 * Copies what there is to be read next into `buf`, as far as there is room for it
 * and TCP has it in one piece, and takes as much of it as `parse` says, which is
 * called once at most, with the number of bytes.  The sock is locked.
 */
__rust_helper void smc_rs_helper_tcp_take_front(struct sock *sk, u8 *buf, u32 len,
						u32 (*parse)(void *arg, u32 len), void *arg)
{
	struct front front = { .buf = buf, .len = len, .parse = parse, .arg = arg };
	read_descriptor_t desc = { .count = 1, .arg.data = &front };

	tcp_read_sock(sk, &desc, take_front);
}

__rust_helper const struct inet_connection_sock_af_ops *
smc_rs_helper_icsk_af_ops(const struct sock *sk)
{
	return READ_ONCE(inet_csk(sk)->icsk_af_ops);
}

__rust_helper void smc_rs_helper_icsk_set_af_ops(struct sock *sk,
						 const struct inet_connection_sock_af_ops *af_ops)
{
	WRITE_ONCE(inet_csk(sk)->icsk_af_ops, af_ops);
}

__rust_helper bool smc_rs_helper_reqsk_queue_empty(const struct sock *sk)
{
	return reqsk_queue_empty(&inet_csk(sk)->icsk_accept_queue);
}

/*
 * A connection that waits for accept() outside of TCP's queue counts against
 * the backlog all the same; the queue's lock guards the counter.
 */
__rust_helper void smc_rs_helper_sk_acceptq_added(struct sock *sk)
{
	spin_lock_bh(&inet_csk(sk)->icsk_accept_queue.rskq_lock);
	sk_acceptq_added(sk);
	spin_unlock_bh(&inet_csk(sk)->icsk_accept_queue.rskq_lock);
}

__rust_helper void smc_rs_helper_sk_acceptq_removed(struct sock *sk)
{
	spin_lock_bh(&inet_csk(sk)->icsk_accept_queue.rskq_lock);
	sk_acceptq_removed(sk);
	spin_unlock_bh(&inet_csk(sk)->icsk_accept_queue.rskq_lock);
}

__rust_helper void smc_rs_helper_tcp_have_smc_enable(void)
{
	static_branch_enable(&tcp_have_smc);
}

__rust_helper void smc_rs_helper_tcp_have_smc_disable(void)
{
	static_branch_disable(&tcp_have_smc);
}

/* Where the last small segment ended, for which Nagle's algorithm waits. */
__rust_helper u32 smc_rs_helper_tcp_snd_sml(const struct sock *sk)
{
	return tcp_sk(sk)->snd_sml;
}

__rust_helper void smc_rs_helper_tcp_set_snd_sml(struct sock *sk, u32 seq)
{
	tcp_sk(sk)->snd_sml = seq;
}

/* Lets nothing hold back what is sent next. The sock is locked. */
__rust_helper u8 smc_rs_helper_tcp_set_push(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);
	u8 old = tp->nonagle;

	tp->nonagle = TCP_NAGLE_OFF | TCP_NAGLE_PUSH;
	return old;
}

/* Whether the first bytes of the stream are there, and were not sent yet. The sock is locked. */
__rust_helper bool smc_rs_helper_tcp_holds_first(const struct sock *sk)
{
	return tcp_send_head(sk) && !tcp_sk(sk)->bytes_sent;
}

/* How many bytes the stream has that the peer has not acknowledged. The sock is locked. */
__rust_helper u32 smc_rs_helper_tcp_unacked(const struct sock *sk)
{
	return tcp_sk(sk)->write_seq - tcp_sk(sk)->snd_una;
}

/*
 * Sends what MSG_MORE holds back, as TCP does what has waited for the device. The sock is
 * locked, by a process.
 */
__rust_helper void smc_rs_helper_tcp_push_held(struct sock *sk)
{
	if (!test_and_set_bit(TCP_TSQ_DEFERRED, &sk->sk_tsq_flags))
		sock_hold(sk);
	READ_ONCE(sk->sk_prot)->release_cb(sk);
}

/* As above for the ACK that is due, and waits for something to go with. */
__rust_helper void smc_rs_helper_tcp_send_due_ack(struct sock *sk)
{
	if (inet_csk_ack_scheduled(sk))
		__tcp_send_ack(sk, tcp_sk(sk)->rcv_nxt, 0);
}

/*
 * What waits for something to go with waits for a tick of the clock at most, and not for
 * the 200 ms or more that TCP has set the timer to. The sock is locked.
 */
__rust_helper void smc_rs_helper_tcp_hurry(struct sock *sk)
{
	if (inet_csk(sk)->icsk_pending == ICSK_TIME_PROBE0)
		inet_csk_reset_xmit_timer(sk, ICSK_TIME_PROBE0, 1, TCP_RTO_MAX);
	else if (inet_csk_ack_scheduled(sk))
		inet_csk_reset_xmit_timer(sk, ICSK_TIME_DACK, 1, TCP_RTO_MAX);
}

/* Whether what is sent stays on this host. The sock is locked. */
__rust_helper bool smc_rs_helper_sk_is_local(struct sock *sk)
{
	const struct dst_entry *dst = __sk_dst_get(sk);

	return dst && dst->dev->flags & IFF_LOOPBACK;
}

__rust_helper void smc_rs_helper_tcp_restore_nonagle(struct sock *sk, u8 nonagle)
{
	tcp_sk(sk)->nonagle = nonagle;
}
