// SPDX-License-Identifier: GPL-2.0

//! Link Layer Control (LLC) messages: they travel as RDMA sends over a link's
//! queue pair and manage the links and remote keys of a link group.
//!
//! Layouts: RFC 7609 Appendix A.3 (version 1, always 44 bytes) and SMC v2
//! (first byte `0x2t`; ADD LINK, REQUEST ADD LINK and DELETE RKEY may be
//! longer). How long a message really is says the work completion: give
//! [`Message::parse`] exactly the bytes that were received.
//!
//! What smc_llc.c drops is an error here. It reads some lists of a v2 message
//! past the message's end (from a buffer that other messages share); here a
//! list ends where the message ends, see [`AddLinkExt::pairs`] and
//! [`LlcError::ListPastEnd`].

mod link;
mod rkey;

pub use link::{
    AddLink, AddLinkCont, AddLinkExt, ConfirmLink, DeleteLink, DeleteReason, LinkNum, LinkUid,
    RejectReason, ReqAddLink, TestLink,
};
pub use rkey::{
    ConfirmRkey, ConfirmRkeyCont, DeleteRkey, KeyPair, KeyPairs, LinkKey, Rtoken, OTHER_KEYS,
    PAIRS_PER_CONT,
};

use super::codec::{NoSpace, Reader, Truncated, Writer};

/// Length of every version 1 message and of the fixed part of every version 2
/// message, in bytes (RFC 7609 Appendix A.3).
pub const LLC_LEN: usize = 44;

/// Length of the longest message this crate emits: a v2 ADD LINK with 255
/// pairs of keys (SMC v2, ADD LINK).
pub const LLC_MAX_LEN: usize = LLC_LEN + link::EXT_LEN + 255 * rkey::PAIR_LEN;

/// Bit of the flags byte that makes a message the response to a request (RFC
/// 7609 Appendix A.3).
const FLAG_RESPONSE: u8 = 0x80;
/// ADD LINK response: rejected (RFC 7609 Appendix A.3.2).
const FLAG_ADD_REJECTED: u8 = 0x40;
/// DELETE LINK: all links, that is the group (RFC 7609 Appendix A.3.4).
const FLAG_DELETE_ALL: u8 = 0x40;
/// DELETE LINK: orderly, the link still works (RFC 7609 Appendix A.3.4).
const FLAG_DELETE_ORDERLY: u8 = 0x20;
/// CONFIRM RKEY and DELETE RKEY response: negative (RFC 7609 Appendix A.3.5).
const FLAG_RKEY_NEGATIVE: u8 = 0x20;
/// CONFIRM RKEY response: try again once the links of the group are settled
/// (RFC 7609 Appendix A.3.5).
const FLAG_RKEY_RETRY: u8 = 0x10;
/// CONFIRM LINK: the sender writes no RMBE eye catchers. Two bits, either of
/// which smc_llc.c takes for it.
const FLAG_NO_EYECATCHER: u8 = 0x03;

/// Why bytes are not an LLC message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LlcError {
    /// Shorter than 44 bytes. smc_llc.c drops it.
    Short,
    /// The first byte is that of no LLC message (CDC among them). smc_wr.c has
    /// no handler for it.
    UnknownType(u8),
    /// The length field is not 44 in version 1, or below 44 in version 2.
    /// smc_llc.c drops it.
    BadLength,
    /// A version 2 extension or list of keys ends past the message's end.
    /// smc_llc.c would read what lies behind it.
    ListPastEnd,
}

impl LlcError {
    /// Whether no honest peer sends this, so that the link group must end (RFC
    /// 7609 Appendix A.3.4, reason [`DeleteReason::ProtocolViolation`]); other
    /// errors drop the message, as smc_llc.c does.
    pub const fn is_violation(self) -> bool {
        matches!(self, LlcError::ListPastEnd)
    }
}

impl From<Truncated> for LlcError {
    fn from(_: Truncated) -> Self {
        LlcError::ListPastEnd
    }
}

