#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What smc-tools would do, for tests: SMC's generic netlink and sock_diag.

smc_netlink.py ueid-add|ueid-del EID     ueid-flush     ueid-list
smc_netlink.py dump lgr-smcr|link-smcr|dev-smcr|sys-info   one JSON object a line
smc_netlink.py sockets                   the AF_SMC sockets, one JSON object a line
"""

import json
import struct
import sys
from socket import inet_ntop, AF_INET, AF_INET6

from pyroute2.netlink import NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, genlmsg, nla, nlmsg
from pyroute2.netlink.diag import SOCK_DIAG_BY_FAMILY, DiagSocket
from pyroute2.netlink.generic import GenericNetlinkSocket

AF_SMC = 43
COMMANDS = {"sys-info": 1, "lgr-smcr": 2, "link-smcr": 3, "dev-smcr": 6,
            "ueid-list": 9, "ueid-add": 10, "ueid-del": 11, "ueid-flush": 12}
MODES = {0: "SMCR", 1: "TCP", 2: "SMCD"}


class _Nest(nla):
    """An SMC_NLA_* nest: attributes numbered from 0 with the names in order."""


def nest(prefix, *names):
    attrs = tuple((f"{prefix}_{n.split(':')[0]}", n.split(":")[1] if ":" in n else "none")
                  for n in names)
    return type(prefix, (_Nest,), {"prefix": prefix + "_", "nla_map": attrs})


lgr_v2 = nest("V2", "VER:uint8", "REL:uint8", "OS:uint8", "NEG_EID:asciiz", "PEER_HOST:asciiz")
lgr_r_v2 = nest("R_V2", "UNSPEC", "DIRECT:uint8", "MAX_CONNS:uint8", "MAX_LINKS:uint8")


class lgr_smcr(nla):
    nla_map = (
        ("UNSPEC", "none"), ("ID", "uint32"), ("ROLE", "uint8"), ("TYPE", "uint8"),
        ("PNETID", "asciiz"), ("VLAN_ID", "uint8"), ("CONNS_NUM", "uint32"),
        ("V2_COMMON", "v2"), ("V2", "r_v2"), ("NET_COOKIE", "uint64"), ("PAD", "flag"),
        ("BUF_TYPE", "uint8"), ("SNDBUF_ALLOC", "hex"), ("RMB_ALLOC", "hex"))
    v2 = lgr_v2
    r_v2 = lgr_r_v2


class link_smcr(nla):
    nla_map = (
        ("UNSPEC", "none"), ("ID", "uint8"), ("IB_DEV", "asciiz"), ("IB_PORT", "uint8"),
        ("GID", "asciiz"), ("PEER_GID", "asciiz"), ("CONN_CNT", "uint32"), ("NET_DEV", "uint32"),
        ("UID", "uint32"), ("PEER_UID", "uint32"), ("STATE", "uint32"))


class dev_port(nla):
    nla_map = (
        ("UNSPEC", "none"), ("PNET_USR", "uint8"), ("PNETID", "asciiz"), ("NETDEV", "uint32"),
        ("STATE", "uint8"), ("VALID", "uint8"), ("LNK_CNT", "uint32"))


class dev_smcr(nla):
    nla_map = (
        ("UNSPEC", "none"), ("USE_CNT", "uint32"), ("IS_CRIT", "uint8"), ("PCI_FID", "uint32"),
        ("PCI_CHID", "uint16"), ("PCI_VENDOR", "uint16"), ("PCI_DEVICE", "uint16"),
        ("PCI_ID", "asciiz"), ("PORT", "port"), ("PORT2", "port"), ("IB_NAME", "asciiz"))
    port = dev_port


class sys_info(nla):
    nla_map = (
        ("UNSPEC", "none"), ("VER", "uint8"), ("REL", "uint8"), ("IS_ISM_V2", "uint8"),
        ("LOCAL_HOST", "asciiz"), ("SEID", "asciiz"), ("IS_SMCR_V2", "uint8"))


class gen_msg(genlmsg):
    """Answers to the dumps."""

    nla_map = (("UNSPEC", "none"), ("SYS_INFO", "si"), ("LGR_SMCR", "lgr"), ("LINK_SMCR", "lnk"),
               ("LGR_SMCD", "hex"), ("DEV_SMCD", "hex"), ("DEV_SMCR", "dev"), ("STATS", "hex"),
               ("FBACK_STATS", "hex"))
    si, lgr, lnk, dev = sys_info, lgr_smcr, link_smcr, dev_smcr


class eid_msg(genlmsg):
    """The UEID commands and their answers."""

    nla_map = (("UNSPEC", "none"), ("ENTRY", "asciiz"))


def plain(value):
    """pyroute2's attribute lists as nested dictionaries."""
    if isinstance(value, dict) and "attrs" in value:
        return {k: plain(v) for k, v in value["attrs"]}
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def generic(command, args):
    sock = GenericNetlinkSocket()
    msg_class = eid_msg if command.startswith("ueid") else gen_msg
    sock.bind("SMC_GEN_NETLINK", msg_class)
    msg = msg_class()
    msg["cmd"] = COMMANDS[command]
    msg["version"] = 1
    flags = NLM_F_REQUEST | NLM_F_DUMP
    if command in ("ueid-add", "ueid-del", "ueid-flush"):
        flags = NLM_F_REQUEST | NLM_F_ACK
        if args:
            # EIDs are 32 characters, blank padded.
            msg["attrs"].append(("ENTRY", args[0].ljust(32)))
    for answer in sock.nlm_request(msg, msg_type=sock.prid, msg_flags=flags):
        for key, value in answer.get("attrs", []):
            if command == "ueid-list":
                print(value.rstrip())
            elif flags & NLM_F_DUMP:
                print(json.dumps({key: plain(value)}))


