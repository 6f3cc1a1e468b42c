/**
 * The list of participants as it is looked at: everybody, or those whose name matches a search. Where the SDK knows
 * everybody it is a matter of this page; in a large meeting pages come from the server, as far as somebody scrolls.
 *
 * Event: `change`.
 */

const PAGE = 100;
/** Typing is not searching. */
const SEARCH_PAUSE_MS = 180;
const RETRY_MS = 1_200;

export class Directory extends EventTarget {
  /** @type {import("../sdk/roster.js").Participant[]} the first rows, as far as they are loaded */
  rows = [];
  /** How many rows there are, loaded or not. */
  total = 0;
  isLoading = false;
  #meeting;
  #search = "";
  /** @type {Map<string, number>} id -> place in `rows` */
  #places = new Map();
  #next = null;
  /** An answer to an older question is none. */
  #generation = 0;
  #timer = 0;
  #isScheduled = false;
  #isClosed = false;
  #onRoster = ({ type, detail }) => this.#follow(type, detail.participant);
  #events = ["participant-joined", "participant-updated", "participant-left"];

  /** @param {import("../sdk/sfu.js").Meeting} meeting */
  constructor(meeting) {
    super();
    this.#meeting = meeting;
    for (const event of this.#events) meeting.addEventListener(event, this.#onRoster);
    this.#begin();
  }

  get search() {
    return this.#search;
  }

  /** @param {string} text part of a name; "": everybody */
  find(text) {
    if (text.trim() === this.#search) return;
    this.#search = text.trim();
    this.#generation += 1;
    clearTimeout(this.#timer);
    if (this.#knowsAll) this.#begin();
    else this.#timer = setTimeout(() => this.#begin(), SEARCH_PAUSE_MS);
  }

  /** Somebody looks at this row: what is missing before it is loaded. */
  need(index) {
    if (index < this.rows.length || this.#next === null || this.isLoading) return;
    this.#load(this.#generation);
  }

  close() {
    this.#isClosed = true;
    this.#generation += 1;
    clearTimeout(this.#timer);
    for (const event of this.#events) this.#meeting.removeEventListener(event, this.#onRoster);
  }

  get #knowsAll() {
    return this.#meeting.participants.size >= this.#meeting.total;
  }

  #begin() {
    this.#generation += 1;
    this.isLoading = false;
    this.#next = null;
    if (!this.#knowsAll) return this.#load(this.#generation);
    const everybody = [...this.#meeting.participants.values()];
    this.#show(this.#search ? everybody.filter(({ name }) => matches(name, this.#search)) : everybody);
  }

  async #load(generation) {
    this.isLoading = true;
    const after = this.#next;
    try {
      const page = await this.#meeting.searchParticipants({ after, limit: PAGE, search: this.#search });
      if (generation !== this.#generation) return;
      this.isLoading = false;
      this.#next = page.next;
      this.#show(after === null ? page.participants : [...this.rows, ...page.participants], page.total);
    } catch (error) {
      if (generation !== this.#generation) return;
      // `participant_not_found`: who ended the page before has left.
      if (error.code === "participant_not_found") this.#next = null;
      this.#timer = setTimeout(() => this.#load(generation), RETRY_MS);
    }
  }

  #show(rows, total = rows.length) {
    this.rows = rows;
    this.total = Math.max(total, rows.length);
    this.#places = new Map(rows.map(({ id }, index) => [id, index]));
    this.#changed();
  }

  /** What is loaded follows the meeting; who comes stands at the end, which may not be loaded yet. */
  #follow(type, participant) {
    const place = this.#places.get(participant.id);
    if (type === "participant-left") {
      if (place !== undefined) this.#show(this.rows.filter(({ id }) => id !== participant.id), this.total - 1);
      else if (!this.#search) this.total = Math.max(this.rows.length, this.#meeting.total);
    } else if (place !== undefined) {
      this.rows[place] = participant;
    } else if (this.#knowsAll) {
      if (this.#search === "" || matches(participant.name, this.#search)) this.#show([...this.rows, participant]);
    } else if (!this.#search) {
      this.total = Math.max(this.rows.length, this.#meeting.total);
      if (this.#next === null && !this.isLoading) this.#next = this.rows.at(-1)?.id ?? null;
    }
    this.#changed();
  }

  #changed() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    requestAnimationFrame(() => {
      this.#isScheduled = false;
      if (!this.#isClosed) this.dispatchEvent(new Event("change"));
    });
  }
}

/** Whether a word of the name begins so, or several words in a row; case and accents do not count. */
export function matches(name, search) {
  return ` ${folded(name)}`.includes(` ${folded(search)}`);
}

function folded(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().trim().replace(/\s+/g, " ");
}
