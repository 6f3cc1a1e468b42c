/** One tile: a participant's camera or screen, or the initials where there is no picture. */
import { h, hueOf, initials } from "./dom.js";
import { icon } from "./icons.js";

/** Above this the ring lights; perceived level, see `meter.js`. */
const SPEAKING_LEVEL = 0.35;
/** The ring stays on between words. */
const HOLD_MS = 600;

/**
 * @typedef {{key: string, name: string, isSelf: boolean, source: "camera"|"screen", track: MediaStreamTrack|null,
 *   microphone: "on"|"muted"|"none", note: string, isHeldBack: boolean, isSoft: boolean}} TileModel `isHeldBack`: the
 *   network is too slow for the picture; `isSoft`: for a better one
 */
export class Tile {
  #video = h("video", { autoplay: true, playsinline: true, tabindex: "-1" });
  #avatar = h("div.avatar", { "aria-hidden": "true" });
  #name = h("span.tile-name");
  #microphone = h("span.tile-mic", {}, icon("mic-off"));
  #soft = h("span.tile-soft", { title: "Reduced: your network is slow" }, icon("signal-low"));
  #note = h("div.tile-note");
  #pin;
  #track = null;
  #model = null;
  #spokeAt = -HOLD_MS;

  /** @param {() => void} onPin */
  constructor(onPin) {
    this.#video.muted = true;
    this.#pin = h("button.tile-pin", { type: "button", onClick: onPin }, icon("pin"));
    const label = h("div.tile-label", {}, this.#microphone, this.#name, this.#soft);
    this.element = h("div.tile", { role: "listitem", onDblclick: onPin }, this.#avatar, this.#video, this.#note, label,
      this.#pin);
  }

  /** @param {TileModel} model */
  update(model) {
    const { element } = this;
    this.#model = model;
    this.#show(model.track);
    element.dataset.source = model.source;
    element.dataset.key = model.key;
    element.classList.toggle("self", model.isSelf);
    element.classList.toggle("mirrored", model.isSelf && model.source === "camera");
    element.classList.toggle("has-video", model.track !== null && !model.isHeldBack);
    element.style.setProperty("--hue", hueOf(model.name));
    this.#avatar.replaceChildren(h("span", {}, initials(model.name)));
    this.#name.textContent = this.#caption();
    this.#microphone.hidden = model.microphone === "on" || model.source === "screen";
    this.#soft.hidden = !model.isSoft;
    this.#note.textContent = model.note;
    this.#note.hidden = model.note === "";
    element.setAttribute("aria-label", this.#description());
  }

  /** What the server has to know the size of. */
  get video() {
    return this.#video;
  }

  /** @param {import("./layout.js").Rect} rect */
  place({ x, y, w, h: height }) {
    const { style, classList } = this.element;
    style.width = `${Math.floor(w)}px`;
    style.height = `${Math.floor(height)}px`;
    style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
    classList.toggle("small", w < 190);
  }

  setPinned(pinned) {
    this.element.classList.toggle("pinned", pinned);
    this.#pin.setAttribute("aria-pressed", String(pinned));
    this.#pin.setAttribute("aria-label", pinned ? `Back to the grid` : `Enlarge ${this.#caption()}`);
    this.#pin.title = pinned ? "Back to the grid" : "Enlarge";
  }

  /** @param {number} level perceived, 0..1 */
  hear(level, now) {
    if (level > SPEAKING_LEVEL) this.#spokeAt = now;
    this.element.classList.toggle("speaking", now - this.#spokeAt < HOLD_MS);
  }

  remove() {
    this.#show(null);
    this.element.remove();
  }

  #show(track) {
    if (track === this.#track) return;
    this.#track = track;
    this.#video.srcObject = track ? new MediaStream([track]) : null;
    if (track) this.#video.play().catch(() => {});
  }

  #caption() {
    const { name, isSelf, source } = this.#model;
    if (source === "screen") return isSelf ? "Your screen" : `${name}’s screen`;
    return isSelf ? `${name} (you)` : name;
  }

  #description() {
    const { source, microphone, track, note, isSoft } = this.#model;
    const parts = [this.#caption()];
    if (source === "camera") {
      parts.push(microphone === "on" ? "microphone on" : microphone === "muted" ? "muted" : "no microphone");
      parts.push(track ? "camera on" : "camera off");
    }
    if (note) parts.push(note);
    if (isSoft) parts.push("picture reduced by your network");
    return parts.join(", ");
  }
}
