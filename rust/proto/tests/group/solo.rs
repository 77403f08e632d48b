// SPDX-License-Identifier: GPL-2.0

//! One group whose peer is the test, and the messages of both.

pub(crate) use crate::group_world::{config, rmb, times, token, Keys, Side, Task, Wish, World, V2};
pub(crate) use smc_proto::group::*;
pub(crate) use smc_proto::wire::llc::*;
pub(crate) use smc_proto::wire::types::{Gid, Mac, Psn, QpMtu, Qpn, Rkey, RmbAddr};
pub(crate) use Side::{Client, Server};

pub(crate) const V1: LlcVersion = LlcVersion::V1;
pub(crate) const VBE: LlcVersion = LlcVersion::V2(ByteOrder::Big);

pub(crate) fn end(host: u8, port: u8, qpn: u32) -> End {
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
pub(crate) struct Solo {
    pub(crate) g: Group,
    pub(crate) keys: Keys,
    pub(crate) rows: Vec<PeerRow>,
    pub(crate) now: Millis,
}

impl Solo {
    pub(crate) fn new(side: Side, version: LlcVersion, max_links: u8) -> Solo {
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
    pub(crate) fn up(side: Side, version: LlcVersion, max_links: u8) -> Solo {
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
    pub(crate) fn adding(side: Side, version: LlcVersion) -> Solo {
        let mut s = Solo::up(side, version, 2);
        if side == Client {
            assert_eq!(s.take(Slot::S0, &add_link(version, 2, 1)), None);
        }
        s.prepare(Slot::S1, 1);
        s
    }

    /// A group with two links.
    pub(crate) fn double(side: Side, version: LlcVersion) -> Solo {
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
    pub(crate) fn prepare(&mut self, slot: Slot, port: u8) {
        assert_eq!(self.act(), Action::PrepareLink(slot));
        let qpn = 0x11 + slot.index() as u32;
        *slot.of_mut(&mut self.keys.qpn) = qpn;
        self.g.link_prepared(self.now, slot, Ok(end(1, port, qpn)));
    }

    pub(crate) fn receive(&mut self, slot: Slot, bytes: &[u8]) -> (Received, [u8; LLC_LEN]) {
        let mut reply = [0; LLC_LEN];
        let mut table = PeerTable::new(&mut self.rows[..]);
        let got = self
            .g
            .receive(self.now, slot, bytes, &self.keys, &mut table, &mut reply);
        (got, reply)
    }

    /// Receives what must be taken; the reply.
    pub(crate) fn take(&mut self, slot: Slot, bytes: &[u8]) -> Option<Vec<u8>> {
        match self.receive(slot, bytes) {
            (Received::Taken, _) => None,
            (Received::Reply, reply) => Some(reply.to_vec()),
            (Received::Ignored(why), _) => panic!("ignored: {why:?}"),
        }
    }

    /// Receives what must be dropped.
    pub(crate) fn drops(&mut self, slot: Slot, bytes: &[u8]) {
        let (got, _) = self.receive(slot, bytes);
        assert!(matches!(got, Received::Ignored(_)), "{got:?}");
    }

    pub(crate) fn poll(&mut self) -> Option<(Slot, Vec<u8>)> {
        let mut buf = [0; LLC_MAX_LEN];
        let t = self.g.poll_transmit(self.now, &self.keys, &mut buf)?;
        Some((t.slot, buf[..t.len].to_vec()))
    }

    /// The one message that is to be sent.
    pub(crate) fn sent(&mut self) -> Vec<u8> {
        assert!(self.g.owed().message);
        let (_, m) = self.poll().expect("a message");
        assert_eq!(self.poll(), None, "one message");
        m
    }

    pub(crate) fn act(&mut self) -> Action {
        self.g.poll_action().expect("an action")
    }

    /// Nothing is to be done or sent.
    pub(crate) fn rest(&mut self) {
        assert_eq!(self.poll(), None);
        assert_eq!(self.g.poll_action(), None);
    }

    /// So many timers fire, each of which has something sent, but for the last.
    pub(crate) fn wait(&mut self, timers: usize) {
        for n in 1..=timers {
            self.time();
            if n < timers {
                self.sent();
            }
        }
    }

    /// The next timer fires.
    pub(crate) fn time(&mut self) {
        self.now = self.g.poll_timeout().expect("a timer");
        self.g.handle_timeout(self.now);
    }

    pub(crate) fn announce(&mut self, n: u8) -> Result<Announce, RkeyError> {
        self.g.announce(self.now, rmb(n))
    }
}

pub(crate) fn message(version: LlcVersion, flags: Flags, body: Body<'_>) -> Vec<u8> {
    let mut buf = [0; LLC_MAX_LEN];
    let n = Message::new(version, flags, body).emit(&mut buf).unwrap();
    buf[..n].to_vec()
}

pub(crate) fn confirm_link(version: LlcVersion, num: u8) -> Vec<u8> {
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

pub(crate) fn add_link_with(
    version: LlcVersion,
    flags: Flags,
    num: u8,
    port: u8,
    keys: &[u8],
) -> Vec<u8> {
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

pub(crate) fn add_link(version: LlcVersion, num: u8, port: u8) -> Vec<u8> {
    add_link_with(version, Flags::REQUEST, num, port, &[])
}

pub(crate) fn answer_add(version: LlcVersion, num: u8, port: u8) -> Vec<u8> {
    add_link_with(version, Flags::RESPONSE, num, port, &[])
}

pub(crate) fn delete_link(
    version: LlcVersion,
    flags: Flags,
    num: u8,
    reason: DeleteReason,
) -> Vec<u8> {
    let m = DeleteLink {
        link: LinkNum(num),
        reason,
        reserved: &[0; 35],
    };
    message(version, flags, Body::DeleteLink(m))
}

pub(crate) fn confirm_rkey(count: u8, here: Rtoken, others: [LinkKey; 2]) -> Vec<u8> {
    let m = ConfirmRkey {
        count,
        here,
        others,
        reserved: 0,
    };
    message(V1, Flags::REQUEST, Body::ConfirmRkey(m))
}

pub(crate) fn rtoken(n: u32) -> Rtoken {
    Rtoken {
        rkey: Rkey(n),
        addr: RmbAddr(u64::from(n) << 16),
    }
}

pub(crate) fn no_others() -> [LinkKey; 2] {
    [LinkKey::default(); 2]
}

pub(crate) fn delete_of(bytes: &[u8]) -> (u8, u8, DeleteReason) {
    match Message::parse(bytes).unwrap().body {
        Body::DeleteLink(d) => (bytes[3], d.link.0, d.reason),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn req_add_link() -> Vec<u8> {
    let m = ReqAddLink {
        reserved: &[0; 20],
        count: 1,
        reserved2: &[0; 3],
        gid_bytes: &[7; 16],
    };
    message(V2, Flags::REQUEST, Body::ReqAddLink(m))
}

impl Solo {
    pub(crate) fn rest_but(&mut self, action: Action) {
        assert_eq!(self.poll(), None);
        assert_eq!(self.act(), action);
        self.rest();
    }
}

// Keys with two links.

impl Solo {
    /// The types of the messages that are to be sent.
    pub(crate) fn rest_of(&mut self, types: &[u8]) {
        for t in types {
            assert_eq!(self.poll().unwrap().1[0], *t);
        }
        assert_eq!(self.poll(), None);
    }
}
