// SPDX-License-Identifier: GPL-2.0

//! The two key tables beside the machine: the keys of this side's RMBs, which
//! the caller's pool knows, and those that the peer has told.

use super::Slot;
use super::{RmbId, MAX_RMBS};
use crate::wire::llc::Rtoken;
use crate::wire::types::Rkey;
use core::ops::DerefMut;

/// The keys of this side's RMBs. The caller's buffer pool implements it.
pub trait LocalKeys {
    /// Key and address of `rmb` on the link in `slot`; `None` where it is not
    /// registered there (yet). A key that was given once must stay the same
    /// until the machine says that the RMB is forgotten.
    fn token(&self, rmb: RmbId, slot: Slot) -> Option<Rtoken>;
}

/// One of the peer's RMBs: its row in the table of the peer's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerRmb(u8);

/// The keys that the peer has told, by RMB and link: what a writer must look
/// up before each RDMA write. [`PeerTable`] implements it.
pub trait PeerKeys {
    /// The peer has an RMB with that key on that link: finds it, or takes it
    /// in. `None` where the table is full.
    fn add(&mut self, slot: Slot, token: Rtoken) -> Option<PeerRmb>;
    /// The RMB has that key on that link.
    fn set(&mut self, rmb: PeerRmb, slot: Slot, token: Rtoken);
    /// The RMB that has the key `known` on the link in `via` has the key
    /// `token` on the link in `slot`. Whether there is such an RMB.
    fn extend(&mut self, via: Slot, known: Rkey, slot: Slot, token: Rtoken) -> bool;
    /// The peer takes back the RMB with that key on that link, on all links.
    /// Whether there was one.
    fn delete(&mut self, slot: Slot, rkey: Rkey) -> bool;
    /// No RMB has a key on the link in `slot` (any more).
    fn clear(&mut self, slot: Slot);
}

/// Keys of one of the peer's RMBs. The default is a free row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PeerRow {
    used: bool,
    tokens: [Option<Rtoken>; Slot::COUNT],
}

impl PeerRow {
    fn at(&self, slot: Slot) -> Option<Rtoken> {
        *slot.of(&self.tokens)
    }
}

/// The peer's keys in rows that the caller provides: 255, however few connections were
/// negotiated, as a peer may have more RMBs than connections. As smc_rtoken_add() and
/// its like, but what is not known is known to be so.
#[derive(Debug)]
pub struct PeerTable<R> {
    rows: R,
    /// Rows that are in use.
    used: usize,
}

impl<R: DerefMut<Target = [PeerRow]>> PeerTable<R> {
    /// A table in `rows`, of which the first 255 count.
    pub fn new(rows: R) -> Self {
        let used = rows.iter().take(MAX_RMBS).filter(|row| row.used).count();
        PeerTable { rows, used }
    }

    /// Key and address for an RDMA write to the RMB over the link; `None`: such
    /// a write must not be posted.
    pub fn token(&self, rmb: PeerRmb, slot: Slot) -> Option<Rtoken> {
        let row = self.rows.get(usize::from(rmb.0))?;
        row.at(slot).filter(|_| row.used)
    }

    /// Whether there is no room for another RMB.
    pub fn is_full(&self) -> bool {
        self.used >= self.rows.len().min(MAX_RMBS)
    }

    fn find(&mut self, test: impl Fn(&PeerRow) -> bool) -> Option<(PeerRmb, &mut PeerRow)> {
        let mut rows = self.rows.iter_mut().take(MAX_RMBS).enumerate();
        let (n, row) = rows.find(|(_, row)| test(row))?;
        // There are at most 255 rows.
        Some((PeerRmb(u8::try_from(n).ok()?), row))
    }
}

impl<R: DerefMut<Target = [PeerRow]>> PeerKeys for PeerTable<R> {
    fn add(&mut self, slot: Slot, token: Rtoken) -> Option<PeerRmb> {
        if let Some((rmb, _)) = self.find(|r| r.used && r.at(slot) == Some(token)) {
            return Some(rmb);
        }
        let (rmb, row) = self.find(|r| !r.used)?;
        *row = PeerRow {
            used: true,
            ..PeerRow::default()
        };
        *slot.of_mut(&mut row.tokens) = Some(token);
        self.used += 1;
        Some(rmb)
    }

