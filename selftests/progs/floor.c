// SPDX-License-Identifier: GPL-2.0
/*
 * What the frames of a short connection of SMC cost without SMC.
 *
 *	floor tcp|smc|rdma server ADDR N
 *	floor tcp|smc|rdma client ADDR N SECONDS
 *
 * N processes at each end, a pair of them has one connection at a time: a request of
 * wrk's size and an answer of nginx's. "tcp" and "smc" say them in such a connection;
 * "rdma" sends what one of SMC in one round trip has on the wire
 * (Documentation/one-rtt.rst): Proposal in the SYN, Accept and Confirm in the TCP
 * connection, request and answer as a write with a message, and a message from each end
 * that closes.  Queue pair and memory are there before the first, as with a link group.
 * Nothing is parsed or looked up, there is nobody but the peer to wait for, and that a
 * message has left is looked at when the next one goes, so that it interrupts nobody.  The
 * ACK of the Accept goes by itself, as TCP forgets with the SYN-ACK that ACKs are to wait.
 *
 * The client prints how many connections there were, in how many seconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <infiniband/verbs.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "prog.h"

enum {
	PORT = 7000,
	/* Bytes of the three messages of the handshake, of request and answer, of a CDC
	 * message.
	 */
	PROPOSAL = 170, CLC = 108, REQUEST = 59, ANSWER = 244, CDC = 44,
	RECEIVES = 32, MAX_PAIRS = 64,
	/* Where in the memory what comes, what goes and messages are. */
	IN = 0, OUT = 4096, FROM = 8192, TO = 12288, MEMORY = 16384,
	/* Not counted: the first has no cookie for its SYN. */
	UNCOUNTED = 3,
};

struct end {
	__u32 qpn, rkey;
	__u64 addr;
	union ibv_gid gid;
};

struct result {
	long count;
	double seconds;
};

static struct end own, peer;
static struct ibv_qp *qp;
static struct ibv_mr *mr;
static char *memory;
static int gid_index, unread, family = AF_INET;

static void transfer(int fd, void *what, size_t len, bool out)
{
	char *p = what;

	while (len) {
		ssize_t n = out ? write(fd, p, len) : read(fd, p, len);

		if (n <= 0)
			die(out ? "write" : "read");
		p += n;
		len -= n;
	}
}

static void post_receive(void)
{
	struct ibv_sge sge = { (uintptr_t)memory + FROM, CDC, mr->lkey };
	struct ibv_recv_wr wr = { .sg_list = &sge, .num_sge = 1 }, *bad;

	if (ibv_post_recv(qp, &wr, &bad))
		die("ibv_post_recv");
}

static void find_gid(struct ibv_context *ctx)
{
	struct ibv_gid_entry table[64];
	int n = ibv_query_gid_table(ctx, table, 64, 0);

	for (int i = 0; i < n; i++) {
		if (table[i].gid_type == IBV_GID_TYPE_ROCE_V2 &&
		    IN6_IS_ADDR_V4MAPPED((struct in6_addr *)&table[i].gid)) {
			own.gid = table[i].gid;
			gid_index = table[i].gid_index;
			return;
		}
	}
	fprintf(stderr, "no GID of RoCEv2 and IPv4\n");
	exit(1);
}

static void make_qp(void)
{
	struct ibv_device **devices = ibv_get_device_list(NULL);
	struct ibv_context *ctx = devices && *devices ? ibv_open_device(*devices) : NULL;
	struct ibv_pd *pd = ctx ? ibv_alloc_pd(ctx) : NULL;
	struct ibv_comp_channel *channel = ctx ? ibv_create_comp_channel(ctx) : NULL;
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = 64, .max_recv_wr = RECEIVES, .max_send_sge = 1,
			 .max_recv_sge = 1 },
	};

	if (!pd || !channel)
		die("no device");
	memory = aligned_alloc(4096, MEMORY);
	memset(memory, 0, MEMORY);
	mr = ibv_reg_mr(pd, memory, MEMORY, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
	attr.send_cq = ibv_create_cq(ctx, 64, NULL, NULL, 0);
	attr.recv_cq = ibv_create_cq(ctx, RECEIVES, NULL, channel, 0);
	if (!mr || !attr.send_cq || !attr.recv_cq)
		die("no memory region or completion queue");
	qp = ibv_create_qp(pd, &attr);
	if (!qp)
		die("ibv_create_qp");
	find_gid(ctx);
	own.qpn = qp->qp_num;
	own.rkey = mr->rkey;
	own.addr = (uintptr_t)memory;
}

