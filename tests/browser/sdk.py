"""Pages that use the SDK alone: one that publishes, one that shows a single other one's camera."""

from __future__ import annotations

from typing import Any

from tests.browser.conftest import NewPerson
from tests.browser.person import Person
from tests.support.server import RunningServer
from tests.support.waiting import until

PUBLISH = """async ({ id, name, codec, scalabilityMode, width, height, fps }) => {
  const { Meeting } = await import("/web/sdk/sfu.js");
  globalThis.meeting = new Meeting({ id, name, maxVideo: 0 });
  const video = { width, height, frameRate: fps };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video });
  await meeting.publish("microphone", stream.getAudioTracks()[0]);
  await meeting.publish("camera", stream.getVideoTracks()[0], { codec, scalabilityMode });
  await meeting.join();
}"""

WATCH = """async ({ id, name }) => {
  const { Meeting } = await import("/web/sdk/sfu.js");
  globalThis.meeting = new Meeting({ id, name });
  globalThis.qualities = [];
  meeting.addEventListener("quality", ({ detail }) => qualities.push({ at: performance.now(), ...detail }));
  globalThis.video = Object.assign(document.createElement("video"), { autoplay: true, muted: true });
  globalThis.shown = () => {
    const other = [...meeting.participants.values()].find(({ sources }) => sources.camera);
    return other ? { id: other.id, ...meeting.video(other.id, "camera") } : null;
  };
  globalThis.show = (width, height, options = {}) => {
    Object.assign(video.style, { width: `${width}px`, height: `${height}px` });
    meeting.observe(video, shown().id, "camera", options);
  };
  document.body.replaceChildren(video);
  meeting.addEventListener("slots", () => {
    const { track = null } = shown() ?? {};
    if (track && video.srcObject?.getTracks()[0] !== track) video.srcObject = new MediaStream([track]);
  });
  await meeting.join();
}"""


async def publisher(
    new_person: NewPerson,
    server: RunningServer,
    meeting_id: str,
    *,
    codec: str | None = None,
    mode: str | None = None,
    size: tuple[int, int] = (640, 360),
    fps: int = 20,
) -> Person:
    """Somebody who sends microphone and camera and sees nobody. ``mode``: of scalability, with a codec."""
    person = await new_person("Publisher")
    await person.page.goto(f"{server.url}/healthz")  # any address of the server will do: what counts is the origin
    options = {"id": meeting_id, "name": person.name, "codec": codec, "scalabilityMode": mode}
    options |= {"width": size[0], "height": size[1], "fps": fps}
    await person.page.evaluate(PUBLISH, options)
    return person


async def watcher(new_person: NewPerson, server: RunningServer, meeting_id: str, **how: Any) -> Person:
    """Somebody who sends nothing and shows the camera of the only one who does. In its page ``show(width, height)``
    sets how large, and says so; ``shown()`` is what the SDK gives of it.
    """
    person = await new_person("Watcher", **how)
    await person.page.goto(f"{server.url}/healthz")
    await person.page.evaluate(WATCH, {"id": meeting_id, "name": person.name})
    await until(lambda: person.page.evaluate("Boolean(shown()?.track)"), "a slot shows the publisher")
    return person


SCALABLE = """async ({ id, codec, mode, width, height, fps }) => {
  const video = { width: { exact: width }, height: { exact: height }, frameRate: fps };
  const [track] = (await navigator.mediaDevices.getUserMedia({ video })).getTracks();
  const pc = new RTCPeerConnection();
  const transceiver = pc.addTransceiver(track, {
    direction: "sendonly", sendEncodings: [{ scalabilityMode: mode, maxBitrate: 1_500_000 }],
  });
  const { codecs } = RTCRtpSender.getCapabilities("video");
  const isWanted = ({ mimeType }) => [`video/${codec}`, "video/rtx"].includes(mimeType);
  transceiver.setCodecPreferences(codecs.filter(isWanted));
  await pc.setLocalDescription();
  const headers = { "Content-Type": "application/sdp" };
  const body = pc.localDescription.sdp;
  const response = await fetch(`/whip/${id}?name=Publisher`, { method: "POST", headers, body });
  await pc.setRemoteDescription({ type: "answer", sdp: await response.text() });
}"""


async def scalable_publisher(
    new_person: NewPerson, server: RunningServer, meeting_id: str, codec: str, mode: str, *, fps: int
) -> Person:
    """Somebody who sends a camera as one stream of layers, by WHIP, 960x540: Chromium has no layers below 240x135."""
    person = await new_person("Publisher")
    await person.page.goto(f"{server.url}/healthz")
    options = {"id": meeting_id, "codec": codec, "mode": mode, "width": 960, "height": 540, "fps": fps}
    await person.page.evaluate(SCALABLE, options)
    return person
