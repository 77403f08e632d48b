// SPDX-License-Identifier: GPL-2.0

//! CLC Decline: no SMC for this connection (RFC 7609 Appendix A.2.5; SMC v2,
//! "SMC v2 Decline").

use super::fce::OsType;
use super::header::{Eyecatcher, Header, Kind, Version, HEADER_LEN};
use super::reason::Reason;
use super::ClcError;
use crate::wire::codec::{NoSpace, Reader, Writer};
use crate::wire::types::PeerId;

/// What version 2 adds to a Decline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeclineV2 {
    /// The number in the header, above 1.
    version: Version,
    /// Further diagnoses; Linux sends zeros.
    more: [u32; 4],
}

/// A CLC Decline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decline {
    /// Name at the front.
    eyecatcher: Eyecatcher,
    /// The link groups of the peers differ: the receiver ends the group that
    /// it took for the connection.
    pub out_of_sync: bool,
    /// The low three bits beside that flag; no meaning, kept.
    reserved_bits: u8,
    /// Who declines; zero where it has no RoCE port.
    peer_id: PeerId,
    /// Why.
    pub reason: Reason,
    /// Operating system of the sender; zero in version 1.
    os: OsType,
    /// Reserved, zero: the low four bits beside the operating system, and
    /// three bytes.
    reserved: [u8; 4],
    /// What version 2 adds; `None` in version 1.
    pub v2: Option<DeclineV2>,
    /// The last four bytes. The C module does not look at them, nor do we.
    pub trailer: [u8; 4],
}

impl Decline {
    /// Length of a Decline of version 1 in bytes.
    const LEN_V1: usize = 28;
    /// Length of a Decline of version 2 in bytes.
    pub(super) const LEN_V2: usize = 44;
    /// Length of the longest Decline in bytes.
    pub const MAX_LEN: usize = Self::LEN_V2;

    /// A Decline as Linux sends it, of version 1, or 2 if `v2`.
    pub const fn new(v2: bool, peer_id: PeerId, reason: Reason) -> Self {
        Decline {
            eyecatcher: Eyecatcher::SmcR,
            out_of_sync: matches!(reason, Reason::SyncError),
            reserved_bits: 0,
            peer_id,
            reason,
            os: if v2 { OsType::LINUX } else { OsType::UNKNOWN },
            reserved: [0; 4],
            v2: if v2 {
                Some(DeclineV2 {
                    version: Version::V2,
                    more: [0; 4],
                })
            } else {
                None
            },
            trailer: Eyecatcher::SmcR.bytes(),
        }
    }

    /// The Decline that `bytes` begin with, if all of it is there, and its length.
    pub fn first(bytes: &[u8]) -> Option<(usize, Self)> {
        let len = Header::peek(bytes).ok()?.len.into();
        let decline = Self::parse(bytes.get(..len)?).ok()?;
        Some((len, decline))
    }

    /// Parses a Decline, which must be all of `bytes`.
    ///
    /// # Errors
    ///
    /// See [`ClcError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ClcError> {
        let header = Header::peek(bytes)?;
        if header.kind != Kind::Decline {
            return Err(ClcError::Kind(header.kind.code()));
        }
        if usize::from(header.len) != bytes.len() {
            return Err(ClcError::Length(header.len));
        }
        check_len(&header)?;
        let mut r = Reader::new(bytes);
        r.take(HEADER_LEN)?;
        let peer_id = PeerId::read(&mut r)?;
        let reason = Reason::from_code(r.be32()?);
        let os = r.u8()?;
        let [a, b, c] = *r.array()?;
        let v2 = if header.version.is_v1() {
            None
        } else {
            Some(DeclineV2 {
                version: header.version,
                more: [r.be32()?, r.be32()?, r.be32()?, r.be32()?],
            })
        };
        Ok(Decline {
            eyecatcher: header.eyecatcher,
            out_of_sync: header.low & Header::FLAG != 0,
            reserved_bits: header.low & !Header::FLAG,
            peer_id,
            reason,
            os: OsType::from_high_nibble(os),
            reserved: [os & 0x0f, a, b, c],
            v2,
            trailer: *r.array()?,
        })
    }

    /// Length of the message in bytes.
    pub const fn emitted_len(&self) -> usize {
        match self.v2 {
            None => Self::LEN_V1,
            Some(_) => Self::LEN_V2,
        }
    }

    /// Writes the message to the front of `buf`; gives its length in bytes.
    ///
    /// # Errors
    ///
    /// [`NoSpace`] where `buf` is shorter than the message.
    pub fn emit(&self, buf: &mut [u8]) -> Result<usize, NoSpace> {
        let flag = if self.out_of_sync { Header::FLAG } else { 0 };
        let [low, a, b, c] = self.reserved;
        let header = Header {
            eyecatcher: self.eyecatcher,
            kind: Kind::Decline,
            len: u16::try_from(self.emitted_len()).map_err(|_| NoSpace)?,
            version: self.v2.map_or(Version::V1, |v2| v2.version),
            low: flag | self.reserved_bits & !Header::FLAG,
        };
        let mut w = Writer::new(buf);
        header.write(&mut w)?;
        self.peer_id.write(&mut w)?;
        w.be32(self.reason.code())?;
        w.u8(self.os.number() << 4 | low & 0x0f)?;
        w.bytes(&[a, b, c])?;
        if let Some(v2) = &self.v2 {
            for code in v2.more {
                w.be32(code)?;
            }
        }
        w.bytes(&self.trailer)?;
        Ok(w.written())
    }
}

/// The one length that each version has (smc_clc.c, `smc_clc_msg_decl_valid`).
pub(super) fn check_len(header: &Header) -> Result<(), ClcError> {
    let right = if header.version.is_v1() {
        Decline::LEN_V1
    } else {
        Decline::LEN_V2
    };
    if usize::from(header.len) == right {
        Ok(())
    } else {
        Err(ClcError::Length(header.len))
    }
}
