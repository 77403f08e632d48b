// SPDX-License-Identifier: GPL-2.0

//! RDMA: devices, and the memory and queues on them.
//!
//! Each object keeps what it is made on, down to a [`DeviceRef`], and a device's
//! removal waits for the last of these. Whatever is given out here may be dropped
//! in any context: what sleeps is handed to a workqueue of this floor.
//!
//! C header: [`include/rdma/ib_verbs.h`](srctree/include/rdma/ib_verbs.h)

mod client;
mod cq;
mod device;
mod dma;
mod endpoint;
mod gid;
mod mr;
mod pd;
mod pool;
mod qp;
mod recv;
mod slot;

pub(crate) use client::{Client, ClientRegistration, DeviceEvent};
pub(crate) use device::{DeviceRef, Mtu, PortAttr};
pub(crate) use dma::{Direction, DmaBuf, Kind, PageRef};
pub(crate) use endpoint::{Endpoint, NoSlot, Path, QpSizes, SendStatus, MESSAGE_LEN};
pub(crate) use gid::{GidKind, GidRef};
pub(crate) use mr::Mr;
pub(crate) use pd::Pd;
pub(crate) use qp::{Qp, QpRef};
pub(crate) use slot::{RemoteWrite, SendSlot};

use super::work::Workqueue;

/// A GID, in network byte order.
pub(crate) type Gid = [u8; 16];

/// Where objects are taken apart. It runs from before the first client is
/// registered until after the last one's devices have gone.
static TEARDOWN: Workqueue = Workqueue::new();
