"""mediasoup: one worker behind a small application of ours, ``mediasoup/server.mjs``.

mediasoup has no signaling and speaks no SDP: it takes and gives parameters as in ORTC. The offers are turned into these
here, and what it says of itself into an answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.peers import crossing
from bench.peers.adapter import Peer, PeerError, Running
from bench.peers.process import ServerProcess, free_port

FOLDER_VARIABLE = "SFU_MEDIASOUP"
"""Names the folder whose ``node_modules`` holds mediasoup, its worker built."""
_APPLICATION = Path(__file__).parent / "mediasoup" / "server.mjs"
_TRANSPORT_CC_URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
_TIMEOUT_S = 20.0
_MAX_BODY_BYTES = 262_144

Json = Mapping[str, Any]


class Mediasoup(Peer):
    """One worker on one processor; the application beside it has nothing to do once all have joined.

    ``with_feedback``: subscribers give transport-wide feedback as they offer, and mediasoup estimates each one's path.
    That is a third of its cost, so it is also measured without.
    """

    install = f"npm install mediasoup; its folder in {FOLDER_VARIABLE}"
    target_ratio = 2.4

    def __init__(self, name: str, *, with_feedback: bool) -> None:
        self.name = name
        self.adaptive = with_feedback
        self._with_feedback = with_feedback

    def is_installed(self) -> str | None:
        """It needs Node.js, the package, and the worker, which npm downloads or builds."""
        if shutil.which("node") is None:
            return "no node"
        if not os.environ.get(FOLDER_VARIABLE):
            return f"{FOLDER_VARIABLE} is not set"
        if not (_installed() / "node_modules" / "mediasoup" / "package.json").is_file():
            return f"no mediasoup in {_installed()}/node_modules"
        return None

    async def start(self, cpu: int | None, folder: Path) -> Running:
        """The worker inherits the processor."""
        url = f"http://127.0.0.1:{(port := free_port(socket.SOCK_STREAM))}"
        env = {FOLDER_VARIABLE: str(_installed())}
        process = await ServerProcess.start(self.name, ["node", str(_APPLICATION), str(port)], folder, cpu, env)
        workers: list[int] = []

        async def is_ready() -> bool:
            try:
                workers.append(int((await asyncio.to_thread(_ask, url))["workerPid"]))
            except PeerError:
                return False
            return True

        try:
            await process.wait_until(is_ready)
        except BaseException:
            await process.stop()
            raise
        return _RunningMediasoup(process, workers[0], url, with_feedback=self._with_feedback)


class _RunningMediasoup(Running):
    """Measured is the worker alone, which is where media goes and what others give figures of."""

    def __init__(self, process: ServerProcess, worker: int, url: str, *, with_feedback: bool) -> None:
        self._process = process
        self._with_feedback = with_feedback
        self._worker = worker
        self._url = url

    @property
    def pids(self) -> Sequence[int]:
        return [self._worker]

    async def publisher_answer(self, room: str, offer_sdp: str) -> str:
        request = {"room": room, **publish_request(offer_sdp)}
        return answer_sdp(offer_sdp, await asyncio.to_thread(_ask, f"{self._url}/publish", request))

    async def subscriber_answer(self, room: str, offer_sdp: str) -> str:
        request = {"room": room, **subscribe_request(offer_sdp, with_feedback=self._with_feedback)}
        return answer_sdp(offer_sdp, await asyncio.to_thread(_ask, f"{self._url}/subscribe", request))

    async def stop(self) -> None:
        await self._process.stop()


def _installed() -> Path:
    return Path(os.environ[FOLDER_VARIABLE]).resolve()


def publish_request(offer_sdp: str) -> dict[str, Any]:
    """``dtlsParameters`` and ``producers`` of an offer that sends. PeerError when it cannot be read."""
    _, sections = crossing.parse(offer_sdp)
    producers = [{"kind": section.kind, "rtpParameters": _rtp_parameters(section)} for section in sections]
    return {"dtlsParameters": _dtls_parameters(offer_sdp), "producers": producers}


def subscribe_request(offer_sdp: str, *, with_feedback: bool) -> dict[str, Any]:
    """``dtlsParameters`` and ``rtpCapabilities`` of an offer that receives. PeerError when it cannot be read."""
    _, sections = crossing.parse(offer_sdp)
    codecs = [_codec_capability(section) for section in sections]
    extensions = [
        {"kind": section.kind, "uri": extension["uri"], "preferredId": extension["id"]}
        for section in sections
        for extension in _extensions(section)
        if with_feedback or extension["uri"] != _TRANSPORT_CC_URI
    ]
    capabilities = {"codecs": codecs, "headerExtensions": extensions}
    return {"dtlsParameters": _dtls_parameters(offer_sdp), "rtpCapabilities": capabilities}


def answer_sdp(offer_sdp: str, transport: Json) -> str:
    """The answer to an offer by what mediasoup said of its transport. PeerError when that lacks something.

    Consumers have ids of extensions and SSRCs of mediasoup's choice; producers keep what was offered.
    """
    try:
        ice = transport["iceParameters"]
        candidate = next(found for found in transport["iceCandidates"] if found["protocol"] == "udp")
        fingerprint = next(it for it in transport["dtlsParameters"]["fingerprints"] if it["algorithm"] == "sha-256")
        consumed = {consumer["kind"]: consumer["rtpParameters"] for consumer in transport["consumers"]}
        lines = [
            f"a=ice-ufrag:{ice['usernameFragment']}",
            f"a=ice-pwd:{ice['password']}",
            f"a=fingerprint:sha-256 {fingerprint['value']}",
            "a=setup:passive",
            f"a=candidate:1 1 udp {candidate['priority']} {candidate['address']} {candidate['port']} typ host",
        ]
        _, sections = crossing.parse(offer_sdp)
        media = [line for section in sections for line in _answered(section, consumed.get(section.kind), lines)]
    except (KeyError, StopIteration, TypeError) as error:
        raise PeerError(f"mediasoup did not say everything of its transport: {error!r}") from error
    group = [f"a=group:{crossing.attribute(offer_sdp, 'group')}"]
    return "\r\n".join(["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=ice-lite", *group, *media]) + "\r\n"


def _answered(section: crossing.Section, consumed: Json | None, transport: Sequence[str]) -> list[str]:
    """One m-line; ``consumed``: the parameters of the consumer, None on a transport that takes media."""
    parameters = _rtp_parameters(section) if consumed is None else consumed
    codec = parameters["codecs"][0]
    pt, name = codec["payloadType"], codec["mimeType"].partition("/")[2]
    channels = f"/{codec['channels']}" if codec.get("channels", 1) > 1 else ""
    lines = [f"m={section.kind} 9 {section.protocol} {pt}", "c=IN IP4 0.0.0.0", *transport, "a=rtcp-mux"]
    lines += [f"a=mid:{section.first('mid')}", "a=recvonly" if consumed is None else "a=sendonly"]
    lines += [f"a=rtpmap:{pt} {name}/{codec['clockRate']}{channels}"]
    lines += [f"a=extmap:{extension['id']} {extension['uri']}" for extension in parameters["headerExtensions"]]
    if consumed is not None:
        lines += [f"a=ssrc:{encoding['ssrc']} cname:{consumed['rtcp']['cname']}" for encoding in consumed["encodings"]]
    return lines


def _rtp_parameters(section: crossing.Section) -> dict[str, Any]:
    ssrc, _, rest = (section.first("ssrc") or "").partition(" ")
    return {
        "mid": section.first("mid"),
        "codecs": [_codec(section)],
        "headerExtensions": _extensions(section),
        "encodings": [{"ssrc": int(ssrc)}] if ssrc.isdecimal() else [],
        "rtcp": {"cname": rest.removeprefix("cname:"), "reducedSize": True},
    }


def _codec(section: crossing.Section) -> dict[str, Any]:
    """The first payload type: the load generator offers one. PeerError when it has no ``a=rtpmap``."""
    pt = section.payload_types[0]
    for value in section.all("rtpmap"):
        number, _, described = value.partition(" ")
        name, *numbers = described.split("/")
        if number == pt and numbers and all(text.isdecimal() for text in (pt, *numbers)):
            codec = {
                "mimeType": f"{section.kind}/{name}",
                "payloadType": int(pt),
                "clockRate": int(numbers[0]),
                "parameters": {},
                "rtcpFeedback": [_feedback(value) for value in section.all("rtcp-fb") if value.split(" ")[0] == pt],
            }
            return codec | ({"channels": int(numbers[1])} if len(numbers) > 1 else {})
    raise PeerError(f"no a=rtpmap:{pt}")


def _codec_capability(section: crossing.Section) -> dict[str, Any]:
    codec = _codec(section)
    return {"kind": section.kind, "preferredPayloadType": codec.pop("payloadType"), **codec}


def _feedback(value: str) -> dict[str, str]:
    _, kind, *parameter = value.split(" ", 2)
    return {"type": kind, "parameter": parameter[0] if parameter else ""}


def _extensions(section: crossing.Section) -> list[dict[str, Any]]:
    split = (value.partition(" ") for value in section.all("extmap"))
    return [{"uri": uri, "id": int(number)} for number, _, uri in split if number.isdecimal()]


def _dtls_parameters(offer_sdp: str) -> dict[str, Any]:
    algorithm, _, value = crossing.attribute(offer_sdp, "fingerprint").partition(" ")
    return {"role": "client", "fingerprints": [{"algorithm": algorithm, "value": value}]}


def _ask(url: str, body: Json | None = None) -> dict[str, Any]:
    """Blocks: call it in a thread. PeerError when the application refuses or is not there."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            answered = json.loads(response.read(_MAX_BODY_BYTES))
    except urllib.error.HTTPError as error:
        raise PeerError(f"mediasoup: {error.read(1_000).decode(errors='replace')}") from error
    except (OSError, ValueError) as error:
        raise PeerError(f"mediasoup: {error}") from error
    if not isinstance(answered, dict):
        raise PeerError(f"mediasoup: {url} answered with {type(answered).__name__}")
    return answered
