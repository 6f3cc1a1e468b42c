"""A moving picture that says which frame it is: a counter burnt in as large black and white blocks.

The upper half of the picture holds the counter's bits as two rows of blocks, the second row inverted, so that
a damaged picture is told from a counter. The lower half is a gradient that moves with the counter, to compare.
"""

from __future__ import annotations

import asyncio
import time
from fractions import Fraction

import numpy as np
from aiortc.mediastreams import MediaStreamTrack
from av import AudioFrame, VideoFrame

WIDTH, HEIGHT = 320, 240
BITS = 16
BLOCK = WIDTH // BITS
ROW = HEIGHT // 4
SAMPLE_RATE_HZ = 48_000
TONE_HZ = 440.0


def picture(counter: int) -> np.ndarray:
    """The luminance of frame ``counter``."""
    bits = np.array([counter >> bit & 1 for bit in range(BITS)], dtype=np.uint8)
    row = np.repeat(np.where(bits == 1, 230, 20).astype(np.uint8), BLOCK)
    inverted = np.repeat(np.where(bits == 1, 20, 230).astype(np.uint8), BLOCK)
    x = np.arange(WIDTH)
    gradient = (128 + 80 * np.sin((x + 4 * counter) * 2 * np.pi / WIDTH)).astype(np.uint8)
    return np.vstack([np.tile(row, (ROW, 1)), np.tile(inverted, (ROW, 1)), np.tile(gradient, (HEIGHT - 2 * ROW, 1))])


def frame_of(counter: int) -> VideoFrame:
    """Frame ``counter``, grey."""
    planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, dtype=np.uint8)
    planes[:HEIGHT] = picture(counter)
    return VideoFrame.from_ndarray(planes, format="yuv420p")


def luminance(frame: VideoFrame) -> np.ndarray:
    """The luminance of a decoded frame, at the pattern's size."""
    if (frame.width, frame.height) != (WIDTH, HEIGHT):
        frame = frame.reformat(WIDTH, HEIGHT)
    return frame.to_ndarray(format="yuv420p")[:HEIGHT]


def read_counter(frame: VideoFrame) -> int | None:
    """The counter of a decoded frame; None when the picture is damaged."""
    grey = luminance(frame)
    inner = slice(BLOCK // 4, BLOCK - BLOCK // 4)

    def levels(top: int) -> np.ndarray:
        rows = grey[top + ROW // 4 : top + ROW - ROW // 4].reshape(-1, BITS, BLOCK)
        means: np.ndarray = rows[:, :, inner].mean(axis=(0, 2))
        return means

    straight, inverted = levels(0), levels(ROW)
    bits = straight > inverted
    if np.abs(straight - inverted).min() < 60:
        return None
    return int(sum(1 << index for index, bit in enumerate(bits) if bit))


def psnr_db(frame: VideoFrame, counter: int) -> float:
    """How close a decoded frame is to what was sent as frame ``counter``."""
    error = luminance(frame).astype(np.float64) - picture(counter)
    return float(10 * np.log10(255**2 / max(np.mean(error**2), 1e-9)))


class PatternTrack(MediaStreamTrack):
    """Sends the pattern at ``fps``. ``sent`` counts frames."""

    kind = "video"

    def __init__(self, fps: int = 15, first: int = 0) -> None:
        super().__init__()
        self.sent = 0
        self._fps = fps
        self._first = first
        self._start: float | None = None

    async def recv(self) -> VideoFrame:
        if self._start is None:
            self._start = time.monotonic()
        await asyncio.sleep(max(0.0, self._start + self.sent / self._fps - time.monotonic()))
        frame = frame_of((self._first + self.sent) % (1 << BITS))
        frame.pts, frame.time_base = self.sent * 90_000 // self._fps, Fraction(1, 90_000)
        self.sent += 1
        return frame


class ToneTrack(MediaStreamTrack):
    """Sends a sine of ``hz``."""

    kind = "audio"

    def __init__(self, hz: float = TONE_HZ) -> None:
        super().__init__()
        self._hz = hz
        self._samples = 0
        self._start: float | None = None

    async def recv(self) -> AudioFrame:
        count = SAMPLE_RATE_HZ // 50
        if self._start is None:
            self._start = time.monotonic()
        await asyncio.sleep(max(0.0, self._start + self._samples / SAMPLE_RATE_HZ - time.monotonic()))
        phase = (np.arange(count) + self._samples) * 2 * np.pi * self._hz / SAMPLE_RATE_HZ
        frame = AudioFrame.from_ndarray((12_000 * np.sin(phase)).astype(np.int16)[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, self._samples
        frame.time_base = Fraction(1, SAMPLE_RATE_HZ)
        self._samples += count
        return frame


def pitch_hz(frames: list[AudioFrame]) -> float:
    """The strongest frequency in some audio."""
    channels = len(frames[0].layout.channels)
    sound = np.concatenate([frame.to_ndarray().reshape(-1, channels)[:, 0].astype(np.float64) for frame in frames])
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum) * frames[0].sample_rate / len(sound))
