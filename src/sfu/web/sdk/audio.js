/**
 * Plays the audio slots: one element per slot for the whole meeting, because a slot's track stays while
 * the speakers behind it change. Handles the autoplay rule and the choice of the loudspeaker.
 *
 * Event: `blocked` (detail: boolean): the browser wants a click before it plays sound.
 */
export class AudioOutput extends EventTarget {
  /** @type {Map<MediaStreamTrack, HTMLAudioElement>} */
  #elements = new Map();
  #speaker = "";
  #blocked = false;

  get blocked() {
    return this.#blocked;
  }

  /** Plays exactly these tracks from now on. */
  play(tracks) {
    for (const [track, element] of this.#elements) {
      if (tracks.includes(track)) continue;
      element.srcObject = null;
      this.#elements.delete(track);
    }
    for (const track of tracks) {
      if (!this.#elements.has(track)) this.#add(track);
    }
  }

  /** Call it from a click when `blocked` was reported. */
  async resume() {
    await Promise.all([...this.#elements.values()].map((element) => this.#start(element)));
  }

  /** @param {string} deviceId of an `audiooutput` device; "" is the system's default */
  async setSpeaker(deviceId) {
    this.#speaker = deviceId;
    for (const element of this.#elements.values()) await element.setSinkId?.(deviceId);
  }

  #add(track) {
    const element = new Audio();
    element.srcObject = new MediaStream([track]);
    this.#elements.set(track, element);
    if (this.#speaker) element.setSinkId?.(this.#speaker).catch(() => {});
    this.#start(element);
  }

  async #start(element) {
    try {
      await element.play();
      this.#report(false);
    } catch (error) {
      if (error.name === "NotAllowedError") this.#report(true);
    }
  }

  #report(blocked) {
    if (blocked === this.#blocked) return;
    this.#blocked = blocked;
    this.dispatchEvent(new CustomEvent("blocked", { detail: blocked }));
  }
}
