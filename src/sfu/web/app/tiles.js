/**
 * All tiles: keeps those that are on the screen in step with the meeting and with what the person chose, arranges
 * them, and says to the SDK what is shown. However often it is told that something changed, it works once a frame, and
 * touches only tiles that changed.
 *
 * Event: `scene`: other tiles, another page, other pages (see `scene`).
 */
import { h } from "./dom.js";
import { galleryPlaces, grid, stage, stripPlaces } from "./layout.js";
import { MainSpeaker } from "./main_speaker.js";
import { modelOf } from "./models.js";
import { settle } from "./order.js";
import { compose, keyOf, MORE, videoOf } from "./scene.js";
import { MoreTile, Tile } from "./tile.js";
import { VoiceMarks } from "./voice_marks.js";

/** As in style.css. */
const PAGER_HEIGHT = 44;
/** The page draws no frames in the background, and yet a picture-in-picture window has to be told what to show. */
const HIDDEN_INTERVAL_MS = 200;

export class Tiles extends EventTarget {
  /** @type {import("./scene.js").Scene|null} what is on the screen */
  scene = null;
  /** @type {string[]} keys of the others' screens, the newest last */
  screens = [];
  #meeting;
  #media;
  #choices;
  #onMore;
  /** @type {Map<string, Tile|MoreTile>} */
  #tiles = new Map();
  /** @type {Map<string, Tile>} of those whose picture comes and who are not on the screen: they play unseen */
  #ready = new Map();
  #main = new MainSpeaker();
  #marks;
  /** What the places in the gallery belong to: where it changes, everybody is placed anew. */
  #standingOf = "";
  #dominant = null;
  #size = { w: 0, h: 0 };
  #isScheduled = false;
  #isClosed = false;
  #timer = 0;
  #observer = new ResizeObserver(([{ contentRect }]) => this.#resized(contentRect));

  /**
   * @param {import("../sdk/sfu.js").Meeting} meeting
   * @param {import("./local_media.js").LocalMedia} media
   * @param {import("./choices.js").Choices} choices
   * @param {() => void} onMore shows the list of all participants
   */
  constructor(meeting, media, choices, onMore) {
    super();
    this.#meeting = meeting;
    this.#media = media;
    this.#choices = choices;
    this.#onMore = onMore;
    this.#marks = new VoiceMarks(meeting, (key, isHeard) => this.#tiles.get(key)?.setHeard?.(isHeard));
    this.element = h("div.tiles", { role: "list", "aria-label": "Participants" });
    this.#observer.observe(this.element);
    choices.addEventListener("change", () => this.refresh());
  }

  /** Arranges everything at once, so that a join can say how many videos there is room for. */
  layOut() {
    const { clientWidth: w, clientHeight: h } = this.element;
    this.#size = { w, h };
    this.#work();
  }

