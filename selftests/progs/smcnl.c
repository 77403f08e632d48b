// SPDX-License-Identifier: GPL-2.0
/*
 * What smc-tools would do, for tests: SMC's generic netlink and sock_diag.
 *
 *   smcnl ueid-add EID | ueid-del EID | ueid-flush
 *   smcnl ueid-add-raw TEXT   as it is, not padded with blanks
 *   smcnl seid-enable | seid-disable | hs-limit-enable | hs-limit-disable
 *   smcnl pnet-add [name=ID] [eth=DEVICE] [ib=DEVICE] [port=N]
 *   smcnl pnet-del [name=ID] | pnet-get [name=ID] | pnet-flush
 *   smcnl pnet-fill ID N  N devices on a network, that need not exist
 *   smcnl dump WHAT       one line an object, NAME=VALUE for each attribute;
 *                         WHAT: see the table `dumps`
 *   smcnl sockets         one line an AF_SMC socket, as smcss -a would show it
 *   smcnl dump peers | peers-flush | dump fastopen
 *                         of smc_rs: who takes proposals in SYNs, and what was counted
 *
 * Numbers are decimal, strings are printed without trailing blanks.  Errors are
 * the kernel's, by name, on stderr; the exit status is 1 then.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/smc.h>
#include <linux/smc_diag.h>
#include <linux/sock_diag.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum kind { PAD, U8, U16, U32, U64, UINT, STR, NEST, IPV4, IPV6 };

struct attr {
	const char *name;
	enum kind kind;
	const struct attr *nest;
};

#define END { NULL, PAD, NULL }
/* Attribute numbers are indexes; 0 is unused unless a table says otherwise. */
#define NONE { "", PAD, NULL }

static const struct attr sys_info[] = {
	NONE, { "VER", U8, NULL }, { "REL", U8, NULL }, { "IS_ISM_V2", U8, NULL },
	{ "LOCAL_HOST", STR, NULL }, { "SEID", STR, NULL }, { "IS_SMCR_V2", U8, NULL }, END
};

static const struct attr lgr_v2[] = {
	{ "VER", U8, NULL }, { "REL", U8, NULL }, { "OS", U8, NULL }, { "NEG_EID", STR, NULL },
	{ "PEER_HOST", STR, NULL }, END
};

static const struct attr lgr_r_v2[] = {
	NONE, { "DIRECT", U8, NULL }, { "MAX_CONNS", U8, NULL }, { "MAX_LINKS", U8, NULL }, END
};

static const struct attr lgr_smcr[] = {
	NONE, { "ID", U32, NULL }, { "ROLE", U8, NULL }, { "TYPE", U8, NULL },
	{ "PNETID", STR, NULL }, { "VLAN_ID", U8, NULL }, { "CONNS_NUM", U32, NULL },
	{ "V2_COMMON", NEST, lgr_v2 }, { "V2", NEST, lgr_r_v2 }, { "NET_COOKIE", U64, NULL },
	NONE, { "BUF_TYPE", U8, NULL }, { "SNDBUF_ALLOC", UINT, NULL },
	{ "RMB_ALLOC", UINT, NULL }, END
};

static const struct attr link_smcr[] = {
	NONE, { "ID", U8, NULL }, { "IB_DEV", STR, NULL }, { "IB_PORT", U8, NULL },
	{ "GID", STR, NULL }, { "PEER_GID", STR, NULL }, { "CONN_CNT", U32, NULL },
	{ "NET_DEV", U32, NULL }, { "UID", U32, NULL }, { "PEER_UID", U32, NULL },
	{ "STATE", U32, NULL }, END
};

static const struct attr lgr_smcd[] = {
	NONE, { "ID", U32, NULL }, { "GID", U64, NULL }, { "PEER_GID", U64, NULL },
	{ "VLAN_ID", U8, NULL }, { "CONNS_NUM", U32, NULL }, { "PNETID", STR, NULL },
	{ "CHID", U16, NULL }, NONE, { "V2_COMMON", NEST, lgr_v2 }, { "EXT_GID", U64, NULL },
	{ "PEER_EXT_GID", U64, NULL }, { "SNDBUF_ALLOC", UINT, NULL },
	{ "DMB_ALLOC", UINT, NULL }, END
};

