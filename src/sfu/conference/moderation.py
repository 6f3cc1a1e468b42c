"""Keeping order: muting, asking to unmute, roles, passing on the meeting, the spotlight. ``authority`` says who may.

What a host mutes is muted here, where media is forwarded, and its client is told: nobody depends on the client's doing
it. When the last host leaves, the co-host who joined first is host from then on; without one the meeting goes on
without a host until somebody joins with the host token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from sfu.conference.authority import RANK, Action, Caller, Role, may, require
from sfu.conference.events import Event, ModerationChanged, Muted, UnmuteAsked
from sfu.conference.happenings import Chronicle
from sfu.conference.rights import EVERYTHING, Permissions
from sfu.conference.track import Source
from sfu.conference.views import ModerationView
from sfu.errors import RemoteError

if TYPE_CHECKING:
    from sfu.conference.orders import Orders
    from sfu.conference.participant import Participant
    from sfu.conference.returning import Seat

MAX_SPOTLIGHT = 9


class Moderation:
    """Of one meeting. ``participants`` is the meeting's own, in the order of joining; ``show`` puts participants in
    front for everybody; ``on_order`` hears of every change of what holds for everybody.
    """

    def __init__(
        self,
        participants: Mapping[str, Participant],
        permissions: Permissions,
        *,
        tell: Callable[[Event], None],
        show: Callable[[Sequence[str]], None],
        chronicle: Chronicle,
        on_order: Callable[[], None],
    ) -> None:
        self._participants = participants
        self._permissions = permissions
        self._tell = tell
        self._show = show
        self._chronicle = chronicle
        self._on_order = on_order
        self._spotlight: tuple[str, ...] = ()

    def view(self) -> ModerationView:
        """What everybody is told."""
        return ModerationView(self._permissions.may_unmute, self._spotlight)

    # microphones

    def mute(self, caller: Caller, participant_id: str, *, may_unmute: bool = True) -> None:
        """Mutes somebody's microphone, at once; whether they may unmute it themselves is theirs or a host's to say.

        Raises ``RemoteError``: ``forbidden``, ``participant_not_found``.
        """
        self._mute(caller, self._led(caller, participant_id, Action.MUTE), may_unmute=may_unmute)

    def mute_all(self, caller: Caller, *, may_unmute: bool = True) -> None:
        """Mutes all of a lower role; who joins from now on may unmute or not, too. Raises ``RemoteError``."""
        require(caller.role, Action.MUTE_ALL)
        self._permissions.may_unmute = may_unmute
        for participant in tuple(self._participants.values()):
            if participant.id != caller.participant_id and may(caller.role, Action.MUTE_ALL, participant.rights.role):
                self._mute(caller, participant, may_unmute=may_unmute)
        self._chronicle.tell("meeting.muted_all", by=caller.participant_id, may_unmute=may_unmute)
        self._tell_all()

    def allow_unmute(self, caller: Caller, *, allowed: bool) -> None:
        """Whether those of a lower role may unmute themselves, who are muted or not. Raises ``RemoteError``."""
        require(caller.role, Action.MUTE_ALL)
        self._permissions.may_unmute = allowed
        for participant in tuple(self._participants.values()):
            if may(caller.role, Action.MUTE_ALL, participant.rights.role):
                self._allow_unmute(participant, allowed)
        self._chronicle.tell("meeting.unmute_allowed", by=caller.participant_id, allowed=allowed)
        self._tell_all()

    def ask_to_unmute(self, caller: Caller, participant_id: str) -> None:
        """Asks somebody to unmute, who may from now on and decides. Who has no way to be asked is unmuted, if it was a
        host who muted.

        Raises ``RemoteError``: ``forbidden``, ``participant_not_found``.
        """
        participant = self._led(caller, participant_id, Action.ASK_TO_UNMUTE)
        self._allow_unmute(participant, allowed=True)
        if participant.reception is not None:
            participant.notify(UnmuteAsked(caller.participant_id, self._name_of(caller)))
        elif Source.MICROPHONE in participant.sources.tracks:
            self._set_muted(participant, muted=False, by=caller)

    # roles

    def promote(self, caller: Caller, participant_id: str, role: Role) -> None:
        """Makes somebody a participant or a co-host. Raises as ``demote``."""
        self._become(caller, participant_id, role, {Role.PARTICIPANT, Role.COHOST}, is_up=True)

    def demote(self, caller: Caller, participant_id: str, role: Role) -> None:
        """Makes somebody a participant or audience; what they publish and may not any more is taken away.

        Raises ``RemoteError``: ``forbidden``, ``participant_not_found``, ``bad_request``, ``conflict`` when it would go
        the other way.
        """
        self._become(caller, participant_id, role, {Role.PARTICIPANT, Role.AUDIENCE}, is_up=False)

    def transfer_host(self, caller: Caller, participant_id: str) -> None:
        """Makes somebody the host, and a co-host of the caller, or, when the caller is not in the meeting, of all who
        are hosts.

        Raises ``RemoteError``: ``forbidden``, ``participant_not_found``, ``conflict`` when the one cannot lead.
        """
        heir = self._led(caller, participant_id, Action.TRANSFER_HOST)
        if heir.reception is None:
            raise RemoteError("conflict", f"{heir.name} cannot lead", "name somebody who joined by a page", status=409)
        before = self._participants.get(caller.participant_id or "")
        leaving = [before] if before is not None else list(self._participants.values())
        self._permissions.assign(heir, Role.HOST, EVERYTHING, by=caller.participant_id)
        for participant in leaving:
            if participant is not heir and participant.rights.role is Role.HOST:
                self._permissions.assign(participant, Role.COHOST, EVERYTHING, by=caller.participant_id)

    # what everybody sees

    def spotlight(self, caller: Caller, participant_ids: Sequence[str]) -> None:
        """Puts these in front for everybody who has pinned nobody, in this order; nobody ends it.

        Raises ``RemoteError``: ``forbidden``, ``participant_not_found``, ``bad_request``.
        """
        require(caller.role, Action.SPOTLIGHT)
        chosen = tuple(dict.fromkeys(participant_ids))
        if len(chosen) > MAX_SPOTLIGHT:
            raise RemoteError("bad_request", f"{len(chosen)} in the spotlight", f"at most {MAX_SPOTLIGHT}")
        for participant_id in chosen:
            self._find(participant_id)
        self._light(chosen, by=caller.participant_id)

    # who comes and goes

    def left(self, participant: Participant) -> None:
        """Is in ``participants`` no longer."""
        if participant.id in self._spotlight:
            self._light(tuple(one for one in self._spotlight if one != participant.id))
        if participant.rights.role is Role.HOST:
            self._succeed()

    def _succeed(self) -> None:
        """Somebody is host, if anybody can be."""
        others = self._participants.values()
        heir = next((other for other in others if other.rights.role is Role.COHOST), None)
        if heir is not None and not any(other.rights.role is Role.HOST for other in others):
            self._permissions.assign(heir, Role.HOST, EVERYTHING, by=None, is_lasting=False)

    def lost(self, seats: Sequence[Seat]) -> None:
        """Those who had these seats did not come back in time."""
        gone = {seat.participant_id for seat in seats}
        self._light(tuple(one for one in self._spotlight if one not in gone))
        if any(seat.role is Role.HOST for seat in seats):
            self._succeed()

    def stop(self) -> None:
        """Nobody is there; who comes next begins anew. Idempotent."""
        self._permissions.may_unmute = True
        if self._spotlight:
            self._spotlight = ()
            self._show(())
        self._on_order()

    def restore(self, orders: Orders) -> None:
        """As hosts had a meeting that is opened again."""
        self._permissions.may_unmute = orders.may_unmute
        self._spotlight = orders.spotlight
        self._show(orders.spotlight)

    # inner

    def _mute(self, caller: Caller, participant: Participant, *, may_unmute: bool) -> None:
        self._allow_unmute(participant, may_unmute)
        if self._set_muted(participant, muted=True, by=caller):
            participant.rights.muted_by_host = True
            participant.notify(Muted(Source.MICROPHONE.value, caller.participant_id, self._name_of(caller)))

    @staticmethod
    def _set_muted(participant: Participant, *, muted: bool, by: Caller) -> bool:
        if Source.MICROPHONE not in participant.sources.tracks:
            return False
        if not participant.sources.mute(Source.MICROPHONE, muted=muted, by=by.participant_id):
            return False
        participant.meeting.updated(participant)
        participant.meeting.refresh(participant)
        return True

    @staticmethod
    def _allow_unmute(participant: Participant, allowed: bool) -> None:
        if participant.rights.may_unmute is not allowed:
            participant.rights.may_unmute = allowed
            participant.permitted()

    def _become(self, caller: Caller, participant_id: str, role: Role, roles: set[Role], *, is_up: bool) -> None:
        if role not in roles:
            raise RemoteError("bad_request", f"nobody is made {role} so", f"one of {', '.join(sorted(roles))}")
        appoints = role is Role.COHOST or self._find(participant_id).rights.role is Role.COHOST
        participant = self._led(caller, participant_id, Action.APPOINT if appoints else Action.PERMIT)
        current = participant.rights.role
        if current is role:
            return
        if (RANK[role] > RANK[current]) is not is_up:
            raise RemoteError("conflict", f"{participant.name} is {current}", "promote goes up", status=409)
        if role is Role.COHOST and participant.reception is None:
            raise RemoteError("conflict", f"{participant.name} cannot lead", "", status=409)
        publish = {
            Role.COHOST: EVERYTHING,
            Role.PARTICIPANT: self._permissions.rules.publish or EVERYTHING,
            Role.AUDIENCE: frozenset[Source](),
        }[role]
        self._permissions.assign(participant, role, publish, by=caller.participant_id)

    def _light(self, chosen: tuple[str, ...], by: str | None = None) -> None:
        if chosen != self._spotlight:
            self._spotlight = chosen
            self._chronicle.tell("meeting.spotlight_changed", by=by, participants=list(chosen))
            self._show(chosen)
            self._tell_all()

    def _tell_all(self) -> None:
        view = self.view()
        self._on_order()
        self._tell(ModerationChanged(view.may_unmute, view.spotlight))

    def _name_of(self, caller: Caller) -> str | None:
        participant = self._participants.get(caller.participant_id or "")
        return participant.name if participant is not None else None

    def _find(self, participant_id: str) -> Participant:
        participant = self._participants.get(participant_id)
        if participant is None:
            raise RemoteError("participant_not_found", f"no participant {participant_id[:64]!r} is here", status=404)
        return participant

    def _led(self, caller: Caller, participant_id: str, action: Action) -> Participant:
        require(caller.role, action)
        participant = self._find(participant_id)
        require(caller.role, action, participant.rights.role)
        return participant
