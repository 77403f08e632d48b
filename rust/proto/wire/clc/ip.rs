// SPDX-License-Identifier: GPL-2.0

//! IP area of a Proposal: the client's subnets (RFC 7609 Appendix A.2.2).

use core::net::IpAddr;

use super::list::{count_of, read_list, Entries, V6Prefix};
use super::ClcError;
use crate::wire::codec::{NoSpace, Reader, Writer};

/// Length of [`IpArea`] without its prefixes.
pub(super) const IP_AREA_LEN: usize = 8;

/// IPv6 prefixes of the client's interface, at most 8.
pub type V6Prefixes<'a> = Entries<'a, V6Prefix, 8>;

/// The client's subnets, for the test that SMC v1 needs: both ends in one
/// subnet (RFC 7609 Appendix A.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpArea<'a> {
    /// IPv4 subnet, in the order of the wire; zero with IPv6.
    pub subnet: [u8; 4],
    /// Significant bits of `subnet`. Not judged when parsed.
    pub prefix_len: u8,
    /// Reserved, zero.
    reserved: [u8; 2],
    /// IPv6 prefixes; if there is one, the IPv4 subnet is not looked at.
    pub v6: V6Prefixes<'a>,
}

impl<'a> IpArea<'a> {
    /// The area of an IPv4 interface.
    pub const fn v4(subnet: [u8; 4], prefix_len: u8) -> Self {
        IpArea {
            subnet,
            prefix_len,
            reserved: [0; 2],
            v6: V6Prefixes::EMPTY,
        }
    }

    /// The area of an IPv6 interface.
    pub const fn v6(prefixes: V6Prefixes<'a>) -> Self {
        IpArea {
            subnet: [0; 4],
            prefix_len: 0,
            reserved: [0; 2],
            v6: prefixes,
        }
    }

    /// Whether an interface with this address and length of the prefix is in
    /// one of the subnets: with an IPv6 prefix in the area only IPv6 counts,
    /// otherwise only IPv4 (smc_clc.c, `smc_clc_prfx_match`). Link-local
    /// addresses don't count.
    pub fn matches(&self, addr: IpAddr, prefix_len: u8) -> bool {
        match addr {
            IpAddr::V4(v4) => {
                self.v6.is_empty()
                    && prefix_len == self.prefix_len
                    && same_prefix(&v4.octets(), &self.subnet, prefix_len)
            }
            IpAddr::V6(v6) => {
                let addr = v6.octets();
                !matches!(addr, [0xfe, 0x80..=0xbf, ..])
                    && self.v6.iter().any(|prefix| {
                        prefix.len == prefix_len && same_prefix(&addr, &prefix.addr, prefix_len)
                    })
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        IP_AREA_LEN + self.v6.as_bytes().len()
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, ClcError> {
        let subnet = *r.array()?;
        let prefix_len = r.u8()?;
        let reserved = *r.array()?;
        let count = r.u8()?;
        Ok(IpArea {
            subnet,
            prefix_len,
            reserved,
            v6: read_list(r, count)?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), NoSpace> {
        w.bytes(&self.subnet)?;
        w.u8(self.prefix_len)?;
        w.bytes(&self.reserved)?;
        w.u8(count_of(&self.v6))?;
        w.bytes(self.v6.as_bytes())
    }
}

/// Whether two addresses have the same first `bits`; never with more bits than
/// the addresses have.
fn same_prefix<const N: usize>(a: &[u8; N], b: &[u8; N], bits: u8) -> bool {
    let bits = usize::from(bits);
    let mut left = bits;
    for (x, y) in a.iter().zip(b) {
        let here = left.min(8);
        // The upper `here` bits of a byte.
        let mask = !(0xffu16 >> here) as u8;
        if (x ^ y) & mask != 0 {
            return false;
        }
        left -= here;
    }
    bits <= N * 8
}
