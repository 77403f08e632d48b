// SPDX-License-Identifier: GPL-2.0

//! Families of generic netlink.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)

use super::{
    netlink::{Attrs, Callback, Full, Put},
    Net,
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::zeroed,
    slice,
    sync::atomic::{AtomicBool, Ordering},
};
use kernel::{
    error::{from_result, to_result},
    ffi::c_int,
    prelude::*,
};
use smc_bindings as bindings;

/// What a command does that is no dump.
pub(crate) trait Do: 'static {
    /// Process context, one command of the family at a time; may sleep.
    ///
    /// # Errors
    ///
    /// What the asker gets.
    fn run(request: &Request<'_>) -> Result;
}

/// What a dump tells.
pub(crate) trait Dump: 'static {
    /// Adds messages, until there are no more or there is no room: it is called
    /// again then, with the positions as it left them. Process context, one
    /// command of the family at a time; may sleep.
    fn dump(out: &mut Dumping<'_>) -> Put;
}

/// What the kernel shall check of an attribute.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Policy(bindings::nla_policy);

// SAFETY: plain numbers; the union holds no pointer.
unsafe impl Sync for Policy {}

impl Policy {
    /// Nothing.
    pub(crate) const NONE: Self = Self::of(bindings::NLA_UNSPEC as u8, 0);
    /// Requests with it are refused.
    pub(crate) const REJECT: Self = Self::of(bindings::NLA_REJECT as u8, 0);
    /// It has a byte.
    pub(crate) const U8: Self = Self::of(bindings::NLA_U8 as u8, 0);

    /// Text of at most `max` bytes, with or without a NUL.
    pub(crate) const fn string(max: u16) -> Self {
        Self::of(bindings::NLA_STRING as u8, max)
    }

    /// Text of at most `max` bytes, and a NUL.
    pub(crate) const fn nul_string(max: u16) -> Self {
        Self::of(bindings::NLA_NUL_STRING as u8, max)
    }

    const fn of(kind: u8, len: u16) -> Self {
        // SAFETY: all-zero bytes are a valid `struct nla_policy`.
        let mut policy: bindings::nla_policy = unsafe { zeroed() };
        policy.type_ = kind;
        policy.len = len;
        Self(policy)
    }
}

/// A command.
#[repr(transparent)]
pub(crate) struct Op(bindings::genl_ops);

// SAFETY: it never changes; the kernel only reads it.
unsafe impl Sync for Op {}

impl Op {
    /// Nothing yet.
    pub(crate) const fn new(command: u32) -> Self {
        // SAFETY: all-zero bytes are a valid `struct genl_ops`.
        let mut op: bindings::genl_ops = unsafe { zeroed() };
        op.cmd = command as u8;
        Self(op)
    }

    /// Does `D`.
    pub(crate) const fn does<D: Do>(mut self) -> Self {
        self.0.doit = Some(doit::<D>);
        self
    }

    /// Dumps `D`.
    pub(crate) const fn dumps<D: Dump>(mut self) -> Self {
        self.0.dumpit = Some(dumpit::<D>);
        self
    }

    /// Only for who has CAP_NET_ADMIN in the first user namespace.
    pub(crate) const fn admin(mut self) -> Self {
        self.0.flags = bindings::GENL_ADMIN_PERM as u8;
        self
    }

    /// With attributes of its own; as many as the family has.
    pub(crate) const fn policy(mut self, policy: &'static [Policy]) -> Self {
        self.0.policy = policy.as_ptr().cast();
        self
    }

    /// Checked as leniently as before there were strict rules.
    pub(crate) const fn lenient(mut self) -> Self {
        self.0.validate = (bindings::genl_validate_flags_GENL_DONT_VALIDATE_STRICT
            | bindings::genl_validate_flags_GENL_DONT_VALIDATE_DUMP)
            as u8;
        self
    }
}

/// A family, in all namespaces.
///
/// # Invariants
///
/// Once registered, only the kernel changes `family`.
pub(crate) struct Family {
    family: UnsafeCell<bindings::genl_family>,
    registered: AtomicBool,
    name: &'static CStr,
    version: u32,
    policy: &'static [Policy],
    ops: &'static [Op],
    /// The first command whose header is checked for what is reserved.
    strict_from: u32,
    module: &'static ThisModule,
}

// SAFETY: the kernel serialises its changes to `family`; the rest is only read.
unsafe impl Sync for Family {}

