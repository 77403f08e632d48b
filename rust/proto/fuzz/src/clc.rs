// SPDX-License-Identifier: GPL-2.0

//! CLC messages, and the stream that they are cut out of.

use smc_proto::wire::clc::{Framer, Header, Kind, Message, Step, MAX_KEPT};

/// The first byte chooses: one message, or a stream in pieces.
pub fn run(data: &[u8]) {
    match data.split_first() {
        Some((0, message)) => parse(message),
        Some((pieces, stream)) => cut(*pieces, stream),
        None => {}
    }
}

/// Any bytes give a message or an error; a whole message is emitted as it was.
fn parse(data: &[u8]) {
    let Ok(message) = Message::parse(data) else {
        return;
    };
    let header = Header::peek(data).expect("a message has a header");
    let mut buf = vec![0xaa; data.len() + 8];
    let n = message
        .emit(&mut buf)
        .expect("what was parsed can be emitted");
    if usize::from(header.len) == data.len() {
        assert_eq!(&buf[..n], data);
    } else {
        // An oversized message, cut: what is emitted has a trailer again, and
        // GIDs that were there in part only are gone.
        assert!(matches!(data.len(), 160 | 652) && n <= data.len() + 4);
    }
    // One byte less is an error, and nothing is written behind the end.
    let mut small = vec![0x55; n];
    assert!(message.emit(&mut small[..n - 1]).is_err());
    assert_eq!(small[n - 1], 0x55);
}

/// A stream in pieces: a framer never takes more than one message, and what it
/// gives does not depend on the pieces.
fn cut(pieces: u8, stream: &[u8]) {
    let expected = Kind::from_code(pieces & 3).unwrap_or(Kind::Decline);
    let size = usize::from(pieces >> 2) + 1;
    let mut whole = [0; MAX_KEPT];
    let at_once = Framer::new().feed(expected, &mut whole, stream);
    let mut buf = [0; MAX_KEPT];
    let mut framer = Framer::new();
    let mut at = 0;
    let result = loop {
        let end = (at + size).min(stream.len());
        match framer.feed(expected, &mut buf, &stream[at..end]) {
            Ok((n, step)) => {
                at += n;
                if matches!(step, Step::Message(_)) || at == stream.len() {
                    break Ok((at, step));
                }
                assert!(n > 0, "it wants bytes and takes none");
            }
            Err(e) => break Err(e),
        }
    };
    assert_eq!(result, at_once);
    assert!(framer.filled() <= MAX_KEPT);
    if let Ok((taken, Step::Message(n))) = result {
        let header = Header::peek(&buf[..n]).expect("judged by the framer");
        assert_eq!(taken, usize::from(header.len));
        assert_eq!(buf[..n], whole[..n]);
        let _ = Message::parse(&buf[..n]);
    }
}
