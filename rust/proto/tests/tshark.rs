// SPDX-License-Identifier: GPL-2.0

//! Wireshark's SMC dissector reads in our messages what we mean. Skipped where
//! there is no tshark.

use crate::pcap;
use std::process::{Command, Stdio};

/// What `tshark -V -O smc` says of each message, by its name. `None`: there is
/// no tshark.
fn dissect(samples: &[pcap::Sample]) -> Option<Vec<String>> {
    let present = Command::new("tshark")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !present.is_ok_and(|status| status.success()) {
        println!("SKIP: tshark is not installed, so no dissector checked our messages.");
        return None;
    }
    let file = std::env::temp_dir().join(format!("smc_proto-{}.pcap", std::process::id()));
    std::fs::write(&file, pcap::capture(samples)).unwrap();
    let out = Command::new("tshark")
        // Another dissector takes RDMA sends for its own, unless it is kept off.
        .args([
            "-n",
            "-V",
            "-O",
            "smc",
            "--disable-protocol",
            "rpcordma",
            "-r",
        ])
        .arg(&file)
        .output()
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let starts = (1..=samples.len()).map(|n| text.find(&format!("Frame {n}: ")).unwrap());
    let starts: Vec<usize> = starts.chain([text.len()]).collect();
    Some(
        starts
            .windows(2)
            .map(|w| text[w[0]..w[1]].to_owned())
            .collect(),
    )
}

