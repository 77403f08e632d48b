// SPDX-License-Identifier: GPL-2.0

//! Properties of the CLC parsers: emitting what was parsed gives the same
//! bytes, any bytes give a message or an error, and the verdict is that of the
//! C module but for the places where ours is meant to be stricter.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use smc_proto::wire::clc::{
    ClcError, Decline, FrameError, Framer, Kind, Message, Proposal, ProposalBody, Step, MAX_KEPT,
    MAX_PROPOSAL_LEN,
};

// --- messages, as bytes, in the layouts of linux-6.12 net/smc/smc_clc.h ---

fn eyecatcher() -> impl Strategy<Value = [u8; 4]> {
    prop_oneof![
        Just([0xe2, 0xd4, 0xc3, 0xd9]),
        Just([0xe2, 0xd4, 0xc3, 0xc4])
    ]
}

fn bytes(n: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), n)
}

/// Puts header and trailer around a body.
fn frame(head: [u8; 4], kind: u8, version: u8, low: u8, body: &[u8], trailer: &[u8]) -> Vec<u8> {
    let len = 8 + body.len() + trailer.len();
    let mut m = head.to_vec();
    m.push(kind);
    m.extend_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
    m.push(version << 4 | low);
    m.extend_from_slice(body);
    m.extend_from_slice(trailer);
    m
}

fn ip_area() -> impl Strategy<Value = Vec<u8>> {
    (bytes(7), 0u8..=8).prop_flat_map(|(head, n)| {
        bytes(usize::from(n) * 17).prop_map(move |prefixes| {
            let mut v = head.clone();
            v.push(n);
            v.extend(prefixes);
            v
        })
    })
}

fn proposal_v1() -> impl Strategy<Value = Vec<u8>> {
    (
        eyecatcher(),
        eyecatcher(),
        0u8..16,
        bytes(30),
        (0usize..=40).prop_flat_map(bytes),
        ip_area(),
    )
        .prop_map(|(head, trailer, low, sender, area, ip)| {
            // Modes: anything but "neither".
            let low = if low & 3 == 2 { low ^ 1 } else { low };
            let mut body = sender;
            body.extend((area.len() as u16).to_be_bytes());
            body.extend(area);
            body.extend(ip);
            frame(head, 1, 1, low, &body, &trailer)
        })
}

fn proposal_v2() -> impl Strategy<Value = Vec<u8>> {
    (
        (eyecatcher(), eyecatcher(), 2u8..16, 0u8..4, 0u8..4),
        bytes(30),
        (bytes(10), bytes(28)),
        ip_area(),
        (bytes(40), 0u8..=8, bytes(8 * 32)),
        (bytes(48), 0u8..=8, bytes(8 * 10)),
        prop_oneof![4 => Just(None), 1 => Just(Some(0u16)), 1 => (289u16..).prop_map(Some)],
    )
        .prop_map(|(head, sender, smcd, ip, v2, dext, d_offset)| {
            let (eye, trailer, version, v1, v2_modes) = head;
            let (ism, vendor) = smcd;
            let (mut ext, eid_count, eids) = v2;
            let (d_fixed, gid_count, gids) = dext;
            let ip_len = if v1 == 2 { 0 } else { ip.len() };
            let mut body = sender;
            body.extend(if v1 == 2 { 0u16 } else { 40 }.to_be_bytes());
            body.extend(ism);
            body.extend(if v2_modes == 2 { 7 } else { 28 + ip_len as u16 }.to_be_bytes());
            body.extend(vendor);
            if v1 == 2 {
                // Where the C module still looks for a number of prefixes.
                body[32 + 7] = 8;
            } else {
                body.extend(ip);
            }
            if v2_modes != 2 {
                ext[0] = eid_count;
                if v2_modes & 1 == 1 {
                    ext[1] = gid_count;
                    let right = 32 + 32 * u16::from(eid_count);
                    ext[6..8].copy_from_slice(&d_offset.unwrap_or(right).to_be_bytes());
                }
                body.extend(ext);
                body.extend(&eids[..32 * usize::from(eid_count)]);
                if v2_modes & 1 == 1 {
                    body.extend(d_fixed);
                    body.extend(&gids[..10 * usize::from(gid_count)]);
                }
            }
            frame(eye, 1, version, v2_modes << 2 | v1, &body, &trailer)
        })
}

