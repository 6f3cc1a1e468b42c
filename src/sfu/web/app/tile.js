/** One tile: a participant's camera or screen, or the initials where there is no picture. */
import { h, hueOf, initials } from "./dom.js";
import { icon } from "./icons.js";

/** A label has little room below this width, CSS pixels; below the second there is room for little more than a name. */
const SMALL = 190;
const TINY = 165;

/**
 * @typedef {{key: string, id: string, name: string, isSelf: boolean, source: "camera"|"screen"|"more",
 *   track: MediaStreamTrack|null, microphone: "on"|"muted"|"none", note: string, hand: number|null,
 *   isHeldBack: boolean, isSoft: boolean}} TileModel `isHeldBack`: the network is too slow for the picture; `isSoft`:
 *   for a better one; `hand`: the order number of a raised hand
 */
export class Tile {
  #video = h("video", { autoplay: true, playsinline: true, tabindex: "-1" });
  #avatar = h("div.avatar", { "aria-hidden": "true" });
  #name = h("span.tile-name");
  #microphone = h("span.tile-mic", {}, icon("mic-off"));
  #soft = h("span.tile-soft", { title: "Reduced: your network is slow" }, icon("signal-low"));
  #hand = h("span.tile-hand", { title: "Hand raised" }, icon("hand"));
  #note = h("div.tile-note");
  #pin;
  #track = null;
  /** @type {TileModel|null} */
  #model = null;
  #isPinned = null;
  #isHeard = false;
  #place = "";

  /** @param {() => void} onPin */
  constructor(onPin) {
    this.#video.muted = true;
    // Until there is a picture there is a face.
    this.#video.addEventListener("loadeddata", () => this.element.classList.add("pictured"));
    this.#pin = h("button.tile-pin", { type: "button", onClick: onPin }, icon("pin"));
    const label = h("div.tile-label", {}, this.#microphone, this.#name, this.#soft);
    this.element = h("div.tile", { role: "listitem", onDblclick: onPin }, this.#avatar, this.#video, this.#note,
      this.#hand, label, this.#pin);
  }

  /** @param {TileModel} model costs nothing where it is what is shown */
  update(model) {
    if (this.#model && same(model, this.#model)) return;
    const before = this.#model;
    this.#model = model;
    this.#show(model.track);
    const { element } = this;
    if (!before) this.#settle(model);
    if (before?.name !== model.name) this.#rename(model.name);
    element.classList.toggle("has-video", model.track !== null && !model.isHeldBack);
    this.#microphone.hidden = model.microphone === "on" || model.source !== "camera";
    this.#soft.hidden = !model.isSoft;
    this.#hand.hidden = model.hand === null || model.source !== "camera";
    this.#note.textContent = model.note;
    this.#note.hidden = model.note === "";
    this.#describe();
  }

  /** What the server has to know the size of. */
  get video() {
    return this.#video;
  }

  /** @param {import("./layout.js").Rect} rect */
  place(rect) {
    this.#place = place(this.element, rect, this.#place);
  }

  setLarge(isLarge) {
    this.element.classList.toggle("large", isLarge);
  }

  setPinned(isPinned) {
    if (isPinned === this.#isPinned) return;
    this.#isPinned = isPinned;
    this.element.classList.toggle("pinned", isPinned);
    this.#pin.setAttribute("aria-pressed", String(isPinned));
    this.#pin.title = isPinned ? "Unpin" : "Pin";
    this.#describe();
  }

  /** The frame of the dominant speaker. */
  setDominant(isDominant) {
    this.element.classList.toggle("dominant", isDominant);
  }

  /** The mark of who is heard. */
  setHeard(isHeard) {
    if (isHeard === this.#isHeard) return;
    this.#isHeard = isHeard;
    this.element.classList.toggle("speaking", isHeard);
  }

  remove() {
    this.#show(null);
    this.element.remove();
  }

  /** What never changes of a tile. */
  #settle({ key, source, isSelf }) {
    const { dataset, classList } = this.element;
    dataset.source = source;
    dataset.key = key;
    classList.toggle("self", isSelf);
    classList.toggle("mirrored", isSelf && source === "camera");
  }

  #rename(name) {
    this.element.style.setProperty("--hue", hueOf(name));
    this.#avatar.replaceChildren(h("span", {}, initials(name)));
    this.#name.textContent = this.#caption();
    this.#name.title = this.#caption();
  }

  #show(track) {
    if (track === this.#track) return;
    this.#track = track;
    this.element.classList.remove("pictured");
    this.#video.srcObject = track ? new MediaStream([track]) : null;
    if (track) this.#video.play().catch(() => {});
  }

  #caption() {
    const { name, isSelf, source } = this.#model;
    if (source === "screen") return isSelf ? "Your screen" : `${name}’s screen`;
    return isSelf ? `${name} (you)` : name;
  }

  #describe() {
    if (!this.#model) return;
    const { source, microphone, track, note, isSoft, hand } = this.#model;
    const parts = [this.#caption()];
    if (source === "camera") {
      parts.push(microphone === "on" ? "microphone on" : microphone === "muted" ? "muted" : "no microphone");
      parts.push(track ? "camera on" : "camera off");
    }
    if (hand !== null) parts.push("hand raised");
    if (note) parts.push(note);
    if (isSoft) parts.push("picture reduced by your network");
    this.element.setAttribute("aria-label", parts.join(", "));
    this.#pin.setAttribute("aria-label", `${this.#isPinned ? "Unpin" : "Pin"} ${this.#caption()}`);
  }
}

/** The last place of a gallery: those who are not shown one by one. */
export class MoreTile {
  #count = h("span.more-count");
  #place = "";

  /** @param {() => void} onOpen shows the list of all */
  constructor(onOpen) {
    this.element = h("div.tile.more", { role: "listitem", dataset: { key: "more", source: "more" } },
      h("button.more-button", { type: "button", onClick: onOpen }, icon("people"), this.#count));
  }

  update({ name }) {
    if (this.#count.textContent === name) return;
    this.#count.textContent = name;
    this.element.setAttribute("aria-label", `${name}, in the list of participants`);
  }

  place(rect) {
    this.#place = place(this.element, rect, this.#place);
  }

  remove() {
    this.element.remove();
  }
}

function same(one, other) {
  return Object.keys(one).every((name) => one[name] === other[name]);
}

/** Puts a tile where it belongs, unless it is there. @returns {string} where it is now */
function place({ style, classList }, { x, y, w, h: height }, before) {
  const now = [w, height].map(Math.floor).concat([x, y].map(Math.round));
  const text = now.join(" ");
  if (text === before) return before;
  style.width = `${now[0]}px`;
  style.height = `${now[1]}px`;
  style.transform = `translate(${now[2]}px, ${now[3]}px)`;
  classList.toggle("small", w < SMALL);
  classList.toggle("tiny", w < TINY);
  return text;
}
