/**
 * Which elements of the page show which video, how large and whether they can be seen: what the server is told by
 * `layout` (docs/signaling.md, "Layout"), so that nobody is sent pixels that nobody looks at. Says nothing at all
 * until the first element is shown to it: a page that does not care gets full pictures.
 *
 * @typedef {{participantId: string, source: string, pinned: boolean, fps: number|null, inView: boolean}} View
 * @typedef {{mid: string, width: number, height: number, fps: number, pinned: boolean}} Tile
 */

/** Several changes at once (a grid that is arranged anew) become one message. */
const SETTLE_MS = 60;
/** While a window is being resized: two and a half messages a second. */
const INTERVAL_MS = 400;
/** Between two pages that somebody turns. */
const URGENT_INTERVAL_MS = 120;
/** A glance at another tab costs no keyframe. */
const HIDE_AFTER_MS = 2_000;
/** Of the protocol. */
const MAX_SIDE = 16_384;
const MAX_FPS = 120;
/** Where the page says nothing of it. A picture that is no higher than this shows faces, and hardly movement. */
const FPS = 30;
const SMALL_FPS = 15;
const SMALL_PX = 200;
/** Sizes are told in steps: a tile that breathes by a pixel is the same tile. */
const STEP = 8;

export class Views {
  /** @type {Map<Element, View>} */
  #views = new Map();
  /** What the page asks for beside its tiles, in the words of the protocol. */
  asked = {};
  #said = null;
  #saidAt = -Infinity;
  #cares = false;
  #hidden = isHidden();
  #timer = 0;
  #hideTimer = 0;
  #midOf;
  #say;
  #sizes = new ResizeObserver(() => this.changed());
  #visibility = new IntersectionObserver((entries) => this.#onVisibility(entries));
  #onHidden = () => this.#hiddenChanged();
  #onChange = () => this.changed();

  /**
   * @param {(participantId: string, source: string) => string|null} midOf the slot that shows a source, if one does
   * @param {(layout: {tiles: Tile[], hidden: boolean}) => Promise<boolean>} say whether it reached the server
   */
  constructor(midOf, say) {
    this.#midOf = midOf;
    this.#say = say;
  }

  /** The element shows this source from now on; see `Meeting.observe`. */
  observe(element, participantId, source, { pinned = false, fps = null } = {}) {
    const known = this.#views.get(element);
    const view = { participantId, source, pinned: Boolean(pinned), fps: fps && clampFps(fps), inView: known?.inView ?? true };
    if (known && same(known, view)) return;
    this.#views.set(element, view);
    if (!known) this.#begin(element);
    this.changed();
  }

