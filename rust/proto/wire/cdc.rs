// SPDX-License-Identifier: GPL-2.0

//! CDC messages: where each end of a connection stands in the two rings, and
//! how far it has closed (RFC 7609 §3.4 and Appendix A.4; smc_cdc.h, `struct
//! smc_cdc_msg`).
//!
//! A CDC message travels on the queue pair of a link, between the LLC messages.
//! What it claims about cursors is not judged here: [`RawCursor`]s become
//! positions in [`crate::ring`], against the ring's size.
//!
//! SMC-D has no such message: there the same fields stand at the front of the
//! receive buffer, in the byte order of the machine.

use super::codec::{NoSpace, Reader, Truncated, Writer};
use super::types::AlertToken;
use crate::close::ConnFlags;
use crate::cursor::RawCursor;
use crate::ring::ProducerFlags;

/// First byte of a CDC message, by which it is told from LLC messages.
pub const CDC_TYPE: u8 = 0xfe;
/// Length of a CDC message in bytes, and value of its length field.
pub const CDC_LEN: usize = 44;
/// So many bytes must have arrived; the reserved ones behind may be missing.
const LEAST_LEN: usize = 26;
const RESERVED_LEN: usize = CDC_LEN - LEAST_LEN;

/// Why bytes are not a CDC message. The C module drops such a message without
/// an answer (smc_cdc.c, `smc_cdc_rx_handler`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CdcError {
    /// Fewer than 26 bytes.
    Truncated,
    /// Another type in the first byte.
    Type(u8),
    /// A length field that is not 44.
    Length(u8),
}

impl From<Truncated> for CdcError {
    fn from(_: Truncated) -> Self {
        CdcError::Truncated
    }
}

/// Reserved bits and bytes of a CDC message; zero when we send it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved {
    /// In front of the wrap number of the producer and of the consumer cursor.
    cursors: [u16; 2],
    /// The low three bits of the producer flags.
    producer_bits: u8,
    /// The low five bits of the state flags.
    state_bits: u8,
    /// At the end; zero where they did not arrive.
    end: [u8; RESERVED_LEN],
}

/// A CDC message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cdc {
    /// Number of the message on its connection; goes up by one with each, and
    /// wraps. In a failover validation message the number of the last message
    /// whose completion the sender has seen (RFC 7609 §4.6.1).
    pub seqno: u16,
    /// The receiver's name of the connection.
    pub token: AlertToken,
    /// Where the sender will write next into the receiver's ring.
    pub producer: RawCursor,
    /// Where the sender will read next in its own ring.
    pub consumer: RawCursor,
    /// What the sender says about its writing.
    pub flags: ProducerFlags,
    /// This message only tells the last number that the sender knows to have
    /// arrived, after a link failed; nothing else in it counts.
    pub failover_validation: bool,
    /// How far the sender has closed.
    pub state: ConnFlags,
    /// Kept as they came.
    pub reserved: Reserved,
}

const fn bit(set: bool, bit: u8) -> u8 {
    if set {
        bit
    } else {
        0
    }
}

impl Cdc {
    const WRITE_BLOCKED: u8 = 0x80;
    const URGENT_PENDING: u8 = 0x40;
    const URGENT_PRESENT: u8 = 0x20;
    const CONSUMER_UPDATE: u8 = 0x10;
    const FAILOVER: u8 = 0x08;
    const PRODUCER_RSVD: u8 = 0x07;

    const SENDING_DONE: u8 = 0x80;
    const CLOSED: u8 = 0x40;
    const ABORTED: u8 = 0x20;
    const STATE_RSVD: u8 = 0x1f;

