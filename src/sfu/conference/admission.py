"""Who gets in to a meeting, who waits, and who does not: the door. Synchronous, by the meeting's clock.

In this order: who was removed stays out; hosts come in; a locked meeting takes nobody else; who has no token where one
is asked for is refused; then one may have to wait, for the hour, for a host, for a host's word, for a place.

Long by a little, because the order is read in one place; each of its steps is in a module of its own.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sfu.conference.admission_stats import AdmissionStats
from sfu.conference.authority import Action, Caller, Role, require
from sfu.conference.events import (
    Admitted,
    Denied,
    DenyReason,
    KeptOutChanged,
    LeaveReason,
    LockChanged,
    WaitingRoomChanged,
)
from sfu.conference.grants import GUEST, Grants
from sfu.conference.kept_out import KeptOut
from sfu.conference.names import check_name, digest
from sfu.conference.records import Access
from sfu.conference.returning import Seat
from sfu.conference.views import WaitingPage, timestamp
from sfu.conference.waiting import TICK_S, Waiting, WaitingOptions, WaitingRoom, WaitReason
from sfu.errors import RemoteError

if TYPE_CHECKING:
    from sfu.conference.attendee import Attendee
    from sfu.conference.meeting import Meeting

LEADERS = frozenset({Role.HOST, Role.COHOST})
BATCH = 25
"""So many come in at a time, each making an offer and a transport; the next ones a tick later."""


@dataclass(frozen=True, slots=True)
class Application:
    """What somebody asks for who wants to join. ``how``: what ``Arrivals.join`` takes besides."""

    name: str
    grants: Grants = GUEST
    host_token: str | None = None
    join_token: str | None = None
    former_token: str | None = None
    """The participant token of before, of who was in the meeting when its server was lost."""
    audience: bool = False
    role: Role | None = None
    """What a plugin makes of it, whatever its token and the meeting say. It waits like everybody, unless it leads."""
    how: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shown_name(self) -> str:
        """Raises ``RemoteError`` ``bad_request`` when it is none."""
        return check_name(self.grants.name or self.name)

    @property
    def decided(self) -> Application:
        """The same in the words of grants: what a plugin decided comes before tokens."""
        if self.role is None:
            return self
        grants = replace(self.grants, role=self.role)
        return replace(self, grants=grants, host_token=None, audience=self.role is Role.AUDIENCE, role=None)


class Admission:
    """Of one meeting."""

    def __init__(self, meeting: Meeting, options: WaitingOptions, stats: AdmissionStats) -> None:
        self._meeting = meeting
        self.stats = stats
        self.is_locked = False
        self._bucket = 0.0
        self._filled_at = meeting.clock.now()
        self.room = WaitingRoom(
            meeting.clock,
            options,
            review=self.review,
            reason=self._reason,
            tell=self._tell_leaders,
            chronicle=meeting.chronicle,
            ended=self.stats.waited,
        )
        self.kept_out = KeptOut(meeting, self._tell_leaders)
        """Whom a host may let back."""

    # who comes

    def apply(self, application: Application) -> Attendee | Waiting:
        """Comes in, or waits. Raises ``RemoteError``: what ``Arrivals.join`` raises, ``removed``, ``locked``,
        ``join_token_required``, ``too_early``, ``waiting_room_full``.
        """
        with self.stats.counting():
            return self._apply(application)

    def _apply(self, application: Application) -> Attendee | Waiting:
        application.shown_name  # noqa: B018 - a wrong name is told now, not to who was let in
        application = self._recognised(application)
        self.require_welcome(application.grants)
        seat = self._former_seat(application)
        if seat is not None:
            self.require_welcome(seat.grants)
            return self._meeting.arrivals.come_back(seat, video=application.how.get("video"))
        if not self._leads(application):
            self._require_unlocked()
            application = self._vouched(application)
            if self._must_wait(application):
                self._require_not_denied(application.grants)
                return self._wait(application)
            called = sum(waiting.is_called for waiting in self.room)
            if called and not self._meeting.is_in(application.grants.identity):
                self._meeting.arrivals.require_place(beyond=called)
        return self._enter(application)

    def check(self, application: Application) -> Role:
        """What it would be if it got in. Raises ``RemoteError`` as ``apply``, but for places and waiting rooms."""
        application.shown_name  # noqa: B018 - as in ``apply``
        application = self._recognised(application)
        self.require_welcome(application.grants)
        if self.has_seat(application):
            return self._role(application)
        if self._leads(application):
            return Role.HOST if self._meeting.first_is_host else self._role(application)
        self._require_unlocked()
        application = self._vouched(application)
        if self._must_wait(application):
            self._require_not_denied(application.grants)
        return self._role(application)

    def has_seat(self, application: Application) -> bool:
        """Whether it comes back to what it had: nothing about it is decided anew."""
        return self._former_seat(application) is not None

    def require_open(self, grants: Grants, token: str | None) -> Grants:
        """For who cannot wait (WHIP, WHEP), and whose ``token`` may be the meeting's host token or join token. Raises
        ``RemoteError`` as ``apply``, and ``conflict`` where it would have to wait.
        """
        is_host = token is not None and self._meeting.permissions.is_host_token(token)
        application = self._recognised(Application("-", grants, join_token=None if is_host else token))
        self.require_welcome(application.grants)
        if is_host:
            return replace(application.grants, role=Role.HOST)
        if self._leads(application):
            return application.grants
        self._require_unlocked()
        application = self._vouched(application)
        if self._must_wait(application):
            raise RemoteError("conflict", "one has to wait to get in", "use a host's token", status=409)
        return application.grants

    def require_welcome(self, grants: Grants) -> None:
        """Raises ``RemoteError`` ``removed`` for who was removed."""
        if self._meeting.standings.is_removed(grants):
            raise RemoteError("removed", "a host removed you from this meeting", status=403)

    # what hosts do. All raise ``RemoteError`` ``forbidden`` for who may not

    def lock(self, caller: Caller, *, locked: bool) -> None:
        """Nobody but hosts comes in any more, or people come in again."""
        require(caller.role, Action.LOCK)
        if locked is not self.is_locked:
            self.is_locked = locked
            self._meeting.ordered()
            self._meeting.tell(LockChanged(locked))
            self._meeting.chronicle.tell("meeting.locked" if locked else "meeting.unlocked", by=caller.participant_id)
            self.review()

    def page(self, caller: Caller, after: str | None, limit: int) -> WaitingPage:
        """Some of those who wait. Raises ``RemoteError`` ``participant_not_found``."""
        require(caller.role, Action.ADMIT)
        return self.room.page(after, limit, locked=self.is_locked)

    def admit(self, caller: Caller, waiting_id: str) -> None:
        """Lets somebody in who waits. Raises ``RemoteError``: ``participant_not_found``, ``meeting_full``."""
        require(caller.role, Action.ADMIT)
        waiting = self.room.find(waiting_id)
        self._meeting.arrivals.require_place(beyond=sum(other.is_called for other in self.room if other is not waiting))
        waiting.is_called = True
        self.review()

    def admit_all(self, caller: Caller) -> int:
        """Lets in everybody who waits; how many that were. Those for whom there is no place yet wait for one."""
        require(caller.role, Action.ADMIT)
        for waiting in self.room:
            waiting.is_called = True
        count = len(self.room)
        self.review()
        return count

    def deny(self, caller: Caller, waiting_id: str) -> None:
        """Sends somebody away who waits; to ask again is no use for a while. Raises ``RemoteError``
        ``participant_not_found``.
        """
        require(caller.role, Action.DENY)
        waiting = self.room.find(waiting_id)
        self._meeting.standings.deny(waiting.application.grants, self._meeting.clock.wall(), waiting.name)
        self.room.remove(waiting, Denied(DenyReason.DENIED))
        self.kept_out.changed()

    def remove(self, caller: Caller, participant_id: str) -> None:
        """Removes somebody for good: the same identity, the same token and the same browser do not come back. Raises
        ``RemoteError`` ``participant_not_found``.
        """
        participant = self._meeting.participants.get(participant_id)
        if participant is None:
            raise RemoteError("participant_not_found", f"no participant {participant_id[:64]!r} is here", status=404)
        require(caller.role, Action.REMOVE, participant.rights.role)
        self._meeting.standings.remove(participant.grants, self._meeting.clock.wall(), participant.name)
        participant.tell("participant.removed", by=caller.participant_id)
        self._meeting.remove(participant, LeaveReason.REMOVED)
        self.kept_out.changed()

    def revoke(self, *, identity: str | None = None, token_id: str | None = None, link: bytes = b"") -> int:
        """Who came by that token, as that identity or by that join link leaves, and waits no longer; how many."""

        def is_meant(grants: Grants) -> bool:
            by_identity = identity is not None and grants.identity == identity
            return (
                by_identity
                or (token_id is not None and grants.token_id == token_id)
                or bool(link and grants.link == link)
            )

        here = [who for who in self._meeting.participants.values() if is_meant(who.grants)]
        for participant in here:
            self._meeting.remove(participant, LeaveReason.REVOKED)
        waiting = [who for who in self.room if is_meant(who.application.grants)]
        for who in waiting:
            self.room.remove(who, Denied(DenyReason.REVOKED))
        self._meeting.returning.withdraw(is_meant)
        return len(here) + len(waiting)

    # what happens

    def review(self) -> None:
        """Lets in whoever may come in now."""
        if not self.room:
            return
        self._pour()
        entered = 0
        for waiting in self.room:
            if entered >= BATCH:
                return
            if not waiting.is_there or self._reason(waiting) is not WaitReason.PLACE:
                continue
            if self.is_locked and not waiting.is_called:
                continue
            try:
                attendee = self._enter(waiting.application)
            except RemoteError as error:
                if error.code == "meeting_full":
                    return
                self.room.remove(waiting, Denied(DenyReason.REFUSED, error.detail))
                continue
            entered += 1
            if waiting.is_called:
                self._meeting.standings.admit(waiting.application.grants, self._meeting.clock.wall())
            self.room.remove(waiting, Admitted(attendee))

    def close(self, reason: DenyReason) -> None:
        """Nobody comes in any more."""
        self.room.close(reason)
        self.kept_out.close()

    # inner

    def _enter(self, application: Application) -> Attendee:
        application = application.decided
        return self._meeting.join(
            application.name,
            grants=application.grants,
            host_token=application.host_token,
            audience=application.audience,
            **application.how,
        )

    def _former_seat(self, application: Application) -> Seat | None:
        """That of who comes back, if it is still its own. Who says it is somebody else comes like everybody."""
        token = application.former_token
        if token is None:
            return None
        returning, meeting = self._meeting.returning, self._meeting
        seat = returning.find(token)
        if seat is None:
            here = meeting.participant_of(token)  # its media was lost
            if here is None:  # or the answer when it came back before
                here = meeting.participants.get(returning.taken_by(token) or "")
                here = here if here is not None and not here.is_connected else None
            if here is None or here.reception is None:
                return None
            seat = Seat.of(here)
        identity = application.grants.identity
        return seat if not identity or identity == seat.grants.identity else None

    def _wait(self, application: Application) -> Waiting:
        opens, longest_s = self._meeting.record.not_before, self.room.options.longest_s
        too_early = opens - self._meeting.clock.wall() - timedelta(seconds=longest_s) if opens is not None else None
        if opens is not None and too_early is not None and too_early > timedelta(0):
            detail, after_s = f"nobody gets in before {timestamp(opens)}", too_early.total_seconds()
            raise RemoteError("too_early", detail, "come back then", status=403, retry_after_s=after_s)
        grants = application.grants
        for other in self.room:
            before = other.application.grants
            is_same = bool(grants.identity) and before.identity == grants.identity
            # A guest's page that was reloaded; two tabs of one browser may be two people.
            is_left_behind = not other.is_there and bool(grants.browser) and before.browser == grants.browser
            if is_same or is_left_behind:
                return self.room.take_over(other, application)
        return self.room.add(application)

    def _recognised(self, application: Application) -> Application:
        """Who has the meeting is its host, unless its token says what else it is; else an identity is what a host made
        of it, but whom a token makes host is host.
        """
        grants, host = application.grants, self._meeting.record.host
        if host and grants.identity == host and grants.role is None:
            return replace(application, grants=replace(grants, role=Role.HOST))
        made = self._meeting.standings.role(grants.identity)
        if made is not None and grants.role is not Role.HOST:
            return replace(application, grants=replace(grants, role=made))
        return application

    def _leads(self, application: Application) -> bool:
        application = application.decided
        if self._role(application) in LEADERS:
            return True
        is_first = self._meeting.first_is_host and application.grants.role is not Role.PARTICIPANT
        return is_first and not application.audience

    def _role(self, application: Application) -> Role:
        application = application.decided
        return self._meeting.permissions.rights(
            grants=application.grants, host_token=application.host_token, audience=application.audience
        ).role

    def _vouched(self, application: Application) -> Application:
        """With the join link that it came by, if it did. Raises ``join_token_required`` where it had to."""
        record = self._meeting.record
        link = digest(application.join_token) if application.join_token is not None else b""
        if link and record.join_digest and hmac.compare_digest(link, record.join_digest):
            expires = record.join_expires_at
            if expires is None or expires > self._meeting.clock.wall():
                return replace(application, grants=_by_link(application.grants, link))
        if record.access is Access.TOKEN and application.grants.token_id is None:
            hint = "ask who invited you for a new link" if application.join_token else "use the whole link"
            raise RemoteError("join_token_required", "the meeting's join token is missing or wrong", hint, status=403)
        return application

    def _must_wait(self, application: Application) -> bool:
        return self._obstacle(application, is_called=False) is not None

    def _reason(self, waiting: Waiting) -> WaitReason:
        return self._obstacle(waiting.application, is_called=waiting.is_called) or WaitReason.PLACE

    def _obstacle(self, application: Application, *, is_called: bool) -> WaitReason | None:
        """What it has to wait for besides a place. Whom a host lets in need not wait for the hour either."""
        record = self._meeting.record
        if is_called:
            return None
        if record.not_before is not None and record.not_before > self._meeting.clock.wall():
            return WaitReason.NOT_BEFORE
        if record.lobby and not self._has_leader():
            return WaitReason.HOST
        if record.access is not Access.WAITING_ROOM or application.grants.role is not None:
            return None
        return None if self._meeting.standings.is_admitted(application.grants) else WaitReason.ADMISSION

    def _has_leader(self) -> bool:
        return any(who.rights.role in LEADERS for who in self._meeting.participants.values())

    def _pour(self) -> None:
        """The leaky bucket: calls those who wait for admission, at the rate of the options."""
        rate, now = self.room.options.admit_per_s, self._meeting.clock.now()
        self._bucket = min(max(1.0, rate * TICK_S), self._bucket + (now - self._filled_at) * rate)
        self._filled_at = now
        for waiting in self.room:
            if self._bucket < 1:
                return
            if waiting.is_there and self._reason(waiting) is WaitReason.ADMISSION:
                self._bucket -= 1
                waiting.is_called = True

    def _require_not_denied(self, grants: Grants) -> None:
        if self._meeting.standings.is_denied(grants, self._meeting.clock.wall()):
            raise RemoteError("denied", "a host did not let you in", "ask again in some minutes", status=403)

    def _require_unlocked(self) -> None:
        if self.is_locked:
            raise RemoteError("locked", "a host locked the meeting", "ask a host to unlock it", status=403)

    def _tell_leaders(self, event: WaitingRoomChanged | KeptOutChanged) -> None:
        for participant in tuple(self._meeting.participants.values()):
            if participant.rights.role in LEADERS:
                participant.notify(event)


@lru_cache(maxsize=256)
def _by_link(grants: Grants, link: bytes) -> Grants:
    """Remembered: most who come to a meeting bring the same."""
    return replace(grants, link=link)