static const struct attr dev_port[] = {
	NONE, { "PNET_USR", U8, NULL }, { "PNETID", STR, NULL }, { "NETDEV", U32, NULL },
	{ "STATE", U8, NULL }, { "VALID", U8, NULL }, { "LNK_CNT", U32, NULL }, END
};

static const struct attr dev[] = {
	NONE, { "USE_CNT", U32, NULL }, { "IS_CRIT", U8, NULL }, { "PCI_FID", U32, NULL },
	{ "PCI_CHID", U16, NULL }, { "PCI_VENDOR", U16, NULL }, { "PCI_DEVICE", U16, NULL },
	{ "PCI_ID", STR, NULL }, { "PORT", NEST, dev_port }, { "PORT2", NEST, dev_port },
	{ "IB_NAME", STR, NULL }, END
};

static const struct attr pload[] = {
	NONE, { "8K", U64, NULL }, { "16K", U64, NULL }, { "32K", U64, NULL },
	{ "64K", U64, NULL }, { "128K", U64, NULL }, { "256K", U64, NULL },
	{ "512K", U64, NULL }, { "1024K", U64, NULL }, { "G_1024K", U64, NULL }, END
};

static const struct attr rmb_stats[] = {
	NONE, { "SIZE_SM_PEER_CNT", U64, NULL }, { "SIZE_SM_CNT", U64, NULL },
	{ "FULL_PEER_CNT", U64, NULL }, { "FULL_CNT", U64, NULL }, { "REUSE_CNT", U64, NULL },
	{ "ALLOC_CNT", U64, NULL }, { "DGRADE_CNT", U64, NULL }, END
};

static const struct attr tech[] = {
	NONE, { "TX_RMB_SIZE", NEST, pload }, { "RX_RMB_SIZE", NEST, pload },
	{ "TXPLOAD_SIZE", NEST, pload }, { "RXPLOAD_SIZE", NEST, pload },
	{ "TX_RMB_STATS", NEST, rmb_stats }, { "RX_RMB_STATS", NEST, rmb_stats },
	{ "CLNT_V1_SUCC", U64, NULL }, { "CLNT_V2_SUCC", U64, NULL },
	{ "SRV_V1_SUCC", U64, NULL }, { "SRV_V2_SUCC", U64, NULL },
	{ "SENDPAGE_CNT", U64, NULL }, { "SPLICE_CNT", U64, NULL }, { "CORK_CNT", U64, NULL },
	{ "NDLY_CNT", U64, NULL }, { "URG_DATA_CNT", U64, NULL }, { "RX_BYTES", U64, NULL },
	{ "TX_BYTES", U64, NULL }, { "RX_CNT", U64, NULL }, { "TX_CNT", U64, NULL },
	{ "RX_RMB_USAGE", UINT, NULL }, { "TX_RMB_USAGE", UINT, NULL }, END
};

static const struct attr stats[] = {
	NONE, { "SMCD", NEST, tech }, { "SMCR", NEST, tech }, { "CLNT_HS_ERR_CNT", U64, NULL },
	{ "SRV_HS_ERR_CNT", U64, NULL }, END
};

static const struct attr fback[] = {
	NONE, { "TYPE", U8, NULL }, { "SRV_CNT", U64, NULL }, { "CLNT_CNT", U64, NULL },
	{ "RSN_CODE", U32, NULL }, { "RSN_CNT", U16, NULL }, END
};

static const struct attr ueid[] = { NONE, { "EID", STR, NULL }, END };
static const struct attr seid[] = { NONE, { "SEID", STR, NULL }, { "ENABLED", U8, NULL }, END };
static const struct attr hs_limit[] = { NONE, { "ENABLED", U8, NULL }, END };

static const struct attr pnet[] = {
	NONE, { "NAME", STR, NULL }, { "ETH", STR, NULL }, { "IB", STR, NULL },
	{ "PORT", U8, NULL }, END
};

/* The family SMC_RS: Documentation/one-rtt.rst */
#define SMC_RS_FAMILY		"SMC_RS"
#define SMC_RS_GET_PEERS	1
#define SMC_RS_FLUSH_PEERS	2
#define SMC_RS_GET_COUNTERS	3

