"""Real peers: aiortc behind WHIP, WHEP, and the join request with its WebSocket."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

import httpx
import msgpack
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpreceiver import NackGenerator
from aiortc.rtp import RtpPacket
from aiortc.sdp import candidate_from_sdp
from av import AudioFrame, VideoFrame
from tests.support.pattern import psnr_db, read_counter
from tests.support.waiting import PATIENCE_S, until
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

ASK_AGAIN_S = 0.1

Rewrite = Callable[[str], str]
"""Changes the server's SDP on its way to the peer: a relay puts itself into the candidates."""


def untouched(sdp: str) -> str:
    return sdp


@dataclass
class Seen:
    """What a received track gave so far. Times are of ``time.monotonic``."""

    kind: str
    counters: list[int | None] = field(default_factory=list)
    psnrs_db: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    heights: list[int] = field(default_factory=list)
    """Of video frames."""
    reads_pattern: bool = True
    audio: list[AudioFrame] = field(default_factory=list)

    def take(self, frame: VideoFrame | AudioFrame) -> None:
        self.times.append(time.monotonic())
        if isinstance(frame, AudioFrame):
            self.audio = [*self.audio[-99:], frame]
            return
        self.heights.append(frame.height)
        counter = read_counter(frame) if self.reads_pattern else None
        self.counters.append(counter)
        if counter is not None and len(self.counters) % 10 == 1:
            self.psnrs_db.append(psnr_db(frame, counter))

    def longest_gap_s(self, since: float) -> float:
        """The longest time without a frame from ``since`` until now."""
        times = [since, *(moment for moment in self.times if moment > since), time.monotonic()]
        return max(later - earlier for earlier, later in pairwise(times))


class PatientNacks(NackGenerator):
    """Has what is missing asked for again until it comes, as browsers do.

    By itself aiortc repeats a request only when another packet is lost: by then the picture stood for a while.
    """

    def __init__(self) -> None:
        super().__init__()
        self._asked_at = 0.0

    def add(self, packet: RtpPacket) -> bool:
        now = time.monotonic()
        is_due = super().add(packet) or (bool(self.missing) and now - self._asked_at >= ASK_AGAIN_S)
        if is_due:
            self._asked_at = now
        return is_due


class Peer:
    """An aiortc connection that watches what it receives, by mid."""

    def __init__(self, bundle: RTCBundlePolicy = RTCBundlePolicy.BALANCED) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(bundlePolicy=bundle))
        self.seen: dict[str, Seen] = {}
        self.reads_pattern = True
        """Whether what it receives is a ``PatternTrack``."""
        self._watchers: list[asyncio.Task[None]] = []
        self.pc.on("track", self._watch)

    def _watch(self, track: MediaStreamTrack) -> None:
        mid = next(item.mid for item in self.pc.getTransceivers() if item.receiver.track is track)
        seen = self.seen[mid] = Seen(track.kind, reads_pattern=self.reads_pattern)
        if track.kind == "video":
            receiver = next(item.receiver for item in self.pc.getTransceivers() if item.mid == mid)
            receiver._RTCRtpReceiver__nack_generator = PatientNacks()
        self._watchers.append(asyncio.create_task(_drain(track, seen)))

    @property
    def dtls(self) -> RTCDtlsTransport:
        """The transport that carries everything."""
        return self.pc.getTransceivers()[0].receiver.transport

    def dtls_version(self) -> str:
        """As OpenSSL says it."""
        return str(self.dtls._ssl.get_protocol_version_name())

    def srtp_profile(self) -> str:
        """As OpenSSL says it."""
        profile: bytes = self.dtls._ssl.get_selected_srtp_profile()
        return profile.decode()

    def offer_only_srtp(self, openssl_name: str) -> None:
        """Leaves one SRTP profile in the DTLS ClientHello. To be called when transports exist, before they start."""
        for item in self.pc.getTransceivers():
            transport = item.receiver.transport
            transport._srtp_profiles = [
                profile for profile in transport._srtp_profiles if profile.openssl_profile.decode() == openssl_name
            ]
            assert transport._srtp_profiles, openssl_name

    async def connected(self) -> None:
        """Returns when media can flow."""
        await until(lambda: self.pc.connectionState, "connected", good=lambda state: state == "connected")

    def video(self) -> Seen:
        """The first received video."""
        return next(seen for _, seen in sorted(self.seen.items()) if seen.kind == "video")

    def audio(self) -> Seen:
        """The first received audio."""
        return next(seen for _, seen in sorted(self.seen.items()) if seen.kind == "audio")

    async def close(self) -> None:
        await self.pc.close()
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