impl Family {
    /// A family whose attributes are as many as `policy` has, from 0.
    pub(crate) const fn new(
        name: &'static CStr,
        version: u32,
        policy: &'static [Policy],
        ops: &'static [Op],
        strict_from: u32,
        module: &'static ThisModule,
    ) -> Self {
        Self {
            // SAFETY: all-zero bytes are a valid `struct genl_family`.
            family: UnsafeCell::new(unsafe { zeroed() }),
            registered: AtomicBool::new(false),
            name,
            version,
            policy,
            ops,
            strict_from,
            module,
        }
    }

    /// Registers it. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `EBUSY` if it is registered already, `EEXIST` if the name is taken, else
    /// the kernel's.
    pub(crate) fn register(&'static self) -> Result<FamilyRegistration> {
        if self.registered.swap(true, Ordering::Acquire) {
            return Err(EBUSY);
        }
        let family = self.family.get();
        // SAFETY: not registered, so it is ours alone; what it points to is
        // static, and of the lengths that are said.
        let done = to_result(unsafe {
            *family = zeroed();
            for (to, from) in (*family).name.iter_mut().zip(self.name.as_bytes_with_nul()) {
                *to = *from as _;
            }
            (*family).version = self.version;
            (*family).maxattr = self.policy.len().saturating_sub(1) as u32;
            (*family).policy = self.policy.as_ptr().cast();
            (*family).set_netnsok(1);
            (*family).ops = self.ops.as_ptr().cast();
            (*family).n_ops = self.ops.len() as u8;
            (*family).resv_start_op = self.strict_from as u8;
            (*family).module = self.module.as_ptr().cast();
            bindings::genl_register_family(family)
        });
        done.inspect_err(|_| self.registered.store(false, Ordering::Release))?;
        // INVARIANT: registered now.
        Ok(FamilyRegistration(self))
    }
}

/// A registered [`Family`]; unregisters it when dropped.
///
/// # Invariants
///
/// The family is registered.
pub(crate) struct FamilyRegistration(&'static Family);

impl Drop for FamilyRegistration {
    /// Process context; waits for commands that are running.
    fn drop(&mut self) {
        // SAFETY: registered, by the type invariant.
        unsafe { bindings::genl_unregister_family(self.0.family.get()) };
        self.0.registered.store(false, Ordering::Release);
    }
}

/// Where messages to one asker go.
///
/// # Invariants
///
/// `skb` is a live buffer of ours alone, `family` is registered.
pub(crate) struct Messages<'a> {
    skb: *mut bindings::sk_buff,
    family: *const bindings::genl_family,
    port: u32,
    seq: u32,
    _life: PhantomData<&'a mut ()>,
}

impl Messages<'_> {
    /// Adds a message with what `fill` puts in, or nothing.
    pub(crate) fn message(
        &mut self,
        command: u32,
        fill: impl FnOnce(&mut Attrs<'_>) -> Put,
    ) -> Put {
        // SAFETY: alive, by the type invariant.
        let header = unsafe {
            bindings::genlmsg_put(
                self.skb,
                self.port,
                self.seq,
                self.family,
                bindings::NLM_F_MULTI as c_int,
                command as u8,
            )
        };
        if header.is_null() {
            return Err(Full);
        }
        // SAFETY: the message has just been begun.
        let put = fill(&mut unsafe { Attrs::new(self.skb) });
        // SAFETY: as above, and it is still at the end.
        unsafe {
            match put {
                Ok(()) => bindings::genlmsg_end(self.skb, header),
                Err(Full) => bindings::genlmsg_cancel(self.skb, header),
            }
        }
        put
    }
}

/// A dump under way.
pub(crate) struct Dumping<'a>(Callback<'a>);