static void modify(struct ibv_qp_attr attr, int mask)
{
	if (ibv_modify_qp(qp, &attr, mask | IBV_QP_STATE))
		die("ibv_modify_qp");
}

/* A queue pair to the peer's, as a link; @fd is a TCP connection to it. */
static void make_link(int fd)
{
	char ready = 0;

	make_qp();
	transfer(fd, &own, sizeof(own), true);
	transfer(fd, &peer, sizeof(peer), false);
	modify((struct ibv_qp_attr){ .qp_state = IBV_QPS_INIT, .port_num = 1,
				     .qp_access_flags = IBV_ACCESS_REMOTE_WRITE },
	       IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
	for (int i = 0; i < RECEIVES; i++)
		post_receive();
	modify((struct ibv_qp_attr){ .qp_state = IBV_QPS_RTR, .path_mtu = IBV_MTU_1024,
				     .dest_qp_num = peer.qpn, .max_dest_rd_atomic = 1,
				     .min_rnr_timer = 12,
				     .ah_attr = { .is_global = 1, .port_num = 1,
						  .grh = { .dgid = peer.gid,
							   .sgid_index = gid_index,
							   .hop_limit = 64 } } },
	       IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
	       IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER);
	modify((struct ibv_qp_attr){ .qp_state = IBV_QPS_RTS, .timeout = 15, .retry_cnt = 7,
				     .rnr_retry = 7, .max_rd_atomic = 1 },
	       IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
	       IBV_QP_MAX_QP_RD_ATOMIC);
	if (ibv_req_notify_cq(qp->recv_cq, 0))
		die("ibv_req_notify_cq");
	/* Neither sends before the other receives. */
	transfer(fd, &ready, 1, true);
	transfer(fd, &ready, 1, false);
}

static int poll_cq(struct ibv_cq *cq, bool received)
{
	struct ibv_wc wc[RECEIVES];
	int n = ibv_poll_cq(cq, RECEIVES, wc);

	if (n < 0)
		die("ibv_poll_cq");
	for (int i = 0; i < n; i++) {
		if (wc[i].status != IBV_WC_SUCCESS) {
			fprintf(stderr, "%s\n", ibv_wc_status_str(wc[i].status));
			exit(1);
		}
		if (received)
			post_receive();
	}
	return n;
}

/* A message, after a write of so many bytes if there are any. */
static void send_message(int bytes)
{
	struct ibv_sge data = { (uintptr_t)memory + OUT, bytes, mr->lkey };
	struct ibv_sge cdc = { (uintptr_t)memory + TO, CDC, mr->lkey };
	struct ibv_send_wr send = { .sg_list = &cdc, .num_sge = 1, .opcode = IBV_WR_SEND,
				    .send_flags = IBV_SEND_SIGNALED };
	struct ibv_send_wr write = { .next = &send, .sg_list = &data, .num_sge = 1,
				     .opcode = IBV_WR_RDMA_WRITE,
				     .wr.rdma = { peer.addr + IN, peer.rkey } };
	struct ibv_send_wr *bad;

	poll_cq(qp->send_cq, false);
	if (ibv_post_send(qp, bytes ? &write : &send, &bad))
		die("ibv_post_send");
}

static void await_messages(int wanted)
{
	while (unread < wanted) {
		struct ibv_cq *cq;
		void *context;
		int n = poll_cq(qp->recv_cq, true);

		if (!n) {
			if (ibv_req_notify_cq(qp->recv_cq, 0))
				die("ibv_req_notify_cq");
			n = poll_cq(qp->recv_cq, true);
		}
		unread += n;
		if (!n) {
			if (ibv_get_cq_event(qp->recv_cq->channel, &cq, &context))
				die("ibv_get_cq_event");
			ibv_ack_cq_events(cq, 1);
		}
	}
	unread -= wanted;
}

/* Acknowledgements go along with what is sent, as with SMC's handshake. */
static void delay_acks(int fd)
{
	int off = 0;

	if (setsockopt(fd, SOL_TCP, TCP_QUICKACK, &off, sizeof(off)))
		die("TCP_QUICKACK");
}

static struct sockaddr_in address(const char *ip, int pair)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(PORT + pair) };

	if (inet_pton(AF_INET, ip, &addr.sin_addr) != 1)
		die(ip);
	return addr;
}

