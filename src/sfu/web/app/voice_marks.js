/**
 * Who speaks, as the tiles show it: the dominant speaker has a frame, everybody who is heard a mark. What the server
 * says counts for those whom this page does not hear; for the others the level that is heard is faster.
 */
import { LevelMeter, perceived } from "./meter.js";

const INTERVAL_MS = 120;
/** Above this somebody is heard; perceived level, see `meter.js`. */
const SPEAKING_LEVEL = 0.35;
/** The mark stays on between words. */
const HOLD_MS = 600;

export class VoiceMarks {
  #meeting;
  #apply;
  /** @type {Map<string, number>} tile key -> when it was heard last */
  #heard = new Map();
  /** @type {Set<string>} those that are marked now */
  #marked = new Set();
  #meter = null;
  #metered = null;
  #timer = setInterval(() => this.#look(), INTERVAL_MS);

  /**
   * @param {import("../sdk/sfu.js").Meeting} meeting
   * @param {(key: string, isHeard: boolean) => void} apply called for those alone that change
   */
  constructor(meeting, apply) {
    this.#meeting = meeting;
    this.#apply = apply;
  }

  /** @param {MediaStreamTrack|null} microphone one's own */
  meter(microphone) {
    if (microphone === this.#metered) return;
    this.#meter?.close();
    this.#metered = microphone;
    this.#meter = microphone ? new LevelMeter(microphone) : null;
  }

  /** Whether this tile is marked, for one that is new. */
  isHeard(key) {
    return this.#marked.has(key);
  }

  close() {
    clearInterval(this.#timer);
    this.#meter?.close();
  }

  /** Costs what those cost who are heard, however many tiles there are. */
  #look() {
    const now = performance.now();
    const levels = this.#meeting.levels();
    for (const [id, level] of levels) {
      if (perceived(level) > SPEAKING_LEVEL) this.#heard.set(id, now);
    }
    if ((this.#meter?.level() ?? 0) > SPEAKING_LEVEL) this.#heard.set("self", now);
    for (const id of this.#meeting.speakers.audible) {
      if (id !== this.#meeting.participantId && !levels.has(id)) this.#heard.set(id, now);
    }
    for (const [key, at] of this.#heard) {
      const isHeard = now - at < HOLD_MS;
      if (isHeard !== this.#marked.has(key)) this.#mark(key, isHeard);
      if (!isHeard) this.#heard.delete(key);
    }
  }

  #mark(key, isHeard) {
    if (isHeard) this.#marked.add(key);
    else this.#marked.delete(key);
    this.#apply(key, isHeard);
  }
}
