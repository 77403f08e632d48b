// SPDX-License-Identifier: GPL-2.0

//! What a handshake gets hold of on its way to an SMC-R connection: a place in a
//! link group, buffers, the connection itself. What it has not passed on is given
//! back when it is dropped.

use super::{
    clc,
    conn::{Conn, ConnParts, PeerEnd},
    group::{self, Found, Group, Known, Meeting, Origin, PeerKey, Rmbe, Seat, SendBuffer, Spec},
    identity,
    netns::NetData,
    path::{Limits, Path},
    stats::{Buffer, Dir, Tech},
    sysctl::Settings,
    wait::{Outcome, Wait, Waker, What},
};
use crate::abstractions::{net::sock::Sock, time::jiffies_to_msecs, work::Task};
use core::task::Poll;
use kernel::{prelude::*, sync::Arc};
use smc_proto::{
    cursor::RingSize,
    group::{End, FirstError, Millis, Role},
    handshake::{Fallback, GroupFate, LocalRdma, Negotiated, Peer, RdmaKey},
    wire::{
        clc::{Entries, Reason, SmcrBody},
        ext::Features,
        llc::Rtoken,
        types::BufSize,
    },
};

/// Links of a group that this host agrees to.
const MAX_LINKS: u8 = 1;

/// What this host agrees to for groups of connections of `sock`.
pub(crate) fn limits(sock: &Sock) -> Limits {
    Settings::of(sock.net(), |set| Limits {
        max_conns: set.max_conns(),
        max_links: set.max_links().min(MAX_LINKS),
    })
}

/// One end's part of a connection in the making.
pub(crate) struct Session {
    role: Role,
    pub(crate) path: Option<Path>,
    seat: Option<Seat>,
    group: Option<Arc<Task<Group>>>,
    meeting: Option<Meeting>,
    buffers: Option<Buffers>,
    conn: Option<Arc<Task<Conn>>>,
    wait: Option<Arc<Wait>>,
    /// The peer may know of our element.
    announced: bool,
    /// This handshake has made the group.
    first: bool,
    /// Name of the host, for first contacts.
    gid: [u8; 16],
}

struct Buffers {
    rmbe: Rmbe,
    sndbuf: SendBuffer,
}

type Step<T> = Poll<Result<T, Reason>>;

impl Session {
    pub(crate) const fn new(role: Role) -> Self {
        Self {
            role,
            path: None,
            seat: None,
            group: None,
            meeting: None,
            buffers: None,
            conn: None,
            wait: None,
            announced: false,
            first: false,
            gid: [0; 16],
        }
    }

    fn key(&self, sock: &Sock, key: &RdmaKey) -> Result<PeerKey, Reason> {
        let path = self.path.as_ref().ok_or(Reason::NoSmcrDevice)?;
        let mut peer = PeerKey {
            net: sock.net().cookie(),
            device: path.device().id(),
            server: self.role == Role::Server,
            v1: key.version.is_v1(),
            peer_id: [0; 8],
            gid: [0; 16],
            mac: [0; 6],
            vlan: path.vlan(),
        };
        peer.set_peer(key.peer_id, key.gid, key.mac);
        Ok(peer)
    }

    // ---- the group ----

    /// Server: a group for the connection, and whether it is a new one.
    pub(crate) fn find_or_create(
        &mut self,
        sock: &Sock,
        key: &RdmaKey,
        agreed: &Negotiated,
        waker: &Waker,
    ) -> Step<bool> {
        // It may be asked again without having been woken, as often as the peer likes.
        if self
            .wait
            .as_ref()
            .is_some_and(|wait| wait.outcome().is_none())
        {
            return Poll::Pending;
        }
        self.wait = None;
        let peer = match self.key(sock, key) {
            Ok(peer) => peer,
            Err(e) => return Poll::Ready(Err(e)),
        };
        match group::find_or_create(&peer, waker) {
            Err(_) => Poll::Ready(Err(Reason::NoMemory)),
            Ok(Found::Wait(wait)) => {
                self.wait = Some(wait);
                Poll::Pending
            }
            Ok(Found::Seat(seat)) => {
                self.sit(seat);
                Poll::Ready(Ok(false))
            }
            Ok(Found::First(meeting)) => {
                self.meeting = Some(meeting);
                Poll::Ready(self.make(sock, peer, key, agreed).map(|()| true))
            }
        }
    }

