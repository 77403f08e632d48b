// SPDX-License-Identifier: GPL-2.0

//! A peer that says anything at any time: the script runner of the fuzz target
//! with random scripts.

use crate::targets::group as script;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// No script makes the machine panic or grow, leaves a wish unanswered past
    /// its time, or keeps the machine from coming to rest.
    #[test]
    fn no_script_breaks_the_machine(script in proptest::collection::vec(any::<u8>(), 0..400)) {
        script::run(&script);
    }
}
