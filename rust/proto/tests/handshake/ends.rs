// SPDX-License-Identifier: GPL-2.0

//! Two hosts, and the two machines up to each place of a handshake.

pub(crate) use smc_proto::group::{FirstError, Millis};
pub(crate) use smc_proto::handshake::{
    Action, Cause, Client, GroupFate, GroupKey, IsmKey, Local, LocalIsm, LocalRdma, Lookup, Offer,
    OfferV2, OfferV2Kind, Peer, Route, Server, ServerConfig, WriteError, BUSY_MOST, CLC_WAIT,
    DECLINE_GRACE, EARLY_WAIT, GROUP_WAIT,
};
pub(crate) use smc_proto::wire::clc::{
    AcceptConfirm, Body, Decline, Entries, GidChid, IpArea, Kind, Message, Modes, Proposal,
    ProposalBody, Reason, Sender, V1Modes, V1Offer, V2Kind, VendorOptions,
};
pub(crate) use smc_proto::wire::ext::{self, Features};
pub(crate) use smc_proto::wire::types::{
    AlertToken, BufSize, Eid, Gid, Hostname, Mac, PeerId, Psn, QpMtu, Qpn, Rkey, RmbAddr, RmbeIndex,
};

pub(crate) const UEID: Eid = Eid(*b"SMCV2-EID-ONE                   ");
pub(crate) const OTHER: Eid = Eid(*b"SMCV2-EID-TWO                   ");
pub(crate) const SEID: Eid = Eid(*b"IBM-SYSZ-ISMSEID0000000012345678");
pub(crate) const CLIENT_ID: PeerId = PeerId([0, 1, 2, 0, 0, 0, 0, 1]);
pub(crate) const SERVER_ID: PeerId = PeerId([0, 2, 2, 0, 0, 0, 0, 2]);
pub(crate) const CLIENT_GID: Gid = Gid::from_ipv4([10, 0, 0, 1]);
pub(crate) const SERVER_GID: Gid = Gid::from_ipv4([10, 0, 0, 2]);

pub(crate) fn sender(id: PeerId, gid: Gid) -> Sender {
    Sender {
        peer_id: id,
        gid,
        mac: Mac([2, 0, 0, 0, 0, id.0[7]]),
    }
}

pub(crate) fn local(id: PeerId, gid: Gid, mtu: u8) -> LocalRdma<'static> {
    LocalRdma {
        sender: sender(id, gid),
        qpn: Qpn::new(0x11).unwrap(),
        rkey: Rkey(0x1234),
        rmbe_index: RmbeIndex::FIRST,
        token: AlertToken(7),
        rmbe_size: BufSize::holding(65536),
        mtu: QpMtu::from_bits(mtu).unwrap(),
        rmb_addr: RmbAddr(0x7f00_0010_0000),
        psn: Psn::new(0xabcdef).unwrap(),
        direct: true,
        gids: Entries::EMPTY,
        hostname: Hostname([b' '; 32]),
    }
}

pub(crate) fn client_end() -> LocalRdma<'static> {
    local(CLIENT_ID, CLIENT_GID, 3)
}

pub(crate) fn server_end() -> LocalRdma<'static> {
    local(SERVER_ID, SERVER_GID, 5)
}

pub(crate) fn ism_end(gid: u64, chid: u16) -> LocalIsm {
    LocalIsm {
        gid,
        gid_ext: 0x99,
        chid,
        token: 0x5555,
        dmbe_index: 0,
        dmbe_size: BufSize::holding(65536),
        link_id: [1, 2, 3, 4],
        hostname: Hostname([b' '; 32]),
    }
}

/// What a server's host has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host {
    pub(crate) ism_v2_capable: bool,
    pub(crate) ism_v2: bool,
    pub(crate) ism_v1: bool,
    pub(crate) roce_v2: bool,
    pub(crate) roce_v1: bool,
    pub(crate) same_subnet: bool,
    pub(crate) vlan: bool,
    pub(crate) ueid: Option<Eid>,
    pub(crate) seid: Option<Eid>,
}

/// A host with one RoCE port, as rxe makes it.
pub(crate) const RXE: Host = Host {
    ism_v2_capable: false,
    ism_v2: false,
    ism_v1: false,
    roce_v2: true,
    roce_v1: false,
    same_subnet: true,
    vlan: true,
    ueid: Some(UEID),
    seid: None,
};

impl Lookup for Host {
    fn ism_v2_capable(&mut self) -> bool {
        self.ism_v2_capable
    }
    fn ism_v2(&mut self, peer: &IsmKey) -> bool {
        self.ism_v2 && peer.chid != 0x0bad
    }
    fn ism_v1(&mut self, _gid: u64) -> bool {
        self.ism_v1
    }
    fn roce_v2(&mut self, gid: &Gid) -> bool {
        self.roce_v2 && gid.ipv4().is_some()
    }
    fn roce_v1(&mut self) -> bool {
        self.roce_v1
    }
    fn same_subnet(&mut self, _ip: &IpArea<'_>) -> bool {
        self.same_subnet
    }
    fn vlan(&mut self) -> bool {
        self.vlan
    }
    fn has_ueid(&mut self, eid: &Eid) -> bool {
        self.ueid == Some(*eid)
    }
    fn seid(&mut self) -> Option<Eid> {
        self.seid
    }
}

