// SPDX-License-Identifier: GPL-2.0

#include <linux/etherdevice.h>
#include <linux/pci.h>
#include <rdma/ib_cache.h>
#include <rdma/ib_verbs.h>

__rust_helper u32 smc_rs_helper_rdma_start_port(const struct ib_device *device)
{
	return rdma_start_port(device);
}

__rust_helper u32 smc_rs_helper_rdma_end_port(const struct ib_device *device)
{
	return rdma_end_port(device);
}

__rust_helper bool smc_rs_helper_rdma_protocol_roce(const struct ib_device *device, u32 port_num)
{
	return rdma_protocol_roce(device, port_num);
}

__rust_helper bool smc_rs_helper_ib_uses_virt_dma(struct ib_device *dev)
{
	return ib_uses_virt_dma(dev);
}

/* The name of the device that stands behind; NULL if there is none. */
__rust_helper const char *smc_rs_helper_ib_device_parent_name(const struct ib_device *device)
{
	return device->dev.parent ? dev_name(device->dev.parent) : NULL;
}

__rust_helper bool smc_rs_helper_ib_device_pci_ids(const struct ib_device *device, u16 *vendor,
						   u16 *id)
{
#ifdef CONFIG_PCI
	if (device->dev.parent && dev_is_pci(device->dev.parent)) {
		*vendor = to_pci_dev(device->dev.parent)->vendor;
		*id = to_pci_dev(device->dev.parent)->device;
		return true;
	}
#endif
	return false;
}

/* With a reference; NULL if the device of the entry is not there or not up. */
__rust_helper struct net_device *smc_rs_helper_rdma_gid_netdev(const struct ib_gid_attr *attr)
{
	struct net_device *ndev;

	rcu_read_lock();
	ndev = rdma_read_gid_attr_ndev_rcu(attr);
	if (IS_ERR(ndev))
		ndev = NULL;
	dev_hold(ndev);
	rcu_read_unlock();
	return ndev;
}

__rust_helper int smc_rs_helper_ib_post_send(struct ib_qp *qp, const struct ib_send_wr *send_wr,
					     const struct ib_send_wr **bad_send_wr)
{
	return ib_post_send(qp, send_wr, bad_send_wr);
}

__rust_helper int smc_rs_helper_ib_post_recv(struct ib_qp *qp, const struct ib_recv_wr *recv_wr,
					     const struct ib_recv_wr **bad_recv_wr)
{
	return ib_post_recv(qp, recv_wr, bad_recv_wr);
}

__rust_helper struct ib_pd *smc_rs_helper_ib_alloc_pd(struct ib_device *device)
{
	return ib_alloc_pd(device, 0);
}

__rust_helper void smc_rs_helper_ib_dealloc_pd(struct ib_pd *pd)
{
	ib_dealloc_pd(pd);
}

__rust_helper struct ib_qp *smc_rs_helper_ib_create_qp(struct ib_pd *pd,
						       struct ib_qp_init_attr *init_attr)
{
	return ib_create_qp(pd, init_attr);
}

__rust_helper int smc_rs_helper_ib_destroy_qp(struct ib_qp *qp)
{
	return ib_destroy_qp(qp);
}

__rust_helper int smc_rs_helper_ib_dereg_mr(struct ib_mr *mr)
{
	return ib_dereg_mr(mr);
}
