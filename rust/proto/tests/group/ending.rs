// SPDX-License-Identifier: GPL-2.0

//! Groups end; timers.

use super::solo::*;
use crate::group_world;

#[test]
fn groups_end_and_say_so() {
    let mut s = Solo::double(Client, V1);
    s.announce(1).unwrap();
    s.g.drop_rmb(s.now, rmb(0));
    s.g.terminate(s.now, DeleteReason::Program);
    s.g.terminate(s.now, DeleteReason::Operator);
    assert_eq!(s.g.owed().flow, FlowKind::Ending);
    assert_eq!(s.act(), Action::RkeyRefused(rmb(1), RkeyError::Refused));
    let mut buf = [0; LLC_LEN];
    let t = s.g.poll_transmit(s.now, &s.keys, &mut buf).unwrap();
    assert!(t.confirm);
    assert_eq!(delete_of(&buf), (0x60, 0, DeleteReason::Program));
    s.rest();
    s.drops(Slot::S0, &add_link(V1, 3, 1));
    assert_eq!(s.announce(2), Err(RkeyError::Refused));
    assert_eq!(s.g.drop_rmb(s.now, rmb(1)), Dropped::Free);
    s.g.delete_link(s.now, Slot::S1, DeleteReason::Operator);
    s.rest();
    s.g.send_done(s.now);
    assert_eq!(s.act(), Action::FreeLink(Slot::S0));
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    let why = EndReason::Local(DeleteReason::Program);
    assert_eq!(s.act(), Action::Ended(why));
    s.rest();

    // The send never completes; the link fails; the peer was faster.
    for happens in [
        |s: &mut Solo| s.time(),
        |s: &mut Solo| s.g.link_down(s.now, Slot::S0),
        |s: &mut Solo| {
            let m = delete_link(V1, Flags::DELETE_ALL, 0, DeleteReason::Operator);
            assert_eq!(s.take(Slot::S0, &m), None);
        },
        |s: &mut Solo| {
            // It can't be made.
            s.g.poll_transmit(s.now, &s.keys, &mut []);
        },
    ] {
        let mut s = Solo::up(Client, V1, 2);
        s.g.terminate(s.now, DeleteReason::Program);
        happens(&mut s);
        assert!(s.g.is_ended());
    }
}

#[test]
fn the_peer_ends_the_group() {
    let all = delete_link(V1, Flags::DELETE_ALL, 0, DeleteReason::Operator);
    let mut s = Solo::adding(Client, V1);
    assert_eq!(s.take(Slot::S0, &all), None);
    assert_eq!(s.act(), Action::FreeLink(Slot::S0));
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    let why = EndReason::Peer(DeleteReason::Operator);
    assert_eq!(s.act(), Action::Ended(why));
    s.rest();
    // The server orders what the client asked for.
    let mut s = Solo::adding(Server, V1);
    assert_eq!(s.take(Slot::S0, &all), None);
    assert_eq!(delete_of(&s.sent()), (0x60, 0, DeleteReason::Operator));
    assert_eq!(s.act(), Action::FreeLink(Slot::S1));
    s.g.send_done(s.now);
    assert_eq!(s.act(), Action::FreeLink(Slot::S0));
    assert_eq!(s.act(), Action::Ended(why));
    // The last link is the group.
    let mut s = Solo::up(Client, V1, 1);
    let m = delete_link(V1, Flags::REQUEST, 1, DeleteReason::Operator);
    let reply = s.take(Slot::S0, &m).unwrap();
    assert_eq!(delete_of(&reply), (0x80, 1, DeleteReason::None));
    assert_eq!(s.act(), Action::LinkLost(Slot::S0));
    assert_eq!(s.act(), Action::FreeLink(Slot::S0));
    assert_eq!(s.act(), Action::Ended(EndReason::LostPath));
    let mut s = Solo::up(Server, V1, 1);
    s.take(Slot::S0, &m);
    assert_eq!(delete_of(&s.sent()), (0x60, 0, DeleteReason::Operator));
}

