/** All tiles: keeps them in step with the meeting, arranges them, and shows who speaks. */
import { h } from "./dom.js";
import { grid, stage } from "./layout.js";
import { LevelMeter, perceived } from "./meter.js";
import { isHeldBack, isSoft } from "./quality.js";
import { Tile } from "./tile.js";

const LEVEL_INTERVAL_MS = 120;

export class Tiles {
  #meeting;
  #media;
  /** @type {Map<string, Tile>} in the order they are shown */
  #tiles = new Map();
  /** @type {import("./tile.js").TileModel[]} what they show */
  #shown = [];
  /** @type {string|null} the tile that the person enlarged */
  #pinned = null;
  /** @type {string|null} the newest screen: it takes the stage by itself */
  #screen = null;
  #dismissed = null;
  #meter = null;
  #metered = null;
  #observer = new ResizeObserver(() => this.#arrange());
  #timer = setInterval(() => this.#showLevels(), LEVEL_INTERVAL_MS);

  constructor(meeting, media) {
    this.#meeting = meeting;
    this.#media = media;
    this.element = h("div.tiles", { role: "list", "aria-label": "Participants" });
    this.#observer.observe(this.element);
  }

  /** Makes the tiles what the meeting and the own devices are now. */
  refresh() {
    const models = [...this.#models()];
    const keys = new Set(models.map(({ key }) => key));
    for (const [key, tile] of this.#tiles) {
      if (keys.has(key)) continue;
      this.#meeting.unobserve(tile.video);
      tile.remove();
      this.#tiles.delete(key);
    }
    this.#shown = models;
    for (const model of models) this.#tile(model.key).update(model);
    this.#screen = models.findLast(({ source }) => source === "screen")?.key ?? null;
    if (!keys.has(this.#pinned)) this.#pinned = null;
    if (this.#dismissed !== this.#screen) this.#dismissed = null;
    this.#meterOwnMicrophone();
    this.#arrange();
  }

  close() {
    clearInterval(this.#timer);
    this.#observer.disconnect();
    this.#meter?.close();
    for (const tile of this.#tiles.values()) tile.remove();
  }

  /** @returns {Generator<import("./tile.js").TileModel>} others in order of joining, then oneself */
  *#models() {
    const { participants, participantId } = this.#meeting;
    for (const participant of participants.values()) {
      if (participant.id !== participantId) yield* this.#remoteModels(participant);
    }
    yield* this.#ownModels();
  }

  *#remoteModels({ id, name, connected, sources }) {
    const common = { id, name, isSelf: false, microphone: microphoneState(sources.microphone) };
    if (sources.screen) {
      yield { ...common, key: `${id}/screen`, source: "screen", ...this.#picture(id, "screen", sources) };
    }
    const picture = this.#picture(id, "camera", sources);
    if (!connected) picture.note = "Connection lost";
    yield { ...common, key: id, source: "camera", ...picture };
  }

  #picture(id, source, sources) {
    const none = { track: null, note: "", isHeldBack: false, isSoft: false };
    if (!sources[source] || sources[source].muted) return none;
    const video = this.#meeting.video(id, source);
    if (video?.state === "unsupported_codec") {
      return { ...none, note: `This browser cannot decode ${video.codec ?? "this video"}` };
    }
    if (video?.state !== "active") return none;
    const held = isHeldBack(video.quality);
    const note = held ? "Video paused: your network is too slow" : "";
    return { track: video.track, note, isHeldBack: held, isSoft: isSoft(video.quality) };
  }

  *#ownModels() {
    const { microphone, microphoneOn, camera, screen } = this.#media;
    const common = { name: this.#meeting.name, isSelf: true, note: "", isHeldBack: false, isSoft: false };
    const state = microphone ? microphoneState({ muted: !microphoneOn }) : "none";
    if (screen) yield { ...common, key: "self/screen", source: "screen", track: screen, microphone: state };
    yield { ...common, key: "self", source: "camera", track: camera, microphone: state };
  }

  #tile(key) {
    const existing = this.#tiles.get(key);
    if (existing) return existing;
    const tile = new Tile(() => this.#togglePin(key));
    this.#tiles.set(key, tile);
    this.element.append(tile.element);
    return tile;
  }

  #togglePin(key) {
    const onStage = this.#stageKey();
    if (onStage === key) {
      this.#pinned = null;
      this.#dismissed = this.#screen;
    } else {
      this.#pinned = key;
    }
    this.#arrange();
  }

  #stageKey() {
    return this.#pinned ?? (this.#screen === this.#dismissed ? null : this.#screen);
  }

  #arrange() {
    const { clientWidth: w, clientHeight: h } = this.element;
    const tiles = this.#inOrder();
    if (tiles.length === 0 || w === 0 || h === 0) return;
    const box = { x: 0, y: 0, w, h };
    const stageKey = this.#stageKey();
    const stageIndex = tiles.findIndex(([key]) => key === stageKey);
    const rects = stageIndex < 0 ? grid(tiles.length, box) : stage(tiles.length, stageIndex, box);
    tiles.forEach(([key, tile], index) => {
      tile.place(rects[index]);
      tile.setPinned(key === stageKey);
    });
    this.#tellServer(stageKey);
  }

  /** What is shown where, so that as much is sent as can be seen. */
  #tellServer(stageKey) {
    for (const { key, id, source, isSelf } of this.#shown) {
      if (!isSelf) this.#meeting.observe(this.#tiles.get(key).video, id, source, { pinned: key === stageKey });
    }
  }

  /** Oneself last, whoever came later. */
  #inOrder() {
    const isOwn = ([key]) => key.startsWith("self");
    const tiles = [...this.#tiles];
    return [...tiles.filter((entry) => !isOwn(entry)), ...tiles.filter(isOwn)];
  }

  #meterOwnMicrophone() {
    const { microphone } = this.#media;
    if (microphone === this.#metered) return;
    this.#meter?.close();
    this.#metered = microphone;
    this.#meter = microphone ? new LevelMeter(microphone) : null;
  }

  #showLevels() {
    const now = performance.now();
    const levels = this.#meeting.levels();
    for (const [key, tile] of this.#tiles) {
      tile.hear(key === "self" ? (this.#meter?.level() ?? 0) : perceived(levels.get(key) ?? 0), now);
    }
  }
}

function microphoneState(microphone) {
  if (!microphone) return "none";
  return microphone.muted ? "muted" : "on";
}
