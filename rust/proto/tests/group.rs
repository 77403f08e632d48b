// SPDX-License-Identifier: GPL-2.0

//! One group and a peer that is written out by hand: what each message gets for
//! an answer, and what is on the wire.

mod group_world;

use group_world::{config, rmb, times, token, Keys, Side, Task, Wish, World, V2};
use smc_proto::group::*;
use smc_proto::wire::llc::*;
use smc_proto::wire::types::{Gid, Mac, Psn, QpMtu, Qpn, Rkey, RmbAddr};
use Side::{Client, Server};

const V1: LlcVersion = LlcVersion::V1;
const VBE: LlcVersion = LlcVersion::V2(ByteOrder::Big);

fn end(host: u8, port: u8, qpn: u32) -> End {
    End {
        mac: Mac([2, 0, 0, 0, host, port]),
        gid: Gid::from_ipv4([10, 0, port, host]),
        qpn: Qpn::new(qpn).unwrap(),
        psn: Psn::new(qpn * 3).unwrap(),
        mtu: QpMtu::from_bits(3).unwrap(),
    }
}

/// A group with queue pair 0x11 (and 0x12, 0x13 for further links), whose peer
/// is the test.
struct Solo {
    g: Group,
    keys: Keys,
    rows: Vec<PeerRow>,
    now: Millis,
}

impl Solo {
    fn new(side: Side, version: LlcVersion, max_links: u8) -> Solo {
        let mut g = Group::new(
            config(side, version, max_links),
            end(1, 0, 0x11),
            end(2, 0, 0x21),
        );
        g.first_contact(Millis(0));
        Solo {
            g,
            keys: Keys {
                side,
                qpn: [0x11, 0, 0],
                missing: vec![],
            },
            rows: vec![PeerRow::default(); 4],
            now: Millis(0),
        }
    }

    /// After the first contact.
    fn up(side: Side, version: LlcVersion, max_links: u8) -> Solo {
        let mut s = Solo::new(side, version, max_links);
        if side == Server {
            let m = s.sent();
            let mut answer = m.clone();
            answer[3] |= 0x80;
            assert_eq!(s.take(Slot::S0, &answer), None);
        } else {
            assert_eq!(s.take(Slot::S0, &confirm_link(version, 1)), None);
            assert_eq!(s.act(), Action::EnableLink(Slot::S0));
            s.g.link_enabled(s.now, Slot::S0, true);
            s.sent();
        }
        assert_eq!(s.act(), Action::FirstContact(Ok(())));
        assert_eq!(s.act(), Action::LinkActive(Slot::S0));
        s
    }

    /// A server that has offered a link, or a client that has answered an
    /// offer, of number 2.
    fn adding(side: Side, version: LlcVersion) -> Solo {
        let mut s = Solo::up(side, version, 2);
        if side == Client {
            assert_eq!(s.take(Slot::S0, &add_link(version, 2, 1)), None);
        }
        s.prepare(Slot::S1, 1);
        s
    }

    /// A group with two links.
    fn double(side: Side, version: LlcVersion) -> Solo {
        let mut s = Solo::adding(side, version);
        let m = s.sent();
        assert_eq!(m[0] & 15, 2);
        if side == Server {
            assert_eq!(s.take(Slot::S0, &answer_add(version, 2, 1)), None);
            assert_eq!(s.act(), Action::ConnectLink(Slot::S1));
            s.g.link_connected(s.now, Slot::S1, true);
            if version == V1 {
                let mut cont = s.sent();
                assert_eq!(cont[..6], [3, 44, 0, 0, 2, 0]);
                cont[3] = 0x80;
                assert_eq!(s.take(Slot::S0, &cont), None);
            }
            let mut confirm = s.sent();
            assert_eq!(confirm[0] & 15, 1);
            confirm[3] |= 0x80;
            assert_eq!(s.take(Slot::S1, &confirm), None);
        } else {
            if version == V1 {
                let mut cont = vec![3, 44, 0, 0, 2];
                cont.resize(LLC_LEN, 0);
                assert_eq!(s.take(Slot::S0, &cont), None);
                cont[3] = 0x80;
                assert_eq!(s.sent(), cont);
            }
            assert_eq!(s.take(Slot::S1, &confirm_link(version, 2)), None);
            assert_eq!(s.act(), Action::EnableLink(Slot::S1));
            s.g.link_enabled(s.now, Slot::S1, true);
            s.sent();
        }
        assert_eq!(s.act(), Action::LinkActive(Slot::S1));
        s.rest();
        s
    }

    /// The caller makes a link on a port.
    fn prepare(&mut self, slot: Slot, port: u8) {
        assert_eq!(self.act(), Action::PrepareLink(slot));
        let qpn = 0x11 + slot.index() as u32;
        *slot.of_mut(&mut self.keys.qpn) = qpn;
        self.g.link_prepared(self.now, slot, Ok(end(1, port, qpn)));
    }

    fn receive(&mut self, slot: Slot, bytes: &[u8]) -> (Received, [u8; LLC_LEN]) {
        let mut reply = [0; LLC_LEN];
        let mut table = PeerTable::new(&mut self.rows);
        let got = self
            .g
            .receive(self.now, slot, bytes, &self.keys, &mut table, &mut reply);
        (got, reply)
    }

    /// Receives what must be taken; the reply.
    fn take(&mut self, slot: Slot, bytes: &[u8]) -> Option<Vec<u8>> {
        match self.receive(slot, bytes) {
            (Received::Taken, _) => None,
            (Received::Reply, reply) => Some(reply.to_vec()),
            (Received::Ignored(why), _) => panic!("ignored: {why:?}"),
        }
    }

    /// Receives what must be dropped.
    fn drops(&mut self, slot: Slot, bytes: &[u8]) {
        let (got, _) = self.receive(slot, bytes);
        assert!(matches!(got, Received::Ignored(_)), "{got:?}");
    }

    fn poll(&mut self) -> Option<(Slot, Vec<u8>)> {
        let mut buf = [0; LLC_MAX_LEN];
        let t = self.g.poll_transmit(self.now, &self.keys, &mut buf)?;
        Some((t.slot, buf[..t.len].to_vec()))
    }

    /// The one message that is to be sent.
    fn sent(&mut self) -> Vec<u8> {
        assert!(self.g.owed().message);
        let (_, m) = self.poll().expect("a message");
        assert_eq!(self.poll(), None, "one message");
        m
    }

    fn act(&mut self) -> Action {
        self.g.poll_action().expect("an action")
    }

    /// Nothing is to be done or sent.
    fn rest(&mut self) {
        assert_eq!(self.poll(), None);
        assert_eq!(self.g.poll_action(), None);
    }

    /// The next timer fires.
    fn time(&mut self) {
        self.now = self.g.poll_timeout().expect("a timer");
        self.g.handle_timeout(self.now);
    }

    fn announce(&mut self, n: u8) -> Result<Announce, RkeyError> {
        self.g.announce(self.now, rmb(n))
    }
}

fn message(version: LlcVersion, flags: Flags, body: Body<'_>) -> Vec<u8> {
    let mut buf = [0; LLC_MAX_LEN];
    let n = Message::new(version, flags, body).emit(&mut buf).unwrap();
    buf[..n].to_vec()
}

fn confirm_link(version: LlcVersion, num: u8) -> Vec<u8> {
    let m = ConfirmLink {
        mac: Mac([1; 6]),
        gid: Gid([2; 16]),
        qpn: Qpn::new(0x21).unwrap(),
        link: LinkNum(num),
        uid: LinkUid([9, 9, 9, num]),
        max_links: 2,
        max_conns: 0,
        reserved: &[0; 8],
    };
    message(version, Flags::NO_EYECATCHER, Body::ConfirmLink(m))
}

fn add_link_with(version: LlcVersion, flags: Flags, num: u8, port: u8, keys: &[u8]) -> Vec<u8> {
    let e = end(2, port, 0x20 + u32::from(num));
    let ext = AddLinkExt {
        direct: 0,
        reserved2: 0,
        target_gid: e.gid,
        reserved3: &[0; 8],
        count: AddLinkExt::count_bytes(ByteOrder::Little, (keys.len() / 16) as u8),
        keys: KeyPairs::new(keys),
    };
    let m = AddLink {
        mac: e.mac,
        reserved2: &[0; 2],
        gid: e.gid,
        qpn: e.qpn,
        link: LinkNum(num),
        mtu: e.mtu,
        mtu_reserved: 0,
        psn: e.psn,
        reserved: &[0; 8],
        ext: version.is_v2().then_some(ext),
    };
    message(version, flags, Body::AddLink(m))
}

fn add_link(version: LlcVersion, num: u8, port: u8) -> Vec<u8> {
    add_link_with(version, Flags::REQUEST, num, port, &[])
}

fn answer_add(version: LlcVersion, num: u8, port: u8) -> Vec<u8> {
    add_link_with(version, Flags::RESPONSE, num, port, &[])
}

fn delete_link(version: LlcVersion, flags: Flags, num: u8, reason: DeleteReason) -> Vec<u8> {
    let m = DeleteLink {
        link: LinkNum(num),
        reason,
        reserved: &[0; 35],
    };
    message(version, flags, Body::DeleteLink(m))
}

fn confirm_rkey(count: u8, here: Rtoken, others: [LinkKey; 2]) -> Vec<u8> {
    let m = ConfirmRkey {
        count,
        here,
        others,
        reserved: 0,
    };
    message(V1, Flags::REQUEST, Body::ConfirmRkey(m))
}

