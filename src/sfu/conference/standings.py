"""What hosts decided about somebody, which holds when they come again, also after a restart: who was removed stays
out, who was let in need not wait again, who was sent away does not get in by asking again, and what a host made of an
identity it is. Bounded: what was decided first is forgotten first, but a removal only for another one.

People are known by the SHA-256 of their identity, token or browser. Of those who are kept out, and of nobody else,
there is a name besides, so that a host sees whom to let back.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile

from sfu.conference.authority import Role
from sfu.conference.grants import Grants
from sfu.conference.names import digest, new_participant_id

MAX_REMOVED = 10_000
MAX_OTHERS = 10_000
DENIED_FOR = timedelta(minutes=5)
"""Long enough that asking again and again is no use, short enough for a host who pressed the wrong button."""


class Decision(StrEnum):
    """Which one; the values are words of the database."""

    REMOVED = "removed"
    ADMITTED = "admitted"
    DENIED = "denied"
    # what an identity is in the meeting
    HOST = "host"
    COHOST = "cohost"
    PARTICIPANT = "participant"
    AUDIENCE = "audience"


@dataclass(frozen=True, slots=True)
class Standing:
    """A decision about somebody. None: what was decided holds no longer."""

    who: bytes
    """SHA-256 of what they are known by."""
    decision: Decision | None
    at: datetime
    person: str = ""
    """Of who is kept out: the same for all that one was known by. "": an older version wrote it down."""
    name: str = ""
    """Of who is kept out, as the others were shown it."""

    @property
    def person_id(self) -> str:
        """By which a host names who is kept out."""
        return self.person or self.who.hex()[:12]


class Standings:
    """Of one meeting. ``note`` is told of every change; ``kept``: what it was told before, the oldest first."""

    def __init__(self, kept: Iterable[Standing], note: Callable[[Standing], None]) -> None:
        self._removed: OrderedDict[bytes, Standing] = OrderedDict()
        self._others: OrderedDict[bytes, Standing] = OrderedDict()
        self._note: Callable[[Standing], None] = lambda _standing: None
        for standing in kept:
            self._put(standing)
        self._note = note

    def is_removed(self, grants: Grants) -> bool:
        """Whether somebody with such grants was, by whatever they are known by."""
        return any(key in self._removed for key in _keys(grants))

    def is_denied(self, grants: Grants, now: datetime) -> bool:
        """Whether they were sent away a short time ago."""
        found = (self._others.get(key) for key in _keys(grants))
        return any(one and one.decision is Decision.DENIED and now - one.at < DENIED_FOR for one in found)

    def is_admitted(self, grants: Grants) -> bool:
        """Whether they were let in before, and not sent away since."""
        one = next((self._others.get(key) for key in _keys(grants)), None)
        return one is not None and one.decision is Decision.ADMITTED

    def role(self, identity: str | None) -> Role | None:
        """What a host made of that identity; None: nothing, or it is a guest."""
        one = self._others.get(_role_key(identity)) if identity else None
        return Role(one.decision) if one is not None and one.decision is not None else None

    def remove(self, grants: Grants, now: datetime, name: str = "") -> None:
        """They do not come back, by nothing that they are known by."""
        self._keep_out(grants, Decision.REMOVED, now, name)

    def admit(self, grants: Grants, now: datetime) -> None:
        """They need not wait again. By what they are known best: two may use one browser."""
        for place, key in enumerate(_keys(grants)):
            if place == 0:
                self._put(Standing(key, Decision.ADMITTED, now))
            elif key in self._others:
                self._put(Standing(key, None, now))

    def deny(self, grants: Grants, now: datetime, name: str = "") -> None:
        """They do not get in by asking again, for a while."""
        self._keep_out(grants, Decision.DENIED, now, name)

    def kept_out(self, now: datetime) -> Iterator[Standing]:
        """One for each who was removed, or sent away a short time ago: the last decided first."""
        recent = takewhile(lambda one: now - one.at < DENIED_FOR, reversed(self._others.values()))
        denied = (one for one in recent if one.decision is Decision.DENIED)
        seen: set[str] = set()
        for one in heapq.merge(reversed(self._removed.values()), denied, key=lambda one: one.at, reverse=True):
            if one.person_id not in seen:
                seen.add(one.person_id)
                yield one

    def kept_out_as(self, identity: str, now: datetime) -> Standing | None:
        """That of ``kept_out`` by which this identity is."""
        key = digest(f"identity {identity}")
        one = self._removed.get(key) or self._others.get(key)
        return one if one is not None and _holds(one, now) else None

    def readmit(self, person_id: str, now: datetime) -> Standing | None:
        """Lifts what keeps that one of ``kept_out`` out, by all that they are known by; None: there is no such one."""
        tables = self._removed, self._others
        found = [one for table in tables for one in table.values() if one.person_id == person_id and _holds(one, now)]
        for one in found:
            for table in tables:
                table.pop(one.who, None)
            self._note(Standing(one.who, None, now))
        return found[0] if found else None

    def appoint(self, identity: str, role: Role, now: datetime) -> None:
        """That is what the identity is from now on, whenever it comes."""
        self._put(Standing(_role_key(identity), Decision(role.value), now))

    def _keep_out(self, grants: Grants, decision: Decision, now: datetime, name: str) -> None:
        person = new_participant_id()
        for key in _keys(grants):
            self._put(Standing(key, decision, now, person, name))

    def _put(self, standing: Standing) -> None:
        where = self._removed if standing.decision is Decision.REMOVED else self._others
        self._others.pop(standing.who, None)
        if standing.decision is not None:
            where[standing.who] = standing
            where.move_to_end(standing.who)
        self._note(standing)
        for table, most in ((self._removed, MAX_REMOVED), (self._others, MAX_OTHERS)):
            while len(table) > most:
                _, oldest = table.popitem(last=False)
                self._note(Standing(oldest.who, None, standing.at))


def _holds(one: Standing, now: datetime) -> bool:
    """Whether it keeps somebody out."""
    return one.decision is Decision.REMOVED or (one.decision is Decision.DENIED and now - one.at < DENIED_FOR)


def _keys(grants: Grants) -> list[bytes]:
    """By which somebody is known again, what says it best at first; none: a guest who hides."""
    known = []
    if grants.identity:
        known.append(f"identity {grants.identity}")
    if grants.token_id:
        known.append(f"token {grants.token_id}")
    if grants.browser:
        known.append(f"browser {grants.browser.hex()}")
    return [digest(text) for text in known]


def _role_key(identity: str) -> bytes:
    return digest(f"role {identity}")