/// What a message is for: the low four bits of its first byte (RFC 7609
/// Appendix A.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// CONFIRM LINK: proves that a new link works in both directions.
    ConfirmLink = 1,
    /// ADD LINK: offers a queue pair for another link, or answers the offer.
    AddLink = 2,
    /// ADD LINK CONTINUATION: keys of RMBs on the new link, version 1 only.
    AddLinkCont = 3,
    /// DELETE LINK: takes one link, or all, out of the group.
    DeleteLink = 4,
    /// REQUEST ADD LINK: the client asks the server for another link, version
    /// 2 only.
    ReqAddLink = 5,
    /// CONFIRM RKEY: tells the keys of a new RMB on all links.
    ConfirmRkey = 6,
    /// TEST LINK: asks for an echo.
    TestLink = 7,
    /// CONFIRM RKEY CONTINUATION: further links of a CONFIRM RKEY, version 1
    /// only; nobody with three links or fewer needs it.
    ConfirmRkeyCont = 8,
    /// DELETE RKEY: takes keys of RMBs back.
    DeleteRkey = 9,
}

impl Kind {
    /// The kind and version that the first byte of a message names.
    fn from_type_byte(byte: u8) -> Result<(Kind, bool), LlcError> {
        let kind = match byte & 0x0f {
            1 => Kind::ConfirmLink,
            2 => Kind::AddLink,
            3 => Kind::AddLinkCont,
            4 => Kind::DeleteLink,
            5 => Kind::ReqAddLink,
            6 => Kind::ConfirmRkey,
            7 => Kind::TestLink,
            8 => Kind::ConfirmRkeyCont,
            9 => Kind::DeleteRkey,
            _ => return Err(LlcError::UnknownType(byte)),
        };
        // The set for which smc_llc.c registers a receive handler.
        match byte >> 4 {
            0 if kind != Kind::ReqAddLink => Ok((kind, false)),
            2 if !matches!(kind, Kind::AddLinkCont | Kind::ConfirmRkeyCont) => Ok((kind, true)),
            _ => Err(LlcError::UnknownType(byte)),
        }
    }
}

/// Order of the bytes of a version 2 length or count.
///
/// SMC v2 means network order, but smc_llc.c stores these two fields in the
/// order of its processor and reads them so. A value that is read in the wrong
/// order still passes its only check (not below 44), so both orders meet on the
/// wire. Peers are answered in the order they use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Least significant byte first: smc_llc.c on x86 and arm64.
    #[default]
    Little,
    /// Network order: smc_llc.c on s390, and the letter of SMC v2.
    Big,
}

impl ByteOrder {
    /// The two bytes of `v`.
    const fn put(self, v: u16) -> [u8; 2] {
        match self {
            ByteOrder::Little => v.to_le_bytes(),
            ByteOrder::Big => v.to_be_bytes(),
        }
    }

    /// The value of two bytes.
    const fn get(self, b: [u8; 2]) -> u16 {
        match self {
            ByteOrder::Little => u16::from_le_bytes(b),
            ByteOrder::Big => u16::from_be_bytes(b),
        }
    }
}

/// Version of the LLC messages of a link group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LlcVersion {
    /// RFC 7609.
    V1,
    /// SMC v2 and v2.1.
    V2(ByteOrder),
}

impl LlcVersion {
    /// Whether this is version 2, whatever the byte order.
    pub const fn is_v2(self) -> bool {
        matches!(self, LlcVersion::V2(_))
    }
}

/// Bytes 1 and 2 of a message, which each version uses in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Version 1: byte 1 is the length, 44; this is byte 2. Its low four bits
    /// are the reason of a rejected ADD LINK.
    V1(u8),
    /// Version 2: the length of the message as it stands on the wire.
    V2([u8; 2]),
}

/// What every message begins with, besides its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Version, and what bytes 1 and 2 hold in it.
    form: Form,
    /// The flags byte, as it stands on the wire.
    flags: u8,
}

impl Header {
    /// Whether this is a response.
    const fn is_response(&self) -> bool {
        self.flags & FLAG_RESPONSE != 0
    }

    /// ADD LINK: whether the offer is rejected.
    pub const fn is_rejected(&self) -> bool {
        self.flags & FLAG_ADD_REJECTED != 0
    }

    /// DELETE LINK: whether the whole group is to be deleted.
    pub const fn is_delete_all(&self) -> bool {
        self.flags & FLAG_DELETE_ALL != 0
    }

