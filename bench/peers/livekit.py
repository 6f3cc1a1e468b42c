"""LiveKit: one node without Redis, one simulcast layer, congestion control off, so that forwarding alone is compared.

https://docs.livekit.io, "Client protocol": protocol buffers over a WebSocket for each participant. Publishers offer, a
subscriber is offered everything that is published, at once ("subscriber primary", "fast start").
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from bench.peers import crossing, protobuf
from bench.peers.adapter import Peer, PeerError, Running
from bench.peers.process import ServerProcess, free_port

BINARY_VARIABLE = "SFU_PEERS_LIVEKIT"
"""Names the binary, when it is not livekit-server on the PATH."""
HOST = "127.0.0.1"
_PUBLISHER_PROTOCOL, _SUBSCRIBER_PROTOCOL = 2, 9
"""Version 2 connects publishers first; 9 has ICE lite, and media in a subscriber's first offer."""
_ANSWER_TIMEOUT_S = 20.0
_TOKEN_S = 3600
_MAX_MESSAGE_BYTES = 1_048_576
# Fields of SignalRequest and SignalResponse (livekit_rtc.proto).
_TO_OFFER, _TO_ANSWER, _TO_ADD_TRACK = 1, 2, 4
_FROM_ANSWER, _FROM_OFFER, _FROM_TRICKLE, _FROM_LEAVE = 2, 3, 4, 8
_AUDIO, _VIDEO, _CAMERA, _MICROPHONE, _HIGH = 0, 1, 1, 2, 2
_LAYER: Sequence[protobuf.Field] = [(1, _HIGH), (2, 1280), (3, 720), (4, 1_500_000)]
_TRACKS: dict[str, Sequence[protobuf.Field]] = {
    "audio": [(1, "audio"), (2, "audio"), (3, _AUDIO), (8, _MICROPHONE)],
    "video": [(1, "video"), (2, "video"), (3, _VIDEO), (4, 1280), (5, 720), (8, _CAMERA), (9, _LAYER)],
}
"""AddTrackRequest: client's id, name, type, size, source, layers. Before the offer that has them."""


class LiveKit(Peer):
    """A release of livekit-server."""

    name = "livekit"
    install = f"build github.com/livekit/livekit-server/cmd/server, put it on the PATH or into {BINARY_VARIABLE}"

    def is_installed(self) -> str | None:
        """The binary alone is needed."""
        return "no livekit-server" if _binary() is None else None

    async def start(self, cpu: int | None, folder: Path) -> Running:
        """All media on one UDP port, as its documentation advises for one processor."""
        http, udp, tcp = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
        key, secret = "bench", secrets.token_hex(32)
        configuration = {
            "port": http,
            "bind_addresses": [HOST],
            "keys": {key: secret},
            "logging": {"level": "warn", "pion_level": "error"},
            "room": {"auto_create": True},
            "rtc": {
                "udp_port": udp,
                "tcp_port": tcp,
                "node_ip": HOST,
                "use_external_ip": False,
                "use_ice_lite": True,
                "enable_loopback_candidate": True,
                "interfaces": {"includes": ["lo"]},
                "congestion_control": {"enabled": False},
            },
        }
        # YAML is a superset of JSON.
        (folder / "livekit.yaml").write_text(json.dumps(configuration))
        command = [_binary() or "", "--config", str(folder / "livekit.yaml")]
        process = await ServerProcess.start(self.name, command, folder, cpu)

        async def is_ready() -> bool:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(HOST, http)
                writer.close()
                return True
            return False

        try:
            await process.wait_until(is_ready)
        except BaseException:
            await process.stop()
            raise
        return _RunningLiveKit(process, f"ws://{HOST}:{http}/rtc", (key, secret))


class _RunningLiveKit(Running):
    def __init__(self, process: ServerProcess, url: str, credentials: tuple[str, str]) -> None:
        self._process = process
        self._url = url
        self._credentials = credentials
        self._participants: list[Participant] = []
        self._numbers = itertools.count()

    @property
    def pids(self) -> Sequence[int]:
        return [self._process.pid]

    async def publisher_answer(self, room: str, offer_sdp: str) -> str:
        participant = await self._join(room, _PUBLISHER_PROTOCOL)
        for kind, track in _TRACKS.items():
            if f"m={kind} " in offer_sdp:
                await participant.send(_TO_ADD_TRACK, track)
        await participant.send(_TO_OFFER, [(1, "offer"), (2, with_track_ids(offer_sdp))])
        return await participant.described(_FROM_ANSWER, lambda _: True)

    async def subscriber_answer(self, room: str, offer_sdp: str) -> str:
        participant = await self._join(room, _SUBSCRIBER_PROTOCOL)
        wanted = {kind for kind in ("audio", "video") if f"m={kind} " in offer_sdp}

        async def answer(offer: str) -> None:
            answered = crossing.answer_to(offer, offer_sdp)
            await participant.send(_TO_ANSWER, [(1, "answer"), (2, answered)])

        participant.answer = answer
        return await participant.described(
            _FROM_OFFER, lambda sdp: wanted <= {section.kind for section in crossing.parse(sdp)[1]}
        )

    async def stop(self) -> None:
        for participant in self._participants:
            await participant.close()
        await self._process.stop()

    async def _join(self, room: str, protocol: int) -> Participant:
        grant = {"room": room, "roomJoin": True}
        asked = {
            "access_token": token(self._credentials, f"participant-{next(self._numbers)}", grant, time.time()),
            "auto_subscribe": "0" if protocol == _PUBLISHER_PROTOCOL else "1",
            "protocol": str(protocol),
        }
        participant = await Participant.join(f"{self._url}?{urlencode(asked)}")
        self._participants.append(participant)
        return participant


