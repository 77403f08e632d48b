// SPDX-License-Identifier: GPL-2.0

//! Unit tests of the close machine: the states by name, and what each end is told.
//! That nothing sticks is shown by exploration (tests/close_explore).

use super::*;

const EMPTY: Rings = Rings {
    unsent: false,
    unread: false,
    peer_blocked: false,
};
const UNSENT: Rings = Rings {
    unsent: true,
    ..EMPTY
};
const UNREAD: Rings = Rings {
    unread: true,
    ..EMPTY
};
const DONE: ConnFlags = ConnFlags {
    done_writing: true,
    closed: false,
    abort: false,
};
const CLOSED: ConnFlags = ConnFlags {
    done_writing: false,
    closed: true,
    abort: false,
};
const ABORT: ConnFlags = ConnFlags {
    done_writing: false,
    closed: false,
    abort: true,
};

fn up() -> Closer {
    let mut closer = Closer::new();
    closer.established();
    closer
}

#[test]
fn states_have_the_numbers_of_diag() {
    let numbers = [
        (ConnState::Active, 1),
        (ConnState::Init, 2),
        (ConnState::Closed, 7),
        (ConnState::Listen, 10),
        (ConnState::PeerCloseWait1, 20),
        (ConnState::PeerCloseWait2, 21),
        (ConnState::AppCloseWait1, 22),
        (ConnState::AppCloseWait2, 23),
        (ConnState::AppFinCloseWait, 24),
        (ConnState::PeerFinCloseWait, 25),
        (ConnState::PeerAbortWait, 26),
        (ConnState::ProcessAbort, 27),
    ];
    for (state, number) in numbers {
        assert_eq!(state.number(), number);
    }
}

#[test]
fn active_close_waits_for_the_peers() {
    let mut ours = up();
    assert_eq!(ours.state(), ConnState::Active);
    let actions = ours.close(Linger::Drain, EMPTY);
    assert!(actions.send && actions.discard && actions.free.is_none());
    assert_eq!(actions.tcp, Some(TcpAction::ShutdownBoth));
    assert_eq!(actions.timer, Some(Some(Timer::Orphan)));
    assert_eq!(ours.flags(), CLOSED);
    assert_eq!(ours.state(), ConnState::PeerCloseWait1);
    let actions = ours.peer_said(CLOSED, EMPTY);
    assert_eq!(actions.free, Some(Release::Reusable));
    assert_eq!(actions.timer, Some(None));
    assert!(!actions.send);
    assert_eq!(ours.state(), ConnState::Closed);
}

#[test]
fn passive_close_frees_at_once() {
    let mut ours = up();
    let actions = ours.peer_said(CLOSED, EMPTY);
    assert!(actions.wake && !actions.send && actions.free.is_none());
    assert_eq!(ours.state(), ConnState::AppCloseWait1);
    assert_eq!(ours.recv_end(), Some(RecvEnd::EndOfFile));
    assert_eq!(ours.may_send(), Err(SendRefused::Reset));
    let actions = ours.close(Linger::Drain, UNSENT);
    assert!(
        actions.send && !actions.flush,
        "the peer takes nothing more"
    );
    assert_eq!(actions.free, Some(Release::Reusable));
    assert_eq!(ours.flags(), CLOSED);
}

#[test]
fn active_half_close_goes_through_peerclosewait2() {
    let mut ours = up();
    let actions = ours.shutdown(How::Write, EMPTY).unwrap();
    assert!(actions.send);
    assert_eq!(actions.tcp, Some(TcpAction::ShutdownWrite));
    assert_eq!(ours.flags(), DONE);
    assert_eq!(ours.state(), ConnState::PeerCloseWait1);
    assert_eq!(ours.may_send(), Err(SendRefused::BrokenPipe));
    assert_eq!(ours.recv_end(), None, "the other direction is open");
    let _ = ours.peer_said(DONE, EMPTY);
    assert_eq!(ours.state(), ConnState::PeerCloseWait2);
    let actions = ours.close(Linger::Drain, EMPTY);
    assert!(actions.send);
    assert_eq!(
        ours.flags(),
        ConnFlags {
            done_writing: true,
            ..CLOSED
        },
        "a flag stays set"
    );
    assert_eq!(ours.state(), ConnState::PeerCloseWait2);
    assert!(ours.peer_said(CLOSED, EMPTY).free.is_some());
}