    /// DELETE LINK: whether the deletion is orderly.
    pub const fn is_orderly(&self) -> bool {
        self.flags & FLAG_DELETE_ORDERLY != 0
    }

    /// CONFIRM RKEY, DELETE RKEY: whether the response is negative.
    pub const fn is_negative(&self) -> bool {
        self.flags & FLAG_RKEY_NEGATIVE != 0
    }

    /// CONFIRM RKEY: whether a negative response asks to try again.
    pub const fn is_retry(&self) -> bool {
        self.flags & FLAG_RKEY_RETRY != 0
    }

    /// CONFIRM LINK: whether the sender writes no RMBE eye catchers. A peer
    /// that does write them is declined (smc_llc.c, `SMC_CLC_DECL_RMBE_EC`).
    pub const fn no_eyecatcher(&self) -> bool {
        self.flags & FLAG_NO_EYECATCHER != 0
    }

    /// ADD LINK: why it was rejected. Version 2 has no room for a reason.
    pub const fn reject_reason(&self) -> Option<RejectReason> {
        match self.form {
            Form::V1(byte2) => Some(RejectReason::from_bits(byte2)),
            Form::V2(_) => None,
        }
    }

    /// Version of the message. The byte order of version 2 is the one in which
    /// the length field says `len`, the length of the received message.
    fn version(&self, len: usize) -> LlcVersion {
        match self.form {
            Form::V1(_) => LlcVersion::V1,
            Form::V2(raw) if usize::from(ByteOrder::Big.get(raw)) == len => {
                LlcVersion::V2(ByteOrder::Big)
            }
            Form::V2(_) => LlcVersion::V2(ByteOrder::Little),
        }
    }
}

/// Flags that a message to be emitted may carry; each message takes only its
/// own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// A request.
    pub const REQUEST: Flags = Flags(0);
    /// A response.
    pub const RESPONSE: Flags = Flags(FLAG_RESPONSE);
    /// ADD LINK response that turns the offer down.
    const REJECT: Flags = Flags(FLAG_RESPONSE | FLAG_ADD_REJECTED);
    /// Negative response to CONFIRM RKEY or DELETE RKEY.
    pub const NEGATIVE: Flags = Flags(FLAG_RESPONSE | FLAG_RKEY_NEGATIVE);
    /// Negative response to CONFIRM RKEY, worth another try later.
    pub const NEGATIVE_RETRY: Flags = Flags(FLAG_RESPONSE | FLAG_RKEY_NEGATIVE | FLAG_RKEY_RETRY);
    /// CONFIRM LINK of a sender that writes no RMBE eye catchers.
    pub const NO_EYECATCHER: Flags = Flags(FLAG_NO_EYECATCHER);
    /// DELETE LINK of all links.
    pub const DELETE_ALL: Flags = Flags(FLAG_DELETE_ALL);
    /// DELETE LINK of a link that still works.
    pub const ORDERLY: Flags = Flags(FLAG_DELETE_ORDERLY);

    /// These flags and `more`.
    pub const fn with(self, more: Flags) -> Flags {
        Flags(self.0 | more.0)
    }
}

