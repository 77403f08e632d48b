// SPDX-License-Identifier: GPL-2.0
/* What is wrong with LLC messages: see hostile.c. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include "hostile_cases.h"

/* Sends a message, and has the module look at it before there is another. */
static void tell(const unsigned char *m, size_t len)
{
	qp_send(m, len);
	qp_flush(2000);
	smc_pump(30);
}

static int is_answered(struct conn *c)
{
	(void)c;
	return group.llc_len > 0;
}

/* The same, and an answer to it: its flags. */
static int ask(const unsigned char *m, size_t len)
{
	group.llc_len = 0;
	qp_send(m, len);
	return smc_until(5000, is_answered, NULL) ? group.llc[3] : -1;
}

static void expect(const char *what, int flags, int wanted)
{
	if (flags == wanted)
		return;
	printf("hostile: %s was answered with flags %#x instead of %#x\n", what, flags, wanted);
	/* What follows fails. */
	group.deleted = 1;
}

static void unknown_types(struct conn *c)
{
	unsigned char m[LLC_LEN];
	int type;

	(void)c;
	for (type = 0; type < 256; type++) {
		int known = (type >> 4 == 0 || type >> 4 == 2) && (type & 15) >= 1 &&
			    (type & 15) <= 9;

		if (known || type == 0xfe)
			continue;
		llc(m, type, 0);
		qp_send(m, sizeof(m));
		if (type % 4 == 0)
			tell(m, sizeof(m));
	}
	qp_flush(5000);
}

static void truncated(struct conn *c)
{
	unsigned char m[LLC_LEN];
	int type, len;

	(void)c;
	for (type = LLC_CONFIRM_LINK; type <= LLC_DELETE_RKEY; type++) {
		for (len = type & 7; len < LLC_LEN; len += 13) {
			llc(m, type, LLC_DELETE_ALL);
			tell(m, len);
		}
	}
	llc(m, LLC_TEST_LINK & 0x0f, 0);
	m[1] = 43;
	tell(m, sizeof(m));
	m[1] = 0;
	tell(m, sizeof(m));
	/* A length of version 2 that is below 44 whichever way one reads it. */
	llc(m, LLC_TEST_LINK, 0);
	m[1] = 10;
	tell(m, sizeof(m));
}

/* As long as a message can be, and longer than what it says. */
static void long_messages(struct conn *c)
{
	static unsigned char m[4152];

	(void)c;
	llc(m, LLC_TEST_LINK & 0x0f, 0);
	tell(m, 100);
	tell(m, sizeof(m));
	llc(m, LLC_CONFIRM_RKEY, LLC_RESPONSE);
	tell(m, sizeof(m));
	llc(m, 0x2f, 0);
	memset(m + 4, 0xff, sizeof(m) - 4);
	tell(m, sizeof(m));
}

static void too_long(struct conn *c)
{
	static unsigned char m[LONGEST];

	(void)c;
	llc(m, LLC_TEST_LINK, 0);
	qp_send(m, sizeof(m));
	qp_flush(5000);
}

static void confirm_link_again(struct conn *c)
{
	unsigned char m[LLC_LEN];
	int i;

	(void)c;
	for (i = 0; i < 8; i++) {
		llc(m, LLC_CONFIRM_LINK, (i & 1 ? LLC_RESPONSE : 0) | (i & 2 ? 3 : 0));
		put(m + 26, 0xabcdef, 3);
		m[29] = i & 4 ? group.link : 200;
		tell(m, sizeof(m));
	}
}

static void confirm_rkey(struct conn *c)
{
	unsigned char m[LLC_LEN];
	int i, flags = 0;

	(void)c;
	llc(m, LLC_CONFIRM_RKEY, 0);
	memset(m + 5, 0xff, sizeof(m) - 5);
	m[4] = 255;
	expect("CONFIRM RKEY for 255 links", ask(m, sizeof(m)), 0xb0);
	m[4] = 4;
	expect("CONFIRM RKEY for 4 links", ask(m, sizeof(m)), 0xb0);
	m[4] = 2;
	expect("CONFIRM RKEY for unknown links", ask(m, sizeof(m)), 0x80);
	/* More keys than there can be connections. */
	m[4] = 0;
	for (i = 0; i < 300 && flags != 0xb0; i++) {
		put(m + 5, 0x70000000 + i, 4);
		flags = ask(m, sizeof(m));
	}
	expect("CONFIRM RKEY for too many", flags, 0xb0);
}

