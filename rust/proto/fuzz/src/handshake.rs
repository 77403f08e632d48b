// SPDX-License-Identifier: GPL-2.0

//! Both machines of the handshake under any events in any order: messages of
//! the other machine, changed or not, messages of the fuzzer's own, answers
//! that nobody asked for. Neither may panic, come up by another way than its
//! own, or do anything after its end.

use smc_proto::group::{FirstError, Millis};
use smc_proto::handshake::{
    Action, Client, IsmKey, Local, LocalIsm, LocalRdma, Lookup, Offer, OfferV2, OfferV2Kind, Route,
    Server, ServerConfig, CLC_WAIT,
};
use smc_proto::wire::clc::{
    Entries, GidChid, IpArea, Kind, Message, Reason, Sender, V1Modes, V1Offer,
};
use smc_proto::wire::ext::Features;
use smc_proto::wire::types::{
    AlertToken, BufSize, Eid, Gid, Hostname, Mac, PeerId, Psn, QpMtu, Qpn, Rkey, RmbAddr, RmbeIndex,
};

const UEID: Eid = Eid(*b"FUZZ-EID                        ");

/// Takes the fuzzer's bytes one by one; zeros at the end.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((b, rest)) => {
                self.0 = rest;
                *b
            }
            None => 0,
        }
    }

    fn bytes(&mut self, n: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        head
    }
}

/// A host that has what the bits say.
#[derive(Clone, Copy)]
struct Host(u8);

impl Lookup for Host {
    fn ism_v2_capable(&mut self) -> bool {
        self.0 & 1 != 0
    }
    fn ism_v2(&mut self, peer: &IsmKey) -> bool {
        self.0 & 2 != 0 && peer.gid & 1 == 0
    }
    fn ism_v1(&mut self, _gid: u64) -> bool {
        self.0 & 4 != 0
    }
    fn roce_v2(&mut self, _gid: &Gid) -> bool {
        self.0 & 8 == 0
    }
    fn roce_v1(&mut self) -> bool {
        self.0 & 16 != 0
    }
    fn same_subnet(&mut self, _ip: &IpArea<'_>) -> bool {
        self.0 & 32 == 0
    }
    fn vlan(&mut self) -> bool {
        self.0 & 64 == 0
    }
    fn has_ueid(&mut self, eid: &Eid) -> bool {
        *eid == UEID
    }
    fn seid(&mut self) -> Option<Eid> {
        (self.0 & 128 != 0).then_some(UEID)
    }
}

fn sender(n: u8) -> Sender {
    Sender {
        peer_id: PeerId([0, n, 2, 0, 0, 0, 0, n]),
        gid: Gid::from_ipv4([10, 0, 0, n]),
        mac: Mac([2, 0, 0, 0, 0, n]),
    }
}

fn rdma(n: u8) -> LocalRdma<'static> {
    LocalRdma {
        sender: sender(n),
        qpn: Qpn::new(u32::from(n)).unwrap_or_default(),
        rkey: Rkey(u32::from(n)),
        rmbe_index: RmbeIndex::FIRST,
        token: AlertToken(1),
        rmbe_size: BufSize::MAX,
        mtu: QpMtu::default(),
        rmb_addr: RmbAddr(1 << 40),
        psn: Psn::default(),
        direct: n & 1 != 0,
        gids: Entries::EMPTY,
        hostname: Hostname([b'x'; 32]),
    }
}

fn ism(n: u8) -> LocalIsm {
    LocalIsm {
        gid: u64::from(n),
        gid_ext: 0,
        chid: 0x0101,
        token: 7,
        dmbe_index: 0,
        dmbe_size: BufSize::MAX,
        link_id: [n; 4],
        hostname: Hostname([b'x'; 32]),
    }
}

