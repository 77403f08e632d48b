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

/* include/net/net_namespace.h */
SIZE(pernet_operations);
FIELD(pernet_operations, init);
FIELD(pernet_operations, pre_exit);
FIELD(pernet_operations, exit);
FIELD(pernet_operations, id);
FIELD(pernet_operations, size);

/* include/linux/netdevice.h */
SIZE(net_device);
FIELD(net_device, ifindex);
FIELD(net_device, name);

/* include/linux/sysctl.h */
SIZE(ctl_table);
FIELD(ctl_table, procname);
FIELD(ctl_table, data);
FIELD(ctl_table, maxlen);
FIELD(ctl_table, mode);
FIELD(ctl_table, proc_handler);
FIELD(ctl_table, extra1);
FIELD(ctl_table, extra2);

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
FIELD(proto_ops, poll);
FIELD(proto_ops, setsockopt);
FIELD(proto_ops, getsockopt);
FIELD(proto_ops, splice_read);
FIELD(proto_ops, set_rcvlowat);
FIELD(proto_ops, read_sock);
FIELD(proto_ops, read_skb);
FIELD(proto_ops, sendmsg_locked);
FIELD(proto_ops, peek_len);
SIZE(socket);
FIELD(socket, state);
FIELD(socket, type);
FIELD(socket, file);
FIELD(socket, sk);
FIELD(socket, ops);
SIZE(proto_accept_arg);
FIELD(proto_accept_arg, flags);
FIELD(proto_accept_arg, err);
FIELD(proto_accept_arg, is_empty);
FIELD(proto_accept_arg, kern);

/* include/linux/fs.h, include/linux/poll.h */
SIZE(file);
FIELD(file, f_flags);
SIZE(poll_table_struct);

/* include/linux/socket.h, include/linux/uio.h */
SIZE(__kernel_sockaddr_storage);
SIZE(sockaddr);
FIELD(sockaddr, sa_family);
SIZE(msghdr);
FIELD(msghdr, msg_iter);
FIELD(msghdr, msg_flags);
SIZE(kvec);
FIELD(kvec, iov_base);
FIELD(kvec, iov_len);

/* include/linux/workqueue.h, include/linux/completion.h, include/linux/wait.h */
SIZE(delayed_work);
FIELD(delayed_work, work);
SIZE(completion);
SIZE(wait_queue_entry);
SIZE(wait_queue_head);
SIZE(work_struct);

/* include/net/sock.h */
SIZE(sock);
FIELD(sock, sk_protocol);
FIELD(sock, sk_destruct);
FIELD(sock, sk_data_ready);
FIELD(sock, sk_state_change);
SIZE(proto);
FIELD(proto, init);
FIELD(proto, recvmsg);
FIELD(proto, slab);
FIELD(proto, twsk_prot);
FIELD(proto, rsk_prot);
FIELD(proto, node);
FIELD(proto, owner);
FIELD(proto, name);
FIELD(proto, obj_size);

/* include/linux/tcp.h, include/net/inet_connection_sock.h */
SIZE(tcp_sock);
SIZE(inet_connection_sock_af_ops);
FIELD(inet_connection_sock_af_ops, syn_recv_sock);

/* include/net/protocol.h */
SIZE(inet_protosw);
FIELD(inet_protosw, type);
FIELD(inet_protosw, protocol);
FIELD(inet_protosw, prot);
FIELD(inet_protosw, ops);
FIELD(inet_protosw, flags);
