// SPDX-License-Identifier: GPL-2.0

//! The PNET table: which network devices and RDMA ports are on one physical
//! network, as the administrator says.
//!
//! Each namespace has one. What it says of RDMA devices counts in the first
//! namespace only. Network devices are entered by their names, and known by their
//! indexes as soon as they are there: a device that is renamed keeps its entry.

use super::netns::NetData;
use crate::abstractions::net::{
    notifier::{
        self, DeviceEvent, DeviceEvents, DeviceNotifier, DeviceNotifierRegistration, EventDevice,
    },
    Net,
};
use kernel::{
    prelude::*,
    rbtree::{RBTree, RBTreeNode},
};

/// Ports of an RDMA device that SMC knows.
pub(crate) const MAX_PORTS: u8 = 2;

const NAME_LEN: usize = 16;

/// Name of a physical network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PnetId([u8; NAME_LEN]);

impl PnetId {
    /// From what the user says: letters and digits, at most 16 of them, between
    /// blanks. Small letters are as good as capital ones.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = trim(text);
        let mut id = [0; NAME_LEN];
        if text.is_empty() {
            return None;
        }
        for (i, c) in text.iter().enumerate() {
            if !c.is_ascii_alphanumeric() {
                return None;
            }
            *id.get_mut(i)? = c.to_ascii_uppercase();
        }
        Some(Self(id))
    }

    /// The 16 bytes, with NULs to the end.
    pub(crate) fn as_bytes(&self) -> &[u8; NAME_LEN] {
        &self.0
    }

    /// Whether `text` names it: up to a blank, and as it is written here.
    fn is_named(&self, text: &[u8]) -> bool {
        let end = |s: &[u8]| {
            let s = s.get(..NAME_LEN).unwrap_or(s);
            s.iter()
                .position(|c| *c == 0 || is_space(*c))
                .unwrap_or(s.len())
        };
        self.0.get(..end(&self.0)) == text.get(..end(text))
    }
}

fn is_space(c: u8) -> bool {
    c.is_ascii_whitespace() || c == 0x0b
}

/// `text` without the blanks at both ends.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let begin = text
        .iter()
        .position(|c| !is_space(*c))
        .unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(|c| !is_space(*c))
        .map_or(begin, |last| last + 1);
    text.get(begin..end).unwrap_or_default()
}

/// A name of a device; NULs to the end.
pub(crate) type DeviceName = [u8; 64];

/// What is on a physical network.
#[derive(Clone, Copy)]
pub(crate) enum Member {
    /// A network device.
    Eth {
        /// The name it was entered by.
        name: notifier::Name,
        /// Its index, if it is there.
        ifindex: Option<u32>,
    },
    /// A port of an RDMA device.
    Ib {
        /// Name of the device, or of the device in the machine that it belongs to.
        name: DeviceName,
        /// The port, from 1.
        port: u8,
    },
}

/// One entry.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    /// The physical network.
    pub(crate) id: PnetId,
    /// What is on it.
    pub(crate) member: Member,
}

/// The entries of a namespace, in the order they were made in.
pub(crate) struct Table {
    next: u64,
    entries: RBTree<u64, Entry>,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            next: 0,
            entries: RBTree::new(),
        }
    }

    fn push(&mut self, entry: Entry) -> Result {
        let node = RBTreeNode::new(self.next, entry, GFP_KERNEL)?;
        self.entries.insert(node);
        self.next += 1;
        Ok(())
    }

    /// Removes what `wanted` says yes to; whether there was any.
    fn remove(&mut self, wanted: impl Fn(&Entry) -> bool) -> bool {
        let mut any = false;
        let mut from = 0;
        while let Some(cursor) = self.entries.cursor_lower_bound(&from) {
            from = *cursor.current().0 + 1;
            if wanted(cursor.current().1) {
                let _ = cursor.remove_current();
                any = true;
            }
        }
        any
    }

    fn find(&self, wanted: impl Fn(&Member) -> bool) -> Option<PnetId> {
        self.entries
            .values()
            .find(|e| wanted(&e.member))
            .map(|e| e.id)
    }

    fn of_index(&self, index: u32) -> Option<PnetId> {
        self.find(|m| matches!(m, Member::Eth { ifindex: Some(i), .. } if *i == index))
    }
}

/// Bytes of `text` with NULs to the end of a name; `None` if it is too long.
fn name<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut name = [0; N];
    name.get_mut(..text.len())?.copy_from_slice(text);
    (text.len() < N).then_some(name)
}

