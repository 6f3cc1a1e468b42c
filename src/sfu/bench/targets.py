"""What the data plane must reach: each row one scenario, its result beside the target.

A row whose scenario cannot be run counts as missed. Rows that use the same runs share them.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sfu.bench import fanout, floor, isolate, joins, mesh, ramp
from sfu.bench.floor import FloorError
from sfu.bench.judge import Check, Judged, Relation, judge, unmeasured
from sfu.bench.load import JoinError
from sfu.bench.report import Report, RowResult, machine
from sfu.bench.session import Progress
from sfu.bench.target import TargetError
from sfu.dtls.srtp import SrtpProfile

DURATION_S = 8.0
BLOCK_S = 10.0
_ROOT = Path(__file__).parents[3]
_AT_MOST, _BELOW, _AT_LEAST, _REPORTED = Relation.AT_MOST, Relation.BELOW, Relation.AT_LEAST, Relation.REPORTED
_COST = "server CPU us per forwarded packet"
_TEST_TIMEOUT_S = 600.0

Scenario = Callable[[Progress], Awaitable[dict[str, Any]]]


class RowError(Exception):
    """A row's scenario cannot be run here. The text is for people."""


@dataclass(frozen=True, slots=True)
class Row:
    """``again``: the scenario is run in each round; else once."""

    title: str
    scenario: str
    """Rows with the same name here share their runs."""
    checks: tuple[Check, ...]
    again: bool = True


def _fanout(subscribers: int, profile: SrtpProfile = SrtpProfile.AEAD_AES_128_GCM) -> fanout.Options:
    return fanout.Options(1, subscribers, 1500, True, DURATION_S, profile)


def _fanned(subscribers: int, profile: SrtpProfile = SrtpProfile.AEAD_AES_128_GCM) -> Scenario:
    async def run(progress: Progress) -> dict[str, Any]:
        return (await fanout.run(_fanout(subscribers, profile), progress)).as_dict()

    return run


async def _with_floor(progress: Progress) -> dict[str, Any]:
    """The floor forwards and does no more: neither does what is measured beside it."""
    return (await floor.run(replace(_fanout(200), adaptive=False), progress)).as_dict()


async def _adaptive(progress: Progress) -> dict[str, Any]:
    """As the server comes, between two runs of forwarding alone."""
    plain = replace(_fanout(200), adaptive=False)
    before = await fanout.run(plain, progress)
    result = await fanout.run(_fanout(200), progress)
    after = await fanout.run(plain, progress)
    costs = [result.cpu_us_per_packet, before.cpu_us_per_packet, after.cpu_us_per_packet]
    known = [cost for cost in costs if cost]
    ratio = 2 * known[0] / (known[1] + known[2]) if len(known) == len(costs) else None
    return result.as_dict() | {"cost_to_plain": ratio, "plain_us_per_packet": costs[1:]}


async def _mesh(progress: Progress) -> dict[str, Any]:
    options = mesh.Options(30, 10, 1500, True, DURATION_S, SrtpProfile.AEAD_AES_128_GCM)
    return (await mesh.run(options, progress)).as_dict()


async def _light(progress: Progress) -> dict[str, Any]:
    options = mesh.Options(5, 5, 1500, True, DURATION_S, SrtpProfile.AEAD_AES_128_GCM)
    return (await mesh.run(options, progress)).as_dict()


async def _ramp(progress: Progress) -> dict[str, Any]:
    options = ramp.Options(4, 1_000, 8_000, 1500, True, 3.0, SrtpProfile.AEAD_AES_128_GCM)
    return (await ramp.run(options, progress)).as_dict()


async def _isolate(progress: Progress) -> dict[str, Any]:
    options = isolate.Options(BLOCK_S, 1, 100, 1500, True, SrtpProfile.AEAD_AES_128_GCM)
    return (await isolate.run(options, progress)).as_dict()


def _joins(rate: float, duration_s: float, subscribers: int) -> Scenario:
    async def run(progress: Progress) -> dict[str, Any]:
        options = joins.Options(rate, duration_s, 1, subscribers, 1500, True, SrtpProfile.AEAD_AES_128_GCM)
        return (await joins.run(options, progress)).as_dict()

    return run