#[test]
fn half_close_then_the_peers_close_waits_for_the_application() {
    let mut ours = up();
    let _ = ours.shutdown(How::Write, EMPTY).unwrap();
    let _ = ours.peer_said(CLOSED, EMPTY);
    assert_eq!(ours.state(), ConnState::AppFinCloseWait);
    assert!(!ours.shutdown(How::Write, EMPTY).unwrap().send);
    let actions = ours.close(Linger::Drain, EMPTY);
    assert!(actions.send);
    assert_eq!(actions.free, Some(Release::Reusable));
}

#[test]
fn passive_half_close_goes_through_appclosewait_and_peerfinclosewait() {
    let mut ours = up();
    let _ = ours.peer_said(DONE, EMPTY);
    assert_eq!(ours.state(), ConnState::AppCloseWait1);
    assert_eq!(ours.may_send(), Ok(()), "the peer still reads");
    let _ = ours.shutdown(How::Write, EMPTY).unwrap();
    assert_eq!(ours.state(), ConnState::AppCloseWait2);
    let _ = ours.close(Linger::Drain, EMPTY);
    assert_eq!(ours.state(), ConnState::PeerFinCloseWait);
    assert!(ours.peer_said(CLOSED, EMPTY).free.is_some());

    let mut ours = up();
    let _ = ours.peer_said(DONE, EMPTY);
    let _ = ours.shutdown(How::Write, EMPTY).unwrap();
    let _ = ours.peer_said(CLOSED, EMPTY);
    assert_eq!(
        ours.state(),
        ConnState::AppCloseWait2,
        "as the C peer shows it"
    );
}

#[test]
fn shutdown_of_both_closes_and_keeps_the_socket() {
    let mut ours = up();
    let actions = ours.shutdown(How::Both, UNREAD).unwrap();
    assert_eq!(
        ours.flags(),
        CLOSED,
        "unread data is no reason to abort yet"
    );
    assert_eq!(actions.timer, None);
    let _ = ours.peer_said(CLOSED, UNREAD);
    assert_eq!(ours.state(), ConnState::AppFinCloseWait);
    let actions = ours.close(Linger::Drain, UNREAD);
    assert!(!actions.send, "all is said");
    assert_eq!(actions.free, Some(Release::Reusable));

    // The passive end is closed at once.
    let mut ours = up();
    let _ = ours.peer_said(CLOSED, EMPTY);
    let actions = ours.shutdown(How::Both, EMPTY).unwrap();
    assert!(actions.send && actions.free.is_none());
    assert_eq!(ours.state(), ConnState::Closed);
    assert_eq!(ours.may_send(), Err(SendRefused::Reset));
    assert_eq!(ours.recv_end(), Some(RecvEnd::EndOfFile));
    assert_eq!(ours.shutdown(How::Write, EMPTY), Err(NotConnected));
    assert!(ours.close(Linger::Drain, EMPTY).free.is_some());
}

#[test]
fn shutdown_of_reading_is_not_told_to_the_peer() {
    let mut ours = up();
    let actions = ours.shutdown(How::Read, EMPTY).unwrap();
    assert!(!actions.send && actions.wake);
    assert_eq!(ours.state(), ConnState::Active);
    assert_eq!(ours.recv_end(), Some(RecvEnd::EndOfFile));
    assert_eq!(ours.may_send(), Ok(()));
}

