// SPDX-License-Identifier: GPL-2.0

//! A bag of things, each in a place of its own that does not change.

use kernel::{
    alloc::{AllocError, Flags},
    prelude::*,
};

/// Places, some of them free. A place that has become free is used again.
pub(crate) struct Slots<T>(KVec<Option<T>>);

impl<T> Slots<T> {
    pub(crate) const fn new() -> Self {
        Self(KVec::new())
    }

    /// Puts `item` into the first free place, and gives its number.
    ///
    /// # Errors
    ///
    /// [`AllocError`] without memory for another place; `item` is dropped.
    pub(crate) fn insert(&mut self, item: T, flags: Flags) -> Result<usize, AllocError> {
        if let Some(at) = self.0.iter().position(Option::is_none) {
            if let Some(free) = self.0.get_mut(at) {
                *free = Some(item);
            }
            return Ok(at);
        }
        self.0.push(Some(item), flags)?;
        Ok(self.0.len() - 1)
    }

    /// Empties the place.
    pub(crate) fn take(&mut self, at: usize) -> Option<T> {
        self.0.get_mut(at)?.take()
    }

    /// Takes out something that passes the test.
    pub(crate) fn take_if(&mut self, mut test: impl FnMut(&T) -> bool) -> Option<T> {
        let found = |place: &&mut Option<T>| place.as_ref().is_some_and(&mut test);
        self.0.iter_mut().find(found)?.take()
    }

    /// What is in a place.
    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        self.0.get(at)?.as_ref()
    }

    /// What is in a place.
    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.0.get_mut(at)?.as_mut()
    }

    /// What is there, in the order of the places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }

    /// How many places there are, with something in them or free.
    pub(crate) fn places(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}
