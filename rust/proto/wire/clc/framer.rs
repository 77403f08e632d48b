// SPDX-License-Identifier: GPL-2.0

//! Cutting CLC messages out of the TCP stream.
//!
//! Bytes behind a message may belong to the application (after a Decline) or
//! to the next message, so no byte more than the message may be taken from the
//! stream. A [`Framer`] says how many bytes to take next, first of the header,
//! then of the message that it announces, and drops what of an oversized
//! Accept or Confirm the C module drops (smc_clc.c, `smc_clc_wait_msg`).

use super::header::{Header, Kind, HEADER_LEN};
use super::{accept, decline, proposal, ClcError};

/// The most of a message that a [`Framer`] keeps, in bytes: a buffer of this
/// size is enough for every message.
pub const MAX_KEPT: usize = proposal::MAX_PROPOSAL_LEN;

/// Header, sender, offset, IP area and trailer.
const MIN_PROPOSAL_LEN: usize = 52;

/// How much of a message of this kind is kept at most, in bytes: as much as
/// the C module has room for.
pub(super) const fn kept(kind: Kind) -> usize {
    match kind {
        Kind::Proposal | Kind::Confirm => proposal::MAX_PROPOSAL_LEN,
        Kind::Accept => 160,
        Kind::Decline => decline::Decline::LEN_V2,
    }
}

/// What a [`Framer`] wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// At most this many bytes of the stream, into the buffer behind those
    /// that are there ([`Framer::filled`]).
    NeedMore(usize),
    /// Take at most this many bytes from the stream and forget them.
    Discard(usize),
    /// The message is complete: so many bytes at the front of the buffer.
    Message(usize),
}

/// Why the stream holds no message that was waited for. The connection ends
/// without a Decline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The header is wrong, or announces a length that its message can't have.
    Malformed(ClcError),
    /// A message, but not the one that was waited for.
    Unexpected(Kind),
    /// The caller's buffer is smaller than [`MAX_KEPT`] and too small for this
    /// message.
    NoSpace,
}

impl From<ClcError> for FrameError {
    fn from(e: ClcError) -> Self {
        FrameError::Malformed(e)
    }
}

/// Collects one message from the stream.
///
/// It holds counters only; the buffer is the caller's, the same one in every
/// call, and only the framer's own bytes may be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framer {
    /// Bytes of the message in the buffer.
    filled: u16,
    /// Bytes of the message to keep; the header's length until it is there.
    keep: u16,
    /// Bytes of the message to drop behind those.
    discard: u16,
    header_done: bool,
}

impl Default for Framer {
    fn default() -> Self {
        Framer::new()
    }
}

impl Framer {
    /// Has nothing yet.
    pub const fn new() -> Self {
        Framer {
            filled: 0,
            keep: HEADER_LEN as u16,
            discard: 0,
            header_done: false,
        }
    }

    /// How many bytes of the message are in the buffer.
    pub const fn filled(&self) -> usize {
        self.filled as usize
    }

    /// What to do next.
    pub const fn step(&self) -> Step {
        if self.filled < self.keep {
            Step::NeedMore((self.keep - self.filled) as usize)
        } else if self.discard > 0 {
            Step::Discard(self.discard as usize)
        } else {
            Step::Message(self.filled as usize)
        }
    }

    /// Takes `n` bytes into account, which the caller placed in `buf` behind
    /// the first [`Framer::filled`] (or forgot, after [`Step::Discard`]). More
    /// than the last step asked for count as what it asked for. `expected` is
    /// the kind that is waited for now; a Decline is taken at any time.
    ///
    /// # Errors
    ///
    /// See [`FrameError`]. Nothing more is to be fed after one.
    pub fn advance(&mut self, expected: Kind, buf: &[u8], n: usize) -> Result<Step, FrameError> {
        match self.step() {
            Step::NeedMore(wanted) => {
                // At most `wanted`, which fits.
                self.filled += u16::try_from(n.min(wanted)).unwrap_or(0);
                if !self.header_done && self.filled == self.keep {
                    self.start_body(expected, buf)?;
                }
            }
            Step::Discard(wanted) => {
                self.discard -= u16::try_from(n.min(wanted)).unwrap_or(0);
            }
            Step::Message(_) => {}
        }
        Ok(self.step())
    }

    /// Takes what it wants from the front of `input`, into `buf`. Gives how
    /// many bytes it took, and what is next. `expected` as in
    /// [`Framer::advance`].
    ///
    /// # Errors
    ///
    /// As [`Framer::advance`].
    pub fn feed(
        &mut self,
        expected: Kind,
        buf: &mut [u8],
        input: &[u8],
    ) -> Result<(usize, Step), FrameError> {
        let mut rest = input;
        loop {
            let n = match self.step() {
                Step::NeedMore(wanted) => {
                    let n = wanted.min(rest.len());
                    let from = rest.get(..n).unwrap_or_default();
                    buf.get_mut(self.filled()..)
                        .and_then(|space| space.get_mut(..n))
                        .ok_or(FrameError::NoSpace)?
                        .copy_from_slice(from);
                    n
                }
                Step::Discard(wanted) => wanted.min(rest.len()),
                Step::Message(_) => 0,
            };
            if n == 0 {
                return Ok((input.len() - rest.len(), self.step()));
            }
            self.advance(expected, buf, n)?;
            rest = rest.get(n..).unwrap_or_default();
        }
    }

