/**
 * Who came and who left, in a few words: the first at once, those who follow together, and nothing at all in a meeting
 * where it would never end.
 */

/** Above this nobody wants to know. */
const CROWD = 50;
const GATHER_MS = 2_500;
/** More than this many are counted, not named. */
const MOST_NAMES = 2;

export class Gathering {
  #what;
  #say;
  #names = [];
  #timer = 0;

  /**
   * @param {string} what "joined", "left"
   * @param {(text: string) => void} say
   */
  constructor(what, say) {
    this.#what = what;
    this.#say = say;
  }

  /** @param {string} name @param {number} total how many are in the meeting */
  add(name, total) {
    if (total > CROWD) return;
    this.#names.push(name);
    if (this.#timer) return;
    this.#tell();
    this.#timer = setTimeout(() => this.#next(), GATHER_MS);
  }

  close() {
    clearTimeout(this.#timer);
    this.#names = [];
  }

  #next() {
    this.#timer = 0;
    if (this.#names.length === 0) return;
    this.#tell();
    this.#timer = setTimeout(() => this.#next(), GATHER_MS);
  }

  #tell() {
    this.#say(sentence(this.#names, this.#what));
    this.#names = [];
  }
}

/** @returns {string} "Ada joined", "Ada and Bo joined", "12 people joined" */
export function sentence(names, what) {
  const who = names.length > MOST_NAMES ? `${names.length} people` : names.join(" and ");
  return `${who} ${what}`;
}