impl Dumping<'_> {
    /// The namespace that is asked for.
    pub(crate) fn net(&self) -> &Net {
        self.0.net()
    }

    /// The `i`th of six numbers that are kept from one call to the next; zero at
    /// the beginning.
    pub(crate) fn position(&mut self, i: usize) -> usize {
        self.0.position(i) as usize
    }

    /// Changes the `i`th number.
    pub(crate) fn set_position(&mut self, i: usize, value: usize) {
        self.0.set_position(i, value as u64);
    }

    /// Adds a message with what `fill` puts in, or nothing.
    pub(crate) fn message(
        &mut self,
        command: u32,
        fill: impl FnOnce(&mut Attrs<'_>) -> Put,
    ) -> Put {
        let (port, seq) = self.0.asker();
        // SAFETY: a dump of a registered family, by the callback's invariant.
        let family = unsafe { bindings::genl_dump_family(self.0.cb) };
        // INVARIANT: the buffer is the dump's, and we are at it.
        Messages {
            skb: self.0.skb,
            family,
            port,
            seq,
            _life: PhantomData,
        }
        .message(command, fill)
    }

    /// Adds the one message of a dump that has no more.
    pub(crate) fn single(&mut self, command: u32, fill: impl FnOnce(&mut Attrs<'_>) -> Put) -> Put {
        if self.position(0) == 0 {
            self.message(command, fill)?;
            self.set_position(0, 1);
        }
        Ok(())
    }
}

/// A command that is no dump.
///
/// # Invariants
///
/// `info` is that of the command, while it runs.
pub(crate) struct Request<'a> {
    info: *mut bindings::genl_info,
    _life: PhantomData<&'a ()>,
}

impl Request<'_> {
    /// The namespace that it is about.
    pub(crate) fn net(&self) -> &Net {
        // SAFETY: alive, by the type invariant.
        unsafe { Net::from_raw(bindings::genl_info_net(self.info)) }
    }

    /// The bytes of an attribute, if it is there.
    pub(crate) fn attr(&self, attr: u32) -> Option<&[u8]> {
        // SAFETY: alive, by the type invariant. There is room for each attribute
        // of the family, if it has any; what is there was checked.
        unsafe {
            let info = self.info;
            if attr > (*(*info).family).maxattr || (*info).attrs.is_null() {
                return None;
            }
            let nla = *(*info).attrs.add(attr as usize);
            if nla.is_null() {
                return None;
            }
            let len = usize::try_from(bindings::nla_len(nla)).unwrap_or(0);
            Some(slice::from_raw_parts(
                bindings::nla_data(nla).cast_const().cast(),
                len,
            ))
        }
    }

    /// The text of an attribute, if it is there and ends with NUL.
    pub(crate) fn text(&self, attr: u32) -> Option<&CStr> {
        let bytes = self.attr(attr)?;
        let end = bytes.iter().position(|b| *b == 0)?;
        CStr::from_bytes_with_nul(bytes.get(..=end)?).ok()
    }

    /// Answers with the messages that `fill` adds, and their end.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EMSGSIZE` if there is no room for the end; netlink's.
    pub(crate) fn reply(&self, fill: impl FnOnce(&mut Messages<'_>)) -> Result {
        // SAFETY: may sleep.
        let skb = unsafe { bindings::nlmsg_new_default() };
        if skb.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: alive, by the type invariant.
        let (family, port, seq) = unsafe {
            let info = &*self.info;
            (info.family, info.snd_portid, info.snd_seq)
        };
        // INVARIANT: the buffer is new.
        fill(&mut Messages {
            skb,
            family,
            port,
            seq,
            _life: PhantomData,
        });
        // SAFETY: the buffer is ours until it is sent or freed.
        unsafe {
            let end = bindings::nlmsg_put(
                skb,
                port,
                seq,
                bindings::NLMSG_DONE as c_int,
                0,
                bindings::NLM_F_MULTI as c_int,
            );
            if end.is_null() {
                bindings::nlmsg_free(skb);
                return Err(Full.into());
            }
            to_result(bindings::genlmsg_reply(skb, self.info))
        }
    }
}

/// # Safety
///
/// Called by generic netlink as `doit`.
unsafe extern "C" fn doit<D: Do>(
    _skb: *mut bindings::sk_buff,
    info: *mut bindings::genl_info,
) -> c_int {
    // INVARIANT: by this function's contract.
    let request = Request {
        info,
        _life: PhantomData,
    };
    from_result(|| D::run(&request).map(|()| 0))
}

/// # Safety
///
/// Called by generic netlink as `dumpit`.
unsafe extern "C" fn dumpit<D: Dump>(
    skb: *mut bindings::sk_buff,
    cb: *mut bindings::netlink_callback,
) -> c_int {
    // SAFETY: by this function's contract.
    let mut out = Dumping(unsafe { Callback::new(skb, cb) });
    // What did not go in goes into the next buffer.
    let _ = D::dump(&mut out);
    out.0.done()
}
