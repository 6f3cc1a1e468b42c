"""rtpengine: forwarding in the process itself (no kernel module), on one thread, through its NG control protocol.

https://github.com/sipwise/rtpengine, README, "The NG Control Protocol": publish, subscribe request, subscribe answer.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import shutil
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from bench.peers import bencode, crossing
from bench.peers.adapter import Peer, PeerError, Running
from bench.peers.process import ServerProcess, free_port

HOST = "127.0.0.1"
_RESEND_S = 1.0
_SENDS = 10
_PUBLISHER = "publisher"


class Rtpengine(Peer):
    """As Debian packages it, userspace only."""

    name = "rtpengine"
    install = "apt-get install rtpengine-daemon"
    target_ratio = 3.0
    audio = False
    """It has a port for each m-line and no BUNDLE (RFC 9143); the load generator has one transport for each client."""

    def is_installed(self) -> str | None:
        """The daemon alone is needed."""
        return "no rtpengine" if shutil.which("rtpengine") is None else None

    async def start(self, cpu: int | None, folder: Path) -> Running:
        """Port range as it is by default (30000 to 40000)."""
        port = free_port(socket.SOCK_DGRAM)
        # Of its own, so that the installed one is not read.
        (folder / "rtpengine.conf").write_text("[rtpengine]\n")
        command = ["rtpengine", "--foreground", "--log-stderr", "--log-level=5", "--table=-1", "--num-threads=1"]
        command += [f"--config-file={folder / 'rtpengine.conf'}", f"--interface={HOST}", f"--listen-ng={HOST}:{port}"]
        process = await ServerProcess.start(self.name, command, folder, cpu)
        control: list[Control] = []

        async def is_ready() -> bool:
            try:
                if not control:
                    control.append(await Control.open((HOST, port)))
                return await control[0].ask({"command": "ping"}, sends=1) == {"result": "pong"}
            except PeerError:
                return False

        try:
            await process.wait_until(is_ready)
        except BaseException:
            for opened in control:
                opened.close()
            await process.stop()
            raise
        return _RunningRtpengine(process, control[0])


class _RunningRtpengine(Running):
    """A room is a call; who subscribes is known by a number."""

    def __init__(self, process: ServerProcess, control: Control) -> None:
        self._process = process
        self._control = control
        self._subscribers = itertools.count()

    @property
    def pids(self) -> Sequence[int]:
        return [self._process.pid]

    async def publisher_answer(self, room: str, offer_sdp: str) -> str:
        asked = {"call-id": room, "from-tag": _PUBLISHER, "sdp": offer_sdp, "ICE": "force", "ICE-lite": "backward"}
        return _sdp(await self._control.ask({"command": "publish", "codec": {"accept": ["any"]}, **asked}))

    async def subscriber_answer(self, room: str, offer_sdp: str) -> str:
        who = {"call-id": room, "from-tag": _PUBLISHER, "to-tag": f"subscriber-{next(self._subscribers)}"}
        # WebRTC to the subscriber also: rtcp-mux, one transport, ICE lite, so that the load generator controls.
        wanted = {"ICE": "force", "ICE-lite": "forward", "transport-protocol": "UDP/TLS/RTP/SAVPF"}
        muxed = {"rtcp-mux": ["require"], "flags": ["generate-mid"]}
        offer = _sdp(await self._control.ask({"command": "subscribe request", **who, **wanted, **muxed}))
        answer = crossing.answer_to(offer, offer_sdp)
        await self._control.ask({"command": "subscribe answer", **who, "sdp": answer})
        return offer

    async def stop(self) -> None:
        self._control.close()
        await self._process.stop()


class Control(asyncio.DatagramProtocol):
    """The control socket. Each request has a cookie, so that what is sent again is done once."""

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: dict[str, asyncio.Future[dict[str, bencode.Value]]] = {}

    @classmethod
    async def open(cls, address: tuple[str, int]) -> Control:
        """Towards a daemon that need not be there yet."""
        loop = asyncio.get_running_loop()
        _, control = await loop.create_datagram_endpoint(cls, remote_addr=address)
        return control

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """By asyncio, whose own transports are no subclass of what they are (CPython 3.11)."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002 - asyncio's
        """By asyncio."""
        try:
            cookie, reply = parse_reply(data)
        except bencode.BencodeError:
            return
        waiting = self._waiting.get(cookie)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens yet: asked again."""

    async def ask(self, request: Mapping[str, bencode.Value], *, sends: int = _SENDS) -> dict[str, bencode.Value]:
        """The reply. PeerError when it says no or does not come."""
        cookie = secrets.token_hex(8)
        reply: asyncio.Future[dict[str, bencode.Value]] = asyncio.get_running_loop().create_future()
        self._waiting[cookie] = reply
        try:
            for _ in range(sends):
                if self._transport is not None:
                    self._transport.sendto(cookie.encode() + b" " + bencode.encode(request))
                done, _ = await asyncio.wait([reply], timeout=_RESEND_S)
                if done:
                    break
            else:
                raise PeerError(f"rtpengine: no reply to {request['command']} within {sends * _RESEND_S:.0f} s")
        finally:
            del self._waiting[cookie]
        answer = reply.result()
        if answer.get("result") == "error":
            raise PeerError(f"rtpengine: {request['command']}: {answer.get('error-reason')}")
        return answer

    def close(self) -> None:
        """Idempotent."""
        if self._transport is not None:
            self._transport.close()


def parse_reply(data: bytes) -> tuple[str, dict[str, bencode.Value]]:
    """(cookie, dictionary). BencodeError when it is no such thing."""
    cookie, _, text = data.partition(b" ")
    reply = bencode.decode(text)
    if not isinstance(reply, dict):
        raise bencode.BencodeError("the reply is no dictionary")
    return cookie.decode(errors="replace"), reply


def _sdp(reply: Mapping[str, bencode.Value]) -> str:
    sdp = reply.get("sdp")
    if not isinstance(sdp, str):
        raise PeerError("rtpengine: a reply without a session description")
    return sdp