    /// The header is there: judges it, and sets what to keep and drop.
    fn start_body(&mut self, expected: Kind, buf: &[u8]) -> Result<(), FrameError> {
        let header = Header::peek(buf)?;
        if header.kind != expected && header.kind != Kind::Decline {
            return Err(FrameError::Unexpected(header.kind));
        }
        let len = usize::from(header.len);
        match header.kind {
            Kind::Proposal if !(MIN_PROPOSAL_LEN..=kept(Kind::Proposal)).contains(&len) => {
                return Err(ClcError::Length(header.len).into());
            }
            Kind::Proposal => {}
            Kind::Accept | Kind::Confirm => accept::check_len(&header)?,
            Kind::Decline => decline::check_len(&header)?,
        }
        let keep = len.min(kept(header.kind));
        if keep > buf.len() {
            return Err(FrameError::NoSpace);
        }
        self.keep = u16::try_from(keep).map_err(|_| FrameError::NoSpace)?;
        self.discard = header.len.saturating_sub(self.keep);
        self.header_done = true;
        Ok(())
    }
}

#[cfg(all(test, not(MODULE)))]
mod tests {
    use super::*;

    /// A header of an Accept of version 2, SMC-R, of this length.
    fn accept(len: u16) -> [u8; 8] {
        let [hi, lo] = len.to_be_bytes();
        [0xe2, 0xd4, 0xc3, 0xd9, 2, hi, lo, 0x20]
    }

    #[test]
    fn an_oversized_accept_is_cut_at_160_and_drained() {
        let mut buf = [0; MAX_KEPT];
        let mut f = Framer::new();
        assert_eq!(f.step(), Step::NeedMore(8));
        let mut stream = std::vec![0u8; 300];
        stream[..8].copy_from_slice(&accept(250));
        let (n, step) = f.feed(Kind::Accept, &mut buf, &stream[..200]).unwrap();
        assert_eq!((n, step), (200, Step::Discard(50)));
        let (n, step) = f.feed(Kind::Accept, &mut buf, &stream[200..]).unwrap();
        assert_eq!((n, step), (50, Step::Message(160)));
        // Nothing behind the message is taken.
        assert_eq!(
            f.feed(Kind::Accept, &mut buf, &stream[250..]),
            Ok((0, Step::Message(160)))
        );
        assert_eq!(f.advance(Kind::Accept, &buf, 9), Ok(Step::Message(160)));
    }

    #[test]
    fn a_proposal_in_single_bytes_arrives_whole() {
        let mut msg = [0u8; 52];
        msg[..8].copy_from_slice(&[0xe2, 0xd4, 0xc3, 0xd9, 1, 0, 52, 0x10]);
        let mut buf = [0; MAX_KEPT];
        let mut f = Framer::new();
        for (i, b) in msg.iter().enumerate() {
            assert_eq!(f.filled(), i);
            let (n, step) = f.feed(Kind::Proposal, &mut buf, &[*b]).unwrap();
            assert_eq!(n, 1);
            assert_eq!(step == Step::Message(52), i == 51, "{step:?} at {i}");
        }
        assert_eq!(buf[..52], msg);
    }

    #[test]
    fn lengths_are_judged_before_the_body_is_taken() {
        let mut buf = [0; MAX_KEPT];
        let mut try_header = |expected, header: [u8; 8]| {
            Framer::new()
                .feed(expected, &mut buf, &header)
                .map(|(_, step)| step)
        };
        let proposal = |len: u16| {
            let [hi, lo] = len.to_be_bytes();
            [0xe2, 0xd4, 0xc3, 0xd9, 1, hi, lo, 0x20]
        };
        let bad = |len| Err(FrameError::Malformed(ClcError::Length(len)));
        assert_eq!(try_header(Kind::Proposal, proposal(51)), bad(51));
        assert_eq!(try_header(Kind::Proposal, proposal(653)), bad(653));
        assert_eq!(
            try_header(Kind::Proposal, proposal(652)),
            Ok(Step::NeedMore(644))
        );
        assert_eq!(try_header(Kind::Accept, accept(107)), bad(107));
        assert_eq!(try_header(Kind::Accept, accept(0)), bad(0));
        assert_eq!(
            try_header(Kind::Accept, accept(u16::MAX)),
            Ok(Step::NeedMore(152))
        );
        assert_eq!(
            try_header(Kind::Confirm, accept(108)),
            Err(FrameError::Unexpected(Kind::Accept))
        );
        let mut decline = [0xe2, 0xd4, 0xc3, 0xd9, 4, 0, 28, 0x10];
        assert_eq!(try_header(Kind::Accept, decline), Ok(Step::NeedMore(20)));
        decline[7] = 0x20;
        assert_eq!(try_header(Kind::Accept, decline), bad(28));
        decline[0] = 0;
        assert_eq!(
            try_header(Kind::Accept, decline),
            Err(FrameError::Malformed(ClcError::Eyecatcher))
        );
    }

    #[test]
    fn a_small_buffer_is_an_error() {
        let mut buf = [0; 100];
        let mut f = Framer::default();
        assert_eq!(
            f.feed(Kind::Accept, &mut buf, &accept(108)),
            Err(FrameError::NoSpace)
        );
        assert_eq!(
            Framer::new().feed(Kind::Accept, &mut buf[..4], &accept(108)),
            Err(FrameError::NoSpace)
        );
    }
}
