"""A client of the conference without network: an attendee, its answers, and what it heard."""

from __future__ import annotations

from typing import Any

from tests.support.answers import answer_to

from sfu.conference import Attendee, Meeting
from sfu.conference.events import Event, RosterChanged


class Client:
    """An attendee with the events that it was told, most recent last."""

    def __init__(self, meeting: Meeting, name: str, **how: Any) -> None:
        """``how``: as of ``Meeting.join``."""
        self.attendee: Attendee = meeting.join(name, **how)
        self.events: list[Event] = []
        self.welcome = self.attendee.attach(self.events.append)

    @property
    def id(self) -> str:
        return self.attendee.id

    def answer(self, **how: object) -> None:
        """Answers the latest offer; see ``answer_to``."""
        offer = self.attendee.offer
        self.attendee.answer(offer.version, answer_to(offer.sdp, **how))  # type: ignore[arg-type]

    def heard(self, kind: type) -> list:
        """Events of a kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def told(self, kind: str) -> list:
        """Entries of ``roster`` notifications, in order: ``joined``, ``updated`` or ``left``."""
        return [entry for event in self.heard(RosterChanged) for entry in getattr(event, kind)]

    def shown(self, kind: str = "video") -> list[tuple[str, str, str]]:
        """What the slots of a kind show: (participant, source, state), idle ones left out."""
        return [
            (slot.participant_id, slot.source, slot.state)
            for slot in self.attendee.slots.views()
            if slot.kind == kind and slot.participant_id is not None
        ]
