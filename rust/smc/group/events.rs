// SPDX-License-Identifier: GPL-2.0

//! What happens to a link group, its device and its namespace.

use super::{for_each, inbox::NotKept, peers, Group, Life};
use crate::{
    abstractions::work::Task,
    smc::{clc, device::Device, netns::NetData},
};
use core::sync::atomic::Ordering;
use kernel::sync::Arc;
use smc_proto::group::{Millis, Slot};

/// By how much longer the client keeps a group without connections than the server,
/// in milliseconds, so as not to use one that is about to go (smc_core.c).
const IDLE_CLIENT_MORE: u32 = 10_000;

impl Group {
    /// The last connection has gone. Any context.
    pub(super) fn on_idle(this: &Arc<Task<Self>>) {
        let now = clc::now();
        this.idle_since.store(now.0.max(1), Ordering::SeqCst);
        // Most often the task looks after the link before that anyway.
        let until = now.after(this.idle_time());
        if !this.has_ended() && until.0 < this.runs_at.load(Ordering::SeqCst) {
            Task::kick(this);
        }
    }

    fn idle_time(&self) -> u32 {
        let more = if self.spec.key.server {
            0
        } else {
            IDLE_CLIENT_MORE
        };
        self.spec.idle.saturating_add(more)
    }

    /// When the group goes, if it is idle.
    pub(super) fn idle_until(&self) -> Option<Millis> {
        if self.conn_count() != 0 {
            return None;
        }
        let since = self.idle_since.load(Ordering::SeqCst);
        (since != 0).then(|| Millis(since).after(self.idle_time()))
    }

    /// An LLC message came; softirq.
    pub(super) fn on_llc(this: &Arc<Task<Self>>, slot: Slot, message: &[u8]) {
        // What is lost here leads nowhere.
        match this.inbox.lock().push(slot, message) {
            Ok(()) => {}
            Err(NotKept::TooMany) => this.wishes.violation.store(true, Ordering::Release),
            Err(NotKept::NoMemory) => this.wishes.end.store(true, Ordering::Release),
        }
        Task::kick(this);
    }

    /// An LLC message has left; `confirm`: the machine wants to know. Any context.
    pub(super) fn on_llc_sent(this: &Arc<Task<Self>>, confirm: bool) {
        if confirm {
            this.wishes.sent.store(true, Ordering::Release);
        }
        if confirm || !this.is(Life::Open) {
            Task::kick(this);
        }
    }

    /// Takes no more connections, if there is none. Any context.
    pub(super) fn close_if_empty(&self) -> bool {
        let mut conns = self.conns.lock();
        let empty = conns.close_if_empty();
        drop(conns);
        if empty {
            self.set_life(Life::Closing);
        }
        empty
    }

    /// Whether the link's port is not any more what the peer knows it by. Process
    /// context; asks the driver.
    pub(super) fn is_gid_gone(&self) -> bool {
        self.describe_link().is_some_and(|(link, gid)| {
            let mac = link.local().mac.0;
            !self.device.has_still(&gid, mac, self.spec.key.vlan)
        })
    }

    /// GIDs of the link's port have changed, maybe its own. Any context.
    pub(super) fn on_gids(this: &Arc<Task<Self>>) {
        // The group's task looks: a driver must not be asked under the locks of a search.
        this.wishes.gids.store(true, Ordering::Release);
        Task::kick(this);
    }

    /// The link's queue pair has failed, or its port. Any context.
    pub(super) fn on_link_broken(this: &Arc<Task<Self>>) {
        this.set_life(Life::Closing);
        this.wishes.broken.store(true, Ordering::Release);
        Task::kick(this);
    }
}

/// The device is going away: every group on it ends, and tells its peer, as long as
/// the device still sends. Process context; those who still use the device are waited
/// for elsewhere.
pub(crate) fn device_gone(device: &Arc<Device>) {
    peers::on_device(device, Group::end);
}

/// A network namespace ends: its groups do, and tell their peers. Whoever makes one
/// meanwhile looks afterwards whether the namespace is there. Process context.
pub(crate) fn net_gone(net: &Arc<NetData>) {
    for_each(|group| {
        if Arc::ptr_eq(&group.spec.net, net) {
            Group::end(group);
        }
    });
}

/// A port, or all of them, does not carry anything any more. Process context.
pub(crate) fn port_down(device: &Arc<Device>, port: Option<u32>) {
    peers::on_device(device, |group| {
        if port.map_or(true, |port| group.port() == Some(port)) {
            Group::on_link_broken(group);
        }
    });
}

/// The GIDs of a port have changed: links end whose own is not among them any more.
/// Process context.
pub(crate) fn gids_changed(device: &Arc<Device>, port: u32) {
    peers::on_device(device, |group| {
        if group.port() == Some(port) {
            Group::on_gids(group);
        }
    });
}

/// How many links go through a port. Process context.
pub(crate) fn links_through(device: &Arc<Device>, port: u32) -> u32 {
    let mut links = 0;
    peers::on_device(device, |group| {
        links += u32::from(group.port() == Some(port));
    });
    links
}

/// Whether connections would be lost with the device: a group of one link has no
/// other. Process context.
pub(crate) fn is_only_device(device: &Arc<Device>) -> bool {
    let mut used = false;
    peers::on_device(device, |group| used |= group.conn_count() != 0);
    used
}
