"""The *join answer*: what a client needs to connect, by whichever way it came in; field by field as in
``docs/signaling.md``.
"""

from __future__ import annotations

from pydantic import BaseModel

from sfu.conference import Attendee
from sfu.conference.attendee import INGRESS
from sfu.conference.views import MeetingTitle, OfferView, SlotPlace
from sfu.ice.servers import IceServer
from sfu.plugins.api import ServerOptions


class IceServerOut(BaseModel):
    """An entry of ``RTCConfiguration.iceServers``."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None

    @classmethod
    def of(cls, server: IceServer) -> IceServerOut:
        """That of ``server``."""
        return cls(urls=list(server.urls), username=server.username or None, credential=server.credential or None)


class Joined(BaseModel):
    """The *join answer*."""

    meeting: MeetingTitle
    participant_id: str
    token: str
    signaling_url: str
    ice_servers: list[IceServerOut]
    offer: OfferView
    ingress: dict[str, str]
    slots: list[SlotPlace]
    resume_window_s: float
    host_token: str | None = None
    """For who made the meeting by joining it (development mode)."""

    @classmethod
    def of(cls, attendee: Attendee, options: ServerOptions, base: str) -> Joined:
        """That of ``attendee``; ``base``: where this server is for its client."""
        meeting = attendee.meeting
        return cls(
            meeting=MeetingTitle(meeting.id, meeting.title),
            participant_id=attendee.id,
            token=attendee.token,
            signaling_url=signaling_url(base, meeting.id),
            ice_servers=[IceServerOut.of(server) for server in options.ice_servers(attendee.id)],
            offer=attendee.offer,
            ingress={source.value: section.mid for source, section in INGRESS.items()},
            slots=list(attendee.slots.places),
            resume_window_s=options.resume_window_s,
        )


def signaling_url(base: str, meeting_id: str) -> str:
    """Of a meeting's WebSocket."""
    return f"ws{base.removeprefix('http')}/meetings/{meeting_id}/signaling"
