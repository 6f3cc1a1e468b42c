"""``sfu token`` and ``sfu key``: access tokens and API keys by hand, to try things out and to keep order.

Secrets are read from files, from standard input or from the environment, never from the command line, which other
processes see. What is a secret goes to standard output alone, so that it can be piped.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn
from urllib.error import HTTPError, URLError

import typer

from sfu.errors import ConfigError, RemoteError, SfuError

API_KEY_VARIABLE = "SFU_API_KEY"
REQUEST_TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 64 * 1024
MAX_INPUT_CHARS = 8192

token_app = typer.Typer(help="Access tokens (JWT): create, inspect, revoke.", no_args_is_help=True)
key_app = typer.Typer(help="API keys of the server API.", no_args_is_help=True)

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="Configuration: [auth] keys, issuer, audience.")
]
TokenText = Annotated[str, typer.Argument(metavar="TOKEN", help="The token; - reads it from standard input.")]


@token_app.command("create")
def create_token(  # noqa: PLR0917 - options, all given by name
    config: ConfigFile = None,
    keys: Annotated[Path | None, typer.Option(metavar="FILE", help="Keys that sign, instead of [auth] keys.")] = None,
    kid: Annotated[str | None, typer.Option(help="Which of them, if there are several.")] = None,
    identity: Annotated[str | None, typer.Option(help="Who it is (sub).")] = None,
    name: Annotated[str | None, typer.Option(help="What the others are shown.")] = None,
    meeting: Annotated[str | None, typer.Option(metavar="ID", help="The one meeting that it is for.")] = None,
    role: Annotated[str | None, typer.Option(help="host, cohost, participant or audience.")] = None,
    publish: Annotated[
        list[str] | None, typer.Option(metavar="SOURCE", help="What may be published at most. May be given repeatedly.")
    ] = None,
    record: Annotated[bool, typer.Option("--record", help="May begin and end recordings.")] = False,
    max_bps: Annotated[int | None, typer.Option(help="What is received at most, bits per second.")] = None,
    session_s: Annotated[float | None, typer.Option(help="How long one stay may last, seconds.")] = None,
    life_s: Annotated[int, typer.Option(min=1, help="How long the token is good, seconds.")] = 3600,
) -> None:
    """Sign a token. It is all that is printed."""
    from sfu.access import issue_token, verify_token
    from sfu.access.keys import StaticKeys

    with _faults():
        settings = _settings(config)
        key = _signing_key(keys or _configured(settings), kid)
        granted = {
            "meeting": meeting, "role": role, "publish": publish or None, "record": record or None,
            "max_bps": max_bps, "session_s": session_s,
        }  # fmt: skip
        now = int(time.time())
        claims = {
            "sub": identity, "name": name, "iat": now, "exp": now + life_s, "iss": settings.auth.issuer or None,
            "aud": settings.auth.audience or None, "sfu": _given(granted) or None,
        }  # fmt: skip
        token = issue_token(key, _given(claims))
        # What this server would refuse is not given out.
        asyncio.run(verify_token(token, StaticKeys([key]), _terms(settings), datetime.now(UTC)))
        typer.echo(token)


@token_app.command("inspect")
def inspect(token: TokenText, config: ConfigFile = None) -> None:
    """Show what a token says, and with a configuration whether it is good. Exit status 1: it is not."""
    from sfu.access import inspect_token, verify_token
    from sfu.access.tokens import token_id
    from sfu.runtime.key_rings import fetch, read_file

    with _faults():
        text = _token(token)
        header, claims = inspect_token(text)
        shown = {"header": header, "claims": claims, "token_id": token_id(text, claims)}
        typer.echo(json.dumps(shown, indent=2, default=str))
        if config is None:
            return
        settings = _settings(config)
        url = settings.auth.jwks_url
        found = fetch(url) if url else read_file(_configured(settings))
        from sfu.access.keys import StaticKeys

        asyncio.run(verify_token(text, StaticKeys(found.keys), _terms(settings), datetime.now(UTC)))
        typer.echo("good", err=True)


@token_app.command("revoke")
def revoke(
    token: Annotated[str | None, typer.Argument(metavar="[TOKEN]", help="- reads it from standard input.")] = None,
    token_id: Annotated[str | None, typer.Option(help="Instead: the jti of a token.")] = None,
    identity: Annotated[str | None, typer.Option(help="Instead: an identity, with all its tokens.")] = None,
    server: Annotated[str, typer.Option(metavar="URL", help="The running server.")] = "http://127.0.0.1:8080",
) -> None:
    """Revoke at a running server; who is in a meeting by it leaves. The API key is read from SFU_API_KEY."""
    from sfu.access import inspect_token, tokens

    with _faults():
        if sum(given is not None for given in (token, token_id, identity)) != 1:
            _fail("give one of TOKEN, --token-id and --identity", 2)
        if token is not None:
            text = _token(token)
            token_id = tokens.token_id(text, inspect_token(text)[1])
        answer = _post(f"{server.rstrip('/')}/revocations", _given({"token_id": token_id, "identity": identity}))
        typer.echo(f"revoked; {answer.get('removed', 0)} removed")


@key_app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What it is called in the configuration and in logs.")],
    scope: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE", help="read, meetings, moderate or revoke. Repeatedly.")
    ] = None,
) -> None:
    """Make an API key: the key itself is printed this once, then the line for [auth] api_keys."""
    from sfu.access import ApiKey, Scope

    with _faults():
        try:
            scopes = [Scope(word) for word in scope or ["meetings"]]
        except ValueError as error:
            raise ConfigError("--scope", str(error), ", ".join(Scope)) from None
        key, secret = ApiKey.create(name, scopes)
        typer.echo(secret)
        typer.echo(f'[auth] api_keys: "{key}"', err=True)


class _faults:  # noqa: N801 - used as a statement
    """Errors as one line, with the exit status of their kind."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ConfigError):
            _fail(str(error), 2)
        if isinstance(error, SfuError):
            _fail(str(error), 1)


