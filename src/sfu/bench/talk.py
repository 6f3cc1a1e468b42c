"""What the microphones of a big meeting hear: some talk in turns, all others have the noise of a room, or nothing.

Seeded; the talk is that of ``sfu bench speaker``, so that levels rise and fall, pause and overlap as people's do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from sfu.bench.choices import Noise
from sfu.bench.load import Microphone
from sfu.bench.speaker import traces
from sfu.bench.speaker.sounds import HANGOVER, ticks
from sfu.bench.speaker.sounds import Microphone as Room

TALK_MINUTES = 5.0
"""Then the conversation begins anew."""
ROOMS = 16
"""Different noises; who shares one hears it at another time."""
ROOM_S = 20.0
SILENT = 127
_SOFT = 50
"""Levels softer than -50 dBov are not speech: with DTX they become silence, after a hangover."""


def microphones(seed: int, talkers: int, noise: Noise) -> Iterator[Microphone]:
    """One after the other, without end: first those who talk."""
    rng = Random(f"meeting {seed}")  # noqa: S311 - a scenario
    dtx = noise is Noise.DTX
    if talkers:
        # One person's turns have nobody to alternate with: a silent second one is there.
        trace = traces.conversation(seed, minutes=TALK_MINUTES, people=max(2, talkers))
        for levels in trace.levels[:talkers]:
            yield Microphone(gated(levels) if dtx else levels, dtx)
    if dtx:
        nothing = Microphone(bytes([SILENT]), dtx=True)
        while True:
            yield nothing
    rooms = [Room(ticks(ROOM_S), rng, rng.uniform(-78, -56)).levels() for _ in range(ROOMS)]
    while True:
        room, shift = rng.choice(rooms), rng.randrange(ticks(ROOM_S))
        yield Microphone(room[shift:] + room[:shift], dtx=False)


def gated(levels: Sequence[int]) -> bytes:
    """Silence where it has been soft for some time."""
    out, soft = bytearray(), HANGOVER
    for level in levels:
        soft = soft + 1 if level > _SOFT else 0
        out.append(SILENT if soft > HANGOVER else level)
    return bytes(out)
