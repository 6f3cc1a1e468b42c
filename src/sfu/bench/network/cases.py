"""The cases of the scoreboard: a scenario for each seed, the figures taken from it, and what they must be."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sfu.bench.network.figures import Course, jain
from sfu.bench.network.fit import fitting_bps
from sfu.bench.network.scenario import MBPS, Download, Link, Scenario, watch
from sfu.bench.network.stage import Notice, lte_rates

JOIN_S = 3.0
FULL = (2, 2)
"""The best encoding of a camera of 720p, 2.5 Mbit/s, with all its frames."""


@dataclass(frozen=True, slots=True)
class Played:
    """What a run gave: the courses of those who are judged, what they were told, what downloads beside them got."""

    scenario: Scenario
    courses: tuple[Course, ...]
    notices: tuple[Notice, ...]
    tcp_bytes: tuple[int, ...]

    @property
    def course(self) -> Course:
        """Of the first who is judged."""
        return self.courses[0]


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the scoreboard. ``limit``: the worst that its median over seeds may be; None: for information."""

    name: str
    unit: str
    take: Callable[[Played], float]
    limit: float | None = None
    at_least: bool = False
    """The limit is a lower one."""
    meanwhile: float | None = None
    """What it is held to as long as the limit is not reached, so that it does not get worse."""

    def reaches(self, value: float, limit: float | None) -> bool:
        """Whether a median is as good as ``limit``."""
        return limit is None or (value >= limit if self.at_least else value <= limit)

    def holds(self, value: float) -> bool:
        """Whether a median is as good as it is held to."""
        return self.reaches(value, self.held_to)

    @property
    def held_to(self) -> float | None:
        """The bound that fails."""
        return self.limit if self.meanwhile is None else self.meanwhile

    @property
    def bound(self) -> str:
        """As text."""
        return "" if self.limit is None else f"{'≥' if self.at_least else '≤'} {self.limit:g} {self.unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Case:
    """``scenario`` makes the run for a seed."""

    name: str
    title: str
    scenario: Callable[[int], Scenario]
    figures: tuple[Figure, ...]


def _rtt(seed: int) -> float:
    """One way, ms: about 25, so that seeds differ in more than frames."""
    return random.Random(seed).uniform(20.0, 30.0)  # noqa: S311 - a simulation's dice


def _steady(bps: int, **how: float) -> Callable[[int], Link]:
    return lambda seed: Link.steady(bps, delay_ms=_rtt(seed), **how)


def _start(seed: int) -> Scenario:
    return watch(_steady(5 * MBPS)(seed), JOIN_S + 12)


def _step(before: int, after: int, publishers: int) -> Callable[[int], Scenario]:
    def scenario(seed: int) -> Scenario:
        link = Link(((0.0, before), (25.0, after)), delay_ms=_rtt(seed))
        return watch(link, 45.0, publishers=publishers)

    return scenario


def _gallery(link: Callable[[int], Link], length_s: float = 60.0) -> Callable[[int], Scenario]:
    """One to six cameras, by seed: how much of a link steps of encodings fill depends on how many there are."""
    return lambda seed: watch(link(seed), length_s, publishers=1 + seed % 6, tile=(1280, 720))


def _fills(played: Played) -> float:
    """What is sent, of what the layers of this gallery would take of the whole link."""
    link = played.scenario.downlinks[0]
    capacity = link.rates[0][1]
    cameras = sum(bool(person.camera) for person in played.scenario.people)
    room = fitting_bps(int(capacity * (1 - link.loss)), cameras) / (1 - link.loss)
    return played.course.used(25.0, 60.0) * capacity / room


def _square(seed: int) -> Scenario:
    rates = [(start + at, bps) for start in (0.0, 30.0, 60.0) for at, bps in ((0.0, 4 * MBPS), (20.0, MBPS))]
    return watch(Link(tuple(rates), delay_ms=_rtt(seed)), 90.0)