/// A C peer that waits for such an answer does not look at DELETE LINK before.
#[test]
fn questions_about_keys_are_answered_to_the_end() {
    let confirm = confirm_rkey(0, rtoken(0x21), no_others());
    let keys = [0x31u32.to_be_bytes(), [0; 4]].concat();
    let mut key_bytes = [0; 36];
    key_bytes[..8].copy_from_slice(&keys);
    let delete = Body::DeleteRkey(DeleteRkey::new(1, &key_bytes, false));
    let delete = message(V1, Flags::REQUEST, delete);
    for ended in [false, true] {
        let mut s = Solo::up(Client, V1, 1);
        let known = confirm_rkey(0, rtoken(0x31), no_others());
        assert_eq!(s.take(Slot::S0, &known).unwrap()[3], 0x80);
        s.g.terminate(s.now, DeleteReason::Program);
        s.sent();
        if ended {
            s.g.send_done(s.now);
            assert_eq!(s.act(), Action::FreeLink(Slot::S0));
        }
        assert_eq!(s.take(Slot::S0, &confirm).unwrap()[3], 0xa0);
        assert_eq!(s.take(Slot::S0, &delete).unwrap()[3], 0x80);
        for dropped in [&add_link(V1, 3, 1), &answer_add(V1, 3, 1)] {
            s.drops(Slot::S0, dropped);
        }
        s.drops(Slot::S0, &[0xfe; 44]);
        if ended {
            s.g.link_freed(s.now, Slot::S0);
            s.drops(Slot::S0, &confirm);
        }
    }
}

#[test]
fn the_peer_has_a_last_word() {
    let all = |flags: Flags| delete_link(V2, flags, 0, DeleteReason::Program);
    let orderly = all(Flags::DELETE_ALL.with(Flags::ORDERLY));
    let last = all(Flags::DELETE_ALL);
    let answer = all(Flags::DELETE_ALL.with(Flags::RESPONSE));
    let ended = |side| {
        let mut s = Solo::up(side, V2, 1);
        s.g.terminate(s.now, DeleteReason::Program);
        s.sent();
        s.g.send_done(s.now);
        assert_eq!(s.act(), Action::FreeLink(Slot::S0));
        let why = EndReason::Local(DeleteReason::Program);
        s.rest_but(Action::Ended(why));
        s
    };
    for (side, word) in [(Server, &last), (Client, &last), (Client, &answer)] {
        let mut s = ended(side);
        for other in [
            &orderly,
            &all(Flags::REQUEST),
            &confirm_link(V2, 1),
            &last[..43].to_vec(),
        ] {
            s.drops(Slot::S0, other);
            s.drops(Slot::S1, word);
        }
        assert!(!s.g.is_peer_gone());
        assert_eq!(s.take(Slot::S0, word), None);
        assert!(s.g.is_peer_gone());
        s.rest();
        // What is not there hears nothing.
        let mut s = ended(side);
        s.g.link_freed(s.now, Slot::S0);
        s.drops(Slot::S0, word);
        assert!(!s.g.is_peer_gone());
    }
    // The peer ends the group: as the C module, which says so twice, and at once.
    for (side, over) in [(Server, false), (Client, true)] {
        let mut s = Solo::up(side, V2, 1);
        s.take(Slot::S0, &orderly);
        assert_eq!((s.g.is_ended(), s.g.is_peer_gone()), (over, false));
        s.take(Slot::S0, &last);
        assert_eq!((s.g.is_ended(), s.g.is_peer_gone()), (true, true));
        let mut s = Solo::up(side, V2, 1);
        s.take(Slot::S0, &last);
        assert_eq!((s.g.is_ended(), s.g.is_peer_gone()), (over, true));
    }
    // It can't say anything any more.
    let mut s = Solo::up(Server, V2, 1);
    s.g.link_down(s.now, Slot::S0);
    assert!(s.g.is_ended() && s.g.is_peer_gone());
}

#[test]
fn who_breaks_the_protocol_is_left() {
    let mut s = Solo::up(Client, V2, 2);
    let mut m = vec![0; LLC_LEN];
    m[..5].copy_from_slice(&[0x29, 44, 0, 0, 200]);
    let (got, _) = s.receive(Slot::S0, &m);
    let why = Ignored::Malformed(LlcError::ListPastEnd);
    assert_eq!(got, Received::Ignored(why));
    assert_eq!(
        delete_of(&s.sent()),
        (0x60, 0, DeleteReason::ProtocolViolation)
    );
    // What is merely not understood is not.
    let mut s = Solo::up(Client, V2, 2);
    for bytes in [&[][..], &[0xfe; 44], &[0x07; 43], &[0x23; 44]] {
        let (got, _) = s.receive(Slot::S0, bytes);
        assert!(matches!(got, Received::Ignored(Ignored::Malformed(_))));
    }
    let mut cont = vec![8, 44];
    cont.resize(LLC_LEN, 0);
    s.drops(Slot::S0, &cont);
    cont[0] = 3;
    s.drops(Slot::S0, &cont);
    s.rest();
}

// Patience.