class smc_diag_req(nlmsg):
    fields = (("family", "B"), ("pad", "2s"), ("ext", "B"), ("id", "48s"))


class smc_diag_msg(nlmsg):
    fields = (("family", "B"), ("state", "B"), ("mode", "B"), ("shutdown", "B"),
              ("id", "48s"), ("uid", "I"), ("inode", "Q"))
    nla_map = (("NONE", "none"), ("CONNINFO", "hex"), ("LGRINFO", "hex"), ("SHUTDOWN", "uint8"),
               ("DMBINFO", "hex"), ("FALLBACK", "cdata"))


def address(family, raw):
    return inet_ntop(family, raw[:4] if family == AF_INET else raw)


def describe(msg):
    """A socket as `smcss -a` would show it."""
    ident = msg["id"]
    sport, dport = struct.unpack(">HH", ident[:4])
    src, dst = ident[4:20], ident[20:36]
    family = AF_INET if src[4:] == bytes(12) and dst[4:] == bytes(12) else AF_INET6
    out = {"state": msg["state"], "mode": MODES.get(msg["mode"], msg["mode"]),
           "local": [address(family, src), sport], "peer": [address(family, dst), dport],
           "uid": msg["uid"], "inode": msg["inode"]}
    fallback = dict(msg["attrs"]).get("FALLBACK")
    if fallback:
        reason, peer = struct.unpack("<II", fallback[:8])
        out["fallback"] = [f"{reason:#010x}", f"{peer:#010x}"]
    return out


def sockets():
    sock = DiagSocket()
    sock.marshal.msg_map = {SOCK_DIAG_BY_FAMILY: smc_diag_msg}
    sock.bind()
    msg = smc_diag_req()
    msg["family"] = AF_SMC
    msg["pad"] = bytes(2)
    msg["ext"] = 0x1f
    msg["id"] = bytes(48)
    for answer in sock.nlm_request(msg, msg_type=SOCK_DIAG_BY_FAMILY,
                                   msg_flags=NLM_F_REQUEST | NLM_F_DUMP):
        print(json.dumps(describe(answer)))


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    command, args = sys.argv[1], sys.argv[2:]
    if command == "sockets":
        sockets()
    elif command == "dump" and args and args[0] in COMMANDS:
        generic(args[0], [])
    elif command in COMMANDS and command.startswith("ueid"):
        generic(command, args)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
