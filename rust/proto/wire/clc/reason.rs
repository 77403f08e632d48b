// SPDX-License-Identifier: GPL-2.0

//! Reasons of a Decline, which are also the reasons of a fallback that diag
//! and the fallback statistics show (RFC 7609 Appendix A.2.5 has the first of
//! them; the numbers are those of smc_clc.h, `SMC_CLC_DECL_*`).

use core::fmt;

/// A number that no known reason has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OtherReason(u32);

/// One table: name, number, sentence.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $sentence:literal;)*) => {
        /// Why SMC is not used for a connection.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
            /// A reason that this release does not know; kept as it came.
            Other(OtherReason),
        }

        impl Reason {
            /// Every reason that has a name.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The number on the wire and in diag.
            pub const fn code(self) -> u32 {
                match self {
                    $(Reason::$name => $code,)*
                    Reason::Other(OtherReason(code)) => code,
                }
            }

            /// The reason with this number; any number has one.
            pub(super) const fn from_code(code: u32) -> Self {
                match code {
                    $($code => Reason::$name,)*
                    other => Reason::Other(OtherReason(other)),
                }
            }

            /// A sentence for people.
            const fn sentence(self) -> &'static str {
                match self {
                    $(Reason::$name => $sentence,)*
                    Reason::Other(_) => "The peer gave a reason that is not known here.",
                }
            }
        }
    };
}

reasons! {
    /// No memory.
    NoMemory = 0x0101_0000, "There is not enough memory for the connection's buffers or state.";
    /// No Confirm Link.
    ConfirmLinkTimeout = 0x0201_0000, "The first link was not confirmed over RDMA in time.";
    /// No Add Link.
    AddLinkTimeout = 0x0202_0000, "The second link was not added in time.";
    /// Configuration.
    Config = 0x0300_0000, "The configuration of this host does not allow SMC here.";
    /// No SMC option.
    PeerNoSmc = 0x0301_0000, "The peer did not say in the TCP handshake that it speaks SMC.";
    /// IPsec.
    Ipsec = 0x0302_0000, "The connection is protected by IPsec, which SMC would bypass.";
    /// No device.
    NoDevice = 0x0303_0000, "No SMC-R or SMC-D device leads to the peer.";
    /// No ISM device.
    NoSmcdDevice = 0x0303_0001, "No SMC-D device leads to the peer.";
    /// No RoCE device.
    NoSmcrDevice = 0x0303_0002, "No SMC-R device leads to the peer.";
    /// No ISMv2.
    NoIsmV2 = 0x0303_0003, "This machine's hardware has no second version of ISM.";
    /// No v2 extension.
    NoV2Extension = 0x0303_0004, "The peer's proposal offers version 2 without the extension for it.";
    /// No SMC-Dv2 extension.
    NoSmcdV2Extension = 0x0303_0005, "The peer's proposal offers SMC-D version 2 without the extension for it.";
    /// No SEID.
    NoSeid = 0x0303_0006, "The peer sent no system EID, and no user EID matches.";
    /// No ISMv2 device.
    NoSmcdV2Device = 0x0303_0007, "No SMC-D version 2 device leads to the peer.";
    /// No UEID.
    NoUeid = 0x0303_0008, "The peers have no EID in common.";
    /// Release.
    ReleaseMismatch = 0x0303_0009, "The peers do not agree on the release of version 2.";
    /// Connections of a group.
    MaxConns = 0x0303_000a, "The peers do not agree on how many connections a link group holds.";
    /// Links of a group.
    MaxLinks = 0x0303_000b, "The peers do not agree on how many links a link group has.";
    /// SMC-R or SMC-D.
    ModeMismatch = 0x0304_0000, "One peer has SMC-R only, the other SMC-D only.";
    /// Eye catcher in the buffer.
    EyecatcherInBuffer = 0x0305_0000, "The peer writes eye catchers into its receive buffers.";
    /// Socket option.
    OptionUnsupported = 0x0306_0000, "The application set a socket option that SMC does not support.";
    /// Subnet.
    DifferentPrefix = 0x0307_0000, "The peers are not in the same IP subnet.";
    /// VLAN of the interface.
    VlanUnknown = 0x0308_0000, "The VLAN of the network interface could not be found out.";
    /// VLAN of the ISM device.
    IsmVlan = 0x0309_0000, "The VLAN could not be set on the SMC-D device.";
    /// No active link.
    NoActiveLink = 0x030a_0000, "The link group has no active link.";
    /// The server's link is unknown.
    NoServerLink = 0x030b_0000, "The link that the server chose is not known here.";
    /// Version.
    VersionMismatch = 0x030c_0000, "The peers have no version of SMC in common.";
    /// DMB limit.
    MaxDmb = 0x030d_0000, "The SMC-D device has no more room for receive buffers.";
    /// No route.
    NoRoute = 0x030e_0000, "No route leads to the peer's RoCE address.";
    /// Gateway.
    NotIndirect = 0x030f_0000, "The peer expects a gateway on the way to it, and there is none.";
    /// The groups differ.
    SyncError = 0x0400_0000, "One peer knows the link group, the other does not.";
    /// Declined.
    PeerDeclined = 0x0500_0000, "The peer declined.";
    /// Internal.
    Internal = 0x0999_0000, "Something failed that should not.";
    /// Remote keys.
    RemoteKeys = 0x0999_0001, "The peer's remote key could not be stored.";
    /// Link not ready.
    LinkNotReady = 0x0999_0002, "The queue pair could not be made ready.";
    /// Registration.
    RegisterBuffer = 0x0999_0003, "The connection's buffer could not be registered with the device.";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}: {}", self.code(), self.sentence())
    }
}

#[cfg(all(test, not(MODULE)))]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn every_reason_has_its_own_number_and_sentence() {
        for (i, a) in Reason::ALL.iter().enumerate() {
            assert_eq!(Reason::from_code(a.code()), *a);
            assert!(a.sentence().ends_with('.'));
            for b in &Reason::ALL[i + 1..] {
                assert_ne!(a.code(), b.code());
                assert_ne!(a.sentence(), b.sentence());
            }
        }
        // smc_clc.h of linux-6.12 defines this many.
        assert_eq!(Reason::ALL.len(), 36);
    }

    #[test]
    fn unknown_numbers_are_kept() {
        let r = Reason::from_code(0x1234_5678);
        assert!(matches!(r, Reason::Other(_)));
        assert_eq!(r.code(), 0x1234_5678);
        assert!(r.to_string().starts_with("0x12345678: The peer gave"));
    }
}
