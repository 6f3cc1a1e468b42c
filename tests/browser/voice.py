"""People who really say something: sentences of espeak-ng as the microphones of pages."""

from __future__ import annotations

import base64
import shutil
import subprocess
from functools import cache

from tests.browser.person import Person

from sfu.bench.speaker.spoken import PROGRAM, SENTENCES, VOICES

MICROPHONE = """
(() => {
  const capture = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  const context = new AudioContext({ sampleRate: 48000, latencyHint: "playback", sinkId: { type: "none" } });
  const out = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
  // A room is never quite silent.
  const noise = new AudioBuffer({ length: 96000, sampleRate: 48000 });
  const samples = noise.getChannelData(0);
  for (let index = 0; index < samples.length; index += 1) samples[index] = (Math.random() - 0.5) / 2000;
  const room = new AudioBufferSourceNode(context, { buffer: noise, loop: true });
  room.connect(out);
  room.start();
  let sentence = null;
  let playing = null;

  navigator.mediaDevices.getUserMedia = async ({ audio, video }) => {
    const pictures = video ? (await capture({ video: { ...video, frameRate: 10 } })).getTracks() : [];
    return new MediaStream([...(audio ? [out.stream.getAudioTracks()[0].clone()] : []), ...pictures]);
  };
  globalThis.__voice = {
    // A WAV file in base64; what comes before the first word is left out.
    load: async (text) => {
      await context.resume();
      const bytes = Uint8Array.from(atob(text), (letter) => letter.codePointAt(0));
      const whole = await context.decodeAudioData(bytes.buffer);
      const heard = whole.getChannelData(0);
      const first = heard.findIndex((sample) => Math.abs(sample) > 0.05);
      sentence = new AudioBuffer({ length: heard.length - first, sampleRate: whole.sampleRate });
      sentence.copyToChannel(heard.subarray(first), 0);
    },
    // Begins to speak, over and over. When, on the clock that all pages share.
    speak: () => {
      playing = new AudioBufferSourceNode(context, { buffer: sentence, loop: true });
      playing.connect(out);
      playing.start();
      return __probe.now();
    },
    stop: () => playing.stop(),
  };
})();
"""
"""Takes the place of the microphone, before the page runs. The camera has ten pictures a second."""


def can_speak() -> bool:
    """Whether there is a synthesiser."""
    return shutil.which(PROGRAM) is not None


@cache
def sentence(number: int) -> str:
    """The n-th person's voice, saying something of several seconds: a WAV file in base64."""
    text = max(SENTENCES[number % len(SENTENCES) :: len(VOICES)], key=len)
    command = [PROGRAM, "-v", VOICES[number % len(VOICES)], "-a", "120", "--stdout", text]
    wav = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
    return base64.b64encode(wav).decode()


async def give_voice(person: Person, number: int) -> None:
    """From then on ``speak`` says that person's sentence."""
    await person.page.evaluate("(wav) => __voice.load(wav)", sentence(number))


async def speak(person: Person) -> float:
    """Begins to speak, until ``stop``. When, by ``__probe.now()``."""
    began: float = await person.page.evaluate("__voice.speak()")
    return began


async def stop(person: Person) -> None:
    """Falls silent."""
    await person.page.evaluate("__voice.stop()")