/// Enters a network device by its name. Process context.
///
/// # Errors
///
/// `EEXIST` if the name is in the table, `ENOMEM`.
pub(crate) fn add_eth(net: &Net, id: PnetId, device: &CStr) -> Result {
    let data = NetData::of(net).ok_or(ENOENT)?;
    let wanted: notifier::Name = name(device.as_bytes()).ok_or(EINVAL)?;
    let mut table = data.pnet.lock();
    if table
        .find(|m| matches!(m, Member::Eth { name, .. } if *name == wanted))
        .is_some()
    {
        return Err(EEXIST);
    }
    // Under the lock: the device's coming or going, which takes it too, is told
    // of after this.
    let ifindex = notifier::index_by_name(net, device);
    let member = Member::Eth {
        name: wanted,
        ifindex,
    };
    table.push(Entry { id, member })
}

/// Enters a port of an RDMA device by its name, in the first namespace. Process
/// context.
///
/// # Errors
///
/// `EEXIST` if the name is in the table, `ENOMEM`.
pub(crate) fn add_ib(id: PnetId, device: &[u8], port: u8) -> Result {
    let data = NetData::of(Net::init()).ok_or(ENOENT)?;
    let wanted: DeviceName = name(device).ok_or(EINVAL)?;
    let mut table = data.pnet.lock();
    if table
        .find(|m| matches!(m, Member::Ib { name, .. } if *name == wanted))
        .is_some()
    {
        return Err(EEXIST);
    }
    let member = Member::Ib { name: wanted, port };
    table.push(Entry { id, member })
}

/// Removes all that is on the network `id`. Process context.
///
/// # Errors
///
/// `ENOENT` if there is nothing.
pub(crate) fn remove(net: &Net, id: &[u8]) -> Result {
    let data = NetData::of(net).ok_or(ENOENT)?;
    if !data.pnet.lock().remove(|entry| entry.id.is_named(id)) {
        return Err(ENOENT);
    }
    Ok(())
}

/// Removes all. Process context.
pub(crate) fn flush(net: &Net) {
    if let Some(data) = NetData::of(net) {
        data.pnet.lock().remove(|_| true);
    }
}

/// Calls `f` with the entries that are on the network `id`, or with all, until it
/// says no. Process context.
pub(crate) fn for_each(data: &NetData, id: Option<&[u8]>, f: impl FnMut(&Entry) -> bool) {
    let table = data.pnet.lock();
    let _ = table
        .entries
        .values()
        .filter(|entry| id.map_or(true, |id| entry.id.is_named(id)))
        .all(f);
}

/// The physical network of a network device: what is said of the device that it
/// stands on, else of itself. Process context.
pub(crate) fn id_of(net: &Net, ifindex: u32) -> Option<PnetId> {
    let base = notifier::with_base(net, ifindex, |net, index| {
        NetData::of(net).map(|data| (data, index))
    })??;
    let (data, index) = base;
    let id = data.pnet.lock().of_index(index);
    id.or_else(|| NetData::of(net)?.pnet.lock().of_index(ifindex))
}

/// The physical network of a port of an RDMA device, which may be entered by its
/// own name or by that of its `parent`. Process context.
pub(crate) fn id_of_port(device: &[u8], parent: Option<&[u8]>, port: u8) -> Option<PnetId> {
    let data = NetData::of(Net::init())?;
    let is = |entered: &DeviceName, wanted: &[u8]| {
        name::<64>(wanted).is_some_and(|wanted| wanted == *entered)
    };
    let id = data.pnet.lock().find(|m| match m {
        Member::Ib { name, port: p } => {
            *p == port && (is(name, device) || parent.is_some_and(|parent| is(name, parent)))
        }
        Member::Eth { .. } => false,
    });
    id
}

struct Devices;

impl DeviceEvents for Devices {
    fn on_event(device: &EventDevice<'_>, event: DeviceEvent) {
        if event == DeviceEvent::Changed {
            return super::device::changed();
        }
        let Some(data) = NetData::of(device.net()) else {
            return;
        };
        let mut table = data.pnet.lock();
        for entry in table.entries.values_mut() {
            let Member::Eth { name, ifindex } = &mut entry.member else {
                continue;
            };
            match event {
                DeviceEvent::Registered if ifindex.is_none() && *name == device.name() => {
                    *ifindex = Some(device.ifindex());
                }
                DeviceEvent::Unregistered if *ifindex == Some(device.ifindex()) => {
                    *ifindex = None;
                }
                _ => {}
            }
        }
    }
}

static NOTIFIER: DeviceNotifier<Devices> = DeviceNotifier::new();

/// Has the tables know devices that come and go.
pub(super) struct DeviceWatch {
    _notifier: DeviceNotifierRegistration<Devices>,
}

impl DeviceWatch {
    /// Process context; may sleep.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub(super) fn register() -> Result<Self> {
        NOTIFIER.register().map(|notifier| Self {
            _notifier: notifier,
        })
    }
}
