// SPDX-License-Identifier: GPL-2.0

//! Identifiers and values that several messages carry.
//!
//! Each is its own type, so that a queue pair number can't be passed where a
//! packet sequence number is meant. All integers are in host order.

use core::num::NonZeroU8;

use super::codec::{NoSpace, Reader, Truncated, Writer};

/// A fixed array of bytes on the wire.
macro_rules! bytes_type {
    ($(#[$doc:meta])* $name:ident, $len:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(
            /// The bytes as they stand on the wire.
            pub [u8; $len],
        );

        // Not each type needs all of it.
        #[allow(dead_code)]
        impl $name {
            /// Length on the wire, in bytes.
            pub(crate) const LEN: usize = $len;

            /// Reads the value.
            pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
                r.array::<{ $len }>().map(|b| $name(*b))
            }

            /// Writes the value.
            pub(crate) fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
                w.bytes(&self.0)
            }

            /// Whether every byte is zero ("not given").
            pub(crate) fn is_zero(&self) -> bool {
                self.0.iter().all(|b| *b == 0)
            }
        }
    };
}

/// A number of 24 bits on the wire.
macro_rules! u24_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);

        impl $name {
            /// The value, or `None` where it has more than 24 bits.
            pub const fn new(v: u32) -> Option<Self> {
                if v >> 24 == 0 {
                    Some($name(v))
                } else {
                    None
                }
            }

            /// The value, below 2^24.
            pub const fn get(self) -> u32 {
                self.0
            }

            /// Reads three bytes, big-endian.
            pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
                r.be24().map($name)
            }

            /// Writes three bytes, big-endian.
            pub(super) fn write(self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
                w.be24(self.0)
            }
        }
    };
}

bytes_type! {
    /// Peer ID: two bytes of instance number, then a MAC address of the host
    /// (RFC 7609 Appendix A.2.1).
    PeerId, 8
}
bytes_type! {
    /// GID of a RoCE port (RFC 7609 Appendix A.2.2). In SMC-Rv2 an IPv4 address
    /// mapped into IPv6.
    Gid, 16
}
bytes_type! {
    /// MAC address of a RoCE port.
    Mac, 6
}
bytes_type! {
    /// Enterprise ID: 32 characters of A-Z, 0-9, `.` and `-`, padded with
    /// blanks (SMC v2, "EID").
    Eid, 32
}
bytes_type! {
    /// Name of the sending host, ASCII, padded with blanks (SMC v2, "First
    /// Contact Extension").
    Hostname, 32
}

u24_type! {
    /// Queue pair number of a link (RFC 7609 Appendix A.2.3).
    Qpn
}
u24_type! {
    /// Initial packet sequence number of a queue pair.
    Psn
}

/// Remote key of a registered memory region (RMB).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rkey(pub u32);

/// Address of an RMB as an RDMA write to it names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RmbAddr(pub u64);

/// Alert token: names one connection in a CDC message to the peer that issued
/// it (RFC 7609 Appendix A.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertToken(pub u32);

/// Index of an element (RMBE) in its RMB: 1 to 255 (RFC 7609 Appendix A.2.3). There is
/// no 0, which would place the element in front of the RMB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RmbeIndex(NonZeroU8);

impl RmbeIndex {
    /// The first element of an RMB.
    pub const FIRST: RmbeIndex = RmbeIndex(NonZeroU8::MIN);

    /// The index of the wire; `None` for 0.
    pub const fn new(index: u8) -> Option<Self> {
        match NonZeroU8::new(index) {
            Some(index) => Some(RmbeIndex(index)),
            None => None,
        }
    }

    /// The index of the wire, 1 to 255.
    pub(super) const fn get(self) -> u8 {
        self.0.get()
    }

    /// Distance in bytes from the address of the RMB to the element, where all
    /// its elements have `size`.
    pub fn offset(self, size: BufSize) -> u64 {
        // Below 255 * 2^29.
        u64::from(self.get() - 1) * u64::from(size.bytes())
    }
}

