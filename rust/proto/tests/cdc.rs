// SPDX-License-Identifier: GPL-2.0

//! CDC messages as bytes: vectors, and properties over any bytes.

use proptest::prelude::*;
use smc_proto::close::ConnFlags;
use smc_proto::cursor::RawCursor;
use smc_proto::ring::ProducerFlags;
use smc_proto::wire::cdc::{Cdc, CdcError, CDC_LEN, CDC_TYPE};
use smc_proto::wire::codec::NoSpace;
use smc_proto::wire::types::AlertToken;

/// Vector of the smc-go parser (github.com/hwipl/smc-go, pkg/llc).
const SMC_GO: [u8; 44] = {
    let mut b = [0; 44];
    b[0] = 0xfe;
    b[1] = 0x2c;
    b[3] = 1;
    b[7] = 3;
    b[15] = 0x0d;
    b
};

#[test]
fn smc_go_message_has_its_fields() {
    let cdc = Cdc::parse(&SMC_GO).unwrap();
    assert_eq!(
        cdc,
        Cdc {
            seqno: 1,
            token: AlertToken(3),
            producer: RawCursor { wrap: 0, count: 13 },
            ..Cdc::default()
        }
    );
    let mut buf = [0xaa; 44];
    assert_eq!(cdc.emit(&mut buf), Ok(44));
    assert_eq!(buf, SMC_GO);
}

#[test]
fn every_field_stands_where_the_rfc_puts_it() {
    let cdc = Cdc {
        seqno: 0x0102,
        token: AlertToken(0x0304_0506),
        producer: RawCursor {
            wrap: 0x0708,
            count: 0x090a_0b0c,
        },
        consumer: RawCursor {
            wrap: 0x0d0e,
            count: 0x0f10_1112,
        },
        flags: ProducerFlags {
            write_blocked: true,
            urgent_present: true,
            ..ProducerFlags::default()
        },
        state: ConnFlags {
            closed: true,
            ..ConnFlags::default()
        },
        ..Cdc::default()
    };
    let mut buf = [0xaa; 44];
    cdc.emit(&mut buf).unwrap();
    assert_eq!(
        buf[..26],
        [
            0xfe, 44, 1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0, 13, 14, 15, 16, 17, 18,
            0xa0, 0x40
        ]
    );
    assert_eq!(buf[26..], [0; 18]);
}

#[test]
fn each_flag_is_one_bit() {
    let flags = |byte: u8| {
        let mut b = SMC_GO;
        b[24] = byte;
        Cdc::parse(&b).unwrap()
    };
    assert!(flags(0x80).flags.write_blocked);
    assert!(flags(0x40).flags.urgent_pending);
    assert!(flags(0x20).flags.urgent_present);
    assert!(flags(0x10).flags.consumer_update_requested);
    assert!(flags(0x08).failover_validation);
    assert_eq!(flags(0x07).flags, ProducerFlags::default());
    let state = |byte: u8| {
        let mut b = SMC_GO;
        b[25] = byte;
        Cdc::parse(&b).unwrap().state
    };
    assert!(state(0x80).done_writing);
    assert!(state(0x40).closed);
    assert!(state(0x20).abort);
    assert_eq!(state(0x1f), ConnFlags::default());
}

#[test]
fn short_and_strange_messages_are_refused_as_in_c() {
    // 26 bytes are enough, 25 are not.
    assert!(Cdc::parse(&SMC_GO[..26]).is_ok());
    assert_eq!(Cdc::parse(&SMC_GO[..25]), Err(CdcError::Truncated));
    let mut b = SMC_GO;
    b[1] = 43;
    assert_eq!(Cdc::parse(&b), Err(CdcError::Length(43)));
    b[0] = 0x01;
    assert_eq!(Cdc::parse(&b), Err(CdcError::Type(1)));
    let mut small = [0; 43];
    assert_eq!(Cdc::default().emit(&mut small), Err(NoSpace));
}

proptest! {
    #[test]
    fn parse_then_emit_gives_the_same_44_bytes(mut bytes in prop::array::uniform32(any::<u8>()), end in prop::array::uniform12(any::<u8>())) {
        bytes[0] = CDC_TYPE;
        bytes[1] = CDC_LEN as u8;
        let msg: Vec<u8> = bytes.iter().chain(end.iter()).copied().collect();
        let cdc = Cdc::parse(&msg).unwrap();
        let mut buf = [0; CDC_LEN];
        prop_assert_eq!(cdc.emit(&mut buf), Ok(CDC_LEN));
        prop_assert_eq!(&buf[..], &msg[..]);
        prop_assert_eq!(Cdc::parse(&buf), Ok(cdc));
    }

    #[test]
    fn any_bytes_give_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = Cdc::parse(&bytes);
    }
}
