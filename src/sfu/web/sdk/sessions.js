/**
 * One session after the other, for as long as a meeting lasts: when one ends in a way that a new join can
 * mend, the next one begins.
 */
import { backoffMs, pause } from "./backoff.js";
import { Session } from "./session.js";

/** After these a new try of the same join cannot succeed. */
const FINAL_CODES = new Set(["meeting_not_found", "meeting_full", "unauthorized", "forbidden", "bad_request", "removed",
  "locked", "join_token_required", "too_early", "waiting_room_full", "duplicate_identity", "denied", "ended", "revoked",
  "not_admitted", "replaced", "closed"]);
/** Ends of a session that a new join can mend; all others are final. */
const MENDABLE = new Set(["unauthorized", "transport"]);

export class Sessions {
  /** @type {Session|null} */
  current = null;
  #join;
  #known;
  #leave;
  #handlers;
  #tries = 0;
  #stopped = false;

  /**
   * @param {object} calls
   * @param {(formerToken?: string) => Promise<object>} calls.join gives a join answer; with the token of the session
   *   before, whose place is taken again
   * @param {(token: string) => Promise<void>} calls.leave by HTTP
   * @param {() => object} calls.known what `hello` says besides the token
   * @param {object} handlers
   * @param {(session: Session) => void} handlers.begin a session is about to start
   * @param {() => void} handlers.lost it is over, a new join is tried
   * @param {(reason: string, error: Error|null) => void} handlers.over no session follows
   */
  constructor({ join, leave, known }, handlers) {
    this.#join = join;
    this.#known = known;
    this.#leave = leave;
    this.#handlers = handlers;
  }

  /** The first join. @throws {import("./errors.js").SfuError} when it is refused; it is not tried again */
  async start() {
    this.#run(await this.#joinOnce());
  }

  /** The current session works: the next failure begins with short waits again. */
  settle() {
    this.#tries = 0;
  }

  /** No session follows any more; the current one is the caller's to end. */
  stop() {
    this.#stopped = true;
  }

  /** Says goodbye without the socket, in a way that outlives the page. */
  async leaveByHttp() {
    const token = this.current?.joined.token;
    if (token) await this.#leave(token).catch(() => {});
  }

  async #run(joined) {
    while (joined) {
      const reason = await this.#stay(joined);
      if (this.#stopped) return;
      if (!MENDABLE.has(reason)) return this.#handlers.over(reason, null);
      this.#handlers.lost();
      joined = await this.#joinAgain(joined.token);
    }
  }

  /** @returns {Promise<string>} why the session is over */
  #stay(joined) {
    const session = new Session(joined, this.#known);
    this.current = session;
    this.#handlers.begin(session);
    session.start();
    return new Promise((resolve) => {
      session.addEventListener("over", ({ detail }) => resolve(detail.reason));
    });
  }

  /** A join answer that is still wanted; one that comes too late is given back. */
  async #joinOnce(formerToken) {
    const joined = await this.#join(formerToken);
    if (!this.#stopped) return joined;
    this.#leave(joined.token).catch(() => {});
    return null;
  }

  /** @returns {Promise<object|null>} the join answer; null when it is not wanted or not possible any more */
  async #joinAgain(formerToken) {
    for (;;) {
      await pause(backoffMs(this.#tries++));
      if (this.#stopped) return null;
      try {
        return await this.#joinOnce(formerToken);
      } catch (error) {
        if (!FINAL_CODES.has(error.code)) continue;
        this.#handlers.over(error.code, error);
        return null;
      }
    }
  }
}