impl Mac {
    /// Whether it is the address of one interface.
    pub const fn is_unicast(&self) -> bool {
        let [first, ..] = self.0;
        first & 1 == 0 && !matches!(self.0, [0, 0, 0, 0, 0, 0])
    }
}

impl Gid {
    /// The IPv4 address of an IPv4-mapped GID (`::ffff:a.b.c.d`), the form that
    /// SMC-Rv2 uses over IPv4; `None` for any other GID.
    pub const fn ipv4(&self) -> Option<[u8; 4]> {
        match self.0 {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] => Some([a, b, c, d]),
            _ => None,
        }
    }

    /// The IPv4-mapped GID of an IPv4 address.
    pub const fn from_ipv4(addr: [u8; 4]) -> Self {
        let [a, b, c, d] = addr;
        Gid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d])
    }
}

impl Eid {
    /// Whether the bytes form an EID that an administrator may define:
    /// A-Z, 0-9, `.`, `-`, the first alphanumeric, then only blanks to the end
    /// (SMC v2, "EID"; the rule that smc_clc.c applies to a UEID).
    pub fn is_valid_ueid(&self) -> bool {
        let end = self
            .0
            .iter()
            .rposition(|c| !c.is_ascii_whitespace() && *c != 0x0b)
            .map_or(0, |last| last + 1);
        let name = self.0.get(..end).unwrap_or_default();
        let alnum = |c: &u8| c.is_ascii_digit() || c.is_ascii_uppercase();
        name.first().is_some_and(alnum) && name.iter().all(|c| alnum(c) || *c == b'.' || *c == b'-')
    }
}

/// Size of a receive buffer element (RMBE, DMBE) in its four bit notation.
///
/// RFC 7609 Appendix A.2.3: a value `n` stands for 2^(n+14) bytes, 16 KiB to
/// 512 MiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BufSize(u8);

impl BufSize {
    /// The largest, 512 MiB.
    pub const MAX: BufSize = BufSize(15);

    /// From the low four bits of `byte`.
    pub(crate) const fn from_low_nibble(byte: u8) -> Self {
        BufSize(byte & 0x0f)
    }

    /// The smallest notation that holds `bytes`; [`BufSize::MAX`] where none
    /// does.
    pub fn holding(bytes: u32) -> Self {
        (0..16)
            .map(BufSize)
            .find(|s| s.bytes() >= bytes)
            .unwrap_or(BufSize::MAX)
    }

    /// The four bits of the wire.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The size in bytes.
    pub const fn bytes(self) -> u32 {
        // At most 15, so the shift stays below 32.
        1u32 << (self.0 as u32 + 14)
    }
}

/// Path MTU of a queue pair in the four bits of the wire (RFC 7609 Appendix
/// A.2.3): 1 to 5 stand for 256 to 4096 bytes. Other values are kept as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QpMtu(u8);

impl QpMtu {
    /// From the four bits of the wire; `None` above 15.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits < 16 {
            Some(QpMtu(bits))
        } else {
            None
        }
    }

    /// From the low four bits of `byte`.
    pub(crate) const fn from_low_nibble(byte: u8) -> Self {
        QpMtu(byte & 0x0f)
    }

    /// The four bits of the wire.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The MTU in bytes, or `None` for a value that names none.
    pub const fn bytes(self) -> Option<u32> {
        match self.0 {
            1..=5 => Some(128 << self.0),
            _ => None,
        }
    }
}

#[cfg(all(test, not(MODULE)))]
mod tests {
    use super::*;

