/**
 * What hosts and co-hosts see and do at the meeting's door; see "At the door" in docs/signaling.md. Knows nobody for
 * everybody else.
 *
 * Event: `change`.
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

  /** Removes a participant for good: the same identity, token or browser does not come back. */
  remove(participantId) {
    return this.#request("remove", { participant_id: participantId });
  }

  /** For the SDK: this participant's role, now or again. */
  become(role) {
    const leads = role === "host" || role === "cohost";
    if (leads) this.#look();
    else if (this.#leads) this.#set([], 0);
    this.#leads = leads;
  }

  /** For the SDK: a notification. */
  notify(message) {
    if (message.type === "lock") {
      this.locked = message.locked;
      return this.#changed();
    }
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
