// SPDX-License-Identifier: GPL-2.0

//! Memory that a device reads and writes.

use super::{DeviceRef, TEARDOWN};
use crate::abstractions::{net::socket::Message, work::Deferred};
use core::{
    mem::zeroed,
    ptr::{self, NonNull},
};
use kernel::{
    error::to_result,
    ffi::c_void,
    page::{PAGE_SHIFT, PAGE_SIZE},
    prelude::*,
    sync::Arc,
};
use smc_bindings as bindings;

/// How the pages of a buffer lie.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In one piece.
    Contiguous,
    /// Anywhere, and mapped for the CPU: the device needs an [`Mr`](super::Mr).
    Virtual,
}

/// Who writes a buffer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The CPU.
    ToDevice,
    /// The device.
    FromDevice,
}

impl Direction {
    fn as_raw(self) -> bindings::dma_data_direction {
        match self {
            Self::ToDevice => bindings::dma_data_direction_DMA_TO_DEVICE,
            Self::FromDevice => bindings::dma_data_direction_DMA_FROM_DEVICE,
        }
    }
}

/// A buffer that a device can use.
///
/// Its bytes may change at any time: a device, and by it a peer, or a socket's
/// other thread writes into it. So there is no reference to them; they are copied.
pub(crate) struct DmaBuf(Deferred<Mapped>);

/// # Invariants
///
/// `table` is of the pages of `memory`, and mapped for `device`.
struct Mapped {
    table: Table,
    memory: Memory,
    device: DeviceRef,
    direction: Direction,
    needs_sync: bool,
}

// SAFETY: memory and its mapping may be used and freed by any thread.
unsafe impl Send for Mapped {}
// SAFETY: the memory's bytes are only accessed by raw copies, the rest is not
// changed.
unsafe impl Sync for Mapped {}

/// # Invariants
///
/// An initialised table, which is owned.
struct Table(bindings::sg_table);

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::sg_free_table(&mut self.0) };
    }
}

/// # Invariants
///
/// `base` is the address of at least `len` bytes, whole pages, which are owned.
struct Memory {
    base: NonNull<u8>,
    len: usize,
    kind: Kind,
}

impl Memory {
    /// `len` bytes, whole pages, all zero if that is asked for. Process context.
    fn alloc(len: usize, kind: Kind, zeroed: bool) -> Result<Self> {
        // SAFETY: both may sleep. Nobody needs the bytes to be anything: they are only
        // accessed by raw copies.
        let base = unsafe {
            match kind {
                Kind::Contiguous => {
                    let page = bindings::alloc_buffer_pages(order(len), zeroed);
                    NonNull::new(page).map_or(ptr::null_mut(), |page| {
                        bindings::page_address(page.as_ptr()).cast()
                    })
                }
                Kind::Virtual => bindings::vmalloc_buffer(len, zeroed).cast(),
            }
        };
        let base = NonNull::new(base).ok_or(ENOMEM)?;
        // INVARIANT: just allocated.
        Ok(Self { base, len, kind })
    }
}

impl Drop for Memory {
    /// Process context.
    fn drop(&mut self) {
        let base: *mut c_void = self.base.as_ptr().cast();
        // SAFETY: owned, by the type invariant, and allocated this way. Pages that
        // somebody else has a reference to, stay until that has gone.
        unsafe {
            match self.kind {
                Kind::Contiguous => {
                    bindings::free_buffer_pages(bindings::buffer_page(base), order(self.len))
                }
                Kind::Virtual => bindings::vfree(base),
            }
        }
    }
}

/// The order of the smallest block of pages that holds `len` bytes.
fn order(len: usize) -> u32 {
    len.div_ceil(PAGE_SIZE).next_power_of_two().trailing_zeros()
}

