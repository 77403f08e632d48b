// SPDX-License-Identifier: GPL-2.0

//! What must hold at every moment, and at rest.

use super::*;

impl World {
    /// What must hold at every moment.
    pub fn check(&self) {
        for side in Side::BOTH {
            self.check_keys(side);
        }
        let [s, c] = &self.hosts;
        let (s_flow, c_flow) = (s.g.owed().flow, c.g.owed().flow);
        assert!(s_flow != FlowKind::RequestAddLink);
        assert!(c_flow != FlowKind::DeleteLink);
        // One exchange about links at a time: what the client is in, the server
        // is in, too, and no other one, unless one of them gave up.
        if self.calm && c_flow == FlowKind::AddLink {
            assert_eq!(s_flow, FlowKind::AddLink);
        }
        for h in &self.hosts {
            assert!(
                Slot::ALL
                    .iter()
                    .filter(|s| h.g.link(**s).is_active())
                    .count()
                    <= 3
            );
        }
    }

    /// The peer never gets a write on a link for which the sender does not
    /// know the key: whatever link the sender may use, as far as it knows, and
    /// whatever RMB it may write to, it has the right key, if a write could
    /// arrive at all.
    pub(super) fn check_keys(&self, side: Side) {
        let sender = self.peek(side);
        let mut rows = sender.rows;
        let table = PeerTable::new(&mut rows[..]);
        let receiver = self.peek(side.other());
        for slot in Slot::ALL {
            if !sender.g.link(slot).is_active() {
                continue;
            }
            let qpn = sender.g.link(slot).local().qpn.get();
            let there = sender.g.link(slot).peer().qpn.get();
            if self.dead.contains(&(side, qpn)) || self.dead.contains(&(side.other(), there)) {
                continue;
            }
            let Some(their) = receiver.slot_of(there) else {
                continue;
            };
            if receiver.g.link(their).peer().qpn.get() != qpn {
                continue;
            }
            for (rmb, row) in &sender.learned {
                let want = token(side.other(), *rmb, there);
                assert_eq!(
                    table.token(*row, slot),
                    Some(want),
                    "{side:?} may write to RMB {} over the link in {slot:?} without its key",
                    rmb.get()
                );
            }
        }
    }

    /// What must hold when nothing can happen any more.
    pub fn check_rest(&self) {
        for side in Side::BOTH {
            let h = self.peek(side);
            let owed = h.g.owed();
            assert!(
                matches!(owed.flow, FlowKind::Idle | FlowKind::Ended),
                "{side:?} is stuck: {owed:?}"
            );
            assert!(!owed.caller && !owed.message && owed.peer.is_none() && owed.waiting == 0);
            assert!(h.announcing.is_empty(), "{side:?}: announcement unanswered");
            assert!(h.dropping.is_empty(), "{side:?}: drop unanswered");
            assert!(!h.adding, "{side:?}: add wish unanswered");
            assert_eq!(h.g.is_ended(), h.ended.is_some());
            for slot in Slot::ALL {
                let state = h.g.link(slot).state();
                assert!(
                    matches!(state, LinkState::Unused | LinkState::Active),
                    "{side:?}: {slot:?} is left {state:?}"
                );
            }
        }
    }
}