static void continuations(struct conn *c)
{
	unsigned char m[LLC_LEN];
	int i;

	(void)c;
	for (i = 0; i < 4; i++) {
		llc(m, i & 1 ? LLC_CONFIRM_RKEY_CONT & 0x0f : LLC_ADD_LINK_CONT & 0x0f,
		    i & 2 ? LLC_RESPONSE : 0);
		m[2] = 0;
		m[4] = group.link;
		m[5] = 255;
		tell(m, sizeof(m));
		m[4] = 255;
		tell(m, sizeof(m));
		m[0] |= 0x20;
		tell(m, sizeof(m));
	}
}

/* Of version 1, where eight are the most; and keys that are in use. */
static void delete_rkey_v1(struct conn *c)
{
	unsigned char m[LLC_LEN];
	int i;

	(void)c;
	llc(m, LLC_DELETE_RKEY & 0x0f, 0);
	m[4] = 255;
	for (i = 0; i < 8; i++)
		put(m + 8 + 4 * i, OUR_RKEY, 4);
	tell(m, sizeof(m));
}

static void delete_rkey_absurd(struct conn *c)
{
	unsigned char m[LLC_LEN];

	(void)c;
	llc(m, LLC_DELETE_RKEY, 0);
	m[4] = 255;
	tell(m, sizeof(m));
}

static void add_link(struct conn *c)
{
	unsigned char m[200];
	int i;

	(void)c;
	for (i = 0; i < 4; i++) {
		llc(m, LLC_ADD_LINK, i & 1 ? LLC_RESPONSE : 0);
		memset(m + 4, 0xff, sizeof(m) - 4);
		tell(m, LLC_LEN);
		m[0] &= i & 2 ? 0x0f : 0xff;
		tell(m, LLC_LEN);
		/* Says that 255 keys follow. */
		llc(m, LLC_ADD_LINK, i & 1 ? LLC_RESPONSE : 0);
		m[1] = 72;
		tell(m, 72 + 16);
	}
}

/* The extension ends before its count. */
static void add_link_cut(struct conn *c)
{
	unsigned char m[60];

	(void)c;
	memset(m, 0, sizeof(m));
	llc(m, LLC_ADD_LINK, 0);
	m[1] = sizeof(m);
	tell(m, sizeof(m));
}

static void delete_link_unknown(struct conn *c)
{
	unsigned char m[LLC_LEN];
	int i;

	(void)c;
	for (i = 0; i < 256; i += 5) {
		if (i == group.link)
			continue;
		llc(m, LLC_DELETE_LINK, i % 2 ? 0x20 : 0);
		m[4] = i;
		put(m + 5, 0xdeadbeef, 4);
		tell(m, sizeof(m));
		m[3] |= LLC_RESPONSE;
		tell(m, sizeof(m));
	}
}

static void delete_link_only(struct conn *c)
{
	unsigned char m[LLC_LEN];

	(void)c;
	llc(m, LLC_DELETE_LINK, 0);
	m[4] = group.link;
	put(m + 5, 0x00020000, 4);
	tell(m, sizeof(m));
}

static void delete_all(struct conn *c)
{
	unsigned char m[LLC_LEN];

	(void)c;
	llc(m, LLC_DELETE_LINK, LLC_DELETE_ALL);
	m[4] = 99;
	put(m + 5, 0xdeadbeef, 4);
	tell(m, sizeof(m));
}

static void req_add_link(struct conn *c)
{
	unsigned char m[LLC_LEN];

	(void)c;
	llc(m, LLC_REQ_ADD_LINK, 0);
	m[24] = 255;
	tell(m, sizeof(m));
	m[3] = LLC_RESPONSE;
	tell(m, sizeof(m));
}

/* Answers to questions that nobody has asked. */
static void responses(struct conn *c)
{
	unsigned char m[LLC_LEN];
	int type, i;

	(void)c;
	for (type = LLC_CONFIRM_LINK; type <= LLC_DELETE_RKEY; type++) {
		for (i = 0; i < 3; i++) {
			if (type == LLC_DELETE_LINK && i == 1)
				continue;
			llc(m, type, LLC_RESPONSE | (i == 1 ? 0x70 : i == 2 ? 0x0f : 0));
			m[4] = group.link;
			tell(m, sizeof(m));
		}
	}
}

static void test_link_flood(struct conn *c)
{
	unsigned char m[LLC_LEN];
	int i;

	(void)c;
	llc(m, LLC_TEST_LINK, 0);
	for (i = 0; i < 1000 && !qp.nak; i++) {
		qp_send(m, sizeof(m));
		if (i % 100 == 0)
			smc_pump(1);
	}
	qp_flush(20000);
}

