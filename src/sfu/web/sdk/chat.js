/**
 * The chat of a meeting: its lines in their order, sending, deleting, older lines, who may write. What was missed while
 * the socket was away comes by itself. See "Chat" in docs/signaling.md.
 *
 * Events: `lines` (detail: `{added, changed, isNew}`: lines; `isNew`: they were said just now, else they are older ones),
 * `reset` (the lines of before are of another meeting under this name), `settings` (detail: the settings).
 *
 * @typedef {{seq: number, at: Date, participantId: string, name: string, text: string|null, to: string|null,
 *   toName: string|null}} Line `text` null: deleted; `to`: whom it is for, null: everybody
 * @typedef {{mode: "everyone"|"hosts"|"off", direct: boolean}} ChatSettings `direct`: whether one may write to one alone
 */
import { SfuError } from "./errors.js";

const PAGE = 50;
/** After so many lost sockets a line is given up. */
const MOST_TRIES = 4;
const BACK_WITHIN_MS = 30_000;
const LOST = new Set(["signaling_lost", "timeout"]);

export class Chat extends EventTarget {
  /** @type {Line[]} in their order */
  lines = [];
  /** @type {ChatSettings} */
  settings = Object.freeze({ mode: "everyone", direct: true });
  /** Whether there may be lines before the first one. */
  hasOlder = false;
  #request;
  #log = null;
  #last = 0;
  #before = 1;
  #participantId = null;
  /** @type {Set<{resolve: () => void, reject: (error: Error) => void}>} who waits for the socket */
  #waiting = new Set();

  /** @param {(type: string, fields: object) => Promise<object>} request */
  constructor(request) {
    super();
    this.#request = request;
  }

  /**
   * Says something, to everybody or to one. A lost socket is waited for: the line arrives once.
   * @param {string} text 1 to 2000 characters
   * @param {{to?: string|null}} [options] a participant's id
   * @returns {Promise<number>} its number; it comes by `lines` like everybody's
   * @throws {SfuError} `rate_limited`, `forbidden`, `bad_request`, `participant_not_found`
   */
  async send(text, { to = null } = {}) {
    const nonce = newNonce();
    for (let tries = 1; ; tries += 1) {
      try {
        return (await this.#request("chat", { text, to, nonce })).seq;
      } catch (error) {
        if (!LOST.has(error.code) || tries === MOST_TRIES) throw error;
        await this.#back();
      }
    }
  }

  /** Deletes a line. @throws {SfuError} `forbidden`: it is somebody else's, of no lower role; `message_not_found` */
  delete(seq) {
    return this.#request("chat_delete", { seq });
  }

  /** Older lines, before the first one that is there. @returns {Promise<Line[]>} */
  async loadOlder() {
    const log = this.#log;
    const { entries, more } = await this.#request("chat_history", { before: this.#before, limit: PAGE });
    if (log !== this.#log) return [];
    const added = entries.map(lineOf).filter(({ seq }) => seq < this.#before);
    this.hasOlder = more;
    if (added.length > 0) {
      this.#before = added[0].seq;
      this.lines = [...added, ...this.lines];
      this.#emit("lines", { added, changed: [], isNew: false });
    }
    return added;
  }

  /** Says who may write. @param {Partial<ChatSettings>} settings @throws {SfuError} `forbidden`: only hosts may */
  configure({ mode, direct }) {
    return this.#request("chat_settings", { mode, direct });
  }

  // for the meeting alone

  /** What `hello` says. */
  known() {
    return this.#log === null ? {} : { chat: { log: this.#log, after: this.#last } };
  }

  welcome({ log, seq, mode, direct }, participantId) {
    const isSame = participantId === this.#participantId;
    this.#participantId = participantId;
    if (log !== this.#log) this.#begin(log, seq);
    this.settle({ mode, direct });
    for (const { resolve, reject } of this.#waiting) {
      if (isSame) resolve();
      else reject(new SfuError("signaling_lost", "The message may not have been sent."));
    }
  }

  /** A `chat` notification. */
  apply(entries) {
    const added = [];
    const changed = [];
    for (const entry of entries) {
      if (entry.seq <= this.#last) continue;
      this.#last = entry.seq;
      if (entry.deletes === undefined) added.push(lineOf(entry));
      else changed.push(...this.#blank(entry.deletes, added));
    }
    this.lines.push(...added);
    if (added.length + changed.length > 0) this.#emit("lines", { added, changed, isNew: true });
  }

  settle({ mode, direct }) {
    if (mode === this.settings.mode && direct === this.settings.direct) return;
    this.settings = Object.freeze({ mode, direct });
    this.#emit("settings", this.settings);
  }

  close() {
    for (const { reject } of this.#waiting) reject(new SfuError("closed", "The meeting is over."));
  }

  #begin(log, seq) {
    const isFirst = this.#log === null;
    this.#log = log;
    this.#last = seq;
    this.#before = seq + 1;
    this.hasOlder = seq > 0;
    this.lines = [];
    if (!isFirst) this.#emit("reset", null);
  }

  #blank(seq, added) {
    for (const list of [added, this.lines]) {
      const index = list.findIndex((line) => line.seq === seq);
      if (index < 0) continue;
      list[index] = { ...list[index], text: null };
      return list === added ? [] : [list[index]];
    }
    return [];
  }

  #back() {
    const { promise, resolve, reject } = Promise.withResolvers();
    const waiter = { resolve, reject };
    this.#waiting.add(waiter);
    const late = setTimeout(() => reject(new SfuError("signaling_lost", "The message may not have been sent.")),
      BACK_WITHIN_MS);
    return promise.finally(() => {
      clearTimeout(late);
      this.#waiting.delete(waiter);
    });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** @returns {Line} */
function lineOf({ seq, at, participant_id: participantId, name, text, to = null, to_name: toName = null }) {
  return { seq, at: new Date(at), participantId, name, text, to, toName };
}

function newNonce() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
