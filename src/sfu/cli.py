"""The command line: ``sfu serve``, ``sfu check-config``, ``sfu db``, ``sfu bench``, ``sfu --version``.

Exit status: 0 stopped as asked; 1 could not start (a port in use, say) or a stop was cut short; 2 the
configuration or the command line is wrong. Errors are one line each on standard error.
"""

from __future__ import annotations

import ipaddress
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NoReturn, TextIO

import typer

from sfu.bench.cli import app as bench_app
from sfu.cli_access import key_app, token_app
from sfu.cli_db import app as db_app
from sfu.cli_events import app as events_app
from sfu.config import Config, load
from sfu.config_report import ConfigErrors
from sfu.errors import ConfigError, SfuError

EXIT_FAILED = 1
EXIT_WRONG_USE = 2
DEV_HOST = "127.0.0.1"

app = typer.Typer(
    name="sfu",
    help="Video meetings in the browser: a selective forwarding unit.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(bench_app, name="bench")
app.add_typer(token_app, name="token")
app.add_typer(key_app, name="key")
app.add_typer(db_app, name="db")
app.add_typer(events_app, name="events")


def _version(wanted: bool) -> None:
    if wanted:
        import sfu

        typer.echo(f"sfu {sfu.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    del version


ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="TOML file; config.example.toml shows every key."),
]


@app.command()
def serve(  # noqa: PLR0917 - options, all given by name
    config: ConfigOption = None,
    dev: Annotated[
        bool,
        typer.Option(
            "--dev",
            help="Development mode: this machine only, a meeting comes into being when somebody opens its address.",
        ),
    ] = False,
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Address of HTTP and WebSocket.")] = None,
    port: Annotated[
        int | None, typer.Option(metavar="PORT", help="TCP port of HTTP and WebSocket (8080 if nothing else is said).")
    ] = None,
    media_port: Annotated[
        int | None,
        typer.Option(metavar="PORT", help="UDP port of media (40000); each further shard takes the next one."),
    ] = None,
    advertise: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="IP address to tell clients, behind NAT. May be given several times."),
    ] = None,
    log_level: Annotated[str | None, typer.Option(metavar="LEVEL", help="debug, info, warning or error.")] = None,
) -> None:
    """Run the server until SIGTERM or Ctrl-C.

    Without any option it serves everyone, on TCP port 8080 and UDP port 40000.

    Options win over environment variables (SFU_SERVER__PORT=8081), which win over the file.
    """
    given: dict[str, dict[str, Any]] = {
        "server": _given(host=host, port=port),
        "media": _given(port=media_port, advertise=advertise or None),
        "log": _given(level=log_level),
    }
    settings = _load_or_exit(config, given)
    if dev:
        settings = _narrowed_to_loopback(settings, config, given)
    raise typer.Exit(_run(settings, dev=dev))


@app.command("check-config")
def check_config(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="TOML file; without it, the environment.")
    ] = None,
) -> None:
    """Check a configuration without starting anything: exit status 0 and one line, or 2 and one line per fault."""
    settings = _load_or_exit(file, {})
    try:
        _check_parts(settings)
    except SfuError as error:
        _fail(str(error), EXIT_WRONG_USE)
    typer.echo(f"{file or 'environment and defaults'}: good")


def _check_parts(settings: Config) -> None:
    """What only the parts know: whether plugins can be found and the certificate be used."""
    from datetime import UTC, datetime

    from sfu.plugins.registry import load_layer_policy, load_plugins
    from sfu.runtime import compose, credentials
    from sfu.runtime.events import check_events
    from sfu.runtime.storage import check_store

    load_plugins(settings.plugins)
    load_layer_policy(settings.layers.policy)
    compose.certificate(settings, datetime.now(UTC))
    check_store(settings)
    check_events(settings)
    credentials.check(settings)


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _load_or_exit(file: Path | None, overrides: dict[str, dict[str, Any]]) -> Config:
    try:
        return load(file, overrides={section: values for section, values in overrides.items() if values})
    except ConfigErrors as errors:
        for line in errors.lines():
            typer.echo(line, err=True)
        raise typer.Exit(EXIT_WRONG_USE) from None


def _narrowed_to_loopback(settings: Config, file: Path | None, given: dict[str, dict[str, Any]]) -> Config:
    """Development mode trusts everyone who reaches it, so only this machine may."""
    chosen = settings.server.host if "host" in settings.server.model_fields_set else DEV_HOST
    if not _is_loopback(chosen):
        _fail(
            f"--dev serves this machine only: {chosen} is not a loopback address "
            f"(use --host {DEV_HOST} or ::1, or leave out --dev)",
            EXIT_WRONG_USE,
        )
    listen = settings.media.listen if "listen" in settings.media.model_fields_set else (DEV_HOST,)
    for address in listen:
        if not _is_loopback(address):
            _fail(
                f"--dev serves this machine only: media.listen has {address} (leave it out, or leave out --dev)",
                EXIT_WRONG_USE,
            )
    given["server"]["host"] = chosen
    given["media"]["listen"] = list(listen)
    return _load_or_exit(file, given)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _run(settings: Config, *, dev: bool) -> int:
    import asyncio

    import uvloop

    from sfu.runtime import log
    from sfu.runtime.server import Server

    log.configure(settings.log.level, settings.log.format)
    _allow_descriptors()

    async def run() -> int:
        return await Server(settings, dev=dev, announce=_announce).run()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run())
    except ConfigError as error:
        _fail(str(error), EXIT_WRONG_USE)
    except SfuError as error:
        _fail(str(error), EXIT_FAILED)


def _allow_descriptors() -> None:
    """As many as the system grants: each participant has a socket, and the usual soft limit of 1024 is there for
    programs that use select(2).
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS grants "infinity" and then less
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _announce(url: str) -> None:
    try:
        typer.echo(f"Ready. Open {url}  (Ctrl-C stops)")
    except OSError:  # a full disk, or nobody reads any more: no reason not to serve
        sys.stdout = _nowhere()


def _fail(line: str, status: int) -> NoReturn:
    typer.echo(f"sfu: {line}", err=True)
    raise typer.Exit(status)


def main() -> None:
    """What the ``sfu`` command runs."""
    _fill_closed_streams()
    app()


def _fill_closed_streams() -> None:
    """Started with a standard descriptor closed, the next socket would get its number, and a client what is written
    there. A file takes the lowest number that is free, which is the one that is missing.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, _nowhere())


def _nowhere() -> TextIO:
    return Path(os.devnull).open("r+", encoding="utf-8")
