"""Many people in few browsers: one page that is many participants, and participants without any browser."""

from __future__ import annotations

import asyncio

from playwright.async_api import Page
from tests.support.server import RunningServer

CROWD = """async ({ id, names, cameras, voices }) => {
  const { Meeting } = await import("/web/sdk/sfu.js");
  const context = voices > 0 ? new AudioContext() : null;
  await context?.resume();
  globalThis.crowd ??= [];
  globalThis.videos ??= [];
  for (const [index, name] of names.entries()) {
    const meeting = new Meeting({ id, name, maxVideo: 0 });
    if (index < cameras) await meeting.publish("camera", picture(crowd.length));
    if (index < voices) await meeting.publish("microphone", microphone(meeting));
    await meeting.join();
    crowd.push(meeting);
  }

  function picture(number) {
    const canvas = Object.assign(document.createElement("canvas"), { width: 160, height: 90 });
    const drawing = canvas.getContext("2d");
    let tick = 0;
    const draw = () => {
      drawing.fillStyle = `hsl(${(number * 47) % 360} 35% 38%)`;
      drawing.fillRect(0, 0, 160, 90);
      drawing.fillStyle = `hsl(${(number * 47) % 360} 30% 62%)`;
      drawing.beginPath();
      drawing.arc(80 + 3 * Math.sin((tick += 1) / 3), 42, 17, 0, 7);
      drawing.ellipse(80, 92, 34, 26, 0, 0, 7);
      drawing.fill();
    };
    videos.push(setInterval(draw, 250));
    draw();
    return canvas.captureStream(4).getVideoTracks()[0];
  }

  // A voice like sound that is switched by `meeting.voice.gain.value`.
  function microphone(meeting) {
    const tone = new OscillatorNode(context, { type: "sawtooth", frequency: 160 });
    const rhythm = new OscillatorNode(context, { frequency: 4 });
    const syllables = new GainNode(context, { gain: 0.5 });
    meeting.voice = new GainNode(context, { gain: 0 });
    const out = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
    rhythm.connect(syllables.gain);
    tone.connect(syllables).connect(meeting.voice).connect(out);
    tone.start();
    rhythm.start();
    return out.stream.getAudioTracks()[0];
  }
}"""


async def join_crowd(page: Page, meeting_id: str, names: list[str], *, cameras: int = 0, voices: int = 0) -> None:
    """These people join from one page of the server: the first ones with a small camera, the first ones with a
    microphone that is silent until ``crowd[n].voice.gain.value = 0.5``. Their meetings are ``crowd`` in the page.
    """
    await page.evaluate(CROWD, {"id": meeting_id, "names": names, "cameras": cameras, "voices": voices})


async def fill(server: RunningServer, meeting_id: str, names: list[str]) -> list[str]:
    """These people join without media and without a socket; their ids. They stay for ``resume_window_s``."""
    limit = asyncio.Semaphore(20)

    async def join(name: str) -> str:
        async with limit:
            response = await server.http.post(f"/meetings/{meeting_id}/join", json={"name": name})
            response.raise_for_status()
            participant_id: str = response.json()["participant_id"]
            return participant_id

    return list(await asyncio.gather(*(join(name) for name in names)))
