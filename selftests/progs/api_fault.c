// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is not to be had, in a kernel that can be asked to run out of it
 * (CONFIG_FAULT_INJECTION, CONFIG_FAILSLAB).
 *
 * What fails is a call, with the error that TCP has for it; the socket can be
 * closed, and whoever comes then is served.
 */
#include "api.h"

#define DEBUGFS "/sys/kernel/debug/failslab/"

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return done;
}

static bool put_number(const char *path, unsigned long long n)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", n);
	return put(path, text);
}

/* Allocations of every kind may fail, and none tells its story in the log. */
#define FAULTS() do { \
	if (!put(DEBUGFS "ignore-gfp-wait", "N")) \
		SKIP(return, "no failslab"); \
	ASSERT_TRUE(put(DEBUGFS "verbose", "0")); \
	ASSERT_TRUE(put(DEBUGFS "cache-filter", "N")); \
} while (0)

/* This thread's; open all the time, as to open it takes memory. */
static int nth = -1;

/* The n-th allocation of this thread from here on fails; 0: none does. */
static bool fail_nth(int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", n);

	if (nth < 0)
		nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	return pwrite(nth, text, len, 0) == len;
}

/* How many more it would have taken. */
static int left(void)
{
	char text[16] = "";

	return pread(nth, text, sizeof(text) - 1, 0) > 0 ? atoi(text) : -1;
}

/* What TCP may answer where there is no memory; for that of a port, EADDRINUSE. */
static bool means_no_memory(long error)
{
	return error == -ENOMEM || error == -EADDRINUSE || error == -ENOBUFS || error == -EAGAIN || error == -ENFILE;
}

/* What one end sees of the other one's lack of it, besides. */
static bool may_fail_so(long error)
{
	return means_no_memory(error) || error == -ECONNRESET || error == -ECONNABORTED ||
	       error == -EPIPE || error == -ETIMEDOUT;
}

struct life {
	int client;
	int server;
	int conn;
	/* What failed, and how; the first of these. */
	const char *what;
	long error;
};

#define STEP(life, call) ({ \
	long __n = rc(call); \
	if (__n < 0 && !(life)->what) { \
		(life)->what = #call; \
		(life)->error = __n; \
	} \
	__n >= 0; \
})

/* From socket(2) to the first answer. */
static void live(struct life *life, const FIXTURE_VARIANT(api) *variant)
{
	struct sockaddr_storage to;
	socklen_t len;
	char byte = 'x';

	*life = (struct life){ -1, -1, -1, NULL, 0 };
	life->server = server_socket(variant, 0);
	if (!STEP(life, life->server))
		return;
	len = make_address(&to, variant->at, 0);
	if (!STEP(life, bind(life->server, as_sa(&to), len)) ||
	    !STEP(life, listen(life->server, 4)))
		return;
	len = make_address(&to, variant->to, port_at(life->server));
	life->client = client_socket(variant, 0);
	if (!STEP(life, life->client) || !STEP(life, connect(life->client, as_sa(&to), len)))
		return;
	set_time(life->server, SO_RCVTIMEO, 5000);
	life->conn = accept(life->server, NULL, NULL);
	if (!STEP(life, life->conn))
		return;
	set_time(life->conn, SO_RCVTIMEO, 5000);
	if (STEP(life, send(life->client, &byte, 1, MSG_NOSIGNAL)) &&
	    STEP(life, recv(life->conn, &byte, 1, 0)))
		STEP(life, shutdown(life->conn, SHUT_RDWR));
}

static void die(struct life *life)
{
	if (life->client >= 0)
		close(life->client);
	if (life->conn >= 0)
		close(life->conn);
	if (life->server >= 0)
		close(life->server);
}

/* Each allocation on the way fails once, the closing included. */
TEST_F(api, each_in_turn)
{
	int n, rest = 0, failed = 0;
	struct life life;

	FAULTS();
	alarm(600);
	live(&life, variant);
	die(&life);
	ASSERT_EQ(NULL, life.what);
	for (n = 1; rest == 0; n++) {
		ASSERT_TRUE(fail_nth(n));
		live(&life, variant);
		die(&life);
		rest = left();
		ASSERT_TRUE(fail_nth(0));
		ASSERT_LE(0, rest);
		failed += !!life.what;
		EXPECT_TRUE(!life.what || may_fail_so(life.error))
			TH_LOG("allocation %d: %s: %s", n, life.what, strerror(-life.error));
	}
	TH_LOG("%d allocations, %d of them make a call fail", n - 2, failed);
	EXPECT_LT(5, failed);
	PAIR();
	CARRIES(self->client, self->conn);
	CARRIES(self->conn, self->client);
}

/* Where the module's code is, for failslab to know its allocations by. */
static bool module_range(unsigned long long *start, unsigned long long *end)
{
	char line[256], name[64];
	unsigned long long size;
	FILE *f = fopen("/proc/modules", "r");
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		found = sscanf(line, "%63s %llu %*s %*s %*s %llx", name, &size, start) == 3 &&
			!strcmp(name, "smc_rs");
		*end = *start + size;
	}
	if (f)
		fclose(f);
	return found;
}

/*
 * Of those on the module's account, whoever's thread it is (the handshakes' have
 * none of the application's), each fails with some probability.
 */
TEST_F(api, some_of_the_modules)
{
	unsigned long long start, end;
	int i, served = 0, failed = 0;
	struct life life;

	FAULTS();
	if (!module_range(&start, &end))
		SKIP(return, "no module");
	alarm(600);
	ASSERT_TRUE(put_number(DEBUGFS "require-start", start));
	ASSERT_TRUE(put_number(DEBUGFS "require-end", end));
	ASSERT_TRUE(put(DEBUGFS "times", "-1"));
	ASSERT_TRUE(put(DEBUGFS "task-filter", "N"));
	ASSERT_TRUE(put(DEBUGFS "probability", "5"));
	for (i = 0; i < 60; i++) {
		live(&life, variant);
		die(&life);
		served += !life.what;
		failed += !!life.what;
		if (life.what && !may_fail_so(life.error))
			break;
	}
	put(DEBUGFS "probability", "0");
	put(DEBUGFS "require-start", "0");
	put(DEBUGFS "require-end", "18446744073709551615");
	EXPECT_EQ(60, i) TH_LOG("%s: %s", life.what, strerror(-life.error));
	TH_LOG("%d served, %d failed", served, failed);
	EXPECT_LT(0, served);
	PAIR();
	CARRIES(self->client, self->conn);
	CARRIES(self->conn, self->client);
}
