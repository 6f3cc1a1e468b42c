/**
 * A place in a waiting room: its socket says where one stands, and in the end how to connect or why not. See "Waiting
 * to be let in" in docs/signaling.md.
 */
import { SfuError } from "./errors.js";
import { Signaling } from "./signaling.js";

const DENIED = {
  denied: "The host did not let you in.",
  timeout: "Nobody let you in for too long.",
  revoked: "Your invitation is not good any more.",
  ended: "The meeting has ended.",
};

/**
 * @typedef {{position: number, reason: "admission"|"host"|"not_before"|"place", opensAt: string|null}} Place `position`:
 *   1 for who is next; `reason`: what one waits for; `opensAt`: the hour, where that is it
 */
class WaitingRoom {
  #signaling;
  #answer;
  #moved;
  #over = Promise.withResolvers();

  /**
   * @param {object} answer the *waiting answer* of docs/signaling.md
   * @param {(place: Place) => void} moved
   */
  constructor(answer, moved) {
    this.#answer = answer;
    this.#moved = moved;
    this.#signaling = new Signaling(answer.signaling_url, answer.token);
    this.#signaling.addEventListener("welcome", ({ detail }) => this.#move(detail));
    this.#signaling.addEventListener("notification", ({ detail }) => this.#onNotification(detail));
    this.#signaling.addEventListener("fatal", ({ detail }) => this.#lost(detail.code));
  }

  /**
   * @returns {Promise<object>} the join answer
   * @throws {SfuError} `denied`, `removed` …; `place_lost`: one was away for too long, and asks again
   */
  async wait() {
    this.#move(this.#answer);
    this.#signaling.open();
    try {
      return await this.#over.promise;
    } finally {
      this.#signaling.close();
    }
  }

  /** Waits no longer. */
  async leave() {
    await this.#signaling.request("leave").catch(() => {});
    this.#over.reject(new SfuError("closed", "You do not wait any more."));
  }

  #move({ position, reason }) {
    const opensAt = reason === "not_before" ? this.#answer.opens_at ?? null : null;
    this.#moved({ position, reason, opensAt });
  }

  #onNotification(message) {
    if (message.type === "waiting") this.#move(message);
    if (message.type === "admitted") this.#over.resolve(message.join);
    if (message.type === "denied") this.#deny(message);
  }

  #deny({ reason, detail }) {
    const code = reason === "denied" || reason === "ended" || reason === "revoked" ? reason : "not_admitted";
    this.#over.reject(new SfuError(code, DENIED[reason] ?? (detail || "You were not let in.")));
  }

  /** The socket is of no use any more, and nothing said why. */
  #lost(code) {
    const error = code === "replaced"
      ? new SfuError("replaced", "You wait in another tab.")
      : new SfuError("place_lost", "You were away for too long.");
    this.#over.reject(error);
  }
}

/** The way in to one meeting: joins, and waits where it has to. */
export class Entrance {
  /** @type {Place|null} while it waits */
  place = null;
  #tell;
  #room = null;
  #isLeft = false;

  /** @param {(place: Place|null) => void} tell one's place in line; null: one waits no longer */
  constructor(tell) {
    this.#tell = tell;
  }

  /**
   * @param {() => Promise<object>} join gives a join answer, or a waiting answer
   * @returns {Promise<object>} the join answer
   * @throws {SfuError} what `join` throws; `denied` …
   */
  async enter(join) {
    for (;;) {
      const answer = await join();
      if (!answer.waiting_id) return answer;
      try {
        return await this.#wait(answer);
      } catch (error) {
        if (error.code !== "place_lost" || this.#isLeft) throw error;
      }
    }
  }

  /** Waits no longer. */
  leave() {
    this.#isLeft = true;
    this.#room?.leave();
  }

  async #wait(answer) {
    if (this.#isLeft) throw new SfuError("closed", "You do not wait any more.");
    this.#room = new WaitingRoom(answer, (place) => {
      this.place = Object.freeze(place);
      this.#tell(place);
    });
    try {
      return await this.#room.wait();
    } finally {
      this.#room = this.place = null;
      this.#tell(null);
    }
  }
}
