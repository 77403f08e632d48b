// SPDX-License-Identifier: GPL-2.0

//! Messages of every layout, as this crate emits them, in a capture file that
//! packet analysers read: one message a packet.

mod clc;
mod rdma;

/// What a message travels on.
#[derive(Clone, Copy)]
pub(crate) enum Carrier {
    /// A TCP segment.
    Tcp { from_client: bool },
    /// An RDMA send.
    Rdma,
}

/// One message and how it is called.
pub(crate) struct Sample {
    /// Says which layout it is.
    pub(crate) name: &'static str,
    pub(crate) carrier: Carrier,
    /// The message.
    pub(crate) bytes: Vec<u8>,
}

/// Messages of every layout.
pub(crate) fn samples() -> Vec<Sample> {
    let mut all = clc::samples();
    all.extend(rdma::samples());
    all
}

/// A capture file (pcap, microseconds) with each CLC message in a TCP connection
/// of its own, so that none is taken for the continuation of another, and each
/// other message as a RoCEv2 packet.
pub(crate) fn capture(samples: &[Sample]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4u32.to_le_bytes());
    file.extend(2u16.to_le_bytes());
    file.extend(4u16.to_le_bytes());
    file.extend([0; 8]);
    file.extend(65535u32.to_le_bytes());
    file.extend(1u32.to_le_bytes());
    for (i, sample) in (0u16..).zip(samples) {
        let frame = frame(40_000 + i, sample);
        file.extend(u32::from(i).to_le_bytes());
        file.extend(0u32.to_le_bytes());
        let len = u32::try_from(frame.len()).unwrap();
        file.extend(len.to_le_bytes());
        file.extend(len.to_le_bytes());
        file.extend(frame);
    }
    file
}

/// Internet checksum.
fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let bytes: Vec<u8> = parts.concat();
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|c| u32::from(c[0]) << 8 | u32::from(c.get(1).copied().unwrap_or(0)))
        .sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

fn frame(client_port: u16, sample: &Sample) -> Vec<u8> {
    let (mut from, mut to) = ((CLIENT, client_port), (SERVER, 50_000));
    let (protocol, payload) = match sample.carrier {
        Carrier::Tcp { from_client } => {
            if !from_client {
                (from, to) = (to, from);
            }
            (6, tcp(from, to, &sample.bytes))
        }
        Carrier::Rdma => (17, roce(&sample.bytes)),
    };
    let total = u16::try_from(payload.len() + 20).unwrap().to_be_bytes();
    let mut ip = vec![
        0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, protocol, 0, 0,
    ];
    ip.extend(from.0);
    ip.extend(to.0);
    let sum = checksum(&[&ip]);
    ip[10..12].copy_from_slice(&sum);
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend(ip);
    frame.extend(payload);
    frame
}

const CLIENT: [u8; 4] = [192, 0, 2, 1];
const SERVER: [u8; 4] = [192, 0, 2, 2];

/// A segment with good sums, between addresses and ports.
fn tcp(from: ([u8; 4], u16), to: ([u8; 4], u16), message: &[u8]) -> Vec<u8> {
    let mut tcp = Vec::new();
    tcp.extend(from.1.to_be_bytes());
    tcp.extend(to.1.to_be_bytes());
    tcp.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    tcp.extend(message);
    let len = u16::try_from(tcp.len()).unwrap().to_be_bytes();
    let sum = checksum(&[&from.0, &to.0, &[0, 6], &len, &tcp]);
    tcp[16..18].copy_from_slice(&sum);
    tcp
}

/// A UDP datagram of RoCEv2: base transport header of an RC "send only" to queue
/// pair 0x11, the message, room for the ICRC.
fn roce(message: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + 12 + message.len() + 4).unwrap();
    let mut udp = Vec::new();
    udp.extend(49_441u16.to_be_bytes());
    udp.extend(4791u16.to_be_bytes());
    udp.extend(len.to_be_bytes());
    udp.extend([0, 0]);
    udp.extend([4, 0x40, 0xff, 0xff, 0, 0, 0, 0x11, 0x80, 0, 0, 1]);
    udp.extend(message);
    udp.extend([0; 4]);
    udp
}
