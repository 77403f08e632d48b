// SPDX-License-Identifier: GPL-2.0

//! CDC messages.

use smc_proto::wire::cdc::{Cdc, CDC_LEN};

/// Any bytes give a message or an error; a message is emitted as it was.
pub fn run(data: &[u8]) {
    let Ok(cdc) = Cdc::parse(data) else {
        return;
    };
    let mut buf = [0xaa; CDC_LEN];
    assert_eq!(cdc.emit(&mut buf), Ok(CDC_LEN));
    let known = data.len().min(CDC_LEN);
    assert_eq!(buf[..known], data[..known]);
    assert!(buf[known..].iter().all(|b| *b == 0));
    assert_eq!(Cdc::parse(&buf), Ok(cdc));
    assert!(cdc.emit(&mut buf[..CDC_LEN - 1]).is_err());
}
