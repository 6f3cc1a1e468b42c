"""``sfu bench``: options, progress while it runs, a table or JSON at the end.

Exit status: 0 measured (``targets``: and reached); 1 it could not be measured, or a target is missed; 2 the command
line is wrong.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Protocol

import typer

from sfu.bench.chat.cli import chat
from sfu.bench.choices import Control, Noise
from sfu.bench.network.cli import network
from sfu.bench.speaker.cli import speaker

if TYPE_CHECKING:
    from sfu.bench.session import Progress
    from sfu.dtls.srtp import SrtpProfile

EXIT_FAILED = 1
EXIT_WRONG_USE = 2

app = typer.Typer(no_args_is_help=True, help="Measure a server with real WebRTC clients on the wire.")
app.command()(chat)
app.command()(network)
app.command()(speaker)


class Srtp(StrEnum):
    """AES-128-GCM (RFC 7714), or AES-128 in counter mode with HMAC-SHA1 (RFC 3711)."""

    GCM = "gcm"
    CM = "cm"


class _Result(Protocol):
    def as_dict(self) -> dict[str, Any]: ...


_Publishers = Annotated[int, typer.Option(min=1, max=1000, help="Each in a meeting of its own.")]
_Subscribers = Annotated[int, typer.Option(min=1, max=10_000, help="Spread evenly over the publishers.")]
_VideoKbps = Annotated[
    int, typer.Option(min=1, max=100_000, help="Per publisher; sent as whole packets of 1,200 bytes, 30 frames/s.")
]
_Audio = Annotated[bool, typer.Option(help="50 packets of Opus a second beside the video.")]
_Duration = Annotated[float, typer.Option(min=0.5, max=3600, metavar="SECONDS", help="How long to measure.")]
_Srtp = Annotated[Srtp, typer.Option(help="The one cipher that the clients offer.")]
_Url = Annotated[
    str | None, typer.Option(metavar="URL", help="A running server with WHIP and WHEP; else one is started.")
]
_Pin = Annotated[bool, typer.Option(help="Server and clients on a processor each.")]
_Rounds = Annotated[int, typer.Option(min=1, max=50, help="So many times, each with a new server; medians and spread.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
_Out = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the JSON to this file too.")]
_Plot = Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the result as SVG.")]


@app.command()
def fanout(  # noqa: PLR0917 - options, all given by name
    publishers: _Publishers = 1,
    subscribers: _Subscribers = 50,
    video_kbps: _VideoKbps = 1500,
    audio: _Audio = True,
    duration: _Duration = 10.0,
    srtp: _Srtp = Srtp.GCM,
    url: _Url = None,
    pin: _Pin = True,
    floor: Annotated[
        bool, typer.Option(help="Measure before and after what a bare reflector and the cipher alone cost here.")
    ] = False,
    adaptive: Annotated[
        bool, typer.Option(help="The server that is started measures each subscriber's network and paces by it.")
    ] = True,
    rounds: _Rounds = 1,
    as_json: _Json = False,
    out: _Out = None,
    plot: _Plot = None,
) -> None:
    """Forward few publishers to many subscribers: cost per packet, loss, latency, memory, join time."""
    profile = _prepare(url, srtp)
    from sfu.bench import fanout as scenario
    from sfu.bench import floor as beside

    if url is not None and not adaptive:
        _fail("--no-adaptive is for the server that is started here, not for that of --url", EXIT_WRONG_USE)
    options = scenario.Options(
        publishers, subscribers, video_kbps, audio, duration, profile, url, pin, adaptive=adaptive
    )
    run = beside.run if floor else scenario.run
    _measure("fanout", lambda progress: run(options, progress), rounds, as_json=as_json, out=out, plot=plot)


@app.command()
def mesh(  # noqa: PLR0917 - options, all given by name
    participants: Annotated[int, typer.Option(min=2, max=1000, help="In one meeting.")] = 30,
    publishers: Annotated[int, typer.Option(min=1, max=50, help="Of the participants; all receive.")] = 10,
    video_kbps: _VideoKbps = 1500,
    audio: _Audio = True,
    duration: _Duration = 10.0,
    srtp: _Srtp = Srtp.GCM,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="A running sfu serve --dev; else one is started.")
    ] = None,
    pin: _Pin = True,
    rounds: _Rounds = 1,
    as_json: _Json = False,
    out: _Out = None,
    plot: _Plot = None,
) -> None:
    """Hold one meeting of our own server in which some publish and all receive: the same figures."""
    profile = _prepare(url, srtp)
    if publishers > participants:
        _fail(f"--publishers is {publishers}, of {participants} participants", EXIT_WRONG_USE)
    from sfu.bench.mesh import Options, run

    options = Options(participants, publishers, video_kbps, audio, duration, profile, url, pin)
    _measure("mesh", lambda progress: run(options, progress), rounds, as_json=as_json, out=out, plot=plot)


@app.command()
def meeting(  # noqa: PLR0917 - options, all given by name
    participants: Annotated[int, typer.Option(min=2, max=5_000, help="In one meeting, all with microphones.")] = 100,
    cameras: Annotated[
        int, typer.Option(min=0, max=1_000, help="So many of them have a camera too, of three encodings.")
    ] = 10,
    tiles: Annotated[int, typer.Option(min=0, max=49, help="Cameras of others that each one sees, all small.")] = 9,
    talkers: Annotated[int, typer.Option(min=0, max=50, help="Who take turns to talk.")] = 5,
    noise: Annotated[
        Noise,
        typer.Option(help="What the other microphones send: a room's noise, or hardly anything, as by DTX."),
    ] = Noise.ROOM,
    fps: Annotated[
        int, typer.Option(min=1, max=60, help="Frames a second that a tile is worth; cameras send 30.")
    ] = 15,
    large: Annotated[bool, typer.Option(help="Everybody shows one of the tiles in 1280 x 720.")] = False,
    spread: Annotated[
        bool, typer.Option(help="They look at all pages of the gallery in turn, and not all at the first one.")
    ] = False,
    follow: Annotated[
        bool, typer.Option(help="Cameras send only the encodings that the server asks for, and not always all three.")
    ] = False,
    storm: Annotated[
        int, typer.Option(min=0, max=2_000, help="So many more join within 2 s when everything is measured.")
    ] = 0,
    duration: _Duration = 10.0,
    seed: Annotated[int, typer.Option(min=0, max=1_000_000, help="Of the conversation and the noises.")] = 1,
    srtp: _Srtp = Srtp.GCM,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="A running sfu serve --dev; else one is started.")
    ] = None,
    pin: _Pin = True,
    control: Annotated[
        Control,
        typer.Option(help="Whose processor a started server's control plane shares."),
    ] = Control.LOAD,
    rounds: _Rounds = 1,
    as_json: _Json = False,
    out: _Out = None,
    plot: _Plot = None,
) -> None:
    """Hold one big meeting of our own server: all have microphones, some cameras, everybody sees a page of tiles."""
    profile = _prepare(url, srtp)
    for name, count in (("--cameras", cameras), ("--talkers", talkers)):
        if count > participants:
            _fail(f"{name} is {count}, of {participants} participants", EXIT_WRONG_USE)
    from sfu.bench.meeting import Options, run

    options = Options(
        participants,
        cameras,
        tiles,
        talkers,
        noise,
        fps,
        large,
        spread,
        follow,
        storm,
        duration,
        seed,
        profile,
        url,
        pin,
        control,
    )
    _measure("meeting", lambda progress: run(options, progress), rounds, as_json=as_json, out=out, plot=plot)


@app.command()
def ramp(  # noqa: PLR0917 - options, all given by name
    publishers: _Publishers = 4,
    start: Annotated[int, typer.Option(min=1, max=10_000, help="Subscribers of the first step.")] = 600,
    most: Annotated[int, typer.Option(min=1, max=10_000, help="No more subscribers than these.")] = 8_000,
    video_kbps: _VideoKbps = 1500,
    audio: _Audio = True,
    step: Annotated[float, typer.Option(min=0.5, max=600, metavar="SECONDS", help="How long each load lasts.")] = 3.0,
    max_p99: Annotated[
        float, typer.Option("--max-p99-ms", min=0.1, max=10_000, metavar="MS", help="Added latency that is too much.")
    ] = 20.0,
    srtp: _Srtp = Srtp.GCM,
    url: _Url = None,
    pin: _Pin = True,
    rounds: _Rounds = 1,
    as_json: _Json = False,
    out: _Out = None,
    plot: _Plot = None,
) -> None:
    """Add subscribers until loss passes 0.1 % or p99 latency its limit: what one core forwards."""
    profile = _prepare(url, srtp)
    from sfu.bench.ramp import Options, run

    options = Options(publishers, start, most, video_kbps, audio, step, profile, url, pin, round(max_p99 * 1_000))
    _measure("ramp", lambda progress: run(options, progress), rounds, as_json=as_json, out=out, plot=plot)


@app.command()
def joins(  # noqa: PLR0917 - options, all given by name
    rate: Annotated[float, typer.Option(min=0.1, max=2_000, help="Joins a second, whether or not they succeed.")] = 100,
    duration: Annotated[float, typer.Option(min=0.5, max=600, metavar="SECONDS", help="Of the storm.")] = 10.0,
    publishers: _Publishers = 1,
    subscribers: Annotated[int, typer.Option(min=1, max=5_000, help="Of the meeting that runs.")] = 100,
    whole: Annotated[
        bool, typer.Option("--whole/--whep", help="They join as the page does, by token and signaling; or by WHEP.")
    ] = False,
    places: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="All come to one meeting of so many; the others are refused.")
    ] = None,
    video_kbps: _VideoKbps = 1500,
    audio: _Audio = True,
    srtp: _Srtp = Srtp.GCM,
    url: _Url = None,
    pin: _Pin = True,
    rounds: _Rounds = 1,
    as_json: _Json = False,
    out: _Out = None,
    plot: _Plot = None,
) -> None:
    """A storm of joins beside a running meeting: failures, join times, and what the meeting notices."""
    profile = _prepare(url, srtp)
    from sfu.bench.joins import MAX_JOINS, Options, run

    if not 1 <= round(rate * duration) <= MAX_JOINS:
        _fail(
            f"--rate times --duration is {rate * duration:,.0f} joins, accepted are 1 to {MAX_JOINS:,}", EXIT_WRONG_USE
        )
    if places is not None and not whole:
        _fail("--places is for joins as the page does: add --whole", EXIT_WRONG_USE)
    options = Options(rate, duration, publishers, subscribers, video_kbps, audio, profile, url, pin, whole, places)
    _measure("joins", lambda progress: run(options, progress), rounds, as_json=as_json, out=out, plot=plot)


@app.command()
def isolate(  # noqa: PLR0917 - options, all given by name
    block: Annotated[float, typer.Option(min=0.5, max=60, metavar="SECONDS", help="How long it is blocked.")] = 10.0,
    publishers: _Publishers = 1,
    subscribers: _Subscribers = 100,
    video_kbps: _VideoKbps = 1500,
    audio: _Audio = True,
    srtp: _Srtp = Srtp.GCM,
    pin: _Pin = True,
    rounds: _Rounds = 1,
    as_json: _Json = False,
    out: _Out = None,
    plot: _Plot = None,
) -> None:
    """Block the control plane under load: does media notice?"""
    profile = _prepare(None, srtp)
    from sfu.bench.isolate import Options, run

    options = Options(block, publishers, subscribers, video_kbps, audio, profile, pin)
    _measure("isolate", lambda progress: run(options, progress), rounds, as_json=as_json, out=out, plot=plot)


@app.command()
def targets(
    only: Annotated[list[str] | None, typer.Option(metavar="ROW", help="This row alone; may be repeated.")] = None,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="Of the rows that are repeated.")] = 3,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write the JSON of each row there.")] = None,
    render: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Measure nothing: print targets.json as a Markdown table.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Measure everything that the server must reach, beside its targets. Status 1 when one is missed."""
    from sfu.bench.judge import Verdict
    from sfu.bench.report import markdown

    if render is not None:
        try:
            typer.echo(markdown(json.loads(render.read_text())), nl=False)
        except (OSError, ValueError, KeyError, TypeError) as error:
            _fail(f"{render} is not what sfu bench targets writes: {error}", EXIT_FAILED)
        return
    _prepare(None, Srtp.GCM)
    from sfu.bench import loop
    from sfu.bench.report import show, write
    from sfu.bench.targets import ROWS, run

    unknown = [name for name in only or [] if name not in ROWS]
    if unknown:
        _fail(f"--only takes {', '.join(ROWS)}; not {', '.join(unknown)}", EXIT_WRONG_USE)
    with _progress() as progress:
        report = loop.run(run(only or list(ROWS), rounds, progress))
    if out is not None:
        _write(lambda: write(report, out), out)
    typer.echo(json.dumps(report.summary(), indent=2)) if as_json else show(report)
    if report.verdict is Verdict.MISSED:
        raise typer.Exit(EXIT_FAILED)


