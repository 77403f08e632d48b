// SPDX-License-Identifier: GPL-2.0

//! What two C modules said to each other (`vectors/`, captured by
//! `make vectors`): each message is understood, gives its bytes back, and comes
//! in the order that the scenario's name promises.

use smc_proto::wire::cdc::{Cdc, CDC_TYPE};
use smc_proto::wire::clc::{Body as ClcBody, Header, Kind as ClcKind, Message as Clc};
use smc_proto::wire::llc::{Body, DeleteReason, Kind as LlcKind, Message as Llc};

/// One message of a vector file.
struct Captured {
    server: bool,
    rdma: bool,
    bytes: Vec<u8>,
}

fn unhex(hex: &str) -> Vec<u8> {
    assert!(hex.len() % 2 == 0, "half a byte in {hex}");
    (0..hex.len() / 2)
        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hexadecimal"))
        .collect()
}

fn load(name: &str) -> Vec<Captured> {
    let path = format!("{}/tests/vectors/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{path}: {e}"))
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let words: Vec<_> = line.split(' ').collect();
            assert_eq!(words.len(), 3, "{path}: {line}");
            Captured {
                server: words[0] == "server",
                rdma: words[1] == "rdma",
                bytes: unhex(words[2]),
            }
        })
        .collect()
}

/// What is said, without its contents.
#[derive(Debug, PartialEq)]
enum Said {
    Proposal,
    Accept {
        first: bool,
    },
    Confirm {
        first: bool,
    },
    Decline,
    /// Not CLC: the application's own, after a Decline.
    Bytes,
    Llc(LlcKind, bool),
    Cdc,
}

/// Parses, emits and compares; gives what it was.
fn understand(captured: &Captured) -> Said {
    let bytes = &captured.bytes[..];
    let mut buf = vec![0xaa; bytes.len() + 64];
    if captured.rdma && bytes[0] == CDC_TYPE {
        let cdc = Cdc::parse(bytes).expect("a CDC message");
        let n = cdc.emit(&mut buf).expect("room");
        assert_eq!(&buf[..n], bytes);
        return Said::Cdc;
    }
    if captured.rdma {
        let llc = Llc::parse(bytes).expect("an LLC message");
        let n = llc.emit(&mut buf).expect("room");
        assert_eq!(&buf[..n], bytes);
        return Said::Llc(llc.body.kind(), llc.is_response());
    }
    let Ok(header) = Header::peek(bytes) else {
        return Said::Bytes;
    };
    let clc = Clc::parse(bytes).expect("a CLC message");
    let n = clc.emit(&mut buf).expect("room");
    assert_eq!(&buf[..n], bytes);
    match clc {
        Clc::Proposal(_) => Said::Proposal,
        Clc::AcceptConfirm(a) => {
            let first = match a.body {
                ClcBody::RV1 { first_contact, .. } | ClcBody::DV1 { first_contact, .. } => {
                    first_contact
                }
                ClcBody::RV2 { v2, .. } => v2.first_contact.is_some(),
                ClcBody::DV2 { v2, .. } => v2.first_contact.is_some(),
            };
            match header.kind {
                ClcKind::Accept => Said::Accept { first },
                _ => Said::Confirm { first },
            }
        }
        Clc::Decline(_) => Said::Decline,
    }
}

/// What each side said in a scenario, in its order.
fn said(name: &str) -> (Vec<Said>, Vec<Said>) {
    let (mut client, mut server) = (Vec::new(), Vec::new());
    for captured in load(name) {
        let what = understand(&captured);
        if captured.server {
            server.push(what);
        } else {
            client.push(what);
        }
    }
    (client, server)
}

/// Everything but the CDC messages, whose number is a matter of timing.
fn control(said: Vec<Said>) -> Vec<Said> {
    said.into_iter().filter(|s| *s != Said::Cdc).collect()
}

#[test]
fn first_contact_confirms_a_link_and_is_offered_another() {
    let (client, server) = said("first-contact");
    assert_eq!(
        control(client),
        [
            Said::Proposal,
            Said::Confirm { first: true },
            Said::Llc(LlcKind::ConfirmLink, true),
            Said::Llc(LlcKind::AddLink, true),
            Said::Llc(LlcKind::DeleteRkey, false),
            Said::Llc(LlcKind::DeleteRkey, true),
        ]
    );
    assert_eq!(
        control(server)[..3],
        [
            Said::Accept { first: true },
            Said::Llc(LlcKind::ConfirmLink, false),
            Said::Llc(LlcKind::AddLink, false),
        ]
    );
}

