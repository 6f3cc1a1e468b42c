/**
 * What hosts and co-hosts see and do at the meeting's door; see "At the door" in docs/signaling.md. Knows nobody for
 * everybody else.
 *
 * Events: `change`; `keptout`: others are kept out than before.
 *
 * @typedef {{id: string, name: string, known: boolean, since: string, reason: string}} Visitor `known`: a token says who
 *   it is
 */

/** More are counted, and come into view when others have gone in. */
const MOST = 200;

export class Door extends EventTarget {
  /** @type {Map<string, Visitor>} the first of those who wait, in order */
  waiting = new Map();
  /** How many wait. */
  total = 0;
  locked = false;
  #request;
  #leads = false;
  #asked = 0;

  /** @param {(type: string, fields?: object) => Promise<object>} request */
  constructor(request) {
    super();
    this.#request = request;
  }

  /** Lets somebody in. @throws {import("./errors.js").SfuError} `meeting_full`, `participant_not_found` */
  admit(waitingId) {
    return this.#request("admit", { waiting_id: waitingId });
  }

  /** Lets everybody in; for whom there is no place yet comes in when somebody leaves. */
  admitAll() {
    return this.#request("admit_all");
  }

  /** Sends somebody away; to ask again is no use for some minutes. */
  deny(waitingId) {
    return this.#request("deny", { waiting_id: waitingId });
  }

  /** Whether nobody but hosts comes in any more. */
  lock(locked) {
    return this.#request("lock", { locked });
  }

  /**
   * Whom hosts keep out, the last first: removed for good, or denied, until `until`. The event `keptout` says that it
   * has changed.
   * @param {{after?: string, limit?: number}} [page] `after`: the `next` of the page before
   * @returns {Promise<{kept_out: {id: string, name: string, reason: "removed"|"denied", at: string,
   *   until: string|null}[], next: string|null}>}
   */
  keptOut({ after, limit = MOST } = {}) {
    return this.#request("kept_out_list", { after, limit });
  }

  /** Lifts a removal or a denial: that one may come again, like everybody. @param {string} id of `keptOut` */
  readmit(id) {
    return this.#request("readmit", { kept_out_id: id });
  }

  /** Removes a participant for good: the same identity, token or browser does not come back, unless `readmit` says so. */
  remove(participantId) {
    return this.#request("remove", { participant_id: participantId });
  }

  /** For the SDK: this participant's role, now or again. */
  become(role) {
    const leads = role === "host" || role === "cohost";
    if (leads) {
      this.#look();
      this.dispatchEvent(new Event("keptout"));
    } else if (this.#leads) this.#set([], 0);
    this.#leads = leads;
  }

  /** For the SDK: a notification. */
  notify(message) {
    if (message.type === "lock") {
      this.locked = message.locked;
      return this.#changed();
    }
    if (message.type === "kept_out") return this.dispatchEvent(new Event("keptout"));
    for (const visitor of message.joined) if (this.waiting.size < MOST) this.waiting.set(visitor.id, visitor);
    for (const id of message.left) this.waiting.delete(id);
    this.total = message.total;
    if (this.waiting.size < Math.min(this.total, MOST / 2)) this.#look();
    this.#changed();
  }

  /** The truth, after a welcome and where too few are known. */
  async #look() {
    const asked = ++this.#asked;
    try {
      const { waiting, total, locked } = await this.#request("waiting_list", { limit: MOST });
      if (asked !== this.#asked) return;
      this.locked = locked;
      this.#set(waiting, total);
    } catch {
      // No host any more, or no socket: the next welcome asks again.
    }
  }

  #set(visitors, total) {
    this.waiting = new Map(visitors.map((visitor) => [visitor.id, visitor]));
    this.total = total;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