    /// Client: the group that the server has chosen.
    ///
    /// # Errors
    ///
    /// That it is not known here.
    pub(crate) fn find(&mut self, sock: &Sock, key: &RdmaKey) -> Result<(), Reason> {
        let peer = self.key(sock, key)?;
        match group::find(&peer, key.qpn) {
            Known::Seat(seat) => {
                self.sit(seat);
                Ok(())
            }
            Known::Full => Err(Reason::NoServerLink),
            Known::Nothing => Err(Reason::SyncError),
        }
    }

    /// Client: a new group.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(crate) fn create(
        &mut self,
        sock: &Sock,
        key: &RdmaKey,
        agreed: &Negotiated,
    ) -> Result<(), Reason> {
        let peer = self.key(sock, key)?;
        self.make(sock, peer, key, agreed)
    }

    /// Whether the group takes no connections any more, this one included: it has come
    /// to its end, or is about to.
    pub(crate) fn is_closing(&self) -> bool {
        self.group.as_ref().is_some_and(|group| group.is_closing())
    }

    /// When the peer was seen at work on connections for the last time, as far as is known:
    /// before it has named the group it is known by its address. Process context.
    pub(crate) fn peer_busy(&self, sock: &Sock) -> Option<Millis> {
        if let Some(group) = &self.group {
            return group::busy_with(group);
        }
        let path = self.path.as_ref()?;
        group::busy_at(sock.net().cookie(), path.device().id(), path.server()?)
    }

    fn sit(&mut self, seat: Seat) {
        self.enter(seat.group().clone());
        self.seat = Some(seat);
    }

    fn enter(&mut self, group: Arc<Task<Group>>) {
        if let Some(server) = self.path.as_ref().and_then(Path::server) {
            group.set_server(server);
        }
        self.group = Some(group);
    }

    fn make(
        &mut self,
        sock: &Sock,
        peer: PeerKey,
        key: &RdmaKey,
        agreed: &Negotiated,
    ) -> Result<(), Reason> {
        let path = self.path.as_ref().ok_or(Reason::NoSmcrDevice)?;
        let net = NetData::of(sock.net()).ok_or(Reason::NoSmcrDevice)?;
        let settings = net.settings();
        let spec = Spec {
            key: peer,
            version: agreed.version,
            eid: agreed.eid,
            release: agreed.release,
            max_conns: agreed.max_conns,
            max_links: agreed.max_links,
            direct: path.is_direct(),
            memory: settings.buf_type(),
            test_link: jiffies_to_msecs(settings.testlink_time()),
            idle: jiffies_to_msecs(settings.lgr_idle_time()),
            peer_features: agreed.peer_features.unwrap_or(Features::NONE),
            peer_is_ours: agreed.peer_features.is_some(),
            net,
        };
        let end = End {
            gid: key.gid,
            mac: key.mac,
            ..End::default()
        };
        let group = Group::create(spec, path, end).map_err(|e| {
            if e == ENOMEM {
                Reason::NoMemory
            } else {
                Reason::Internal
            }
        })?;
        self.first = true;
        self.enter(group.clone());
        self.seat = Some(Group::first_seat(&group).ok_or(Reason::NoMemory)?);
        // Its end may not have been told to the group.
        NetData::of(sock.net()).ok_or(Reason::NoSmcrDevice)?;
        Ok(())
    }

    // ---- buffers and keys ----

    /// Gets everything that the next CLC message tells of. To be called again
    /// when woken, until it is ready.
    pub(crate) fn prepare(&mut self, sock: &Sock, agreed: &Negotiated, waker: &Waker) -> Step<()> {
        if let Some(wait) = &self.wait {
            match wait.outcome() {
                None => return Poll::Pending,
                Some(Outcome::There) => self.wait = None,
                Some(Outcome::Failed(e)) => return Poll::Ready(Err(e)),
                Some(Outcome::NoLink(_)) => return Poll::Ready(Err(Reason::NoActiveLink)),
            }
        }
        match self.try_prepare(sock, agreed, waker) {
            Ok(None) => Poll::Ready(Ok(())),
            Ok(Some(wait)) => {
                self.wait = Some(wait);
                Poll::Pending
            }
            Err(e) => Poll::Ready(Err(e)),
        }
    }

    fn try_prepare(
        &mut self,
        sock: &Sock,
        agreed: &Negotiated,
        waker: &Waker,
    ) -> Result<Option<Arc<Wait>>, Reason> {
        let group = self.group.clone().ok_or(Reason::NoActiveLink)?;
        if self.buffers.is_none() {
            self.buffers = Some(Buffers::get(&group, sock)?);
        }
        let Some(buffers) = &self.buffers else {
            return Err(Reason::NoMemory);
        };
        if let Some(wait) = Group::announce(&group, buffers.rmbe.rmb(), waker)? {
            return Ok(Some(wait));
        }
        self.make_conn(sock, &group)?;
        if self.role == Role::Client {
            self.take_peer(agreed, waker)?;
        }
        Ok(None)
    }

    fn make_conn(&mut self, sock: &Sock, group: &Arc<Task<Group>>) -> Result<(), Reason> {
        let (Some(buffers), Some(seat)) = (self.buffers.take(), self.seat.take()) else {
            return Err(Reason::Internal);
        };
        let link = group.link()?;
        let conn = Conn::new(ConnParts {
            sock: sock.into(),
            seat,
            link,
            sndbuf: buffers.sndbuf,
            rmbe: buffers.rmbe,
        })
        .map_err(|_| Reason::NoMemory)?;
        conn.seat().occupy(&conn);
        self.conn = Some(conn);
        if group.is_closing() {
            // Its link is of no use any more. It may have been too late for it to see
            // the connection, too.
            return Err(Reason::NoActiveLink);
        }
        Ok(())
    }

    /// The peer's part of the connection is known. In a new group its queue pair
    /// is met.
    ///
    /// # Errors
    ///
    /// Why the handshake fails.
    pub(crate) fn take_peer(&mut self, agreed: &Negotiated, waker: &Waker) -> Result<(), Reason> {
        let group = self.group.as_ref().ok_or(Reason::NoActiveLink)?;
        let conn = self.conn.as_ref().ok_or(Reason::Internal)?;
        let Some(Peer::Rdma(peer)) = &agreed.peer else {
            return Err(Reason::Internal);
        };
        let path = self.path.as_mut().ok_or(Reason::NoSmcrDevice)?;
        if agreed.first_contact {
            path.check_peer(&peer.sender.gid, peer.sender.mac)?;
        } else if !group.leads_to(Some(peer.qpn)) {
            // The client took another link for the one that the server has named.
            return Err(Reason::SyncError);
        }
        group.set_busy(clc::now());
        group.learn_key(Rtoken {
            rkey: peer.rkey,
            addr: peer.rmb_addr,
        })?;
        Conn::set_peer(conn, peer_end(peer)?);
        if agreed.first_contact {
            self.wait = Some(group.wait_for(What::FirstContact, waker)?);
            Group::meet(group, path, end_of(peer), agreed)?;
        } else if self.role == Role::Server {
            if let Some(rmb) = conn.rmb() {
                group.proven(rmb);
            }
        }
        Ok(())
    }

    /// What the Accept or Confirm says of this end. From here on the peer may know
    /// it.
    pub(crate) fn local(&mut self) -> Option<LocalRdma<'_>> {
        let path = self.path.as_ref()?;
        let group = self.group.as_ref()?;
        let end = group.local_end()?;
        let conn = self.conn.as_ref()?;
        let element = conn.element()?;
        self.announced = true;
        let gids = Entries::fill(&mut self.gid, [end.gid]).unwrap_or(Entries::EMPTY);
        let mut sender = path.sender();
        sender.gid = end.gid;
        sender.mac = end.mac;
        Some(LocalRdma {
            sender,
            qpn: end.qpn,
            rkey: element.token.rkey,
            rmbe_index: element.index,
            token: conn.seat().token(),
            rmbe_size: BufSize::holding(element.size.bytes()),
            mtu: end.mtu,
            rmb_addr: element.token.addr,
            psn: end.psn,
            direct: path.is_direct(),
            gids,
            hostname: identity::hostname(),
        })
    }

    /// What has become of the first link.
    pub(crate) fn link(&mut self) -> Poll<Result<(), FirstError>> {
        let outcome = match &self.wait {
            None => Some(Outcome::NoLink(FirstError::Ended)),
            Some(wait) => wait.outcome(),
        };
        match outcome {
            None => Poll::Pending,
            Some(Outcome::There) => Poll::Ready(Ok(())),
            Some(Outcome::NoLink(e)) => Poll::Ready(Err(e)),
            Some(Outcome::Failed(_)) => Poll::Ready(Err(FirstError::NotReady)),
        }
    }

    /// What the peer has said of itself when the group was made.
    pub(crate) fn peer_features(&self) -> Features {
        self.group
            .as_ref()
            .map_or(Features::NONE, |group| group.spec().peer_features)
    }

    /// The handshake has succeeded: the connection, which is up.
    pub(crate) fn establish(&mut self) -> Option<Arc<Task<Conn>>> {
        let conn = self.conn.take()?;
        self.meeting = None;
        self.group = None;
        self.wait = None;
        Conn::establish(&conn);
        Some(conn)
    }

    /// The connection is TCP's.
    pub(crate) fn fall_back(&mut self, fallback: &Fallback) {
        // Who has declined will not write.
        self.announced &= fallback.peer_reason.is_none();
        self.give_up(fallback.group);
    }

    /// The handshake has failed, or tries something else.
    pub(crate) fn give_up(&mut self, fate: GroupFate) {
        if let Some(conn) = self.conn.take() {
            // With the group goes its memory, whoever writes to it.
            Conn::abandon(&conn, self.announced && fate == GroupFate::Keep);
        }
        self.buffers = None;
        self.seat = None;
        let wait = self.wait.take();
        if let Some(group) = self.group.take() {
            if let Some(wait) = wait {
                group.forget_wait(&wait);
            }
            if self.first || fate != GroupFate::Keep {
                Group::end(&group);
            }
        }
        self.first = false;
        self.announced = false;
        self.meeting = None;
    }
}