  /** The element shows nothing any more. */
  unobserve(element) {
    if (!this.#views.delete(element)) return;
    this.#sizes.unobserve(element);
    this.#visibility.unobserve(element);
    element.removeEventListener("resize", this.#onChange);
    this.changed();
  }

  /**
   * Another view, page or pin is asked for: told at once, because somebody waits for it.
   * @param {{mode?: string, page?: number, pins?: {participant_id: string, source: string}[]}} asked
   */
  ask(asked) {
    if (JSON.stringify(asked) === JSON.stringify(this.asked)) return;
    this.asked = asked;
    this.#listen();
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.changed(this.#saidAt + URGENT_INTERVAL_MS - performance.now());
  }

  /** Something that counts may have changed: it is told soon, and at most every `INTERVAL_MS`. */
  changed(earliest = this.#saidAt + INTERVAL_MS - performance.now()) {
    if (!this.#cares || this.#timer) return;
    this.#timer = setTimeout(() => this.#tell(), Math.max(SETTLE_MS, earliest));
  }

  /** The server may not know anything (a new session, a socket that came back). */
  forgotten() {
    this.#said = null;
    this.changed();
  }

  close() {
    this.#cares = false;
    clearTimeout(this.#timer);
    clearTimeout(this.#hideTimer);
    this.#sizes.disconnect();
    this.#visibility.disconnect();
    for (const element of this.#views.keys()) element.removeEventListener("resize", this.#onChange);
    this.#views.clear();
    document.removeEventListener("visibilitychange", this.#onHidden);
    removeEventListener("resize", this.#onChange);
  }

  /** @returns {{tiles: Tile[], hidden: boolean, mode?: string, page?: number, pins?: object[]}} what is to be told */
  layout() {
    /** @type {Map<string, Tile>} */
    const tiles = new Map();
    for (const [element, view] of this.#views) {
      const mid = this.#midOf(view.participantId, view.source);
      if (mid === null) continue;
      const [width, height] = view.inView || inPicture(element) ? drawnSize(element) : [0, 0];
      const fps = view.fps ?? (height <= SMALL_PX && view.source === "camera" ? SMALL_FPS : FPS);
      const tile = { mid, width, height, fps, pinned: view.pinned };
      const other = tiles.get(mid);
      tiles.set(mid, other ? larger(other, tile) : tile);
    }
    const isSeen = [...this.#views.keys()].some(inPicture);
    return { tiles: [...tiles.values()], hidden: this.#hidden && !isSeen, ...this.asked };
  }

  async #tell() {
    this.#timer = 0;
    const layout = this.layout();
    const text = JSON.stringify(layout);
    if (text === this.#said) return;
    this.#said = text;
    this.#saidAt = performance.now();
    // Not told: `forgotten` follows when the socket is back; a refusal is tried again with the next change.
    if (!(await this.#say(layout)) && this.#said === text) this.#said = null;
  }

  #listen() {
    if (this.#cares) return;
    this.#cares = true;
    document.addEventListener("visibilitychange", this.#onHidden);
    // Zoom, and a window that moves to a screen of other density.
    addEventListener("resize", this.#onChange);
  }

  #begin(element) {
    this.#listen();
    this.#sizes.observe(element);
    this.#visibility.observe(element);
    // A video's own size, and with it how it is drawn.
    element.addEventListener("resize", this.#onChange);
  }

  #onVisibility(entries) {
    for (const { target, isIntersecting } of entries) {
      const view = this.#views.get(target);
      if (view) view.inView = isIntersecting;
    }
    this.changed();
  }

  #hiddenChanged() {
    clearTimeout(this.#hideTimer);
    const become = () => {
      this.#hidden = isHidden();
      this.changed();
    };
    if (isHidden()) this.#hideTimer = setTimeout(become, HIDE_AFTER_MS);
    else become();
  }
}

/**
 * The size in device pixels at which an element draws its picture: a video that covers a narrow box is drawn wider
 * than the box.
 * @param {Element} element
 * @returns {[number, number]} 0 x 0 where there is no box
 */
export function drawnSize(element) {
  const { clientWidth, clientHeight, videoWidth = 0, videoHeight = 0 } = pictureWindowOf(element) ?? element;
  const ratio = globalThis.devicePixelRatio || 1;
  const box = [clientWidth * ratio, clientHeight * ratio];
  if (!box[0] || !box[1]) return [0, 0];
  const fit = videoWidth && videoHeight ? getComputedStyle(element).objectFit : "fill";
  const scales = [box[0] / videoWidth, box[1] / videoHeight];
  if (fit === "cover") return scaled(videoWidth, videoHeight, Math.max(...scales));
  if (fit === "contain" || fit === "scale-down") return scaled(videoWidth, videoHeight, Math.min(...scales));
  return scaled(...box, 1);
}

function scaled(width, height, scale) {
  return [width, height].map((side) => Math.min(MAX_SIDE, Math.ceil((side * scale) / STEP) * STEP));
}

/** A floating window (picture-in-picture) is seen whatever becomes of the tab. */
function inPicture(element) {
  return document.pictureInPictureElement === element;
}

/** @returns {{clientWidth: number, clientHeight: number}|null} */
function pictureWindowOf(element) {
  if (!inPicture(element)) return null;
  // Its window's size is told by an event only; this is about what people make it.
  return { clientWidth: 640, clientHeight: 360 };
}

function isHidden() {
  return document.visibilityState === "hidden";
}

function clampFps(fps) {
  return Math.min(MAX_FPS, Math.max(1, Number(fps) || FPS));
}

/** One source in two places: the larger counts, and a pin anywhere. */
function larger(one, other) {
  const best = one.width * one.height >= other.width * other.height ? one : other;
  return { ...best, fps: Math.max(one.fps, other.fps), pinned: one.pinned || other.pinned };
}

function same(one, other) {
  return one.participantId === other.participantId && one.source === other.source && one.pinned === other.pinned &&
    one.fps === other.fps;
}
