// SPDX-License-Identifier: GPL-2.0

//! The eight bytes in front of every CLC message (RFC 7609 Appendix A.2).

use super::ClcError;
use crate::wire::codec::{NoSpace, Reader, Writer};

/// Length of the header in bytes.
pub(super) const HEADER_LEN: usize = 8;

/// The four bytes at the front and at the end of a CLC message: a name in
/// EBCDIC (RFC 7609 Appendix A.2). Either one may stand at either end of any
/// message; the C module compares with both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eyecatcher {
    /// "SMCR".
    SmcR,
    /// "SMCD".
    SmcD,
}

impl Eyecatcher {
    /// Length in bytes.
    pub(super) const LEN: usize = 4;

    /// The bytes on the wire.
    pub(super) const fn bytes(self) -> [u8; 4] {
        match self {
            Eyecatcher::SmcR => [0xe2, 0xd4, 0xc3, 0xd9],
            Eyecatcher::SmcD => [0xe2, 0xd4, 0xc3, 0xc4],
        }
    }

    /// The eye catcher that `bytes` spell, if any.
    fn from_bytes(bytes: [u8; 4]) -> Option<Self> {
        [Eyecatcher::SmcR, Eyecatcher::SmcD]
            .into_iter()
            .find(|e| e.bytes() == bytes)
    }

    /// Reads the trailer of a message.
    pub(super) fn read_trailer(r: &mut Reader<'_>) -> Result<Self, ClcError> {
        Eyecatcher::from_bytes(*r.array()?).ok_or(ClcError::Trailer)
    }
}

/// Type of a CLC message (RFC 7609 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 1, client to server.
    Proposal,
    /// 2, server to client.
    Accept,
    /// 3, client to server.
    Confirm,
    /// 4, either way.
    Decline,
}

impl Kind {
    /// The byte on the wire.
    pub(super) const fn code(self) -> u8 {
        match self {
            Kind::Proposal => 1,
            Kind::Accept => 2,
            Kind::Confirm => 3,
            Kind::Decline => 4,
        }
    }

    /// The type that `code` stands for, if any.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Kind::Proposal),
            2 => Some(Kind::Accept),
            3 => Some(Kind::Confirm),
            4 => Some(Kind::Decline),
            _ => None,
        }
    }
}

/// Version of SMC in a message: 1 to 15. Everything above 1 is laid out as
/// version 2, and a Confirm repeats the number of the Accept, so the number is
/// kept as it came (smc_clc.c, smc_connect_rdma).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u8);

impl Version {
    /// Version 1 (RFC 7609).
    pub const V1: Version = Version(1);
    /// Version 2.
    pub const V2: Version = Version(2);

    /// From the number on the wire; `None` for 0 and for more than four bits.
    const fn new(number: u8) -> Option<Self> {
        if number >= 1 && number <= 15 {
            Some(Version(number))
        } else {
            None
        }
    }

    /// The number, 1 to 15.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether the message has the layout of version 1.
    pub const fn is_v1(self) -> bool {
        self.0 == 1
    }
}

/// Which kinds of SMC a header names, in two bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modes {
    /// 0: SMC-R only.
    R,
    /// 1: SMC-D only.
    D,
    /// 2: neither.
    None,
    /// 3: SMC-R and SMC-D.
    Both,
}

impl Modes {
    /// The two bits of the wire.
    pub(super) const fn bits(self) -> u8 {
        match self {
            Modes::R => 0,
            Modes::D => 1,
            Modes::None => 2,
            Modes::Both => 3,
        }
    }

    /// From the low two bits of `bits`.
    pub(crate) const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Modes::R,
            1 => Modes::D,
            2 => Modes::None,
            _ => Modes::Both,
        }
    }

    /// The modes with SMC-R as `rdma` says and SMC-D as `ism` says.
    pub(crate) const fn of(rdma: bool, ism: bool) -> Self {
        match (rdma, ism) {
            (true, true) => Modes::Both,
            (true, false) => Modes::R,
            (false, true) => Modes::D,
            (false, false) => Modes::None,
        }
    }

    /// Whether SMC-R is named.
    pub const fn rdma(self) -> bool {
        matches!(self, Modes::R | Modes::Both)
    }

    /// Whether SMC-D is named.
    pub const fn ism(self) -> bool {
        matches!(self, Modes::D | Modes::Both)
    }
}

