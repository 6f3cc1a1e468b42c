"""``sfu token`` and ``sfu key``, as an operator uses them, against a running server where one is needed."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support.clock import VirtualClock
from tests.support.server import running_server

from sfu.access import KeySet
from sfu.errors import ConfigError, RemoteError
from sfu.runtime import key_rings
from sfu.runtime.key_rings import FRESH_S, RETRY_S, STALE_S, CachedKeys, fetch, read_file

SECRET = "the secret of this test, long enough for the hash"


def sfu(*args: str, given: str = "", **env: str) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "sfu", *args],
        input=given, capture_output=True, text=True, env={**os.environ, **env}, timeout=50, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout.strip(), done.stderr.strip()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(SECRET)
    return path


def test_a_token_is_made_and_shown_and_its_secret_is_not(keys: Path, tmp_path: Path) -> None:
    config = tmp_path / "sfu.toml"
    config.write_text(f'[auth]\nkeys = "{keys}"\nissuer = "me"\n')
    status, token, error = sfu(
        "token", "create", "-c", str(config), "--identity", "ann", "--role", "host", "--publish", "microphone"
    )
    assert (status, error) == (0, "")
    status, shown, error = sfu("token", "inspect", "-", "-c", str(config), given=token)
    assert (status, error) == (0, "good")
    claims = json.loads(shown)["claims"]
    assert (claims["sub"], claims["iss"], claims["aud"]) == ("ann", "me", "sfu")
    assert claims["sfu"] == {"role": "host", "publish": ["microphone"]}
    assert SECRET not in shown
    other = tmp_path / "other.toml"
    other.write_text(f'[auth]\nkeys = "{keys}"\naudience = "elsewhere"\n')
    status, _, error = sfu("token", "inspect", token, "-c", str(other))
    assert (status, error.count("\n")) == (1, 0)
    assert "another server" in error


@pytest.mark.parametrize(
    ("args", "status", "text"),
    [
        (["token", "create"], 2, "auth.keys"),
        (["token", "create", "--keys", "/nowhere"], 2, "can not be read"),
        (["token", "inspect", "x"], 1, "no token"),
        (["token", "revoke"], 2, "give one of"),
        (["token", "revoke", "--identity", "a", "--server", "ftp://x"], 2, "no URL"),
        (["key", "create", "a b"], 2, "none for an API key"),
        (["key", "create", "a", "--scope", "rule"], 2, "--scope"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(args: list[str], status: int, text: str) -> None:
    found, output, error = sfu(*args)
    assert (found, output) == (status, "")
    assert text in error
    assert "\n" not in error


def test_what_the_server_would_refuse_is_not_signed(keys: Path) -> None:
    for extra in (["--role", "king"], ["--max-bps", "1"], ["--life-s", "99999999"], ["--publish", "nose"]):
        status, output, _ = sfu("token", "create", "--keys", str(keys), *extra)
        assert (status, output) == (1, "")


@pytest.mark.slow
async def test_keys_tokens_and_revocation_at_a_running_server_and_none_of_them_in_its_log(
    keys: Path, tmp_path: Path
) -> None:
    status, api_key, line = sfu("key", "create", "ops", "--scope", "meetings", "--scope", "revoke")
    assert status == 0
    stored = line.partition('"')[2].rstrip('"')
    assert api_key not in stored
    _, token, _ = sfu("token", "create", "--keys", str(keys), "--identity", "ann")
    config = f'[auth]\nkeys = "{keys}"\napi_keys = ["{stored}"]\nrevocations = "{tmp_path / "revoked"}"\n'
    config += '[log]\nlevel = "debug"\n'
    async with running_server(tmp_path, dev=False, config=config) as server:
        refused = await server.http.post("/meetings", json={})
        assert refused.status_code == 401
        operator, ann = ({"Authorization": f"Bearer {secret}"} for secret in (api_key, token))
        made = (await server.http.post("/meetings", json={}, headers=operator)).json()
        path = f"/meetings/{made['id']}/join"
        joined = await server.http.post(path, json={"name": "Ann"}, headers=ann)
        assert joined.status_code == 200, joined.text
        status, _, error = sfu("token", "revoke", "--identity", "ann", "--server", server.url)
        assert (status, "401" in error) == (1, True)
        status, said, _ = sfu("token", "revoke", "-", "--server", server.url, given=token, SFU_API_KEY=api_key)
        assert (status, said) == (0, "revoked; 1 removed")
        assert (await server.http.post(path, json={"name": "Ann"}, headers=ann)).status_code == 401
        wrong = {"Authorization": f"Bearer {api_key}x"}
        assert (await server.http.post("/meetings", json={}, headers=wrong)).status_code == 401
        assert (await server.http.post(path, json={"name": "x", "host_token": made["host_token"]})).status_code == 200
        log = server.log()
    assert "revoked" in log
    for secret in (SECRET, api_key, token, token.rpartition(".")[2], made["host_token"], joined.json()["token"]):
        assert secret not in log
    async with running_server(tmp_path, dev=False, config=config) as server:
        answer = await server.http.post("/meetings/x/join", json={"name": "Ann"}, headers=ann)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), "still revoked after a restart"


async def test_without_keys_nobody_makes_meetings_and_the_setting_is_named(tmp_path: Path) -> None:
    async with running_server(tmp_path, dev=False) as server:
        answer = await server.http.post("/meetings", json={})
        assert answer.status_code == 401
        assert "[auth] api_keys" in answer.json()["detail"]
        assert "no_api_keys" in server.log()


async def test_development_mode_says_that_it_is_open(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        assert "development_mode" in server.log()
        assert (await server.http.post("/meetings", json={})).status_code == 201


# keys that are kept elsewhere


class Source:
    """Keys that may change, and that may be away."""

    def __init__(self) -> None:
        self.keys: KeySet | None = None
        self.asked = 0

    def __call__(self) -> KeySet:
        self.asked += 1
        if self.keys is None:
            raise ConfigError("auth.keys", "is away")
        return self.keys


def jwks(*kids: str) -> bytes:
    entries = []
    for kid in kids:
        public = Ed25519PrivateKey.generate().public_key()
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        x = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        entries.append({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x})
    return json.dumps({"keys": entries}).encode()


async def test_a_new_key_is_found_soon_and_nonsense_asks_seldom(clock: VirtualClock) -> None:
    source = Source()
    ring = CachedKeys(clock, source, "test")
    with pytest.raises(RemoteError) as caught:
        await ring.find("a")
    assert (caught.value.code, caught.value.status) == ("store_unavailable", 503)
    source.keys = key_rings.parse_keys(jwks("a"), where="test")
    clock.advance(RETRY_S)
    assert await ring.find("a") is not None
    asked = source.asked
    for number in range(50):
        assert await ring.find(f"nonsense {number}") is None
    assert source.asked == asked
    source.keys = key_rings.parse_keys(jwks("a", "b"), where="test")
    clock.advance(RETRY_S)
    assert await ring.find("b") is not None, "a key that came since"


async def test_while_the_source_is_away_known_keys_are_good_for_a_while(clock: VirtualClock) -> None:
    source = Source()
    source.keys = key_rings.parse_keys(jwks("a"), where="test")
    ring = CachedKeys(clock, source, "test")
    assert await ring.find("a") is not None
    source.keys = None
    clock.advance(FRESH_S + 1)
    assert await ring.find("a") is not None
    clock.advance(STALE_S)
    with pytest.raises(RemoteError, match="can not be had"):
        await ring.find("a")


async def test_a_key_that_is_gone_is_good_no_longer(clock: VirtualClock) -> None:
    source = Source()
    source.keys = key_rings.parse_keys(jwks("a", "b"), where="test")
    ring = CachedKeys(clock, source, "test")
    assert await ring.find("b") is not None
    source.keys = key_rings.parse_keys(jwks("a"), where="test")
    clock.advance(FRESH_S + 1)
    assert await ring.find("b") is None


class Answers(BaseHTTPRequestHandler):
    """What an identity provider may answer, by path."""

    good = jwks("a")

    def do_GET(self) -> None:
        bodies = {"/good": self.good, "/long": b" " * 70_000, "/html": b"<html>", "/secret": b"s" * 40}
        status = 302 if self.path == "/moved" else 200 if self.path in bodies else 404
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/good")
        self.end_headers()
        self.wfile.write(bodies.get(self.path, b""))

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def provider():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_keys_come_by_url_bounded_and_without_redirects(provider: str) -> None:
    assert fetch(f"{provider}/good").find("a") is not None
    for path in ("/long", "/html", "/secret", "/moved", "/nowhere"):
        with pytest.raises((ConfigError, OSError)):
            fetch(provider + path)
    with pytest.raises(OSError):
        fetch("http://127.0.0.1:9")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        read_file(tmp_path / "nowhere")
