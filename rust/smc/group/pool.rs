// SPDX-License-Identifier: GPL-2.0

//! The memory of a link group's connections.
//!
//! An RMB is one memory region, registered with the group's queue pair once and
//! carved into elements of one size (RFC 7609 §2.1); each connection gets an
//! element, and gives it back for the next one. Send buffers are kept for reuse
//! in the same way. Both go when the group goes.

use super::{Group, Life};
use crate::abstractions::{
    rdma::{DeviceRef, Direction, DmaBuf, Kind, Mr},
    work::Task,
};
use crate::smc::{slots::Slots, sysctl::BufType as Memory};
use core::sync::atomic::{AtomicU32, Ordering};
use kernel::{prelude::*, sync::Arc};
use smc_proto::{
    cursor::RingSize,
    group::{LocalKeys, RmbId, Slot},
    wire::{
        llc::Rtoken,
        types::{Rkey, RmbAddr, RmbeIndex},
    },
};

/// Most elements of an RMB.
const MAX_ELEMENTS: usize = 16;
/// An RMB of more than one element is not larger than this, in bytes.
const MAX_RMB: u32 = 1 << 20;

/// Where an RMB stands with the queue pair.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Registration {
    /// Nothing is done yet.
    Due,
    /// The request is posted.
    Posted,
    /// The peer may write to it.
    Done,
}

struct Rmb {
    mr: Arc<Mr>,
    size: RingSize,
    count: usize,
    registration: Registration,
    /// Elements that belong to a connection, or may still be written by the peer
    /// of one that is gone.
    used: u16,
    /// Bytes at the front of each free element that its last connection has left.
    dirty: [u32; MAX_ELEMENTS],
}

/// RMBs and send buffers of a group.
pub(super) struct Pool {
    rmbs: KVec<KBox<Rmb>>,
    sends: Slots<(RingSize, Arc<DmaBuf>)>,
    /// Bytes of all send buffers, used or not.
    send_bytes: u64,
    /// The group has ended: nothing is kept.
    closed: bool,
}

/// Where memory came from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was there.
    Pool,
    /// It was allocated.
    New,
}

/// An element that was taken out of the pool.
struct Taken {
    rmb: RmbId,
    index: usize,
    mr: Arc<Mr>,
    dirty: u32,
}

impl Pool {
    pub(super) const fn new() -> Self {
        Self {
            rmbs: KVec::new(),
            sends: Slots::new(),
            send_bytes: 0,
            closed: false,
        }
    }

    /// Takes out all that there is; what is given back later is not kept.
    pub(super) fn close(&mut self) -> Self {
        let closed = Self {
            closed: true,
            ..Self::new()
        };
        core::mem::replace(self, closed)
    }

    fn take(&mut self, size: RingSize) -> Option<Taken> {
        for (n, rmb) in self.rmbs.iter_mut().enumerate() {
            if rmb.size != size {
                continue;
            }
            let index = (0..rmb.count).find(|i| rmb.used & (1 << i) == 0);
            let (Some(index), Some(id)) = (index, id(n)) else {
                continue;
            };
            rmb.used |= 1 << index;
            let dirty = rmb.dirty.get_mut(index).map(core::mem::take);
            return Some(Taken {
                rmb: id,
                index,
                mr: rmb.mr.clone(),
                dirty: dirty.unwrap_or(0),
            });
        }
        None
    }

    fn put(&mut self, id: RmbId, index: usize, dirty: u32) {
        if let Some(rmb) = self.rmbs.get_mut(usize::from(id.get())) {
            rmb.used &= !(1 << index);
            if let Some(slot) = rmb.dirty.get_mut(index) {
                *slot = dirty;
            }
        }
    }

    /// How many elements the next RMB has: each has twice as many as the one
    /// before, so that a group of one connection takes little memory, and one of
    /// many few memory regions.
    fn next_count(&self, size: RingSize) -> usize {
        let have = self.rmbs.iter().filter(|rmb| rmb.size == size).count();
        let fit = (MAX_RMB / size.bytes()).max(1) as usize;
        let wanted = 1usize.checked_shl(have as u32).unwrap_or(usize::MAX);
        wanted.min(MAX_ELEMENTS).min(fit)
    }

    /// What RMB `id` stands at.
    pub(super) fn registration(&self, id: RmbId) -> Registration {
        self.rmbs
            .get(usize::from(id.get()))
            .map_or(Registration::Due, |rmb| rmb.registration)
    }

