"""Real speech: sentences said by espeak-ng, through an Opus encoder and back, as levels."""

from __future__ import annotations

import math
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from sfu.bench.speaker.sounds import SILENT_DBOV, TICK_S, ticks

PROGRAM = "espeak-ng"
RATE = 48_000
PACKET = round(RATE * TICK_S)

VOICES = ("en-us+m3", "en-gb+f2", "en-us+f4", "en-gb+m7", "en-us+m1", "en-gb+f5")
SENTENCES = (
    "Good morning everybody, can you all hear me?",
    "I looked at the figures of last week again, and something does not add up.",
    "Which one do you mean, the second or the third?",
    "The third. It was twice as high on Tuesday, and nobody changed anything.",
    "That could be the new version. We put it on two machines, only to see what happens.",
    "Then let us take it back, wait for a day, and look at the same curve tomorrow.",
    "I would rather keep one of them, otherwise we will never find out.",
    "Fine with me. Who writes it down?",
    "I will, but not before lunch. There is a visitor at eleven, and I have to show the building.",
    "Before we go on: did anybody hear from the people in the other office? They wanted to send the plans by Friday.",
    "So far I have seen nothing.",
    "They called yesterday. It takes them until the middle of next week, because the drawings have to be checked.",
    "Well, that is late, but not too late.",
    "Shall we move the meeting, then?",
    "No, leave it where it is. If we have no plans by then we talk about the money instead.",
    "One more thing. The door downstairs does not close any more, please be careful when you leave.",
    "I told them about it twice already.",
)

SPOKEN_DB = 40
"""What is so far below the loudest is between the words."""
WORD_GAP = ticks(0.1)


class SpeechError(Exception):
    """There is no speech to be had. The text is for people."""


def check() -> None:
    """SpeechError when something that this needs is missing."""
    if shutil.which(PROGRAM) is None:
        raise SpeechError(f"real speech needs {PROGRAM}, which is not installed (Debian: apt-get install {PROGRAM})")
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise SpeechError("real speech needs the Python package av (pip install av)") from error


@cache
def said(sentence: str, voice: str) -> tuple[tuple[float, ...], tuple[bool, ...]]:
    """The levels of a sentence in dBov, one each 20 ms, the loudest 0; and at which of them a word is said.

    SpeechError when espeak-ng fails.
    """
    levels = list(_levels(_through_opus(_synthesised(sentence, voice))))
    first = next((at for at, level in enumerate(levels) if level > SILENT_DBOV + 40), 0)
    levels = levels[first:]
    peak = max(levels, default=0.0)
    relative = [max(float(SILENT_DBOV), level - peak) for level in levels]
    loud = [level > -SPOKEN_DB for level in relative]
    while loud and not loud[-1]:
        loud.pop()
    speaking = [any(loud[max(0, at - WORD_GAP) : at + WORD_GAP + 1]) for at in range(len(loud))]
    return tuple(relative[: len(loud)]), tuple(speaking)


def _synthesised(sentence: str, voice: str) -> list[Any]:
    import av

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "said.wav")
        command = [PROGRAM, "-v", voice, "-s", "165", "-w", str(path), sentence]
        try:
            outcome = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SpeechError(f"{PROGRAM} -v {voice} failed: {error}") from error
        if outcome.returncode or not path.exists():
            raise SpeechError(f"{PROGRAM} -v {voice} failed: {outcome.stderr.strip() or outcome.returncode}")
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE, frame_size=PACKET)
        with av.open(str(path)) as source:
            frames = [out for frame in source.decode(audio=0) for out in resampler.resample(frame)]
        return [frame for frame in frames if frame.samples == PACKET]


def _through_opus(frames: list[Any]) -> Iterator[bytes]:
    """What a receiver plays: signed 16 bits, a packet at once."""
    import av

    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.format, encoder.layout = RATE, "s16", "mono"
    encoder.bit_rate = 32_000
    encoder.options = {"application": "voip", "frame_duration": "20"}
    decoder = av.CodecContext.create("libopus", "r")
    decoder.sample_rate = RATE
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    for frame in frames:
        frame.pts = None
        for packet in encoder.encode(frame):
            for decoded in decoder.decode(packet):
                for out in resampler.resample(decoded):
                    yield bytes(out.planes[0])[: out.samples * 2]


def _levels(packets: Iterator[bytes]) -> Iterator[float]:
    """RFC 6464 §3, RFC 6465 appendix A.1: the mean square relative to the largest possible sample."""
    for packet in packets:
        samples = memoryview(packet).cast("h")
        square = sum(sample * sample for sample in samples) / max(1, len(samples))
        yield max(float(SILENT_DBOV), 10 * math.log10(max(square, 1e-9) / 32_768**2))
