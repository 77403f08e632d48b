// SPDX-License-Identifier: GPL-2.0

//! Handshakes that fail: by time, by a failure here, by the peer's word or its
//! silence.

use super::ends::*;

#[test]
fn timeouts_before_the_link_end_the_connection() {
    let mut eids = [0; 32];
    let (mut client, _) = proposed(&rxe_offer(&mut eids));
    assert_eq!(client.on_timeout(Millis(99).after(CLC_WAIT)), Action::Wait);
    assert_eq!(
        abort(client.on_timeout(Millis(100).after(CLC_WAIT))),
        (Cause::TimedOut, GroupFate::Keep)
    );
    let mut s = server();
    assert_eq!(s.on_timeout(Millis(99).after(CLC_WAIT)), Action::Wait);
    assert_eq!(
        abort(s.on_timeout(Millis(100).after(CLC_WAIT))).0,
        Cause::TimedOut
    );
    let (_, mut s, _) = accepted(true);
    assert_eq!(
        abort(s.on_timeout(Millis(200).after(CLC_WAIT))),
        (Cause::TimedOut, GroupFate::Discard)
    );
}

#[test]
fn a_server_has_its_time_once_the_proposal_has_arrived() {
    let mut eids = [0; 32];
    let (mut client, _) = proposed(&rxe_offer(&mut eids));
    let mut until = Millis(100).after(CLC_WAIT);
    let check = |client: &mut Client, arrived, now| {
        client.on_progress(arrived, now);
        client.on_timeout(now)
    };
    // Before it is over nothing counts.
    assert_eq!(check(&mut client, false, Millis(200)), Action::Wait);
    assert_eq!(client.deadline(), Some(until));
    for arrived in [false, false, true] {
        assert_eq!(check(&mut client, arrived, until), Action::Wait);
        until = until.after(CLC_WAIT);
        assert_eq!(client.deadline(), Some(until));
    }
    assert_eq!(
        abort(check(&mut client, true, until)),
        (Cause::TimedOut, GroupFate::Keep)
    );
}

#[test]
fn a_server_that_has_the_proposal_is_not_waited_for_longer() {
    let mut eids = [0; 32];
    let (mut client, _) = proposed(&rxe_offer(&mut eids));
    let until = Millis(100).after(CLC_WAIT);
    client.on_progress(true, until);
    assert_eq!(abort(client.on_timeout(until)).0, Cause::TimedOut);
}

#[test]
fn a_client_has_its_time_once_the_handshake_of_tcp_is_over() {
    // The Proposal was in the SYN, and the SYN-ACK is lost a few times.
    let (_, mut server, _) = accepted(true);
    let check = |server: &mut Server, connected, now| {
        server.on_progress(connected, now);
        server.on_timeout(now)
    };
    let mut until = Millis(200).after(CLC_WAIT);
    assert_eq!(check(&mut server, false, Millis(200)), Action::Wait);
    assert_eq!(server.deadline(), Some(until));
    for _ in 0..3 {
        assert_eq!(check(&mut server, false, until), Action::Wait);
        until = until.after(EARLY_WAIT);
        assert_eq!(server.deadline(), Some(until));
    }
    let connected = Millis(until.0 - 1);
    assert_eq!(check(&mut server, true, connected), Action::Wait);
    assert_eq!(check(&mut server, true, until), Action::Wait);
    until = connected.after(EARLY_WAIT);
    assert_eq!(server.deadline(), Some(until));
    assert_eq!(abort(check(&mut server, true, until)).0, Cause::TimedOut);
}

#[test]
fn a_client_whose_proposal_came_later_has_its_time_from_the_accept() {
    let (_, mut server, _) = accepted(true);
    let until = Millis(200).after(CLC_WAIT);
    for now in [Millis(200), Millis(300), until] {
        server.on_progress(true, now);
        assert_eq!(server.deadline(), Some(until));
    }
    assert_eq!(abort(server.on_timeout(until)).0, Cause::TimedOut);
}

