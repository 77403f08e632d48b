// SPDX-License-Identifier: GPL-2.0

//! AF_SMC sockets, and IPPROTO_SMC on AF_INET and AF_INET6.

mod create;

use crate::{
    abstractions::net::{
        family::{Family, FamilyRegistration},
        proto::{Proto, ProtoRegistration},
        protosw::{InetProtosw, InetProtoswRegistration},
        sock::{Sock, SockArgs, SockData},
        socket::{KernelSocket, SocketOps},
    },
    smc::coexist,
    THIS_MODULE,
};
use kernel::{new_mutex, prelude::*, sync::Mutex};

/// The protocol number of `socket(AF_INET, SOCK_STREAM, IPPROTO_SMC)`.
const IPPROTO_SMC: u16 = 256;

/// What an SMC socket keeps behind its C `struct sock`.
#[pin_data]
pub(crate) struct SmcSock {
    /// The TCP socket that carries the handshake, and the data after a
    /// fallback; gone once the socket is released.
    #[pin]
    clc: Mutex<Option<KernelSocket>>,
}

impl SockData for SmcSock {
    fn new(args: &SockArgs<'_>) -> impl PinInit<Self, Error> {
        let tcp = KernelSocket::tcp(args.net(), args.family());
        try_pin_init!(Self {
            clc <- {
                let tcp = tcp?;
                new_mutex!(Some(tcp), "SmcSock::clc")
            },
        })
    }

    fn release(sk: &Sock<Self>) {
        let tcp = sk.clc.lock().take();
        // Not under the lock: releasing a TCP socket takes the locks of TCP.
        drop(tcp);
    }
}

static SMC: Proto<SmcSock> = Proto::new(b"SMC", &THIS_MODULE);
static SMC6: Proto<SmcSock> = Proto::new(b"SMC6", &THIS_MODULE);
static INET_SMC: Proto<SmcSock> = Proto::new_inet(b"INET_SMC", &THIS_MODULE);
static INET6_SMC: Proto<SmcSock> = Proto::new_inet6(b"INET6_SMC", &THIS_MODULE);

static SMC_OPS: SocketOps<SmcSock> = SocketOps::new(create::PF_SMC, &THIS_MODULE);
static INET_OPS: SocketOps<SmcSock> = SocketOps::new(create::PF_INET, &THIS_MODULE);
static INET6_OPS: SocketOps<SmcSock> = SocketOps::new(create::PF_INET6, &THIS_MODULE);

static INET_PROTOSW: InetProtosw = InetProtosw::stream(IPPROTO_SMC, &INET_SMC, &INET_OPS);
static INET6_PROTOSW: InetProtosw = InetProtosw::stream(IPPROTO_SMC, &INET6_SMC, &INET6_OPS);

static FAMILY: Family<create::SmcFamily> = Family::new(&THIS_MODULE);

/// The socket family, the protocols of IPPROTO_SMC and their `struct proto`s.
///
/// Dropped in the order of declaration: no new socket first, then what sockets
/// are made of.
pub(crate) struct Registrations {
    _open: create::Open,
    _inet6: InetProtoswRegistration,
    _inet: InetProtoswRegistration,
    _protos: [ProtoRegistration<SmcSock>; 4],
    _family: FamilyRegistration<create::SmcFamily>,
}

impl Registrations {
    /// Registers all of it.
    ///
    /// # Errors
    ///
    /// `EEXIST` if somebody else has AF_SMC; the kernel's errors otherwise.
    pub(crate) fn register() -> Result<Self> {
        // First, since only this step tells whether AF_SMC is free; the family
        // makes no sockets until the last step.
        let family = FAMILY.register().inspect_err(|e| {
            if *e == EEXIST {
                coexist::explain_taken();
            }
        })?;
        let protos = [
            SMC.register()?,
            SMC6.register()?,
            INET_SMC.register()?,
            INET6_SMC.register()?,
        ];
        let inet = INET_PROTOSW.register()?;
        let inet6 = INET6_PROTOSW.register6()?;
        Ok(Self {
            _family: family,
            _protos: protos,
            _inet: inet,
            _inet6: inet6,
            _open: create::Open::new(),
        })
    }
}
