"""Limits and defaults of meetings, as one small value; the runtime fills it from the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from sfu.conference.happenings import EventOptions
from sfu.conference.rights import Rules
from sfu.conference.waiting import WaitingOptions
from sfu.sdp.negotiate import CodecPolicy


class Duplicates(StrEnum):
    """What happens when an identity joins that is in the meeting already; the values are words of the configuration."""

    REJECT = "reject"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class ConferenceOptions:
    """Every bound of the conference. Slots are m-lines that an attendee receives on."""

    max_meetings: int = 1000
    max_participants: int = 100
    """Participants in one meeting."""
    max_viewers: int = 100
    """Receivers in one meeting that are no participants (WHEP)."""
    resume_window_s: float = 30.0
    """How long an attendee may be without a signaling socket, or with a closed transport."""
    empty_meeting_s: float = 3600.0
    """How long a meeting lives without anybody in it."""
    join_link_s: float = 30 * 86_400.0
    """How long a join token is good that says nothing else: from now, or from the meeting's planned end."""
    audio_slots: int = 3
    video_slots_initial: int = 4
    video_slots_max: int = 49
    duplicates: Duplicates = Duplicates.REPLACE
    waiting: WaitingOptions = field(default_factory=WaitingOptions)
    rules: Rules = field(default_factory=Rules)
    """Of meetings that are made without any of their own."""
    events: EventOptions = field(default_factory=EventOptions)
    """What others outside are told."""
    adaptive: bool = True
    """Each receiver's network is measured, and it gets the layers that it carries; else everybody gets the best."""
    start_bps: int = 300_000
    """What a receiver's network is taken to carry until it has been measured, bits per second."""
    max_bps: int = 20_000_000
    """What a receiver is sent at most."""
    max_load: float = 0.7
    """The share of time, 0..1, that a shard may be busy before its receivers get less video; 1: however busy."""
    codecs: CodecPolicy = field(default_factory=CodecPolicy)
