// SPDX-License-Identifier: GPL-2.0

//! LLC messages: any byte string gives a message or an error, and a message
//! gives its bytes back.

use smc_proto::wire::llc::{Body, Flags, LlcError, Message, RejectReason, LLC_LEN};

/// Parses `data` as what a work completion delivered.
pub fn run(data: &[u8]) {
    let m = match Message::parse(data) {
        Ok(m) => m,
        Err(LlcError::Short) => {
            assert!(data.len() < LLC_LEN);
            return;
        }
        Err(_) => return,
    };
    let mut buf = vec![0xa5; data.len() + 16];
    let n = m.emit(&mut buf).expect("what was parsed can be emitted");
    assert_eq!(n, m.wire_len());
    assert!((LLC_LEN..=data.len()).contains(&n));
    assert_eq!(buf[..n], data[..n]);
    assert!(buf[n..].iter().all(|b| *b == 0xa5), "wrote past its length");
    assert_eq!(Message::parse(&buf[..n]), Ok(m));
    assert!(m.emit(&mut buf[..n - 1]).is_err());

    // Lists end where the message ends.
    let keys = match m.body {
        Body::AddLink(a) => {
            let no = Message::reject(m.version(), a, RejectReason::NoAlternatePath);
            assert_eq!(no.emit(&mut buf), Ok(LLC_LEN));
            72 + 16 * a.ext.map_or(0, |e| e.pairs().count())
        }
        Body::AddLinkCont(c) => 12 + 16 * c.pairs().count(),
        Body::ReqAddLink(q) => 28 + 16 * q.gids().count(),
        Body::ConfirmRkey(c) => 17 + 13 * c.others().count(),
        Body::DeleteRkey(d) => {
            let (body, _) = d.response(d.keys().map(|k| k.0 & 1 == 0));
            let answer = m.answer(Flags::NEGATIVE, Body::DeleteRkey(body));
            let n = answer.emit(&mut buf).expect("an answer fits");
            assert_eq!(n, LLC_LEN);
            8 + 4 * d.keys().count()
        }
        _ => 0,
    };
    assert!(keys <= data.len().max(72));
}
