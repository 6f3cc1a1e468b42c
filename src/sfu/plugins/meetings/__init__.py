"""Meetings over HTTP: create, look up, join, leave; the first half of ``docs/signaling.md``. Besides, what operators do
about events of theirs that nobody took.
"""

from __future__ import annotations

from sfu.plugins.api import PluginContext
from sfu.plugins.meetings.crud import crud_routes
from sfu.plugins.meetings.dead_event_routes import dead_event_routes
from sfu.plugins.meetings.door_routes import door_routes
from sfu.plugins.meetings.host_routes import host_routes
from sfu.plugins.meetings.joining import joining_routes
from sfu.plugins.meetings.kept_out_routes import kept_out_routes
from sfu.plugins.meetings.recording_routes import recording_routes
from sfu.plugins.meetings.routes import meeting_routes


class MeetingsPlugin:
    """The built-in ``meetings``."""

    name = "meetings"

    def setup(self, context: PluginContext) -> None:
        """Adds the routes."""
        context.include_router(crud_routes(context))
        context.include_router(meeting_routes(context))
        context.include_router(joining_routes(context))
        context.include_router(door_routes(context))
        context.include_router(kept_out_routes(context))
        context.include_router(host_routes(context))
        context.include_router(recording_routes(context))
        context.include_router(dead_event_routes(context))