/// What happens at `until`, the end of the time, if the peer was at work on others at `busy`.
macro_rules! late {
    ($machine:ident, $until:expr, $busy:expr) => {{
        assert!(!$machine.is_late(Millis($until.0 - 1)));
        assert!($machine.is_late($until));
        $machine.on_busy($busy);
        $machine.on_timeout($until)
    }};
}

#[test]
fn a_client_that_is_at_work_on_others_has_its_time_from_the_last_one() {
    let (_, mut server, _) = accepted(true);
    let mut until = Millis(200).after(CLC_WAIT);
    for busy in [Millis(3000), Millis(9000)] {
        assert_eq!(late!(server, until, busy), Action::Wait);
        until = busy.after(CLC_WAIT);
        assert_eq!(server.deadline(), Some(until));
    }
    // That it was long ago does not count.
    assert_eq!(
        abort(late!(server, until, Millis(100))),
        (Cause::TimedOut, GroupFate::Discard)
    );
}

#[test]
fn a_server_that_is_at_work_on_others_has_its_time_from_the_last_one() {
    let mut eids = [0; 32];
    let (mut client, _) = proposed(&rxe_offer(&mut eids));
    let until = client.deadline().unwrap();
    assert_eq!(late!(client, until, Millis(5000)), Action::Wait);
    let until = Millis(5000).after(CLC_WAIT);
    assert_eq!(client.deadline(), Some(until));
    assert_eq!(abort(late!(client, until, Millis(5000))).0, Cause::TimedOut);
}

#[test]
fn who_is_always_at_work_on_others_is_not_waited_for_for_ever() {
    let (_, mut server, _) = accepted(true);
    let mut until = server.deadline().unwrap();
    let mut waited = 0;
    while late!(server, until, until) == Action::Wait {
        until = server.deadline().unwrap();
        waited += 1;
    }
    assert_eq!(until, Millis(200).after(BUSY_MOST));
    assert_eq!(waited, BUSY_MOST / CLC_WAIT - 1);
}

#[test]
fn no_time_begins_where_no_message_is_waited_for() {
    let (_, mut server, confirm) = confirmed(true);
    server.on_progress(false, Millis(200));
    wire(&confirm, |m| server.on_message(m, &mut RXE.clone()));
    server.on_progress(true, Millis(300));
    server.on_busy(Millis(300));
    assert_eq!(server.deadline(), None);
}

#[test]
fn a_confirm_that_has_not_arrived_is_not_waited_for_longer() {
    let (mut client, _, _) = confirmed(true);
    client.on_sent(Millis(300));
    client.on_link(Err(FirstError::Timeout), Millis(4300));
    let until = Millis(4300).after(DECLINE_GRACE);
    client.on_progress(false, until);
    assert_eq!(
        fallback(client.on_timeout(until)).0,
        Reason::ConfirmLinkTimeout
    );
}

#[test]
fn a_link_that_is_not_confirmed_ends_in_tcp_after_the_grace() {
    let (mut client, mut server, confirm) = confirmed(true);
    client.on_sent(Millis(300));
    let late = Millis(4300);
    let timeout = Err(FirstError::Timeout);
    assert_eq!(client.on_link(timeout, late), Action::Wait);
    assert_eq!(client.deadline(), Some(late.after(DECLINE_GRACE)));
    assert_eq!(client.on_link(timeout, Millis(4400)), Action::Wait);
    assert_eq!(client.on_timeout(late), Action::Wait);
    let (reason, group, decline) = fallback(client.on_timeout(late.after(DECLINE_GRACE)));
    assert_eq!(
        (reason, group),
        (Reason::ConfirmLinkTimeout, GroupFate::Discard)
    );
    assert!(decline.unwrap().v2.is_some());

    // A Decline within the grace.
    wire(&confirm, |m| server.on_message(m, &mut RXE.clone()));
    server.on_peer_taken();
    assert_eq!(server.on_link(timeout, Millis(900)), Action::Wait);
    assert_eq!(server.deadline(), Some(Millis(900).after(DECLINE_GRACE)));
    let action = server.on_message(&Message::Decline(decline.unwrap()), &mut RXE.clone());
    let Action::Fallback(f) = action else {
        panic!("{action:?}")
    };
    assert_eq!(f.reason, Reason::PeerDeclined);
    assert_eq!(f.peer_reason, Some(Reason::ConfirmLinkTimeout));
    assert_eq!(f.group, GroupFate::Discard);
    assert_eq!(f.decline(SERVER_ID), None);
}

