/**
 * What is received: which slot shows or plays whom and how well, the sound of all of them, where the page shows them,
 * and when there are too few.
 */
import { AudioOutput } from "./audio.js";
import { levelsOf } from "./levels.js";
import { SlotTable, wantedSlots } from "./slots.js";
import { Views } from "./views.js";

export class Incoming {
  audio = new AudioOutput();
  /** @type {Views} */
  views;
  #slots = new SlotTable();
  #connection = null;
  #maxVideo;
  /** @type {number|null} video slots that were asked for; null: those of the join */
  #asked = null;

  /**
   * @param {number} maxVideo most videos to receive at once
   * @param {(layout: object) => Promise<boolean>} sayLayout see `Views`
   */
  constructor(maxVideo, sayLayout) {
    this.#maxVideo = maxVideo;
    this.views = new Views((...which) => this.#slots.find(...which)?.mid ?? null, sayLayout);
  }

  /** Starts anew on a new connection. */
  begin(connection, slots) {
    this.#connection = connection;
    this.#asked = null;
    this.#slots.clear();
    this.#slots.declare(slots);
  }

  declare(slots) {
    this.#slots.declare(slots);
  }

  update(slots) {
    this.#slots.update(slots);
  }

  /** The meeting lets nobody receive more videos than this. */
  limit(maxVideo) {
    this.#maxVideo = Math.min(this.#maxVideo, maxVideo);
  }

  /** The whole state of a `welcome`. */
  replace({ slots, quality }) {
    this.#slots.update(slots);
    this.#slots.replaceQualities(quality ?? []);
    this.views.forgotten();
  }

  /** Takes an entry of a `quality` notification over. @returns {object} what `quality` of `Meeting` says */
  judge({ mid, state, reason }) {
    this.#slots.setQuality({ mid, state, reason });
    const { participantId = null, source = null } = this.#slots.get(mid) ?? {};
    return { mid, participantId, source, state, reason };
  }

  /** Plays what there is to hear. @returns {import("./slots.js").Slot[]} the video slots */
  refresh() {
    const tracks = this.#slots.ofKind("audio").map(({ mid }) => this.#receiver(mid)?.track);
    this.audio.play(tracks.filter(Boolean));
    this.views.changed();
    return this.#slots.ofKind("video");
  }

  /** See `Meeting.video`. */
  video(participantId, source) {
    const slot = this.#slots.find(participantId, source);
    if (slot?.kind !== "video") return null;
    const { mid, state, codec } = slot;
    return { mid, state, codec, track: this.#receiver(mid)?.track ?? null, quality: this.#slots.quality(mid) };
  }

  /** See `Meeting.videos`. */
  videos() {
    const fed = this.#slots.ofKind("video").filter(({ participantId }) => participantId !== null);
    return fed.map(({ mid, participantId, source, name, state }) => ({ mid, participantId, source, name, state }));
  }

  /** @returns {string|null} the name of somebody who is seen or heard */
  nameOf(participantId) {
    return this.#slots.nameOf(participantId);
  }

  /** See `Meeting.levels`. */
  levels() {
    return levelsOf(this.#slots.ofKind("audio"), (mid) => this.#receiver(mid));
  }

  /** @param {number} shown how many videos the page shows at once @returns {number} how many of them may be received */
  most(shown) {
    return Math.min(shown, this.#maxVideo);
  }

  /**
   * @param {number} sources how many videos the others publish
   * @param {number} shown how many the page shows at once
   * @returns {number|null} how many video slots to ask for now; null when it is right as it is
   */
  shortage(sources, shown) {
    const slots = this.#asked ?? this.#slots.ofKind("video").length;
    const wanted = wantedSlots(sources, slots, this.most(shown));
    this.#asked = wanted ?? this.#asked;
    return wanted;
  }

  stop() {
    this.views.close();
    this.audio.play([]);
  }

  #receiver(mid) {
    return this.#connection?.receiver(mid) ?? null;
  }
}