async def _drain(track: MediaStreamTrack, seen: Seen) -> None:
    while True:
        try:
            seen.take(await track.recv())
        except MediaStreamError:
            return


@dataclass
class HttpSession:
    """A WHIP or WHEP session: ``url`` is its resource."""

    url: str
    etag: str
    answer: str


async def exchange(
    peer: Peer,
    http: httpx.AsyncClient,
    path: str,
    *,
    rewrite: Rewrite = untouched,
    headers: Mapping[str, str] | None = None,
    srtp: str | None = None,
) -> HttpSession:
    """Posts the peer's offer to a WHIP or WHEP endpoint and applies the answer."""
    await peer.pc.setLocalDescription(await peer.pc.createOffer())
    if srtp is not None:
        peer.offer_only_srtp(srtp)
    response = await http.post(
        path, content=peer.pc.localDescription.sdp, headers={"Content-Type": "application/sdp", **(headers or {})}
    )
    assert response.status_code == 201, response.text
    await peer.pc.setRemoteDescription(RTCSessionDescription(rewrite(response.text), "answer"))
    return HttpSession(response.headers["Location"], response.headers["ETag"], response.text)


async def publish(
    http: httpx.AsyncClient,
    meeting: str,
    *tracks: MediaStreamTrack,
    name: str = "Camera",
    only: str | None = None,
    **how: Any,
) -> tuple[Peer, HttpSession]:
    """A peer that publishes ``tracks`` by WHIP. ``only``: the MIME type of the one video codec to offer."""
    peer = Peer()
    for track in tracks:
        transceiver = peer.pc.addTransceiver(track, "sendonly")
        if only is not None and track.kind == "video":
            codecs = RTCRtpSender.getCapabilities("video").codecs
            transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType == only])
    return peer, await exchange(peer, http, f"/whip/{meeting}?name={name}", **how)


async def play(
    http: httpx.AsyncClient, path: str, kinds: tuple[str, ...] = ("audio", "video"), **how: Any
) -> tuple[Peer, HttpSession]:
    """A peer that plays by WHEP; ``path`` is ``{meeting}`` or ``{meeting}/{participant}``."""
    peer = Peer()
    for kind in kinds:
        peer.pc.addTransceiver(kind, "recvonly")
    return peer, await exchange(peer, http, f"/whep/{path}", **how)


class SignalingError(Exception):
    """An error reply."""

    def __init__(self, reply: Mapping[str, Any]) -> None:
        super().__init__(f"{reply['code']}: {reply['detail']} ({reply['hint']})")
        self.code = reply["code"]