/// The header of a CLC message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Name at the front.
    pub(super) eyecatcher: Eyecatcher,
    /// Type of the message.
    pub kind: Kind,
    /// Length of the whole message in bytes, header and trailer included.
    pub len: u16,
    /// Version of SMC.
    pub(super) version: Version,
    /// The low four bits of the last byte; what they mean depends on the type.
    pub(super) low: u8,
}

impl Header {
    /// First contact (Accept, Confirm) or out of sync (Decline) within the
    /// low four bits.
    pub(super) const FLAG: u8 = 0b1000;

    /// Parses a header. The length is not judged.
    fn parse(bytes: &[u8; HEADER_LEN]) -> Result<Self, ClcError> {
        let [e0, e1, e2, e3, kind, len_hi, len_lo, last] = *bytes;
        Ok(Header {
            eyecatcher: Eyecatcher::from_bytes([e0, e1, e2, e3]).ok_or(ClcError::Eyecatcher)?,
            kind: Kind::from_code(kind).ok_or(ClcError::Kind(kind))?,
            len: u16::from_be_bytes([len_hi, len_lo]),
            version: Version::new(last >> 4).ok_or(ClcError::Version)?,
            low: last & 0x0f,
        })
    }

    /// Parses the header at the front of `bytes`.
    ///
    /// # Errors
    ///
    /// [`ClcError`] where there are fewer than 8 bytes, or no CLC message begins
    /// with these.
    pub fn peek(bytes: &[u8]) -> Result<Self, ClcError> {
        Header::parse(bytes.first_chunk().ok_or(ClcError::Truncated)?)
    }

    /// The modes in the low two bits (SMC v1 path, `typev1`).
    pub(super) const fn modes_v1(&self) -> Modes {
        Modes::from_bits(self.low)
    }

    /// The modes in the upper two of the low four bits (`typev2`).
    pub(super) const fn modes_v2(&self) -> Modes {
        Modes::from_bits(self.low >> 2)
    }

    /// Writes the header.
    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        w.bytes(&self.eyecatcher.bytes())?;
        w.u8(self.kind.code())?;
        w.be16(self.len)?;
        w.u8(self.version.number() << 4 | self.low & 0x0f)
    }
}

#[cfg(all(test, not(MODULE)))]
mod tests {
    use super::*;

    #[test]
    fn header_fields_are_where_the_rfc_puts_them() {
        let h = Header::parse(&[0xe2, 0xd4, 0xc3, 0xc4, 2, 0x01, 0x02, 0x2d]).unwrap();
        assert_eq!(h.eyecatcher, Eyecatcher::SmcD);
        assert_eq!(h.kind, Kind::Accept);
        assert_eq!(h.len, 0x0102);
        assert_eq!(h.version, Version::V2);
        assert_eq!(h.modes_v1(), Modes::D);
        assert_eq!(h.modes_v2(), Modes::Both);
        let mut out = [0; 8];
        h.write(&mut Writer::new(&mut out)).unwrap();
        assert_eq!(out, [0xe2, 0xd4, 0xc3, 0xc4, 2, 0x01, 0x02, 0x2d]);
    }

    #[test]
    fn bad_headers_are_told_apart() {
        let good = [0xe2, 0xd4, 0xc3, 0xd9, 1, 0, 52, 0x10];
        assert!(Header::parse(&good).is_ok());
        let with = |at: usize, v: u8| {
            let mut h = good;
            h[at] = v;
            Header::parse(&h)
        };
        assert_eq!(with(3, 0xd8), Err(ClcError::Eyecatcher));
        assert_eq!(with(4, 0), Err(ClcError::Kind(0)));
        assert_eq!(with(4, 5), Err(ClcError::Kind(5)));
        assert_eq!(with(7, 0x0f), Err(ClcError::Version));
        assert_eq!(Header::peek(&good[..7]), Err(ClcError::Truncated));
    }

    #[test]
    fn two_bit_modes_round_trip() {
        for bits in 0..4 {
            let m = Modes::from_bits(bits);
            assert_eq!(m.bits(), bits);
            assert_eq!(Modes::of(m.rdma(), m.ism()), m);
        }
    }

    #[test]
    fn versions_are_one_to_fifteen() {
        assert_eq!(Version::new(0), None);
        assert_eq!(Version::new(16), None);
        assert_eq!(Version::new(1), Some(Version::V1));
        assert!(Version::V1.is_v1());
        assert!(!Version::V2.is_v1());
    }
}
