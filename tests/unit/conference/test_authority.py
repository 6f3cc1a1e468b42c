"""The table of roles and actions, read as a whole: every actor with every action and every target."""

from __future__ import annotations

import pytest

from sfu.conference.authority import DOWNWARDS, MAY, RANK, Action, Actor, Outsider, Role, may, require
from sfu.errors import RemoteError

ACTORS: tuple[Actor, ...] = (*Role, *Outsider)

INITIALS: dict[str, Actor] = {
    "S": Outsider.SERVER,
    "H": Role.HOST,
    "C": Role.COHOST,
    "P": Role.PARTICIPANT,
    "A": Role.AUDIENCE,
}
EXPECTED = {
    "create": "S", "list": "S", "change": "SH", "delete": "SH", "end": "SH", "lock": "SHC", "see_people": "SHCPA",
    "see_history": "SH", "mute_all": "SHC", "chat_mode": "SHC", "spotlight": "SHC", "admit": "SHC", "deny": "SHC",
    "mute": "SHC", "ask_to_unmute": "SHC", "lower_hand": "SHC", "permit": "SHC", "appoint": "SH",
    "transfer_host": "SH", "remove": "SHC", "delete_message": "SHC", "chat": "HCPA", "chat_when_hosts_only": "HC",
    "react": "HCPA", "revoke": "S", "record": "SH", "readmit": "SHC", "retry_events": "S",
}  # fmt: skip
"""Written down a second time on purpose: who changes the table says so here."""


@pytest.mark.parametrize("action", Action)
def test_exactly_these_may_do_it_and_a_stranger_may_nothing(action: Action) -> None:
    expected = {INITIALS[initial] for initial in EXPECTED[action]}
    assert {actor for actor in ACTORS if may(actor, action)} == expected == MAY[action]
    assert Outsider.STRANGER not in expected


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("target", Role)
def test_what_goes_downwards_is_done_to_lower_ranks_alone(actor: Actor, action: Action, target: Role) -> None:
    allowed = actor in MAY[action] and (action not in DOWNWARDS or RANK[target] < RANK[actor])
    assert may(actor, action, target) is allowed
    if allowed:
        require(actor, action, target)
        return
    with pytest.raises(RemoteError) as caught:
        require(actor, action, target)
    assert (caught.value.code, caught.value.status) == ("forbidden", 403)


def test_a_refusal_says_who_may() -> None:
    with pytest.raises(RemoteError, match="only a host or server may do that"):
        require(Role.COHOST, Action.TRANSFER_HOST, Role.PARTICIPANT)
    with pytest.raises(RemoteError, match="a cohost may not do that to a host"):
        require(Role.COHOST, Action.MUTE, Role.HOST)