static const struct attr peers[] = {
	NONE, { "IF", U32, NULL }, { "ADDR", IPV4, NULL }, { "PORT", U16, NULL },
	{ "STATE", U8, NULL }, { "LEFT", U32, NULL }, { "FAILURES", U32, NULL },
	{ "OPTIONS_LOST", U32, NULL }, { "ADDR", IPV6, NULL }, END
};

static const struct attr fastopen[] = {
	NONE, { "SENT", UINT, NULL }, { "TAKEN", UINT, NULL }, { "NOT_TAKEN", UINT, NULL },
	{ "LOST", UINT, NULL }, { "NOT_SMC", UINT, NULL }, { "FAILED", UINT, NULL },
	{ "BROKEN", UINT, NULL }, { "SAVED", UINT, NULL }, { "NO_COOKIE", UINT, NULL },
	{ "UNKNOWN", UINT, NULL }, { "SUSPENDED", UINT, NULL }, { "PORT_BOUND", UINT, NULL },
	{ "RECEIVED", UINT, NULL }, { "OPTION_LOST", UINT, NULL },
	{ "LEFT_OUT", UINT, NULL }, END
};

/* The answers of most dumps are one nest, which says what the object is. */
static const struct { const char *what; const struct attr *attrs; } objects[] = {
	[SMC_GEN_SYS_INFO] = { "sys-info", sys_info },
	[SMC_GEN_LGR_SMCR] = { "lgr-smcr", lgr_smcr },
	[SMC_GEN_LINK_SMCR] = { "link-smcr", link_smcr },
	[SMC_GEN_LGR_SMCD] = { "lgr-smcd", lgr_smcd },
	[SMC_GEN_DEV_SMCD] = { "dev-smcd", dev },
	[SMC_GEN_DEV_SMCR] = { "dev-smcr", dev },
	[SMC_GEN_STATS] = { "stats", stats },
	[SMC_GEN_FBACK_STATS] = { "fback-stats", fback },
};

/* `attrs`: of dumps whose answers have no nest. */
static const struct dump {
	const char *what;
	int command;
	const struct attr *attrs;
} dumps[] = {
	{ "sys-info", SMC_NETLINK_GET_SYS_INFO, NULL },
	{ "lgr-smcr", SMC_NETLINK_GET_LGR_SMCR, NULL },
	{ "link-smcr", SMC_NETLINK_GET_LINK_SMCR, NULL },
	{ "lgr-smcd", SMC_NETLINK_GET_LGR_SMCD, NULL },
	{ "dev-smcd", SMC_NETLINK_GET_DEV_SMCD, NULL },
	{ "dev-smcr", SMC_NETLINK_GET_DEV_SMCR, NULL },
	{ "stats", SMC_NETLINK_GET_STATS, NULL },
	{ "fback-stats", SMC_NETLINK_GET_FBACK_STATS, NULL },
	{ "ueid", SMC_NETLINK_DUMP_UEID, ueid },
	{ "seid", SMC_NETLINK_DUMP_SEID, seid },
	{ "hs-limit", SMC_NETLINK_DUMP_HS_LIMITATION, hs_limit },
};

static const struct dump pnet_dump = { "pnet", SMC_PNETID_GET, pnet };
static const struct dump own_dumps[] = {
	{ "peers", SMC_RS_GET_PEERS, peers },
	{ "fastopen", SMC_RS_GET_COUNTERS, fastopen },
};

static void put_eid(struct nl_msg *msg, char **args)
{
	char padded[SMC_MAX_EID_LEN + 1];

	snprintf(padded, sizeof(padded), "%-32s", args[0]);
	nla_put_string(msg, SMC_NLA_EID_TABLE_ENTRY, padded);
}

static void put_raw_eid(struct nl_msg *msg, char **args)
{
	nla_put_string(msg, SMC_NLA_EID_TABLE_ENTRY, args[0]);
}

static void put_pnet(struct nl_msg *msg, char **args)
{
	for (; *args; args++) {
		char *value = strchr(*args, '=');

		if (!value)
			continue;
		value++;
		if (!strncmp(*args, "name=", 5))
			nla_put_string(msg, SMC_PNETID_NAME, value);
		else if (!strncmp(*args, "eth=", 4))
			nla_put_string(msg, SMC_PNETID_ETHNAME, value);
		else if (!strncmp(*args, "ib=", 3))
			nla_put_string(msg, SMC_PNETID_IBNAME, value);
		else if (!strncmp(*args, "port=", 5))
			nla_put_u8(msg, SMC_PNETID_IBPORT, atoi(value));
	}
}

