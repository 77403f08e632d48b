// SPDX-License-Identifier: GPL-2.0

//! LLC messages: vectors written out by hand from the layouts, vectors of
//! other implementations, and properties of all byte strings.

mod layout;
mod smc_go;

use proptest::prelude::*;
use smc_proto::wire::codec::{NoSpace, Writer};
use smc_proto::wire::llc::*;
use smc_proto::wire::types::{Gid, Mac, Psn, QpMtu, Qpn, Rkey, RmbAddr};

const V2LE: LlcVersion = LlcVersion::V2(ByteOrder::Little);
const V2BE: LlcVersion = LlcVersion::V2(ByteOrder::Big);

fn hex(s: &str) -> Vec<u8> {
    let digits: Vec<u8> = s
        .bytes()
        .filter(|b| !b.is_ascii_whitespace())
        .map(|b| (b as char).to_digit(16).unwrap() as u8)
        .collect();
    digits.chunks(2).map(|d| d[0] << 4 | d[1]).collect()
}

/// Parses, and checks that emitting gives the same bytes, and nothing else,
/// and that no shorter buffer is written past its end.
fn parse(bytes: &[u8]) -> Message<'_> {
    let m = Message::parse(bytes).unwrap();
    let mut buf = vec![0xaa; bytes.len() + 8];
    let n = m.emit(&mut buf).unwrap();
    assert_eq!(n, m.wire_len());
    assert_eq!(buf[..n], bytes[..n]);
    assert!(buf[n..].iter().all(|b| *b == 0xaa));
    assert_eq!(m.emit(&mut buf[..n - 1]), Err(NoSpace));
    m
}

fn emit(m: &Message<'_>) -> Vec<u8> {
    let mut buf = vec![0; LLC_MAX_LEN];
    let n = m.emit(&mut buf).unwrap();
    buf.truncate(n);
    buf
}

const MAC: Mac = Mac([0x98, 0x03, 0x9b, 0xab, 0xcd, 0xef]);

fn gid() -> Gid {
    Gid(hex("fe800000000000009a039bfffeabcdef").try_into().unwrap())
}

fn token(rkey: u32, addr: u64) -> Rtoken {
    Rtoken {
        rkey: Rkey(rkey),
        addr: RmbAddr(addr),
    }
}

/// Bytes that mostly get past the header.
fn llc_bytes() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        Just(0x01u8),
        Just(0x02),
        Just(0x03),
        Just(0x04),
        Just(0x06),
        Just(0x07),
        Just(0x08),
        Just(0x09),
        Just(0x21),
        Just(0x22),
        Just(0x24),
        Just(0x25),
        Just(0x26),
        Just(0x27),
        Just(0x29),
        any::<u8>(),
    ];
    let len = prop_oneof![Just(44usize), 0..200usize, Just(72usize), Just(8192usize)];
    (first, len, any::<u64>()).prop_flat_map(|(first, len, _)| {
        proptest::collection::vec(any::<u8>(), len).prop_map(move |mut v| {
            if let Some(b) = v.first_mut() {
                *b = first;
            }
            if v.len() > 2 {
                let l = if first < 0x20 { 44 } else { v.len() as u16 };
                v[1] = l as u8;
                if first >= 0x20 {
                    v[2] = (l >> 8) as u8;
                }
            }
            v
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Every byte string gives a message or an error, and a message gives its
    /// bytes back.
    #[test]
    fn parse_is_total_and_emit_its_inverse(bytes in llc_bytes()) {
        let mut buf = vec![0; 9000];
        if let Ok(m) = Message::parse(&bytes) {
            let n = m.emit(&mut buf).unwrap();
            prop_assert!(n >= LLC_LEN && n <= bytes.len());
            prop_assert_eq!(&buf[..n], &bytes[..n]);
            prop_assert_eq!(Message::parse(&buf[..n]), Ok(m));
            // Lists end where the message ends.
            match m.body {
                Body::AddLink(a) => if let Some(e) = a.ext {
                    prop_assert!(LLC_LEN + 28 + 16 * e.pairs().count() <= bytes.len());
                },
                Body::DeleteRkey(d) => {
                    prop_assert!(8 + 4 * d.keys().count() <= bytes.len());
                    let (body, all) = d.response(d.keys().map(|k| k.0 % 2 == 0));
                    prop_assert_eq!(all, d.keys().all(|k| k.0 % 2 == 0));
                    let n = m.answer(Flags::NEGATIVE, Body::DeleteRkey(body)).emit(&mut buf).unwrap();
                    prop_assert_eq!(n, LLC_LEN);
                },
                Body::ReqAddLink(q) => prop_assert!(28 + 16 * q.gids().count() <= bytes.len()),
                _ => {}
            }
        }
    }

    #[test]
    fn parse_of_noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = Message::parse(&bytes);
    }

    /// A built message is read as it was meant.
    #[test]
    fn parse_reads_what_emit_wrote(
        v2 in any::<bool>(), big in any::<bool>(), mac in any::<[u8; 6]>(), g in any::<[u8; 16]>(),
        qpn in 0u32..1 << 24, psn in 0u32..1 << 24, link in any::<u8>(), mtu in 0u8..16,
        keys in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let order = if big { ByteOrder::Big } else { ByteOrder::Little };
        let version = if v2 { LlcVersion::V2(order) } else { LlcVersion::V1 };
        let whole = keys.len() / 16 * 16;
        let add = AddLink {
            mac: Mac(mac), reserved2: &[0; 2], gid: Gid(g), qpn: Qpn::new(qpn).unwrap(),
            link: LinkNum(link), mtu: QpMtu::from_bits(mtu).unwrap(), mtu_reserved: 0,
            psn: Psn::new(psn).unwrap(), reserved: &[0; 8],
            ext: v2.then(|| AddLinkExt {
                direct: 0x80, reserved2: 0, target_gid: Gid(g), reserved3: &[0; 8],
                count: AddLinkExt::count_bytes(order, (whole / 16) as u8),
                keys: KeyPairs::new(&keys[..whole]),
            }),
        };
        let m = Message::new(version, Flags::RESPONSE, Body::AddLink(add));
        let bytes = emit(&m);
        let back = Message::parse(&bytes).unwrap();
        prop_assert_eq!(back, m);
        prop_assert_eq!(back.version(), version);
    }
}
