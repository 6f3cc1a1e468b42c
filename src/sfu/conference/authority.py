"""Who may do what to a meeting and to those in it: one table of roles and actions, for signaling and REST alike.

Pure. What a participant may publish, and how much, is no matter of roles alone: see ``rights``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sfu.errors import RemoteError


class Role(StrEnum):
    """What somebody is in a meeting; the values are words of the signaling protocol."""

    HOST = "host"
    """Publishes whatever there is, and says who else may."""
    COHOST = "cohost"
    """Keeps order as a host does, but for what concerns hosts and co-hosts themselves."""
    PARTICIPANT = "participant"
    AUDIENCE = "audience"
    """Publishes nothing, until a host permits something."""


class Outsider(StrEnum):
    """Who asks without being in the meeting or having a role there."""

    SERVER = "server"
    """Whose key is for the whole server: the operator's own programs."""
    STRANGER = "stranger"
    """Whose credentials say nothing about this meeting."""


Actor = Role | Outsider


@dataclass(frozen=True, slots=True)
class Caller:
    """Who wants something done. ``participant_id`` None: somebody who is not in the meeting, but may act on it."""

    role: Actor
    participant_id: str | None = None


class Action(StrEnum):
    """What there is to be done; the values are words of the API."""

    # to the meeting
    CREATE = "create"
    LIST = "list"
    REVOKE = "revoke"
    """Tokens and identities, for every meeting."""
    RETRY_EVENTS = "retry_events"
    """To see what sinks were not told, and to have it told again."""
    CHANGE = "change"
    DELETE = "delete"
    END = "end"
    LOCK = "lock"
    SEE_PEOPLE = "see_people"
    """Who is there now."""
    SEE_HISTORY = "see_history"
    """Who was there, when, and why they left."""
    RECORD = "record"
    """To have recordings begin and end, and to see them. Also whose token has the grant."""
    MUTE_ALL = "mute_all"
    CHAT_MODE = "chat_mode"
    SPOTLIGHT = "spotlight"
    # to who wants to come in
    ADMIT = "admit"
    DENY = "deny"
    READMIT = "readmit"
    """To see who is kept out, and to lift that."""
    # to one who is there
    MUTE = "mute"
    ASK_TO_UNMUTE = "ask_to_unmute"
    LOWER_HAND = "lower_hand"
    PERMIT = "permit"
    """What somebody may publish; also to make audience of a participant, and the other way round."""
    APPOINT = "appoint"
    """To make somebody a co-host, or to end that."""
    TRANSFER_HOST = "transfer_host"
    REMOVE = "remove"
    DELETE_MESSAGE = "delete_message"
    """Somebody else's."""
    # oneself
    CHAT = "chat"
    CHAT_WHEN_HOSTS_ONLY = "chat_when_hosts_only"
    REACT = "react"


_HOSTS = frozenset({Role.HOST, Role.COHOST})
_OPERATORS: frozenset[Actor] = frozenset({Outsider.SERVER, Role.HOST})
_LEADERS: frozenset[Actor] = _OPERATORS | _HOSTS
_INSIDERS: frozenset[Actor] = frozenset(Role)

MAY: dict[Action, frozenset[Actor]] = {
    Action.CREATE: frozenset({Outsider.SERVER}),
    Action.LIST: frozenset({Outsider.SERVER}),
    Action.REVOKE: frozenset({Outsider.SERVER}),
    Action.RETRY_EVENTS: frozenset({Outsider.SERVER}),
    Action.CHANGE: _OPERATORS,
    Action.DELETE: _OPERATORS,
    Action.END: _OPERATORS,
    Action.LOCK: _LEADERS,
    Action.SEE_PEOPLE: _INSIDERS | _OPERATORS,
    Action.SEE_HISTORY: _OPERATORS,
    Action.RECORD: _OPERATORS,
    Action.MUTE_ALL: _LEADERS,
    Action.CHAT_MODE: _LEADERS,
    Action.SPOTLIGHT: _LEADERS,
    Action.ADMIT: _LEADERS,
    Action.DENY: _LEADERS,
    Action.READMIT: _LEADERS,
    Action.MUTE: _LEADERS,
    Action.ASK_TO_UNMUTE: _LEADERS,
    Action.LOWER_HAND: _LEADERS,
    Action.PERMIT: _LEADERS,
    Action.APPOINT: _OPERATORS,
    Action.TRANSFER_HOST: _OPERATORS,
    Action.REMOVE: _LEADERS,
    Action.DELETE_MESSAGE: _LEADERS,
    Action.CHAT: _INSIDERS,
    Action.CHAT_WHEN_HOSTS_ONLY: _HOSTS,
    Action.REACT: _INSIDERS,
}
"""Who may do it at all. Every action is in it."""

RANK: dict[Actor, int] = {
    Outsider.SERVER: 4,
    Role.HOST: 3,
    Role.COHOST: 2,
    Role.PARTICIPANT: 1,
    Role.AUDIENCE: 0,
    Outsider.STRANGER: -1,
}

DOWNWARDS = frozenset(
    {Action.MUTE, Action.MUTE_ALL, Action.PERMIT, Action.APPOINT, Action.REMOVE, Action.DELETE_MESSAGE}
)
"""Done only to those of a lower rank than one's own: hosts do not mute or remove each other. ``MUTE_ALL`` passes over
the others.
"""


def may(actor: Actor, action: Action, target: Role | None = None) -> bool:
    """Whether ``actor`` may do it; to somebody of the role ``target``, where it is done to somebody."""
    if actor not in MAY[action]:
        return False
    return target is None or action not in DOWNWARDS or RANK[target] < RANK[actor]


def require(actor: Actor, action: Action, target: Role | None = None) -> None:
    """Raises ``RemoteError`` ``forbidden`` unless ``may``."""
    if may(actor, action, target):
        return
    if target is not None and may(actor, action):
        raise RemoteError("forbidden", f"a {actor} may not do that to a {target}", "ask a host", status=403)
    allowed = " or ".join(word.value for word in (*Role, *Outsider) if word in MAY[action])
    raise RemoteError("forbidden", f"only a {allowed} may do that", "join with the host token", status=403)