    /// The RMB's registration is at `now`.
    pub(super) fn set_registration(&mut self, id: RmbId, now: Registration) {
        if let Some(rmb) = self.rmbs.get_mut(usize::from(id.get())) {
            rmb.registration = now;
        }
    }

    /// An RMB that is to be registered.
    pub(super) fn due(&self) -> Option<(RmbId, Arc<Mr>)> {
        let mut all = self.rmbs.iter().enumerate();
        let (n, rmb) = all.find(|(_, rmb)| rmb.registration == Registration::Due)?;
        Some((id(n)?, rmb.mr.clone()))
    }

    fn token(&self, id: RmbId) -> Option<Rtoken> {
        let rmb = self.rmbs.get(usize::from(id.get()))?;
        Some(Rtoken {
            rkey: Rkey(rmb.mr.rkey()),
            addr: RmbAddr(rmb.mr.iova()),
        })
    }

    /// Bytes of the RMBs and of the send buffers.
    pub(super) fn bytes(&self) -> (u64, u64) {
        let rmbs = self.rmbs.iter().map(|rmb| rmb.mr.buf().len() as u64).sum();
        (rmbs, self.send_bytes)
    }
}

/// Memory of `len` bytes; contiguous if that is wanted or can be had.
fn allocate(dev: &DeviceRef, len: usize, memory: Memory, dir: Direction) -> Result<Arc<DmaBuf>> {
    match memory {
        Memory::Contiguous => DmaBuf::alloc(dev, len, Kind::Contiguous, dir),
        Memory::Virtual => DmaBuf::alloc(dev, len, Kind::Virtual, dir),
        Memory::Mixed => DmaBuf::alloc(dev, len, Kind::Contiguous, dir)
            .or_else(|_| DmaBuf::alloc(dev, len, Kind::Virtual, dir)),
    }
}

fn id(n: usize) -> Option<RmbId> {
    u8::try_from(n).ok().and_then(RmbId::new)
}

/// The keys of a group's RMBs, for its LLC machine.
pub(super) struct Keys<'a>(pub(super) &'a Group);

impl LocalKeys for Keys<'_> {
    fn token(&self, rmb: RmbId, slot: Slot) -> Option<Rtoken> {
        // One link, one key.
        if slot != Slot::S0 {
            return None;
        }
        self.0.pool.lock().token(rmb)
    }
}

/// An element of an RMB: the ring that the peer of one connection writes to.
///
/// Dropped in any context, it goes back to the pool.
pub(crate) struct Rmbe {
    group: Arc<Task<Group>>,
    rmb: RmbId,
    index: usize,
    size: RingSize,
    mr: Arc<Mr>,
    /// How far it was written to.
    written: AtomicU32,
    quarantined: bool,
}

impl Rmbe {
    /// A free element of `size` bytes, of a new RMB if there is none. It may have
    /// to be registered still. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` without memory, memory regions or room in the peer's table.
    pub(crate) fn take(group: &Arc<Task<Group>>, size: RingSize) -> Result<(Self, Origin)> {
        let found = group.pool.lock().take(size);
        let (taken, origin) = match found {
            Some(taken) => (taken, Origin::Pool),
            None => (Self::grow(group, size)?, Origin::New),
        };
        let rmbe = Self {
            group: group.clone(),
            rmb: taken.rmb,
            index: taken.index,
            size,
            mr: taken.mr,
            written: AtomicU32::new(0),
            quarantined: false,
        };
        if taken.dirty != 0 {
            let (at, len) = (rmbe.offset(), taken.dirty as usize);
            rmbe.buf().zero(at, len)?;
            // Not to be written back over what the peer writes there.
            rmbe.buf().sync_for_device(at, len);
        }
        Ok((rmbe, origin))
    }

