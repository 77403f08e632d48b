// SPDX-License-Identifier: GPL-2.0

//! What this stack tells its like, in bytes that every other peer ignores.
//!
//! SMC v2.1 (third edition) leaves eight bytes of a Proposal and four bytes of
//! a first contact extension to vendors. In-tree Linux sends them as zero and
//! never reads them. Nothing is ever appended to a message: a Proposal that is
//! longer than its known parts makes the C module end the connection
//! (smc_clc.c, `smc_clc_msg_prop_valid`).
//!
//! # Convention
//!
//! | message | bytes | content |
//! |---|---|---|
//! | Proposal | 52..55, `vendor_oui` | F2-53-4D |
//! | Proposal | 55, first of `vendor_exp_options` | format, 1 |
//! | Proposal | 56..58 | features of the client, big-endian |
//! | Proposal | 58..60 | seal |
//! | Accept, Confirm: first contact, release 1 | first two of `vendor_exp_options` | features of the sender, big-endian |
//! | Accept, Confirm: first contact, release 1 | last two | seal |
//!
//! F2-53-4D is an OUI that nobody owns: the bit for local administration is
//! set in its first byte and the one for groups is not, in the quadrant that
//! IEEE 802c leaves to administrators. As anybody may pick it, the
//! seal (the features, turned left by five bits, xor 0x7c5e) has to fit too; it
//! is never zero where the features are.
//!
//! The first contact extension has no OUI. So a server places the four bytes
//! there only if the Proposal carried the convention, and a client sends them
//! in the Confirm, and believes those of the Accept, only if both did.
//!
//! # Life of a feature
//!
//! A server sees the client's features in every Proposal. A client sees the
//! server's on first contact only, as later Accepts have no first contact
//! extension: they belong to the link group, and end with it. A feature
//! describes a host, all its listeners alike.

use super::clc::VendorOptions;

/// OUI of the convention.
const OUI: [u8; 3] = [0xf2, 0x53, 0x4d];
/// First byte of the options in a Proposal; another one is another layout.
const FORMAT: u8 = 1;
/// Part of the seal.
const SEAL: u16 = 0x7c5e;

/// One table of all features: name, bit, what the sender promises.
macro_rules! features {
    ($($(#[$doc:meta])* $name:ident = $bit:literal, $sentence:literal;)*) => {
        impl Features {
            $($(#[$doc])* pub const $name: Features = Features(1 << $bit);)*

            /// Every feature that is assigned, with a sentence for people.
            pub const TABLE: &'static [(Features, &'static str)] =
                &[$((Features::$name, $sentence),)*];
        }
    };
}

features! {
    /// A server's listeners take a Proposal in the payload of a SYN that has
    /// the SMC option. From a client: it would send one.
    SYN_PROPOSAL = 0, "Takes CLC Proposals in the payload of SYNs.";
}

/// A set of features, at most 16. Bits that are not assigned are sent as zero
/// and ignored when received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features(u16);

impl Features {
    /// No feature.
    pub const NONE: Features = Features(0);

    /// Every feature that is assigned.
    pub fn all() -> Self {
        Self::TABLE
            .iter()
            .fold(Self::NONE, |set, (feature, _)| set.union(*feature))
    }

    /// The bits, as they stand in a message.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// The assigned ones among `bits`.
    pub fn from_bits(bits: u16) -> Self {
        Features(bits).intersection(Self::all())
    }

    /// What is in either.
    pub const fn union(self, other: Self) -> Self {
        Features(self.0 | other.0)
    }

    /// What is in both.
    pub const fn intersection(self, other: Self) -> Self {
        Features(self.0 & other.0)
    }

    /// Whether all of `other` is in the set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

const fn seal(bits: u16) -> u16 {
    bits.rotate_left(5) ^ SEAL
}

/// The vendor options of a Proposal from a client with these features.
pub const fn to_proposal(features: Features) -> VendorOptions {
    let [f0, f1] = features.0.to_be_bytes();
    let [s0, s1] = seal(features.0).to_be_bytes();
    VendorOptions {
        oui: OUI,
        options: [FORMAT, f0, f1, s0, s1],
    }
}

/// The features of the client that sent these vendor options in a Proposal;
/// `None` where it does not follow the convention.
pub fn from_proposal(vendor: &VendorOptions) -> Option<Features> {
    match (vendor.oui, vendor.options) {
        (OUI, [FORMAT, f0, f1, s0, s1]) => from_first_contact([f0, f1, s0, s1]),
        _ => None,
    }
}

/// The vendor options of a first contact extension from a host with these
/// features. For peers that are known to follow the convention only.
pub const fn to_first_contact(features: Features) -> [u8; 4] {
    let [f0, f1] = features.0.to_be_bytes();
    let [s0, s1] = seal(features.0).to_be_bytes();
    [f0, f1, s0, s1]
}

/// The features of the host that sent these vendor options in a first contact
/// extension; `None` where it does not follow the convention.
pub fn from_first_contact(options: [u8; 4]) -> Option<Features> {
    let [f0, f1, s0, s1] = options;
    let bits = u16::from_be_bytes([f0, f1]);
    if u16::from_be_bytes([s0, s1]) == seal(bits) {
        Some(Features::from_bits(bits))
    } else {
        None
    }
}