/// A first contact extension and what may follow it.
fn first_contact(smcd: bool, confirm: bool) -> impl Strategy<Value = Vec<u8>> {
    (
        bytes(36),
        bytes(16),
        any::<bool>(),
        0u8..12,
        bytes(3),
        bytes(12 * 16),
    )
        .prop_map(move |(base, v2x, new, count, rsvd, gids)| {
            let mut v = base;
            if !new {
                v[1] &= 0xf0;
            } else if v[1] & 0x0f == 0 {
                v[1] |= 1;
            }
            if new {
                v.extend(v2x);
            }
            if confirm && !smcd {
                v.push(count);
                v.extend(rsvd);
                v.extend(&gids[..16 * usize::from(count)]);
            }
            v
        })
}

fn accept_confirm() -> impl Strategy<Value = Vec<u8>> {
    (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_flat_map(
        |(confirm, smcd, v1, first)| {
            let fixed = match (smcd, v1) {
                (false, true) => 56,
                (true, true) => 36,
                (false, false) => 96,
                (true, false) => 66,
            };
            let kind = if confirm { 3 } else { 2 };
            let tail = if v1 || first { 0..1usize } else { 0..40 };
            (
                (eyecatcher(), eyecatcher(), 2u8..16, any::<bool>()),
                bytes(fixed),
                first_contact(smcd, confirm),
                tail.prop_flat_map(bytes),
            )
                .prop_map(move |(head, fixed, fce, tail)| {
                    let (eye, trailer, version, bit) = head;
                    let mut body = fixed;
                    if !smcd && body[37] == 0 {
                        body[37] = 1; // RMBE index
                    }
                    if first && !v1 {
                        body.extend(fce);
                    }
                    body.extend(tail);
                    let low = u8::from(first) << 3 | u8::from(bit) << 2 | u8::from(smcd);
                    let version = if v1 { 1 } else { version };
                    frame(eye, kind, version, low, &body, &trailer)
                })
        },
    )
}

fn decline() -> impl Strategy<Value = Vec<u8>> {
    (eyecatcher(), 1u8..16, 0u8..16, bytes(36)).prop_map(|(eye, version, low, body)| {
        let n = if version == 1 { 20 } else { 36 };
        frame(eye, 4, version, low, &body[..n], &[])
    })
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![proposal_v1(), proposal_v2(), accept_confirm(), decline()]
}

// --- the rules of linux-6.12 net/smc/smc_clc.c, on bytes ---

/// A message in the zeroed buffer that the C module parses it from.
struct CBuffer<'a>(&'a [u8]);