/// Lines that the dissection of an LLC or CDC message must have, in this order;
/// `None` for another message.
fn expected_rdma(name: &str) -> Option<Vec<&'static str>> {
    const END: [&str; 4] = [
        "Sender MAC Address: 02:00:00:aa:bb:cc",
        "Sender GID: fe80::ff:feaa:bbcc",
        "Sender QP Number: 0x010203",
        "Link Number: 0x05",
    ];
    const LINK: [&str; 2] = ["Sender Link User ID: 0x01020304", "Max Links: 0x02"];
    const QP: [&str; 2] = [
        "QP MTU Value (enumerated value): 3 (MTU: 1024)",
        "Initial PSN: 0xa1b2c3",
    ];
    const KEYS: [&str; 9] = [
        "Number of other QP: 2",
        "New Rkey for this link: 0x11220001",
        "New RMB virtual address for this link: 0x00007f1234560001",
        "Link Number: 0x06",
        "New Rkey for this link: 0x11220006",
        "New RMB virtual address for this link: 0x00007f1234560006",
        "Link Number: 0x07",
        "New Rkey for this link: 0x11220007",
        "New RMB virtual address for this link: 0x00007f1234560007",
    ];
    const DELETED: [&str; 3] = [
        "RMB Rkey to be deleted: 0x11220001",
        "RMB Rkey to be deleted: 0x11220002",
        "RMB Rkey to be deleted: 0x11220003",
    ];
    const CURSORS: [&str; 6] = [
        "Sequence Number: 0x0102",
        "Alert Token: 0x55667788",
        "Producer window wrap sequence number: 0x0a0b",
        "Peer Producer Cursor: 0x00010203",
        "Consumer window wrap sequence number: 0x0c0d",
        "Peer Consumer Cursor: 0x00040506",
    ];
    const REJECTED: [&str; 2] = ["Add Link Response: True", "Add Link Rejected: True"];
    let lines: Vec<&[&str]> = match name {
        "confirm link v1" => vec![
            &["Confirm Link (0x01)", "Flags: 0x03", "Response: False"],
            &END,
            &LINK,
        ],
        "confirm link v2" => vec![
            &["Confirm Link (v2) (0x21)", "Flags: 0x83", "Response: True"],
            &END,
            &LINK,
        ],
        "add link v1" => vec![
            &[
                "Add Link (0x02)",
                "SMC Length: 44",
                "Add Link Response: False",
                "Add Link Rejected: False",
            ],
            &END,
            &QP,
        ],
        "add link v2" => vec![
            &["Add Link (v2) (0x22)", "SMC Length: 104"],
            &END,
            &QP,
            &[
                "Direct link attachment to peer: True",
                "Client Target GID: ::ffff:192.0.2.65",
                "Number of Rkeys: 2",
                "Rkey as known on this SMC Link: 0x33440001",
                "Equivalent Rkey for the new SMC Link: 0x11220001",
                "Virtual Address for the new SMC Link: 0x00007f1234560001",
                "Rkey as known on this SMC Link: 0x33440002",
                "Equivalent Rkey for the new SMC Link: 0x11220002",
                "Virtual Address for the new SMC Link: 0x00007f1234560002",
            ],
        ],
        "add link reject v1" => vec![&["Add Link (0x02)"], &REJECTED, &END, &QP],
        "add link reject v2" => vec![&["Add Link (v2) (0x22)"], &REJECTED, &END, &QP],
        // The dissector looks for the keys two bytes too far ahead: it leaves out
        // the reserved bytes in front of them (RFC 7609 Appendix A.3.3).
        "add link cont" => vec![&[
            "Add Link Continuous (0x03)",
            "Response: True",
            "Link Number: 0x05",
            "Number of Rkeys: 2",
            "0x00003344",
        ]],
        "delete link v1" => vec![&[
            "Delete Link (0x04)",
            "Response: False",
            "Terminate All Links In The Link Group: False",
            "Terminate Links Orderly: True",
            "Link Number For The Failed Link: 0x05",
            "Reason Code: 0x00010000",
        ]],
        "delete link v2" => vec![&[
            "Delete Link (v2) (0x24)",
            "SMC Length: 44",
            "Terminate All Links In The Link Group: True",
            "Terminate Links Orderly: False",
            "Link Number For The Failed Link: 0x00",
            "Reason Code: 0x00030000",
        ]],
        "request add link" => vec![&[
            "Request Add Link (v2) (0x25)",
            "SMC Length: 60",
            "Request Add Link Response: False",
            "GID List Entry Count: 2",
            "GID List Entry: fe80::ff:feaa:bbcc",
            "GID List Entry: ::ffff:192.0.2.65",
        ]],
        "confirm rkey v1" => vec![
            &[
                "Confirm Rkey (0x06)",
                "Response: False",
                "Negative Response: False",
                "Retry Rkey Set: False",
            ],
            &KEYS,
        ],
        "confirm rkey v2" => vec![&[
            "Confirm Rkey (v2) (0x26)",
            "Response: True",
            "Negative Response: True",
            "Retry Rkey Set: True",
            "Number of other QP: 0",
            KEYS[1],
            KEYS[2],
        ]],
        "confirm rkey cont" => vec![
            &["Confirm Rkey Continuous (0x08)", "Number of other QP: 3"],
            &KEYS[3..],
            &[
                "Link Number: 0x08",
                "New Rkey for this link: 0x11220008",
                "New RMB virtual address for this link: 0x00007f1234560008",
            ],
        ],
        "delete rkey v1" => vec![
            &["Delete Rkey (0x09)", "Response: False", "Rkey Count: 3"],
            &DELETED,
        ],
        "delete rkey v2" => vec![
            &[
                "Delete Rkey (v2) (0x29)",
                "Response: False",
                "Rkey Count: 3",
            ],
            &DELETED,
        ],
        // The second and third key are not known.
        "delete rkey refused" => vec![
            &[
                "Delete Rkey (0x09)",
                "Response: True",
                "Negative Response: True",
                "Error Mask: 0x60",
            ],
            &DELETED,
        ],
        "test link v1" => vec![&["Test Link (0x07)", "SMC Length: 44", "Response: False"]],
        "test link v2" => vec![&["Test Link (v2) (0x27)", "SMC Length: 44", "Response: True"]],
        "cdc blocked, urgent present, validation, closed" => vec![
            &["CDC Message (0xfe)"],
            &CURSORS,
            &[
                "Write Blocked: True",
                "Urgent Data Pending: False",
                "Urgent Data Present: True",
                "Consumer Cursor Update Requested: False",
                "Failover Validation Indicator: True",
                "Peer Sending Done: False",
                "Peer Closed Connection: True",
                "Peer Abnormal Close: False",
            ],
        ],
        "cdc urgent pending, update asked for, done, aborted" => vec![
            &["CDC Message (0xfe)"],
            &CURSORS,
            &[
                "Write Blocked: False",
                "Urgent Data Pending: True",
                "Urgent Data Present: False",
                "Consumer Cursor Update Requested: True",
                "Failover Validation Indicator: False",
                "Peer Sending Done: True",
                "Peer Closed Connection: False",
                "Peer Abnormal Close: True",
            ],
        ],
        _ => return None,
    };
    Some(lines.concat())
}