impl DmaBuf {
    /// A buffer of `len` bytes, rounded up to pages. One that a device writes to is all
    /// zero, as it is for the device to say how much it has written. Process context;
    /// may sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is empty, or longer than anything. `ENOMEM`, without much
    /// effort: a smaller one may be had. What the mapping gives.
    pub(crate) fn alloc(
        device: &DeviceRef,
        len: usize,
        kind: Kind,
        direction: Direction,
    ) -> Result<Arc<Self>> {
        let len = len.checked_next_multiple_of(PAGE_SIZE).ok_or(EINVAL)?;
        if len == 0 || u32::try_from(len).is_err() {
            return Err(EINVAL);
        }
        let memory = Memory::alloc(len, kind, direction == Direction::FromDevice)?;
        let base: *mut c_void = memory.base.as_ptr().cast();
        // SAFETY: all-zero bytes are a valid `struct sg_table`.
        let mut table: bindings::sg_table = unsafe { zeroed() };
        // SAFETY: `base` is that of so many bytes, of either kind.
        to_result(unsafe { bindings::buffer_sg_table(&mut table, base, len) })?;
        // INVARIANT: just initialised.
        let mut table = Table(table);
        // SAFETY: the device is there; the table is of live pages.
        let needs_sync = unsafe {
            to_result(bindings::ib_dma_map_sgtable(
                device.as_ptr(),
                &mut table.0,
                direction.as_raw(),
            ))?;
            bindings::ib_dma_needs_sync(device.as_ptr(), &mut table.0)
        };
        // INVARIANT: mapped just now.
        let mapped = Mapped {
            table,
            memory,
            device: device.clone(),
            direction,
            needs_sync,
        };
        Ok(Arc::new(
            Self(Deferred::new(mapped, &TEARDOWN)?),
            GFP_KERNEL,
        )?)
    }

    /// Bytes in it. Any context.
    pub(crate) fn len(&self) -> usize {
        self.0.memory.len
    }

    /// How its pages lie. Any context.
    pub(crate) fn kind(&self) -> Kind {
        self.0.memory.kind
    }

    /// The device that it is for. Any context.
    pub(crate) fn device(&self) -> &DeviceRef {
        &self.0.device
    }

    /// Entries of the mapping, and how many there are.
    pub(super) fn segments(&self) -> (*mut bindings::scatterlist, usize) {
        let table = &self.0.table.0;
        (table.sgl, table.nents as usize)
    }

    /// Where the device finds it, if it is in one piece.
    pub(super) fn dma_address(&self) -> Option<u64> {
        (self.kind() == Kind::Contiguous).then(|| {
            // SAFETY: mapped, by the type invariant, and in one piece.
            unsafe { bindings::sg_dma_address(self.0.table.0.sgl) }
        })
    }

    /// Whether `len` bytes from `off` on are in it.
    pub(super) fn contains(&self, off: usize, len: usize) -> bool {
        off.checked_add(len).is_some_and(|end| end <= self.len())
    }

    /// Where `len` bytes from `off` on are, if they are in it.
    pub(super) fn at(&self, off: usize, len: usize) -> Option<NonNull<u8>> {
        self.contains(off, len).then(|| {
            // SAFETY: within the memory, as just checked, and so not null.
            unsafe { NonNull::new_unchecked(self.0.memory.base.as_ptr().add(off)) }
        })
    }

    /// Takes the next `len` bytes of `msg` to `off`, as far as they are in memory;
    /// how many these were. Process context; does not sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` if they would not be in the buffer.
    pub(crate) fn copy_from(&self, off: usize, len: usize, msg: &Message<'_>) -> Result<usize> {
        let to = self.at(off, len).ok_or(EINVAL)?;
        // SAFETY: within the buffer.
        Ok(unsafe { msg.copy_in(to.as_ptr(), len) })
    }

    /// Puts `len` bytes from `off` on into `msg`, as far as its room is in memory;
    /// how many these were. Process context; does not sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` if they are not in the buffer.
    pub(crate) fn copy_to(&self, off: usize, len: usize, msg: &Message<'_>) -> Result<usize> {
        let from = self.at(off, len).ok_or(EINVAL)?;
        // SAFETY: within the buffer; what the bytes are does not matter.
        Ok(unsafe { msg.copy_out(from.as_ptr(), len) })
    }

    /// Makes `len` bytes from `off` on zero. Any context.
    ///
    /// # Errors
    ///
    /// `EINVAL` if they are not in the buffer.
    pub(crate) fn zero(&self, off: usize, len: usize) -> Result {
        let to = self.at(off, len).ok_or(EINVAL)?;
        // SAFETY: within the buffer, which is only accessed by raw copies.
        unsafe { to.as_ptr().write_bytes(0, len) };
        Ok(())
    }

