// SPDX-License-Identifier: GPL-2.0

//! The server's handshake of one connection.
//!
//! TCP's callbacks kick it, as does its deadline; a client that says nothing
//! costs memory until then, and no thread.

use super::{listen::Listener, HANDSHAKES};
use crate::{
    abstractions::{
        net::{
            attach::{Attached, EventSock, Events},
            errno::NetErrno,
            sock::{Child, Sock},
            socket::Vessel,
        },
        work::{Run, Task, Workqueue},
    },
    smc::{
        clc::{self, Inbox, Input},
        device::NoDevices,
    },
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};
use smc_proto::{
    group::Millis,
    handshake::{Action, Fallback, Server, ServerConfig, MAX_CONNS, MAX_LINKS},
    wire::{clc::Message, ext::Features},
};

/// One connection that is being accepted.
#[pin_data]
pub(super) struct Passive {
    listener: Arc<Task<Listener>>,
    /// By what the listener knows it.
    key: u64,
    #[pin]
    io: Mutex<Io>,
}

struct Io {
    server: Server,
    inbox: Inbox,
    child: Option<Child>,
    hook: Option<Arc<Attached<Hook>>>,
    /// The application's SO_RCVLOWAT, inherited from the listener.
    rcvlowat: i32,
    /// A plain connection already; accept() shall not have it before there are
    /// data, or before this time (TCP_DEFER_ACCEPT).
    deferred: Option<Millis>,
    cancelled: bool,
}

/// What leads from the child to its handshake.
struct Hook(Arc<Task<Passive>>);

impl Events for Hook {
    fn data_ready(this: &Arc<Attached<Self>>, _sock: &EventSock<'_>) {
        Task::kick(&this.0);
    }

    fn state_change(this: &Arc<Attached<Self>>, _sock: &EventSock<'_>) {
        Task::kick(&this.0);
    }
}

impl Passive {
    /// The handshake of `child`, which the listener knows by `key`. The child is
    /// closed on an error.
    pub(super) fn new(
        child: Child,
        listener: Arc<Task<Listener>>,
        key: u64,
    ) -> Result<Arc<Task<Self>>> {
        let config = ServerConfig {
            features: Features::NONE,
            max_conns: MAX_CONNS,
            max_links: MAX_LINKS,
            feature_mask: 0,
        };
        let (server, _) = Server::new(config, true, clc::now());
        Arc::pin_init(
            Task::new(try_pin_init!(Self {
                listener,
                key,
                io <- new_mutex!(Io {
                    server,
                    inbox: Inbox::new(),
                    child: Some(child),
                    hook: None,
                    rcvlowat: 1,
                    deferred: None,
                    cancelled: false,
                }, "Passive::io"),
            }? Error)),
            GFP_KERNEL,
        )
    }

    /// Starts it.
    pub(super) fn begin(task: &Arc<Task<Self>>) {
        let mut io = task.io.lock();
        let deadline = io.server.deadline();
        let started = io.hook_up(task);
        drop(io);
        match (started, deadline) {
            // Nothing has come yet.
            (Ok(false), Some(until)) => Task::run_after(task, clc::jiffies_until(until)),
            // Whatever it is, it is for the work to see.
            _ => Task::kick(task),
        }
    }

    /// The listener is gone, and has forgotten the handshake.
    pub(super) fn cancel(task: &Arc<Task<Self>>) {
        task.io.lock().cancelled = true;
        Task::kick(task);
    }
}

impl Io {
    /// Has the child's callbacks lead to `task`; whether something is there
    /// already.
    fn hook_up(&mut self, task: &Arc<Task<Passive>>) -> Result<bool> {
        let child = self.child.as_ref().ok_or(EINVAL)?;
        let hook = Attached::new(None, Hook(task.clone()))?;
        let locked = child.lock();
        Attached::attach(&hook, &locked)?;
        self.rcvlowat = locked.swap_rcvlowat(1);
        drop(locked);
        self.hook = Some(hook);
        Ok(child.has_input())
    }

