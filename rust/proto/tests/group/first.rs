// SPDX-License-Identifier: GPL-2.0

//! The first contact, and links that are tested.

use super::solo::*;

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

/// A C client may have dropped it. What came late is an answer all the same, before and
/// after it is asked for again; so is that to the first request.
#[test]
fn the_server_asks_again() {
    for (waits, asked_again) in [(1, false), (1, true), (3, true)] {
        let mut s = Solo::new(Server, V2, 1);
        let mut answer = confirm_link(V2, 1);
        answer[3] |= 0x80;
        let request = s.sent();
        assert_eq!(s.g.poll_timeout(), Some(Millis(500)));
        for _ in 1..waits {
            s.time();
            assert_eq!(s.sent(), request);
        }
        s.time();
        assert_eq!(s.now, Millis(500 * waits));
        if asked_again {
            assert_eq!(s.sent(), request);
        }
        assert_eq!(s.take(Slot::S0, &answer), None);
        assert_eq!(s.act(), Action::FirstContact(Ok(())));
        assert_eq!(s.act(), Action::LinkActive(Slot::S0));
        // The answer to the other.
        s.drops(Slot::S0, &answer);
        s.rest();
    }
    // It does not ask for ever, and not at all before it has asked.
    let mut s = Solo::new(Server, V2, 1);
    let mut answer = confirm_link(V2, 1);
    answer[3] |= 0x80;
    s.drops(Slot::S0, &answer);
    s.sent();
    for _ in 0..3 {
        s.time();
        s.sent();
    }
    s.time();
    assert_eq!(s.now, Millis(2_000));
    assert_eq!(s.act(), Action::FirstContact(Err(FirstError::Timeout)));
    // One to which that is unknown.
    let mut c = config(Server, V2, 1);
    c.times.first_again = 0;
    s.g = Group::new(c, end(1, 0, 0x11), end(2, 0, 0x21));
    s.g.first_contact(Millis(0));
    s.sent();
    assert_eq!(s.g.poll_timeout(), Some(Millis(2_000)));
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
        (Server, |s| s.wait(4), FirstError::Timeout),
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
