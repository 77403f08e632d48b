// SPDX-License-Identifier: GPL-2.0

//! Hosts that many worlds share: most moves change one of the two, and a search has
//! millions of worlds to copy and to compare.

use super::Host;
use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::rc::Rc;

/// A host, copied when it is changed, and hashed once.
#[derive(Clone, Debug)]
pub struct Kept {
    host: Rc<Host>,
    hash: Cell<Option<u128>>,
}

impl Kept {
    pub fn new(host: Host) -> Self {
        Kept {
            host: Rc::new(host),
            hash: Cell::new(None),
        }
    }

    pub fn change(&mut self) -> &mut Host {
        self.hash.set(None);
        Rc::make_mut(&mut self.host)
    }
}

impl Deref for Kept {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.host == other.host
    }
}

impl Eq for Kept {}

impl Hash for Kept {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let hash = self.hash.get().unwrap_or_else(|| {
            let mut wide = Wide::default();
            self.host.hash(&mut wide);
            wide.both()
        });
        self.hash.set(Some(hash));
        state.write_u64((hash >> 64) as u64);
        state.write_u64(hash as u64);
    }
}

/// Two hashes of 64 bits at once.
pub struct Wide(u64, u64);

impl Default for Wide {
    fn default() -> Self {
        Wide(1, 2)
    }
}

impl Wide {
    pub fn both(&self) -> u128 {
        u128::from(self.0) << 64 | u128::from(self.1)
    }
}

impl Hasher for Wide {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word) ^ (chunk.len() as u64) << 60);
        }
    }

    fn write_u64(&mut self, w: u64) {
        self.0 = (self.0 ^ w).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 32;
        self.1 = (self.1.rotate_left(5) ^ w).wrapping_mul(0xd6e8_feb8_6659_fd93);
        self.1 ^= self.1 >> 29;
    }

    fn write_u8(&mut self, w: u8) {
        self.write_u64(w.into());
    }

    fn write_u16(&mut self, w: u16) {
        self.write_u64(w.into());
    }

    fn write_u32(&mut self, w: u32) {
        self.write_u64(w.into());
    }

    fn write_usize(&mut self, w: usize) {
        self.write_u64(w as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