impl Drop for Session {
    /// Process context.
    fn drop(&mut self) {
        self.give_up(GroupFate::Keep);
    }
}

impl Buffers {
    /// Buffers of the sizes that are set, or smaller ones.
    fn get(group: &Arc<Task<Group>>, sock: &Sock) -> Result<Self, Reason> {
        let net = &group.spec().net;
        let set = net.settings();
        let rcv = sock
            .set_rcvbuf()
            .map_or_else(|| set.rmem(), |bytes| bytes / 2);
        let snd = sock
            .set_sndbuf()
            .map_or_else(|| set.wmem(), |bytes| bytes / 2);
        let rmbe = Self::first(net, Dir::Rx, rcv, |size| Rmbe::take(group, size));
        let sndbuf = Self::first(net, Dir::Tx, snd, |size| SendBuffer::take(group, size));
        match (rmbe, sndbuf) {
            (Some(rmbe), Some(sndbuf)) => Ok(Self { rmbe, sndbuf }),
            _ => Err(Reason::NoMemory),
        }
    }

    /// The largest that `take` can give, of at most the size that holds `wanted`.
    fn first<T>(
        net: &NetData,
        dir: Dir,
        wanted: u32,
        take: impl Fn(RingSize) -> Result<(T, Origin)>,
    ) -> Option<T> {
        let wanted = RingSize::at_least(wanted);
        let mut sizes = (0..=wanted.compressed())
            .rev()
            .filter_map(RingSize::from_compressed);
        let (size, (got, origin)) = sizes.find_map(|size| Some((size, take(size).ok()?)))?;
        let how = match origin {
            Origin::Pool => Buffer::Reused,
            Origin::New => Buffer::Made,
        };
        net.stats.buffer(Tech::R, dir, how);
        if size < wanted {
            net.stats.buffer(Tech::R, dir, Buffer::Smaller);
        }
        Some(got)
    }
}

fn end_of(peer: &SmcrBody) -> End {
    End {
        mac: peer.sender.mac,
        gid: peer.sender.gid,
        qpn: peer.qpn,
        psn: peer.psn,
        mtu: peer.mtu,
    }
}

fn peer_end(peer: &SmcrBody) -> Result<PeerEnd, Reason> {
    let size = RingSize::from_compressed(peer.rmbe_size.bits()).ok_or(Reason::Internal)?;
    Ok(PeerEnd {
        token: peer.token,
        rkey: peer.rkey.0,
        base: peer.element_addr().ok_or(Reason::RemoteKeys)?,
        size,
    })
}
