/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The other end of an SMC-R link group, in user space: see hostile.c.
 *
 * One process is one host, with one address that its kernel knows nothing of, any
 * number of TCP connections and one queue pair.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdint.h>
#include <stddef.h>
#include "prog.h"

/* ---- hostile_tcp.c: frames, and as much of TCP as CLC needs ---- */

struct tcp {
	uint16_t port, peer_port;
	uint32_t snd_una, snd_nxt, rcv_nxt;
	int listening, established, smc, fin, rst;
	unsigned char in[4096];
	size_t in_len;
	struct tcp *next;
};

void net_open(const char *device, const char *addr, const char *mac, const char *peer,
	      const char *peer_mac);
uint32_t net_addr(void);
uint32_t net_peer(void);
const unsigned char *net_mac(void);
/* Takes what comes for so many milliseconds, or until @done says so. */
int net_until(int ms, int (*done)(void *arg), void *arg);
void net_send_ip(int protocol, const void *payload, size_t len);
int net_build_ip(unsigned char *frame, int protocol, const void *payload, size_t len);
void net_send_frame(const unsigned char *frame, size_t len);

int tcp_connect(struct tcp *t, uint16_t port, uint16_t peer_port);
int tcp_accept(struct tcp *t, uint16_t port);
int tcp_send(struct tcp *t, const void *data, size_t len);
/* Exactly @len bytes; 0 if they do not come. */
int tcp_read(struct tcp *t, void *data, size_t len, int ms);
void tcp_fin(struct tcp *t);
void tcp_reset(struct tcp *t);
static inline int tcp_ended(const struct tcp *t) { return t->rst || t->fin; }

/* ---- hostile_roce.c: one reliable connected queue pair ---- */

#define OUR_QPN		0x00fee1
#define OUR_PSN		0x123456
#define OUR_RKEY	0x00c0ffee
#define OUR_BASE	0x7f5500000000ULL
#define OUR_SIZE	65536
#define LONGEST		8192

enum { NAK_NONE = 0, NAK_SEQUENCE = 0x60, NAK_INVALID, NAK_ACCESS, NAK_SILENCE = 0xff };

struct qp {
	uint32_t peer_qpn;
	/* Ours: next one, first that is not acknowledged; the peer's next one. */
	uint32_t psn, una, epsn, msn;
	int nak;
	/* Nothing is heard any more. */
	int deaf;
	/* What a write to our memory has to name. */
	uint32_t rkey;
	uint64_t base;
	unsigned char mem[OUR_SIZE];
};

extern struct qp qp;

void roce_input(const unsigned char *ip, size_t len);
void roce_idle(void);
uint32_t roce_icrc(const unsigned char *ip, size_t len);
void qp_start(uint32_t peer_qpn, uint32_t peer_psn);
void qp_send(const void *data, size_t len);
void qp_send_imm(const void *data, size_t len, uint32_t imm);
void qp_write(uint64_t addr, uint32_t rkey, const void *data, size_t len);
void qp_write_imm(uint64_t addr, uint32_t rkey, const void *data, size_t len, uint32_t imm);
void qp_read(uint64_t addr, uint32_t rkey, uint32_t len);
/* Until all is acknowledged: 0, a NAK, or -1 if nobody answers. */
int qp_flush(int ms);
/* Whether messages have come; the oldest of them, its length, or -1. */
int qp_waiting(void *unused);
int qp_next(unsigned char *message);

/* ---- hostile_smc.c: CLC, LLC and CDC as they should be ---- */

#define CLC_MAX		1024
#define LLC_LEN		44
#define CDC_LEN		44

enum {
	LLC_CONFIRM_LINK = 0x21, LLC_ADD_LINK, LLC_ADD_LINK_CONT, LLC_DELETE_LINK, LLC_REQ_ADD_LINK,
	LLC_CONFIRM_RKEY, LLC_TEST_LINK, LLC_CONFIRM_RKEY_CONT, LLC_DELETE_RKEY
};

#define LLC_RESPONSE	0x80
#define LLC_DELETE_ALL	0x40
#define LLC_ORDERLY	0x20

#define CDC_BLOCKED	0x80
#define CDC_URG_PENDING	0x40
#define CDC_URG_PRESENT	0x20
#define CDC_UPDATE	0x10
#define CDC_FAILOVER	0x08
#define CDC_DONE	0x80
#define CDC_CLOSED	0x40
#define CDC_ABORT	0x20

struct cursor {
	uint16_t wrap;
	uint32_t count;
};

/* What a CDC message says, in host byte order. */
struct cdc {
	uint16_t seq;
	uint32_t token;
	struct cursor prod, cons;
	uint8_t flags, state;
};

struct conn {
	struct tcp tcp;
	int index;
	/* The module's end. */
	uint32_t token, rkey, size;
	uint64_t ring;
	/* Ours: what was said last, and where it has got to. */
	struct cdc said;
	/* What the module has said last. */
	struct cdc heard;
	int heard_any;
};

/* What a scenario changes in a message of the handshake. */
typedef void (*change)(unsigned char *message, size_t *len);

struct group {
	/* The module connects to us. */
	int server;
	int release;
	uint16_t port;
	struct conn conns[3];
	int up;
	uint8_t link;
	/* The first request on the link is not heard, as a C client may not hear it. */
	int unready;
	/* A DELETE LINK for all links came. */
	int deleted;
	/* Responses to TEST LINK that came; LLC messages of any other kind. */
	int tested;
	unsigned char llc[LONGEST];
	int llc_len;
	int declined;
};

extern struct group group;

void put(unsigned char *to, uint64_t value, int bytes);
uint64_t get(const unsigned char *from, int bytes);
/* The handshake of one connection: 0 if it is up. */
int smc_connect(struct conn *c, change proposal, change confirm);
/* Up to the Accept, which is taken: whether it is one of a first contact, or -1. */
int smc_propose(struct conn *c);
void clc_own_part(struct conn *c, unsigned char *m);
/* Takes what has come, or comes within that time. */
void smc_pump(int ms);
/* Goes on taking it until that is so. */
int smc_until(int ms, int (*done)(struct conn *c), struct conn *c);
void llc(unsigned char *m, int type, int flags);
void cdc_send(struct conn *c, const struct cdc *m);
void cdc_emit(const struct cdc *m, unsigned char *bytes);
struct cdc cdc_next(struct conn *c);
void ring_write(struct conn *c, const void *data, size_t len);
/* Bytes there and back: 0 if they came. */
int smc_echo(struct conn *c, size_t len);
void smc_leave(void);
int link_works(void);

#endif
