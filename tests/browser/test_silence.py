"""Silence costs next to nothing (Opus DTX): a publisher who asks for it sends a packet now and then, and who listens
hears neither the gaps nor their end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tests.browser.conftest import NewPerson
from tests.browser.person import Person
from tests.browser.receiver import Receiver
from tests.browser.sdk import publisher, watcher
from tests.support.noise import steady
from tests.support.server import RunningServer
from tests.support.waiting import until

WINDOW_S = 2.0
TALKING, SILENT = 40, 10
"""Packets a second: Opus has 50, and in silence one in 400 ms."""
SILENCE_S = 6.0
RESUMES_WITHIN_MS = 700
"""A frame of 20 ms, a jitter buffer, and a look each 50 ms; 0.3 s were measured."""
CONCEALED = 0.02

SPEAK = """async (dtx) => {
  const context = new AudioContext();
  const tone = new OscillatorNode(context, { frequency: 300 });
  globalThis.volume = new GainNode(context, { gain: 0.5 });
  const out = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
  tone.connect(volume).connect(out);
  tone.start();
  await context.resume();
  await meeting.publish("microphone", out.stream.getAudioTracks()[0], { dtx });
}"""

LISTEN = """() => {
  globalThis.energies = [];
  setInterval(async () => {
    const audio = (await __probe.stats()).filter(({ type, kind }) => type === "inbound-rtp" && kind === "audio");
    const energy = audio.reduce((sum, entry) => sum + (entry.totalAudioEnergy ?? 0), 0);
    energies.push({ at: Date.now(), energy });
  }, 50);
}"""

HEARD = """(since) => {
  const later = energies.filter(({ at }) => at >= since);
  return later.find(({ energy }) => energy > later[0].energy + 1e-5)?.at ?? null;
}"""


@dataclass(frozen=True)
class Packets:
    """Of the voice, over a window."""

    per_s: float
    lost: int


async def packets(person: Person) -> Packets:
    """What arrives now."""

    async def voice() -> dict[str, float]:
        entries = [entry for entry in await person.stats("inbound-rtp") if entry["kind"] == "audio"]
        return max(entries, key=lambda entry: entry["packetsReceived"], default={"timestamp": 0.0})

    before = await voice()
    await asyncio.sleep(WINDOW_S)
    after = await voice()
    seconds = (after["timestamp"] - before["timestamp"]) / 1000
    received = after.get("packetsReceived", 0) - before.get("packetsReceived", 0)
    lost = after.get("packetsLost", 0) - before.get("packetsLost", 0)
    return Packets(received / seconds if seconds else 0.0, int(lost))


async def test_silence_is_hardly_sent_and_what_follows_is_heard_at_once(
    new_person: NewPerson, server: RunningServer, report: Callable[[str], None]
) -> None:
    meeting_id = await server.create_meeting()
    speaker = await publisher(new_person, server, meeting_id, size=(320, 180))
    ada = await watcher(new_person, server, meeting_id)
    receiver = Receiver(ada)
    await ada.page.evaluate(LISTEN)
    await speaker.page.evaluate(SPEAK, True)

    async def there_and_back() -> None:
        await speaker.page.evaluate("volume.gain.value = 0.5")
        await until(lambda: packets(ada), "a voice", good=lambda now: now.per_s > TALKING)
        heard = await receiver.sound()
        await speaker.page.evaluate("volume.gain.value = 0")
        await until(lambda: packets(ada), "silence", good=lambda now: now.per_s < SILENT)
        quiet = await packets(ada)
        await asyncio.sleep(SILENCE_S)

        spoke = await speaker.page.evaluate("{ volume.gain.value = 0.5; Date.now() }")
        spoken = await until(lambda: ada.page.evaluate(HEARD, spoke), "the voice is heard again")
        loud = await packets(ada)
        concealed = (await receiver.sound()).concealed_share(heard)

        report(
            f"DTX: {quiet.per_s:.1f} packets/s in silence, {loud.per_s:.0f} with a voice, heard again after "
            f"{spoken - spoke} ms, {concealed:.2%} made up"
        )
        assert loud.per_s > TALKING
        assert quiet.lost == loud.lost == 0
        assert spoken - spoke <= RESUMES_WITHIN_MS
        assert concealed <= CONCEALED

    await steady(there_and_back, "from a voice to silence and back")


async def test_who_did_not_ask_for_it_sends_silence_as_any_sound(new_person: NewPerson, server: RunningServer) -> None:
    meeting_id = await server.create_meeting()
    speaker = await publisher(new_person, server, meeting_id, size=(320, 180))
    ada = await watcher(new_person, server, meeting_id)
    await speaker.page.evaluate(SPEAK, True)
    await speaker.page.evaluate("volume.gain.value = 0")
    await until(lambda: packets(ada), "silence", good=lambda now: now.per_s < SILENT)
    await speaker.page.evaluate(SPEAK, False)
    await speaker.page.evaluate("volume.gain.value = 0")
    await until(lambda: packets(ada), "every packet", good=lambda now: now.per_s > TALKING)