#[test]
fn a_link_confirmed_within_the_grace_still_counts() {
    let (mut client, _, _) = confirmed(true);
    client.on_sent(Millis(300));
    client.on_link(Err(FirstError::Timeout), Millis(301));
    assert_eq!(client.on_link(Ok(()), Millis(500)), Action::Established);
}

#[test]
fn a_server_link_timeout_declines_in_version_2() {
    let (_, mut server, confirm) = confirmed(true);
    wire(&confirm, |m| server.on_message(m, &mut RXE.clone()));
    server.on_peer_taken();
    server.on_link(Err(FirstError::Timeout), Millis(2400));
    let (reason, group, decline) = fallback(server.on_timeout(Millis(3400)));
    assert_eq!(
        (reason, group),
        (Reason::ConfirmLinkTimeout, GroupFate::Discard)
    );
    assert_eq!(decline.unwrap().emitted_len(), 44);
}

#[test]
fn a_link_that_fails_is_declined_at_once() {
    for (error, reason) in [
        (FirstError::EyeCatcher, Reason::EyecatcherInBuffer),
        (FirstError::NotReady, Reason::LinkNotReady),
        (FirstError::LinkDown, Reason::NoActiveLink),
        (FirstError::Ended, Reason::NoActiveLink),
    ] {
        let (mut client, mut server, confirm) = confirmed(true);
        client.on_sent(Millis(300));
        wire(&confirm, |m| server.on_message(m, &mut RXE.clone()));
        server.on_peer_taken();
        for action in [
            client.on_link(Err(error), Millis(301)),
            server.on_link(Err(error), Millis(301)),
        ] {
            let (told, group, decline) = fallback(action);
            assert_eq!((told, group), (reason, GroupFate::Discard));
            assert!(decline.is_some());
        }
    }
}

#[test]
fn declines_are_taken_in_every_state() {
    let decline = |reason| Message::Decline(Decline::new(true, SERVER_ID, reason));
    let mut eids = [0; 32];
    let (mut client, _) = proposed(&rxe_offer(&mut eids));
    let (reason, group, reply) = fallback(client.on_message(&decline(Reason::NoDevice)));
    assert_eq!(
        (reason, group, reply),
        (Reason::PeerDeclined, GroupFate::Keep, None)
    );
    // Out of sync in a later contact: the group is not used any more.
    let (_, mut server, _) = confirmed(false);
    let action = server.on_message(&decline(Reason::SyncError), &mut RXE.clone());
    assert_eq!(fallback(action).1, GroupFate::OutOfSync);
    // On first contact it is gone anyway.
    let (_, mut server, _) = confirmed(true);
    let action = server.on_message(&decline(Reason::SyncError), &mut RXE.clone());
    assert_eq!(fallback(action).1, GroupFate::Discard);
    // The first message of all, with a machine and without.
    for (v2, reason) in [(false, Reason::NoDevice), (true, Reason::SyncError)] {
        let decline = Decline::new(v2, SERVER_ID, reason);
        let mut fresh = self::server();
        let action = fresh.on_message(&Message::Decline(decline), &mut RXE.clone());
        assert_eq!(action, Action::Fallback(Server::declined_first(&decline)));
        assert_eq!(fallback(action).0, Reason::PeerDeclined);
    }
}

#[test]
fn closed_and_malformed_streams_end_the_connection() {
    let (mut client, mut server, _) = accepted(true);
    assert_eq!(abort(client.on_closed()), (Cause::Closed, GroupFate::Keep));
    assert_eq!(
        abort(server.on_malformed()),
        (Cause::Protocol, GroupFate::Discard)
    );
    let (mut client, mut server, accept) = accepted(true);
    assert_eq!(
        abort(server.on_closed()),
        (Cause::Closed, GroupFate::Discard)
    );
    // An Accept to a server, and twice to a client.
    let mut s = self::server();
    let action = wire(&accept, |m| s.on_message(m, &mut RXE.clone()));
    assert_eq!(abort(action).0, Cause::Protocol);
    wire(&accept, |m| client.on_message(m));
    let action = wire(&accept, |m| client.on_message(m));
    assert_eq!(abort(action).0, Cause::Protocol);
    let (mut client, _, _) = accepted(true);
    assert_eq!(abort(client.on_malformed()).0, Cause::Protocol);
}

