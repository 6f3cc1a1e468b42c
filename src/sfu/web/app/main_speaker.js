/**
 * Whom the speaker view shows large: the dominant speaker, never oneself, each for a moment at least, and not before
 * there is a picture to show of somebody who has one. Decides alone; `now` is the caller's clock in ms.
 */

/** Two who interrupt each other do not make the view flicker. */
const HOLD_MS = 1_000;
/** A picture that does not come must not keep a speaker from the stage. */
const PATIENCE_MS = 700;

export class MainSpeaker {
  /** @type {string|null} */
  current = null;
  #since = -Infinity;
  /** @type {{id: string, since: number}|null} who is to come */
  #next = null;

  /**
   * @param {string|null} dominant who speaks, null while nobody does or it is oneself
   * @param {(id: string) => boolean} isReady whether there is nothing to wait for: the picture is there, or none comes
   * @param {number} now
   * @returns {number|null} when to ask again, in ms from now; null: when something has changed
   */
  follow(dominant, isReady, now) {
    if (dominant === null || dominant === this.current) {
      this.#next = null;
      return null;
    }
    if (this.#next?.id !== dominant) this.#next = { id: dominant, since: now };
    const held = this.current === null ? 0 : this.#since + HOLD_MS - now;
    const patience = isReady(dominant) ? 0 : this.#next.since + PATIENCE_MS - now;
    const wait = Math.max(held, patience);
    if (wait > 0) return wait;
    this.#show(dominant, now);
    return null;
  }

  /** Who is on stage is gone. */
  forget() {
    this.current = null;
  }

  #show(id, now) {
    this.current = id;
    this.#since = now;
    this.#next = null;
  }
}