/// What a message says. Integers are in host order; reserved bytes are kept as
/// they came, because LLC answers a request by sending it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// CONFIRM LINK.
    ConfirmLink(ConfirmLink<'a>),
    /// ADD LINK.
    AddLink(AddLink<'a>),
    /// ADD LINK CONTINUATION.
    AddLinkCont(AddLinkCont<'a>),
    /// DELETE LINK.
    DeleteLink(DeleteLink<'a>),
    /// REQUEST ADD LINK.
    ReqAddLink(ReqAddLink<'a>),
    /// CONFIRM RKEY.
    ConfirmRkey(ConfirmRkey),
    /// TEST LINK.
    TestLink(TestLink<'a>),
    /// CONFIRM RKEY CONTINUATION.
    ConfirmRkeyCont(ConfirmRkeyCont),
    /// DELETE RKEY.
    DeleteRkey(DeleteRkey<'a>),
}

impl Body<'_> {
    /// The kind of message this is.
    pub const fn kind(&self) -> Kind {
        match self {
            Body::ConfirmLink(_) => Kind::ConfirmLink,
            Body::AddLink(_) => Kind::AddLink,
            Body::AddLinkCont(_) => Kind::AddLinkCont,
            Body::DeleteLink(_) => Kind::DeleteLink,
            Body::ReqAddLink(_) => Kind::ReqAddLink,
            Body::ConfirmRkey(_) => Kind::ConfirmRkey,
            Body::TestLink(_) => Kind::TestLink,
            Body::ConfirmRkeyCont(_) => Kind::ConfirmRkeyCont,
            Body::DeleteRkey(_) => Kind::DeleteRkey,
        }
    }

    /// Length of the message with this body, in bytes.
    fn wire_len(&self) -> usize {
        match self {
            Body::AddLink(m) => LLC_LEN.saturating_add(m.ext_len()),
            Body::ReqAddLink(m) => m.wire_len(),
            Body::DeleteRkey(m) => m.wire_len(),
            _ => LLC_LEN,
        }
    }
}

/// An LLC message: typed, its variable parts borrowed from the received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Version and flags.
    pub header: Header,
    /// What the message says.
    pub body: Body<'a>,
}

impl<'a> Message<'a> {
    /// A message to be emitted, its length field computed.
    ///
    /// `version` must be one that has such a message: version 1 has no REQUEST
    /// ADD LINK and no lists longer than 44 bytes allow, version 2 no
    /// continuations; [`Message::emit`] fails for them.
    pub fn new(version: LlcVersion, flags: Flags, body: Body<'a>) -> Self {
        let form = match version {
            LlcVersion::V1 => Form::V1(0),
            // Emit refuses lengths that 16 bits can't hold.
            LlcVersion::V2(order) => {
                Form::V2(order.put(u16::try_from(body.wire_len()).unwrap_or(u16::MAX)))
            }
        };
        Message {
            header: Header {
                form,
                flags: flags.0,
            },
            body,
        }
    }

    /// The ADD LINK response that rejects `offer`: the offer itself, with flags
    /// and, in version 1, the reason (RFC 7609 Appendix A.3.2).
    pub fn reject(version: LlcVersion, offer: AddLink<'a>, reason: RejectReason) -> Self {
        let mut m = Message::new(version, Flags::REJECT, Body::AddLink(offer.without_ext()));
        if let Form::V1(byte2) = &mut m.header.form {
            *byte2 = reason.bits();
        }
        m
    }

    /// The answer to this message: sent back with `flags` added to those it
    /// has, with `body` in place of its own (RFC 7609 Appendix A.3: a response
    /// repeats its request).
    pub fn answer(&self, flags: Flags, body: Body<'a>) -> Self {
        let flags = Flags(self.header.flags).with(flags);
        if body.wire_len() != self.wire_len() {
            return Message::new(self.version(), flags, body);
        }
        Message {
            header: Header {
                form: self.header.form,
                flags: flags.0,
            },
            body,
        }
    }

    /// Reads a message. `bytes` is what was received, to its last byte: its
    /// length is the `byte_len` of the work completion.
    ///
    /// # Errors
    ///
    /// See [`LlcError`]; what smc_llc.c drops is an error here, and what it
    /// would read past the end is one, too.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, LlcError> {
        let (&type_byte, _) = bytes.split_first().ok_or(LlcError::Short)?;
        let (kind, v2) = Kind::from_type_byte(type_byte)?;
        if bytes.len() < LLC_LEN {
            return Err(LlcError::Short);
        }
        let mut r = Reader::new(bytes);
        let &[_, b1, b2, flags] = r.array::<4>()?;
        let form = if v2 {
            Form::V2([b1, b2])
        } else {
            if usize::from(b1) != LLC_LEN {
                return Err(LlcError::BadLength);
            }
            // Version 1 has 44 bytes; what a sender puts behind them is not
            // part of the message.
            r = Reader::new(bytes.get(4..LLC_LEN).unwrap_or_default());
            Form::V1(b2)
        };
        let header = Header { form, flags };
        let body = match kind {
            Kind::ConfirmLink => Body::ConfirmLink(ConfirmLink::read(&mut r)?),
            Kind::AddLink => Body::AddLink(AddLink::read(&mut r, v2)?),
            Kind::AddLinkCont => Body::AddLinkCont(AddLinkCont::read(&mut r)?),
            Kind::DeleteLink => Body::DeleteLink(DeleteLink::read(&mut r)?),
            Kind::ReqAddLink => Body::ReqAddLink(ReqAddLink::read(r)?),
            Kind::ConfirmRkey => Body::ConfirmRkey(ConfirmRkey::read(&mut r)?),
            Kind::TestLink => Body::TestLink(TestLink::read(&mut r)?),
            Kind::ConfirmRkeyCont => Body::ConfirmRkeyCont(ConfirmRkeyCont::read(&mut r)?),
            Kind::DeleteRkey => Body::DeleteRkey(DeleteRkey::read(r, v2, header.is_response())?),
        };
        if let Form::V2(raw) = form {
            // The check of smc_llc.c on a little-endian processor. It refuses
            // some lengths in network order; those are taken where they are
            // exactly right.
            if usize::from(ByteOrder::Little.get(raw)) < LLC_LEN
                && usize::from(ByteOrder::Big.get(raw)) != body.wire_len()
            {
                return Err(LlcError::BadLength);
            }
        }
        Ok(Message { header, body })
    }

    /// Whether this is a response.
    pub const fn is_response(&self) -> bool {
        self.header.is_response()
    }

    /// Version of the message, with the byte order its sender seems to use.
    pub fn version(&self) -> LlcVersion {
        self.header.version(self.wire_len())
    }

    /// Length of the message in bytes: 44, or more for some of version 2.
    pub fn wire_len(&self) -> usize {
        self.body.wire_len()
    }

    /// Writes the message to the front of `buf` and gives its length.
    ///
    /// A parsed message is written as it was read, reserved bits and all.
    ///
    /// # Errors
    ///
    /// [`NoSpace`] where `buf` is shorter than the message, or where its
    /// version has no such message; `buf` may then hold a part of it.
    pub fn emit(&self, buf: &mut [u8]) -> Result<usize, NoSpace> {
        let kind = self.body.kind();
        let v2 = matches!(self.header.form, Form::V2(_));
        let nibble = if v2 { 0x20 } else { 0 };
        let type_byte = kind as u8 | nibble;
        let fits = Kind::from_type_byte(type_byte).is_ok()
            && self.wire_len() <= usize::from(u16::MAX)
            && (v2 || self.wire_len() == LLC_LEN);
        if !fits {
            return Err(NoSpace);
        }
        let mut w = Writer::new(buf);
        let [b1, b2] = match self.header.form {
            Form::V1(byte2) => [LLC_LEN as u8, byte2],
            Form::V2(raw) => raw,
        };
        w.bytes(&[type_byte, b1, b2, self.header.flags])?;
        match &self.body {
            Body::ConfirmLink(m) => m.write(&mut w)?,
            Body::AddLink(m) => m.write(&mut w)?,
            Body::AddLinkCont(m) => m.write(&mut w)?,
            Body::DeleteLink(m) => m.write(&mut w)?,
            Body::ReqAddLink(m) => m.write(&mut w)?,
            Body::ConfirmRkey(m) => m.write(&mut w)?,
            Body::TestLink(m) => m.write(&mut w)?,
            Body::ConfirmRkeyCont(m) => m.write(&mut w)?,
            Body::DeleteRkey(m) => m.write(&mut w)?,
        }
        Ok(w.written())
    }

    /// Writes a v2 ADD LINK whose keys stand where they belong already: `head`
    /// is the part of the buffer in front of them. Gives the length of the
    /// message, keys included.
    ///
    /// # Errors
    ///
    /// As [`Message::emit`]; and for any other message.
    pub(crate) fn emit_before_keys(&self, head: &mut [u8]) -> Result<usize, NoSpace> {
        let Body::AddLink(m) = self.body else {
            return Err(NoSpace);
        };
        let ext = m.ext.ok_or(NoSpace)?;
        let without = Message {
            header: self.header,
            body: Body::AddLink(AddLink {
                ext: Some(AddLinkExt {
                    keys: KeyPairs::default(),
                    ..ext
                }),
                ..m
            }),
        };
        if head.len() != without.wire_len() {
            return Err(NoSpace);
        }
        without.emit(head)?;
        Ok(self.wire_len())
    }
}