static const struct action {
	const char *name;
	const char *family;
	int command;
	void (*put)(struct nl_msg *msg, char **args);
} actions[] = {
	{ "ueid-add", SMC_GENL_FAMILY_NAME, SMC_NETLINK_ADD_UEID, put_eid },
	{ "ueid-add-raw", SMC_GENL_FAMILY_NAME, SMC_NETLINK_ADD_UEID, put_raw_eid },
	{ "ueid-del", SMC_GENL_FAMILY_NAME, SMC_NETLINK_REMOVE_UEID, put_eid },
	{ "ueid-flush", SMC_GENL_FAMILY_NAME, SMC_NETLINK_FLUSH_UEID, NULL },
	{ "seid-enable", SMC_GENL_FAMILY_NAME, SMC_NETLINK_ENABLE_SEID, NULL },
	{ "seid-disable", SMC_GENL_FAMILY_NAME, SMC_NETLINK_DISABLE_SEID, NULL },
	{ "hs-limit-enable", SMC_GENL_FAMILY_NAME, SMC_NETLINK_ENABLE_HS_LIMITATION, NULL },
	{ "hs-limit-disable", SMC_GENL_FAMILY_NAME, SMC_NETLINK_DISABLE_HS_LIMITATION, NULL },
	{ "pnet-add", SMCR_GENL_FAMILY_NAME, SMC_PNETID_ADD, put_pnet },
	{ "pnet-del", SMCR_GENL_FAMILY_NAME, SMC_PNETID_DEL, put_pnet },
	{ "pnet-flush", SMCR_GENL_FAMILY_NAME, SMC_PNETID_FLUSH, NULL },
	{ "pnet-get", SMCR_GENL_FAMILY_NAME, SMC_PNETID_GET, put_pnet },
	{ "peers-flush", SMC_RS_FAMILY, SMC_RS_FLUSH_PEERS, NULL },
};

static void die(const char *what, int nlerr)
{
	fprintf(stderr, "smcnl: %s: %s\n", what, nl_geterror(nlerr));
	exit(1);
}

static int kernel_error(struct sockaddr_nl *who, struct nlmsgerr *err, void *arg)
{
	(void)who;
	(void)arg;
	fprintf(stderr, "smcnl: %s\n", strerrorname_np(-err->error));
	exit(1);
}

/* Text up to a NUL or the attribute's end, less blanks at its end. */
static void print_string(const struct nlattr *a)
{
	const char *s = nla_data(a);
	int n = strnlen(s, nla_len(a));

	while (n && s[n - 1] == ' ')
		n--;
	printf("%.*s", n, s);
}

static unsigned long long number(const struct nlattr *a)
{
	switch (nla_len(a)) {
	case 1: return nla_get_u8(a);
	case 2: return nla_get_u16(a);
	case 4: return nla_get_u32(a);
	case 8: return nla_get_u64(a);
	}
	fprintf(stderr, "smcnl: attribute %d of %d bytes is not a value\n", nla_type(a), nla_len(a));
	exit(1);
}

static void print_attrs(const struct attr *table, const char *prefix, struct nlattr *head, int len)
{
	struct nlattr *a;
	char name[128];
	int rem, n;

	for (n = 0; table[n].name; n++)
		;
	nla_for_each_attr(a, head, len, rem) {
		const struct attr *t;

		if (nla_type(a) >= n) {
			printf(" %sATTR%d=?", prefix, nla_type(a));
			continue;
		}
		t = &table[nla_type(a)];
		snprintf(name, sizeof(name), "%s%s", prefix, t->name);
		switch (t->kind) {
		case PAD:
			break;
		case STR:
			printf(" %s=", name);
			print_string(a);
			break;
		case IPV4: {
			char text[INET_ADDRSTRLEN] = "?";

			if (nla_len(a) == sizeof(struct in_addr))
				inet_ntop(AF_INET, nla_data(a), text, sizeof(text));
			printf(" %s=%s", name, text);
			break;
		}
		case IPV6: {
			char text[INET6_ADDRSTRLEN] = "?";

			if (nla_len(a) == sizeof(struct in6_addr))
				inet_ntop(AF_INET6, nla_data(a), text, sizeof(text));
			printf(" %s=%s", name, text);
			break;
		}
		case NEST:
			strcat(name, ".");
			print_attrs(t->nest, name, nla_data(a), nla_len(a));
			break;
		default:
			printf(" %s=%llu", name, number(a));
		}
	}
}