impl CBuffer<'_> {
    fn at(&self, i: usize) -> u8 {
        self.0.get(i).copied().unwrap_or(0)
    }

    fn be16(&self, i: usize) -> usize {
        usize::from(self.at(i)) << 8 | usize::from(self.at(i + 1))
    }

    fn eyecatcher(&self, i: usize) -> bool {
        let name = [self.at(i), self.at(i + 1), self.at(i + 2), self.at(i + 3)];
        name[..3] == [0xe2, 0xd4, 0xc3] && (name[3] == 0xd9 || name[3] == 0xc4)
    }

    /// Whether a message that is as long as its header says is accepted.
    fn accepted(&self) -> bool {
        let len = self.be16(5);
        let version = self.at(7) >> 4;
        if !self.eyecatcher(0) || version == 0 || len != self.0.len() {
            return false;
        }
        match self.at(4) {
            1 => len <= 652 && self.proposal(len) && self.eyecatcher(len - 4),
            2 => self.accept(len) && (len > 160 || self.eyecatcher(len - 4)),
            3 => self.accept(len) && (len > 652 || self.eyecatcher(len - 4)),
            4 => len == if version == 1 { 28 } else { 44 },
            _ => false,
        }
    }

    fn proposal(&self, len: usize) -> bool {
        let (v1, v2) = (self.at(7) & 3, self.at(7) >> 2 & 3);
        let offset = self.be16(38);
        if offset > 40 {
            return false;
        }
        let prefixes = usize::from(self.at(40 + offset + 7));
        if prefixes > 8 {
            return false;
        }
        let ip = 8 + 17 * prefixes;
        if self.at(7) >> 4 == 1 {
            return v1 != 2 && len == 40 + offset + ip + 4;
        }
        let smcd_found = v1 & 1 == 0 || offset == 40;
        let v2_offset = self.be16(50);
        let ext = (smcd_found && v2_offset != 0 && v2_offset <= 172).then_some(52 + v2_offset);
        let (eids, gids) = match ext {
            Some(at) => (usize::from(self.at(at)), usize::from(self.at(at + 1))),
            None => (0, 0),
        };
        if v2 != 2 && (ext.is_none() || eids > 8) || v2 & 1 == 1 && gids > 8 {
            return false;
        }
        let mut sum = 40 + 40 + 4;
        if v1 != 2 {
            sum += ip;
        }
        if v2 != 2 {
            sum += 40 + 32 * eids;
        }
        if v2 & 1 == 1 {
            sum += 48 + 10 * gids;
        }
        len == sum
    }

    fn accept(&self, len: usize) -> bool {
        match (self.at(7) & 3, self.at(7) >> 4 == 1) {
            (0, true) => len == 68,
            (1, true) => len == 48,
            (0, false) => len >= 108,
            (1, false) => len >= 78,
            _ => false,
        }
    }

    /// Whether the message is one of those that only ours rejects.
    fn meant_to_be_stricter(&self, error: ClcError) -> bool {
        match error {
            // Areas that overlap.
            ClcError::Offset(_) => self.at(4) == 1 && self.at(7) >> 4 > 1,
            // The C module would read behind the message.
            ClcError::FirstContact => self.at(7) & 8 != 0,
            // The C module would write in front of the RMB.
            ClcError::RmbeIndex => self.at(45) == 0,
            _ => false,
        }
    }
}