#[test]
fn a_failure_while_a_message_is_on_its_way_waits_for_it() {
    let (mut client, mut server, accept) = accepted(true);
    assert_eq!(client.on_failure(Reason::NoMemory), Action::Wait);
    let (reason, _, decline) = fallback(wire(&accept, |m| client.on_message(m)));
    assert_eq!(reason, Reason::NoMemory);
    assert!(decline.unwrap().v2.is_some());
    assert_eq!(
        server.on_failure(Reason::NoActiveLink, &mut RXE.clone()),
        Action::Wait
    );
    let (_, _, confirm) = confirmed(true);
    let action = wire(&confirm, |m| server.on_message(m, &mut RXE.clone()));
    assert_eq!(fallback(action).0, Reason::NoActiveLink);
    let mut server = self::server();
    server.on_failure(Reason::Ipsec, &mut RXE.clone());
    let mut eids = [0; 32];
    let (_, proposal) = proposed(&rxe_offer(&mut eids));
    let action = wire(&proposal, |m| server.on_message(m, &mut RXE.clone()));
    assert_eq!(fallback(action).0, Reason::Ipsec);
}

#[test]
fn failures_of_the_client_behind_the_accept_decline_at_once() {
    let (mut client, _, accept) = accepted(true);
    wire(&accept, |m| client.on_message(m));
    client.on_group();
    let (reason, group, _) = fallback(client.on_failure(Reason::RegisterBuffer));
    assert_eq!(
        (reason, group),
        (Reason::RegisterBuffer, GroupFate::Discard)
    );
    let (_, mut server, confirm) = confirmed(true);
    wire(&confirm, |m| server.on_message(m, &mut RXE.clone()));
    let (reason, group, _) = fallback(server.on_failure(Reason::RemoteKeys, &mut RXE.clone()));
    assert_eq!((reason, group), (Reason::RemoteKeys, GroupFate::Discard));
}

#[test]
fn a_client_that_has_confirmed_reads_no_decline() {
    let (_, mut server, confirm) = confirmed(false);
    let action = wire(&confirm, |m| server.on_message(m, &mut RXE.clone()));
    assert_eq!(action, Action::TakePeer);
    let (cause, group) = abort(server.on_failure(Reason::RemoteKeys, &mut RXE.clone()));
    assert_eq!((cause, group), (Cause::Protocol, GroupFate::Keep));
}

/// Others make the group: the client can be told that it has TCP as long as it waits.
#[test]
fn a_server_waits_for_others_first_contact_and_not_longer_than_its_client() {
    let mut eids = [0; 32];
    let (client, proposal) = proposed(&rxe_offer(&mut eids));
    let mut server = self::server();
    wire(&proposal, |m| server.on_message(m, &mut RXE.clone()));
    assert_eq!(server.deadline(), None);
    server.on_group_wanted(Millis(110));
    let until = Millis(110).after(GROUP_WAIT);
    assert_eq!(server.deadline(), Some(until));
    assert!(until < client.deadline().unwrap());
    // The time does not begin anew, where another group is looked for in between.
    server.on_group(false);
    assert_eq!(server.deadline(), None);
    assert!(server.on_group_lost());
    assert_eq!(server.deadline(), Some(until));
    server.on_group_wanted(Millis(4000));
    assert_eq!(server.deadline(), Some(until));
    // What is there in time counts.
    let mut in_time = server.clone();
    assert_eq!(in_time.on_timeout(Millis(until.0 - 1)), Action::Wait);
    assert_eq!(in_time.on_group(false), Action::Prepare);
    assert_eq!(in_time.deadline(), None);
    assert_eq!(in_time.on_timeout(until), Action::Wait);
    let (reason, _, decline) = fallback(server.on_timeout(until));
    assert_eq!(reason, Reason::ConfirmLinkTimeout);
    assert!(decline.is_some());
    assert_eq!(server.on_group(false), Action::Wait);
}

