"""Records what Chromium sends: ``python -m tests.support.record_streams [name …]`` writes tests/vectors/streams.

A page paints a canvas, captures it and sends it with one of ``STREAMS``' codecs and scalability modes to aiortc, which
here only receives: packets are kept as they come, decrypted. A keyframe is asked for every ``KEYFRAMES_S``, so that
tests have places to switch at. Recorded with Chromium 156 and aiortc 1.16 on Debian 12.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import time
from dataclasses import dataclass, replace
from typing import Any

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.rtp import RTCP_PSFB_APP, RTCP_PSFB_PLI, RtcpPsfbPacket, pack_remb_fci
from playwright.async_api import async_playwright
from tests.support.recording import DEPENDENCY_DESCRIPTOR, FIRST_SSRC, PTS, Recorded, save

from sfu.rtp.packet import RtpPacket

KEYFRAMES_S = 1.0
MOST_BYTES = 280 * 1024
SECONDS = 6.0
REMB_BPS = 3_000_000
_DESCRIPTOR_URI = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
_RID_URI = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"


@dataclass(frozen=True)
class Stream:
    """What a sender is told: one scalability mode, and the kbit/s of each encoding, lowest first."""

    codec: str
    mode: str
    kbps: tuple[int, ...]


STREAMS = {
    "vp8-simulcast-l1t3": Stream("vp8", "L1T3", (50, 100, 200)),
    "h264-simulcast-l1t2": Stream("h264", "L1T2", (60, 150, 300)),
    "vp9-l1t3": Stream("vp9", "L1T3", (150,)),
    "vp9-l2t2": Stream("vp9", "L2T2", (600,)),
    "vp9-l3t3": Stream("vp9", "L3T3", (800,)),
    "vp9-l3t3-key": Stream("vp9", "L3T3_KEY", (800,)),
    "av1-l1t3": Stream("av1", "L1T3", (150,)),
    "av1-l3t3": Stream("av1", "L3T3", (800,)),
    "av1-l3t3-key": Stream("av1", "L3T3_KEY", (800,)),
}

OFFER = """async ({codec, mode, kbps}) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [960, 540];
  document.body.append(canvas);
  const context = canvas.getContext("2d");
  let n = 0;
  setInterval(() => {
    n += 1;
    context.fillStyle = `hsl(210 40% 30%)`;
    context.fillRect(0, 0, 960, 540);
    for (let i = 0; i < 12; i += 1) {
      context.fillStyle = `hsl(${(i * 30 + n) % 360} 70% 60%)`;
      context.fillRect((i * 97 + n * (i + 1)) % 960, (i * 61 + n * 2) % 540, 70, 50);
    }
    context.fillStyle = "white";
    context.font = "60px sans-serif";
    context.fillText(String(n), 400, 280);
  }, 50);
  const [track] = canvas.captureStream(20).getVideoTracks();
  track.contentHint = "motion";
  const connection = (window.connection = new RTCPeerConnection());
  const count = kbps.length;
  const sendEncodings = kbps.map((rate, i) => ({
    maxBitrate: rate * 1000, scalabilityMode: mode, scaleResolutionDownBy: 2 ** (count - 1 - i),
    ...(count > 1 ? {rid: "qhf"[i]} : {}),
  }));
  const transceiver = connection.addTransceiver(track, {direction: "sendonly", sendEncodings});
  const {codecs} = RTCRtpSender.getCapabilities("video");
  const wanted = codecs.filter(
    (it) => it.mimeType.toLowerCase() === `video/${codec}`
      && !/profile-id=[1-9]|packetization-mode=0|profile=1/.test(it.sdpFmtpLine ?? ""),
  );
  const constrained = wanted.filter((it) => /profile-level-id=42e0/.test(it.sdpFmtpLine ?? ""));
  const parameters = transceiver.sender.getParameters();
  parameters.degradationPreference = "maintain-resolution";
  await transceiver.sender.setParameters(parameters);
  transceiver.setCodecPreferences((constrained.length ? constrained : wanted).slice(0, 1));
  await connection.setLocalDescription();
  await new Promise((done) => {
    if (connection.iceGatheringState === "complete") done();
    connection.onicegatheringstatechange = () => connection.iceGatheringState === "complete" && done();
  });
  return connection.localDescription.sdp;
}"""


class Recorder:
    """Takes the packets of one connection from below aiortc's codecs."""

    def __init__(self, connection: RTCPeerConnection) -> None:
        self.packets: list[tuple[float, bytes]] = []
        self.ssrcs: set[int] = set()
        self.taken_bytes = 0
        (transceiver,) = connection.getTransceivers()
        self._transport: Any = transceiver.receiver.transport
        self._transport._handle_rtp_data = self._take

    async def _take(self, data: bytes, arrival_time_ms: int) -> None:
        self.packets.append((time.monotonic(), data))
        self.taken_bytes += len(data) if not data[0] & 0x20 else 0
        self.ssrcs.add(int.from_bytes(data[8:12]))

    async def praise(self) -> None:
        """Says that the network is wide."""
        fci = pack_remb_fci(REMB_BPS, sorted(self.ssrcs))
        await self._transport._send_rtp(bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=fci)))

    async def ask_for_keyframes(self) -> None:
        """Of every stream."""
        for ssrc in self.ssrcs:
            await self._transport._send_rtp(bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=ssrc)))


def disguised(offer: str, codec: str) -> str:
    """The offer as if it were of VP8, the only codec that aiortc needs to know."""
    lines = [line for line in offer.splitlines() if not line.startswith(("a=fmtp:", "a=rid:", "a=simulcast:"))]
    return "\r\n".join(lines).replace(f" {codec.upper()}/90000", " VP8/90000") + "\r\n"


