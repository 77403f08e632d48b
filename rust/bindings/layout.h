/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every C struct that Rust code touches, once: SIZE(struct) where it is
 * embedded, created or read, FIELD(struct, field) for each field that Rust
 * reads or writes by name.
 *
 * clang evaluates these lines as constants (bindings_helper.h); the same lines
 * become compile-time assertions on bindgen's types (layout_generated.rs, see
 * Kbuild).  One line each, nothing else: the generator is a sed script.
 */

/* include/linux/module.h */
SIZE(module);
FIELD(module, name);

/* include/linux/notifier.h */
SIZE(notifier_block);
FIELD(notifier_block, notifier_call);

/* include/linux/net.h */
SIZE(net_proto_family);
FIELD(net_proto_family, family);
FIELD(net_proto_family, create);
FIELD(net_proto_family, owner);
SIZE(proto_ops);
FIELD(proto_ops, family);
FIELD(proto_ops, owner);
FIELD(proto_ops, release);
FIELD(proto_ops, bind);
FIELD(proto_ops, connect);
FIELD(proto_ops, socketpair);
FIELD(proto_ops, accept);
FIELD(proto_ops, getname);
FIELD(proto_ops, ioctl);
FIELD(proto_ops, listen);
FIELD(proto_ops, shutdown);
FIELD(proto_ops, sendmsg);
FIELD(proto_ops, recvmsg);
FIELD(proto_ops, mmap);
SIZE(socket);
FIELD(socket, state);
FIELD(socket, type);
FIELD(socket, sk);
FIELD(socket, ops);

/* include/net/sock.h */
SIZE(sock);
FIELD(sock, sk_protocol);
FIELD(sock, sk_destruct);
SIZE(proto);
FIELD(proto, init);
FIELD(proto, unhash);
FIELD(proto, owner);
FIELD(proto, name);
FIELD(proto, obj_size);
FIELD(proto, ipv6_pinfo_offset);

/* include/net/inet_sock.h, include/linux/ipv6.h */
SIZE(inet_sock);
SIZE(ipv6_pinfo);

/* include/net/protocol.h */
SIZE(inet_protosw);
FIELD(inet_protosw, type);
FIELD(inet_protosw, protocol);
FIELD(inet_protosw, prot);
FIELD(inet_protosw, ops);