#[test]
fn first_contact_with_one_link_is_offered_none() {
    let (client, server) = said("first-contact-one-link");
    for said in [client, server] {
        assert!(said.contains(&Said::Cdc));
        assert!(!said
            .iter()
            .any(|s| matches!(s, Said::Llc(LlcKind::AddLink, _))));
    }
}

const REQUEST: bool = false;
const RESPONSE: bool = true;

/// The LLC messages of a scenario, of both sides.
fn llc(name: &str) -> Vec<(bool, LlcKind, bool)> {
    load(name)
        .iter()
        .filter_map(|captured| match understand(captured) {
            Said::Llc(kind, response) => Some((captured.server, kind, response)),
            _ => None,
        })
        .collect()
}

/// Checks the messages of one kind in a scenario by a closure that gets each.
fn each(name: &str, kind: LlcKind, mut check: impl FnMut(bool, &Llc<'_>)) {
    for captured in load(name) {
        if captured.rdma && captured.bytes[0] != CDC_TYPE {
            let llc = Llc::parse(&captured.bytes).expect("an LLC message");
            if llc.body.kind() == kind {
                check(captured.server, &llc);
            }
        }
    }
}

#[test]
fn with_two_ports_a_second_link_is_added() {
    let (client, server) = (false, true);
    assert_eq!(
        llc("second-link"),
        [
            (server, LlcKind::ConfirmLink, REQUEST),
            (client, LlcKind::ConfirmLink, RESPONSE),
            (server, LlcKind::AddLink, REQUEST),
            (client, LlcKind::AddLink, RESPONSE),
            (server, LlcKind::ConfirmLink, REQUEST),
            (client, LlcKind::ConfirmLink, RESPONSE),
        ]
    );
    // Each side tells the key of its one RMB, and the other side's new queue pair.
    each("second-link", LlcKind::AddLink, |_, llc| {
        let Body::AddLink(add) = llc.body else { return };
        let ext = add.ext.expect("version 2");
        assert_eq!(ext.pairs().count(), 1);
        assert!(add.qpn.get() > 0 && add.link.0 == 2);
        assert!(!llc.header.is_rejected());
    });
}

#[test]
fn a_lost_port_of_the_server_deletes_its_link() {
    let said = llc("delete-link-server");
    assert_eq!(
        said[..2],
        [
            (true, LlcKind::DeleteLink, REQUEST),
            (false, LlcKind::DeleteLink, RESPONSE)
        ]
    );
    each("delete-link-server", LlcKind::DeleteLink, |server, llc| {
        let Body::DeleteLink(delete) = llc.body else {
            return;
        };
        assert_eq!(delete.link.0, 2);
        assert!(llc.header.is_orderly() && !llc.header.is_delete_all());
        if server {
            assert_eq!(delete.reason, DeleteReason::LostPath);
        }
    });
    // The path that is left gets another link, to the client's second port.
    assert!(said.contains(&(true, LlcKind::AddLink, REQUEST)));
    assert!(said.contains(&(false, LlcKind::AddLink, RESPONSE)));
}

#[test]
fn a_lost_port_of_the_client_makes_it_ask_for_the_end_of_the_link() {
    assert_eq!(
        llc("delete-link-client")[..3],
        [
            (false, LlcKind::DeleteLink, REQUEST),
            (true, LlcKind::DeleteLink, REQUEST),
            (false, LlcKind::DeleteLink, RESPONSE)
        ]
    );
}

#[test]
fn a_port_that_comes_back_brings_offers() {
    // Of the server: an asymmetric link is offered anew.
    let said = llc("add-link-again");
    assert!(said.contains(&(true, LlcKind::AddLink, REQUEST)));
    assert!(said.contains(&(true, LlcKind::ConfirmLink, REQUEST)));
    // Of the client: it asks, with the addresses of its two ports.
    assert_eq!(
        llc("req-add-link")[..3],
        [
            (false, LlcKind::ReqAddLink, REQUEST),
            (true, LlcKind::AddLink, REQUEST),
            (false, LlcKind::AddLink, RESPONSE)
        ]
    );
    each("req-add-link", LlcKind::ReqAddLink, |_, llc| {
        let Body::ReqAddLink(ask) = llc.body else {
            return;
        };
        let gids: Vec<_> = ask.gids().map(|gid| gid.ipv4()).collect();
        assert_eq!(gids, [Some([10, 99, 0, 2]), Some([10, 99, 0, 4])]);
    });
    // The offer that follows it turns down.
    each("req-add-link", LlcKind::AddLink, |server, llc| {
        assert_eq!(llc.header.is_rejected(), !server);
    });
}

#[test]
fn a_group_that_ends_says_so() {
    let mut reasons = Vec::new();
    each("delete-all-links", LlcKind::DeleteLink, |server, llc| {
        let Body::DeleteLink(delete) = llc.body else {
            return;
        };
        assert!(llc.header.is_delete_all() && !llc.is_response());
        reasons.push((server, delete.reason));
    });
    assert_eq!(reasons[0], (true, DeleteReason::Operator));
    assert!(reasons.contains(&(false, DeleteReason::Program)));
}

#[test]
fn idle_links_are_tested_from_both_ends() {
    for (name, asks) in [("test-link-server", true), ("test-link-client", false)] {
        // An answer is the question with a flag.
        let mut question = None;
        let mut answers = 0;
        each(name, LlcKind::TestLink, |server, llc| {
            let Body::TestLink(test) = llc.body else {
                return;
            };
            assert_eq!(llc.is_response(), server != asks);
            if llc.is_response() {
                assert_eq!(question.take(), Some(*test.user_data));
                answers += 1;
            } else {
                assert_eq!(question.replace(*test.user_data), None);
            }
        });
        assert!(answers > 0, "{name}: no answer");
    }
}

#[test]
fn later_contact_confirms_and_deletes_an_rkey_each_way() {
    let (client, server) = said("later-contact");
    assert_eq!(client[0], Said::Proposal);
    assert!(client.contains(&Said::Confirm { first: false }));
    assert!(server.contains(&Said::Accept { first: false }));
    for said in [client, server] {
        for kind in [LlcKind::ConfirmRkey, LlcKind::DeleteRkey] {
            for response in [false, true] {
                let n = said.iter().filter(|s| **s == Said::Llc(kind, response));
                assert_eq!(n.count(), 1, "{kind:?}, response {response}");
            }
        }
    }
}

#[test]
fn bulk_moves_the_cursors_of_both_directions_past_the_ring() {
    let mut wrapped = [false; 2];
    for captured in load("bulk") {
        if captured.rdma && captured.bytes[0] == CDC_TYPE {
            let cdc = Cdc::parse(&captured.bytes).expect("a CDC message");
            wrapped[usize::from(captured.server)] |= cdc.producer.wrap >= 3;
        }
    }
    assert_eq!(wrapped, [true; 2], "200000 bytes through rings of 65536");
}

#[test]
fn a_decline_has_its_reason_and_the_application_goes_on_in_tcp() {
    let (client, server) = said("decline-no-eid");
    assert_eq!(client, [Said::Proposal, Said::Bytes]);
    assert_eq!(server, [Said::Decline, Said::Bytes]);
    let declined = load("decline-no-eid");
    let Ok(Clc::Decline(decline)) = Clc::parse(&declined[1].bytes) else {
        panic!("not a Decline");
    };
    // The server looks at SMC-D first and keeps that reason:
    // SMC_CLC_DECL_NOSMCD2DEV.
    assert_eq!(decline.reason.code(), 0x0303_0007);
}

#[test]
fn unread_data_at_the_close_abort_the_connection() {
    let aborted = load("abort").into_iter().any(|captured| {
        captured.rdma
            && captured.bytes[0] == CDC_TYPE
            && Cdc::parse(&captured.bytes).is_ok_and(|cdc| cdc.state.abort)
    });
    assert!(aborted);
}

#[test]
fn smcd_over_loopback_is_understood() {
    let (client, server) = said("smcd-loopback");
    assert_eq!(client, [Said::Proposal, Said::Confirm { first: true }]);
    assert_eq!(server, [Said::Accept { first: true }]);
    let accept = load("smcd-loopback");
    let Ok(Clc::AcceptConfirm(accept)) = Clc::parse(&accept[1].bytes) else {
        panic!("not an Accept");
    };
    assert!(matches!(accept.body, ClcBody::DV2 { .. }));
}
