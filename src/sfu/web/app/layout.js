/**
 * Where tiles go, and how many fit: pure functions from counts and a box to rectangles.
 *
 * @typedef {{x: number, y: number, w: number, h: number}} Rect in CSS pixels
 * @typedef {{w: number, h: number}} Size
 */
export const GAP = 10;
/** Between these (width / height) a camera picture is cropped to its tile without losing the face. */
const NARROWEST = { wideBox: 1.2, tallBox: 0.75 };
const WIDEST = 16 / 9;
/** Share of the box that the strip beside the large tiles (in a tall box: below) takes, and its bounds in pixels. */
const STRIP = { wideBox: { share: 0.22, min: 132, max: 300 }, tallBox: { share: 0.16, min: 92, max: 170 } };
/** Tiles that are comfortable to look at: a share of the box, within bounds in pixels; and the smallest that still show
 * who it is. */
const COMFORTABLE = { share: 1 / 6, min: 160, max: 220 };
const SMALLEST = { w: 130, h: 73 };
const PORTRAIT = { w: 150, h: 135 };
/** On a phone held upright: two columns of three. */
const PHONE = { width: 560, tiles: 6 };
/** Tiles of a strip at the side may be narrower than it by so much, where one more fits then. */
const STRIP_SHRUNK = 0.85;
/** The narrowest tile of a strip that lies below. */
const STRIP_TILE = 108;
/** Most tiles on a page, and what a person may choose instead of "as fits". */
export const MOST_TILES = 49;
export const TILE_CHOICES = Object.freeze([4, 9, 16, 25, MOST_TILES]);

const shapeOf = ({ w, h }) => (w > h * 1.1 ? "wideBox" : "tallBox");

/** @returns {Rect[]} the arrangement of `count` equal tiles that makes them largest and crops pictures least */
export function grid(count, box) {
  let best = { columns: 1, worth: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const { w, h } = cellOf(count, columns, box);
    const cropped = 1 - Math.min(1, w / h / WIDEST);
    const worth = w * h * (1 - cropped / 2);
    if (worth > best.worth) best = { columns, worth };
  }
  return gridOf(count, best.columns, box);
}

/** @returns {Size & {rows: number}} */
function cellOf(count, columns, box) {
  const rows = Math.ceil(count / columns);
  let w = Math.max(1, (box.w - GAP * (columns - 1)) / columns);
  let h = Math.max(1, (box.h - GAP * (rows - 1)) / rows);
  if (w / h > WIDEST) w = h * WIDEST;
  const narrowest = box.w > box.h ? NARROWEST.wideBox : NARROWEST.tallBox;
  if (w / h < narrowest) h = w / narrowest;
  return { w, h, rows };
}

function gridOf(count, columns, box) {
  const { w, h, rows } = cellOf(count, columns, box);
  const top = box.y + (box.h - rows * h - GAP * (rows - 1)) / 2;
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns);
    const inRow = row === rows - 1 ? count - row * columns : columns;
    const left = box.x + (box.w - inRow * w - GAP * (inRow - 1)) / 2;
    return { x: left + (index % columns) * (w + GAP), y: top + row * (h + GAP), w, h };
  });
}

/**
 * @param {number} large how many are shown large, at least one
 * @param {number} small how many stand in the strip beside them, or below them in a tall box
 * @param {Rect} box
 * @returns {{large: Rect[], small: Rect[]}}
 */
export function stage(large, small, box) {
  if (small === 0) return { large: areas(large, box), small: [] };
  const { main, strip } = split(box);
  return { large: areas(large, main), small: grid(small, strip) };
}

/** One alone has the whole area: a screen needs every pixel. */
function areas(count, box) {
  return count === 1 ? [box] : grid(count, box);
}

/** @returns {{main: Rect, strip: Rect}} */
function split(box) {
  const isWide = shapeOf(box) === "wideBox";
  const along = isWide ? box.w : box.h;
  const { share, min, max } = STRIP[shapeOf(box)];
  const strip = Math.min(max, Math.max(min, along * share), along / 2);
  if (isWide) {
    return {
      main: { ...box, w: box.w - strip - GAP },
      strip: { x: box.x + box.w - strip, y: box.y, w: strip, h: box.h },
    };
  }
  return {
    main: { ...box, h: box.h - strip - GAP },
    strip: { x: box.x, y: box.y + box.h - strip, w: box.w, h: strip },
  };
}

/** How many tiles of at least this size fit. */
function fitting(box, { w, h }) {
  const columns = Math.max(1, Math.floor((box.w + GAP) / (w + GAP)));
  return columns * Math.max(1, Math.floor((box.h + GAP) / (h + GAP)));
}

function comfortable(box) {
  const w = Math.min(COMFORTABLE.max, Math.max(COMFORTABLE.min, box.w * COMFORTABLE.share));
  return { w, h: w / WIDEST };
}

/**
 * @param {Size} box
 * @param {number} [choice] of `TILE_CHOICES`; 0: as many as are comfortable to look at
 * @returns {number} tiles on a page of the gallery, 2..49: oneself is one of them
 */
export function galleryPlaces(box, choice = 0) {
  const isTall = shapeOf(box) === "tallBox";
  const size = isTall ? PORTRAIT : choice ? SMALLEST : comfortable(box);
  const most = isTall && box.w < PHONE.width ? PHONE.tiles : MOST_TILES;
  return Math.max(2, Math.min(choice || most, most, fitting(box, size)));
}

/** @param {Size} box @returns {number} tiles of the strip beside the large ones, at least 2 */
export function stripPlaces(box) {
  const { strip } = split({ x: 0, y: 0, ...box });
  const isWide = shapeOf(box) === "wideBox";
  const size = isWide ? { w: strip.w, h: (STRIP_SHRUNK * strip.w) / WIDEST } : { w: STRIP_TILE, h: strip.h };
  return Math.max(2, Math.min(MOST_TILES, fitting(strip, size)));
}
