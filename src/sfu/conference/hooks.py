"""What plugins are asked before something happens: values, and the interface of whoever asks them.

A hook gets a question, a frozen value, and answers None (as it is), ``Deny`` with a reason, or the question itself with
other fields (``dataclasses.replace``): those of ``CHANGEABLE`` count, the others stay as they were. How to write one is
in ``docs/plugins.md``; ``sfu.runtime.hooks`` asks them.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from sfu.conference.authority import Actor, Role
from sfu.conference.names import check_name
from sfu.conference.records import MeetingRecord
from sfu.conference.tally import Tally
from sfu.conference.track import Source

DURATIONS_S = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""From a look into a table to a web service that thinks."""


class Hook(StrEnum):
    """The moments; the values are the names of a plugin's methods, and words of the configuration and of metrics."""

    BEFORE_JOIN = "before_join"
    BEFORE_PUBLISH = "before_publish"
    BEFORE_SUBSCRIBE = "before_subscribe"
    BEFORE_RECORD = "before_record"


class Outcome(StrEnum):
    """What came of asking one plugin; the values are words of metrics."""

    ALLOWED = "allowed"
    CHANGED = "changed"
    DENIED = "denied"
    ERROR = "error"
    """It raised, or answered with what is no answer."""
    TIMEOUT = "timeout"
    OVERFLOW = "overflow"
    """It was not asked, because too many questions wait already."""


class Way(StrEnum):
    """By which somebody comes."""

    SIGNALING = "signaling"
    WHIP = "whip"
    WHEP = "whep"


@dataclass(frozen=True, slots=True)
class Deny:
    """It shall not happen. The reason is told to who wanted it."""

    reason: str = "this server does not allow it"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in a meeting. ``role`` None: a viewer (WHEP), who is no participant."""

    id: str
    identity: str
    """Who it is, for who gave it a token; "": a guest."""
    name: str
    role: Role | None


@dataclass(frozen=True, slots=True)
class JoinAsked:
    """Somebody wants to join, and was found to be allowed to. Asked before one waits, too; not again then."""

    meeting: MeetingRecord
    way: Way
    address: str
    """As far as it can be trusted; "": not known."""
    identity: str
    """"": a guest."""
    name: str
    role: Role
    """What it will be."""
    publish: frozenset[Source] | None = None
    """The most that it may ever publish; None: whatever its role and the meeting allow."""
    max_bps: int | None = None
    """What it is sent at most, bits per second; None: what the server's limit is."""
    session_s: float | None = None
    """How long it may stay; None: as long as it likes."""

    def check(self) -> None:
        """Raises ``ValueError`` or ``RemoteError`` for what a hook must not make of it."""
        check_name(self.name)
        _require("role", isinstance(self.role, Role))
        _require("publish", self.publish is None or all(isinstance(source, Source) for source in self.publish))
        _require("max_bps", self.max_bps is None or (type(self.max_bps) is int and self.max_bps > 0))
        _require("session_s", self.session_s is None or self.session_s > 0)


@dataclass(frozen=True, slots=True)
class PublishAsked:
    """A participant wants to publish a source that it does not publish at the moment."""

    meeting: MeetingRecord
    person: Person
    source: Source
    max_encodings: int | None = None
    """Of a video: only so many, the smallest, reach anybody; None: all that it sends."""
    max_height: int | None = None
    """Of a video: encodings above this height, pixels, reach nobody, but the smallest always does."""

    def check(self) -> None:
        """Raises ``ValueError`` for what a hook must not make of it."""
        for name, value in (("max_encodings", self.max_encodings), ("max_height", self.max_height)):
            _require(name, value is None or (type(value) is int and value > 0))


@dataclass(frozen=True, slots=True)
class Pair:
    """One who would receive, and what."""

    subscriber: Person
    publisher: Person
    source: Source


@dataclass(frozen=True, slots=True)
class SubscribeAsked:
    """Who may see and hear whom: many pairs at once. The answer is which of them may not (an iterable of pairs), or
    None for none of them, or ``Deny`` for all.
    """

    meeting: MeetingRecord
    pairs: tuple[Pair, ...]

    def check(self) -> None:
        """Nothing of it can be changed."""


@dataclass(frozen=True, slots=True)
class RecordAsked:
    """Somebody wants a recording of a meeting to begin."""

    meeting: MeetingRecord
    role: Actor
    """What it is for the meeting."""
    identity: str
    """"": not known."""

    def check(self) -> None:
        """Nothing of it can be changed."""


Asked = JoinAsked | PublishAsked | SubscribeAsked | RecordAsked
AskedType = TypeVar("AskedType", bound=Asked)

CHANGEABLE: Mapping[type, tuple[str, ...]] = {
    JoinAsked: ("name", "role", "publish", "max_bps", "session_s"),
    PublishAsked: ("max_encodings", "max_height"),
    SubscribeAsked: (),
    RecordAsked: (),
}


@dataclass(slots=True)
class HookStats:
    """Of one hook, since the start."""

    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    durations: Tally = field(default_factory=lambda: Tally(DURATIONS_S))


class Hooks(Protocol):
    """Asks the plugins, one after the other: the first denial counts, changes are passed on. Never blocks, and answers
    within a bounded time.
    """

    @property
    def stats(self) -> Mapping[Hook, HookStats]:
        """Of the hooks that any plugin has."""

    def has(self, hook: Hook) -> bool:
        """Whether any plugin has it. Where none has, nobody need be asked."""

    async def ask(self, hook: Hook, asked: AskedType) -> AskedType:
        """What is to be done. Raises ``RemoteError``: ``refused`` with the reason of a plugin; ``hook_failed`` (503)
        when one could not say, and that is to deny.
        """

    async def denied_pairs(self, asked: SubscribeAsked) -> frozenset[Pair]:
        """Those that must not be. Raises ``RemoteError`` ``hook_failed``, as ``ask`` does."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Does it in the background, on the control plane's thread."""


class _NoHooks:
    """There are no plugins with hooks."""

    stats: Mapping[Hook, HookStats] = {}

    def has(self, hook: Hook) -> bool:
        del hook
        return False

    async def ask(self, hook: Hook, asked: AskedType) -> AskedType:
        del hook
        return asked

    async def denied_pairs(self, asked: SubscribeAsked) -> frozenset[Pair]:
        del asked
        return frozenset()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        work.close()


NO_HOOKS: Hooks = _NoHooks()


def pairs_of(answer: object, asked: SubscribeAsked) -> frozenset[Pair]:
    """The pairs that an answer denies. Raises ``TypeError`` for what is no answer."""
    if answer is None:
        return frozenset()
    if isinstance(answer, Deny):
        return frozenset(asked.pairs)
    if not isinstance(answer, Iterable):
        raise TypeError(f"{type(answer).__name__} is no answer: None, Deny, or the pairs that are denied")
    denied = frozenset(answer)
    if not all(isinstance(pair, Pair) for pair in denied):
        raise TypeError("the answer has something that is no pair")
    return denied & frozenset(asked.pairs)


def _require(name: str, is_good: bool) -> None:
    if not is_good:
        raise ValueError(f"{name} has a value that it must not have")