  /** Something changed: everything is looked at again with the next frame. */
  refresh() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    if (document.hidden) setTimeout(() => this.#work(), HIDDEN_INTERVAL_MS);
    else requestAnimationFrame(() => this.#work());
  }

  /** Only who speaks changed: in the gallery nobody moves, in the speaker view nobody waits for a frame. */
  refreshSpeakers() {
    if (this.scene === null) return;
    if (this.#choices.mode === "speaker" && this.#meeting.speakers.dominant !== this.#main.current) return this.#work();
    this.#frameDominant();
    this.dispatchEvent(new Event("scene"));
  }

  isShown(key) {
    return this.#tiles.has(key);
  }

  close() {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#observer.disconnect();
    this.#marks.close();
    for (const tile of [...this.#tiles.values(), ...this.#ready.values()]) tile.remove();
    this.#tiles.clear();
    this.#ready.clear();
  }

  #resized({ width, height }) {
    if (width === this.#size.w && height === this.#size.h) return;
    this.#size = { w: width, h: height };
    this.refresh();
  }

  #work() {
    this.#isScheduled = false;
    if (this.#isClosed || this.#meeting.state === "closed") return;
    this.#marks.meter(this.#media.microphone);
    if (this.#size.w === 0 || this.#size.h === 0) return;
    const situation = this.#situation();
    const scene = compose(situation, this.#standing(situation));
    this.scene = scene;
    if (this.#choices.mode === "gallery") this.#choices.page = scene.page;
    this.#sync([...scene.large, ...scene.small], scene.more);
    this.#arrange(scene);
    this.#frameDominant();
    this.#tellServer(scene);
    this.dispatchEvent(new Event("scene"));
    this.#keepReady(situation);
  }

  /** @returns {import("./scene.js").Situation} */
  #situation() {
    const meeting = this.#meeting;
    const videos = meeting.videos();
    const people = new Map(meeting.participants);
    people.delete(meeting.participantId);
    const screens = screensOf(people, videos);
    this.screens = settle(this.screens.filter((key) => screens.has(key)), [...screens]);
    const own = this.#media.screen ? ["self/screen", "self"] : ["self"];
    const present = new Set([...own, ...screens, ...people.keys(), ...videos.map(keyOf)]);
    this.#choices.keepOnly((key) => present.has(key));
    return {
      videos,
      people,
      unknown: Math.max(0, meeting.total - meeting.participants.size),
      total: meeting.paging.videos,
      most: meeting.permissions.maxVideo,
      screens: this.screens,
      own,
      choices: this.#chosen(present),
      recent: meeting.speakers.recent,
      main: this.#mainSpeaker(videos, people),
      places: this.#places(),
    };
  }

  /** Who has pinned nobody sees in front who is in the spotlight. */
  #chosen(present) {
    const { mode, page, pins, screen } = this.#choices;
    const lit = pins.length > 0 ? pins : this.#meeting.moderation.spotlight.filter((id) => present.has(id));
    return { mode, page, pins: lit, screen };
  }

  /** How many fit without the buttons for pages: with them there are as many, so that they do not come and go. */
  #places() {
    const { w, h } = this.#size;
    const whole = { w, h: h + (this.scene?.pages > 1 ? PAGER_HEIGHT : 0) };
    return { gallery: galleryPlaces(whole, this.#choices.tiles), strip: stripPlaces(whole) };
  }

  #mainSpeaker(videos, people) {
    const main = this.#main;
    const { dominant } = this.#meeting.speakers;
    const isThere = (id) => people.has(id) || videos.some(({ participantId }) => participantId === id);
    if (main.current !== null && !isThere(main.current)) main.forget();
    const isPictured = (id) => videos.some(({ participantId, source }) => participantId === id && source === "camera");
    const hasCamera = (id) => people.get(id)?.sources.camera?.muted === false;
    const other = dominant !== null && dominant !== this.#meeting.participantId && isThere(dominant) ? dominant : null;
    const wait = main.follow(other, (id) => isPictured(id) || !hasCamera(id), performance.now());
    clearTimeout(this.#timer);
    if (wait !== null) this.#timer = setTimeout(() => this.refresh(), wait);
    if (main.current !== null) return main.current;
    const first = videos.find(({ source }) => source === "camera")?.participantId;
    return first ?? people.keys().next().value ?? null;
  }

  /** Tiles keep their places while people come and go; another page or view is another order. */
  #standing({ places }) {
    const { mode, page, tiles } = this.#choices;
    const standingOf = JSON.stringify([mode, page, tiles, places]);
    const isSame = standingOf === this.#standingOf;
    this.#standingOf = standingOf;
    return isSame ? this.scene?.standing : undefined;
  }

  #sync(keys, more) {
    const wanted = new Set(keys);
    for (const [key, tile] of this.#tiles) {
      if (wanted.has(key)) continue;
      if (tile.video) this.#meeting.unobserve(tile.video);
      tile.remove();
      this.#tiles.delete(key);
    }
    for (const key of keys) this.#tile(key).update(modelOf(key, this.#meeting, this.#media, more));
    this.#putInOrder(keys);
  }

  #tile(key) {
    const existing = this.#tiles.get(key);
    if (existing) return existing;
    const tile = key === MORE ? new MoreTile(this.#onMore) : (this.#ready.get(key) ?? this.#newTile(key));
    this.#ready.delete(key);
    tile.setHeard?.(this.#marks.isHeard(key));
    this.#tiles.set(key, tile);
    this.element.append(tile.element);
    return tile;
  }

  #newTile(key) {
    return new Tile(() => this.#choices.togglePin(key));
  }

  /** Where who speaks is large, a picture that comes and is not shown plays unseen: who gets the floor is seen at once. */
  #keepReady({ videos }) {
    const keys = this.#choices.mode === "speaker" ? videos.map(keyOf).filter((key) => !this.#tiles.has(key)) : [];
    for (const [key, tile] of this.#ready) {
      if (keys.includes(key)) continue;
      tile.remove();
      this.#ready.delete(key);
    }
    for (const key of keys) {
      if (!this.#ready.has(key)) this.#ready.set(key, this.#newTile(key));
      this.#ready.get(key).update(modelOf(key, this.#meeting, this.#media, 0));
    }
  }

  /** For those who go through the page by keyboard, or listen to it. */
  #putInOrder(keys) {
    let next = this.element.firstElementChild;
    for (const key of keys) {
      const { element } = this.#tiles.get(key);
      if (element === next) next = next.nextElementSibling;
      else move(this.element, element, next);
    }
  }

  #arrange({ large, small }) {
    const box = { x: 0, y: 0, ...this.#size };
    const isStaged = large.length > 0;
    this.element.classList.toggle("following", this.#choices.mode === "speaker" && isStaged);
    const rects = isStaged ? stage(large.length, small.length, box) : { large: [], small: grid(small.length, box) };
    large.forEach((key, index) => this.#place(key, rects.large[index], true));
    small.forEach((key, index) => this.#place(key, rects.small[index], false));
  }

  #place(key, rect, isLarge) {
    const tile = this.#tiles.get(key);
    tile.setLarge?.(isLarge);
    tile.place(rect);
    tile.setPinned?.(this.#choices.isPinned(key));
  }

  /** One frame, and none where there is only one other: who else should it be? */
  #frameDominant() {
    const { speakers, participantId, total } = this.#meeting;
    const key = speakers.dominant === participantId ? "self" : speakers.dominant;
    const dominant = total > 2 ? key : null;
    if (dominant !== this.#dominant) this.#tiles.get(this.#dominant)?.setDominant?.(false);
    this.#dominant = dominant;
    this.#tiles.get(dominant)?.setDominant?.(true);
  }

  /** What is shown where, so that as much is sent as can be seen. */
  #tellServer({ large, small, cameraPage, videos }) {
    for (const key of [...large, ...small]) {
      const { video } = this.#tiles.get(key);
      if (!video || key.startsWith("self")) continue;
      const { participantId, source } = videoOf(key);
      this.#meeting.observe(video, participantId, source, { pinned: large.includes(key) });
    }
    const { mode, pins } = this.#choices;
    const others = pins.filter((key) => !key.startsWith("self")).map(videoOf);
    this.#meeting.view({ mode, page: cameraPage, pins: others, videos });
  }
}

/** @returns {Set<string>} keys of the screens that others share */
function screensOf(people, videos) {
  const keys = new Set();
  for (const [id, { sources }] of people) if (sources.screen) keys.add(`${id}/screen`);
  for (const video of videos) if (video.source === "screen") keys.add(keyOf(video));
  return keys;
}

/** Without a stop of the picture where the browser can. */
function move(parent, element, before) {
  if (parent.moveBefore) parent.moveBefore(element, before);
  else parent.insertBefore(element, before);
}