    fn unhook(&mut self) {
        if let (Some(child), Some(hook)) = (&self.child, self.hook.take()) {
            let locked = child.lock();
            Attached::detach(&hook, &locked);
            locked.swap_rcvlowat(self.rcvlowat);
        }
    }

    /// Does what can be done without waiting; `None`: there is more to come.
    fn step(&mut self) -> Option<Result> {
        if self.hook.is_none() || self.cancelled {
            return Some(Err(NetErrno::ConnAborted.into()));
        }
        let mut action = self.server.on_timeout(clc::now());
        loop {
            action = match action {
                Action::Wait => match self.read() {
                    Ok(Some(action)) => action,
                    Ok(None) => return None,
                    Err(e) => return Some(Err(e)),
                },
                Action::Fallback(fallback) => return Some(self.fall_back(&fallback)),
                Action::Abort(abort) => return Some(Err(clc::error_of(abort.cause))),
                // Steps towards a device, and there is none.
                _ => return Some(Err(NetErrno::Proto.into())),
            };
        }
    }

    fn read(&mut self) -> Result<Option<Action>> {
        let Some(expected) = self.server.expected() else {
            return Ok(None);
        };
        let child: &Sock = self.child.as_ref().ok_or(EINVAL)?;
        Ok(match self.inbox.read(child, expected)? {
            Input::Nothing => None,
            Input::Message(bytes) => Some(match Message::parse(bytes) {
                Ok(message) => self.server.on_message(&message, &mut NoDevices::of(child)),
                Err(_) => self.server.on_malformed(),
            }),
            Input::Malformed => Some(self.server.on_malformed()),
            Input::Closed => Some(self.server.on_closed()),
        })
    }

    /// The connection is a plain one from here on; the client is told, where it
    /// does not know.
    fn fall_back(&mut self, fallback: &Fallback) -> Result {
        let mut child = self.child.take().ok_or(EINVAL)?;
        if fallback.decline(crate::smc::identity::peer_id()).is_some() {
            // What cannot be told is closed.
            let vessel = Vessel::new(child)?;
            clc::send_decline(vessel.sock(), fallback)?;
            child = vessel.into_child();
        }
        child.lock().set_syn_smc(false);
        if let Some(hook) = &self.hook {
            let listener = &hook.0.listener;
            listener.fell_back(&child, fallback.reason, fallback.peer_reason);
        }
        self.child = Some(child);
        Ok(())
    }

    /// The handshake has come to `end`: what is left of the connection, or when to
    /// look again whether accept() may have it.
    fn is_ready(&mut self, end: Result, defer: u32) -> Result<Option<Child>, Millis> {
        if let (Ok(()), Some(child)) = (&end, &self.child) {
            let now = clc::now();
            let until = *self
                .deferred
                .get_or_insert(now.after(defer.saturating_mul(1000)));
            if now < until && !self.cancelled && !child.has_input() {
                return Err(until);
            }
        }
        self.unhook();
        let child = self.child.take();
        Ok(child.filter(|_| end.is_ok()))
    }
}

impl Run for Passive {
    fn queue() -> &'static Workqueue {
        &HANDSHAKES
    }

    fn run(this: &Arc<Task<Self>>) {
        let mut io = this.io.lock();
        if io.child.is_none() {
            return;
        }
        let end = match io.deferred {
            None => io.step(),
            Some(_) => Some(Ok(())),
        };
        let ready = match end {
            None => Err(io.server.deadline()),
            Some(end) => io.is_ready(end, this.listener.defer_accept()).map_err(Some),
        };
        match ready {
            Ok(child) => {
                drop(io);
                this.listener.finish(this.key, child, &this.listener);
            }
            Err(Some(until)) => Task::run_after(this, clc::jiffies_until(until)),
            Err(None) => {}
        }
    }
}
