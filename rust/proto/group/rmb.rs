// SPDX-License-Identifier: GPL-2.0

//! Names for the RMBs of a link group, and sets of them.

/// How many RMBs a link group may have on each side (RFC 7609 §2.1; the size of
/// the key table of smc_core.c).
pub const MAX_RMBS: usize = 255;

/// One of this side's RMBs: 0 to 254, given by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RmbId(u8);

impl RmbId {
    /// The RMB of that number; `None` for 255.
    pub const fn new(n: u8) -> Option<Self> {
        if (n as usize) < MAX_RMBS {
            Some(RmbId(n))
        } else {
            None
        }
    }

    /// The number, 0 to 254.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// A set of RMBs: 32 bytes, whatever is in it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct RmbSet([u64; 4]);

impl core::fmt::Debug for RmbSet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.iter().map(RmbId::get)).finish()
    }
}

impl RmbSet {
    /// The word and the bit of an RMB.
    fn place(rmb: RmbId) -> (usize, u64) {
        (usize::from(rmb.0 >> 6), 1u64 << (rmb.0 & 63))
    }

    pub(super) fn insert(&mut self, rmb: RmbId) {
        let (word, bit) = Self::place(rmb);
        if let Some(w) = self.0.get_mut(word) {
            *w |= bit;
        }
    }

    pub(super) fn remove(&mut self, rmb: RmbId) {
        let (word, bit) = Self::place(rmb);
        if let Some(w) = self.0.get_mut(word) {
            *w &= !bit;
        }
    }

    pub(super) fn contains(&self, rmb: RmbId) -> bool {
        let (word, bit) = Self::place(rmb);
        self.0.get(word).is_some_and(|w| w & bit != 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    /// How many RMBs are in the set; at most 255, for there are no more.
    pub(super) fn len(&self) -> u8 {
        let n: u32 = self.0.iter().map(|w| w.count_ones()).sum();
        u8::try_from(n).unwrap_or(u8::MAX)
    }

    /// The lowest RMB.
    pub(super) fn first(&self) -> Option<RmbId> {
        let (at, word) = self.0.iter().enumerate().find(|(_, w)| **w != 0)?;
        let n = u32::try_from(at).ok()?.checked_mul(64)?;
        let n = n.checked_add(word.trailing_zeros())?;
        RmbId::new(u8::try_from(n).ok()?)
    }

    /// Takes the lowest RMB out.
    pub(super) fn take(&mut self) -> Option<RmbId> {
        let rmb = self.first()?;
        self.remove(rmb);
        Some(rmb)
    }

    /// The RMBs, lowest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = RmbId> + '_ {
        let mut rest = *self;
        core::iter::from_fn(move || rest.take())
    }

    fn zip(&self, other: &Self, f: impl Fn(u64, u64) -> u64) -> Self {
        let ([a, b, c, d], [e, g, h, i]) = (self.0, other.0);
        RmbSet([f(a, e), f(b, g), f(c, h), f(d, i)])
    }

    /// What is in either set.
    pub(super) fn union(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    /// What is in this set and not in the other.
    pub(super) fn minus(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    /// What is in both sets.
    pub(super) fn and(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & b)
    }
}

#[cfg(all(test, not(MODULE)))]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn sets_hold_what_was_put_in() {
        assert_eq!(RmbId::new(255), None);
        let ids: Vec<RmbId> = [0, 63, 64, 128, 254]
            .into_iter()
            .filter_map(RmbId::new)
            .collect();
        let mut s = RmbSet::default();
        assert!(s.is_empty());
        assert_eq!(s.first(), None);
        for id in &ids {
            s.insert(*id);
            assert!(s.contains(*id));
        }
        assert_eq!(s.len(), 5);
        assert_eq!(s.iter().collect::<Vec<_>>(), ids);
        assert_eq!(std::format!("{s:?}"), "{0, 63, 64, 128, 254}");
        let mut t = s;
        assert_eq!(t.take().map(RmbId::get), Some(0));
        assert_eq!(s.minus(&t).iter().map(RmbId::get).collect::<Vec<_>>(), [0]);
        assert_eq!(s.and(&t), t);
        assert_eq!(t.union(&s), s);
        t.remove(ids[4]);
        assert!(!t.contains(ids[4]));
        let mut all = RmbSet::default();
        (0..=254).filter_map(RmbId::new).for_each(|r| all.insert(r));
        assert_eq!(all.len(), 255);
        assert_eq!(all.iter().count(), 255);
    }
}
