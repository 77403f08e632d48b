// SPDX-License-Identifier: GPL-2.0

#include <linux/sockptr.h>
#include <linux/socket.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

__rust_helper sockptr_t smc_rs_helper_KERNEL_SOCKPTR(void *p)
{
	return KERNEL_SOCKPTR(p);
}

__rust_helper int smc_rs_helper_copy_from_sockptr(void *dst, sockptr_t src, size_t size)
{
	return copy_from_sockptr(dst, src, size);
}

__rust_helper size_t smc_rs_helper_copy_to_iter(const void *addr, size_t bytes, struct iov_iter *i)
{
	return copy_to_iter(addr, bytes, i);
}

__rust_helper size_t smc_rs_helper_copy_from_iter_resident(void *addr, size_t bytes,
							   struct iov_iter *i)
{
	size_t n;

	pagefault_disable();
	n = copy_from_iter(addr, bytes, i);
	pagefault_enable();
	return n;
}

__rust_helper size_t smc_rs_helper_copy_to_iter_resident(const void *addr, size_t bytes,
							 struct iov_iter *i)
{
	size_t n;

	pagefault_disable();
	n = copy_to_iter(addr, bytes, i);
	pagefault_enable();
	return n;
}

__rust_helper size_t smc_rs_helper_msg_data_left(struct msghdr *msg)
{
	return msg_data_left(msg);
}
