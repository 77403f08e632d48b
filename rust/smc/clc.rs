// SPDX-License-Identifier: GPL-2.0

//! CLC messages in and out of a TCP connection, without waiting.

use crate::{
    abstractions::net::{errno::NetErrno, ready::ReadyMessage, sock::Sock, Net},
    smc::{identity, netns::NetData},
};
use kernel::{prelude::*, sync::Arc, time::Ktime};
use smc_proto::{
    group::Millis,
    handshake::{Cause, Fallback},
    wire::clc::{self, Decline, Framer, Kind, Step},
};

/// Room for an Accept or Confirm with one GID, in bytes.
pub(crate) const MAX_ACCEPT: usize = 256;

/// The time of handshakes.
pub(crate) fn now() -> Millis {
    Millis(u64::try_from(Ktime::ktime_get().to_ms()).unwrap_or(0))
}

/// Jiffies from now until `deadline`, at least one.
pub(crate) fn jiffies_until(deadline: Millis) -> kernel::time::Jiffies {
    let ms = deadline.0.saturating_sub(now().0);
    let ms = u32::try_from(ms).unwrap_or(u32::MAX).max(1);
    kernel::time::msecs_to_jiffies(ms).max(1)
}

/// What the application sees of a handshake that broke the connection.
pub(crate) fn error_of(cause: Cause) -> Error {
    match cause {
        Cause::Protocol => NetErrno::Proto.into(),
        Cause::Closed => NetErrno::ConnReset.into(),
        Cause::TimedOut => NetErrno::TimedOut.into(),
    }
}

/// What is there to be read.
pub(crate) enum Input<'a> {
    /// Not all of a message yet.
    Nothing,
    /// The bytes of a message.
    Message(&'a [u8]),
    /// Something that is no CLC message, or not one that may come now.
    Malformed,
    /// No more will come.
    Closed,
}

type Buffer = [u8; clc::MAX_KEPT];

/// Collects the messages of one end's peer.
///
/// A connection that never says anything costs no buffer.
pub(crate) struct Inbox {
    framer: Framer,
    buffer: Option<KBox<Buffer>>,
}

impl Inbox {
    pub(crate) const fn new() -> Self {
        Self {
            framer: Framer::new(),
            buffer: None,
        }
    }

    /// Takes what is there of a message of the `expected` kind, or a Decline,
    /// and no byte more. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` without memory for the buffer.
    pub(crate) fn read(&mut self, sock: &Sock, expected: Kind) -> Result<Input<'_>> {
        if let Step::Message(_) = self.framer.step() {
            // The one before has been dealt with.
            self.framer = Framer::new();
        }
        loop {
            let got = match self.framer.step() {
                Step::Message(n) => {
                    let bytes = self.buffer.as_deref().and_then(|b| b.get(..n));
                    return Ok(bytes.map_or(Input::Malformed, Input::Message));
                }
                Step::NeedMore(n) => {
                    if self.buffer.is_none() && !sock.has_input() {
                        return Ok(Input::Nothing);
                    }
                    let filled = self.framer.filled();
                    let buffer = Self::buffer(&mut self.buffer)?;
                    match buffer.get_mut(filled..).and_then(|b| b.get_mut(..n)) {
                        Some(room) => sock.recv_now(room),
                        None => return Ok(Input::Malformed),
                    }
                }
                Step::Discard(n) => sock.discard_now(n),
            };
            let n = match got {
                Ok(0) => return Ok(Input::Closed),
                Ok(n) => n,
                Err(e) if e == EAGAIN => return Ok(Input::Nothing),
                Err(_) => return Ok(Input::Closed),
            };
            let buffer = Self::buffer(&mut self.buffer)?;
            if self.framer.advance(expected, &buffer[..], n).is_err() {
                return Ok(Input::Malformed);
            }
        }
    }

    fn buffer(slot: &mut Option<KBox<Buffer>>) -> Result<&mut Buffer> {
        if slot.is_none() {
            *slot = Some(KBox::new([0; clc::MAX_KEPT], GFP_KERNEL)?);
        }
        slot.as_deref_mut().ok_or(ENOMEM)
    }
}

/// Tells the peer of a fallback in `net` by `send`, where it does not know.
///
/// # Errors
///
/// Those of `send`: the stream is of no use then.
pub(crate) fn send_decline(
    fallback: &Fallback,
    net: &Net,
    send: impl FnOnce(&[u8]) -> Result,
) -> Result {
    match decline(fallback, net)? {
        Some((bytes, n)) => send(bytes.get(..n).ok_or(EINVAL)?),
        None => Ok(()),
    }
}

/// The same for a client in the namespace of `data` that knows before it is connected: the
/// message, for whatever context that happens in. Process context.
///
/// # Errors
///
/// `ENOMEM`; `EINVAL` if there is nothing to tell.
pub(crate) fn ready_decline(fallback: &Fallback, data: &NetData) -> Result<Arc<ReadyMessage>> {
    let decline = fallback.decline(data.peer_id()).ok_or(EINVAL)?;
    if let Some(ready) = data.declines.lock().get(&decline) {
        return Ok(ready);
    }
    let (bytes, n) = written(&decline)?;
    let ready = ReadyMessage::new(bytes.get(..n).ok_or(EINVAL)?)?;
    let ready = Arc::new(ready, GFP_KERNEL)?;
    data.declines.lock().put(decline, ready.clone());
    Ok(ready)
}

/// The Decline that clients have sent last: those of a host without a RoCE port have all
/// the same to say.
pub(super) struct ReadyDeclines {
    last: Option<(Decline, Arc<ReadyMessage>)>,
}

impl ReadyDeclines {
    pub(super) const fn new() -> Self {
        Self { last: None }
    }

    fn get(&self, decline: &Decline) -> Option<Arc<ReadyMessage>> {
        let (last, ready) = self.last.as_ref()?;
        (last == decline).then(|| ready.clone())
    }

    fn put(&mut self, decline: Decline, ready: Arc<ReadyMessage>) {
        self.last = Some((decline, ready));
    }
}

/// The Decline for a fallback, and how long it is.
fn decline(fallback: &Fallback, net: &Net) -> Result<Option<([u8; 64], usize)>> {
    let from = identity::peer_id(net).unwrap_or_default();
    fallback.decline(from).as_ref().map(written).transpose()
}

fn written(decline: &Decline) -> Result<([u8; 64], usize)> {
    let mut bytes = [0; 64];
    let n = decline.emit(&mut bytes).map_err(|_| EINVAL)?;
    Ok((bytes, n))
}