#[test]
fn unsent_data_goes_first() {
    let mut ours = up();
    let actions = ours.close(Linger::Drain, UNSENT);
    assert!(actions.flush && !actions.send && ours.draining());
    assert_eq!(actions.timer, Some(Some(Timer::Drain)));
    assert_eq!(ours.state(), ConnState::Active);
    assert_eq!(ours.may_send(), Err(SendRefused::BrokenPipe));
    let actions = ours.drained(EMPTY);
    assert!(actions.send && !ours.draining());
    assert_eq!(actions.timer, Some(Some(Timer::Orphan)));
    assert_eq!(ours.flags(), CLOSED);
    assert_eq!(ours.drained(EMPTY), Actions::default(), "once");
}

#[test]
fn a_close_overtakes_a_shutdown_that_drains() {
    let mut ours = up();
    let actions = ours.shutdown(How::Write, UNSENT).unwrap();
    assert!(actions.flush && !actions.send);
    let _ = ours.shutdown(How::Both, UNSENT).unwrap();
    let _ = ours.close(Linger::Drain, UNSENT);
    let actions = ours.drained(EMPTY);
    assert!(actions.send);
    assert_eq!(ours.flags(), CLOSED);
}

#[test]
fn data_that_nobody_reads_makes_a_close_an_abort() {
    let mut ours = up();
    let actions = ours.close(Linger::Drain, UNREAD);
    assert!(actions.send && actions.error.is_none());
    assert_eq!(ours.flags(), ABORT);
    assert_eq!(ours.state(), ConnState::PeerAbortWait);
    assert_eq!(actions.timer, Some(Some(Timer::Orphan)));
    assert_eq!(ours.peer_said(ABORT, EMPTY).free, Some(Release::Reusable));
}

#[test]
fn data_discarded_while_draining_makes_it_an_abort_too() {
    let mut ours = up();
    assert!(ours.close(Linger::Drain, UNSENT).discard);
    let actions = ours.drained(UNREAD);
    assert!(actions.send);
    assert_eq!(ours.flags(), ABORT);
}

#[test]
fn the_peers_close_ends_draining() {
    let mut ours = up();
    let _ = ours.close(Linger::Drain, UNSENT);
    let actions = ours.peer_said(CLOSED, UNSENT);
    assert!(actions.send);
    assert_eq!(actions.free, Some(Release::Reusable));
    assert_eq!(actions.timer, Some(None));
}

#[test]
fn the_drain_timer_aborts() {
    let mut ours = up();
    let _ = ours.close(Linger::Drain, UNSENT);
    assert_eq!(
        ours.timer(Timer::Orphan),
        Actions::default(),
        "not that one"
    );
    let actions = ours.timer(Timer::Drain);
    assert!(actions.send);
    assert_eq!(actions.tcp, Some(TcpAction::Reset));
    assert_eq!(ours.flags(), ABORT);
    assert_eq!(actions.timer, Some(Some(Timer::Orphan)));
    assert_eq!(ours.timer(Timer::Drain), Actions::default(), "it is over");
    assert_eq!(ours.timer(Timer::Orphan).free, Some(Release::Quarantined));
    assert_eq!(ours.timer(Timer::Orphan), Actions::default());
}

#[test]
fn a_linger_time_of_zero_aborts() {
    let mut ours = up();
    let actions = ours.close(Linger::Abort, UNSENT);
    assert!(actions.send && !actions.flush);
    assert_eq!(actions.tcp, Some(TcpAction::Reset));
    assert_eq!(ours.state(), ConnState::PeerAbortWait);
}

