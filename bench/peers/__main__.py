"""``python -m bench.peers``: the same load on ours and on every other server that is installed.

Exit status: 0 measured, and no target is missed by more than the rounds differ; 1 one is, or a run failed; 2 the
command line is wrong.
"""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.peers import comparison, registry, table
from bench.peers.adapter import Peer
from bench.peers.whip import WhipWhep
from sfu.bench.fanout import Options
from sfu.dtls.srtp import SrtpProfile

JOINS_AT_ONCE = 16
"""Joins are not compared, and some servers take a second for each."""


class Srtp(StrEnum):
    """AES-128-GCM (RFC 7714), or AES-128 in counter mode with HMAC-SHA1 (RFC 3711)."""

    GCM = "gcm"
    CM = "cm"


def main(  # noqa: PLR0917 - options, all given by name
    subscribers: Annotated[list[int] | None, typer.Option(min=1, help="Repeat for several. [default: 10, 200]")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Each with fresh processes.")] = 3,
    duration: Annotated[float, typer.Option(min=0.5, metavar="SECONDS", help="Of each measurement.")] = 8.0,
    video_kbps: Annotated[int, typer.Option(min=1, help="Whole packets of 1,200 bytes, 30 frames/s.")] = 1500,
    audio: Annotated[bool, typer.Option(help="50 packets of Opus a second beside the video.")] = True,
    srtp: Annotated[Srtp, typer.Option(help="The one cipher that the clients offer.")] = Srtp.GCM,
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Of the peers; repeat for several.")] = None,
    whip: Annotated[str | None, typer.Option(metavar="URL", help="Another server's, {room} in it.")] = None,
    whep: Annotated[str | None, typer.Option(metavar="URL", help="The same server's.")] = None,
    pid: Annotated[list[int] | None, typer.Option(help="That server's processes, to know what it costs.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Raw results as JSON.")] = None,
) -> None:
    """Measure this server and others in turn, under the same load: CPU per packet, latency, loss, memory, ratios."""
    peers = _chosen(only or [])
    if (whip is None) != (whep is None):
        raise typer.BadParameter("--whip and --whep go together")
    if whip is not None and whep is not None:
        if not all(url.startswith(("http://", "https://")) for url in (whip, whep)):
            raise typer.BadParameter("--whip and --whep take http:// or https://")
        peers.append(WhipWhep(whip, whep, pid or []))
    absent = {peer.name: (reason, peer.install) for peer in peers if (reason := peer.is_installed()) is not None}
    present = [peer for peer in peers if peer.name not in absent]
    profile = SrtpProfile.AEAD_AES_128_GCM if srtp is Srtp.GCM else SrtpProfile.AES128_CM_HMAC_SHA1_80
    options = Options(1, 1, video_kbps, audio, duration, profile, joins_at_once=JOINS_AT_ONCE)
    runs = list(comparison.measure(present, options, sorted(subscribers or [10, 200]), rounds, table.say))
    rows = comparison.rows(runs, present)
    table.show(rows, absent, title=f"1 -> N, {video_kbps} kbit/s{' + audio' if audio else ''}, {profile}")
    if out is not None:
        out.write_text(json.dumps(_document(rows, runs, absent), indent=1) + "\n")
    if any(row.misses or row.failures for row in rows):
        raise typer.Exit(1)


def _chosen(names: list[str]) -> list[Peer]:
    peers = list(registry.peers())
    unknown = set(names) - {peer.name for peer in peers}
    if unknown:
        raise typer.BadParameter(f"no peer {', '.join(sorted(unknown))}; there are {', '.join(p.name for p in peers)}")
    return [peer for peer in peers if not names or peer.name in names]


def _document(
    rows: list[comparison.Row], runs: list[comparison.Run], absent: dict[str, tuple[str, str]]
) -> dict[str, Any]:
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    return {
        "machine": {"kernel": platform.release(), "cpu": cpu.partition(": ")[2]},
        "rows": [asdict(row) for row in rows],
        "absent": {name: {"reason": reason, "install": install} for name, (reason, install) in absent.items()},
        "runs": [comparison.as_dict(run) for run in runs],
    }


if __name__ == "__main__":
    typer.run(main)
