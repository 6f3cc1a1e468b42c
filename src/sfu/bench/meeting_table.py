"""The scenario ``meeting`` for people: what it was, and its rows."""

from __future__ import annotations

from typing import Any

from sfu.bench.cells import Rows, latency_rows, number


def title(options: dict[str, Any]) -> str:
    """In a line."""
    silent = "room noise" if options["noise"] == "room" else "DTX"
    pages = " of all pages" if options["spread"] else ""
    seen = f"{options['tiles']} tiles{pages} at {options['fps']} frames/s"
    return (
        f"meeting: {options['participants']} microphones ({options['talkers']} talk, {silent}), "
        f"{options['cameras']} cameras, {seen}, {options['profile']}"
    )


def rows(result: dict[str, Any]) -> Rows:
    """(name with its unit, value); ``-`` is what cannot be known of a server that was not started here."""
    cost, slots, join = result["cost"], result["slots"], result["join_ms"]
    return [
        ("packets/s into the server", f"{result['packets_in_per_s']:,.0f}"),
        ("packets/s out of it", f"{result['packets_out_per_s']:,.0f}"),
        ("Mbit/s out of it", f"{result['mbit_out_per_s']:,.1f}"),
        ("server CPU, % of one processor", number(cost["cpu_share"], 1, scale=100)),
        ("  data plane / control plane, %", f"{_percent(cost['shard_share'])} / {_percent(cost['control_share'])}"),
        ("  time in which the data plane did not wait, %", _percent(cost.get("busy_share"))),
        ("server CPU us per forwarded packet", number(cost["us_per_packet"], 2)),
        ("  of the data plane", number(cost["shard_us_per_packet"], 2)),
        ("lost packets", f"{result['lost']:,.0f} ({result['loss_share']:.4%})"),
        ("duplicates / damaged samples", f"{result['duplicates']:,.0f} / {result['damaged']:,.0f}"),
        *latency_rows(result["video_latency_us"], "video"),
        *latency_rows(result["audio_latency_us"], "audio"),
        ("video slots that show somebody / should", f"{slots['showing']:,.0f} / {slots['expected']:,.0f}"),
        ("slots that get whom they show", f"{slots['confirmed']:,.0f}"),
        ("slots that get another / nothing", f"{slots['wrong']:,.0f} / {slots['unseen']:,.0f}"),
        ("participants who get less for the sake of its load", number(result.get("held"), 0)),
        ("slots that show their own, or one twice", f"{slots['own']:,.0f}"),
        ("join ms p50 / p99 / max", f"{join['p50']:.0f} / {join['p99']:.0f} / {join['max']:.0f}"),
        ("joins/s", f"{result['joins_per_s']:.1f}"),
        ("joins that were tried again", f"{result.get('joins_again', 0):.0f}"),
        ("control plane's CPU ms per join", number(result["control_ms_per_join"], 2)),
        *_told_rows(result["told_joining"], "while all join"),
        ("  the same, from 3 s after its own coming on", _busiest(result["told_of_others_joining"])),
        *_told_rows(result["told_running"], "while it runs"),
        ("keyframe requests", f"{result['keyframe_requests']:,.0f}"),
        ("  of one encoding within a second, at most", f"{result['busiest_keyframe_requests']:.0f}"),
        ("server RSS MiB", number(result["rss_bytes"], 1, scale=2**-20)),
        ("server RSS KiB per participant", number(result["rss_bytes_per_participant"], 1, scale=2**-10)),
        ("generator CPU, % of one processor", number(result["generator_cpu_share"], 1, scale=100)),
        ("generator late by ms, at most", f"{result['generator_late_us'] / 1e3:.2f}"),
        ("packets that the generator could not send", f"{result['unsent']:,.0f}"),
        *_storm_rows(result["storm"]),
    ]


def _told_rows(told: dict[str, float], when: str) -> Rows:
    return [
        (f"messages to a participant {when}, per s", f"{told['messages_per_s']:.2f}"),
        ("  in its busiest second p50 / p99 / max", _busiest(told)),
        ("  bytes of a message / KiB to each", f"{told['bytes_per_message']:,.0f} / {told['bytes_each'] / 1024:,.1f}"),
    ]


def _busiest(told: dict[str, float]) -> str:
    return f"{told['busiest_p50']:.0f} / {told['busiest_p99']:.0f} / {told['busiest']:.0f}"


def _storm_rows(storm: dict[str, Any] | None) -> Rows:
    if storm is None:
        return []
    join = storm["join_ms"]
    busiest = max(phase["busiest_keyframe_requests"] for phase in storm["phases"].values())
    return [
        ("storm: joins / failed", f"{storm['joins']:,.0f} / {storm['failed']:,.0f}"),
        ("storm: seconds until all were in", f"{storm['duration_s']:.1f}"),
        ("storm: join ms p50 / p99 / max", f"{join['p50']:.0f} / {join['p99']:.0f} / {join['max']:.0f}"),
        ("storm: keyframe requests of an encoding within 1 s, max", f"{busiest:.0f}"),
        (
            "storm: messages in the busiest second p99 / max",
            f"{storm['told']['busiest_p99']:.0f} / {storm['told']['busiest']:.0f}",
        ),
        *((f"storm: {count} x", error) for error, count in storm["errors"].items()),
    ]


def _percent(share: float | None) -> str:
    return number(share, 1, scale=100)
