/**
 * Who is on the screen: a pure function from what there is and what the person chose to the tiles that are shown, large
 * and small, in their order. Knows nothing of pixels or pictures.
 *
 * A tile has a key: a participant's id for the camera, `id/screen` for the screen, `self` and `self/screen` for one's
 * own, and `more` for those who are not shown one by one.
 *
 * @typedef {object} Situation
 * @property {{participantId: string, source: string}[]} videos remote videos that are received, in the order of slots
 * @property {Map<string, import("../sdk/roster.js").Participant>} people those who are known, without oneself
 * @property {number} unknown how many more there are
 * @property {number} total how many remote videos there are, received or not
 * @property {string[]} screens keys of the others' screens, the newest last
 * @property {string[]} own keys of one's own tiles
 * @property {{mode: "gallery"|"speaker", page: number, pins: string[], screen: string|null}} choices
 * @property {string[]} recent ids of those who spoke last, the newest first
 * @property {string|null} main key of whom the speaker view shows
 * @property {number} most how many videos may be received at once
 * @property {{gallery: number, strip: number}} places tiles that fit, oneself among them
 *
 * @typedef {object} Scene
 * @property {string[]} large
 * @property {string[]} small
 * @property {{front: string[], back: string[]}} standing of the small ones: with a picture, and without
 * @property {number} page
 * @property {number} pages
 * @property {number} cameraPage the page to ask the server for
 * @property {number} videos how many videos are shown at once
 * @property {number} more how many nobody shows one by one, whatever the page
 */
import { settle } from "./order.js";
import { paginate } from "./pages.js";

/** People without a picture whose initials are shown; the others are counted. */
const MOST_FACES = 98;

/** Videos that the speaker view receives beside those that it shows: who speaks again is seen at once. */
const WARM = 2;

export const MORE = "more";

export function keyOf({ participantId, source }) {
  return source === "screen" ? `${participantId}/screen` : participantId;
}

/** @returns {{participantId: string, source: "camera"|"screen"}} whose video a key stands for */
export function videoOf(key) {
  const [participantId, screen] = key.split("/");
  return { participantId, source: screen ? "screen" : "camera" };
}

/**
 * @param {Situation} situation
 * @param {{front: string[], back: string[]}} [before] as they stood, where nothing but people has changed since
 * @returns {Scene}
 */
export function compose(situation, before = { front: [], back: [] }) {
  const { choices, own, places, screens } = situation;
  const large = largeKeys(situation);
  const isTaken = (key) => large.includes(key);
  const ownSmall = own.filter((key) => !isTaken(key));
  const aside = screens.filter((key) => !isTaken(key));
  const room = large.length > 0 ? places.strip : places.gallery;
  const groups = groupsOf(situation, isTaken);
  const pinned = large.filter((key) => isCamera(key) && choices.pins.includes(key) && hasCamera(situation, key));
  const always = screens.length + pinned.length + (isMain(situation) ? 1 : 0);
  const perPage = Math.max(1, Math.min(room - ownSmall.length - aside.length, situation.most - always));
  const turned = choices.mode === "gallery"
    ? page(groups, { perPage, page: choices.page, cameras: situation.total - screens.length - pinned.length })
    : fill(groups, perPage, situation.recent);
  const front = settle(before.front, [...aside, ...turned.front]);
  const back = settle(before.back, turned.back);
  return {
    large,
    small: [...front, ...back, ...ownSmall],
    standing: { front, back },
    page: turned.page,
    pages: turned.pages,
    cameraPage: turned.cameraPage,
    videos: Math.min(situation.most, always + perPage + (isMain(situation) ? WARM : 0)),
    more: groups.more,
  };
}

/** Whether it is the speaker who is large: nothing that was chosen is. */
function isMain({ choices, screens }) {
  return choices.mode === "speaker" && screens.length + choices.pins.length === 0;
}

/** A screen and who is pinned; in the speaker view else who speaks. */
function largeKeys({ choices, screens, main, own }) {
  const screen = screens.includes(choices.screen) ? choices.screen : (screens.at(-1) ?? null);
  const chosen = new Set([...(screen && !choices.pins.includes(screen) ? [screen] : []), ...choices.pins]);
  if (chosen.size > 0) return [...chosen];
  if (choices.mode !== "speaker") return [];
  return [main ?? own.at(-1)];
}

function isCamera(key) {
  return !key.endsWith("/screen") && key !== "self";
}

function hasCamera({ people, videos }, key) {
  const camera = people.get(key)?.sources.camera;
  return Boolean(camera && !camera.muted) || videos.some((video) => keyOf(video) === key);
}

/** Those who are not large: with a picture that is here, with one that is not, and without. */
function groupsOf({ videos, people, unknown }, isTaken) {
  const here = videos.map(keyOf).filter((key) => isCamera(key) && !isTaken(key));
  const isHere = new Set(here);
  const away = [];
  const faces = [];
  for (const [id, { sources }] of people) {
    if (isHere.has(id) || isTaken(id)) continue;
    if (sources.camera && !sources.camera.muted) away.push(id);
    else if (faces.length < MOST_FACES) faces.push(id);
    else unknown += 1;
  }
  return { here, away, faces: unknown > 0 ? [...faces, MORE] : faces, more: unknown };
}

/** One page; where all pictures fit on it, those too that are still on their way. */
function page({ here, away, faces }, { perPage, page: wanted, cameras }) {
  // What the server counts is a moment behind those who are known.
  const counted = Math.max(cameras, here.length, Math.min(perPage, here.length + away.length));
  const turned = paginate({ cameras: counted, others: faces.length, perPage, page: wanted });
  const isOnlyPage = turned.cameraPages <= 1;
  const pictures = isOnlyPage ? [...here, ...away] : here;
  const front = turned.page < turned.cameraPages ? pictures.slice(0, perPage) : [];
  return { ...turned, front, back: faces.slice(turned.from, turned.to) };
}

/** As many as there is room for: those who spoke last in any case. */
function fill({ here, away, faces }, room, recent) {
  const pictures = [...here, ...away];
  const rank = (key) => (recent.includes(key) ? recent.indexOf(key) : recent.length);
  const first = new Set([...pictures].sort((one, other) => rank(one) - rank(other)).slice(0, room));
  const front = pictures.filter((key) => first.has(key));
  return { front, back: faces.slice(0, room - front.length), page: 0, pages: 1, cameraPage: 0 };
}