pub(crate) const CONFIG: ServerConfig = ServerConfig {
    features: Features::SYN_PROPOSAL,
    max_conns: 255,
    max_links: 2,
    feature_mask: 1,
};

/// An offer of SMC-Rv2 alone with one EID.
pub(crate) fn rxe_offer(eids: &mut [u8; 32]) -> Offer<'_> {
    Offer {
        sender: sender(CLIENT_ID, Gid::default()),
        ism: GidChid::default(),
        v1: None,
        v2: Some(OfferV2 {
            kind: OfferV2Kind::R(CLIENT_GID),
            eids: Entries::fill(eids, [UEID]).unwrap(),
            seid: None,
            max_conns: 255,
            max_links: 1,
            feature_mask: 1,
        }),
    }
}

/// Sends a message through bytes.
pub(crate) fn wire<R>(msg: &[u8], f: impl FnOnce(&Message<'_>) -> R) -> R {
    f(&Message::parse(msg).unwrap())
}

/// A client that has sent the offer, and the Proposal's bytes.
pub(crate) fn proposed(offer: &Offer<'_>) -> (Client, Vec<u8>) {
    let mut client = Client::new(Features::SYN_PROPOSAL);
    assert_eq!(client.expected(), None);
    assert_eq!(client.on_connected(true, Millis(100)), Action::FindDevices);
    assert_eq!(client.on_offer(offer), Action::Send(Kind::Proposal));
    let mut buf = [0; 652];
    let n = client.write_proposal(offer, &mut buf).unwrap();
    assert_eq!(client.on_sent(Millis(100)), Action::Wait);
    assert_eq!(client.expected(), Some(Kind::Accept));
    assert_eq!(client.deadline(), Some(Millis(100).after(CLC_WAIT)));
    (client, buf[..n].to_vec())
}

pub(crate) fn server() -> Server {
    let (server, action) = Server::new(CONFIG, true, Millis(100));
    assert_eq!(action, Action::Wait);
    assert_eq!(server.expected(), Some(Kind::Proposal));
    server
}

/// Client and server up to the Accept, the group new or not.
pub(crate) fn accepted(first_contact: bool) -> (Client, Server, Vec<u8>) {
    let mut eids = [0; 32];
    let (client, proposal) = proposed(&rxe_offer(&mut eids));
    let mut server = server();
    let action = wire(&proposal, |m| server.on_message(m, &mut RXE.clone()));
    let Action::FindOrCreateGroup(GroupKey::Rdma(key)) = action else {
        panic!("{action:?}")
    };
    assert_eq!(key.gid, CLIENT_GID);
    assert_eq!(key.peer_id, CLIENT_ID);
    assert_eq!(server.on_group(first_contact), Action::Prepare);
    assert_eq!(server.on_prepared(), Action::Send(Kind::Accept));
    let mut buf = [0; 652];
    let end = server_end();
    let n = server.write_accept(&Local::Rdma(&end), &mut buf).unwrap();
    assert_eq!(server.on_sent(Millis(200)), Action::Wait);
    assert_eq!(server.deadline(), Some(Millis(200).after(CLC_WAIT)));
    (client, server, buf[..n].to_vec())
}

/// Both up to the Confirm, which is in flight.
pub(crate) fn confirmed(first_contact: bool) -> (Client, Server, Vec<u8>) {
    let (mut client, server, accept) = accepted(first_contact);
    let action = wire(&accept, |m| client.on_message(m));
    match action {
        Action::CreateGroup(GroupKey::Rdma(key)) if first_contact => {
            assert_eq!((key.gid, key.peer_id), (SERVER_GID, SERVER_ID));
        }
        Action::FindGroup(GroupKey::Rdma(key)) if !first_contact => {
            assert_eq!(key.qpn, Qpn::new(0x11));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(client.on_group(), Action::Prepare);
    assert_eq!(client.on_prepared(), Action::Send(Kind::Confirm));
    let mut buf = [0; 652];
    let end = client_end();
    let n = client.write_confirm(&Local::Rdma(&end), &mut buf).unwrap();
    (client, server, buf[..n].to_vec())
}

/// The fallback of an action.
pub(crate) fn fallback(action: Action) -> (Reason, GroupFate, Option<Decline>) {
    match action {
        Action::Fallback(f) => (f.reason, f.group, f.decline(CLIENT_ID)),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn abort(action: Action) -> (Cause, GroupFate) {
    match action {
        Action::Abort(a) => (a.cause, a.group),
        other => panic!("{other:?}"),
    }
}