    /// Adds an RMB, as large as can be had, and takes its first element.
    fn grow(group: &Arc<Task<Group>>, size: RingSize) -> Result<Taken> {
        let pd = group.pd()?;
        let mut count = group.pool.lock().next_count(size);
        let mr = loop {
            let bytes = size.bytes() as usize * count;
            let done = allocate(
                group.pd()?.device(),
                bytes,
                group.spec.memory,
                Direction::FromDevice,
            )
            .and_then(|buf| Mr::alloc(&pd, &buf));
            match done {
                Ok(mr) => break mr,
                Err(e) if count == 1 => return Err(e),
                Err(_) => count /= 2,
            }
        };
        let rmb = KBox::new(
            Rmb {
                mr: mr.clone(),
                size,
                count,
                registration: Registration::Due,
                used: 1,
                dirty: [0; MAX_ELEMENTS],
            },
            GFP_KERNEL,
        )?;
        let mut pool = group.pool.lock();
        if pool.closed {
            return Err(ENODEV);
        }
        let Some(id) = id(pool.rmbs.len()) else {
            drop(pool);
            // Other connections had better have another group. That is for the server to
            // see to; a client that did not have this one any more would end it for all.
            if group.spec.key.server {
                group.set_life(Life::Closing);
            }
            return Err(ENOMEM);
        };
        pool.rmbs.push(rmb, GFP_ATOMIC)?;
        Ok(Taken {
            rmb: id,
            index: 0,
            mr,
            dirty: 0,
        })
    }

    /// The memory of the RMB, of which this element is a part.
    pub(crate) fn buf(&self) -> &Arc<DmaBuf> {
        self.mr.buf()
    }

    /// Where the element begins in its RMB, in bytes.
    pub(crate) fn offset(&self) -> usize {
        self.size.bytes() as usize * self.index
    }

    /// The size of the ring.
    pub(crate) fn size(&self) -> RingSize {
        self.size
    }

    /// Number of the element for the peer.
    pub(crate) fn index(&self) -> RmbeIndex {
        // At most `MAX_ELEMENTS`.
        u8::try_from(self.index + 1)
            .ok()
            .and_then(RmbeIndex::new)
            .unwrap_or(RmbeIndex::FIRST)
    }

    /// The RMB's name in the group.
    pub(crate) fn rmb(&self) -> RmbId {
        self.rmb
    }

    /// Key and address of the RMB, for the peer.
    pub(crate) fn token(&self) -> Rtoken {
        Rtoken {
            rkey: Rkey(self.mr.rkey()),
            addr: RmbAddr(self.mr.iova()),
        }
    }

    /// The peer has written up to `bytes` from the element's front. Any context.
    pub(crate) fn set_written(&self, bytes: u32) {
        self.written
            .fetch_max(bytes.min(self.size.bytes()), Ordering::Relaxed);
    }

    /// The peer may write to it still: nobody gets it until the group is gone.
    pub(crate) fn quarantine(mut self) {
        self.quarantined = true;
    }
}

impl Drop for Rmbe {
    fn drop(&mut self) {
        if !self.quarantined {
            let dirty = self.written.load(Ordering::Relaxed);
            self.group.pool.lock().put(self.rmb, self.index, dirty);
        }
    }
}

/// Where one connection's data wait until they are with the peer.
///
/// Dropped in any context, it goes back to the pool. No work request that reads
/// from it may be under way then.
pub(crate) struct SendBuffer {
    group: Arc<Task<Group>>,
    size: RingSize,
    buf: Option<Arc<DmaBuf>>,
}

impl SendBuffer {
    /// A buffer of `size` bytes. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` without memory.
    pub(crate) fn take(group: &Arc<Task<Group>>, size: RingSize) -> Result<(Self, Origin)> {
        let found = group.pool.lock().sends.take_if(|(have, _)| *have == size);
        let (buf, origin) = match found {
            Some((_, buf)) => (buf, Origin::Pool),
            None => {
                let buf = allocate(
                    group.pd()?.device(),
                    size.bytes() as usize,
                    Memory::Contiguous,
                    Direction::ToDevice,
                )?;
                group.pool.lock().send_bytes += u64::from(size.bytes());
                (buf, Origin::New)
            }
        };
        let buffer = Self {
            group: group.clone(),
            size,
            buf: Some(buf),
        };
        Ok((buffer, origin))
    }

    /// The buffer's memory.
    pub(crate) fn buf(&self) -> Option<&Arc<DmaBuf>> {
        self.buf.as_ref()
    }

    /// Its size.
    pub(crate) fn size(&self) -> RingSize {
        self.size
    }
}

impl Drop for SendBuffer {
    fn drop(&mut self) {
        if let Some(buf) = self.buf.take() {
            let mut pool = self.group.pool.lock();
            if pool.closed {
                return;
            }
            let kept = pool
                .sends
                .insert((self.size, buf), GFP_ATOMIC | __GFP_NOWARN);
            if kept.is_err() {
                // Without memory to remember it, it is freed.
                pool.send_bytes = pool.send_bytes.saturating_sub(self.size.bytes().into());
            }
        }
    }
}