/// Lines that the dissection must have, in this order.
fn expected(name: &str) -> Vec<&'static str> {
    expected_rdma(name).unwrap_or_else(|| expected_clc(name))
}

/// The same for a CLC message.
fn expected_clc(name: &str) -> Vec<&'static str> {
    const SMCR: [&str; 11] = [
        "Peer ID: 0x0017020000aabbcc",
        "GID: fe80::ff:feaa:bbcc",
        "MAC Address: 02:00:00:aa:bb:cc",
        "QP Number: 0x010203",
        "RMB Rkey: 0x11223344",
        "TCP Connection Index: 9",
        "RMB Element Alert Token: 0x55667788",
        "(Compressed Notation): 5 (Size: 512k)",
        "QP MTU Value (enumerated value): 3 (MTU: 1024)",
        "RMB Virtual Address: 0x00007f1234567000",
        "Initial PSN: 0xa1b2c3",
    ];
    const SMCD: [&str; 5] = [
        "ISM GID: 0x0123456789abcdef",
        "DMB Token: 0xfedcba9876543210",
        "DMBE Connection Index: 4",
        "(Compressed Notation): 2 (Size: 64k)",
        "Link ID: 0x01020304",
    ];
    const FIRST: [&str; 3] = [
        "OS Type: Linux (2)",
        "SMC Version Release Number: 1",
        "Peer Host Name: peer.example",
    ];
    const EID: &str = "Negotiated EID: SMCV2-EID-ONE";
    const V1: &str = "SMC Version: 1";
    const V2: &str = "SMC Version: 2";
    const YES: &str = "First Contact: True";
    const NO: &str = "First Contact: False";
    let smcr = |head: &[&'static str], tail: &[&'static str]| [head, &SMCR, tail].concat();
    let smcd = |head: &[&'static str], tail: &[&'static str]| [head, &SMCD, tail].concat();
    match name {
        "proposal version 1" => vec![
            "CLC Message: Proposal (1)",
            "SMC Length: 92",
            V1,
            "SMC(v1) Type: SMC-R/SMC-D (3)",
            "Peer ID: 0x0017020000aabbcc",
            "GID: fe80::ff:feaa:bbcc",
            "MAC Address: 02:00:00:aa:bb:cc",
            "ISM GID: 0x0123456789abcdef",
            "Subnet Mask: 192.0.2.0",
            "Number of Significant Bits: 24",
            "IPv6 Prefix Count: 0",
        ],
        "proposal version 2 SMC-R v1 only IPv6" => vec![
            "SMC Length: 126",
            V2,
            "SMC(v2) Type: NONE (2)",
            "SMC(v1) Type: SMC-R (0)",
            "IP Subnet Extension Offset: 0x0028",
            "SMCv2 Extension Offset: 0x0000",
            "IPv6 Prefix Count: 2",
            "IPv6 Prefix Value: 2001:db8:1::",
            "IPv6 Prefix Length: 48",
            "IPv6 Prefix Value: 2001:db8:2::",
            "IPv6 Prefix Length: 64",
        ],
        "proposal version 2 SMC-R v2 only" => vec![
            "SMC Length: 188",
            V2,
            "SMC(v2) Type: SMC-R (0)",
            "SMC(v1) Type: NONE (2)",
            "SMCv2 Extension Offset: 0x001c",
            // OUI, format, features and seal of ours, in reserved bytes to it.
            "Reserved: f2534d0100017c7e0000",
            "EID Count: 2",
            "ISMv2 GID Count: 0",
            "SMC Version Release Number: 1",
            "SEID Indicator: False",
            "RoCEv2 GID IPv4 Address: 192.0.2.1",
            // 200 connections, 2 links, feature 1.
            "Reserved: c80200010000",
            "EID: SMCV2-EID-ONE",
            "EID: SMCV2-EID-TWO",
        ],
        "proposal version 2 everything" => vec![
            "SMC Length: 264",
            V2,
            "SMC(v2) Type: SMC-R/SMC-D (3)",
            "SMC(v1) Type: SMC-R/SMC-D (3)",
            "IP Subnet Extension Offset: 0x0028",
            "ISM GID: 0x0123456789abcdef",
            "ISMv2 CHID: 0x0500",
            "SMCv2 Extension Offset: 0x0024",
            "Subnet Mask: 192.0.2.0",
            "Number of Significant Bits: 24",
            "EID Count: 2",
            "ISMv2 GID Count: 2",
            "SMC Version Release Number: 1",
            "SEID Indicator: True",
            "SMC-Dv2 Extension Offset: 0x0060",
            "RoCEv2 GID IPv4 Address: 192.0.2.1",
            "EID: SMCV2-EID-ONE",
            "EID: SMCV2-EID-TWO",
            "SEID: IBM-SYSZ-ISMSEID0000000012345678",
            "ISM GID: 0x1111222233334444",
            "ISMv2 CHID: 0x0501",
            "ISM GID: 0x5555666677778888",
            "ISMv2 CHID: 0x0502",
        ],
        "accept SMC-R v1" => smcr(&["Accept (2)", "SMC Length: 68", V1, YES], &[]),
        "confirm SMC-R v1" => smcr(&["Confirm (3)", "SMC Length: 68", V1, YES], &[]),
        "accept SMC-D v1" => smcd(&["Accept (2)", "SMC Length: 48", V1, NO], &[]),
        "confirm SMC-D v1" => smcd(&["Confirm (3)", "SMC Length: 48", V1, NO], &[]),
        "accept SMC-R v2 later" => smcr(&["Accept (2)", "SMC Length: 108", V2, NO], &[EID]),
        "confirm SMC-R v2 later" => smcr(&["Confirm (3)", "SMC Length: 108", V2, NO], &[EID]),
        "accept SMC-D v2 first" => smcd(
            &["Accept (2)", "SMC Length: 130", V2, YES],
            &["ISMv2 CHID: 0x0501", EID, FIRST[0], FIRST[1], FIRST[2]],
        ),
        "confirm SMC-D v2 first" => smcd(
            &["Confirm (3)", "SMC Length: 130", V2, YES],
            &["ISMv2 CHID: 0x0501", EID, FIRST[0], FIRST[1], FIRST[2]],
        ),
        "accept SMC-R v2 first" => smcr(
            &["Accept (2)", "SMC Length: 160", V2, YES],
            &[
                EID,
                "V2_DIRECT (1)",
                FIRST[0],
                FIRST[1],
                FIRST[2],
                // 200 connections, 2 links, feature 1.
                "Reserved: c80200010000",
            ],
        ),
        "confirm SMC-R v2 first" => smcr(
            &["Confirm (3)", "SMC Length: 196", V2, YES],
            &[EID, "V2_DIRECT (1)", FIRST[0], FIRST[1], FIRST[2]],
        ),
        "decline version 1" => vec![
            "Decline (4)",
            "SMC Length: 28",
            V1,
            "Out of Sync: False",
            "Peer ID: 0x0017020000aabbcc",
            "Peer Diagnosis Information: 0x03030000",
        ],
        "decline version 2 out of sync" => vec![
            "Decline (4)",
            "SMC Length: 44",
            V2,
            "Out of Sync: True",
            "Peer ID: 0x0017020000aabbcc",
            "Peer Diagnosis Information: 0x04000000",
            "OS Type: Linux (2)",
        ],
        other => panic!("nothing is expected of {other}"),
    }
}

#[test]
fn wireshark_reads_in_our_messages_what_we_mean() {
    let samples = pcap::samples();
    let Some(frames) = dissect(&samples) else {
        return;
    };
    for (sample, text) in samples.iter().zip(&frames) {
        let name = sample.name;
        assert!(
            text.contains("Shared Memory Communications"),
            "{name}: {text}"
        );
        assert!(!text.contains("Malformed"), "{name}: {text}");
        let mut rest = text.as_str();
        for line in expected(name) {
            let Some(at) = rest.find(line) else {
                panic!("{name}: no \"{line}\" in\n{text}");
            };
            rest = &rest[at + line.len()..];
        }
    }
    println!("{} messages dissected as meant", samples.len());
}
