/**
 * What this participant wants to publish, whether or not the server knows it yet: after a reconnection
 * the difference to the server's view is what has to be said again.
 *
 * @typedef {{codec?: string|null, scalabilityMode?: string|null, dtx?: boolean}} Choices of how it is encoded
 * @typedef {{track: MediaStreamTrack, muted: boolean, choices: Choices, onEnded: () => void}} Entry
 */
export class LocalSources {
  /** @type {Map<string, Entry>} */
  #entries = new Map();
  #ended;

  /** @param {(source: string) => void} ended called when a published track ends by itself */
  constructor(ended) {
    this.#ended = ended;
  }

  set(source, track, muted, choices = {}) {
    this.delete(source);
    const onEnded = () => this.#ended(source);
    track.addEventListener("ended", onEnded);
    track.enabled = !muted;
    this.#entries.set(source, { track, muted, choices, onEnded });
  }

  /** @returns {boolean} whether it was there */
  delete(source) {
    const entry = this.#entries.get(source);
    entry?.track.removeEventListener("ended", entry.onEnded);
    return this.#entries.delete(source);
  }

  /** @returns {boolean} whether anything changed */
  mute(source, muted) {
    const entry = this.#entries.get(source);
    if (!entry || entry.muted === muted) return false;
    entry.muted = muted;
    entry.track.enabled = !muted;
    return true;
  }

  published(source) {
    const entry = this.#entries.get(source);
    return entry ? { track: entry.track, muted: entry.muted } : null;
  }

  /** @returns {[string, Entry][]} */
  entries() {
    return [...this.#entries];
  }

  clear() {
    for (const source of [...this.#entries.keys()]) this.delete(source);
  }

  /**
   * @param {Record<string, {muted: boolean}>} known what the server says this participant publishes
   * @returns {[string, object][]} the requests that make the server's view ours
   */
  difference(known) {
    const requests = [];
    for (const [source, { muted }] of this.#entries) {
      if (!known[source]) requests.push(["publish", { source, muted }]);
      else if (known[source].muted !== muted) requests.push(["mute", { source, muted }]);
    }
    for (const source of Object.keys(known)) {
      if (!this.#entries.has(source)) requests.push(["unpublish", { source }]);
    }
    return requests;
  }
}
