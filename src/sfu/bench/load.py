"""The clients of a run: joins them one by one or many at once, and passes DTLS between OpenSSL and the generator."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sfu._native import LoadGen
from sfu.bench import whip
from sfu.bench.dtls import ClientContext, DtlsClient, DtlsError
from sfu.dtls.srtp import SrtpProfile

JOIN_TIMEOUT_S = 20.0
_THREADS = Path("/proc/self/task")
_NICENESS = -10
_SSRCS = 8
"""Numbers kept for each client: one of audio, up to four of video."""
_UFRAG_BYTES, _PWD_BYTES = 6, 18
"""RFC 8839 §5.4: at least 4 and 22 characters; base64 makes 8 and 24 of these."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """One of a camera."""

    rid: str
    kbps: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Microphone:
    """``levels``: what it hears, every 20 ms of the generator's clock, again and again, in -dBov (RFC 6464). ``dtx``:
    while it hears nothing at all (127), hardly anything is sent.
    """

    levels: bytes
    dtx: bool


class JoinError(Exception):
    """A client could not join. The text is for people."""


@dataclass(slots=True)
class _Joining:
    """A client between its answer and its keys."""

    dtls: DtlsClient
    keys_set: asyncio.Future[None]
    timer: asyncio.TimerHandle | None = field(default=None)


class Load:
    """Owns the generator. Use it in one event loop, and close it."""

    def __init__(self, profile: SrtpProfile) -> None:
        self._context = ClientContext(profile)
        before = set(_THREADS.iterdir())
        self._generator = LoadGen()
        _put_first(set(_THREADS.iterdir()) - before)
        self._subscribers: list[int] = []
        self._joining: dict[int, _Joining] = {}
        self._gone: set[int] = set()
        self._early: dict[int, list[tuple[Any, ...]]] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._generator.event_fd, self._handle_events)
        self._clients = 0
        self.join_times_s: list[float] = []

    async def publish(self, exchange: whip.Exchange, *, video_kbps: int, audio: bool) -> None:
        """Joins and starts to send. JoinError when it does not come about."""
        local, peer = await self._join(exchange, "sendonly", audio=audio)
        self.send(peer, local, (whip.VIDEO_MID, whip.AUDIO_MID if audio else None), video_kbps)

    def send(self, peer: int, local: whip.Local, mids: tuple[str, str | None], video_kbps: int) -> None:
        """Starts to send on ``mids``: that of video, that of audio or None."""
        video_mid, audio_mid = mids
        audio = None if audio_mid is None else (audio_mid, whip.AUDIO_PT, local.audio_ssrc)
        self._generator.publish(peer, (video_mid, whip.VIDEO_PT, local.video_ssrc), video_kbps, audio)

    def send_as_browser(
        self,
        peer: int,
        local: whip.Local,
        mids: tuple[str, str],
        encodings: Sequence[Encoding],
        microphone: Microphone | None,
    ) -> None:
        """Starts to send on ``mids``, camera and microphone: the encodings from the smallest, if there are any."""
        camera_mid, microphone_mid = mids
        streams = [
            (encoding.rid, local.video_ssrc + index, encoding.kbps, encoding.width, encoding.height)
            for index, encoding in enumerate(encodings)
        ]
        self._generator.publish_as_browser(
            peer,
            (camera_mid, whip.VIDEO_PT, streams) if streams else None,
            ((microphone_mid, whip.AUDIO_PT, local.audio_ssrc), microphone.levels, microphone.dtx)
            if microphone is not None
            else None,
        )

    def set_active(self, peer: int, encodings: int) -> None:
        """Which encodings of its camera it sends: bit 0 is the smallest."""
        self._generator.set_active(peer, encodings)

    def gather(self, interval_ms: int) -> None:
        """See ``LoadGen.gather``."""
        self._generator.gather(interval_ms)

    def incoming(self, peer: int) -> list[tuple[int, int, int, tuple[int, int, int] | None]]:
        """See ``LoadGen.incoming``."""
        return self._generator.incoming(peer)

    async def subscribe(self, exchange: whip.Exchange, *, audio: bool, group: int = 0) -> None:
        """Joins to receive. JoinError when it does not come about. What it gets counts for its ``group``, 0 or 1."""
        _, peer = await self._join(exchange, "recvonly", audio=audio, group=group)
        self._subscribers.append(peer)

    def leave(self, count: int) -> None:
        """Those who joined last close their DTLS, which tells the server, and are gone."""
        for _ in range(min(count, len(self._subscribers))):
            peer = self._subscribers.pop()
            for datagram in self._joining.pop(peer).dtls.close():
                self._generator.send_dtls(peer, datagram)
            self._generator.remove_peer(peer)
            self._gone.add(peer)

    def pause(self, *, paused: bool) -> None:
        """Whether publishers are silent, as if muted."""
        self._generator.pause(paused)

    def reset(self) -> None:
        """Counts from here on."""
        self._generator.reset()

    def report(self, group: int = 0) -> dict[str, Any]:
        """See ``LoadGen.report``."""
        return self._generator.report(group)

    def close(self) -> None:
        """Idempotent. The server finds out when consent expires."""
        self._loop.remove_reader(self._generator.event_fd)
        for joining in self._joining.values():
            _cancel_timer(joining)
        self._generator.close()

    async def _join(
        self, exchange: whip.Exchange, direction: Literal["sendonly", "recvonly"], *, audio: bool, group: int = 0
    ) -> tuple[whip.Local, int]:
        """From the offer to the keys; its time counts."""
        start = time.monotonic()
        local = self.new_client()
        offer = whip.offer(local, direction, audio=audio)
        try:
            answer = whip.parse_answer(await exchange(offer))
        except whip.SignalingError as error:
            raise JoinError(str(error)) from error
        peer = await self.connect(local, answer, group)
        self.join_times_s.append(time.monotonic() - start)
        return local, peer

    async def connect(
        self, local: whip.Local, remote: whip.Answer, group: int = 0, *, timeout_s: float = JOIN_TIMEOUT_S
    ) -> int:
        """ICE and DTLS towards a server that knows ``local``; the peer's number once it has keys. JoinError."""
        try:
            peer = self._generator.add_peer(remote.address, local.ufrag, local.pwd, remote.ufrag, remote.pwd, group)
        except OSError as error:
            raise JoinError(f"the client's socket: {error}") from error
        self._generator.set_transport_cc_id(peer, remote.transport_cc_id)
        if remote.rtx_pt is not None:
            self._generator.set_rtx_pt(peer, remote.rtx_pt)
        keys_set: asyncio.Future[None] = self._loop.create_future()
        self._joining[peer] = _Joining(DtlsClient(self._context, remote.fingerprint), keys_set)
        for event in self._early.pop(peer, []):
            self._handle(event)
        try:
            await asyncio.wait_for(keys_set, timeout_s)
        except TimeoutError:
            self.forget(peer)
            raise JoinError(f"no media connection within {timeout_s:.0f} s") from None
        except DtlsError as error:
            self.forget(peer)
            raise JoinError(str(error)) from error
        return peer

    def forget(self, peer: int) -> None:
        """Of this one nothing is sent or counted any more."""
        joining = self._joining.pop(peer, None)
        if joining is not None:
            _cancel_timer(joining)
        self._generator.remove_peer(peer)
        self._gone.add(peer)

    def new_client(self) -> whip.Local:
        """Credentials and SSRCs that no other client has."""
        self._clients += 1
        fingerprint = self._context.fingerprint
        return whip.Local(
            secrets.token_urlsafe(_UFRAG_BYTES).replace("-", "+").replace("_", "/"),
            secrets.token_urlsafe(_PWD_BYTES).replace("-", "+").replace("_", "/"),
            f"{fingerprint.algorithm} {fingerprint.value}",
            audio_ssrc=0x1000_0000 + _SSRCS * self._clients,
            video_ssrc=0x1000_0001 + _SSRCS * self._clients,
        )

    def _handle_events(self) -> None:
        for event in self._generator.poll_events():
            self._handle(event)

    def _handle(self, event: tuple[Any, ...]) -> None:
        """Events of a peer that is not known yet wait: the generator's thread may be faster than ``_join``."""
        peer: int = event[1]
        joining = self._joining.get(peer)
        if joining is None:
            if peer in self._gone:
                return
            self._early.setdefault(peer, []).append(event)
            return
        try:
            match event:
                case ("connected", _):
                    self._send(peer, joining, joining.dtls.start())
                case ("dtls", _, bytes(datagram)):
                    self._send(peer, joining, joining.dtls.handle_datagram(datagram))
        except DtlsError as error:
            if not joining.keys_set.done():
                joining.keys_set.set_exception(error)

    def _send(self, peer: int, joining: _Joining, datagrams: list[bytes]) -> None:
        """Keys go to the generator before the last flight goes out: media may follow at once."""
        keys = joining.dtls.keys()
        if keys is not None and not joining.keys_set.done():
            self._generator.set_srtp_keys(
                peer, keys.profile, keys.send_key, keys.send_salt, keys.receive_key, keys.receive_salt
            )
            joining.keys_set.set_result(None)
        for datagram in datagrams:
            self._generator.send_dtls(peer, datagram)
        _cancel_timer(joining)
        timeout_s = joining.dtls.timeout_s()
        if timeout_s is not None and not joining.keys_set.done():
            joining.timer = self._loop.call_later(timeout_s, self._handle_timeout, peer, joining)

    def _handle_timeout(self, peer: int, joining: _Joining) -> None:
        self._send(peer, joining, joining.dtls.handle_timeout())


def _cancel_timer(joining: _Joining) -> None:
    if joining.timer is not None:
        joining.timer.cancel()
        joining.timer = None


def _put_first(threads: set[Path]) -> None:
    """The generator's thread before the handshakes of this process, which share its processor: they must not make
    packets late. Best effort: the kernel may not allow it to this user.
    """
    for thread in threads:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, int(thread.name), os.getpriority(os.PRIO_PROCESS, 0) + _NICENESS)
