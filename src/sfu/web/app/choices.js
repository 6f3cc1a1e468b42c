/**
 * What the person chose to look at: the view, the page, who is pinned, which screen, how many tiles. The view and the
 * number are remembered in this browser.
 *
 * Event: `change`.
 */
import { TILE_CHOICES } from "./layout.js";
import { preferences, remember } from "./store.js";

/** Of the protocol. */
const MOST_PINS = 9;
const MODES = ["gallery", "speaker"];

export class Choices extends EventTarget {
  mode = MODES.includes(preferences().view) ? preferences().view : "gallery";
  /** 0: as many as fit. */
  tiles = TILE_CHOICES.includes(preferences().tiles) ? preferences().tiles : 0;
  page = 0;
  /** @type {string[]} keys, in the order in which they were pinned */
  pins = [];
  /** @type {string|null} key of the screen that was chosen among several */
  screen = null;

  setMode(mode) {
    if (mode === this.mode) return;
    this.mode = mode;
    this.page = 0;
    remember({ view: mode });
    this.#changed();
  }

  setTiles(tiles) {
    this.tiles = tiles;
    this.page = 0;
    remember({ tiles });
    this.#changed();
  }

  turnTo(page) {
    if (page === this.page) return;
    this.page = page;
    this.#changed();
  }

  chooseScreen(key) {
    this.screen = key;
    this.#changed();
  }

  isPinned(key) {
    return this.pins.includes(key);
  }

  /** Pins, or lets go; of too many pins the oldest goes. */
  togglePin(key) {
    const others = this.pins.filter((pinned) => pinned !== key);
    this.pins = this.isPinned(key) ? others : [...others.slice(1 - MOST_PINS), key];
    this.#changed();
  }

  unpinAll() {
    if (this.pins.length === 0) return;
    this.pins = [];
    this.#changed();
  }

  /** Lets go of tiles that are not there any more, without a word: nothing that is shown changes by it. */
  keepOnly(exists) {
    this.pins = this.pins.filter(exists);
    if (this.screen !== null && !exists(this.screen)) this.screen = null;
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
