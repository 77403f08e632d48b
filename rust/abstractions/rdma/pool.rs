// SPDX-License-Identifier: GPL-2.0

//! Memory for messages.

use super::{
    dma::{Direction, DmaBuf, Kind},
    endpoint::MESSAGE_LEN,
    DeviceRef,
};
use kernel::{page::PAGE_SIZE, prelude::*, sync::Arc};

/// Memory for items of one length, each in one piece.
pub(super) struct Pool {
    chunks: KVec<Arc<DmaBuf>>,
    per_chunk: usize,
    stride: usize,
}

impl Pool {
    /// Memory for `count` items of `len` bytes. Process context; may sleep.
    pub(super) fn new(
        device: &DeviceRef,
        count: usize,
        len: usize,
        direction: Direction,
    ) -> Result<Self> {
        let stride = len.checked_next_multiple_of(MESSAGE_LEN).ok_or(EINVAL)?;
        let per_chunk = PAGE_SIZE.checked_div(stride).ok_or(EINVAL)?.max(1);
        let mut chunks = KVec::new();
        for _ in 0..count.div_ceil(per_chunk) {
            let chunk = DmaBuf::alloc(device, stride * per_chunk, Kind::Contiguous, direction)?;
            chunks.push(chunk, GFP_KERNEL)?;
        }
        Ok(Self {
            chunks,
            per_chunk,
            stride,
        })
    }

    /// The buffer that an item is in, and where.
    pub(super) fn item(&self, index: u16) -> Option<(&DmaBuf, usize)> {
        let index = usize::from(index);
        let chunk = self.chunks.get(index / self.per_chunk)?;
        Some((chunk, index % self.per_chunk * self.stride))
    }
}
