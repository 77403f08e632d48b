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
FIELD(notifier_block, priority);

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

/* include/net/netlink.h, include/linux/netlink.h, include/net/genetlink.h */
SIZE(nla_policy);
FIELD(nla_policy, type);
FIELD(nla_policy, len);
SIZE(netlink_callback);
FIELD(netlink_callback, nlh);
SIZE(nlmsghdr);
FIELD(nlmsghdr, nlmsg_type);
FIELD(nlmsghdr, nlmsg_flags);
FIELD(nlmsghdr, nlmsg_seq);
SIZE(genl_ops);
FIELD(genl_ops, doit);
FIELD(genl_ops, dumpit);
FIELD(genl_ops, policy);
FIELD(genl_ops, cmd);
FIELD(genl_ops, flags);
FIELD(genl_ops, validate);
SIZE(genl_family);
FIELD(genl_family, name);
FIELD(genl_family, version);
FIELD(genl_family, maxattr);
FIELD(genl_family, n_ops);
FIELD(genl_family, resv_start_op);
FIELD(genl_family, policy);
FIELD(genl_family, ops);
FIELD(genl_family, module);
SIZE(genl_info);
FIELD(genl_info, snd_seq);
FIELD(genl_info, snd_portid);
FIELD(genl_info, family);
FIELD(genl_info, attrs);
SIZE(sk_buff);
FIELD(sk_buff, len);
FIELD(sk_buff, sk);
SIZE(sock_diag_handler);
FIELD(sock_diag_handler, owner);
FIELD(sock_diag_handler, family);
FIELD(sock_diag_handler, dump);
SIZE(inet_diag_sockid);
FIELD(inet_diag_sockid, idiag_cookie);

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
FIELD(proto_ops, splice_eof);
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

/* include/linux/bvec.h */
SIZE(bio_vec);
FIELD(bio_vec, bv_page);
FIELD(bio_vec, bv_len);
FIELD(bio_vec, bv_offset);

/* include/linux/socket.h, include/linux/uio.h */
SIZE(__kernel_sockaddr_storage);
SIZE(sockaddr);
FIELD(sockaddr, sa_family);
SIZE(msghdr);
FIELD(msghdr, msg_name);
FIELD(msghdr, msg_namelen);
FIELD(msghdr, msg_iter);
FIELD(msghdr, msg_flags);
SIZE(iov_iter);
SIZE(kvec);
FIELD(kvec, iov_base);
FIELD(kvec, iov_len);

/* include/linux/pipe_fs_i.h */
SIZE(pipe_buffer);
FIELD(pipe_buffer, page);
FIELD(pipe_buffer, offset);
FIELD(pipe_buffer, len);
FIELD(pipe_buffer, ops);
FIELD(pipe_buffer, private);
SIZE(pipe_buf_operations);
FIELD(pipe_buf_operations, release);
FIELD(pipe_buf_operations, get);
SIZE(pipe_inode_info);
FIELD(pipe_inode_info, head);
FIELD(pipe_inode_info, tail);
FIELD(pipe_inode_info, max_usage);
FIELD(pipe_inode_info, readers);

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

/* include/uapi/linux/in6.h */
SIZE(in6_addr);
FIELD(in6_addr, in6_u);

/* include/net/protocol.h */
SIZE(inet_protosw);
FIELD(inet_protosw, type);
FIELD(inet_protosw, protocol);
FIELD(inet_protosw, prot);
FIELD(inet_protosw, ops);
FIELD(inet_protosw, flags);

/* include/linux/scatterlist.h, include/linux/netdevice.h */
SIZE(scatterlist);
SIZE(sg_table);
FIELD(sg_table, sgl);
FIELD(sg_table, nents);
SIZE(netdev_nested_priv);
FIELD(netdev_nested_priv, data);

