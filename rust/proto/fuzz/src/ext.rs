// SPDX-License-Identifier: GPL-2.0

//! The vendor bytes of Proposals and first contact extensions.

use smc_proto::wire::clc::VendorOptions;
use smc_proto::wire::ext::{
    from_first_contact, from_proposal, to_first_contact, to_proposal, Features,
};

/// Any bytes give features or nothing; features are only those assigned, and
/// what is understood of others' bytes is what we would say ourselves.
pub fn run(data: &[u8]) {
    if let Some(bytes) = data.first_chunk::<8>() {
        let [a, b, c, options @ ..] = *bytes;
        let vendor = VendorOptions {
            oui: [a, b, c],
            options,
        };
        if let Some(features) = from_proposal(&vendor) {
            assert!(Features::all().contains(features));
            assert_eq!(from_proposal(&to_proposal(features)), Some(features));
            assert_eq!(to_proposal(features).oui, vendor.oui);
        }
    }
    if let Some(bytes) = data.first_chunk::<4>() {
        if let Some(features) = from_first_contact(*bytes) {
            assert!(Features::all().contains(features));
            assert_eq!(
                from_first_contact(to_first_contact(features)),
                Some(features)
            );
            assert_ne!(*bytes, [0; 4], "in-tree peers send zeros");
        }
    }
}
