"""ICE sessions: every row of the table, credentials, restart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.errors import StateError
from sfu.ice.session import TRANSITIONS, IceCredentials, IceEvent, IceSession, IceState

REMOTE = IceCredentials("remote", "r" * 24)


def feed(session: IceSession, event: IceEvent) -> None:
    match event:
        case IceEvent.REMOTE_KNOWN:
            session.set_remote(REMOTE)
        case IceEvent.SELECTED:
            session.select(("192.0.2.1", 4000))
        case IceEvent.CONSENT_EXPIRED:
            session.expire_consent()
        case IceEvent.RESTARTED:
            session.restart()
        case IceEvent.CLOSED:
            session.close()


@pytest.mark.parametrize("state", list(IceState))
@pytest.mark.parametrize("event", list(IceEvent))
def test_each_event_in_each_state_follows_the_table_or_is_a_bug_of_the_caller(state: IceState, event: IceEvent) -> None:
    session = IceSession()
    session.state = state
    expected = TRANSITIONS.get((state, event))
    if expected is None:
        with pytest.raises(StateError, match=event.value):
            feed(session, event)
        assert session.state is state
    else:
        feed(session, event)
        assert session.state is expected


@given(st.lists(st.sampled_from([event for event in IceEvent if event is not IceEvent.CLOSED])))
def test_only_closing_closes_and_a_selected_pair_always_connects(events: list[IceEvent]) -> None:
    session = IceSession()
    for event in events:
        feed(session, event)
        assert session.state is not IceState.CLOSED
        assert (session.state is IceState.CONNECTED) or event is not IceEvent.SELECTED
    assert session.generation == events.count(IceEvent.RESTARTED)


def test_credentials_are_long_enough_and_never_twice_the_same() -> None:
    made = [IceCredentials.generate() for _ in range(200)]
    assert len({c.ufrag for c in made}) == len({c.pwd for c in made}) == 200
    assert all(len(c.ufrag) >= 4 and len(c.pwd) >= 22 for c in made)
    assert all((c.ufrag + c.pwd).isascii() and (c.ufrag + c.pwd).isalnum() for c in made)


def test_a_password_is_not_shown_in_logs() -> None:
    credentials = IceCredentials.generate()
    assert credentials.pwd not in repr(credentials)


def test_a_restart_keeps_the_connected_pair_until_a_new_one_is_selected() -> None:
    session = IceSession()
    session.select(("192.0.2.1", 4000))
    before = session.local
    after = session.restart()
    assert session.local is after
    assert (after.ufrag, after.pwd) != (before.ufrag, before.pwd)
    assert (session.state, session.remote_address) == (IceState.CONNECTED, ("192.0.2.1", 4000))
    session.select(("198.51.100.2", 5000))
    assert session.remote_address == ("198.51.100.2", 5000)
    assert session.generation == 1


def test_a_late_report_does_not_revive_a_closed_session() -> None:
    session = IceSession()
    session.close()
    session.close()
    session.select(("192.0.2.1", 4000))
    assert session.state is IceState.CLOSED
    assert session.remote_address is None
