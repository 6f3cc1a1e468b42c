"""The cases of the scoreboard."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from itertools import pairwise

from sfu.bench.network.case import Case, Figure, Played
from sfu.bench.network.figures import jain
from sfu.bench.network.fit import SCALABLE, SIMULCAST, fitting_bps
from sfu.bench.network.scenario import MBPS, Download, Link, Scalability, Scenario, watch
from sfu.bench.network.stage import lte_rates

JOIN_S = 3.0
FULL = (2, 2)
"""The best encoding of a camera of 720p, 2.5 Mbit/s, with all its frames."""

Coding = Callable[[int], Scalability | None]
"""How the cameras of a run with this seed are coded."""


def _rtt(seed: int) -> float:
    """One way, ms: about 25, so that seeds differ in more than frames."""
    return random.Random(seed).uniform(20.0, 30.0)  # noqa: S311 - a simulation's dice


def _simulcast(_seed: int) -> None:
    """VP8 in three encodings."""


def _keyed(_seed: int) -> Scalability:
    return "vp9_key"


def _full(seed: int) -> Scalability:
    """All layers of a picture refer to the ones below: told by VP9's own descriptor or by AV1's."""
    return "vp9" if seed % 2 else "av1"


def _either(seed: int) -> Scalability:
    return _keyed(seed) if seed % 2 else _full(seed // 2)


def _steady(bps: int, **how: float) -> Callable[[int], Link]:
    return lambda seed: Link.steady(bps, delay_ms=_rtt(seed), **how)


def _start(seed: int) -> Scenario:
    return watch(_steady(5 * MBPS)(seed), JOIN_S + 12)


def _step(before: int, after: int, publishers: int, coding: Coding) -> Callable[[int], Scenario]:
    def scenario(seed: int) -> Scenario:
        link = Link(((0.0, before), (25.0, after)), delay_ms=_rtt(seed))
        return watch(link, 45.0, publishers=publishers, scalability=coding(seed))

    return scenario


def _gallery(link: Callable[[int], Link], coding: Coding = _simulcast) -> Callable[[int], Scenario]:
    """One to six cameras, by seed: how much of a link steps of encodings fill depends on how many there are."""
    return lambda seed: watch(link(seed), 60.0, publishers=1 + seed % 6, tile=(1280, 720), scalability=coding(seed))


def _fills(played: Played) -> float:
    """What is sent, of what the layers of this gallery would take of the whole link."""
    link = played.scenario.downlinks[0]
    capacity = link.rates[0][1]
    cameras = [person for person in played.scenario.people if person.camera]
    ladder = SIMULCAST if cameras[0].scalability is None else SCALABLE
    room = fitting_bps(int(capacity * (1 - link.loss)), len(cameras), ladder) / (1 - link.loss)
    return played.course.used(25.0, 60.0) * capacity / room


def _square(coding: Coding) -> Callable[[int], Scenario]:
    rates = [(start + at, bps) for start in (0.0, 30.0, 60.0) for at, bps in ((0.0, 4 * MBPS), (20.0, MBPS))]
    return lambda seed: watch(Link(tuple(rates), delay_ms=_rtt(seed)), 90.0, scalability=coding(seed))


def _lossy(coding: Coding) -> Callable[[int], Scenario]:
    return lambda seed: watch(Link.steady(5 * MBPS, delay_ms=25.0, loss=0.1), 303.0, scalability=coding(seed))


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

UP = (Figure("80 % used after", "s", lambda it: it.course.reaches(4 * MBPS, 25.0, span=10), 5.0),)
STEADY = (
    USED,
    Figure("used, of what the layers can take", "", _fills, 0.9, at_least=True),
    ESTIMATED,
    SWITCHES,
    STANDING,
    QUEUE_P95,
)
LOSSY = (
    Figure("longest freeze", "ms", lambda it: it.course.longest_freeze_ms, 200.0),
    Figure("freezes", "", lambda it: float(it.course.freezes)),
)


def _down() -> tuple[Figure, ...]:
    return (
        Figure(
            "sends 85 % of the capacity after",
            "s",
            lambda it: it.course.stays_below(it.course.sent_bps, 850_000, 25.0),
            1.0,
        ),
        Figure("queue peak", "ms", lambda it: it.course.queue(1.0, 25.0, 30.0), 200.0),
        Figure("drained after", "s", lambda it: it.course.stays_below(it.course.queue_ms, 30.0, 25.2), 1.5),
    )


def _squares(held_freeze_ms: float | None = None) -> tuple[Figure, ...]:
    return (
        Figure("longest freeze", "ms", lambda it: it.course.longest_freeze_ms, 500.0, meanwhile=held_freeze_ms),
        Figure("audio interruptions of 150 ms", "", lambda it: float(it.course.audio_interruptions), 0.0),
        Figure("longest audio gap", "ms", lambda it: it.course.longest_audio_gap_ms),
    )


def _scalable(name: str, title: str, coding: Coding) -> tuple[Case, ...]:
    """The cases in which it matters how cameras are coded, with spatial layers in one stream."""
    return (
        Case(f"{name}-down", f"5 -> 1 Mbit/s, {title}", _step(5 * MBPS, MBPS, 1, coding), _down()),
        Case(f"{name}-up", f"1 -> 5 Mbit/s, {title}", _step(MBPS, 5 * MBPS, 3, coding), UP),
        Case(
            f"{name}-steady",
            f"steady 800 kbit/s, 1 to 6 cameras, {title}",
            _gallery(_steady(800_000), coding),
            (*STEADY, FREEZE),
        ),
        Case(f"{name}-square", f"4 <-> 1 Mbit/s, 20 s / 10 s, {title}", _square(coding), _squares()),
    )


CASES: Sequence[Case] = (
    Case(
        "start",
        "start at 300 kbit/s on 5 Mbit/s, 50 ms RTT",
        _start,
        (Figure("2.5 Mbit/s used (full picture shown) after", "s", lambda it: it.course.shows(FULL, JOIN_S), 1.5),),
    ),
    Case("down", "5 -> 1 Mbit/s", _step(5 * MBPS, MBPS, 1, _simulcast), _down()),
    Case("up", "1 -> 5 Mbit/s", _step(MBPS, 5 * MBPS, 3, _simulcast), UP),
    Case("steady-800k", "steady 800 kbit/s, 1 to 6 cameras", _gallery(_steady(800_000)), STEADY),
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
    Case("loss-10", "10 % random loss, 50 ms RTT, 5 min", _lossy(_simulcast), LOSSY),
    Case("square", "4 <-> 1 Mbit/s, 20 s / 10 s", _square(_simulcast), _squares(held_freeze_ms=300.0)),
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
    *_scalable("k-svc", "K-SVC (VP9 L3T3_KEY)", _keyed),
    *_scalable("svc", "SVC (VP9 and AV1 L3T3)", _full),
    Case("svc-loss-10", "10 % random loss, 50 ms RTT, 5 min, K-SVC or SVC", _lossy(_either), LOSSY),
)