    /// Parses the CDC message at the front of a receive buffer, of which
    /// `bytes` arrived. What stands behind its 44 bytes is not looked at.
    ///
    /// # Errors
    ///
    /// See [`CdcError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, CdcError> {
        if bytes.len() < LEAST_LEN {
            return Err(CdcError::Truncated);
        }
        let mut r = Reader::new(bytes);
        let kind = r.u8()?;
        if kind != CDC_TYPE {
            return Err(CdcError::Type(kind));
        }
        let len = r.u8()?;
        if usize::from(len) != CDC_LEN {
            return Err(CdcError::Length(len));
        }
        let seqno = r.be16()?;
        let token = AlertToken(r.be32()?);
        let (producer, rsvd_producer) = read_cursor(&mut r)?;
        let (consumer, rsvd_consumer) = read_cursor(&mut r)?;
        let flags = r.u8()?;
        let state = r.u8()?;
        let mut end = [0; RESERVED_LEN];
        for (to, from) in end.iter_mut().zip(r.into_rest()) {
            *to = *from;
        }
        Ok(Cdc {
            seqno,
            token,
            producer,
            consumer,
            flags: ProducerFlags {
                write_blocked: flags & Self::WRITE_BLOCKED != 0,
                urgent_pending: flags & Self::URGENT_PENDING != 0,
                urgent_present: flags & Self::URGENT_PRESENT != 0,
                consumer_update_requested: flags & Self::CONSUMER_UPDATE != 0,
            },
            failover_validation: flags & Self::FAILOVER != 0,
            state: ConnFlags {
                done_writing: state & Self::SENDING_DONE != 0,
                closed: state & Self::CLOSED != 0,
                abort: state & Self::ABORTED != 0,
            },
            reserved: Reserved {
                cursors: [rsvd_producer, rsvd_consumer],
                producer_bits: flags & Self::PRODUCER_RSVD,
                state_bits: state & Self::STATE_RSVD,
                end,
            },
        })
    }

    /// The two bytes of flags as a message carries them, and as diagnostics show
    /// them.
    pub const fn flag_bytes(flags: ProducerFlags, state: ConnFlags) -> [u8; 2] {
        [
            bit(flags.write_blocked, Self::WRITE_BLOCKED)
                | bit(flags.urgent_pending, Self::URGENT_PENDING)
                | bit(flags.urgent_present, Self::URGENT_PRESENT)
                | bit(flags.consumer_update_requested, Self::CONSUMER_UPDATE),
            bit(state.done_writing, Self::SENDING_DONE)
                | bit(state.closed, Self::CLOSED)
                | bit(state.abort, Self::ABORTED),
        ]
    }

    /// Writes the message, 44 bytes, to the front of `buf`; gives its length.
    ///
    /// # Errors
    ///
    /// [`NoSpace`] where `buf` has fewer than 44 bytes; it is unchanged then.
    pub fn emit(&self, buf: &mut [u8]) -> Result<usize, NoSpace> {
        let [rsvd_producer, rsvd_consumer] = self.reserved.cursors;
        let mut w = Writer::new(buf.get_mut(..CDC_LEN).ok_or(NoSpace)?);
        w.u8(CDC_TYPE)?;
        w.u8(CDC_LEN as u8)?;
        w.be16(self.seqno)?;
        w.be32(self.token.0)?;
        write_cursor(&mut w, self.producer, rsvd_producer)?;
        write_cursor(&mut w, self.consumer, rsvd_consumer)?;
        let [flags, state] = Self::flag_bytes(self.flags, self.state);
        w.u8(flags
            | bit(self.failover_validation, Self::FAILOVER)
            | self.reserved.producer_bits & Self::PRODUCER_RSVD)?;
        w.u8(state | self.reserved.state_bits & Self::STATE_RSVD)?;
        w.bytes(&self.reserved.end)?;
        Ok(w.written())
    }
}

/// Gives the cursor, and the reserved bits in front of it.
fn read_cursor(r: &mut Reader<'_>) -> Result<(RawCursor, u16), Truncated> {
    let reserved = r.be16()?;
    let cursor = RawCursor {
        wrap: r.be16()?,
        count: r.be32()?,
    };
    Ok((cursor, reserved))
}

fn write_cursor(w: &mut Writer<'_>, cursor: RawCursor, reserved: u16) -> Result<(), NoSpace> {
    w.be16(reserved)?;
    w.be16(cursor.wrap)?;
    w.be32(cursor.count)
}