async def _growth(progress: Progress) -> dict[str, Any]:
    """Cost with 10 to 1,000 subscribers, one after the other, so that the machine's moods meet all of them."""
    costs = {}
    for subscribers in (10, 50, 200, 1_000):
        result = await fanout.run(replace(_fanout(subscribers), duration_s=DURATION_S / 2), progress)
        costs[subscribers] = result.cpu_us_per_packet
    known = {subscribers: cost for subscribers, cost in costs.items() if cost}
    return {
        "cpu_us_per_packet": {str(subscribers): cost for subscribers, cost in costs.items()},
        "ratio_1000_to_10": known[1_000] / known[10] if {10, 1_000} <= known.keys() else None,
    }


async def _steady_state(progress: Progress) -> dict[str, Any]:
    """The test with a counting allocator, where there are sources and cargo."""
    progress("counting allocations", 0, 1)
    cargo = shutil.which("cargo")
    if cargo is None or not (_ROOT / "Cargo.toml").is_file():
        raise RowError("it needs the sources and cargo")
    command = [cargo, "test", "--package", "sfu-io", "--test", "steady_state", "--locked", "--quiet"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=_ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _TEST_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise RowError(f"the test took longer than {_TEST_TIMEOUT_S:.0f} s") from None
    return {"failed": int(process.returncode != 0), "output": output.decode(errors="replace")[-2_000:]}


SCENARIOS: dict[str, Scenario] = {
    "fanout-200": _with_floor,
    "adaptive-200": _adaptive,
    "fanout-1000": _fanned(1_000),
    "fanout-200-cm": _fanned(200, SrtpProfile.AES128_CM_HMAC_SHA1_80),
    "growth": _growth,
    "ramp": _ramp,
    "mesh": _mesh,
    "light": _light,
    "isolate": _isolate,
    "joins-beside": _joins(100, 10.0, 100),
    "joins-sustained": _joins(160, 20.0, 1),
    "allocations": _steady_state,
}
_P50, _P99 = "latency_us.p50", "latency_us.p99"
_DURING = "phases.during."

ROWS: dict[str, Row] = {
    "fanout-200": Row(
        "1 publisher at 1.5 Mbit/s + audio -> 200 subscribers, forwarding alone",
        "fanout-200",
        (
            Check(_COST, "cpu_us_per_packet", _AT_MOST, 1.8),
            Check("server / floor (bare reflector + cipher)", "cost_to_floor", _AT_MOST, 1.3),
            Check("server / encrypting reflector", "cost_to_sealed", _REPORTED, 0),
            Check("bare reflector us", "floor.bare_us_per_packet", _REPORTED, 0),
            Check("cipher alone us", "floor.aead_us_per_packet", _REPORTED, 0, 1, 3),
            Check("encrypting reflector us", "floor.sealed_us_per_packet", _REPORTED, 0),
        ),
    ),
    "adaptive-200": Row(
        "the same with estimating, pacing and choosing layers",
        "adaptive-200",
        (
            Check("cost / that of forwarding alone", "cost_to_plain", _AT_MOST, 1.15),
            Check(_COST, "cpu_us_per_packet", _REPORTED, 0),
        ),
    ),
    "fanout-1000": Row(
        "1 publisher -> 1,000 subscribers, same stream",
        "fanout-1000",
        (
            Check("loss, %", "loss_share", _BELOW, 0.01, 100, 4),
            Check("p99 ms", _P99, _BELOW, 10, 1e-3),
            Check(_COST, "cpu_us_per_packet", _REPORTED, 0),
        ),
    ),
    "ramp": Row(
        "capacity ramp, 4 publishers",
        "ramp",
        (
            Check("forwarded packets/s on one core", "capacity_packets_per_s", _AT_LEAST, 450_000, 1, 0),
            Check("server CPU there, %", "cpu_share_at_capacity", _REPORTED, 0, 100, 0),
        ),
        again=False,
    ),
    "mesh": Row(
        "10 publishers all-to-all with 30 participants", "mesh", (Check(_COST, "cpu_us_per_packet", _AT_MOST, 2.2),)
    ),
    "growth": Row(
        "cost per packet as N grows 10 -> 1,000",
        "growth",
        (
            Check("cost at 1,000 / cost at 10", "ratio_1000_to_10", _AT_MOST, 1.0),
            *(Check(f"us at {n}", f"cpu_us_per_packet.{n}", _REPORTED, 0) for n in (10, 50, 200, 1_000)),
        ),
    ),
    "light": Row(
        "light load: 5 participants, all publish",
        "light",
        (Check("p50 us", _P50, _BELOW, 150, 1, 0), Check("p99 ms", _P99, _BELOW, 1, 1e-3)),
    ),
    "latency-200": Row(
        "200 subscribers",
        "adaptive-200",
        (Check("p50 ms", _P50, _BELOW, 1, 1e-3), Check("p99 ms", _P99, _BELOW, 2.5, 1e-3)),
    ),
    "isolate": Row(
        "control plane blocked 10 s, 100 subscribers",
        "isolate",
        (
            Check("p99 ms while blocked", f"{_DURING}{_P99}", _BELOW, 5, 1e-3),
            Check("lost while blocked", f"{_DURING}lost", _AT_MOST, 0, 1, 0),
        ),
    ),
    "joins-beside": Row(
        "100 joins/s beside a meeting of 100 subscribers",
        "joins-beside",
        (
            Check("p99 ms of the meeting", f"{_DURING}{_P99}", _BELOW, 5, 1e-3),
            Check("lost by the meeting", f"{_DURING}lost", _AT_MOST, 0, 1, 0),
            Check("failed joins", "failed", _AT_MOST, 0, 1, 0),
        ),
    ),
    "joins-sustained": Row(
        "joins, sustained for 20 s",
        "joins-sustained",
        (
            Check("joins/s", "joins_per_s", _AT_LEAST, 150, 1, 0),
            Check("failed joins", "failed", _AT_MOST, 0, 1, 0),
            Check("join p99 ms", "join_ms.p99", _REPORTED, 0, 1, 0),
        ),
        again=False,
    ),
    "memory": Row(
        "RSS per subscriber with one audio and one video consumer, at 200",
        "adaptive-200",
        (Check("KiB", "rss_bytes_per_subscriber", _AT_MOST, 64, 1 / 1024, 1),),
    ),
    "allocations": Row(
        "heap allocations per forwarded packet, steady state: the test with a counting allocator",
        "allocations",
        (Check("failed tests", "failed", _AT_MOST, 0, 1, 0),),
        again=False,
    ),
    "cm": Row(
        "AES128_CM_HMAC_SHA1_80, 200 subscribers",
        "fanout-200-cm",
        (Check(_COST, "cpu_us_per_packet", _REPORTED, 0), Check("p99 ms", _P99, _REPORTED, 0, 1e-3)),
    ),
}


async def run(names: Sequence[str], rounds: int, progress: Progress) -> Report:
    """Measures these rows, round after round."""
    wanted = {ROWS[name].scenario: ROWS[name].again for name in names}
    results: dict[str, list[dict[str, Any]]] = {scenario: [] for scenario in wanted}
    failures: dict[str, str] = {}
    # Rounds outside, scenarios inside: what the machine does for a minute meets one round of each.
    for number in range(rounds):
        for scenario, again in wanted.items():
            if scenario not in failures and (again or number == 0):
                await _once(scenario, f"round {number + 1}/{rounds}, ", results, failures, progress)
    rows = [_row(name, results[ROWS[name].scenario], failures.get(ROWS[name].scenario)) for name in names]
    return Report(machine(), rows, results)


async def _once(
    scenario: str, prefix: str, results: dict[str, list[dict[str, Any]]], failures: dict[str, str], progress: Progress
) -> None:
    def tell(what: str, done: float, total: float) -> None:
        progress(f"{prefix}{scenario}: {what}", done, total)

    try:
        results[scenario].append(await SCENARIOS[scenario](tell))
    except (FloorError, JoinError, RowError, TargetError) as error:
        failures[scenario] = str(error)


def _row(name: str, results: Sequence[dict[str, Any]], failure: str | None) -> RowResult:
    checks: list[Judged] = [
        judge(check, results) if failure is None else unmeasured(check, failure) for check in ROWS[name].checks
    ]
    return RowResult(name, ROWS[name].title, checks)