def _prepare(url: str | None, srtp: Srtp) -> SrtpProfile:
    """Checks what every scenario needs."""
    if url is not None and not url.startswith(("http://", "https://")):
        _fail(f"--url takes http:// or https://, not {url}", EXIT_WRONG_USE)
    try:
        import sfu.bench.dtls  # noqa: F401 - whether it is there
        from sfu.dtls.srtp import SrtpProfile
    except ImportError as error:
        _fail(f"{error}: the clients need OpenSSL, pip install 'sfu[bench]'", EXIT_FAILED)
    return SrtpProfile.AEAD_AES_128_GCM if srtp is Srtp.GCM else SrtpProfile.AES128_CM_HMAC_SHA1_80


def _measure(
    scenario: str,
    run: Callable[[Progress], Coroutine[Any, Any, _Result]],
    rounds: int,
    *,
    as_json: bool,
    out: Path | None,
    plot: Path | None,
) -> None:
    """Runs the rounds and shows what came out, where it was asked for."""
    from sfu.bench import loop
    from sfu.bench.plot import plot as draw
    from sfu.bench.rounds import combine
    from sfu.bench.table import show

    results = []
    for number in range(rounds):
        with _progress(f"round {number + 1}/{rounds}: " if rounds > 1 else "") as progress:
            results.append(loop.run(run(progress)).as_dict())
    result = combine(results)
    text = json.dumps(result, indent=2)
    if out is not None:
        _write(lambda: out.write_text(text + "\n"), out)
    if plot is not None:
        _write(lambda: plot.write_text(draw(scenario, result)), plot)
    typer.echo(text) if as_json else show(scenario, result)


@contextmanager
def _progress(prefix: str = "") -> Iterator[Progress]:
    """Shows it on standard error when somebody looks at it. What cannot be measured ends the command."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    from sfu.bench.floor import FloorError
    from sfu.bench.load import JoinError
    from sfu.bench.target import TargetError

    try:
        with Bar(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
            task = bar.add_task("starting", total=None)
            yield lambda what, done, total: bar.update(task, description=f"{prefix}{what}", completed=done, total=total)
    except (FloorError, JoinError, TargetError) as error:
        _fail(str(error), EXIT_FAILED)


def _write(write: Callable[[], object], path: Path) -> None:
    try:
        write()
    except OSError as error:
        _fail(f"cannot write {path}: {error.strerror}", EXIT_FAILED)


def _fail(line: str, status: int) -> NoReturn:
    typer.echo(f"sfu bench: {line}", err=True)
    raise typer.Exit(status)
