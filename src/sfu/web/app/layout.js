/**
 * Where tiles go: pure functions from a count and a box to rectangles.
 *
 * @typedef {{x: number, y: number, w: number, h: number}} Rect in CSS pixels
 */
const GAP = 10;
/** Between these (width / height) a camera picture is cropped to its tile without losing the face. */
const NARROWEST = { wideBox: 1.2, tallBox: 0.75 };
const WIDEST = 16 / 9;
/** Share of the box that the strip beside a stage takes, and its bounds in pixels. */
const STRIP = { share: 0.22, min: 132, max: 300 };

/** @returns {Rect[]} the arrangement of `count` equal tiles that makes them largest */
export function grid(count, box) {
  let best = [];
  let bestArea = 0;
  for (let columns = 1; columns <= count; columns += 1) {
    const rects = gridOf(count, columns, box);
    const area = rects[0].w * rects[0].h;
    if (area > bestArea) [best, bestArea] = [rects, area];
  }
  return best;
}

function gridOf(count, columns, box) {
  const rows = Math.ceil(count / columns);
  let w = Math.max(1, (box.w - GAP * (columns - 1)) / columns);
  let h = Math.max(1, (box.h - GAP * (rows - 1)) / rows);
  if (w / h > WIDEST) w = h * WIDEST;
  const narrowest = box.w > box.h ? NARROWEST.wideBox : NARROWEST.tallBox;
  if (w / h < narrowest) h = w / narrowest;
  const top = box.y + (box.h - rows * h - GAP * (rows - 1)) / 2;
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns);
    const inRow = row === rows - 1 ? count - row * columns : columns;
    const left = box.x + (box.w - inRow * w - GAP * (inRow - 1)) / 2;
    return { x: left + (index % columns) * (w + GAP), y: top + row * (h + GAP), w, h };
  });
}

/** @returns {Rect[]} the tile `stage` large, the others in a strip beside it, or below it in a tall box */
export function stage(count, stageIndex, box) {
  if (count === 1) return [box];
  const wide = box.w > box.h * 1.1;
  const along = wide ? box.w : box.h;
  const strip = Math.min(STRIP.max, Math.max(STRIP.min, along * STRIP.share), along / 2);
  const large = wide ? { ...box, w: box.w - strip - GAP } : { ...box, h: box.h - strip - GAP };
  const rest = wide
    ? { x: box.x + box.w - strip, y: box.y, w: strip, h: box.h }
    : { x: box.x, y: box.y + box.h - strip, w: box.w, h: strip };
  const rects = grid(count - 1, rest);
  rects.splice(stageIndex, 0, large);
  return rects;
}
