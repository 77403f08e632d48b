// SPDX-License-Identifier: GPL-2.0

//! The rings under random interleavings, with real memory behind them.

use crate::targets::ring::{self as ring_target, Model};
use proptest::prelude::*;
use smc_proto::cursor::{Cursor, RawCursor, RingSize, Step};
use smc_proto::ring::UrgentMode;

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// No byte is lost, duplicated or overwritten, and nothing gets stuck, for any
    /// sizes of the two rings and any order of events, failovers included.
    #[test]
    fn bytes_arrive_once_and_in_order(data in prop::collection::vec(any::<u8>(), 0..600)) {
        ring_target::run_model(&data);
    }

    /// A hostile peer gets errors, never a position outside the ring.
    #[test]
    fn no_cursor_of_a_peer_leaves_the_ring(data in prop::collection::vec(any::<u8>(), 0..600)) {
        ring_target::run_hostile(&data);
    }

    /// `step_to` agrees with arithmetic on whole stream positions.
    #[test]
    fn steps_agree_with_stream_positions(
        compressed in 0u8..=15,
        dmbe: bool,
        start in 0u64..1 << 46,
        moved in -(1i64 << 31)..1 << 31,
        allowed in 0u32..=1 << 29,
    ) {
        let size = if dmbe {
            RingSize::dmbe_from_compressed(compressed)
        } else {
            RingSize::from_compressed(compressed)
        }.unwrap();
        let bytes = u64::from(size.bytes());
        let allowed = allowed.min(size.bytes());
        let start = start + bytes;
        let raw = |position: u64| RawCursor {
            wrap: (position / bytes) as u16,
            count: (position % bytes) as u32,
        };
        let mut cursor = Cursor::start(size);
        if let Ok(Step::Forward(n)) = cursor.step_to(raw(start % bytes), size.bytes()) {
            cursor = cursor.advanced(n);
        }
        // Reach the wrap number of `start` by whole rings.
        for _ in 0..(start / bytes) % 16 {
            cursor = cursor.advanced(size.bytes());
        }
        let here = (start / bytes) % 16 * bytes + start % bytes;
        prop_assert_eq!(cursor.raw(), raw(here));
        let moved = moved % (2 * bytes as i64);
        let Some(there) = here.checked_add_signed(moved) else { return Ok(()) };
        match cursor.step_to(raw(there), allowed) {
            Ok(Step::Forward(n)) => {
                prop_assert_eq!(i64::from(n), moved);
                prop_assert!(n <= allowed);
            }
            Ok(Step::Stale) => prop_assert!((-(bytes as i64)..0).contains(&moved)),
            Err(_) => prop_assert!(
                moved > i64::from(allowed) || moved < -(bytes as i64), "{}", moved
            ),
        }
    }
}

/// A stream many times the size of either ring passes through every pair of small
/// sizes, in writes and reads of awkward lengths, and stays intact.
#[test]
fn long_streams_survive_every_pair_of_sizes() {
    let sizes: Vec<RingSize> = (0..3)
        .flat_map(|c| {
            [
                RingSize::from_compressed(c),
                RingSize::dmbe_from_compressed(c),
            ]
        })
        .flatten()
        .collect();
    for &local in &sizes {
        for &peer in &sizes {
            let mut model = Model::new(local, peer, UrgentMode::Inline);
            let mut left = 5 * local.bytes().max(peer.bytes()) + 77;
            let mut links = 0..;
            while left > 0 {
                model.set_links(links.next().expect("it has no end") as u8);
                left -= model.write(left.min(9973), false);
                model.post(u32::MAX);
                while model.execute() {}
                while model.complete() || model.deliver() {}
                model.read(7919);
                model.update(false);
                while model.acknowledge() {}
                model.check();
            }
            model.settle();
        }
    }
}
