/** The level of a local microphone, for the pre-join meter and one's own speaking ring. */

/** Nobody listens to it: no loudspeaker is opened, and it works in large steps, which costs least. */
const UNHEARD = { latencyHint: "playback", sinkId: { type: "none" } };

let context = null;

export class LevelMeter {
  #source;
  #analyser;
  #samples;

  /** @param {MediaStreamTrack} track */
  constructor(track) {
    context ??= new AudioContext(UNHEARD);
    // Created before the first click, a context waits for one.
    if (context.state === "suspended") context.resume().catch(() => {});
    this.#source = context.createMediaStreamSource(new MediaStream([track]));
    this.#analyser = context.createAnalyser();
    this.#analyser.fftSize = 512;
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#source.connect(this.#analyser);
  }

  /** @returns {number} 0 (silence) .. 1 (full scale), in steps that look even to the ear */
  level() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let power = 0;
    for (const sample of this.#samples) power += sample * sample;
    return perceived(Math.sqrt(power / this.#samples.length));
  }

  close() {
    this.#source.disconnect();
  }
}

/** -60 dBFS .. 0 dBFS -> 0 .. 1. @param {number} amplitude 0..1 */
export function perceived(amplitude) {
  if (amplitude <= 0) return 0;
  return Math.min(1, Math.max(0, 1 + (20 * Math.log10(amplitude)) / 60));
}