#[test]
fn the_peers_abort_is_answered_at_once() {
    let mut ours = up();
    let actions = ours.peer_said(ABORT, UNREAD);
    assert!(actions.send && actions.wake && actions.free.is_none());
    assert_eq!(actions.error, Some(SocketError::Reset));
    assert_eq!(ours.flags(), ABORT);
    assert_eq!(ours.state(), ConnState::ProcessAbort);
    assert_eq!(ours.may_send(), Err(SendRefused::Reset));
    assert_eq!(ours.recv_end(), Some(RecvEnd::Broken));
    assert_eq!(ours.shutdown(How::Both, EMPTY), Err(NotConnected));
    assert_eq!(ours.abort(), Actions::default(), "it is aborted");
    let actions = ours.close(Linger::Drain, UNREAD);
    assert!(!actions.send);
    assert_eq!(actions.free, Some(Release::Reusable));
}

#[test]
fn an_abort_after_our_close_needs_no_answer() {
    let mut ours = up();
    let _ = ours.shutdown(How::Both, EMPTY).unwrap();
    let actions = ours.peer_said(ABORT, EMPTY);
    assert!(!actions.send && actions.free.is_none());
    assert_eq!(actions.error, Some(SocketError::Reset));
    assert_eq!(ours.state(), ConnState::Closed);
}

#[test]
fn our_abort_waits_for_a_peer_that_may_still_write() {
    let mut ours = up();
    let actions = ours.abort();
    assert!(actions.send && actions.wake);
    assert_eq!(actions.error, Some(SocketError::Aborted));
    assert_eq!(actions.tcp, Some(TcpAction::Reset));
    assert_eq!(actions.timer, Some(Some(Timer::Orphan)));
    assert_eq!(ours.state(), ConnState::PeerAbortWait);
    assert_eq!(ours.may_send(), Err(SendRefused::Aborted));
    assert_eq!(ours.recv_end(), Some(RecvEnd::Broken));
    let actions = ours.close(Linger::Abort, EMPTY);
    assert!(!actions.send && actions.free.is_none());
    assert_eq!(ours.close(Linger::Drain, EMPTY), Actions::default(), "once");
    assert_eq!(ours.peer_said(CLOSED, EMPTY).free, Some(Release::Reusable));
}

#[test]
fn our_abort_ends_at_once_when_the_peer_is_done_writing() {
    let mut ours = up();
    let _ = ours.peer_said(DONE, EMPTY);
    let actions = ours.abort();
    assert!(actions.send);
    assert_eq!(ours.state(), ConnState::Closed);
    // It said so, but its last data may be on its way.
    assert_eq!(
        ours.close(Linger::Drain, EMPTY).free,
        Some(Release::Quarantined)
    );
}

#[test]
fn a_silent_peer_costs_its_element_and_no_more() {
    let mut ours = up();
    let _ = ours.close(Linger::Drain, EMPTY);
    assert_eq!(ours.timer(Timer::Drain), Actions::default(), "not that one");
    // One that is alive gets its time anew.
    let actions = ours.peer_said(DONE, EMPTY);
    assert_eq!(actions.timer, Some(Some(Timer::Orphan)));
    let actions = ours.timer(Timer::Orphan);
    assert!(!actions.send);
    assert_eq!(actions.free, Some(Release::Quarantined));
    assert_eq!(
        ours.peer_said(CLOSED, EMPTY),
        Actions::default(),
        "too late"
    );
}

#[test]
fn an_orphan_timer_leaves_an_open_socket_alone() {
    let mut ours = up();
    let _ = ours.shutdown(How::Both, EMPTY).unwrap();
    assert_eq!(ours.timer(Timer::Orphan), Actions::default());
    assert_eq!(ours.state(), ConnState::PeerCloseWait1);
}

#[test]
fn a_peer_that_closed_while_blocked_may_still_write() {
    let blocked = Rings {
        peer_blocked: true,
        ..EMPTY
    };
    let mut ours = up();
    let _ = ours.peer_said(CLOSED, blocked);
    assert_eq!(
        ours.close(Linger::Drain, EMPTY).free,
        Some(Release::Quarantined)
    );
}