/// What a [`Framer`] keeps of a message.
fn kept(msg: &[u8]) -> &[u8] {
    let most = if msg[4] == 2 { 160 } else { MAX_PROPOSAL_LEN };
    &msg[..msg.len().min(most)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn parse_then_emit_gives_the_same_bytes(msg in message()) {
        let short = kept(&msg);
        let parsed = Message::parse(short);
        prop_assert!(parsed.is_ok(), "{:?} {:02x?}", parsed, msg);
        let mut buf = [0xaa; 1024];
        let n = parsed.clone().unwrap().emit(&mut buf).unwrap();
        if short.len() == msg.len() {
            prop_assert_eq!(&buf[..n], &msg[..]);
        }
        // What was emitted is the same message.
        if let (Ok(Message::AcceptConfirm(_)), true) = (&parsed, n > kept(&buf[..n]).len()) {
            return Ok(());
        }
        if short.len() == msg.len() {
            prop_assert_eq!(Message::parse(&buf[..n]), parsed);
        }
    }

    #[test]
    fn emit_never_writes_behind_its_buffer(msg in message(), room in 0usize..400) {
        let parsed = Message::parse(kept(&msg)).unwrap();
        let mut buf = vec![0; room];
        match parsed.emit(&mut buf) {
            Ok(n) => prop_assert!(n <= room),
            Err(_) => prop_assert!(room < msg.len()),
        }
    }

    #[test]
    fn the_verdict_is_that_of_c(
        mut msg in message(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, any::<u8>()), 0..4),
    ) {
        // Change a few bytes, most of them where lengths, counts, offsets are.
        let hot = [4, 5, 6, 7, 38, 39, 45, 47, 50, 51, 87, 105];
        for (any_at, hot_at, value) in changes {
            let at = if value & 1 == 0 { any_at.index(msg.len()) } else { hot[hot_at] };
            let value = if value & 2 == 0 { value >> 2 } else { value };
            if let Some(b) = msg.get_mut(at) {
                *b = value;
            }
        }
        // The framer takes no message of another length than announced.
        let len = usize::from(u16::from_be_bytes([msg[5], msg[6]]));
        msg.resize(len.max(8), 0x55);
        let c = CBuffer(&msg);
        let ours = Message::parse(kept(&msg));
        match ours {
            Ok(_) => prop_assert!(c.accepted(), "only ours accepts {:02x?}", msg),
            Err(e) if c.accepted() => {
                prop_assert!(c.meant_to_be_stricter(e), "only C accepts {:02x?}: {:?}", msg, e);
            }
            Err(_) => {}
        }
    }

    #[test]
    fn any_bytes_give_a_message_or_an_error(
        mut msg in prop::collection::vec(any::<u8>(), 0..700),
        kind in 0u8..6,
        fix in any::<bool>(),
    ) {
        if fix && msg.len() > 8 {
            msg[..4].copy_from_slice(&[0xe2, 0xd4, 0xc3, 0xd9]);
            msg[4] = kind;
            let len = u16::try_from(msg.len()).unwrap();
            msg[5..7].copy_from_slice(&len.to_be_bytes());
        }
        let _ = Message::parse(&msg);
        let _ = Decline::parse(&msg);
    }

    #[test]
    fn a_framer_cuts_messages_out_of_any_chunks(
        first in message(),
        behind in prop::collection::vec(any::<u8>(), 0..50),
        cuts in prop::collection::vec(1usize..200, 1..20),
    ) {
        let mut stream = first.clone();
        stream.extend(&behind);
        let expected = Kind::from_code(first[4]).unwrap();
        let mut framer = Framer::new();
        let mut buf = [0; MAX_KEPT];
        let mut at = 0;
        let mut cuts = cuts.iter().cycle();
        let n = loop {
            let end = (at + cuts.next().unwrap()).min(stream.len());
            let (taken, step) = framer.feed(expected, &mut buf, &stream[at..end]).unwrap();
            at += taken;
            match step {
                Step::Message(n) => break n,
                Step::NeedMore(n) | Step::Discard(n) => {
                    prop_assert!(n > 0);
                    prop_assert!(at + n <= first.len());
                }
            }
        };
        prop_assert_eq!(at, first.len());
        prop_assert_eq!(&buf[..n], kept(&first));
    }

    #[test]
    fn a_framer_never_takes_a_message_that_cannot_be(
        header in prop::array::uniform8(any::<u8>()),
        kind in 1u8..=4,
    ) {
        let expected = Kind::from_code(kind).unwrap();
        let mut buf = [0; MAX_KEPT];
        let mut header = header;
        header[..4].copy_from_slice(&[0xe2, 0xd4, 0xc3, 0xd9]);
        header[4] &= 7;
        match Framer::new().feed(expected, &mut buf, &header) {
            Ok((8, Step::NeedMore(n))) => prop_assert!(n + 8 <= MAX_KEPT),
            Ok(other) => prop_assert!(false, "{:?}", other),
            Err(FrameError::NoSpace) => prop_assert!(false),
            Err(_) => {}
        }
    }
}

#[test]
fn the_longest_proposal_fits_its_maximum() {
    assert_eq!(MAX_PROPOSAL_LEN, 652);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut longest = 0;
    for _ in 0..2000 {
        let msg = proposal_v2().new_tree(&mut runner).unwrap().current();
        let p = Proposal::parse(&msg).unwrap();
        assert_eq!(p.emitted_len(), msg.len());
        if let ProposalBody::V2(_) = p.body {
            longest = longest.max(msg.len());
        }
    }
    assert!(longest > 600 && longest <= MAX_PROPOSAL_LEN, "{longest}");
}
