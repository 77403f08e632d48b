// SPDX-License-Identifier: GPL-2.0

#include <linux/sock_diag.h>
#include <net/genetlink.h>
#include <net/netlink.h>
#include <net/sock.h>

__rust_helper struct nlattr *smc_rs_helper_nla_nest_start(struct sk_buff *skb, int attrtype)
{
	return nla_nest_start(skb, attrtype);
}

__rust_helper void smc_rs_helper_nla_nest_end(struct sk_buff *skb, struct nlattr *start)
{
	nla_nest_end(skb, start);
}

__rust_helper int smc_rs_helper_nla_put_u64_64bit(struct sk_buff *skb, int attrtype, u64 value,
						  int padattr)
{
	return nla_put_u64_64bit(skb, attrtype, value, padattr);
}

__rust_helper int smc_rs_helper_nla_put_uint(struct sk_buff *skb, int attrtype, u64 value)
{
	return nla_put_uint(skb, attrtype, value);
}

__rust_helper void *smc_rs_helper_nla_data(const struct nlattr *nla)
{
	return nla_data(nla);
}

__rust_helper int smc_rs_helper_nla_len(const struct nlattr *nla)
{
	return nla_len(nla);
}

__rust_helper struct nlmsghdr *smc_rs_helper_nlmsg_put(struct sk_buff *skb, u32 portid, u32 seq,
						       int type, int payload, int flags)
{
	return nlmsg_put(skb, portid, seq, type, payload, flags);
}

__rust_helper void *smc_rs_helper_nlmsg_data(struct nlmsghdr *nlh)
{
	return nlmsg_data(nlh);
}

__rust_helper int smc_rs_helper_nlmsg_len(const struct nlmsghdr *nlh)
{
	return nlmsg_len(nlh);
}

__rust_helper void smc_rs_helper_nlmsg_end(struct sk_buff *skb, struct nlmsghdr *nlh)
{
	nlmsg_end(skb, nlh);
}

__rust_helper void smc_rs_helper_nlmsg_cancel(struct sk_buff *skb, struct nlmsghdr *nlh)
{
	nlmsg_cancel(skb, nlh);
}

__rust_helper struct sk_buff *smc_rs_helper_nlmsg_new_default(void)
{
	return nlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
}

__rust_helper void smc_rs_helper_nlmsg_free(struct sk_buff *skb)
{
	nlmsg_free(skb);
}

__rust_helper u32 smc_rs_helper_netlink_cb_portid(struct netlink_callback *cb)
{
	return NETLINK_CB(cb->skb).portid;
}

__rust_helper void smc_rs_helper_genlmsg_end(struct sk_buff *skb, void *hdr)
{
	genlmsg_end(skb, hdr);
}

__rust_helper void smc_rs_helper_genlmsg_cancel(struct sk_buff *skb, void *hdr)
{
	genlmsg_cancel(skb, hdr);
}

__rust_helper struct net *smc_rs_helper_genl_info_net(const struct genl_info *info)
{
	return genl_info_net(info);
}

__rust_helper const struct genl_family *smc_rs_helper_genl_dump_family(struct netlink_callback *cb)
{
	return genl_info_dump(cb)->family;
}

__rust_helper int smc_rs_helper_genlmsg_reply(struct sk_buff *skb, struct genl_info *info)
{
	return genlmsg_reply(skb, info);
}

__rust_helper int smc_rs_helper_sock_diag_dump_start(struct sk_buff *skb, struct nlmsghdr *nlh,
						     int (*dump)(struct sk_buff *skb,
						     struct netlink_callback *cb))
{
	struct netlink_dump_control control = {
		.dump = dump,
		.min_dump_alloc = SKB_WITH_OVERHEAD(32768),
	};

	return netlink_dump_start(sock_net(skb->sk)->diag_nlsk, skb, nlh, &control);
}

/* The owner of a socket, as who asks for the dump knows him. */
__rust_helper u32 smc_rs_helper_sock_diag_uid(struct netlink_callback *cb, struct sock *sk)
{
	return from_kuid_munged(sk_user_ns(NETLINK_CB(cb->skb).sk), sock_i_uid(sk));
}
