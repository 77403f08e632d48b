// SPDX-License-Identifier: GPL-2.0

//! Numbers below /proc/sys/net, each network namespace with its own.
//!
//! C header: [`include/linux/sysctl.h`](srctree/include/linux/sysctl.h)

use crate::abstractions::net::Net;
use core::{
    array, ptr,
    ptr::NonNull,
    sync::atomic::{AtomicI32, Ordering},
};
use kernel::{ffi::c_int, prelude::*, sync::Arc};
use smc_bindings as bindings;

/// The least and the greatest value, neither of them negative.
pub(crate) struct Range(pub(crate) c_int, pub(crate) c_int);

/// What a number means, and which ones are taken.
pub(crate) enum Kind {
    /// Any number that is not negative.
    Unsigned,
    /// One that is not negative, in a range.
    UnsignedIn(&'static Range),
    /// One in a range.
    SignedIn(&'static Range),
    /// Seconds for the user; the value is in jiffies.
    Seconds,
}

/// One number.
pub(crate) struct Knob {
    /// Its file.
    pub(crate) name: &'static CStr,
    /// What it means.
    pub(crate) kind: Kind,
    /// Its value at the beginning, as the user sees it.
    pub(crate) initial: c_int,
}

impl Knob {
    /// Its value at the beginning.
    pub(crate) const fn value(&self) -> c_int {
        match self.kind {
            Kind::Seconds => self.initial * bindings::JIFFIES_PER_SECOND,
            _ => self.initial,
        }
    }
}

/// The values of one namespace, which the user may change at any time.
pub(crate) struct Values<const N: usize>([AtomicI32; N]);

impl<const N: usize> Values<N> {
    /// The `i`th value. Any context.
    pub(crate) fn get(&self, i: usize) -> Option<c_int> {
        self.0.get(i).map(|v| v.load(Ordering::Relaxed))
    }

    /// Changes the `i`th value, which is not checked against its range.
    pub(crate) fn set(&self, i: usize, value: c_int) {
        if let Some(v) = self.0.get(i) {
            v.store(value, Ordering::Relaxed);
        }
    }
}

/// The files of one namespace, of mode 0644; they go when this is dropped.
///
/// # Invariants
///
/// `header` is that of the registered `table`, whose entries point into `values`.
pub(crate) struct Registration<const N: usize> {
    header: NonNull<bindings::ctl_table_header>,
    _table: KBox<[bindings::ctl_table; N]>,
    _values: Arc<Values<N>>,
}

// SAFETY: the table is only read, by the kernel; any thread may unregister it.
unsafe impl<const N: usize> Send for Registration<N> {}
// SAFETY: as above; there are no methods on a shared reference.
unsafe impl<const N: usize> Sync for Registration<N> {}

impl<const N: usize> Registration<N> {
    /// Makes the files of `knobs` below `path` in the namespace. Process context;
    /// may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, also if one of the files is there already.
    pub(crate) fn register(
        net: &Net,
        path: &'static CStr,
        knobs: &'static [Knob; N],
    ) -> Result<(Self, Arc<Values<N>>)> {
        let initial = |i: usize| knobs.get(i).map_or(0, Knob::value);
        let values = Arc::new(
            Values(array::from_fn(|i| AtomicI32::new(initial(i)))),
            GFP_KERNEL,
        )?;
        let mut entries = knobs.iter().zip(&values.0);
        let mut table = KBox::new(
            array::from_fn(|_| match entries.next() {
                Some((knob, value)) => entry(knob, value),
                None => bindings::ctl_table::default(),
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: the namespace is alive, and stays so until it is left, which
        // drops this. The table and what it points to stay in place as long.
        let header = unsafe {
            bindings::register_net_sysctl_sz(
                net.as_ptr(),
                path.as_char_ptr().cast(),
                table.as_mut_ptr(),
                N,
            )
        };
        // INVARIANT: registered.
        let registration = Self {
            header: NonNull::new(header).ok_or(ENOMEM)?,
            _table: table,
            _values: values.clone(),
        };
        Ok((registration, values))
    }
}

impl<const N: usize> Drop for Registration<N> {
    /// Process context; waits for who is using one of the files.
    fn drop(&mut self) {
        // SAFETY: registered, by the type invariant.
        unsafe { bindings::unregister_net_sysctl_table(self.header.as_ptr()) };
    }
}

fn entry(knob: &'static Knob, value: &AtomicI32) -> bindings::ctl_table {
    let range = match knob.kind {
        Kind::UnsignedIn(range) | Kind::SignedIn(range) => Some(range),
        Kind::Unsigned | Kind::Seconds => None,
    };
    let limit = |limit: fn(&Range) -> &c_int| match range {
        // The handlers only read it.
        Some(range) => ptr::from_ref(limit(range)).cast_mut().cast(),
        None => ptr::null_mut(),
    };
    bindings::ctl_table {
        procname: knob.name.as_char_ptr().cast(),
        data: value.as_ptr().cast(),
        maxlen: size_of::<c_int>() as c_int,
        mode: 0o644,
        proc_handler: match knob.kind {
            Kind::Unsigned => Some(bindings::proc_douintvec),
            Kind::UnsignedIn(_) => Some(bindings::proc_douintvec_minmax),
            Kind::SignedIn(_) => Some(bindings::proc_dointvec_minmax),
            Kind::Seconds => Some(bindings::proc_dointvec_jiffies),
        },
        extra1: limit(|r| &r.0),
        extra2: limit(|r| &r.1),
        ..Default::default()
    }
}