    #[test]
    fn u24_types_hold_only_24_bits() {
        assert_eq!(Qpn::new(0x00ff_ffff).map(Qpn::get), Some(0x00ff_ffff));
        assert_eq!(Qpn::new(0x0100_0000), None);
        let mut buf = [0; 3];
        Psn::new(0x01_0203)
            .unwrap()
            .write(&mut Writer::new(&mut buf))
            .unwrap();
        assert_eq!(buf, [1, 2, 3]);
        assert_eq!(
            Psn::read(&mut Reader::new(&buf)).map(Psn::get),
            Ok(0x01_0203)
        );
    }

    #[test]
    fn byte_types_round_trip_and_know_zero() {
        let gid = Gid::from_ipv4([10, 0, 0, 1]);
        assert_eq!(gid.ipv4(), Some([10, 0, 0, 1]));
        assert_eq!(Gid([0xfe; 16]).ipv4(), None);
        assert!(!gid.is_zero());
        assert!(Gid::default().is_zero());
        assert!(Mac([2, 0, 0, 0, 0, 1]).is_unicast());
        assert!(!Mac::default().is_unicast());
        assert!(!Mac([1, 0, 0x5e, 0, 0, 1]).is_unicast());
        let mut buf = [0; Gid::LEN];
        gid.write(&mut Writer::new(&mut buf)).unwrap();
        assert_eq!(Gid::read(&mut Reader::new(&buf)), Ok(gid));
        assert_eq!(
            Gid::read(&mut Reader::new(buf.get(1..).unwrap())),
            Err(Truncated)
        );
    }

    #[test]
    fn buffer_sizes_are_powers_of_two_from_16k() {
        assert_eq!(BufSize::from_low_nibble(0).bytes(), 16384);
        assert_eq!(BufSize::MAX.bytes(), 512 << 20);
        assert_eq!(BufSize::holding(0).bits(), 0);
        assert_eq!(BufSize::holding(16384).bits(), 0);
        assert_eq!(BufSize::holding(16385).bits(), 1);
        assert_eq!(BufSize::holding(65536).bits(), 2);
        assert_eq!(BufSize::holding(u32::MAX), BufSize::MAX);
        assert_eq!(BufSize::from_low_nibble(0xf2).bits(), 2);
    }

    #[test]
    fn elements_lie_behind_each_other_from_index_1() {
        let size = BufSize::MAX;
        assert_eq!(RmbeIndex::new(0), None);
        assert_eq!(RmbeIndex::FIRST.offset(size), 0);
        assert_eq!(
            RmbeIndex::new(255).map(|i| i.offset(size)),
            Some(254 * (512 << 20))
        );
        assert_eq!(RmbeIndex::new(7).map(RmbeIndex::get), Some(7));
    }

    #[test]
    fn mtu_codes_name_bytes() {
        assert_eq!(QpMtu::from_bits(1).and_then(QpMtu::bytes), Some(256));
        assert_eq!(QpMtu::from_bits(3).and_then(QpMtu::bytes), Some(1024));
        assert_eq!(QpMtu::from_bits(5).and_then(QpMtu::bytes), Some(4096));
        assert_eq!(QpMtu::from_bits(6).and_then(QpMtu::bytes), None);
        assert_eq!(QpMtu::from_bits(0).and_then(QpMtu::bytes), None);
        assert_eq!(QpMtu::from_bits(16), None);
        assert_eq!(QpMtu::from_low_nibble(0x53).bits(), 3);
    }

    #[test]
    fn ueids_follow_the_alphabet() {
        let eid = |s: &str| {
            let mut b = [b' '; 32];
            b[..s.len()].copy_from_slice(s.as_bytes());
            Eid(b)
        };
        assert!(eid("SMCV2-EID.1").is_valid_ueid());
        assert!(eid("9").is_valid_ueid());
        assert!(eid("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345").is_valid_ueid());
        assert!(!eid("").is_valid_ueid());
        assert!(!eid("-A").is_valid_ueid());
        assert!(!eid("smc").is_valid_ueid());
        assert!(!eid("A B").is_valid_ueid());
        assert!(!Eid([0; 32]).is_valid_ueid());
    }
}