fn rtoken(n: u32) -> Rtoken {
    Rtoken {
        rkey: Rkey(n),
        addr: RmbAddr(u64::from(n) << 16),
    }
}

fn no_others() -> [LinkKey; 2] {
    [LinkKey::default(); 2]
}

fn delete_of(bytes: &[u8]) -> (u8, u8, DeleteReason) {
    match Message::parse(bytes).unwrap().body {
        Body::DeleteLink(d) => (bytes[3], d.link.0, d.reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_group_is_small() {
    let size = std::mem::size_of::<Group>();
    println!("Group: {size} bytes, Link: {}", std::mem::size_of::<Link>());
    assert!(size <= 1024);
}

// First contact.

#[test]
fn the_server_confirms_the_first_link() {
    let mut s = Solo::new(Server, V1, 2);
    assert_eq!(s.g.owed().flow, FlowKind::FirstContact);
    let m = s.sent();
    let want = "012c0003 020000000100 00000000000000000000ffff0a000001 000011 01 00000001 02 ff \
                0000000000000000";
    let got: String = m.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(got, want.replace([' ', '\n'], ""));
    assert_eq!(s.g.owed().peer, Some(Millis(2_000)));
    let mut answer = confirm_link(V1, 1);
    // Only as an answer.
    s.drops(Slot::S0, &answer);
    answer[3] |= 0x80;
    assert_eq!(s.take(Slot::S0, &answer), None);
    assert_eq!(s.act(), Action::FirstContact(Ok(())));
    assert_eq!(s.act(), Action::LinkActive(Slot::S0));
    let link = s.g.link(Slot::S0);
    assert_eq!(link.peer_uid(), LinkUid([9, 9, 9, 1]));
    assert_eq!(link.uid(), LinkUid([0, 0, 0, 1]));
    assert_eq!(s.g.find_link(LinkNum(1)), Some(Slot::S0));
    // It goes for the second link by itself.
    assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
    assert!(s.g.owed().caller);
}

#[test]
fn the_client_answers_when_its_queue_pair_is_up() {
    let mut s = Solo::new(Client, V2, 1);
    s.rest();
    assert_eq!(s.g.poll_timeout(), Some(Millis(4_000)));
    assert_eq!(s.take(Slot::S0, &confirm_link(V2, 7)), None);
    // Before the caller even knows, or twice: of no effect.
    s.g.link_enabled(s.now, Slot::S0, true);
    s.drops(Slot::S0, &confirm_link(V2, 7));
    assert_eq!(s.act(), Action::EnableLink(Slot::S0));
    assert_eq!(s.g.poll_timeout(), None);
    s.g.link_enabled(s.now, Slot::S0, true);
    let m = s.sent();
    assert_eq!(m[..4], [0x21, 44, 0, 0x83]);
    let Body::ConfirmLink(c) = Message::parse(&m).unwrap().body else {
        panic!()
    };
    assert_eq!(c.link, LinkNum(7));
    assert_eq!(c.uid, LinkUid([0, 0, 1, 7]));
    assert_eq!((c.max_links, c.max_conns), (1, 255));
    assert_eq!(s.act(), Action::FirstContact(Ok(())));
    assert_eq!(s.act(), Action::LinkActive(Slot::S0));
    s.rest();
}

#[test]
fn the_peers_byte_order_is_learned() {
    for side in Side::BOTH {
        let mut s = Solo::new(side, V2, 1);
        let mut m = confirm_link(VBE, 1);
        assert_eq!(m[1..3], [0, 44]);
        if side == Server {
            assert_eq!(s.sent()[1..3], [44, 0]);
            m[3] |= 0x80;
            s.take(Slot::S0, &m);
        } else {
            s.take(Slot::S0, &m);
            s.g.poll_action();
            s.g.link_enabled(s.now, Slot::S0, true);
            assert_eq!(s.sent()[1..3], [0, 44]);
        }
        s.g.terminate(s.now, DeleteReason::Program);
        assert_eq!(s.sent()[1..3], [0, 44]);
    }
}

#[test]
fn first_contacts_fail() {
    // (what happens, what is said)
    type Case = (Side, fn(&mut Solo), FirstError);
    let cases: [Case; 9] = [
        (Server, |s| s.time(), FirstError::Timeout),
        (Client, |s| s.time(), FirstError::Timeout),
        (
            Server,
            |s| {
                let mut m = confirm_link(V1, 1);
                m[3] = 0x80;
                s.take(Slot::S0, &m);
            },
            FirstError::EyeCatcher,
        ),
        (
            Client,
            |s| {
                let mut m = confirm_link(V1, 1);
                m[3] = 0;
                s.take(Slot::S0, &m);
            },
            FirstError::EyeCatcher,
        ),
        (
            Client,
            |s| {
                s.take(Slot::S0, &confirm_link(V1, 1));
                assert_eq!(s.act(), Action::EnableLink(Slot::S0));
                s.g.link_enabled(s.now, Slot::S0, false);
            },
            FirstError::NotReady,
        ),
        (
            Server,
            |s| s.g.link_down(s.now, Slot::S0),
            FirstError::LinkDown,
        ),
        (
            Client,
            |s| s.g.link_down(s.now, Slot::S0),
            FirstError::LinkDown,
        ),
        (
            Client,
            |s| s.g.terminate(s.now, DeleteReason::Program),
            FirstError::Ended,
        ),
        (
            Client,
            |s| {
                s.take(Slot::S0, &confirm_link(V1, 1));
                assert_eq!(s.act(), Action::EnableLink(Slot::S0));
                s.g.link_enabled(s.now, Slot::S0, true);
                // No room for the message.
                assert_eq!(
                    s.g.poll_transmit(s.now, &s.keys, &mut [0; LLC_LEN - 1]),
                    None
                );
            },
            FirstError::NotReady,
        ),
    ];
    for (n, (side, happens, why)) in cases.into_iter().enumerate() {
        let mut s = Solo::new(side, V1, 2);
        if side == Server {
            s.sent();
        }
        happens(&mut s);
        assert_eq!(s.act(), Action::FirstContact(Err(why)), "case {n}");
        assert_eq!(s.act(), Action::FreeLink(Slot::S0));
        assert!(matches!(s.act(), Action::Ended(_)));
        s.g.link_freed(s.now, Slot::S0);
        assert_eq!(s.g.link(Slot::S0).state(), LinkState::Unused);
        s.rest();
        assert!(s.g.is_ended());
        assert_eq!(s.g.poll_timeout(), None);
        s.drops(Slot::S0, &confirm_link(V1, 1));
        assert_eq!(s.announce(1), Err(RkeyError::Refused));
        assert_eq!(s.g.drop_rmb(s.now, rmb(0)), Dropped::Free);
        assert_eq!(s.g.add_link(s.now, None), Err(AddError::Full));
    }
}

#[test]
fn nothing_but_confirm_link_begins_a_group() {
    let mut s = Solo::new(Server, V2, 2);
    s.sent();
    s.drops(Slot::S0, &add_link(V2, 0, 1));
    s.drops(
        Slot::S0,
        &delete_link(V2, Flags::DELETE_ALL, 0, DeleteReason::Program),
    );
    s.drops(Slot::S1, &confirm_link(V2, 1));
    // The first contact begins once.
    s.g.first_contact(s.now);
    s.g.set_peer(end(9, 9, 9));
    assert_eq!(s.g.link(Slot::S0).peer(), &end(2, 0, 0x21));
    s.rest();
}

// Keepalive.

fn with_keepalive(side: Side, links: u8) -> Solo {
    let mut c = config(side, V1, links);
    c.times = Times {
        test_link: 30_000,
        ..times()
    };
    let mut s = Solo::up(side, V1, links);
    let mut g = Group::new(c, end(1, 0, 0x11), end(2, 0, 0x21));
    g.first_contact(Millis(0));
    s.g = g;
    s.sent();
    let mut answer = confirm_link(V1, 1);
    answer[3] |= 0x80;
    s.take(Slot::S0, &answer);
    s.act();
    s.act();
    s
}

#[test]
fn a_silent_link_is_tested_and_lost() {
    let mut s = with_keepalive(Server, 1);
    assert_eq!(s.g.poll_timeout(), Some(Millis(30_000)));
    s.g.handle_timeout(Millis(29_999));
    s.rest();
    s.time();
    let m = s.sent();
    assert_eq!(m, [&[7, 44, 0, 0][..], &[0; 40]].concat());
    let mut answer = m.clone();
    answer[3] = 0x80;
    s.now = Millis(31_000);
    assert_eq!(s.take(Slot::S0, &answer), None);
    assert_eq!(s.g.poll_timeout(), Some(Millis(61_000)));
    // Anything else that is heard will do.
    s.g.heard(Millis(50_000), Slot::S0);
    assert_eq!(s.g.poll_timeout(), Some(Millis(80_000)));
    s.time();
    s.sent();
    s.g.heard(Millis(81_000), Slot::S0);
    assert_eq!(s.g.poll_timeout(), Some(Millis(111_000)));
    s.time();
    s.sent();
    assert_eq!(s.g.poll_timeout(), Some(Millis(113_000)));
    s.time();
    assert_eq!(s.act(), Action::FreeLink(Slot::S0));
    assert_eq!(s.act(), Action::Ended(EndReason::LostPath));
}

#[test]
fn tests_are_answered_whatever_runs() {
    let echo = |s: &mut Solo| {
        let mut m = vec![7, 44, 0, 0];
        m.extend([0x5a; 40]);
        let reply = s.take(Slot::S0, &m).unwrap();
        m[3] = 0x80;
        assert_eq!(reply, m);
    };
    let mut s = Solo::new(Server, V1, 2);
    echo(&mut s);
    let mut s = Solo::adding(Server, V1);
    echo(&mut s);
    s.sent();
    echo(&mut s);
    let mut s = Solo::up(Client, V1, 1);
    echo(&mut s);
    s.g.terminate(s.now, DeleteReason::Program);
    echo(&mut s);
}

// Single link groups.

#[test]
fn a_single_group_rejects_every_link() {
    let mut s = Solo::up(Client, V1, 1);
    let offer = add_link(V1, 2, 1);
    let reply = s.take(Slot::S0, &offer).unwrap();
    let mut want = offer.clone();
    want[2] = 1;
    want[3] = 0xc0;
    assert_eq!(reply, want);
    s.rest();

    let mut s = Solo::up(Client, V2, 1);
    let reply = s.take(Slot::S0, &add_link(V2, 2, 1)).unwrap();
    assert_eq!(reply[..4], [0x22, 44, 0, 0xc0]);
    s.rest();
    assert_eq!(
        s.g.add_link(s.now, Some(Hint::default())),
        Err(AddError::Full)
    );

    // As a server it has nothing to offer.
    let mut s = Solo::up(Server, V1, 1);
    s.rest();
    assert_eq!(s.take(Slot::S0, &add_link(V1, 0, 1)), None);
    s.rest();
    let mut s = Solo::up(Server, V2, 1);
    let reply = s.take(Slot::S0, &req_add_link()).unwrap();
    assert_eq!(reply, [&[0x25, 44, 0, 0x80][..], &[0; 40]].concat());
    s.rest();
    assert_eq!(s.g.add_link(s.now, None), Err(AddError::Full));
}

#[test]
fn a_client_that_does_not_know_is_told_that_no_link_comes() {
    for (max_conns, told) in [(0, true), (255, false)] {
        let mut s = Solo::new(Server, V1, 1);
        let c = Config {
            max_conns,
            ..config(Server, V1, 1)
        };
        s.g = Group::new(c, end(1, 0, 0x11), end(2, 0, 0x21));
        s.g.first_contact(s.now);
        let mut answer = s.sent();
        answer[3] |= 0x80;
        s.take(Slot::S0, &answer);
        s.act();
        s.act();
        if told {
            let offer = s.sent();
            assert_eq!(offer[..4], [2, 44, 0, 0]);
            // No MTU: every client rejects that at once, ours included.
            assert_eq!(offer[32], 0);
            let mut client = Solo::up(Client, V1, 2);
            let no = client.take(Slot::S0, &offer).unwrap();
            assert_eq!(no[3], 0xc0);
            client.rest();
            s.drops(Slot::S0, &no);
        }
        s.rest();
        assert_eq!(s.g.redundancy(), Redundancy::Single);
        assert_eq!(s.announce(1), Ok(Announce::Ready));
    }
}

fn req_add_link() -> Vec<u8> {
    let m = ReqAddLink {
        reserved: &[0; 20],
        count: 1,
        reserved2: &[0; 3],
        gid_bytes: &[7; 16],
    };
    message(V2, Flags::REQUEST, Body::ReqAddLink(m))
}

#[test]
fn a_single_group_skips_confirm_rkey_and_owes_delete_rkey_once() {
    let mut s = Solo::up(Server, V1, 1);
    for _ in 0..3 {
        assert_eq!(s.announce(1), Ok(Announce::Ready));
    }
    s.rest();
    // Never announced: nothing is owed.
    assert_eq!(s.g.drop_rmb(s.now, rmb(2)), Dropped::Free);
    assert_eq!(s.g.drop_rmb(s.now, rmb(1)), Dropped::Wait);
    assert_eq!(s.g.drop_rmb(s.now, rmb(1)), Dropped::Wait);
    assert_eq!(s.announce(1), Err(RkeyError::Dropping));
    let m = s.sent();
    let key = token(Server, rmb(1), 0x11).rkey.0.to_be_bytes();
    assert_eq!(m[..8], [9, 44, 0, 0, 1, 0, 0, 0]);
    assert_eq!(m[8..12], key);
    let mut answer = m.clone();
    answer[3] = 0x80;
    // Only as an answer on that link, once.
    s.drops(Slot::S1, &answer);
    assert_eq!(s.take(Slot::S0, &answer), None);
    assert_eq!(s.act(), Action::RkeyGone(rmb(1)));
    s.drops(Slot::S0, &answer);
    assert_eq!(s.g.drop_rmb(s.now, rmb(1)), Dropped::Free);
    // A negative answer, or none: gone all the same.
    for happens in [
        |s: &mut Solo, mut m: Vec<u8>| {
            m[3] = 0xa0;
            s.take(Slot::S0, &m);
        },
        |s: &mut Solo, _| s.time(),
    ] {
        s.announce(1).unwrap();
        s.g.drop_rmb(s.now, rmb(1));
        let m = s.sent();
        happens(&mut s, m);
        assert_eq!(s.act(), Action::RkeyGone(rmb(1)));
        s.rest();
    }
    // A key that is missing can't be named; the RMB goes without.
    s.announce(1).unwrap();
    s.keys.missing.push(rmb(1));
    s.g.drop_rmb(s.now, rmb(1));
    s.rest_but(Action::RkeyGone(rmb(1)));
}

impl Solo {
    fn rest_but(&mut self, action: Action) {
        assert_eq!(self.poll(), None);
        assert_eq!(self.act(), action);
        self.rest();
    }
}

// Keys with two links.

#[test]
fn two_links_need_confirm_rkey() {
    let mut s = Solo::double(Server, V2);
    assert_eq!(s.announce(3), Ok(Announce::Wait));
    assert_eq!(s.announce(3), Ok(Announce::Wait));
    assert_eq!(s.g.owed().waiting, 1);
    let m = s.sent();
    let parsed = Message::parse(&m).unwrap();
    let Body::ConfirmRkey(c) = parsed.body else {
        panic!()
    };
    assert_eq!(c.here, token(Server, rmb(3), 0x11));
    assert_eq!(c.count, 1);
    let other = LinkKey {
        link: LinkNum(2),
        token: token(Server, rmb(3), 0x12),
    };
    assert_eq!(c.others().collect::<Vec<_>>(), [other]);
    let mut answer = m.clone();
    answer[3] = 0x80;
    // Another RMB's answer, come late.
    let mut late = answer.clone();
    late[8] ^= 1;
    s.drops(Slot::S0, &late);
    assert_eq!(s.take(Slot::S0, &answer), None);
    assert_eq!(s.act(), Action::RkeyUsable(rmb(3)));
    s.rest();
    // Once is enough.
    assert_eq!(s.announce(3), Ok(Announce::Ready));

    // No.
    s.announce(4).unwrap();
    let mut no = s.sent();
    no[3] = 0xb0;
    s.take(Slot::S0, &no);
    assert_eq!(s.act(), Action::RkeyRefused(rmb(4), RkeyError::Refused));
    // The peer does not know it.
    assert_eq!(s.g.drop_rmb(s.now, rmb(4)), Dropped::Free);
    // No answer; the peer may know it.
    s.announce(5).unwrap();
    s.sent();
    s.time();
    assert_eq!(s.act(), Action::RkeyRefused(rmb(5), RkeyError::Timeout));
    assert_eq!(s.g.drop_rmb(s.now, rmb(5)), Dropped::Wait);
    let mut answer = s.sent();
    assert_eq!(answer[..4], [0x29, 44, 0, 0]);
    answer[3] = 0x80;
    s.take(Slot::S0, &answer);
    assert_eq!(s.act(), Action::RkeyGone(rmb(5)));
    // Not registered.
    s.keys.missing.push(rmb(6));
    s.announce(6).unwrap();
    s.rest_but(Action::RkeyRefused(rmb(6), RkeyError::Refused));
}

#[test]
fn dropping_takes_an_announcement_back() {
    let mut s = Solo::double(Client, V1);
    // Not sent yet, but under way.
    s.announce(1).unwrap();
    s.announce(2).unwrap();
    assert_eq!(s.g.drop_rmb(s.now, rmb(2)), Dropped::Free);
    assert_eq!(s.g.drop_rmb(s.now, rmb(1)), Dropped::Wait);
    let mut answer = s.sent();
    answer[3] = 0x80;
    s.take(Slot::S0, &answer);
    // No answer to the announcement; the deletion follows.
    assert_eq!(s.g.poll_action(), None);
    let mut answer = s.sent();
    assert_eq!(answer[0], 9);
    answer[3] = 0x80;
    s.take(Slot::S0, &answer);
    s.rest_but(Action::RkeyGone(rmb(1)));
}

#[test]
fn an_exchange_moves_to_another_link() {
    let mut s = Solo::double(Client, V1);
    s.announce(1).unwrap();
    assert_eq!(s.poll().unwrap().0, Slot::S0);
    s.g.link_down(s.now, Slot::S0);
    assert_eq!(s.act(), Action::LinkLost(Slot::S0));
    assert_eq!(s.act(), Action::FreeLink(Slot::S0));
    // The deletion is told, and the key again, over the other link.
    let (slot, m) = s.poll().unwrap();
    assert_eq!(slot, Slot::S1);
    assert_eq!(delete_of(&m), (0x20, 1, DeleteReason::LostPath));
    let (slot, m) = s.poll().unwrap();
    assert_eq!((slot, m[0]), (Slot::S1, 6));
    let Body::ConfirmRkey(c) = Message::parse(&m).unwrap().body else {
        panic!()
    };
    assert_eq!((c.count, c.here), (0, token(Client, rmb(1), 0x12)));
    // What the server orders then is done already.
    let order = delete_link(V1, Flags::ORDERLY, 1, DeleteReason::LostPath);
    let reply = s.take(Slot::S1, &order).unwrap();
    assert_eq!(delete_of(&reply), (0xa0, 1, DeleteReason::UnknownLink));
    // The queue pair may still take writes until it is destroyed.
    let mut answer = m;
    answer[3] = 0x80;
    s.take(Slot::S1, &answer);
    assert_eq!(s.act(), Action::RkeyUsable(rmb(1)));
    s.announce(2).unwrap();
    assert_eq!(s.sent()[0], 6);
    s.g.link_freed(s.now, Slot::S0);
    assert_eq!(s.announce(3), Ok(Announce::Ready));
}

#[test]
fn announcements_that_wait_for_a_link_to_go_need_no_message() {
    let mut s = Solo::double(Client, V1);
    let order = delete_link(V1, Flags::ORDERLY, 1, DeleteReason::Operator);
    let reply = s.take(Slot::S1, &order).unwrap();
    assert_eq!(delete_of(&reply), (0xa0, 1, DeleteReason::None));
    assert_eq!(s.act(), Action::LinkLost(Slot::S0));
    assert_eq!(s.act(), Action::FreeLink(Slot::S0));
    assert_eq!(s.g.redundancy(), Redundancy::Single);
    s.announce(1).unwrap();
    s.announce(2).unwrap();
    assert_eq!(s.sent()[0], 6);
    s.g.link_freed(s.now, Slot::S0);
    s.time();
    // The one that was under way got no answer; the other one needs none.
    assert_eq!(s.act(), Action::RkeyUsable(rmb(2)));
    assert_eq!(s.act(), Action::RkeyRefused(rmb(1), RkeyError::Timeout));
    s.rest();
}

#[test]
fn the_peers_keys_are_taken_in() {
    let mut s = Solo::double(Server, V1);
    let other = LinkKey {
        link: LinkNum(2),
        token: rtoken(0x22),
    };
    let unknown = LinkKey {
        link: LinkNum(9),
        token: rtoken(0x99),
    };
    let m = confirm_rkey(2, rtoken(0x21), [unknown, other]);
    let mut want = m.clone();
    want[3] = 0x80;
    assert_eq!(s.take(Slot::S0, &m).unwrap(), want);
    let row = PeerTable::new(&mut s.rows)
        .add(Slot::S0, rtoken(0x21))
        .unwrap();
    let table = PeerTable::new(&mut s.rows);
    assert_eq!(table.token(row, Slot::S1), Some(rtoken(0x22)));
    assert_eq!(table.token(row, Slot::S2), None);
    // More links than there can be: no, try again.
    let m = confirm_rkey(4, rtoken(0x31), no_others());
    assert_eq!(s.take(Slot::S0, &m).unwrap()[3], 0xb0);
    // The table is full.
    for n in 0..4 {
        let m = confirm_rkey(0, rtoken(0x41 + n), no_others());
        let flags = s.take(Slot::S0, &m).unwrap()[3];
        assert_eq!(flags, if n < 3 { 0x80 } else { 0xb0 });
    }
    // Taken back, by its key on the other link.
    let keys = [0x22u32, 0x77].map(u32::to_be_bytes).concat();
    let mut key_bytes = [0; 36];
    key_bytes[..8].copy_from_slice(&keys);
    let m = message(
        V1,
        Flags::REQUEST,
        Body::DeleteRkey(DeleteRkey::new(2, &key_bytes, false)),
    );
    let reply = s.take(Slot::S1, &m).unwrap();
    assert_eq!(reply[3..6], [0xa0, 2, 0x40]);
    let table = PeerTable::new(&mut s.rows);
    assert_eq!(table.token(row, Slot::S0), None);
    s.rest();
}

// Adding links.

#[test]
fn add_link_tells_all_keys_in_v2() {
    let mut s = Solo::up(Server, V2, 2);
    // It is being added already: wait.
    assert_eq!(s.announce(1), Ok(Announce::Wait));
    assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
    s.g.link_prepared(s.now, Slot::S1, Err(AddError::NoPort));
    // There is no port; no exchange either.
    s.rest_but(Action::RkeyUsable(rmb(1)));
    s.announce(2).unwrap();
    s.g.proven(rmb(2));
    s.g.add_link(s.now, None).unwrap();
    assert_eq!(
        s.g.add_link(s.now, None),
        Err(AddError::Full),
        "one at a time"
    );
    s.prepare(Slot::S1, 1);
    // RMB 1 may not be known yet: that first. RMB 2 has been used.
    let mut m = s.sent();
    assert_eq!(m[0], 0x26);
    let Body::ConfirmRkey(c) = Message::parse(&m).unwrap().body else {
        panic!()
    };
    assert_eq!(c.here, token(Server, rmb(1), 0x11));
    m[3] = 0x80;
    s.take(Slot::S0, &m);
    let m = s.sent();
    let Body::AddLink(a) = Message::parse(&m).unwrap().body else {
        panic!()
    };
    let e = end(1, 1, 0x12);
    // Number 2 was that of the link that never was.
    assert_eq!(
        (a.mac, a.gid, a.qpn, a.link),
        (e.mac, e.gid, e.qpn, LinkNum(3))
    );
    assert_eq!((a.mtu, a.psn), (e.mtu, e.psn));
    let ext = a.ext.unwrap();
    assert_eq!(
        (ext.direct, ext.target_gid, ext.claimed()),
        (0x80, e.gid, 2)
    );
    let pairs: Vec<_> = ext.pairs().collect();
    for (n, pair) in [1, 2].into_iter().zip(&pairs) {
        assert_eq!(pair.known, token(Server, rmb(n), 0x11).rkey);
        assert_eq!(pair.new, token(Server, rmb(n), 0x12));
    }
    // The answer brings the client's.
    PeerTable::new(&mut s.rows).add(Slot::S0, rtoken(5));
    let mut keys = [0u8; 16];
    keys[..4].copy_from_slice(&5u32.to_be_bytes());
    keys[4..8].copy_from_slice(&6u32.to_be_bytes());
    keys[8..].copy_from_slice(&(6u64 << 16).to_be_bytes());
    s.take(Slot::S0, &add_link_with(V2, Flags::RESPONSE, 3, 1, &keys));
    let row = PeerTable::new(&mut s.rows)
        .add(Slot::S0, rtoken(5))
        .unwrap();
    let table = PeerTable::new(&mut s.rows);
    assert_eq!(table.token(row, Slot::S1), Some(rtoken(6)));
    assert_eq!(s.act(), Action::ConnectLink(Slot::S1));
    assert_eq!(s.g.link(Slot::S1).peer(), &end(2, 1, 0x23));
    s.g.link_connected(s.now, Slot::S1, true);
    let mut m = s.sent();
    m[3] |= 0x80;
    // On the old link it proves nothing.
    s.drops(Slot::S0, &m);
    s.take(Slot::S1, &m);
    assert_eq!(s.act(), Action::LinkActive(Slot::S1));
    assert_eq!(s.act(), Action::AddLink(Ok(Some(Slot::S1))));
    assert_eq!(s.g.redundancy(), Redundancy::Symmetric);
    assert_eq!(s.g.add_link(s.now, None), Err(AddError::Full));
    s.rest();
}

#[test]
fn add_link_tells_all_keys_in_turns_in_v1() {
    let mut s = Solo::up(Client, V1, 2);
    for n in 1..=3 {
        s.announce(n).unwrap();
        s.g.proven(rmb(n));
    }
    s.take(Slot::S0, &add_link(V1, 2, 1));
    s.prepare(Slot::S1, 1);
    let m = s.sent();
    assert_eq!(m[..4], [2, 44, 0, 0x80]);
    let cont = |remaining, link| {
        let m = AddLinkCont {
            link: LinkNum(link),
            remaining,
            reserved2: &[0; 2],
            pairs: [KeyPair::default(); 2],
            reserved: &[0; 4],
        };
        message(V1, Flags::REQUEST, Body::AddLinkCont(m))
    };
    s.drops(Slot::S0, &cont(0, 9));
    s.drops(Slot::S1, &cont(0, 2));
    s.take(Slot::S0, &cont(5, 2));
    s.drops(Slot::S0, &cont(5, 2));
    // 3, then 1, then none of this side, while the server has still some.
    for (remaining, first, theirs) in [(3, Some(1), 3), (1, Some(3), 1), (0, None, 0)] {
        let m = s.sent();
        assert_eq!(m[3], 0x80);
        let Body::AddLinkCont(c) = Message::parse(&m).unwrap().body else {
            panic!()
        };
        assert_eq!((c.link, c.remaining), (LinkNum(2), remaining));
        if let Some(n) = first {
            assert_eq!(c.pairs[0].known, token(Client, rmb(n), 0x11).rkey);
            assert_eq!(c.pairs[0].new, token(Client, rmb(n), 0x12));
        }
        if theirs > 0 {
            s.take(Slot::S0, &cont(theirs, 2));
        }
    }
    // Both have told all.
    s.drops(Slot::S0, &cont(0, 2));
    assert_eq!(s.g.owed().peer, Some(Millis(5_000)));
    s.take(Slot::S1, &confirm_link(V1, 2));
    assert_eq!(s.act(), Action::EnableLink(Slot::S1));
    s.g.link_enabled(s.now, Slot::S1, true);
    assert_eq!(s.sent()[..4], [1, 44, 0, 0x83]);
    assert_eq!(s.act(), Action::LinkActive(Slot::S1));
}

#[test]
fn keys_do_not_come_in_turns_for_ever() {
    let mut s = Solo::adding(Client, V1);
    s.sent();
    let m = AddLinkCont {
        link: LinkNum(2),
        remaining: 255,
        reserved2: &[0; 2],
        pairs: [KeyPair::default(); 2],
        reserved: &[0; 4],
    };
    let m = message(V1, Flags::REQUEST, Body::AddLinkCont(m));
    let mut rounds = 0;
    while s.g.owed().flow == FlowKind::AddLink {
        s.take(Slot::S0, &m);
        assert!(s.poll().is_some());
        rounds += 1;
        assert!(rounds < 200);
    }
    assert_eq!(rounds, 129);
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
}

#[test]
fn offers_of_no_use_are_rejected_at_once() {
    let reject = |s: &mut Solo, m: &[u8]| {
        let reply = s.take(Slot::S0, m).expect("a rejection");
        assert_eq!(reply[3], 0xc0);
        reply[2]
    };
    let mut s = Solo::up(Client, V1, 2);
    // No MTU.
    let mut m = add_link(V1, 2, 1);
    m[32] = 0;
    assert_eq!(reject(&mut s, &m), 2);
    // No number, one that is taken, the wrong version.
    assert_eq!(reject(&mut s, &add_link(V1, 0, 1)), 1);
    assert_eq!(reject(&mut s, &add_link(V1, 1, 1)), 1);
    let reply = s.take(Slot::S0, &add_link(V2, 2, 1)).unwrap();
    assert_eq!(reply[..4], [2, 44, 1, 0xc0]);
    s.rest();
    let mut s = Solo::double(Client, V1);
    assert_eq!(reject(&mut s, &add_link(V1, 3, 1)), 1);
    s.rest();
    // In version 2 an offer without keys would lose those of the server.
    let mut s = Solo::up(Client, V2, 2);
    reject(&mut s, &add_link(V2, 2, 1)[..LLC_LEN]);
    s.rest();
}

#[test]
fn an_offer_is_rejected_later_where_there_is_no_port() {
    let mut s = Solo::up(Client, V1, 2);
    s.take(Slot::S0, &add_link(V1, 2, 1));
    assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
    s.g.link_prepared(s.now, Slot::S1, Err(AddError::NoPort));
    let m = s.sent();
    assert_eq!(m[..4], [2, 44, 1, 0xc0]);
    assert_eq!(m[31], 2);
    s.rest();
    // Both ends on the ports of the first link.
    s.take(Slot::S0, &add_link(V1, 3, 0));
    s.prepare(Slot::S1, 0);
    assert_eq!(s.sent()[..4], [2, 44, 1, 0xc0]);
    s.rest_but(Action::FreeLink(Slot::S1));
}

#[test]
fn an_offer_waits_for_an_exchange_of_this_side() {
    // As smc_llc.c does with its own.
    let mut s = Solo::double(Client, V1);
    let order = delete_link(V1, Flags::ORDERLY, 2, DeleteReason::Operator);
    s.take(Slot::S0, &order);
    s.announce(1).unwrap();
    let mut confirm = s.sent();
    s.g.poll_action();
    s.g.poll_action();
    s.g.link_freed(s.now, Slot::S1);
    s.take(Slot::S0, &add_link(V1, 3, 1));
    assert_eq!(s.g.owed().waiting, 2);
    s.rest();
    confirm[3] = 0x80;
    s.take(Slot::S0, &confirm);
    // On to the offer before anything else.
    assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
    assert_eq!(s.act(), Action::RkeyUsable(rmb(1)));
}

#[test]
fn a_server_that_refuses_keys_for_the_time_being_is_asked_again() {
    // RFC 7609 §3.5.5.3.1: CONFIRM RKEY crosses ADD LINK, the answer is no.
    let mut s = Solo::double(Client, V1);
    let order = delete_link(V1, Flags::ORDERLY, 2, DeleteReason::Operator);
    s.take(Slot::S0, &order);
    s.announce(1).unwrap();
    let mut no = s.sent();
    no[3] = 0xb0;
    for _ in 0..2 {
        // The old link is not gone yet.
        s.take(Slot::S0, &no);
        assert_eq!(s.sent()[0], 6);
    }
    s.take(Slot::S0, &no);
    assert_eq!(s.act(), Action::LinkLost(Slot::S1));
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    assert_eq!(s.act(), Action::RkeyRefused(rmb(1), RkeyError::Refused));
    s.announce(1).unwrap();
    assert_eq!(s.sent()[0], 6);
    s.g.link_freed(s.now, Slot::S1);
    s.take(Slot::S0, &add_link(V1, 3, 1));
    s.take(Slot::S0, &no);
    // The offer first.
    s.prepare(Slot::S1, 1);
    assert_eq!(s.sent()[0], 2);
    assert_eq!(s.g.owed().flow, FlowKind::AddLink);
    // When it fails, the key again; it needs no message any more.
    s.time();
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    assert_eq!(
        delete_of(&s.poll().unwrap().1),
        (0, 3, DeleteReason::LostPath)
    );
    assert_eq!(s.sent()[0], 6);
}

#[test]
fn no_link_is_added_where_keys_can_not_be_told() {
    for side in Side::BOTH {
        for refuse in [true, false] {
            let mut s = Solo::up(side, V2, 2);
            if side == Server {
                assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
                s.g.link_prepared(s.now, Slot::S1, Err(AddError::NoPort));
            }
            s.announce(1).unwrap();
            if side == Server {
                s.g.add_link(s.now, None).unwrap();
            } else {
                s.take(Slot::S0, &add_link(V2, 2, 1));
            }
            s.prepare(Slot::S1, 1);
            let mut m = s.sent();
            assert_eq!(m[0], 0x26);
            if refuse {
                m[3] = 0xb0;
                s.take(Slot::S0, &m);
            } else {
                s.time();
            }
            if side == Client {
                assert_eq!(s.sent()[..4], [0x22, 44, 0, 0xc0]);
            }
            assert_eq!(s.poll(), None);
            assert_eq!(s.act(), Action::FreeLink(Slot::S1));
            if side == Server {
                assert_eq!(s.act(), Action::AddLink(Err(AddError::Keys)));
            }
            s.rest();
        }
        // Not registered on the new link.
        let mut s = Solo::up(side, V2, 2);
        if side == Server {
            assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
            s.g.link_prepared(s.now, Slot::S1, Err(AddError::NoPort));
        }
        s.announce(1).unwrap();
        s.g.proven(rmb(1));
        if side == Server {
            s.g.add_link(s.now, None).unwrap();
        } else {
            s.take(Slot::S0, &add_link(V2, 2, 1));
        }
        s.prepare(Slot::S1, 1);
        s.keys.missing.push(rmb(1));
        let m = s.poll();
        assert_eq!(m.is_some(), side == Client, "a rejection: {m:?}");
        assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    }
}

#[test]
fn a_new_offer_takes_the_place_of_the_old_one() {
    let mut s = Solo::adding(Client, V2);
    s.sent();
    s.take(Slot::S0, &add_link(V2, 3, 1));
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    s.prepare(Slot::S2, 1);
    assert_eq!(s.sent()[31], 3);
    // No place is left for a third one.
    let reply = s.take(Slot::S0, &add_link(V2, 4, 1)).unwrap();
    assert_eq!(reply[3], 0xc0);
    // One that waits is replaced, too.
    let mut s = Solo::up(Client, V2, 2);
    s.announce(1).unwrap();
    s.g.drop_rmb(s.now, rmb(1));
    s.sent();
    s.take(Slot::S0, &add_link(V2, 2, 1));
    s.take(Slot::S0, &add_link(V2, 3, 1));
    // And taken back.
    let order = delete_link(V2, Flags::REQUEST, 3, DeleteReason::LostPath);
    let reply = s.take(Slot::S0, &order).unwrap();
    assert_eq!(delete_of(&reply), (0x80, 3, DeleteReason::None));
    s.time();
    s.rest_but(Action::RkeyGone(rmb(1)));
    // With it goes the wish that it was the answer to.
    let mut s = Solo::up(Client, V2, 2);
    s.announce(1).unwrap();
    s.g.add_link(s.now, Some(Hint::default())).unwrap();
    s.sent();
    s.g.drop_rmb(s.now, rmb(1));
    s.take(Slot::S0, &add_link(V2, 3, 1));
    assert_eq!(s.sent()[0], 0x29);
    s.take(Slot::S0, &order);
    s.rest_but(Action::AddLink(Err(AddError::Withdrawn)));
}

#[test]
fn the_server_hears_no() {
    let mut s = Solo::adding(Server, V1);
    let mut m = s.sent();
    m[2] = 1;
    m[3] = 0xc0;
    s.drops(Slot::S1, &m);
    s.take(Slot::S0, &m);
    // Nobody asked: no answer but the link's end.
    s.rest_but(Action::FreeLink(Slot::S1));
    s.g.link_freed(s.now, Slot::S1);
    s.g.add_link(s.now, None).unwrap();
    s.prepare(Slot::S1, 1);
    let mut m = s.sent();
    m[2] = 1;
    m[3] = 0xc0;
    s.take(Slot::S0, &m);
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    let why = AddError::Rejected(Some(RejectReason::NoAlternatePath));
    s.rest_but(Action::AddLink(Err(why)));
}

#[test]
fn answers_that_make_no_sense_end_the_exchange() {
    type Spoil = fn(&mut Vec<u8>);
    let cases: [(u8, Spoil); 4] = [
        (1, |m| m[31] = 9),
        (1, |m| m[32] = 0),
        (1, |m| m.truncate(LLC_LEN)),
        // Both ports are those of the first link.
        (0, |m| m[12..28].copy_from_slice(&end(2, 0, 0).gid.0)),
    ];
    for (port, spoil) in cases {
        let mut s = Solo::up(Server, V2, 2);
        s.prepare(Slot::S1, port);
        s.sent();
        let mut m = answer_add(V2, 2, 1);
        spoil(&mut m);
        s.take(Slot::S0, &m);
        let m = s.sent();
        assert_eq!(delete_of(&m), (0, 2, DeleteReason::LostPath));
        s.rest_but(Action::FreeLink(Slot::S1));
    }
}

#[test]
fn each_step_of_the_server_may_fail() {
    let start = || {
        let mut s = Solo::adding(Server, V2);
        s.sent();
        s
    };
    let told = |s: &mut Solo| {
        assert_eq!(delete_of(&s.sent()), (0, 2, DeleteReason::LostPath));
        s.rest_but(Action::FreeLink(Slot::S1));
    };
    // No answer to the offer.
    let mut s = start();
    s.time();
    told(&mut s);
    // The queue pair.
    let mut s = start();
    s.take(Slot::S0, &answer_add(V2, 2, 1));
    s.g.link_connected(s.now, Slot::S1, true);
    assert_eq!(s.act(), Action::ConnectLink(Slot::S1));
    s.g.link_connected(s.now, Slot::S0, true);
    s.g.link_connected(s.now, Slot::S1, false);
    told(&mut s);
    // CONFIRM LINK is not answered.
    let mut s = start();
    s.take(Slot::S0, &answer_add(V2, 2, 1));
    s.act();
    s.g.link_connected(s.now, Slot::S1, true);
    s.sent();
    assert_eq!(s.g.owed().peer, Some(Millis(5_000)));
    s.time();
    told(&mut s);
    // The new link fails.
    let mut s = start();
    s.g.link_down(s.now, Slot::S1);
    told(&mut s);
    // The client takes it back.
    let mut s = start();
    let m = delete_link(V2, Flags::REQUEST, 2, DeleteReason::LostPath);
    assert_eq!(s.take(Slot::S0, &m), None);
    s.rest_but(Action::FreeLink(Slot::S1));
}

#[test]
fn each_step_of_the_client_may_fail() {
    let start = || {
        let mut s = Solo::adding(Client, V2);
        s.sent();
        s
    };
    let told = |s: &mut Solo| {
        assert_eq!(delete_of(&s.sent()), (0, 2, DeleteReason::LostPath));
        s.rest_but(Action::FreeLink(Slot::S1));
    };
    let mut s = start();
    assert_eq!(s.g.owed().peer, Some(Millis(5_000)));
    s.time();
    told(&mut s);
    let mut s = start();
    s.take(Slot::S1, &confirm_link(V2, 2));
    assert_eq!(s.act(), Action::EnableLink(Slot::S1));
    s.g.link_enabled(s.now, Slot::S0, true);
    s.g.link_enabled(s.now, Slot::S1, false);
    told(&mut s);
    let mut s = start();
    let order = delete_link(V2, Flags::REQUEST, 2, DeleteReason::LostPath);
    let reply = s.take(Slot::S0, &order).unwrap();
    assert_eq!(delete_of(&reply), (0x80, 2, DeleteReason::None));
    s.rest_but(Action::FreeLink(Slot::S1));
    // While the caller is still at it.
    let mut s = Solo::up(Client, V2, 2);
    s.take(Slot::S0, &add_link(V2, 2, 1));
    assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
    s.take(Slot::S0, &order);
    assert_eq!(s.g.link(Slot::S1).state(), LinkState::Abandoned);
    s.g.link_down(s.now, Slot::S1);
    assert_eq!(s.announce(1), Ok(Announce::Wait));
    s.sent();
    s.g.link_prepared(s.now, Slot::S1, Ok(end(1, 1, 0x12)));
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    s.g.link_prepared(s.now, Slot::S1, Ok(end(1, 1, 0x12)));
    s.g.link_freed(s.now, Slot::S1);
    s.take(Slot::S0, &add_link(V2, 3, 1));
    s.time();
    assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
    s.take(
        Slot::S0,
        &delete_link(V2, Flags::REQUEST, 3, DeleteReason::LostPath),
    );
    s.g.link_prepared(s.now, Slot::S1, Err(AddError::NoPort));
    assert_eq!(s.g.link(Slot::S1).state(), LinkState::Unused);
}

// Asking for links.

#[test]
fn the_client_asks_for_a_link() {
    let hint = Hint {
        mac: Mac([6; 6]),
        gid: Gid([6; 16]),
    };
    let mut s = Solo::up(Client, V2, 2);
    assert_eq!(s.g.add_link(s.now, None), Err(AddError::NoPort));
    s.g.add_link(s.now, Some(hint)).unwrap();
    let m = s.sent();
    let Body::ReqAddLink(q) = Message::parse(&m).unwrap().body else {
        panic!()
    };
    assert_eq!(q.gids().collect::<Vec<_>>(), [end(1, 0, 0).gid, hint.gid]);
    assert_eq!(s.g.owed().flow, FlowKind::RequestAddLink);
    // No.
    s.take(Slot::S0, &message(V2, Flags::RESPONSE, none()));
    s.rest_but(Action::AddLink(Err(AddError::Declined)));
    // Yes.
    s.g.add_link(s.now, Some(hint)).unwrap();
    s.sent();
    s.take(Slot::S0, &add_link(V2, 2, 1));
    s.prepare(Slot::S1, 1);
    s.sent();
    s.take(Slot::S1, &confirm_link(V2, 2));
    assert_eq!(s.act(), Action::EnableLink(Slot::S1));
    s.g.link_enabled(s.now, Slot::S1, true);
    s.sent();
    assert_eq!(s.act(), Action::LinkActive(Slot::S1));
    s.rest_but(Action::AddLink(Ok(Some(Slot::S1))));
    // Silence.
    let mut s = Solo::up(Client, V2, 2);
    s.g.add_link(s.now, Some(hint)).unwrap();
    s.sent();
    s.time();
    s.rest_but(Action::AddLink(Err(AddError::Timeout)));
    // Version 1 has a hint for it, and no answer.
    let mut s = Solo::up(Client, V1, 2);
    s.g.add_link(s.now, Some(hint)).unwrap();
    let m = s.sent();
    let Body::AddLink(a) = Message::parse(&m).unwrap().body else {
        panic!()
    };
    assert_eq!((a.mac, a.gid), (hint.mac, hint.gid));
    assert_eq!((a.qpn.get(), a.link, a.mtu.bits()), (0, LinkNum(0), 0));
    s.rest_but(Action::AddLink(Ok(None)));
    // No room for the message.
    let mut s = Solo::up(Client, V2, 2);
    s.g.add_link(s.now, Some(hint)).unwrap();
    assert_eq!(s.g.poll_transmit(s.now, &s.keys, &mut [0; 50]), None);
    s.rest_but(Action::AddLink(Err(AddError::NoPort)));
}

fn none() -> Body<'static> {
    Body::ReqAddLink(ReqAddLink {
        reserved: &[0; 20],
        count: 0,
        reserved2: &[0; 3],
        gid_bytes: &[],
    })
}

#[test]
fn the_server_always_answers_who_asks() {
    let refused = [&[0x25, 44, 0, 0x80][..], &[0; 40]].concat();
    // It has no port.
    let mut s = Solo::up(Server, V2, 2);
    assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
    assert_eq!(s.take(Slot::S0, &req_add_link()), None);
    s.g.link_prepared(s.now, Slot::S1, Err(AddError::NoPort));
    assert_eq!(s.sent(), refused);
    // It has one: the offer is the answer.
    assert_eq!(s.take(Slot::S0, &req_add_link()), None);
    s.prepare(Slot::S1, 1);
    assert_eq!(s.sent()[0], 0x22);
    // Another one crosses the offer.
    assert_eq!(s.take(Slot::S0, &req_add_link()), None);
    s.take(Slot::S0, &answer_add(V2, 3, 1));
    // One that did not.
    assert_eq!(s.take(Slot::S0, &req_add_link()), Some(refused.clone()));
    // It has enough.
    let mut s = Solo::double(Server, V2);
    s.take(Slot::S1, &req_add_link());
    assert_eq!(s.sent(), refused);
    // It is busy: the answer comes later.
    s.announce(1).unwrap();
    let mut m = s.sent();
    assert_eq!(s.take(Slot::S1, &req_add_link()), None);
    s.rest();
    m[3] = 0x80;
    s.take(Slot::S0, &m);
    assert_eq!(s.sent(), refused);
    // A client is asked for nothing.
    let mut s = Solo::up(Client, V2, 2);
    s.drops(Slot::S0, &req_add_link());
    s.drops(Slot::S0, &message(V2, Flags::RESPONSE, none()));
}

#[test]
fn a_hint_of_the_client_waits_or_is_served_already() {
    let mut s = Solo::up(Server, V1, 2);
    assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
    s.drops(Slot::S0, &add_link(V1, 0, 1));
    s.g.link_prepared(s.now, Slot::S1, Err(AddError::NoPort));
    s.announce(1).unwrap();
    s.g.drop_rmb(s.now, rmb(1));
    let mut m = s.sent();
    s.take(Slot::S0, &add_link(V1, 0, 1));
    assert_eq!(s.g.poll_action(), None);
    m[3] = 0x80;
    s.take(Slot::S0, &m);
    assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
}

// Deleting links.

#[test]
fn the_server_deletes_a_link() {
    let mut s = Solo::double(Server, V1);
    s.g.delete_link(s.now, Slot::S0, DeleteReason::Operator);
    assert_eq!(s.act(), Action::LinkLost(Slot::S0));
    assert_eq!(s.act(), Action::DrainLink(Slot::S0));
    s.rest();
    assert_eq!(s.g.active_link(), Some(Slot::S1));
    s.g.link_drained(s.now, Slot::S1);
    s.g.link_drained(s.now, Slot::S0);
    let (slot, mut m) = s.poll().unwrap();
    assert_eq!(slot, Slot::S1);
    assert_eq!(delete_of(&m), (0x20, 1, DeleteReason::Operator));
    m[3] |= 0x80;
    s.drops(Slot::S0, &m);
    s.take(Slot::S1, &m);
    assert_eq!(s.act(), Action::FreeLink(Slot::S0));
    // Another one is wanted in its place.
    assert_eq!(s.act(), Action::PrepareLink(Slot::S2));
    assert_eq!(s.g.redundancy(), Redundancy::Single);
    // Links that are not active are not deleted.
    s.g.delete_link(s.now, Slot::S0, DeleteReason::Operator);
    s.rest();
}

#[test]
fn a_link_goes_though_nobody_drains_or_answers() {
    let mut s = Solo::double(Server, V1);
    s.g.delete_link(s.now, Slot::S1, DeleteReason::Operator);
    assert_eq!(s.act(), Action::LinkLost(Slot::S1));
    assert_eq!(s.act(), Action::DrainLink(Slot::S1));
    s.time();
    assert_eq!(delete_of(&s.sent()).1, 2);
    s.time();
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    assert_eq!(s.act(), Action::PrepareLink(Slot::S2));
}

#[test]
fn the_client_asks_the_server_to_delete() {
    let mut s = Solo::double(Client, V1);
    s.g.delete_link(s.now, Slot::S0, DeleteReason::Operator);
    s.g.delete_link(s.now, Slot::S0, DeleteReason::Operator);
    assert_eq!(s.act(), Action::LinkLost(Slot::S0));
    let (slot, m) = s.poll().unwrap();
    assert_eq!(slot, Slot::S1);
    assert_eq!(delete_of(&m), (0x20, 1, DeleteReason::Operator));
    s.rest();
    // It is still heard, and goes when the server says so.
    let reply = s.take(Slot::S0, &m).unwrap();
    assert_eq!(delete_of(&reply), (0xa0, 1, DeleteReason::None));
    s.rest_but(Action::FreeLink(Slot::S0));
    // Or when the server says nothing for long.
    let mut s = Solo::double(Client, V1);
    s.g.delete_link(s.now, Slot::S0, DeleteReason::Operator);
    assert_eq!(s.act(), Action::LinkLost(Slot::S0));
    s.poll();
    s.time();
    s.rest();
    s.time();
    s.rest_but(Action::FreeLink(Slot::S0));
}

#[test]
fn the_server_does_what_the_client_asks() {
    let mut s = Solo::double(Server, V1);
    let unknown = delete_link(V1, Flags::ORDERLY, 9, DeleteReason::LostPath);
    assert_eq!(s.take(Slot::S0, &unknown), None);
    s.rest();
    // While an exchange runs over that very link.
    s.announce(1).unwrap();
    assert_eq!(s.poll().unwrap().0, Slot::S0);
    let m = delete_link(V1, Flags::REQUEST, 1, DeleteReason::LostPath);
    assert_eq!(s.take(Slot::S1, &m), None);
    assert_eq!(s.take(Slot::S1, &m), None);
    assert_eq!(s.act(), Action::LinkLost(Slot::S0));
    assert_eq!(s.act(), Action::DrainLink(Slot::S0));
    s.g.link_drained(s.now, Slot::S0);
    let (slot, mut m) = s.poll().unwrap();
    assert_eq!(slot, Slot::S1);
    assert_eq!(delete_of(&m), (0, 1, DeleteReason::LostPath));
    m[3] |= 0x80;
    s.take(Slot::S1, &m);
    // Then the RMB, over the link that is left.
    let (slot, m) = s.poll().unwrap();
    assert_eq!((slot, m[0]), (Slot::S1, 6));
}

#[test]
fn failing_links_are_deleted_by_the_server() {
    let mut s = Solo::double(Server, V2);
    s.g.link_down(s.now, Slot::S1);
    s.g.link_down(s.now, Slot::S1);
    assert_eq!(s.act(), Action::LinkLost(Slot::S1));
    let m = s.sent();
    assert_eq!(delete_of(&m), (0x20, 2, DeleteReason::LostPath));
    // The one that carries the exchange fails, too: the end.
    s.g.link_down(s.now, Slot::S0);
    assert_eq!(s.act(), Action::FreeLink(Slot::S0));
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    assert_eq!(s.act(), Action::Ended(EndReason::LostPath));
    s.g.link_freed(s.now, Slot::S0);
    s.g.link_freed(s.now, Slot::S1);
    s.g.link_down(s.now, Slot::S0);
    s.rest();
}

#[test]
fn the_path_of_an_exchange_fails() {
    // Adding a third link to an asymmetric group, over a link that fails.
    let mut s = Solo::up(Server, V2, 2);
    s.prepare(Slot::S1, 0);
    s.sent();
    s.take(Slot::S0, &answer_add(V2, 2, 1));
    assert_eq!(s.act(), Action::ConnectLink(Slot::S1));
    s.g.link_connected(s.now, Slot::S1, true);
    let mut m = s.sent();
    m[3] |= 0x80;
    s.take(Slot::S1, &m);
    assert_eq!(s.act(), Action::LinkActive(Slot::S1));
    assert_eq!(s.g.redundancy(), Redundancy::AsymmetricLocal);
    s.g.add_link(s.now, None).unwrap();
    s.prepare(Slot::S2, 1);
    s.sent();
    s.g.link_down(s.now, Slot::S0);
    assert_eq!(s.act(), Action::LinkLost(Slot::S0));
    assert_eq!(s.act(), Action::FreeLink(Slot::S2));
    assert_eq!(s.act(), Action::AddLink(Err(AddError::LinkDown)));
    let (slot, m) = s.poll().unwrap();
    assert_eq!(slot, Slot::S1);
    assert_eq!(delete_of(&m), (0, 3, DeleteReason::LostPath));
    assert_eq!(delete_of(&s.sent()), (0x20, 1, DeleteReason::LostPath));

    // REQUEST ADD LINK, and an offer that waits.
    let mut s = Solo::up(Client, V2, 2);
    s.take(Slot::S0, &add_link(V2, 2, 0));
    s.prepare(Slot::S1, 1);
    s.sent();
    s.take(Slot::S1, &confirm_link(V2, 2));
    s.act();
    s.g.link_enabled(s.now, Slot::S1, true);
    s.sent();
    assert_eq!(s.g.redundancy(), Redundancy::AsymmetricPeer);
    assert_eq!(
        s.g.add_link(s.now, Some(Hint::default())),
        Err(AddError::Full)
    );
    s.act();
    s.announce(1).unwrap();
    s.sent();
    s.take(Slot::S0, &add_link(V2, 3, 1));
    s.g.link_down(s.now, Slot::S0);
    assert_eq!(s.act(), Action::LinkLost(Slot::S0));
    assert_eq!(s.act(), Action::FreeLink(Slot::S0));
    s.rest_of(&[0x24, 0x26]);
    assert_eq!(s.g.link(Slot::S2).state(), LinkState::Unused);
}

impl Solo {
    /// The types of the messages that are to be sent.
    fn rest_of(&mut self, types: &[u8]) {
        for t in types {
            assert_eq!(self.poll().unwrap().1[0], *t);
        }
        assert_eq!(self.poll(), None);
    }
}

#[test]
fn a_client_with_one_port_asks_and_loses_its_path() {
    let mut s = Solo::up(Client, V2, 2);
    s.take(Slot::S0, &add_link(V2, 2, 1));
    s.prepare(Slot::S1, 0);
    s.sent();
    s.take(Slot::S1, &confirm_link(V2, 2));
    s.act();
    s.g.link_enabled(s.now, Slot::S1, true);
    s.sent();
    s.act();
    assert_eq!(s.g.redundancy(), Redundancy::AsymmetricLocal);
    s.g.add_link(s.now, Some(Hint::default())).unwrap();
    assert_eq!(s.poll().unwrap().0, Slot::S0);
    s.g.link_down(s.now, Slot::S0);
    assert_eq!(s.act(), Action::LinkLost(Slot::S0));
    assert_eq!(s.act(), Action::FreeLink(Slot::S0));
    assert_eq!(s.act(), Action::AddLink(Err(AddError::LinkDown)));
}

// The end.

#[test]
fn groups_end_and_say_so() {
    let mut s = Solo::double(Client, V1);
    s.announce(1).unwrap();
    s.g.drop_rmb(s.now, rmb(0));
    s.g.terminate(s.now, DeleteReason::Program);
    s.g.terminate(s.now, DeleteReason::Operator);
    assert_eq!(s.g.owed().flow, FlowKind::Ending);
    assert_eq!(s.act(), Action::RkeyRefused(rmb(1), RkeyError::Refused));
    let mut buf = [0; LLC_LEN];
    let t = s.g.poll_transmit(s.now, &s.keys, &mut buf).unwrap();
    assert!(t.confirm);
    assert_eq!(delete_of(&buf), (0x60, 0, DeleteReason::Program));
    s.rest();
    s.drops(Slot::S0, &add_link(V1, 3, 1));
    assert_eq!(s.announce(2), Err(RkeyError::Refused));
    assert_eq!(s.g.drop_rmb(s.now, rmb(1)), Dropped::Free);
    s.g.delete_link(s.now, Slot::S1, DeleteReason::Operator);
    s.rest();
    s.g.send_done(s.now);
    assert_eq!(s.act(), Action::FreeLink(Slot::S0));
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    let why = EndReason::Local(DeleteReason::Program);
    assert_eq!(s.act(), Action::Ended(why));
    s.rest();

    // The send never completes; the link fails; the peer was faster.
    for happens in [
        |s: &mut Solo| s.time(),
        |s: &mut Solo| s.g.link_down(s.now, Slot::S0),
        |s: &mut Solo| {
            let m = delete_link(V1, Flags::DELETE_ALL, 0, DeleteReason::Operator);
            assert_eq!(s.take(Slot::S0, &m), None);
        },
        |s: &mut Solo| {
            // It can't be made.
            s.g.poll_transmit(s.now, &s.keys, &mut []);
        },
    ] {
        let mut s = Solo::up(Client, V1, 2);
        s.g.terminate(s.now, DeleteReason::Program);
        happens(&mut s);
        assert!(s.g.is_ended());
    }
}

#[test]
fn the_peer_ends_the_group() {
    let all = delete_link(V1, Flags::DELETE_ALL, 0, DeleteReason::Operator);
    let mut s = Solo::adding(Client, V1);
    assert_eq!(s.take(Slot::S0, &all), None);
    assert_eq!(s.act(), Action::FreeLink(Slot::S0));
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    let why = EndReason::Peer(DeleteReason::Operator);
    assert_eq!(s.act(), Action::Ended(why));
    s.rest();
    // The server orders what the client asked for.
    let mut s = Solo::adding(Server, V1);
    assert_eq!(s.take(Slot::S0, &all), None);
    assert_eq!(delete_of(&s.sent()), (0x60, 0, DeleteReason::Operator));
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    s.g.send_done(s.now);
    assert_eq!(s.act(), Action::FreeLink(Slot::S0));
    assert_eq!(s.act(), Action::Ended(why));
    // The last link is the group.
    let mut s = Solo::up(Client, V1, 1);
    let m = delete_link(V1, Flags::REQUEST, 1, DeleteReason::Operator);
    let reply = s.take(Slot::S0, &m).unwrap();
    assert_eq!(delete_of(&reply), (0x80, 1, DeleteReason::None));
    assert_eq!(s.act(), Action::LinkLost(Slot::S0));
    assert_eq!(s.act(), Action::FreeLink(Slot::S0));
    assert_eq!(s.act(), Action::Ended(EndReason::LostPath));
    let mut s = Solo::up(Server, V1, 1);
    s.take(Slot::S0, &m);
    assert_eq!(delete_of(&s.sent()), (0x60, 0, DeleteReason::Operator));
}

#[test]
fn who_breaks_the_protocol_is_left() {
    let mut s = Solo::up(Client, V2, 2);
    let mut m = vec![0; LLC_LEN];
    m[..5].copy_from_slice(&[0x29, 44, 0, 0, 200]);
    let (got, _) = s.receive(Slot::S0, &m);
    let why = Ignored::Malformed(LlcError::ListPastEnd);
    assert_eq!(got, Received::Ignored(why));
    assert_eq!(
        delete_of(&s.sent()),
        (0x60, 0, DeleteReason::ProtocolViolation)
    );
    // What is merely not understood is not.
    let mut s = Solo::up(Client, V2, 2);
    for bytes in [&[][..], &[0xfe; 44], &[0x07; 43], &[0x23; 44]] {
        let (got, _) = s.receive(Slot::S0, bytes);
        assert!(matches!(got, Received::Ignored(Ignored::Malformed(_))));
    }
    let mut cont = vec![8, 44];
    cont.resize(LLC_LEN, 0);
    s.drops(Slot::S0, &cont);
    cont[0] = 3;
    s.drops(Slot::S0, &cont);
    s.rest();
}

// Patience.

#[test]
fn wishes_are_answered_though_the_peer_never_lets_go() {
    // A server that offers a link again and again, and never finishes.
    let mut s = Solo::up(Client, V2, 2);
    s.take(Slot::S0, &add_link(V2, 2, 1));
    s.announce(1).unwrap();
    s.announce(2).unwrap();
    s.g.add_link(s.now, Some(Hint::default())).unwrap();
    let mut answers = vec![];
    let mut num = 2u8;
    while s.now < Millis(70_000) {
        while let Some(action) = s.g.poll_action() {
            match action {
                Action::PrepareLink(slot) => {
                    *slot.of_mut(&mut s.keys.qpn) = 0x11 + slot.index() as u32;
                    let e = end(1, 1, 0x11 + slot.index() as u32);
                    s.g.link_prepared(s.now, slot, Ok(e));
                }
                Action::FreeLink(slot) => s.g.link_freed(s.now, slot),
                other => answers.push((s.now, other)),
            }
            while s.poll().is_some() {}
        }
        s.now = s.now.after(500);
        s.g.handle_timeout(s.now);
        num = if num > 200 { 2 } else { num + 1 };
        s.take(Slot::S0, &add_link(V2, num, 1));
    }
    let waited = |what: fn(&Action) -> bool| {
        let (at, _) = answers.iter().find(|(_, a)| what(a)).expect("an answer");
        assert!(*at <= Millis(62_000), "{at:?}");
    };
    waited(|a| matches!(a, Action::RkeyRefused(r, _) | Action::RkeyUsable(r) if *r == rmb(1)));
    waited(|a| matches!(a, Action::RkeyRefused(r, _) | Action::RkeyUsable(r) if *r == rmb(2)));
    waited(|a| matches!(a, Action::AddLink(_)));
}

#[test]
fn timers_that_are_early_do_nothing() {
    let mut s = Solo::double(Server, V2);
    s.announce(1).unwrap();
    s.sent();
    let before = s.g.clone();
    s.g.handle_timeout(Millis(1_999));
    assert_eq!(s.g, before);
    assert_eq!(s.g.poll_timeout(), Some(Millis(2_000)));
}

/// A wish that waits for a flow is answered by the ticks.
#[test]
fn ticks_give_up_what_is_old() {
    let mut s = Solo::up(Server, V1, 2);
    // The caller never finishes, so nothing else can begin.
    assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
    s.announce(1).unwrap();
    s.g.add_link(s.now, None).unwrap();
    assert_eq!(s.g.owed().waiting, 2);
    s.time();
    s.rest();
    assert_eq!(s.now, Millis(20_000));
    s.announce(2).unwrap();
    s.time();
    assert_eq!(s.act(), Action::AddLink(Err(AddError::Timeout)));
    assert_eq!(s.act(), Action::RkeyRefused(rmb(1), RkeyError::Timeout));
    s.rest();
    s.time();
    s.rest_but(Action::RkeyRefused(rmb(2), RkeyError::Timeout));
    assert_eq!(s.g.poll_timeout(), None);
}

// Two of ours.

#[test]
fn how_many_messages_it_takes() {
    for (version, max, frames) in [(V1, 1, 2), (V2, 1, 2), (V1, 2, 8), (V2, 2, 6)] {
        let mut w = World::new(version, [max, max], [2, 2]);
        let mut sent = 0;
        loop {
            let moves = w.moves();
            let Some(m) = moves
                .iter()
                .find(|m| !matches!(m, group_world::Move::Timeout(_)))
            else {
                break;
            };
            sent += u32::from(matches!(m, group_world::Move::Deliver(..)));
            w.apply(m);
        }
        // CONFIRM LINK and its answer; then for the second link ADD LINK and
        // its answer, one continuation and its answer in version 1, and
        // CONFIRM LINK and its answer.
        assert_eq!(sent, frames, "{version:?}, {max} links");
        assert_eq!(w.active(Server).len(), usize::from(max));
    }
}

#[test]
fn everything_ends_when_all_links_fail() {
    for n in [0, 1] {
        let mut w = World::up(V2, [2, 2], [2, 2]);
        w.wish(Server, Wish::Fail(0));
        w.wish(Server, Wish::Fail(1));
        assert!(w.peek(Server).tasks.contains(&Task::Down(Slot::S0)));
        w.wish(Side::BOTH[n], Wish::Announce(1));
        w.run_out();
        w.check_rest();
        for side in [Server, Client] {
            assert_eq!(w.peek(side).ended, Some(EndReason::LostPath));
        }
    }
}
