"""Janus and its VideoRoom, as Debian ships it and as people tune it.

Janus never takes loopback addresses, so it gets the machine's first other address. Packets between two addresses of one
machine take the way of loopback all the same.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import socket
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.peers import crossing
from bench.peers.adapter import Peer, PeerError, Running
from bench.peers.janus_api import NO_SUCH_FEED, RefusedError, Session, sdp_of
from bench.peers.process import ServerProcess, free_port

LIBSRTP_VARIABLE = "SFU_PEERS_LIBSRTP"
"""Names a libsrtp2.so that was built with OpenSSL; Debian's is built with NSS, whose AES-GCM is slow by the packet."""
_MODULES = Path("/usr/lib/x86_64-linux-gnu/janus")
_VIDEOROOM = "janus.plugin.videoroom"
_FEED_TIMEOUT_S, _RETRY_S = 5.0, 0.02
_SIOCGIFADDR = 0x8915
"""linux/sockios.h."""


class Janus(Peer):
    """One configuration. ``event_loops`` None: a thread for each client, which is the default."""

    install = "apt-get install janus"

    def __init__(self, name: str, target_ratio: float, *, event_loops: int | None, with_libsrtp: bool) -> None:
        self.name = name
        self.target_ratio = target_ratio
        self._event_loops = event_loops
        self._with_libsrtp = with_libsrtp
        if with_libsrtp:
            self.install += f"; a libsrtp2.so built with ENABLE_OPENSSL in {LIBSRTP_VARIABLE}"

    def is_installed(self) -> str | None:
        """It needs the VideoRoom, WebSockets, and an address."""
        if shutil.which("janus") is None:
            return "no janus"
        for module in ("plugins/libjanus_videoroom.so", "transports/libjanus_websockets.so"):
            if not (_MODULES / module).exists():
                return f"no {_MODULES / module}"
        if _address() is None:
            return "janus takes no loopback address and there is no other IPv4 address"
        if self._with_libsrtp and not Path(os.environ.get(LIBSRTP_VARIABLE, "")).is_file():
            return f"{LIBSRTP_VARIABLE} names no file"
        return None

    async def start(self, cpu: int | None, folder: Path) -> Running:
        """With the two modules that are needed and nothing else."""
        port = free_port(socket.SOCK_STREAM)
        for kind, module in (("plugins", "libjanus_videoroom.so"), ("transports", "libjanus_websockets.so")):
            (folder / kind).mkdir()
            (folder / kind / module).symlink_to(_MODULES / kind / module)
        for kind in ("events", "loggers"):
            (folder / kind).mkdir()
        for name, text in _configuration(folder, _address() or "", port, self._event_loops).items():
            (folder / name).write_text(text)
        env = {"LD_PRELOAD": os.environ[LIBSRTP_VARIABLE]} if self._with_libsrtp else {}
        process = await ServerProcess.start(self.name, ["janus", "-F", str(folder)], folder, cpu, env)
        sessions: list[Session] = []

        async def is_ready() -> bool:
            try:
                sessions.append(await Session.open(f"ws://127.0.0.1:{port}"))
            except PeerError:
                return False
            return True

        try:
            await process.wait_until(is_ready)
        except BaseException:
            await process.stop()
            raise
        return _RunningJanus(process, sessions[0])


class _RunningJanus(Running):
    """All clients are handles of one session."""

    def __init__(self, process: ServerProcess, session: Session) -> None:
        self._process = process
        self._session = session

    @property
    def pids(self) -> Sequence[int]:
        return [self._process.pid]

    async def publisher_answer(self, room: str, offer_sdp: str) -> str:
        handle = await self._session.attach(_VIDEOROOM)
        await self._session.message(handle, {"request": "create", "room": room, "publishers": 2})
        joined = {"request": "joinandconfigure", "ptype": "publisher", "room": room, "id": "publisher"}
        event = await self._session.message(handle, joined, {"type": "offer", "sdp": offer_sdp})
        return sdp_of(event)

    async def subscriber_answer(self, room: str, offer_sdp: str) -> str:
        handle = await self._session.attach(_VIDEOROOM)
        joined = {"request": "join", "ptype": "subscriber", "room": room, "streams": [{"feed": "publisher"}]}
        offer = sdp_of(await self._joined(handle, joined))
        answer = crossing.answer_to(offer, offer_sdp)
        await self._session.message(handle, {"request": "start"}, {"type": "answer", "sdp": answer})
        return offer

    async def _joined(self, handle: int, joined: dict[str, Any]) -> dict[str, Any]:
        """A feed is there a moment after its publisher's keys are: Janus's own side of the handshake ends later."""
        deadline = time.monotonic() + _FEED_TIMEOUT_S
        while True:
            try:
                return await self._session.message(handle, joined)
            except RefusedError as error:
                if error.code != NO_SUCH_FEED or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(_RETRY_S)

    async def stop(self) -> None:
        await asyncio.wait_for(self._session.close(), 20)
        await self._process.stop()


def _configuration(folder: Path, address: str, port: int, event_loops: int | None) -> dict[str, str]:
    """File to text. What is not said is as Janus has it by default, log level included."""
    general = [f'{kind}_folder = "{folder / kind}"' for kind in ("plugins", "transports", "events", "loggers")]
    # One session stays open without a word while the load runs.
    general += [f'configs_folder = "{folder}"', "session_timeout = 0"]
    if event_loops is not None:
        general.append(f"event_loops = {event_loops}")
    return {
        "janus.jcfg": _block("general", general)
        # ICE lite: the load generator is the controlling side (RFC 8445 §6.1.1).
        + _block("nat", ["ice_lite = true", f'ice_enforce_list = "{address}"']),
        "janus.transport.websockets.jcfg": _block("general", ["ws = true", f"ws_port = {port}", 'ws_ip = "127.0.0.1"']),
        "janus.plugin.videoroom.jcfg": _block("general", ["string_ids = true"]),
    }


def _block(name: str, settings: Sequence[str]) -> str:
    return f"{name}: {{\n" + "".join(f"\t{setting}\n" for setting in settings) + "}\n"


def _address() -> str | None:
    """The first IPv4 address of an interface that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for _, interface in socket.if_nameindex():
            request = struct.pack("256s", interface.encode()[:15])
            try:
                address = socket.inet_ntoa(fcntl.ioctl(asked, _SIOCGIFADDR, request)[20:24])
            except OSError:
                continue
            if not address.startswith("127."):
                return address
    return None
