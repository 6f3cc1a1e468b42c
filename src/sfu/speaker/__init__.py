"""Who speaks: pure, no clock, no media objects; runs on traces of audio levels. ``docs/speaker.md`` explains it.

``level``: what one microphone sounds like. ``echo``: whether two hear the same voice. ``dominant``: who has the floor.
"""

from sfu.speaker.dominant import SpeakerDetector
from sfu.speaker.level import BLOCK_S, BLOCK_TICKS, SILENT, TICK_S, Voice

__all__ = ["BLOCK_S", "BLOCK_TICKS", "SILENT", "TICK_S", "SpeakerDetector", "Voice"]
