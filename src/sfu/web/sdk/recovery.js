/**
 * Decides when a broken media path is worth an ICE restart and when it is given up. The decision alone:
 * `restart` and `giveUp` are the owner's.
 *
 * | media state    | does                                                                  |
 * |----------------|-----------------------------------------------------------------------|
 * | `connected`    | forgets everything                                                    |
 * | `disconnected` | waits a moment (a Wi-Fi handover often heals by itself), then restarts |
 * | `failed`       | restarts now                                                          |
 */
const GRACE_MS = 1_500;
/** One restart needs a round trip and connectivity checks; asking faster would cancel the one under way. */
const RETRY_MS = 6_000;
const MAX_RESTARTS = 3;

export class Recovery {
  #restart;
  #giveUp;
  #timer = 0;
  #restarts = 0;

  /** @param {{restart: () => void, giveUp: () => void}} actions */
  constructor({ restart, giveUp }) {
    this.#restart = restart;
    this.#giveUp = giveUp;
  }

  /** @param {RTCPeerConnectionState} state */
  observe(state) {
    if (state === "connected" || state === "closed") this.stop();
    else if (state === "disconnected" && !this.#timer) this.#arm(GRACE_MS);
    else if (state === "failed" && this.#restarts === 0) this.#arm(0);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#restarts = 0;
  }

  #arm(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#next(), ms);
  }

  #next() {
    if (this.#restarts >= MAX_RESTARTS) {
      this.stop();
      this.#giveUp();
      return;
    }
    this.#restarts += 1;
    this.#restart();
    this.#arm(RETRY_MS);
  }
}
