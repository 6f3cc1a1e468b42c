/**
 * What this participant publishes: the tracks on the connection, and what the server is told of them. What it refuses
 * is not published here either; after a lost socket both sides are brought together again.
 */
import { kindOf } from "./encodings.js";
import { LocalSources } from "./local_sources.js";
import { check } from "./scalability.js";

export class Publications {
  #sources = new LocalSources((source) => this.#ended(source));
  #connection;
  #tell;
  #emit;

  /**
   * @param {object} owner
   * @param {() => import("./connection.js").Connection|undefined} owner.connection the one that there is now
   * @param {(type: string, fields: object) => Promise<void>} owner.tell a request, where there is a socket
   * @param {(event: string, detail: object) => void} owner.emit
   */
  constructor({ connection, tell, emit }) {
    this.#connection = connection;
    this.#tell = tell;
    this.#emit = emit;
  }

  /** See `Meeting.publish`. */
  async publish(source, track, options = {}) {
    const { muted = false, codec = null, scalabilityMode = null, dtx = false, content, takeOver } = options;
    const choices = kindOf(source) === "video" ? { codec, scalabilityMode, content } : { dtx };
    if (choices.codec || choices.scalabilityMode) await check(codec, scalabilityMode);
    this.#connection()?.require(source, choices);
    this.#sources.set(source, track, muted, choices);
    await this.#connection()?.send(source, track, choices);
    await this.#announce(source, { muted, content, take_over: takeOver });
  }

  async unpublish(source) {
    if (!this.#sources.delete(source)) return;
    await this.#connection()?.send(source, null);
    await this.#tell("unpublish", { source });
  }

  async mute(source, muted) {
    if (!this.#sources.mute(source, muted)) return;
    try {
      await this.#tell("mute", { source, muted });
    } catch (error) {
      if (error.code === "forbidden") this.#sources.mute(source, true);
      throw error;
    }
  }

  /** A host muted it. @returns {boolean} whether that is new */
  mutedByHost(source) {
    return this.#sources.mute(source, true);
  }

  published(source) {
    return this.#sources.published(source);
  }

  /** Puts everything on a new connection. */
  begin(connection) {
    for (const [source, { track, choices }] of this.#sources.entries()) connection.send(source, track, choices);
  }

  /**
   * Makes the server's view ours.
   * @param {Record<string, {muted: boolean}>} known what it says that this participant publishes
   * @param {(source: string) => boolean} may whether it may be published
   */
  bringTogether(known, may) {
    for (const [type, fields] of this.#sources.difference(known)) {
      if (type !== "publish") this.#tell(type, fields).catch(console.warn);
      else if (may(fields.source)) this.#announce(fields.source, fields).catch(() => this.#tellGone(fields.source));
      else this.withdrawn({ source: fields.source, reason: "not_allowed" });
    }
  }

  /** The server took a source away. */
  withdrawn({ source, reason, by = null }) {
    if (!this.#sources.delete(source)) return;
    this.#connection()?.send(source, null);
    this.#tellGone(source, reason, by);
  }

  clear() {
    this.#sources.clear();
  }

  async #announce(source, fields) {
    try {
      await this.#tell("publish", { source, ...fields });
    } catch (error) {
      if (error.code !== "timeout" && this.#sources.delete(source)) await this.#connection()?.send(source, null);
      throw error;
    }
  }

  #tellGone(source, reason = "not_allowed", by = null) {
    if (!this.#sources.published(source)) this.#emit("unpublished", { source, reason, by });
  }

  #ended(source) {
    this.unpublish(source).catch(console.warn);
    this.#emit("source-ended", { source });
  }
}
