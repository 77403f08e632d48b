// SPDX-License-Identifier: GPL-2.0

//! The advert of this stack in the vendor bytes of CLC messages.

use proptest::prelude::*;
use smc_proto::wire::clc::VendorOptions;
use smc_proto::wire::ext::{
    from_first_contact, from_proposal, to_first_contact, to_proposal, Features,
};

#[test]
fn bits_are_assigned_once() {
    let mut seen = Features::NONE;
    for (feature, sentence) in Features::TABLE {
        assert_eq!(feature.bits().count_ones(), 1);
        assert_eq!(seen.intersection(*feature), Features::NONE);
        assert!(sentence.ends_with('.'));
        seen = seen.union(*feature);
    }
    assert_eq!(seen, Features::all());
    assert!(seen.contains(Features::SYN_PROPOSAL));
}

#[test]
fn the_oui_is_local_and_for_no_group() {
    let v = to_proposal(Features::all());
    // IEEE 802: bit 0 of the first byte is for groups, bit 1 for local ones;
    // IEEE 802c: bits 2 and 3 zero are the administrator's own.
    assert_eq!(v.oui[0] & 0x0f, 0x02);
    assert_eq!(v.oui, [0xf2, 0x53, 0x4d]);
    // Written down, as peers in the field will depend on it.
    assert_eq!(v.options, [1, 0x00, 0x01, 0x7c, 0x7e]);
    assert_eq!(to_first_contact(Features::NONE), [0, 0, 0x7c, 0x5e]);
}

#[test]
fn what_is_sent_is_understood() {
    for f in [Features::NONE, Features::SYN_PROPOSAL] {
        assert_eq!(from_proposal(&to_proposal(f)), Some(f));
        assert_eq!(from_first_contact(to_first_contact(f)), Some(f));
    }
}

#[test]
fn zeros_of_linux_are_no_advert() {
    assert_eq!(from_proposal(&VendorOptions::default()), None);
    assert_eq!(from_first_contact([0; 4]), None);
}

#[test]
fn another_oui_or_format_is_no_advert() {
    let mut v = to_proposal(Features::all());
    v.oui[2] ^= 1;
    assert_eq!(from_proposal(&v), None);
    let mut v = to_proposal(Features::all());
    v.options[0] = 2;
    assert_eq!(from_proposal(&v), None);
}

proptest! {
    #[test]
    fn unassigned_bits_are_ignored(bits in any::<u16>()) {
        let seal = bits.rotate_left(5) ^ 0x7c5e;
        let [a, b] = bits.to_be_bytes();
        let [c, d] = seal.to_be_bytes();
        prop_assert_eq!(from_first_contact([a, b, c, d]), Some(Features::from_bits(bits)));
        prop_assert!(Features::all().contains(Features::from_bits(bits)));
    }

    #[test]
    fn one_wrong_bit_breaks_the_seal(bit in 0usize..32) {
        let mut v = to_first_contact(Features::SYN_PROPOSAL);
        v[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(from_first_contact(v), None);
    }
}
