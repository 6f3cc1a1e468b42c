from __future__ import annotations

import itertools

import pytest

from sfu.media.states import TRANSITIONS, TransportInput, TransportState, next_state

EVERYTHING = list(itertools.product(TransportState, TransportInput))


@pytest.mark.parametrize(("state", "event"), EVERYTHING)
def test_every_input_in_every_state_gives_a_state_and_only_the_table_changes_it(
    state: TransportState, event: TransportInput
):
    assert next_state(state, event) is TRANSITIONS.get((state, event), state)


def test_closed_is_final_and_reached_from_everywhere():
    for state, event in EVERYTHING:
        if state is TransportState.CLOSED:
            assert next_state(state, event) is TransportState.CLOSED
        assert next_state(state, TransportInput.CLOSE) is TransportState.CLOSED


def test_no_way_leads_to_connected_without_keys():
    into = {key for key, state in TRANSITIONS.items() if state is TransportState.CONNECTED}
    assert into == {
        (TransportState.CONNECTING, TransportInput.SECURED),
        (TransportState.DISCONNECTED, TransportInput.HEARD),
    }
    assert [key for key, state in TRANSITIONS.items() if state is TransportState.DISCONNECTED] == [
        (TransportState.CONNECTED, TransportInput.SILENT)
    ]