/* include/rdma/ib_verbs.h */
SIZE(ib_client);
FIELD(ib_client, name);
FIELD(ib_client, add);
FIELD(ib_client, remove);
SIZE(ib_event_handler);
FIELD(ib_event_handler, device);
FIELD(ib_event_handler, handler);
FIELD(ib_event_handler, list);
SIZE(ib_event);
FIELD(ib_event, element);
FIELD(ib_event, event);
SIZE(ib_device);
FIELD(ib_device, name);
FIELD(ib_device, node_guid);
FIELD(ib_device, attrs);
SIZE(ib_device_attr);
FIELD(ib_device_attr, max_qp);
FIELD(ib_device_attr, max_qp_wr);
FIELD(ib_device_attr, max_send_sge);
FIELD(ib_device_attr, max_cqe);
FIELD(ib_device_attr, max_mr);
FIELD(ib_device_attr, max_fast_reg_page_list_len);
SIZE(ib_port_attr);
FIELD(ib_port_attr, state);
FIELD(ib_port_attr, active_mtu);
FIELD(ib_port_attr, gid_tbl_len);
SIZE(ib_gid_attr);
FIELD(ib_gid_attr, gid);
FIELD(ib_gid_attr, gid_type);
FIELD(ib_gid_attr, index);
FIELD(ib_gid_attr, port_num);
SIZE(ib_pd);
FIELD(ib_pd, local_dma_lkey);
SIZE(ib_mr);
FIELD(ib_mr, lkey);
FIELD(ib_mr, rkey);
FIELD(ib_mr, iova);
SIZE(ib_cqe);
FIELD(ib_cqe, done);
SIZE(ib_wc);
FIELD(ib_wc, status);
FIELD(ib_wc, opcode);
FIELD(ib_wc, byte_len);
SIZE(ib_sge);
FIELD(ib_sge, addr);
FIELD(ib_sge, length);
FIELD(ib_sge, lkey);
SIZE(ib_send_wr);
FIELD(ib_send_wr, next);
FIELD(ib_send_wr, sg_list);
FIELD(ib_send_wr, num_sge);
FIELD(ib_send_wr, opcode);
FIELD(ib_send_wr, send_flags);
SIZE(ib_rdma_wr);
FIELD(ib_rdma_wr, wr);
FIELD(ib_rdma_wr, remote_addr);
FIELD(ib_rdma_wr, rkey);
SIZE(ib_reg_wr);
FIELD(ib_reg_wr, wr);
FIELD(ib_reg_wr, mr);
FIELD(ib_reg_wr, key);
FIELD(ib_reg_wr, access);
SIZE(ib_recv_wr);
FIELD(ib_recv_wr, next);
FIELD(ib_recv_wr, sg_list);
FIELD(ib_recv_wr, num_sge);
SIZE(ib_qp);
FIELD(ib_qp, qp_num);
SIZE(ib_qp_cap);
FIELD(ib_qp_cap, max_send_wr);
FIELD(ib_qp_cap, max_recv_wr);
FIELD(ib_qp_cap, max_send_sge);
FIELD(ib_qp_cap, max_recv_sge);
SIZE(ib_qp_init_attr);
FIELD(ib_qp_init_attr, event_handler);
FIELD(ib_qp_init_attr, qp_context);
FIELD(ib_qp_init_attr, send_cq);
FIELD(ib_qp_init_attr, recv_cq);
FIELD(ib_qp_init_attr, cap);
FIELD(ib_qp_init_attr, sq_sig_type);
FIELD(ib_qp_init_attr, qp_type);
SIZE(ib_global_route);
FIELD(ib_global_route, sgid_attr);
FIELD(ib_global_route, dgid);
FIELD(ib_global_route, sgid_index);
FIELD(ib_global_route, hop_limit);
SIZE(rdma_ah_attr);
FIELD(rdma_ah_attr, grh);
FIELD(rdma_ah_attr, port_num);
FIELD(rdma_ah_attr, ah_flags);
FIELD(rdma_ah_attr, type);
SIZE(ib_qp_attr);
FIELD(ib_qp_attr, qp_state);
FIELD(ib_qp_attr, path_mtu);
FIELD(ib_qp_attr, rq_psn);
FIELD(ib_qp_attr, sq_psn);
FIELD(ib_qp_attr, dest_qp_num);
FIELD(ib_qp_attr, qp_access_flags);
FIELD(ib_qp_attr, ah_attr);
FIELD(ib_qp_attr, pkey_index);
FIELD(ib_qp_attr, max_rd_atomic);
FIELD(ib_qp_attr, max_dest_rd_atomic);
FIELD(ib_qp_attr, min_rnr_timer);
FIELD(ib_qp_attr, port_num);
FIELD(ib_qp_attr, timeout);
FIELD(ib_qp_attr, retry_cnt);
FIELD(ib_qp_attr, rnr_retry);