def _settings(config: Path | None) -> Any:
    from sfu.config import load
    from sfu.config_report import ConfigErrors

    try:
        return load(config)
    except ConfigErrors as errors:
        _fail("; ".join(errors.lines()), 2)


def _terms(settings: Any) -> Any:
    from sfu.access import Terms

    return Terms(settings.auth.issuer, settings.auth.audience, settings.auth.leeway_s)


def _configured(settings: Any) -> Path:
    if not settings.auth.keys:
        raise ConfigError("auth.keys", "is not set", "--keys FILE, or --config FILE with [auth] keys")
    return Path(settings.auth.keys)


def _signing_key(path: Path, kid: str | None) -> Any:
    from sfu.runtime.key_rings import read_file

    found = [key for key in read_file(path).keys if key.signs and kid in {None, key.kid}]
    if len(found) != 1:
        names = ", ".join(key.kid or "(no kid)" for key in found) or "none"
        raise ConfigError(str(path), f"keys that sign: {names}", "--kid says which")
    return found[0]


def _token(text: str) -> str:
    return sys.stdin.read(MAX_INPUT_CHARS).strip() if text == "-" else text


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    if not url.startswith(("http://", "https://")):
        raise ConfigError("--server", f"{url!r} is no URL of a server", "https://host[:port]")
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get(API_KEY_VARIABLE):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_S) as answer:  # noqa: S310
            found: dict[str, Any] = json.loads(answer.read(MAX_ANSWER_BYTES))
            return found
    except HTTPError as error:
        detail = error.read(MAX_ANSWER_BYTES).decode(errors="replace")
        raise RemoteError("refused", f"the server answered {error.code}: {_detail(detail)}") from error
    except (URLError, OSError, ValueError) as error:
        raise RemoteError("network", f"{url}: {getattr(error, 'reason', error)}") from error


def _detail(text: str) -> str:
    try:
        return str(json.loads(text)["detail"])
    except (ValueError, KeyError, TypeError):
        return text[:200]


def _fail(line: str, status: int) -> NoReturn:
    typer.echo(f"sfu: {line}", err=True)
    raise typer.Exit(status)