/// The group goes while the server gets buffers ready: the client knows nothing of it
/// yet, and gets another group, or a first contact.
#[test]
fn a_server_whose_group_is_lost_before_the_accept_takes_another() {
    for new in [false, true] {
        let mut eids = [0; 32];
        let (mut client, proposal) = proposed(&rxe_offer(&mut eids));
        let mut server = self::server();
        wire(&proposal, |m| server.on_message(m, &mut RXE.clone()));
        assert!(!server.on_group_lost(), "there is none yet");
        assert_eq!(server.on_group(false), Action::Prepare);
        assert!(server.on_group_lost());
        assert_eq!(server.on_prepared(), Action::Wait);
        assert_eq!(server.on_group(new), Action::Prepare);
        assert_eq!(server.on_prepared(), Action::Send(Kind::Accept));
        let mut buf = [0; 652];
        let end = server_end();
        let n = server.write_accept(&Local::Rdma(&end), &mut buf).unwrap();
        server.on_sent(Millis(200));
        assert!(!server.on_group_lost(), "the client may know of it");
        let action = wire(&buf[..n], |m| client.on_message(m));
        assert_eq!(matches!(action, Action::CreateGroup(_)), new);
    }
    // A group that this connection has made is its own matter: it fails.
    let mut eids = [0; 32];
    let (_, proposal) = proposed(&rxe_offer(&mut eids));
    let mut server = self::server();
    wire(&proposal, |m| server.on_message(m, &mut RXE.clone()));
    server.on_group(true);
    assert!(!server.on_group_lost());
    let failed = server.on_failure(Reason::NoActiveLink, &mut RXE.clone());
    assert_eq!(fallback(failed).1, GroupFate::Discard);
}

#[test]
fn events_that_do_not_belong_change_nothing() {
    let mut eids = [0; 32];
    let offer = rxe_offer(&mut eids);
    let (mut client, _) = proposed(&offer);
    assert_eq!(client.on_offer(&offer), Action::Wait);
    assert_eq!(client.on_connected(true, Millis(1)), Action::Wait);
    assert_eq!(client.on_sent(Millis(1)), Action::Wait);
    assert_eq!(client.on_group(), Action::Wait);
    assert_eq!(client.on_prepared(), Action::Wait);
    assert_eq!(client.on_link(Ok(()), Millis(500)), Action::Wait);
    assert_eq!(
        client.on_link(Err(FirstError::Timeout), Millis(1)),
        Action::Wait
    );
    let mut buf = [0; 652];
    assert_eq!(
        client.write_confirm(&Local::Rdma(&client_end()), &mut buf),
        Err(WriteError::WrongPlace)
    );
    assert_eq!(client.expected(), Some(Kind::Accept));
    let mut server = server();
    assert_eq!(server.on_group(true), Action::Wait);
    assert_eq!(server.on_prepared(), Action::Wait);
    assert_eq!(server.on_sent(Millis(1)), Action::Wait);
    assert_eq!(server.on_peer_taken(), Action::Wait);
    assert_eq!(server.on_link(Ok(()), Millis(500)), Action::Wait);
    assert_eq!(
        server.on_link(Err(FirstError::Timeout), Millis(1)),
        Action::Wait
    );
    assert_eq!(
        server.write_accept(&Local::Rdma(&server_end()), &mut buf),
        Err(WriteError::WrongPlace)
    );
    assert_eq!(server.expected(), Some(Kind::Proposal));
    // The wrong kind of end, and a small buffer.
    let (mut client, _, accept) = accepted(true);
    wire(&accept, |m| client.on_message(m));
    client.on_group();
    client.on_prepared();
    assert_eq!(
        client.write_confirm(&Local::Ism(&ism_end(1, 2)), &mut buf),
        Err(WriteError::WrongPlace)
    );
    assert_eq!(
        client.write_confirm(&Local::Rdma(&client_end()), &mut buf[..20]),
        Err(WriteError::NoSpace)
    );
}