#[test]
fn wishes_are_answered_though_the_peer_never_lets_go() {
    // A server that offers a link again and again, and never finishes.
    let mut s = Solo::up(Client, V2, 2);
    s.take(Slot::S0, &add_link(V2, 2, 1));
    s.announce(1).unwrap();
    s.announce(2).unwrap();
    s.g.add_link(s.now, Some(Hint::default())).unwrap();
    let mut answers = vec![];
    let mut num = 2u8;
    while s.now < Millis(70_000) {
        while let Some(action) = s.g.poll_action() {
            match action {
                Action::PrepareLink(slot) => {
                    *slot.of_mut(&mut s.keys.qpn) = 0x11 + slot.index() as u32;
                    let e = end(1, 1, 0x11 + slot.index() as u32);
                    s.g.link_prepared(s.now, slot, Ok(e));
                }
                Action::FreeLink(slot) => s.g.link_freed(s.now, slot),
                other => answers.push((s.now, other)),
            }
            while s.poll().is_some() {}
        }
        s.now = s.now.after(500);
        s.g.handle_timeout(s.now);
        num = if num > 200 { 2 } else { num + 1 };
        s.take(Slot::S0, &add_link(V2, num, 1));
    }
    let waited = |what: fn(&Action) -> bool| {
        let (at, _) = answers.iter().find(|(_, a)| what(a)).expect("an answer");
        assert!(*at <= Millis(62_000), "{at:?}");
    };
    waited(|a| matches!(a, Action::RkeyRefused(r, _) | Action::RkeyUsable(r) if *r == rmb(1)));
    waited(|a| matches!(a, Action::RkeyRefused(r, _) | Action::RkeyUsable(r) if *r == rmb(2)));
    waited(|a| matches!(a, Action::AddLink(_)));
}

#[test]
fn timers_that_are_early_do_nothing() {
    let mut s = Solo::double(Server, V2);
    s.announce(1).unwrap();
    s.sent();
    let before = s.g.clone();
    s.g.handle_timeout(Millis(1_999));
    assert_eq!(s.g, before);
    assert_eq!(s.g.poll_timeout(), Some(Millis(2_000)));
}

/// A wish that waits for a flow is answered by the ticks.
#[test]
fn ticks_give_up_what_is_old() {
    let mut s = Solo::up(Server, V1, 2);
    // The caller never finishes, so nothing else can begin.
    assert_eq!(s.act(), Action::PrepareLink(Slot::S1));
    s.announce(1).unwrap();
    s.g.add_link(s.now, None).unwrap();
    assert_eq!(s.g.owed().waiting, 2);
    s.time();
    s.rest();
    assert_eq!(s.now, Millis(20_000));
    s.announce(2).unwrap();
    s.time();
    assert_eq!(s.act(), Action::AddLink(Err(AddError::Timeout)));
    assert_eq!(s.act(), Action::RkeyRefused(rmb(1), RkeyError::Timeout));
    s.rest();
    s.time();
    s.rest_but(Action::RkeyRefused(rmb(2), RkeyError::Timeout));
    assert_eq!(s.g.poll_timeout(), None);
}

// Two of ours.

#[test]
fn how_many_messages_it_takes() {
    for (version, max, frames) in [(V1, 1, 2), (V2, 1, 2), (V1, 2, 8), (V2, 2, 6)] {
        let mut w = World::new(version, [max, max], [2, 2]);
        let mut sent = 0;
        loop {
            let moves = w.moves();
            let Some(m) = moves
                .iter()
                .find(|m| !matches!(m, group_world::Move::Timeout(_)))
            else {
                break;
            };
            sent += u32::from(matches!(m, group_world::Move::Deliver(..)));
            w.apply(m);
        }
        // CONFIRM LINK and its answer; then for the second link ADD LINK and
        // its answer, one continuation and its answer in version 1, and
        // CONFIRM LINK and its answer.
        assert_eq!(sent, frames, "{version:?}, {max} links");
        assert_eq!(w.active(Server).len(), usize::from(max));
    }
}

#[test]
fn everything_ends_when_all_links_fail() {
    for n in [0, 1] {
        let mut w = World::up(V2, [2, 2], [2, 2]);
        w.wish(Server, Wish::Fail(0));
        w.wish(Server, Wish::Fail(1));
        assert!(w.peek(Server).tasks.contains(&Task::Down(Slot::S0)));
        w.wish(Side::BOTH[n], Wish::Announce(1));
        w.run_out();
        w.check_rest();
        for side in [Server, Client] {
            assert_eq!(w.peek(side).ended, Some(EndReason::LostPath));
        }
    }
}