def _lte(seed: int) -> Scenario:
    rates = lte_rates(seed, 90.0, between_outages_s=20.0, outage_s=2.0)
    return watch(Link(rates, delay_ms=_rtt(seed), queue_ms=1_500.0), 90.0)


def _two(seed: int) -> Scenario:
    return watch(_steady(4 * MBPS)(seed), 120.0, publishers=3, watchers=2)


def _cubic(seed: int) -> Scenario:
    return watch(_steady(4 * MBPS)(seed), 120.0, publishers=3, downloads=(Download("cubic", 15.0, 120.0, 0),))


def _narrow(seed: int) -> Scenario:
    return watch(Link(((0.0, 3 * MBPS), (15.0, 100_000), (45.0, 3 * MBPS)), delay_ms=_rtt(seed)), 60.0)


def _full_share(played: Played) -> float:
    """Of the time from the tenth second on."""
    course = played.course
    steps = course.steps(10.0)
    full = [any((layers[step] or (-1, 0)) >= FULL for layers in course.layers) for step in steps]
    return sum(full) / max(len(full), 1)


def _recoveries(played: Played) -> list[float]:
    rates = played.scenario.downlinks[0].rates
    return [after[0] for before, after in pairwise(rates) if before[1] == 0 < after[1] and after[0] > JOIN_S + 5]


def _back(played: Played) -> float:
    """The slowest return of the picture after an outage, seconds."""
    return max((played.course.shown_after(at) for at in _recoveries(played)), default=0.0)


def _told(played: Played, state: str, from_s: float, to_s: float) -> float:
    """Seconds until the client is told; inf: never."""
    times = [notice.at_s for notice in played.notices if notice.state == state and from_s <= notice.at_s <= to_s]
    return min(times) - from_s if times else math.inf


def _tcp_share(played: Played) -> float:
    ours = played.course.mean_bps(40.0, 120.0)
    capacity = played.scenario.downlinks[0].rates[0][1]
    return ours / capacity


USED = Figure("used, of the capacity", "", lambda it: it.course.used(25.0, 60.0), at_least=True)
STANDING = Figure("standing queue (median)", "ms", lambda it: it.course.queue(0.5, 25.0, 60.0), 30.0)
ESTIMATED = Figure("estimate against capacity", "", lambda it: it.course.estimated(25.0, 60.0), at_least=True)
SWITCHES = Figure("switches of any picture a minute", "", lambda it: it.course.switches(25.0, 60.0) * 60 / 35)
FREEZE = Figure("longest freeze", "ms", lambda it: it.course.longest_freeze_ms)
FULL_SHARE = Figure("full picture, share of the time", "", _full_share, at_least=True)
QUEUE_P95 = Figure("queue, 95 % of the time below", "ms", lambda it: it.course.queue(0.95, 25.0, 60.0))

