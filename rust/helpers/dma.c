// SPDX-License-Identifier: GPL-2.0

#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/vmalloc.h>
#include <rdma/ib_verbs.h>

/*
 * Each with a count of its own: a pipe may keep one of them.  Without them there is
 * something smaller to try: nothing much is reclaimed, nobody is killed.  Somebody pays
 * for all buffers.
 */
__rust_helper struct page *smc_rs_helper_alloc_buffer_pages(unsigned int order, bool zero)
{
	struct page *page = alloc_pages(GFP_KERNEL_ACCOUNT | __GFP_NOWARN | __GFP_NORETRY |
						__GFP_NOMEMALLOC | (zero ? __GFP_ZERO : 0),
					order);

	if (page)
		split_page(page, order);
	return page;
}

__rust_helper void *smc_rs_helper_vmalloc_buffer(size_t size, bool zero)
{
	return __vmalloc(size, GFP_KERNEL_ACCOUNT | __GFP_NOWARN | __GFP_NORETRY |
				       __GFP_NOMEMALLOC | (zero ? __GFP_ZERO : 0));
}

__rust_helper void smc_rs_helper_free_buffer_pages(struct page *page, unsigned int order)
{
	unsigned long i;

	for (i = 0; i < 1UL << order; i++)
		__free_page(page + i);
}

__rust_helper void *smc_rs_helper_page_address(struct page *page)
{
	return page_address(page);
}

/* The page that `addr`, of a buffer, is in. */
__rust_helper struct page *smc_rs_helper_buffer_page(const void *addr)
{
	return is_vmalloc_addr(addr) ? vmalloc_to_page(addr) : virt_to_page(addr);
}

__rust_helper void smc_rs_helper_get_page(struct page *page)
{
	get_page(page);
}

/* Whether somebody else has a reference to the page. */
__rust_helper bool smc_rs_helper_page_is_shared(const struct page *page)
{
	return page_count(page) > 1;
}

__rust_helper bool smc_rs_helper_try_get_page(struct page *page)
{
	return try_get_page(page);
}

__rust_helper void smc_rs_helper_put_page(struct page *page)
{
	put_page(page);
}

/* `table` for `len` bytes of pages at `addr`: one entry, or one a page. */
__rust_helper int smc_rs_helper_buffer_sg_table(struct sg_table *table, void *addr, size_t len)
{
	struct scatterlist *sg;
	unsigned int i;
	int ret;

	if (!is_vmalloc_addr(addr)) {
		ret = sg_alloc_table(table, 1, GFP_KERNEL | __GFP_NOWARN);
		if (!ret)
			sg_set_page(table->sgl, virt_to_page(addr), len, 0);
		return ret;
	}
	ret = sg_alloc_table(table, len >> PAGE_SHIFT, GFP_KERNEL | __GFP_NOWARN);
	if (ret)
		return ret;
	for_each_sgtable_sg(table, sg, i)
		sg_set_page(sg, vmalloc_to_page(addr + (size_t)i * PAGE_SIZE), PAGE_SIZE, 0);
	return 0;
}

__rust_helper int smc_rs_helper_ib_dma_map_sgtable(struct ib_device *dev, struct sg_table *table,
						   enum dma_data_direction direction)
{
	return ib_dma_map_sgtable_attrs(dev, table, direction, 0);
}

__rust_helper void smc_rs_helper_ib_dma_unmap_sgtable(struct ib_device *dev, struct sg_table *table,
						      enum dma_data_direction direction)
{
	ib_dma_unmap_sgtable_attrs(dev, table, direction, 0);
}

__rust_helper u64 smc_rs_helper_sg_dma_address(const struct scatterlist *sg)
{
	return sg_dma_address(sg);
}

/* Whether the CPU and the device may see different bytes without a sync. */
__rust_helper bool smc_rs_helper_ib_dma_needs_sync(struct ib_device *dev, struct sg_table *table)
{
	struct scatterlist *sg;
	unsigned int i;

	if (ib_uses_virt_dma(dev))
		return false;
	for_each_sgtable_dma_sg(table, sg, i)
		if (dma_need_sync(dev->dma_device, sg_dma_address(sg)))
			return true;
	return false;
}

/* Of the `len` bytes from `off` on, for the CPU or for the device. */
__rust_helper void smc_rs_helper_ib_dma_sync_range(struct ib_device *dev, struct sg_table *table,
						   size_t off, size_t len,
						   enum dma_data_direction direction, bool for_cpu)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_dma_sg(table, sg, i) {
		size_t part, size = sg_dma_len(sg);

		if (off >= size) {
			off -= size;
			continue;
		}
		part = min(len, size - off);
		if (for_cpu)
			ib_dma_sync_single_for_cpu(dev, sg_dma_address(sg) + off, part, direction);
		else
			ib_dma_sync_single_for_device(dev, sg_dma_address(sg) + off, part,
						      direction);
		len -= part;
		if (!len)
			return;
		off = 0;
	}
}
