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
    from sfu.bench.fanout import Options, Result

EXIT_FAILED = 1
EXIT_WRONG_USE = 2

app = typer.Typer(no_args_is_help=True, help="Measure a server with real WebRTC clients.")


class Srtp(StrEnum):
    """AES-128-GCM (RFC 7714), or AES-128 in counter mode with HMAC-SHA1 (RFC 3711)."""

    GCM = "gcm"
    CM = "cm"


@app.callback()
def _bench() -> None:
    """Keeps ``fanout`` a subcommand while it is the only one."""


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
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the JSON to this file too.")] = None,
) -> None:
    """Forward few publishers to many subscribers: cost per packet, loss, latency, memory, join time."""
    if url is not None and not url.startswith(("http://", "https://")):
        _fail(f"--url takes http:// or https://, not {url}", EXIT_WRONG_USE)
    try:
        from sfu.bench.fanout import Options
        from sfu.dtls.srtp import SrtpProfile
    except ImportError as error:
        _fail(f"{error}: the clients need OpenSSL, pip install 'sfu[bench]'", EXIT_FAILED)
    profile = SrtpProfile.AEAD_AES_128_GCM if srtp is Srtp.GCM else SrtpProfile.AES128_CM_HMAC_SHA1_80
    options = Options(publishers, subscribers, video_kbps, audio, duration, profile, url, pin)
    result = _run(options)
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


def _run(options: Options) -> Result:
    """Shows progress on standard error when somebody looks at it."""
    from rich.console import Console
    from rich.progress import Progress

    from sfu.bench.fanout import run
    from sfu.bench.load import JoinError
    from sfu.bench.target import TargetError

    try:
        with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
            task = bar.add_task("starting", total=None)
            return asyncio.run(
                run(options, lambda what, done, total: bar.update(task, description=what, completed=done, total=total))
            )
    except (JoinError, TargetError) as error:
        _fail(str(error), EXIT_FAILED)


def _fail(line: str, status: int) -> NoReturn:
    typer.echo(f"sfu bench: {line}", err=True)
    raise typer.Exit(status)