/* Nothing that comes is acknowledged, nor read. */
static void test_link_deaf(struct conn *c)
{
	unsigned char m[LLC_LEN];
	int i;

	(void)c;
	qp.deaf = 1;
	llc(m, LLC_TEST_LINK, 0);
	for (i = 0; i < 10; i++)
		qp_send(m, sizeof(m));
}

/*
 * The group is ending: the module has been asked to, says so, and hears nothing more of
 * its peer.  The next connection has nothing to do with it.
 */
static int ending_group(struct conn *c)
{
	unsigned char m[LLC_LEN];

	if (smc_connect(c, NULL, NULL) || smc_echo(c, 100))
		return 0;
	qp.deaf = 1;
	llc(m, LLC_DELETE_LINK, LLC_DELETE_ALL);
	put(m + 5, 0x00020000, 4);
	qp_send(m, sizeof(m));
	smc_pump(200);
	return smc_propose(&group.conns[1]) == 1;
}

/*
 * How a group ends for a peer with the C module: each connection is aborted before DELETE
 * LINK, and a question about a key is still answered, with no.
 */
static int ending_in_order(struct conn *c)
{
	unsigned char m[LONGEST];
	int len, aborted = 0, refused = 0;
	double end;

	if (smc_connect(c, NULL, NULL) || smc_echo(c, 100))
		return 0;
	/* Orderly: the link is not done with. */
	llc(m, LLC_DELETE_LINK, LLC_DELETE_ALL | LLC_ORDERLY);
	put(m + 5, 0x00020000, 4);
	qp_send(m, LLC_LEN);
	llc(m, LLC_CONFIRM_RKEY, 0);
	put(m + 5, 0x12345600, 4);
	qp_send(m, LLC_LEN);
	for (end = now() + 3; now() < end && !(group.deleted && refused); net_until(20, qp_waiting, NULL)) {
		while ((len = qp_next(m)) >= 0) {
			if (len == CDC_LEN && m[0] == 0xfe)
				aborted |= m[25] & CDC_ABORT && !group.deleted;
			else if (m[0] == LLC_DELETE_LINK)
				group.deleted = 1;
			else if (m[0] == LLC_CONFIRM_RKEY)
				refused = m[3] == 0xa0;
		}
	}
	printf("hostile: %s, %s, %s\n", group.deleted ? "deleted" : "not deleted",
	       aborted ? "aborted before" : "not aborted before",
	       refused ? "the key refused" : "the key not refused");
	return group.deleted && aborted && refused;
}

const struct scenario llc_scenarios[] = {
	{ .name = "llc-unknown-types", .fate = LIVES, .attack = unknown_types },
	{ .name = "llc-truncated", .fate = LIVES, .attack = truncated },
	{ .name = "llc-long", .fate = LIVES, .attack = long_messages },
	{ .name = "llc-too-long", .fate = GROUP, .attack = too_long },
	{ .name = "confirm-link-again", .fate = LIVES, .attack = confirm_link_again },
	{ .name = "confirm-rkey", .fate = LIVES, .attack = confirm_rkey },
	{ .name = "continuations", .fate = LIVES, .attack = continuations },
	{ .name = "delete-rkey-v1", .fate = LIVES, .attack = delete_rkey_v1 },
	{ .name = "delete-rkey-absurd", .fate = GROUP, .attack = delete_rkey_absurd },
	{ .name = "add-link", .fate = LIVES, .attack = add_link },
	{ .name = "add-link-v2.0", .fate = LIVES, .attack = add_link, .v20 = 1 },
	{ .name = "add-link-cut", .fate = GROUP, .attack = add_link_cut },
	{ .name = "delete-link-unknown", .fate = LIVES, .attack = delete_link_unknown },
	{ .name = "delete-link-only", .fate = GROUP, .attack = delete_link_only },
	{ .name = "delete-link-all", .fate = GROUP, .attack = delete_all },
	{ .name = "delete-link-connect", .fate = ANY, .alone = ending_group },
	{ .name = "delete-link-in-order", .fate = ANY, .alone = ending_in_order },
	{ .name = "req-add-link", .fate = LIVES, .attack = req_add_link },
	{ .name = "req-add-link-v2.0", .fate = LIVES, .attack = req_add_link, .v20 = 1 },
	{ .name = "llc-responses", .fate = LIVES, .attack = responses },
	{ .name = "test-link-flood", .fate = ANY, .attack = test_link_flood },
	{ .name = "test-link-deaf", .fate = GROUP, .attack = test_link_deaf },
	{ 0 }
};
