"""Figures out of the course of a run. A course is what ``NetSim.client_report`` gives: columns of 100 ms steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

STEP_S = 0.1
TICK_MS = 20
Layer = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Course:
    """What one watcher got. Times are seconds since the beginning of the run."""

    at_s: Sequence[float]
    capacity_bps: Sequence[int]
    sent_bps: Sequence[int]
    received_bps: Sequence[int]
    queue_ms: Sequence[float]
    estimate_bps: Sequence[int]
    concealed: Sequence[int]
    """Ticks of 20 ms, since the beginning."""
    layers: Sequence[Sequence[Layer | None]]
    """Of each stream that ever showed anything."""
    frames: Sequence[Sequence[int]]
    """Shown since the beginning, of each of these streams."""
    longest_freeze_ms: float
    freezes: int
    longest_audio_gap_ms: float
    audio_interruptions: int
    """Times that at least 150 ms on end were made up, as libwebrtc counts them."""
    damaged: int

    @classmethod
    def of(cls, report: dict[str, Any]) -> Course:
        """Out of a client's report."""
        series = report["series"]
        streams = [stream for stream in series["streams"] if stream["frames"] and stream["frames"][-1]]
        return cls(
            at_s=[at / 1e6 for at in series["at_us"]],
            capacity_bps=series["capacity_bps"],
            sent_bps=series["sent_bps"],
            received_bps=series["received_bps"],
            queue_ms=[queue / 1e3 for queue in series["queue_us"]],
            estimate_bps=series["estimate_bps"],
            concealed=series["concealed"],
            layers=[stream["layer"] for stream in streams],
            frames=[stream["frames"] for stream in streams],
            longest_freeze_ms=max((stream["longest_freeze_us"] for stream in report["video"]), default=0) / 1e3,
            freezes=sum(stream["freezes"] for stream in report["video"]),
            longest_audio_gap_ms=max((stream["longest_gap"] for stream in report["audio"]), default=0) * TICK_MS,
            audio_interruptions=sum(stream["interruptions"] for stream in report["audio"]),
            damaged=report["damaged"],
        )

    def steps(self, from_s: float, to_s: float = math.inf) -> range:
        """Indices of the steps that end after ``from_s`` and not after ``to_s``. A client's begin when it joins."""
        inside = [index for index, at in enumerate(self.at_s) if from_s < at <= to_s + 1e-6]
        return range(inside[0], inside[-1] + 1) if inside else range(0)

    def used(self, from_s: float, to_s: float) -> float:
        """Share of the capacity that was sent."""
        steps = self.steps(from_s, to_s)
        capacity = sum(self.capacity_bps[index] for index in steps)
        return sum(min(self.sent_bps[index], 2 * self.capacity_bps[index]) for index in steps) / max(capacity, 1)

    def mean_bps(self, from_s: float, to_s: float) -> float:
        """What arrived."""
        steps = self.steps(from_s, to_s)
        return sum(self.received_bps[index] for index in steps) / max(len(steps), 1)

    def queue(self, share: float, from_s: float, to_s: float) -> float:
        """A quantile of the queueing delay, ms."""
        return quantile([self.queue_ms[index] for index in self.steps(from_s, to_s)], share)

    def reaches(self, bps: float, from_s: float, span: int = 5) -> float:
        """Seconds until the mean of ``span`` steps of what is sent reaches ``bps``; inf: never."""
        for index in self.steps(from_s):
            if index >= span and sum(self.sent_bps[index - span + 1 : index + 1]) >= bps * span:
                # The mean is reached where the window begins, on a ramp in its middle.
                return max(0.0, self.at_s[index] - from_s - span * STEP_S / 2)
        return math.inf

    def stays_below(self, values: Sequence[float], limit: float, from_s: float, within: int = 5) -> float:
        """Seconds until a column is at or below the limit for ``within`` steps on average; inf: never."""
        for index in self.steps(from_s):
            window = values[index : index + within]
            if len(window) == within and sum(window) <= limit * within:
                return max(0.0, self.at_s[index] - STEP_S - from_s)
        return math.inf

    def shown_after(self, when_s: float) -> float:
        """Seconds until the picture moves again, ten frames a second or more for half a second, of any stream; inf:
        never. Resolution: a step.
        """
        steps = self.steps(when_s)
        if not steps:
            return math.inf
        for index in steps[:-4]:
            for frames in self.frames:
                before = frames[index - 1] if index else 0
                if frames[index] > before and frames[index + 4] - before >= 5:
                    return self.at_s[index] - when_s
        return math.inf

    def shows(self, layer: Layer, from_s: float) -> float:
        """Seconds until a stream shows this encoding and temporal layer, or better, and keeps to it for a second; inf:
        never.
        """
        steps = self.steps(from_s)
        for index in steps[:-9]:
            for layers in self.layers:
                if all(shown is not None and shown >= layer for shown in layers[index : index + 10]):
                    return self.at_s[index] - from_s
        return math.inf

    def estimated(self, from_s: float, to_s: float) -> float:
        """The estimate's share of the capacity, on average."""
        steps = self.steps(from_s, to_s)
        shares = [self.estimate_bps[index] / max(self.capacity_bps[index], 1) for index in steps]
        return sum(shares) / max(len(shares), 1)

    def switches(self, from_s: float, to_s: float) -> int:
        """How often another layer was shown for half a second or more than the one before."""
        total = 0
        for layers in self.layers:
            held: Layer | None = None
            run: Layer | None = None
            length = 0
            for index in self.steps(from_s, to_s):
                length = length + 1 if layers[index] == run else 1
                run = layers[index]
                if length >= 5 and run != held:
                    total += held is not None
                    held = run
        return total

    def concealed_share(self, from_s: float, to_s: float) -> float:
        """Share of the time in which what was heard was made up."""
        steps = self.steps(from_s, to_s)
        if len(steps) < 2:
            return 0.0
        ticks = (len(steps) - 1) * STEP_S * 1e3 / TICK_MS
        return (self.concealed[steps[-1]] - self.concealed[steps[0]]) / ticks


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of all lie; 0 for none."""
    ordered = sorted(values)
    return ordered[round((len(ordered) - 1) * share)] if ordered else 0.0


def jain(shares: Sequence[float]) -> float:
    """Jain's fairness index: 1 for equal shares."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0