def undisguised(answer: str, offer: str, codec: str) -> str:
    """The answer to the true offer: its codec, its layers, and a start at which none of them is left out."""
    pt = re.search(rf"^a=rtpmap:(\d+) {codec}/90000", offer, re.MULTILINE | re.IGNORECASE)
    assert pt is not None, f"Chromium does not offer {codec}"
    found = re.search(rf"^a=fmtp:{pt[1]} (.*?)\r?$", offer, re.MULTILINE)
    parameters = ";".join([*([found[1]] if found else []), "x-google-start-bitrate=2000"])
    extensions = [
        line
        for line in offer.splitlines()
        if line.startswith("a=extmap:") and line.endswith((_DESCRIPTOR_URI, _RID_URI))
    ]
    rids = re.findall(r"^a=rid:(\w+) send", offer, re.MULTILINE)
    layers = [f"a=rid:{rid} recv" for rid in rids] + ([f"a=simulcast:recv {';'.join(rids)}"] if rids else [])
    # Of payload types below 96 aiortc makes its own.
    own = re.findall(r"^a=rtpmap:(\d+) VP8/90000", answer, re.MULTILINE)[0]
    answer = re.sub(rf"((?:SAVPF |a=rtpmap:|a=rtcp-fb:)){own}\b", rf"\g<1>{pt[1]}", answer)
    answer = answer.replace(" VP8/90000", f" {codec.upper()}/90000")
    return (
        answer.rstrip()
        + "\r\n"
        + "\r\n".join(["a=extmap-allow-mixed", f"a=fmtp:{pt[1]} {parameters}", *extensions, *layers])
        + "\r\n"
    )


def cut(packets: list[tuple[float, bytes]], offer: str, codec: str) -> list[Recorded]:
    """Media only, with the numbers that ``recording`` says; SSRCs in the order of the rids, which is that of sizes."""
    ids = dict(reversed(it) for it in re.findall(r"^a=extmap:(\d+) (\S+)", offer, re.MULTILINE))
    media_pt = int(re.findall(rf"^a=rtpmap:(\d+) {codec}/90000", offer, re.MULTILINE | re.IGNORECASE)[0])
    rids: dict[int, bytes] = {}
    recorded, size = [], 0
    for at, data in packets:
        packet = RtpPacket.parse(data)
        if packet.pt != media_pt or not packet.payload:
            continue
        rid = packet.extension(int(ids.get(_RID_URI, 255)))
        rids.setdefault(packet.ssrc, rid or b"q")
        encoding = b"qhf".index(rids[packet.ssrc])
        descriptor = packet.extension(int(ids[_DESCRIPTOR_URI]))
        extensions = ((DEPENDENCY_DESCRIPTOR, descriptor),) if descriptor is not None else ()
        packet = replace(packet, pt=PTS[codec], ssrc=FIRST_SSRC + encoding, extensions=extensions, padding_size=0)
        size += len(bytes(packet)) + 8
        if size > MOST_BYTES:
            break
        recorded.append(Recorded(round((at - packets[0][0]) * 1_000), packet))
    # Of the last picture there may be more to come.
    last = {entry.packet.ssrc: entry.packet.timestamp for entry in recorded}
    return renumbered([entry for entry in recorded if entry.packet.timestamp != last[entry.packet.ssrc]])


def renumbered(recorded: list[Recorded]) -> list[Recorded]:
    """Without the gaps that padding left."""
    first: dict[int, int] = {}
    for entry in recorded:
        first.setdefault(entry.packet.ssrc, entry.packet.seq)

    def place(packet: RtpPacket) -> int:
        return (packet.seq - first[packet.ssrc] + 0x8000) & 0xFFFF

    places: dict[int, list[int]] = {}
    for entry in recorded:
        places.setdefault(entry.packet.ssrc, []).append(place(entry.packet))
    rank = {(ssrc, it): n for ssrc, its in places.items() for n, it in enumerate(sorted(its))}
    return [
        replace(entry, packet=replace(packet, seq=(first[packet.ssrc] + rank[packet.ssrc, place(packet)]) & 0xFFFF))
        for entry in recorded
        for packet in [entry.packet]
    ]


async def record(page: Any, stream: Stream) -> list[Recorded]:
    """One stream, some seconds of it."""
    offer = await page.evaluate(OFFER, {"codec": stream.codec, "mode": stream.mode, "kbps": list(stream.kbps)})
    connection = RTCPeerConnection()
    try:
        await connection.setRemoteDescription(RTCSessionDescription(disguised(offer, stream.codec), "offer"))
        recorder = Recorder(connection)
        await connection.setLocalDescription(await connection.createAnswer())
        answer = undisguised(connection.localDescription.sdp, offer, stream.codec)
        await page.evaluate("(sdp) => connection.setRemoteDescription({type: 'answer', sdp})", answer)
        while not recorder.packets:
            await asyncio.sleep(0.05)
        start = asked = time.monotonic()
        while time.monotonic() - start < SECONDS and recorder.taken_bytes < MOST_BYTES:
            await recorder.praise()
            if time.monotonic() - asked >= KEYFRAMES_S:
                asked = time.monotonic()
                await recorder.ask_for_keyframes()
            await asyncio.sleep(0.1)
        return cut(recorder.packets, offer, stream.codec)
    finally:
        await connection.close()


async def main(names: list[str]) -> None:
    """Records what is named, else everything."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name in names or STREAMS:
            page = await browser.new_page()
            recorded = await asyncio.wait_for(record(page, STREAMS[name]), 60)
            path = save(name, recorded)
            encodings = {entry.encoding for entry in recorded}
            print(f"{path}: {len(recorded)} packets of {len(encodings)} encodings, {path.stat().st_size} bytes")
            await page.close()
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