static void serve(int listener, bool rdma)
{
	char buf[512] = { 0 };
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		die("accept");
	if (rdma) {
		delay_acks(fd);
		transfer(fd, buf, PROPOSAL, false);
		transfer(fd, buf, CLC, true);
		transfer(fd, buf, CLC, false);
		await_messages(1);
		send_message(ANSWER);
		send_message(0);
		close(fd);
		await_messages(1);
	} else {
		transfer(fd, buf, REQUEST, false);
		transfer(fd, buf, ANSWER, true);
		close(fd);
	}
}

static void server(const char *ip, int pair, bool rdma)
{
	struct sockaddr_in addr = address(ip, pair);
	int fd = socket(family, SOCK_STREAM, 0), on = 1, queue = 16;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    (rdma && setsockopt(fd, SOL_TCP, TCP_FASTOPEN, &queue, sizeof(queue))) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, queue))
		die("listen");
	if (rdma) {
		int link = accept(fd, NULL, NULL);

		if (link < 0)
			die("accept");
		make_link(link);
		close(link);
	}
	for (;;)
		serve(fd, rdma);
}

static void connection(struct sockaddr_in *addr, bool rdma)
{
	int fd = socket(family, SOCK_STREAM, 0);
	char buf[512] = { 0 };

	if (rdma) {
		delay_acks(fd);
		if (sendto(fd, buf, PROPOSAL, MSG_FASTOPEN, (struct sockaddr *)addr,
			   sizeof(*addr)) != PROPOSAL)
			die("sendto");
		transfer(fd, buf, CLC, false);
		transfer(fd, buf, CLC, true);
		send_message(REQUEST);
		await_messages(2);
		send_message(0);
	} else {
		if (connect(fd, (struct sockaddr *)addr, sizeof(*addr)))
			die("connect");
		transfer(fd, buf, REQUEST, true);
		transfer(fd, buf, ANSWER, false);
	}
	close(fd);
}

static void client(const char *ip, int pair, bool rdma, double seconds, struct result *result)
{
	struct sockaddr_in addr = address(ip, pair);
	double begin;

	if (rdma) {
		int fd = socket(family, SOCK_STREAM, 0);

		if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
			die("connect");
		make_link(fd);
		close(fd);
	}
	for (int i = 0; i < UNCOUNTED; i++)
		connection(&addr, rdma);
	begin = now();
	while (now() < begin + seconds) {
		connection(&addr, rdma);
		result->count++;
	}
	result->seconds = now() - begin;
}

int main(int argc, char **argv)
{
	bool rdma = argc > 1 && !strcmp(argv[1], "rdma");
	bool serves = argc > 2 && !strcmp(argv[2], "server");
	int pairs = argc > 4 ? atoi(argv[4]) : 0, status, failed = 0;
	struct result *results, all = { 0 };

	if (pairs < 1 || pairs > MAX_PAIRS || argc != (serves ? 5 : 6)) {
		fprintf(stderr, "usage: floor tcp|smc|rdma server ADDR N | client ADDR N SECONDS\n");
		return 2;
	}
	if (!strcmp(argv[1], "smc"))
		family = AF_SMC;
	results = mmap(NULL, pairs * sizeof(*results), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (results == MAP_FAILED)
		die("mmap");
	for (int i = 0; i < pairs; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid)
			continue;
		if (serves)
			server(argv[3], i, rdma);
		else
			client(argv[3], i, rdma, atof(argv[5]), &results[i]);
		return 0;
	}
	while (wait(&status) > 0)
		failed |= status;
	for (int i = 0; i < pairs; i++) {
		all.count += results[i].count;
		if (results[i].seconds > all.seconds)
			all.seconds = results[i].seconds;
	}
	printf("%ld connections in %.2f s\n", all.count, all.seconds);
	return failed != 0;
}