CASES: Sequence[Case] = (
    Case(
        "start",
        "start at 300 kbit/s on 5 Mbit/s, 50 ms RTT",
        _start,
        (Figure("2.5 Mbit/s used (full picture shown) after", "s", lambda it: it.course.shows(FULL, JOIN_S), 1.5),),
    ),
    Case(
        "down",
        "5 -> 1 Mbit/s",
        _step(5 * MBPS, MBPS, 1),
        (
            Figure(
                "sends 85 % of the capacity after",
                "s",
                lambda it: it.course.stays_below(it.course.sent_bps, 850_000, 25.0),
                1.0,
            ),
            Figure("queue peak", "ms", lambda it: it.course.queue(1.0, 25.0, 30.0), 200.0, meanwhile=215.0),
            Figure("drained after", "s", lambda it: it.course.stays_below(it.course.queue_ms, 30.0, 25.2), 1.5),
        ),
    ),
    Case(
        "up",
        "1 -> 5 Mbit/s",
        _step(MBPS, 5 * MBPS, 3),
        (Figure("80 % used after", "s", lambda it: it.course.reaches(4 * MBPS, 25.0, span=10), 5.0),),
    ),
    Case(
        "steady-800k",
        "steady 800 kbit/s, 1 to 6 cameras",
        _gallery(_steady(800_000)),
        (
            USED,
            Figure("used, of what the layers can take", "", _fills, 0.9, at_least=True),
            ESTIMATED,
            SWITCHES,
            STANDING,
            QUEUE_P95,
        ),
    ),
    Case(
        "loss-2",
        "steady 3 Mbit/s, 2 % random loss, 1 to 6 cameras",
        _gallery(_steady(3 * MBPS, loss=0.02)),
        (
            USED,
            Figure("used, of what the layers can take", "", _fills, 0.85, at_least=True),
            ESTIMATED,
            SWITCHES,
        ),
    ),
    Case(
        "loss-10",
        "10 % random loss, 50 ms RTT, 5 min",
        lambda _: watch(Link.steady(5 * MBPS, delay_ms=25.0, loss=0.1), 303.0),
        (
            Figure("longest freeze", "ms", lambda it: it.course.longest_freeze_ms, 200.0),
            Figure("freezes", "", lambda it: float(it.course.freezes)),
        ),
    ),
    Case(
        "square",
        "4 <-> 1 Mbit/s, 20 s / 10 s",
        _square,
        (
            Figure("longest freeze", "ms", lambda it: it.course.longest_freeze_ms, 500.0, meanwhile=300.0),
            Figure("audio interruptions of 150 ms", "", lambda it: float(it.course.audio_interruptions), 0.0),
            Figure("longest audio gap", "ms", lambda it: it.course.longest_audio_gap_ms),
        ),
    ),
    Case(
        "lte",
        "LTE-like, outages of 2 s",
        _lte,
        (Figure("picture back after, the slowest", "s", _back, 1.0),),
    ),
    Case(
        "fair",
        "two of our flows on 4 Mbit/s",
        _two,
        (
            Figure(
                "Jain's index",
                "",
                lambda it: jain([course.mean_bps(40.0, 120.0) for course in it.courses]),
                0.95,
                at_least=True,
            ),
        ),
    ),
    Case(
        "cubic",
        "beside one CUBIC download on 4 Mbit/s",
        _cubic,
        (
            Figure("our share", "", _tcp_share, 0.25, at_least=True),
            Figure("our share, at most", "", _tcp_share, 0.75),
        ),
    ),
    Case(
        "narrow",
        "100 kbit/s for 30 s",
        _narrow,
        (
            Figure("audio concealed", "", lambda it: it.course.concealed_share(20.0, 45.0), 0.01),
            Figure("paused and told after", "s", lambda it: _told(it, "paused", 15.0, 45.0), 5.0),
            Figure("picture back after", "s", lambda it: it.course.shown_after(45.0), 5.0),
        ),
    ),
    Case(
        "calm",
        "layer switches on a steady 2 Mbit/s with 5 ms of jitter",
        lambda seed: watch(_steady(2 * MBPS, jitter_ms=5.0)(seed), 150.0),
        (Figure("switches a minute", "", lambda it: it.course.switches(30.0, 150.0) / 2, 1.0),),
    ),
    Case(
        "codel",
        "3 Mbit/s behind CoDel, 1 to 6 cameras",
        _gallery(_steady(3 * MBPS, codel=True)),
        (USED, STANDING, FREEZE),
    ),
    Case(
        "bursts",
        "5 Mbit/s, 5 % lost in bursts of 4 (Gilbert-Elliott)",
        lambda seed: watch(_steady(5 * MBPS, loss=0.05, loss_burst=4.0)(seed), 120.0),
        (FREEZE, FULL_SHARE),
    ),
    Case(
        "reorder",
        "5 Mbit/s, 2 % overtaken by 10 ms, 10 ms of jitter",
        lambda seed: watch(_steady(5 * MBPS, reorder=0.02, reorder_ms=10.0, jitter_ms=10.0)(seed), 60.0),
        (FREEZE, FULL_SHARE),
    ),
)
