// SPDX-License-Identifier: GPL-2.0

//! The order of CDC messages.

/// The peer has seen completions of messages that never arrived here: bytes of
/// the stream are lost, and the connection must be aborted (RFC 7609 §4.6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CdcLost;

/// The sequence number of the last CDC message received on a connection.
///
/// A queue pair keeps messages in order; numbers matter when a connection moves
/// to another link, where the last messages of the old one may come late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CdcSequence {
    last: u16,
}

impl CdcSequence {
    /// The state of a new connection: nothing received, the first message has
    /// number 1.
    pub const fn new() -> Self {
        Self { last: 0 }
    }

    /// Takes the number of a message; `false` if the message is older than the
    /// last one and must be dropped unread.
    #[must_use]
    pub fn accept(&mut self, seqno: u16) -> bool {
        // Serial number arithmetic. An equal number counts as current, as it
        // does for the C peer.
        if (seqno.wrapping_sub(self.last) as i16) < 0 {
            return false;
        }
        self.last = seqno;
        true
    }

    /// Takes the number of a failover validation message: the last one that the
    /// peer knows to have arrived. Such a message carries nothing else.
    ///
    /// # Errors
    ///
    /// [`CdcLost`] if that message never arrived.
    pub const fn validate(&self, seqno: u16) -> Result<(), CdcLost> {
        if (self.last.wrapping_sub(seqno) as i16) < 0 {
            return Err(CdcLost);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_messages_are_dropped_across_the_wrap_of_the_number() {
        let mut seq = CdcSequence::new();
        assert!(seq.accept(1));
        assert!(seq.accept(1), "an equal number is current");
        assert!(seq.accept(0x7fff));
        assert!(!seq.accept(1));
        assert!(seq.accept(0xfffe));
        assert!(seq.accept(2), "two wraps on");
        assert!(!seq.accept(0xffff));
    }

    #[test]
    fn validation_finds_a_message_that_never_came() {
        let mut seq = CdcSequence::new();
        assert!(seq.accept(10));
        assert_eq!(seq.validate(9), Ok(()));
        assert_eq!(seq.validate(10), Ok(()));
        assert_eq!(seq.validate(11), Err(CdcLost));
        assert!(!seq.accept(9), "validating does not move the number");
    }
}