    /// Copies `bytes` to `off`. Any context.
    ///
    /// # Errors
    ///
    /// `EINVAL` if they would not be in the buffer.
    pub(crate) fn put(&self, off: usize, bytes: &[u8]) -> Result {
        let to = self.at(off, bytes.len()).ok_or(EINVAL)?;
        // SAFETY: within the buffer, no part of which is ever in a slice that
        // somebody else could have, but for a message in its receiver's hands.
        unsafe { ptr::copy(bytes.as_ptr(), to.as_ptr(), bytes.len()) };
        Ok(())
    }

    /// The byte at `off`, if it is in the buffer. Any context.
    pub(crate) fn byte(&self, off: usize) -> Option<u8> {
        // SAFETY: within the buffer.
        self.at(off, 1)
            .map(|at| unsafe { at.as_ptr().read_volatile() })
    }

    /// The page that the byte at `off` is in, and where in it. Any context.
    pub(crate) fn page(&self, off: usize) -> Option<(PageRef, usize)> {
        let at = self.at(off, 1)?;
        // SAFETY: within the buffer, all of which has pages.
        let page = unsafe {
            let page = NonNull::new_unchecked(bindings::buffer_page(at.as_ptr().cast()));
            bindings::get_page(page.as_ptr());
            page
        };
        // INVARIANT: a reference was taken just now.
        Some((PageRef(page), off & (PAGE_SIZE - 1)))
    }

    /// Whether somebody has a reference to a page that holds some of these bytes.
    /// Any context.
    pub(crate) fn is_shared(&self, off: usize, len: usize) -> bool {
        let first = off & !(PAGE_SIZE - 1);
        (first..off.saturating_add(len))
            .step_by(PAGE_SIZE)
            .filter_map(|off| self.at(off, 1))
            // SAFETY: within the buffer, all of which has pages.
            .any(|at| unsafe {
                bindings::page_is_shared(bindings::buffer_page(at.as_ptr().cast()))
            })
    }

    /// What the device has written there is what the CPU reads from now on. Any
    /// context.
    pub(crate) fn sync_for_cpu(&self, off: usize, len: usize) {
        self.sync(off, len, true);
    }

    /// What the CPU has written there is what the device reads from now on. Any
    /// context.
    pub(crate) fn sync_for_device(&self, off: usize, len: usize) {
        self.sync(off, len, false);
    }

    fn sync(&self, off: usize, len: usize, for_cpu: bool) {
        let mapped = &*self.0;
        if !mapped.needs_sync || len == 0 || !self.contains(off, len) {
            return;
        }
        let table = ptr::addr_of!(mapped.table.0).cast_mut();
        // SAFETY: mapped, by the type invariant, and only read; the range is in it.
        unsafe {
            bindings::ib_dma_sync_range(
                mapped.device.as_ptr(),
                table,
                off,
                len,
                mapped.direction.as_raw(),
                for_cpu,
            )
        };
    }
}

impl Drop for Mapped {
    /// Process context. The table and the memory follow.
    fn drop(&mut self) {
        // SAFETY: mapped this way, by the type invariant; the device does not use
        // it any more: what is posted or registered has a reference.
        unsafe {
            bindings::ib_dma_unmap_sgtable(
                self.device.as_ptr(),
                &mut self.table.0,
                self.direction.as_raw(),
            )
        };
    }
}

/// A reference to a page of a buffer, which may outlive the buffer.
///
/// # Invariants
///
/// It is counted in the page.
pub(crate) struct PageRef(NonNull<bindings::page>);

// SAFETY: a page may be let go of by any thread.
unsafe impl Send for PageRef {}
// SAFETY: it is only pointed to.
unsafe impl Sync for PageRef {}

impl PageRef {
    /// The page; the reference is given up to the caller.
    pub(in crate::abstractions) fn into_raw(self) -> *mut bindings::page {
        let page = self.0.as_ptr();
        core::mem::forget(self);
        page
    }
}

impl Drop for PageRef {
    /// Any context.
    fn drop(&mut self) {
        // SAFETY: counted, by the type invariant.
        unsafe { bindings::put_page(self.0.as_ptr()) };
    }
}

/// Pages of `len` bytes, which are whole pages.
pub(super) fn pages(len: usize) -> usize {
    len >> PAGE_SHIFT
}