class Participant(Peer):
    """A participant by join and WebSocket. ``notifications`` has all that came; ``slots`` what they add up to."""

    def __init__(self, joined: dict[str, Any], subprotocol: str, rewrite: Rewrite) -> None:
        super().__init__(RTCBundlePolicy.MAX_BUNDLE)  # aiortc loses transports of a long offer otherwise
        self.joined = joined
        self.id: str = joined["participant_id"]
        self.notifications: list[dict[str, Any]] = []
        self.slots: dict[str, dict[str, Any]] = {}
        self.welcome: dict[str, Any] = {}
        self.codecs: list[str] | None = None
        """Names of the video codecs that this peer has; None: all of aiortc's."""
        self._subprotocol = subprotocol
        self._rewrite = rewrite
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._next_id = 0

    async def connect_socket(self) -> None:
        """Connects (again) and says hello."""
        self._socket = await connect(
            self.joined["signaling_url"],
            subprotocols=[self._subprotocol],
            max_size=2**22,  # type: ignore[list-item]
        )
        self._reader = asyncio.create_task(self._read(self._socket))
        self.welcome = await self.request("hello", token=self.joined["token"])
        self.slots = {slot["mid"]: slot for slot in self.welcome["slots"]}

    async def drop_socket(self) -> None:
        """Loses the socket without a word, as a network would."""
        assert self._socket is not None
        self._socket.transport.abort()
        await self._socket.wait_closed()

    async def answer(self, version: int, sdp: str) -> None:
        """Answers an offer."""
        await self.request("answer", version=version, sdp=await self.answer_sdp(sdp))

    async def answer_sdp(self, offer: str) -> str:
        """Applies an offer; the answer, not sent yet."""
        offer = self._rewrite(offer)
        await self.pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        if self.dtls.state == "new":
            await self._add_candidates(offer)
        for transceiver in self.pc.getTransceivers():
            if self.codecs is not None and transceiver.kind == "video":
                transceiver._codecs = [codec for codec in transceiver._codecs if codec.name in self.codecs]
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        return str(self.pc.localDescription.sdp)

    async def _add_candidates(self, offer: str) -> None:
        """aiortc looks for candidates in the last m-line of a BUNDLE group; the offer has them in the first."""
        for line in offer.splitlines():
            if line.startswith("a=candidate:"):
                candidate = candidate_from_sdp(line.removeprefix("a=candidate:"))
                candidate.sdpMid = "0"
                await self.pc.addIceCandidate(candidate)

    async def request(self, name: str, **fields: Any) -> dict[str, Any]:
        """One request; its reply. Raises ``SignalingError``."""
        assert self._socket is not None
        self._next_id += 1
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._replies[self._next_id] = reply
        message = {"type": name, "id": self._next_id, **fields}
        await self._socket.send(json.dumps(message) if self._subprotocol.endswith("json") else msgpack.packb(message))
        async with asyncio.timeout(PATIENCE_S):
            answered = await reply
        if answered["type"] == "error":
            raise SignalingError(answered)
        return answered

    async def _read(self, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            async for frame in socket:
                self._take(frame)

    def _take(self, frame: str | bytes) -> None:
        message = json.loads(frame) if isinstance(frame, str) else msgpack.unpackb(frame)
        if "reply" in message:
            self._replies.pop(message["reply"]).set_result(message)
            return
        self.notifications.append(message)
        if message["type"] == "slots":
            self.slots.update((slot["mid"], slot) for slot in message["slots"])

    def shown(self, participant_id: str, source: str) -> Seen | None:
        """What was received on the slot that shows a source now."""
        for slot in self.slots.values():
            if (slot["participant_id"], slot["source"]) == (participant_id, source):
                return self.seen.get(slot["mid"])
        return None

    def told(self, kind: str) -> list[dict[str, Any]]:
        """Entries of ``roster`` notifications so far: ``joined``, ``updated`` or ``left``."""
        return [entry for message in self.notifications if message["type"] == "roster" for entry in message[kind]]

    @property
    def close_code(self) -> int | None:
        return self._socket.close_code if self._socket is not None else None

    async def close(self) -> None:
        await super().close()
        if self._socket is not None:
            await self._socket.close()


async def join(
    http: httpx.AsyncClient,
    meeting: str,
    name: str,
    *tracks: MediaStreamTrack,
    subprotocol: str = "sfu.v1.json",
    rewrite: Rewrite = untouched,
    publishes: bool = True,
    codecs: list[str] | None = None,
    reads_pattern: bool = True,
    asks: Mapping[str, Any] | None = None,
) -> Participant:
    """A participant who has joined, answered, and published ``tracks`` as microphone and camera. ``asks``: fields of
    the join request besides the name.
    """
    response = await http.post(f"/meetings/{meeting}/join", json={"name": name, **(asks or {})})
    assert response.status_code == 200, response.text
    participant = Participant(response.json(), subprotocol, rewrite)
    participant.codecs = codecs
    participant.reads_pattern = reads_pattern
    if not any(track.kind == "audio" for track in tracks):
        participant.pc.addTransceiver("audio", "recvonly")  # aiortc starts ICE with the m-line of its first transceiver
    for track in tracks:
        participant.pc.addTransceiver(track, "sendonly")
    await participant.connect_socket()
    offer = participant.joined["offer"]
    await participant.answer(offer["version"], offer["sdp"])
    for track in tracks if publishes else ():
        await participant.request("publish", source="camera" if track.kind == "video" else "microphone")
    return participant