class Participant:
    """A signaling connection. It says what description the server has for it, complete with a candidate."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._candidates: list[str] = []
        self._descriptions: dict[int, str] = {}
        self._changed = asyncio.Event()
        self.answer: Callable[[str], Any] | None = None
        """What is done with an offer."""
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def join(cls, url: str) -> Participant:
        """PeerError when it is refused."""
        try:
            return cls(await connect(url, max_size=_MAX_MESSAGE_BYTES, proxy=None))
        except (OSError, WebSocketException) as error:
            raise PeerError(f"livekit: {error}") from error

    async def send(self, field: int, fields: Sequence[protobuf.Field]) -> None:
        """A SignalRequest."""
        try:
            await self._socket.send(protobuf.encode([(field, fields)]))
        except WebSocketException as error:
            raise PeerError(f"livekit: {error}") from error

    async def described(self, field: int, is_wanted: Callable[[str], bool]) -> str:
        """A description of the server's, with its candidates. PeerError when none comes."""
        deadline = time.monotonic() + _ANSWER_TIMEOUT_S
        while True:
            sdp = self._descriptions.get(field)
            if field == _FROM_OFFER and sdp is not None and self.answer is not None:
                del self._descriptions[field]
                await self.answer(sdp)
            if sdp is not None and is_wanted(sdp):
                break
            await self._wait(deadline)
        while "a=candidate:" not in sdp and not self._candidates:
            await self._wait(deadline)
        return with_candidates(sdp, self._candidates)

    async def close(self) -> None:
        """Without a word: the server goes too."""
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader
        await self._socket.close()

    async def _wait(self, deadline: float) -> None:
        if self._reader.done():
            raise PeerError("livekit: the connection is closed")
        self._changed.clear()
        try:
            await asyncio.wait_for(self._changed.wait(), max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            raise PeerError(f"livekit: no description within {_ANSWER_TIMEOUT_S:.0f} s") from None

    async def _read(self) -> None:
        with suppress(WebSocketException):
            async for data in self._socket:
                if isinstance(data, bytes):
                    with suppress(protobuf.ProtobufError):
                        self._take(protobuf.decode(data))
        self._changed.set()

    def _take(self, response: dict[int, list[int | bytes]]) -> None:
        for field in (_FROM_ANSWER, _FROM_OFFER):
            if field in response:
                self._descriptions[field] = protobuf.text(protobuf.decode(protobuf.message(response, field)), 2)
        if _FROM_TRICKLE in response:
            candidate = candidate_of(protobuf.text(protobuf.decode(protobuf.message(response, _FROM_TRICKLE)), 1))
            self._candidates += [candidate] if candidate else []
        self._changed.set()


def _binary() -> str | None:
    return shutil.which(os.environ.get(BINARY_VARIABLE, "livekit-server"))


def token(credentials: tuple[str, str], identity: str, grant: dict[str, Any], now: float) -> str:
    """An access token: a JWT by HMAC-SHA256 (RFC 7519, RFC 7515). ``now``: Unix time in seconds."""
    key, secret = credentials
    claims = {"iss": key, "sub": identity, "nbf": int(now) - 10, "exp": int(now) + _TOKEN_S, "video": grant}
    head = b'{"alg":"HS256","typ":"JWT"}'
    signed = f"{_base64url(head)}.{_base64url(json.dumps(claims).encode())}"
    return f"{signed}.{_base64url(hmac.digest(secret.encode(), signed.encode(), hashlib.sha256))}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def with_track_ids(offer: str) -> str:
    """The offer with each m-line's kind as its track's name, by which LiveKit finds what was announced."""
    lines = []
    for line in offer.split("\r\n"):
        lines.append(line)
        if line.startswith("a=mid:"):
            kind = next(before for before in reversed(lines) if before.startswith("m=")).split()[0].removeprefix("m=")
            lines.append(f"a=msid:bench {kind}")
    return "\r\n".join(lines)


def with_candidates(sdp: str, candidates: Sequence[str]) -> str:
    """The description with these (``candidate:…``) at its end."""
    ended = sdp if sdp.endswith("\n") else sdp + "\r\n"
    return ended + "".join(f"a={candidate}\r\n" for candidate in candidates)


def candidate_of(init: str) -> str | None:
    """Of an RTCIceCandidateInit in JSON; None: there is none in it."""
    try:
        decoded = json.loads(init)
    except ValueError:
        return None
    candidate = decoded.get("candidate") if isinstance(decoded, dict) else None
    is_one = isinstance(candidate, str) and candidate.startswith("candidate:") and "\n" not in candidate
    return str(candidate) if is_one else None
