"""Meetings and who sees whom in them.

Knows media (``sfu.media``), not HTTP. Synchronous and sans-IO: time and timers come from a ``Clock``, events go
out by callbacks; only what touches the meeting store is asynchronous.
"""

from sfu.conference.attendee import Attendee
from sfu.conference.conference import Conference
from sfu.conference.events import EndReason, LeaveReason
from sfu.conference.meeting import Meeting
from sfu.conference.options import ConferenceOptions
from sfu.conference.participant import Participant
from sfu.conference.publisher import Publisher
from sfu.conference.reception import Tile
from sfu.conference.track import Source, Track
from sfu.conference.viewer import Viewer
from sfu.conference.views import ConferenceStats

__all__ = [
    "Attendee",
    "Conference",
    "ConferenceOptions",
    "ConferenceStats",
    "EndReason",
    "LeaveReason",
    "Meeting",
    "Participant",
    "Publisher",
    "Source",
    "Tile",
    "Track",
    "Viewer",
]
