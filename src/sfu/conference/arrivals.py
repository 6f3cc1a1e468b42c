"""The ways into a meeting: by our offer, anew or back to a seat, and by an offer of the client's own (WHIP, WHEP). What
is asked before anything changes, in which order. Who may come at all was decided before, at the door (``admission``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sfu.conference.attendance import Attendance
from sfu.conference.attendee import Attendee
from sfu.conference.authority import Role
from sfu.conference.events import LeaveReason
from sfu.conference.grants import GUEST, Grants
from sfu.conference.names import check_name
from sfu.conference.negotiation import parse_sdp
from sfu.conference.places import FULL_S, Places
from sfu.conference.publisher import Publisher
from sfu.conference.returning import Seat
from sfu.conference.track import Limits, Source
from sfu.conference.upkeep import Upkeep
from sfu.conference.viewer import Viewer
from sfu.errors import RemoteError

if TYPE_CHECKING:
    from sfu.conference.meeting import Meeting


class Arrivals:
    """Of one meeting. Where one raises, nobody came and nobody is told of anything."""

    def __init__(self, meeting: Meeting, places: Places, upkeep: Upkeep, attendance: Attendance) -> None:
        self._meeting = meeting
        self._places = places
        self._upkeep = upkeep
        self._attendance = attendance

    def join(
        self,
        name: str,
        *,
        grants: Grants = GUEST,
        host_token: str | None = None,
        audience: bool = False,
        video: int | None = None,
    ) -> Attendee:
        """A new attendee with its first offer, within what it was granted; a host with the meeting's token, or, if it
        wants, audience. ``video``: how many videos its client shows, for the first offer to have slots for.

        Raises ``RemoteError``: ``bad_request``, ``meeting_full``, ``forbidden`` when the token is wrong, or is one for
        another meeting.
        """
        meeting, name = self._meeting, check_name(grants.name or name)
        rights = meeting.permissions.rights(grants=grants, host_token=host_token, audience=audience)
        self._make_place(grants)
        if meeting.first_is_host and not audience and grants.role is not Role.PARTICIPANT:
            meeting.first_is_host, rights = False, meeting.permissions.host(rights.most)
        attendee = Attendee(meeting, name, rights, self._upkeep.router().create_transport(), grants=grants, video=video)
        self._attendance.enter(attendee)
        return attendee

    def come_back(self, seat: Seat, *, video: int | None = None) -> Attendee:
        """Who had that seat has it again: its id, role, rights and hand, with a new token and a first offer. Where it
        still is in the meeting, that stay is over; the others hardly notice.

        Raises ``RemoteError``: ``meeting_not_found``, ``duplicate_identity``, ``unauthorized`` when its time is over.
        """
        meeting = self._meeting
        meeting.require_running()
        grants = seat.grants_at(meeting.clock.wall())
        if grants is None:
            raise RemoteError("unauthorized", "your time in the meeting is over", status=401)
        before = meeting.participants.get(seat.participant_id)
        double = meeting.participant_called(seat.grants.identity)
        self._places.replace(None if double is before else double)
        media = self._upkeep.router()
        if before is not None:
            self._attendance.leave(before, LeaveReason.REPLACED, is_back=True)
        meeting.returning.take(seat.participant_id)
        rights = seat.rights()
        meeting.permissions.returned(rights)
        attendee = Attendee(
            meeting,
            seat.name,
            rights,
            media.create_transport(),
            grants=grants,
            video=video,
            former_id=seat.participant_id,
        )
        self._attendance.enter(attendee, is_back=True)
        return attendee

    def join_with_offer(
        self,
        name: str,
        sdp: str,
        *,
        grants: Grants = GUEST,
        host_token: str | None = None,
        limits: Mapping[Source, Limits] | None = None,
    ) -> Publisher:
        """A new participant whose client offers to send; ``limits``: of what it sends, by source. Raises
        ``RemoteError``.
        """
        meeting, name, offer = self._meeting, check_name(grants.name or name), parse_sdp(sdp)
        rights = meeting.permissions.rights(grants=grants, host_token=host_token)
        self._make_place(grants)
        transport = self._upkeep.router().create_transport()
        try:
            publisher = Publisher(meeting, name, rights, transport, offer, grants=grants, limits=limits)
        except RemoteError:
            transport.close()
            self._attendance.emptied()
            raise
        self._attendance.enter(publisher)
        meeting.refresh(publisher)
        return publisher

    def view_with_offer(self, sdp: str, target: str | None = None, *, grants: Grants = GUEST) -> Viewer:
        """A new viewer, of the participant ``target`` or of whoever publishes. Raises ``RemoteError``."""
        meeting, offer = self._meeting, parse_sdp(sdp)
        if target is not None and target not in meeting.participants:
            raise RemoteError("participant_not_found", f"no participant {target!r} is in the meeting", status=404)
        if meeting.viewers >= meeting.options.max_viewers:
            raise RemoteError(
                "meeting_full",
                f"the meeting has {meeting.options.max_viewers} viewers",
                status=409,
                retry_after_s=FULL_S,
            )
        meeting.require_running()
        transport = self._upkeep.router().create_transport()
        try:
            viewer = Viewer(meeting, transport, offer, target, grants=grants)
        except RemoteError:
            transport.close()
            self._attendance.emptied()
            raise
        self._attendance.enter_viewer(viewer)
        return viewer

    def require_place(self, beyond: int = 0) -> None:
        """As ``Places.require``, of a meeting that goes on."""
        self._meeting.require_running()
        self._places.require(beyond)

    def _make_place(self, grants: Grants) -> None:
        """For who comes with these. Who is in by the same identity leaves, or nobody comes. Raises ``RemoteError``."""
        meeting = self._meeting
        if grants.meeting not in {None, meeting.id}:
            raise RemoteError("forbidden", "the token is for another meeting", "ask for one for this", status=403)
        meeting.admission.require_welcome(grants)
        double, seat = meeting.participant_called(grants.identity), meeting.returning.called(grants.identity)
        self.require_place(beyond=-1 if double or seat else 0)
        self._places.replace(double)
        if seat is not None:
            meeting.returning.take(seat.participant_id)  # it came anew, by its token