#[test]
fn flags_that_are_taken_back_are_not_believed() {
    let mut ours = up();
    let _ = ours.peer_said(CLOSED, EMPTY);
    assert_eq!(
        ours.peer_said(ConnFlags::default(), EMPTY),
        Actions::default()
    );
    assert_eq!(ours.peer_said(DONE, EMPTY), Actions::default());
    assert_eq!(ours.state(), ConnState::AppCloseWait1);
}

#[test]
fn a_tcp_reset_aborts_unless_somebody_closed() {
    let mut ours = up();
    let actions = ours.tcp_reset();
    assert!(actions.send);
    assert_eq!(actions.error, Some(SocketError::Reset));
    assert_eq!(ours.state(), ConnState::PeerAbortWait);

    let mut ours = up();
    let _ = ours.peer_said(CLOSED, EMPTY);
    assert_eq!(ours.tcp_reset(), Actions::default());
    let mut ours = up();
    let _ = ours.shutdown(How::Both, EMPTY).unwrap();
    assert_eq!(ours.tcp_reset(), Actions::default());
}

#[test]
fn a_link_group_that_goes_takes_the_connection_with_it() {
    let mut ours = up();
    let actions = ours.link_group_down();
    assert!(!actions.send && actions.wake && actions.free.is_none());
    assert_eq!(actions.error, Some(SocketError::Aborted));
    assert_eq!(ours.state(), ConnState::Closed);
    assert_eq!(ours.may_send(), Err(SendRefused::Aborted));
    assert_eq!(ours.recv_end(), Some(RecvEnd::Broken));
    assert_eq!(ours.link_group_down(), Actions::default());
    assert_eq!(ours.abort(), Actions::default());
    assert_eq!(
        ours.close(Linger::Drain, UNSENT).free,
        Some(Release::Quarantined)
    );

    let mut ours = up();
    let _ = ours.close(Linger::Drain, UNSENT);
    let actions = ours.link_group_down();
    assert_eq!(actions.free, Some(Release::Quarantined));
    assert_eq!(actions.timer, Some(None));
    assert_eq!(ours.drained(EMPTY), Actions::default());

    // One that was aborted before has its error.
    let mut ours = up();
    let actions = ours.abort();
    assert!(actions.send && actions.error == Some(SocketError::Aborted));
    let actions = ours.link_group_down();
    assert!(!actions.send && actions.error.is_none());
    assert_eq!(ours.state(), ConnState::Closed);
}

#[test]
fn a_socket_that_never_connected_leaves_the_element_to_the_handshake() {
    let mut ours = Closer::default();
    assert_eq!(ours.state(), ConnState::Init);
    assert_eq!(ours.may_send(), Err(SendRefused::NotConnected));
    assert_eq!(ours.recv_end(), Some(RecvEnd::NotConnected));
    assert_eq!(ours.shutdown(How::Write, EMPTY), Err(NotConnected));
    let actions = ours.close(Linger::Drain, EMPTY);
    assert!(!actions.send);
    assert_eq!(actions.free, Some(Release::AsHandshake));
    ours.established();
    assert_eq!(ours.state(), ConnState::Closed);
    assert_eq!(ours.recv_end(), Some(RecvEnd::EndOfFile));
    assert_eq!(ours.may_send(), Err(SendRefused::BrokenPipe));

    let mut ours = Closer::new();
    assert!(!ours.abort().send, "there is nobody to tell");
    assert_eq!(ours.state(), ConnState::Closed);
    assert_eq!(
        ours.close(Linger::Drain, EMPTY).free,
        Some(Release::AsHandshake)
    );
}

#[test]
fn a_peer_may_close_before_the_handshake_is_over_here() {
    let mut ours = Closer::new();
    let _ = ours.peer_said(CLOSED, EMPTY);
    assert_eq!(ours.state(), ConnState::AppCloseWait1);
    ours.established();
    assert_eq!(ours.state(), ConnState::AppCloseWait1);
    assert_eq!(
        ours.close(Linger::Drain, EMPTY).free,
        Some(Release::Reusable)
    );
}