    fn set(&mut self, rmb: PeerRmb, slot: Slot, token: Rtoken) {
        if let Some(row) = self.rows.get_mut(usize::from(rmb.0)) {
            if row.used {
                *slot.of_mut(&mut row.tokens) = Some(token);
            }
        }
    }

    fn extend(&mut self, via: Slot, known: Rkey, slot: Slot, token: Rtoken) -> bool {
        let found = self.find(|r| r.used && r.at(via).is_some_and(|t| t.rkey == known));
        match found {
            Some((_, row)) => {
                *slot.of_mut(&mut row.tokens) = Some(token);
                true
            }
            None => false,
        }
    }

    fn delete(&mut self, slot: Slot, rkey: Rkey) -> bool {
        let found = self.find(|r| r.used && r.at(slot).is_some_and(|t| t.rkey == rkey));
        match found {
            Some((_, row)) => {
                *row = PeerRow::default();
                self.used -= 1;
                true
            }
            None => false,
        }
    }

    fn clear(&mut self, slot: Slot) {
        for row in self.rows.iter_mut() {
            *slot.of_mut(&mut row.tokens) = None;
        }
    }
}

#[cfg(all(test, not(MODULE)))]
mod tests {
    use super::*;
    use crate::wire::types::RmbAddr;

    fn token(n: u32) -> Rtoken {
        Rtoken {
            rkey: Rkey(n),
            addr: RmbAddr(u64::from(n) << 12),
        }
    }

    #[test]
    fn keys_are_found_by_link_and_deleted_everywhere() {
        let mut rows = [PeerRow::default(); 2];
        let mut t = PeerTable::new(&mut rows[..]);
        assert!(!t.extend(Slot::S0, Rkey(1), Slot::S1, token(2)));
        let a = t.add(Slot::S0, token(1)).unwrap();
        assert_eq!(t.add(Slot::S0, token(1)), Some(a));
        assert_eq!(t.token(a, Slot::S1), None);
        assert!(t.extend(Slot::S0, Rkey(1), Slot::S1, token(2)));
        assert_eq!(t.token(a, Slot::S1), Some(token(2)));
        let b = t.add(Slot::S1, token(3)).unwrap();
        assert_ne!(a, b);
        t.set(b, Slot::S2, token(9));
        assert_eq!(t.token(b, Slot::S2), Some(token(9)));
        assert!(t.is_full());
        assert_eq!(t.add(Slot::S0, token(1)), Some(a));
        assert_eq!(t.add(Slot::S0, token(4)), None);
        assert!(!t.delete(Slot::S0, Rkey(2)));
        assert!(t.is_full());
        assert!(t.delete(Slot::S1, Rkey(2)));
        assert!(!t.is_full());
        assert_eq!(t.token(a, Slot::S0), None);
        t.set(a, Slot::S0, token(5));
        assert_eq!(t.token(a, Slot::S0), None, "a free row takes no key");
        t.clear(Slot::S1);
        assert_eq!(t.token(b, Slot::S1), None);
        assert_eq!(t.token(b, Slot::S2), Some(token(9)));
        assert_eq!(b.0, 1);
    }

    #[test]
    fn a_table_has_255_rows_at_most() {
        let mut rows = [PeerRow::default(); 300];
        let mut t = PeerTable::new(&mut rows[..]);
        for n in 0..255 {
            assert!(!t.is_full());
            let rmb = t.add(Slot::S0, token(n)).unwrap();
            assert_eq!(u32::from(rmb.0), n);
        }
        assert!(t.is_full());
        assert_eq!(t.add(Slot::S0, token(255)), None);
        assert!(!t.delete(Slot::S0, Rkey(255)));
        assert!(!t.extend(Slot::S0, Rkey(255), Slot::S1, token(1)));
        assert!(t.delete(Slot::S0, Rkey(254)));
        assert!(!t.is_full());
        assert_eq!(t.add(Slot::S0, token(255)).map(|rmb| rmb.0), Some(254));
        // Rows that were in use before.
        let mut t = PeerTable::new(&mut rows[..]);
        assert!(t.is_full());
        assert!(t.delete(Slot::S0, Rkey(0)));
        assert!(!PeerTable::new(&mut rows[..]).is_full());
        // One that has lost its keys stays in use.
        let mut t = PeerTable::new(&mut rows[..1]);
        t.add(Slot::S0, token(1)).unwrap();
        t.clear(Slot::S0);
        assert!(t.is_full());
        assert!(PeerTable::new(&mut rows[..0]).is_full());
    }
}