static int print_object(struct nl_msg *msg, void *arg)
{
	const struct dump *d = arg;
	struct genlmsghdr *g = genlmsg_hdr(nlmsg_hdr(msg));
	struct nlattr *head = genlmsg_attrdata(g, 0);
	int len = genlmsg_attrlen(g, 0);

	if (d->attrs) {
		printf("%s", d->what);
		print_attrs(d->attrs, "", head, len);
		printf("\n");
	} else if (nla_ok(head, len)) {
		unsigned int type = nla_type(head);

		if (type < sizeof(objects) / sizeof(*objects) && objects[type].what) {
			printf("%s", objects[type].what);
			print_attrs(objects[type].attrs, "", nla_data(head), nla_len(head));
			printf("\n");
		}
	}
	return NL_OK;
}

static const char *address(const struct inet_diag_sockid *id, const __be32 *a, char *buf)
{
	static const __be32 zero[3];
	int v4 = !memcmp(id->idiag_src + 1, zero, 12) && !memcmp(id->idiag_dst + 1, zero, 12);

	return inet_ntop(v4 ? AF_INET : AF_INET6, a, buf, INET6_ADDRSTRLEN);
}

static int print_socket(struct nl_msg *msg, void *arg)
{
	static const char * const modes[] = { "SMCR", "TCP", "SMCD" };
	struct smc_diag_msg *m = nlmsg_data(nlmsg_hdr(msg));
	struct nlattr *tb[SMC_DIAG_MAX + 1];
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];

	(void)arg;
	if (nlmsg_parse(nlmsg_hdr(msg), sizeof(*m), tb, SMC_DIAG_MAX, NULL))
		return NL_STOP;
	printf("socket STATE=%u MODE=%s LOCAL=%s:%u PEER=%s:%u UID=%u INODE=%llu",
	       m->diag_state, m->diag_mode < 3 ? modes[m->diag_mode] : "?",
	       address(&m->id, m->id.idiag_src, src), ntohs(m->id.idiag_sport),
	       address(&m->id, m->id.idiag_dst, dst), ntohs(m->id.idiag_dport),
	       m->diag_uid, (unsigned long long)m->diag_inode);
	if (tb[SMC_DIAG_SHUTDOWN])
		printf(" SHUTDOWN=%u", nla_get_u8(tb[SMC_DIAG_SHUTDOWN]));
	if (tb[SMC_DIAG_FALLBACK]) {
		struct smc_diag_fallback *f = nla_data(tb[SMC_DIAG_FALLBACK]);

		printf(" REASON=0x%08x PEER_DIAGNOSIS=0x%08x", f->reason, f->peer_diagnosis);
	}
	if (tb[SMC_DIAG_CONNINFO]) {
		struct smc_diag_conninfo *c = nla_data(tb[SMC_DIAG_CONNINFO]);

		printf(" SNDBUF=%u RMBE=%u PEER_RMBE=%u", c->sndbuf_size, c->rmbe_size,
		       c->peer_rmbe_size);
	}
	if (tb[SMC_DIAG_LGRINFO]) {
		struct smc_diag_lgrinfo *l = nla_data(tb[SMC_DIAG_LGRINFO]);

		printf(" ROLE=%u LINK=%u IBDEV=%s", l->role, l->lnk[0].link_id, l->lnk[0].ibname);
	}
	printf(" FAMILY=%u IF=%u COOKIE=%s\n", m->diag_family, m->id.idiag_if,
	       m->id.idiag_cookie[0] | m->id.idiag_cookie[1] ? "yes" : "no");
	return NL_OK;
}

static struct nl_sock *open_socket(int protocol, nl_recvmsg_msg_cb_t valid, void *arg)
{
	struct nl_sock *s = nl_socket_alloc();
	int rc;

