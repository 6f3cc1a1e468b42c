"""Who may do what in a meeting: its rules, the roles of those in it, raised hands."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sfu.conference.authority import Action, Role, require
from sfu.conference.chat_views import ChatMode
from sfu.conference.names import digest
from sfu.conference.track import Source
from sfu.conference.views import PermissionsView
from sfu.errors import RemoteError

if TYPE_CHECKING:
    from sfu.conference.grants import Grants
    from sfu.conference.participant import Participant

EVERYTHING = frozenset(Source)


class Withdrawal(StrEnum):
    """Why the server took a source away; the values are words of the signaling protocol."""

    TAKEN_OVER = "taken_over"
    NOT_ALLOWED = "not_allowed"


@dataclass(frozen=True, slots=True)
class Rules:
    """Of one meeting, set when it is made."""

    max_cameras: int = 10_000
    """Published at a time."""
    max_video: int = 49
    """Videos that one participant receives at a time."""
    max_screens: int = 1
    """Shared at a time."""
    publish: frozenset[Source] = EVERYTHING
    """What a participant may publish who is no host."""
    audience: bool = False
    """Whether those who join are audience."""
    chat: ChatMode = ChatMode.EVERYONE
    """Who may write, until a host says otherwise."""
    direct_messages: bool = True
    """Whether one may write to one participant alone, until a host says otherwise."""
    keep_chat: bool = False
    """Whether what is said is kept for who comes after a restart of the server, until the meeting is deleted."""

    @property
    def chat_settings(self) -> tuple[ChatMode, bool]:
        """Those that a host may say otherwise."""
        return self.chat, self.direct_messages


@dataclass(slots=True)
class Rights:
    """Of one participant. Changed by ``Permissions`` alone."""

    role: Role
    publish: frozenset[Source]
    hand: int | None = None
    """The order number of the raised hand."""
    most: frozenset[Source] = EVERYTHING
    """What its token lets it publish, whatever a host permits."""
    may_unmute: bool = True
    """Whether it may unmute its microphone itself."""
    muted_by_host: bool = False
    """Whether a host muted it, and it has not unmuted since."""

    @staticmethod
    def most_of(grants: Grants | None) -> frozenset[Source]:
        """What a token lets somebody publish, whatever a host permits."""
        return EVERYTHING if grants is None or grants.publish is None else grants.publish


class Permissions:
    """Of one meeting. ``participants`` is the meeting's own. ``host_digest`` is that of the token that makes a host;
    b"": there is none.
    """

    def __init__(self, rules: Rules, host_digest: bytes, participants: Mapping[str, Participant]) -> None:
        self.rules = rules
        self.may_unmute = True
        """Whether those who come and are no hosts may unmute themselves."""
        self._host_digest = host_digest
        self._participants = participants
        self._hands = 0

    # who comes

    def rights(self, *, grants: Grants | None = None, host_token: str | None = None, audience: bool = False) -> Rights:
        """Of who joins with these grants or that token, or wants to be no more than audience. Raises ``RemoteError``
        ``forbidden``.
        """
        most = Rights.most_of(grants)
        role = grants.role if grants is not None else None
        if host_token is not None:
            if not self.is_host_token(host_token):
                raise RemoteError("forbidden", "the host token is wrong", "join without it", status=403)
            return self.host(most)
        if role in {Role.HOST, Role.COHOST} and not audience:
            return Rights(role, most, most=most)
        may = self.rules.publish & most
        if audience or role is Role.AUDIENCE or (role is None and self.rules.audience) or not may:
            return Rights(Role.AUDIENCE, frozenset(), most=most, may_unmute=self.may_unmute)
        return Rights(Role.PARTICIPANT, may, most=most, may_unmute=self.may_unmute)

    def returned(self, rights: Rights) -> None:
        """Somebody is back with these: hands that are raised later come after its own."""
        self._hands = max(self._hands, rights.hand or 0)

    def is_host_token(self, token: str) -> bool:
        """Whether it makes a host of who has it."""
        return hmac.compare_digest(digest(token), self._host_digest)

    @staticmethod
    def host(most: frozenset[Source] = EVERYTHING) -> Rights:
        """Of a host, whose token lets it publish ``most``."""
        return Rights(Role.HOST, most, most=most)

    def view(self, rights: Rights, most_video: int) -> PermissionsView:
        """What a participant is told of its own."""
        return PermissionsView(
            rights.role.value,
            tuple(source.value for source in Source if source in rights.publish),
            min(self.rules.max_video, most_video),
            rights.may_unmute,
            rights.muted_by_host,
        )

    # what they publish

    def admit(self, participant: Participant, source: Source, *, take_over: bool = False) -> None:
        """Whether it may publish a source now; makes room where it may take over.

        Raises ``RemoteError``: ``forbidden``, ``limit_reached``, ``conflict`` while others present.
        """
        may = participant.rights.publish
        if source not in may:
            allowed = ", ".join(item.value for item in Source if item in may) or "nothing until a host permits it"
            raise RemoteError("forbidden", f"you may not publish {source}", f"you may publish {allowed}", status=403)
        if source in participant.sources.tracks:
            return
        if source is Source.CAMERA:
            cameras = sum(Source.CAMERA in who.sources.tracks for who in self._participants.values())
            self._require_less("max_cameras", cameras, self.rules.max_cameras, "try again when somebody stopped")
        elif source is Source.SCREEN:
            self._admit_screen(participant, take_over=take_over)

    def _admit_screen(self, participant: Participant, *, take_over: bool) -> None:
        presenters = [who for who in self._participants.values() if Source.SCREEN in who.sources.tracks]
        if len(presenters) < self.rules.max_screens:
            return
        if not presenters:
            self._require_less("max_screens", 0, self.rules.max_screens, "screens are not shared in this meeting")
        if not take_over:
            names = ", ".join(who.name for who in presenters[:3])
            raise RemoteError("conflict", f"{names} is presenting", "take_over: true takes over", status=409)
        longest = min(presenters, key=lambda who: who.sources.tracks[Source.SCREEN].number)
        longest.withdraw((Source.SCREEN, Source.SCREEN_AUDIO), Withdrawal.TAKEN_OVER, by=participant.id)

    @staticmethod
    def _require_less(limit: str, count: int, most: int, hint: str) -> None:
        if count >= most:
            raise RemoteError("limit_reached", f"{limit} of the meeting is {most}", hint, status=409)

    # what hosts do, and hands

    def permit(self, host: Participant, participant_id: str, publish: Collection[Source]) -> None:
        """From now on this is what a participant may publish; nothing makes it audience. What it publishes and may not
        any more is taken away.

        Raises ``RemoteError``: ``forbidden`` (also when its own token says no), ``participant_not_found``, ``conflict``
        when it is a co-host.
        """
        participant = self._led(host, participant_id, Action.PERMIT)
        rights = participant.rights
        allowed = frozenset(publish)
        if not allowed <= rights.most:
            may = ", ".join(item.value for item in Source if item in rights.most) or "nothing"
            raise RemoteError("forbidden", f"the token of {participant.name} does not allow that", may, status=403)
        if allowed == rights.publish:
            return
        if rights.role is Role.COHOST:
            raise RemoteError("conflict", f"{participant.name} is a co-host", "demote first", status=409)
        self.assign(participant, Role.PARTICIPANT if allowed else Role.AUDIENCE, allowed, by=host.id)

    def assign(
        self,
        participant: Participant,
        role: Role,
        publish: frozenset[Source],
        *,
        by: str | None,
        is_lasting: bool = True,
    ) -> None:
        """This is its role from now on, and what it may publish as far as its token allows; what it publishes and may
        not any more is taken away. ``by``: the participant who wants that. ``is_lasting``: so it is when its identity
        comes again.
        """
        rights = participant.rights
        before, rights.role, rights.publish = rights.role, role, publish & rights.most
        if role is not before:
            participant.tell("participant.role_changed", role=role.value, before=before.value, by=by)
        if rights.publish and rights.hand is not None:
            rights.hand = None
            participant.tell("participant.hand_lowered")
        if role in {Role.HOST, Role.COHOST}:
            rights.may_unmute = True
        participant.permitted()
        taken = [source for source in participant.sources.tracks if source not in rights.publish]
        participant.withdraw(taken, Withdrawal.NOT_ALLOWED, by=by)
        participant.meeting.became(participant, is_lasting=is_lasting)
        if role is not before:
            participant.meeting.reconsider(participant.id)

    def raise_hand(self, participant: Participant, *, raised: bool) -> None:
        """Raises its own hand, last in order, or takes it down."""
        if raised is (participant.rights.hand is not None):
            return
        if raised:
            self._hands += 1
        participant.rights.hand = self._hands if raised else None
        participant.tell("participant.hand_raised" if raised else "participant.hand_lowered")
        participant.meeting.updated(participant)

    def lower_hand(self, host: Participant, participant_id: str) -> None:
        """Takes somebody's hand down. Raises ``RemoteError``: ``forbidden``, ``participant_not_found``."""
        self.raise_hand(self._led(host, participant_id, Action.LOWER_HAND), raised=False)

    def _led(self, host: Participant, participant_id: str, action: Action) -> Participant:
        require(host.rights.role, action)
        participant = self._participants.get(participant_id)
        if participant is None:
            raise RemoteError("participant_not_found", f"no participant {participant_id!r} is here", status=404)
        require(host.rights.role, action, participant.rights.role)
        return participant
