// SPDX-License-Identifier: GPL-2.0

#include <linux/net.h>

__rust_helper const struct proto_ops *smc_rs_helper_socket_ops(const struct socket *sock)
{
	return READ_ONCE(sock->ops);
}

__rust_helper void smc_rs_helper_socket_set_ops(struct socket *sock, const struct proto_ops *ops)
{
	WRITE_ONCE(sock->ops, ops);
}

__rust_helper bool smc_rs_helper_socket_test_zerocopy(const struct socket *sock)
{
	return test_bit(SOCK_SUPPORT_ZC, &sock->flags);
}

__rust_helper void smc_rs_helper_socket_set_zerocopy(struct socket *sock)
{
	set_bit(SOCK_SUPPORT_ZC, &sock->flags);
}