	if (!s)
		die("socket", -NLE_NOMEM);
	rc = nl_connect(s, protocol);
	if (rc)
		die("connect", rc);
	if (valid)
		nl_socket_modify_cb(s, NL_CB_VALID, NL_CB_CUSTOM, valid, arg);
	nl_socket_modify_err_cb(s, NL_CB_CUSTOM, kernel_error, NULL);
	return s;
}

/* The messages of libnl say less than the kernel's numbers. */
static int generic(const struct action *action, int flags, char **args, const struct dump *d)
{
	struct nl_sock *s = open_socket(NETLINK_GENERIC, d ? print_object : NULL, (void *)d);
	int family = genl_ctrl_resolve(s, action->family), rc;
	struct nl_msg *msg = nlmsg_alloc();

	if (family < 0) {
		fprintf(stderr, "smcnl: no family %s\n", action->family);
		return 1;
	}
	genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, flags, action->command, 1);
	if (action->put && args[0])
		action->put(msg, args);
	rc = nl_send_auto(s, msg);
	if (rc >= 0)
		rc = flags & NLM_F_ACK ? nl_wait_for_ack(s) : nl_recvmsgs_default(s);
	if (rc < 0)
		die("request", rc);
	return 0;
}

static int fill(const char *id, int n)
{
	const struct action add = { "", SMCR_GENL_FAMILY_NAME, SMC_PNETID_ADD, put_pnet };
	char name[32], eth[32], *args[] = { name, eth, NULL };
	int i, rc = 0;

	snprintf(name, sizeof(name), "name=%s", id);
	for (i = 0; i < n && !rc; i++) {
		snprintf(eth, sizeof(eth), "eth=many%d", i);
		rc = generic(&add, NLM_F_ACK, args, NULL);
	}
	return rc;
}

static int dump(const char *family, const struct dump *d)
{
	struct action action = { d->what, family, d->command, NULL };

	return generic(&action, NLM_F_DUMP, NULL, d);
}

static int sockets(void)
{
	struct nl_sock *s = open_socket(NETLINK_SOCK_DIAG, print_socket, NULL);
	struct smc_diag_req req = {
		.diag_family = AF_SMC,
		.diag_ext = 1 << (SMC_DIAG_CONNINFO - 1) | 1 << (SMC_DIAG_LGRINFO - 1) |
			    1 << (SMC_DIAG_SHUTDOWN - 1) | 1 << (SMC_DIAG_DMBINFO - 1) |
			    1 << (SMC_DIAG_FALLBACK - 1),
	};
	int rc = nl_send_simple(s, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &req, sizeof(req));

	if (rc >= 0)
		rc = nl_recvmsgs_default(s);
	if (rc < 0)
		die("sock_diag", rc);
	return 0;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc == 2 && !strcmp(argv[1], "sockets"))
		return sockets();
	for (i = 0; argc == 3 && !strcmp(argv[1], "dump") && i < sizeof(dumps) / sizeof(*dumps); i++)
		if (!strcmp(argv[2], dumps[i].what))
			return dump(SMC_GENL_FAMILY_NAME, &dumps[i]);
	for (i = 0; argc == 3 && !strcmp(argv[1], "dump") && i < 2; i++)
		if (!strcmp(argv[2], own_dumps[i].what))
			return dump(SMC_RS_FAMILY, &own_dumps[i]);
	if (argc == 3 && !strcmp(argv[1], "dump") && !strcmp(argv[2], "pnet"))
		return dump(SMCR_GENL_FAMILY_NAME, &pnet_dump);
	if (argc == 4 && !strcmp(argv[1], "pnet-fill"))
		return fill(argv[2], atoi(argv[3]));
	for (i = 0; argc >= 2 && i < sizeof(actions) / sizeof(*actions); i++) {
		const struct action *action = &actions[i];

		if (strcmp(argv[1], action->name))
			continue;
		if (action->family[4] == 'P' && action->command == SMC_PNETID_GET)
			return generic(action, 0, argv + 2, &pnet_dump);
		return generic(action, NLM_F_ACK, argv + 2, NULL);
	}
	fprintf(stderr, "usage: see the head of smcnl.c\n");
	return 2;
}