/// The client's offer by the bits of a byte.
fn with_offer<R>(bits: u8, f: impl FnOnce(&Offer<'_>) -> R) -> R {
    let (mut eids, mut gids) = ([0; 32], [0; 20]);
    let eids = Entries::fill(&mut eids, (bits & 1 == 0).then_some(UEID)).unwrap();
    let gids = Entries::fill(
        &mut gids,
        [
            GidChid {
                gid: 3,
                chid: 0x0102,
            },
            GidChid {
                gid: 2,
                chid: 0x0101,
            },
        ],
    )
    .unwrap();
    let roce = sender(1).gid;
    let kind = match bits >> 1 & 3 {
        0 => Some(OfferV2Kind::R(roce)),
        1 => Some(OfferV2Kind::D(gids)),
        2 => Some(OfferV2Kind::Both(roce, gids)),
        _ => None,
    };
    let v1 = match bits >> 3 & 3 {
        0 => None,
        1 => Some(V1Modes::R),
        2 => Some(V1Modes::D),
        _ => Some(V1Modes::Both),
    };
    f(&Offer {
        sender: sender(1),
        ism: GidChid {
            gid: 2,
            chid: 0x0101,
        },
        v1: v1.map(|modes| V1Offer {
            modes,
            ip: IpArea::v4([10, 0, 0, 0], 8),
        }),
        v2: kind.map(|kind| OfferV2 {
            kind,
            eids,
            seid: (bits & 32 != 0).then_some(UEID),
            max_conns: bits,
            max_links: bits & 3,
            feature_mask: 1,
        }),
    })
}

/// What one machine has gone through.
#[derive(Default)]
struct Course {
    ended: bool,
    /// It has sent its Accept or Confirm.
    answered: bool,
    /// The server has the Confirm.
    confirmed: bool,
    /// A link is to be confirmed, and was.
    linking: bool,
    linked: bool,
    /// What it sent last.
    sent: Vec<u8>,
}

impl Course {
    fn note(&mut self, action: Action, server: bool) {
        if self.ended {
            assert_eq!(action, Action::Wait, "nothing happens after the end");
            return;
        }
        match action {
            Action::TakePeer => self.confirmed = true,
            Action::ConfirmLink => self.linking = true,
            Action::Established => {
                assert!(self.answered, "up without an Accept or Confirm");
                assert!(!server || self.confirmed, "up without the Confirm");
                assert!(!self.linking || self.linked, "up without its link");
                self.ended = true;
            }
            Action::Fallback(f) => {
                if let Some(decline) = f.decline(PeerId([9; 8])) {
                    assert_eq!(decline.reason, f.reason);
                    assert_eq!(decline.out_of_sync, f.reason == Reason::SyncError);
                }
                assert_eq!(
                    f.peer_reason.is_some(),
                    f.reason == Reason::PeerDeclined && f.decline(PeerId([9; 8])).is_none()
                );
                self.ended = true;
            }
            Action::Reconnect | Action::Abort(_) => self.ended = true,
            _ => {}
        }
    }
}

struct World {
    client: Client,
    server: Server,
    host: Host,
    offer: u8,
    now: Millis,
    there: Course,
    here: Course,
}

/// Plays a script.
pub fn run(data: &[u8]) {
    let mut script = Script(data);
    let config = ServerConfig {
        features: Features::from_bits(u16::from(script.byte())),
        max_conns: script.byte(),
        max_links: script.byte(),
        feature_mask: 1,
    };
    let (server, _) = Server::new(config, true, Millis(0));
    let mut world = World {
        client: Client::new(config.features),
        server,
        host: Host(script.byte()),
        offer: script.byte(),
        now: Millis(0),
        here: Course::default(),
        there: Course::default(),
    };
    while !script.0.is_empty() {
        let op = script.byte();
        if op & 1 == 0 {
            let action = client(&mut world, op >> 1, &mut script);
            world.here.note(action, false);
            assert!(!world.here.ended || world.client.expected().is_none());
            assert!(!world.here.ended || world.client.deadline().is_none());
        } else {
            let action = server_event(&mut world, op >> 1, &mut script);
            world.there.note(action, true);
            assert!(!world.there.ended || world.server.expected().is_none());
            assert!(!world.there.ended || world.server.deadline().is_none());
        }
    }
}

fn link(b: u8) -> Result<(), FirstError> {
    match b & 7 {
        0 => Err(FirstError::Timeout),
        1 => Err(FirstError::EyeCatcher),
        2 => Err(FirstError::NotReady),
        3 => Err(FirstError::LinkDown),
        _ => Ok(()),
    }
}

/// A message for one machine: the other's last one, perhaps changed, or the
/// script's own.
fn message(sent: &[u8], script: &mut Script<'_>) -> Vec<u8> {
    let how = script.byte();
    if how & 1 == 0 {
        let mut bytes = sent.to_vec();
        for _ in 0..how >> 6 {
            let (at, value) = (usize::from(script.byte()), script.byte());
            if let Some(b) = bytes.get_mut(at) {
                *b = value;
            }
        }
        return bytes;
    }
    let n = usize::from(script.byte());
    script.bytes(n).to_vec()
}

fn client(w: &mut World, op: u8, script: &mut Script<'_>) -> Action {
    match op % 12 {
        0 => w.client.on_connected(script.byte() & 1 == 0, w.now),
        1 => {
            let action = with_offer(w.offer, |offer| w.client.on_offer(offer));
            if action == Action::Send(Kind::Proposal) {
                w.here.sent = vec![0; 700];
                let n = with_offer(w.offer, |o| w.client.write_proposal(o, &mut w.here.sent));
                w.here.sent.truncate(n.expect("a Proposal has room"));
                assert!(Message::parse(&w.here.sent).is_ok());
            }
            action
        }
        2 => {
            let mut buf = vec![0; 700];
            let end = (rdma(1), ism(1));
            let written = w
                .client
                .write_confirm(&Local::Rdma(&end.0), &mut buf)
                .or_else(|_| w.client.write_confirm(&Local::Ism(&end.1), &mut buf));
            if let Ok(n) = written {
                buf.truncate(n);
                assert!(Message::parse(&buf).is_ok());
                w.here.sent = buf;
                w.here.answered = true;
            }
            w.client.on_sent(w.now)
        }
        3 => {
            let bytes = message(&w.there.sent, script);
            match Message::parse(&bytes) {
                Ok(m) => w.client.on_message(&m),
                Err(_) => w.client.on_malformed(),
            }
        }
        4 => w.client.on_route(match script.byte() & 3 {
            0 => None,
            1 => Some(Route::Direct),
            _ => Some(Route::Gateway),
        }),
        5 => w.client.on_group(),
        6 => w.client.on_prepared(),
        7 => {
            let result = link(script.byte());
            w.here.linked |= result.is_ok();
            w.client.on_link(result, w.now)
        }
        8 => {
            let all = Reason::ALL;
            w.client
                .on_failure(all[usize::from(script.byte()) % all.len()])
        }
        9 => w.client.on_closed(),
        10 => {
            w.now = w.now.after(u32::from(script.byte()) << 6);
            w.client.on_timeout(w.now)
        }
        _ => {
            // Nothing waits for longer than this.
            let late = w.now.after(CLC_WAIT);
            let due = w.client.deadline();
            assert!(due.map_or(true, |deadline| deadline <= late));
            Action::Wait
        }
    }
}

fn server_event(w: &mut World, op: u8, script: &mut Script<'_>) -> Action {
    match op % 9 {
        0 | 1 => {
            let bytes = message(&w.here.sent, script);
            match Message::parse(&bytes) {
                Ok(m) => w.server.on_message(&m, &mut w.host),
                Err(_) => w.server.on_malformed(),
            }
        }
        2 => w.server.on_group(script.byte() & 1 == 0),
        3 => w.server.on_prepared(),
        4 => {
            let mut buf = vec![0; 700];
            let end = (rdma(2), ism(2));
            let written = w
                .server
                .write_accept(&Local::Rdma(&end.0), &mut buf)
                .or_else(|_| w.server.write_accept(&Local::Ism(&end.1), &mut buf));
            if let Ok(n) = written {
                buf.truncate(n);
                assert!(Message::parse(&buf).is_ok());
                w.there.sent = buf;
                w.there.answered = true;
            }
            w.server.on_sent(w.now)
        }
        5 => w.server.on_peer_taken(),
        6 => {
            let result = link(script.byte());
            w.there.linked |= result.is_ok();
            w.server.on_link(result, w.now)
        }
        7 => {
            let all = Reason::ALL;
            let reason = all[usize::from(script.byte()) % all.len()];
            w.server.on_failure(reason, &mut w.host)
        }
        _ => {
            match script.byte() & 15 {
                0 => return w.server.on_closed(),
                1 => {
                    w.server.on_group_lost();
                }
                _ => {}
            }
            w.now = w.now.after(u32::from(script.byte()) << 6);
            w.server.on_timeout(w.now)
        }
    }
}
