"""``sfu bench``: options, progress while it runs, a table or JSON at the end.

Exit status: 0 measured; 1 it could not be measured; 2 the command line is wrong. What was measured is not judged.
"""

from __future__ import annotations

import asyncio
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sfu.bench.fanout import Progress, Result
    from sfu.dtls.srtp import SrtpProfile

EXIT_FAILED = 1
EXIT_WRONG_USE = 2

app = typer.Typer(no_args_is_help=True, help="Measure a server with real WebRTC clients.")


class Srtp(StrEnum):
    """AES-128-GCM (RFC 7714), or AES-128 in counter mode with HMAC-SHA1 (RFC 3711)."""

    GCM = "gcm"
    CM = "cm"

    @property
    def profile(self) -> SrtpProfile:
        """What the clients offer."""
        from sfu.dtls.srtp import SrtpProfile

        return SrtpProfile.AEAD_AES_128_GCM if self is Srtp.GCM else SrtpProfile.AES128_CM_HMAC_SHA1_80


@app.command()
def fanout(  # noqa: PLR0917 - options, all given by name
    publishers: Annotated[int, typer.Option(min=1, max=1000, help="Each in a meeting of its own.")] = 1,
    subscribers: Annotated[int, typer.Option(min=1, max=10_000, help="Spread evenly over the publishers.")] = 50,
    video_kbps: Annotated[
        int, typer.Option(min=1, max=100_000, help="Per publisher; sent as whole packets of 1,200 bytes, 30 frames/s.")
    ] = 1500,
    audio: Annotated[bool, typer.Option(help="50 packets of Opus a second beside the video.")] = True,
    duration: Annotated[float, typer.Option(min=0.5, metavar="SECONDS", help="How long to measure.")] = 10.0,
    srtp: Annotated[Srtp, typer.Option(help="The one cipher that the clients offer.")] = Srtp.GCM,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="A running server with WHIP and WHEP; else one is started.")
    ] = None,
    pin: Annotated[bool, typer.Option(help="Server and clients on a processor each.")] = True,
    floor: Annotated[
        bool, typer.Option(help="Measure before and after what a bare reflector and the cipher alone cost here.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the JSON to this file too.")] = None,
) -> None:
    """Forward few publishers to many subscribers: cost per packet, loss, latency, memory, join time."""
    _check_url(url)
    try:
        from sfu.bench import fanout as scenario
        from sfu.bench import floor as beside
    except ImportError as error:
        _fail(f"{error}: the clients need OpenSSL, pip install 'sfu[bench]'", EXIT_FAILED)
    options = scenario.Options(publishers, subscribers, video_kbps, audio, duration, srtp.profile, url, pin)
    run = beside.run if floor else scenario.run
    _report(_run(lambda progress: run(options, progress)), as_json=as_json, out=out)


@app.command()
def mesh(  # noqa: PLR0917 - options, all given by name
    participants: Annotated[int, typer.Option(min=2, max=1000, help="In one meeting.")] = 30,
    publishers: Annotated[int, typer.Option(min=1, max=50, help="Of the participants; all receive.")] = 10,
    video_kbps: Annotated[
        int, typer.Option(min=1, max=100_000, help="Per publisher; sent as whole packets of 1,200 bytes, 30 frames/s.")
    ] = 1500,
    audio: Annotated[bool, typer.Option(help="50 packets of Opus a second beside the video.")] = True,
    duration: Annotated[float, typer.Option(min=0.5, metavar="SECONDS", help="How long to measure.")] = 10.0,
    srtp: Annotated[Srtp, typer.Option(help="The one cipher that the clients offer.")] = Srtp.GCM,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="A running sfu serve --dev; else one is started.")
    ] = None,
    pin: Annotated[bool, typer.Option(help="Server and clients on a processor each.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the JSON to this file too.")] = None,
) -> None:
    """Hold one meeting of our own server in which some publish and all receive: the same figures."""
    _check_url(url)
    if publishers > participants:
        _fail(f"--publishers is {publishers}, of {participants} participants", EXIT_WRONG_USE)
    try:
        from sfu.bench import mesh as scenario
    except ImportError as error:
        _fail(f"{error}: the clients need OpenSSL, pip install 'sfu[bench]'", EXIT_FAILED)
    options = scenario.Options(participants, publishers, video_kbps, audio, duration, srtp.profile, url, pin)
    _report(_run(lambda progress: scenario.run(options, progress)), as_json=as_json, out=out)


def _check_url(url: str | None) -> None:
    if url is not None and not url.startswith(("http://", "https://")):
        _fail(f"--url takes http:// or https://, not {url}", EXIT_WRONG_USE)


def _report(result: Result, *, as_json: bool, out: Path | None) -> None:
    text = json.dumps(result.as_dict(), indent=2)
    if out is not None:
        try:
            out.write_text(text + "\n")
        except OSError as error:
            _fail(f"cannot write {out}: {error.strerror}", EXIT_FAILED)
    if as_json:
        typer.echo(text)
    else:
        from sfu.bench.table import show

        show(result)


def _run(scenario: Callable[[Progress], Awaitable[Result]]) -> Result:
    """Shows progress on standard error when somebody looks at it."""
    from rich.console import Console
    from rich.progress import Progress

    from sfu.bench.floor import FloorError
    from sfu.bench.load import JoinError
    from sfu.bench.target import TargetError

    try:
        with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
            task = bar.add_task("starting", total=None)

            def show(what: str, done: float, total: float) -> None:
                bar.update(task, description=what, completed=done, total=total)

            async def run() -> Result:
                return await scenario(show)

            return asyncio.run(run())
    except (FloorError, JoinError, TargetError) as error:
        _fail(str(error), EXIT_FAILED)


def _fail(line: str, status: int) -> NoReturn:
    typer.echo(f"sfu bench: {line}", err=True)
    raise typer.Exit(status)
