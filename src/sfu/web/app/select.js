/** Device choices: labelled `<select>`s that the pre-join view and the settings share. */
import { QUALITIES } from "./capture.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { TILE_CHOICES } from "./layout.js";
import { preferences, remember } from "./store.js";

const FIELDS = {
  microphone: { label: "Microphone", symbol: "mic", kind: "audioinput" },
  camera: { label: "Camera", symbol: "camera", kind: "videoinput" },
  speaker: { label: "Speaker", symbol: "speaker", kind: "audiooutput" },
};

/**
 * @param {import("./local_media.js").LocalMedia} media
 * @param {{speaker?: (deviceId: string) => void}} [options] called with the chosen loudspeaker
 */
export class DeviceSelects {
  #media;
  #selects = new Map();
  #onChange = () => this.#fill();

  constructor(media, { speaker = () => {} } = {}) {
    this.#media = media;
    const choose = {
      microphone: (id) => media.choose("microphone", id),
      camera: (id) => media.choose("camera", id),
      speaker: (id) => {
        remember({ speaker: id });
        speaker(id);
      },
    };
    const fields = Object.entries(FIELDS).map(([name, field]) => this.#field(name, field, choose[name]));
    this.element = h("div.fields", {}, ...fields);
    media.addEventListener("change", this.#onChange);
    this.#fill();
  }

  close() {
    this.#media.removeEventListener("change", this.#onChange);
  }

  #field(name, { label, symbol }, choose) {
    const select = h("select", { name, onChange: () => choose(select.value) });
    this.#selects.set(name, select);
    return h("label.field", {}, h("span.field-label", {}, label), h("span.select", {}, icon(symbol), select));
  }

  #fill() {
    const chosen = preferences();
    for (const [name, select] of this.#selects) {
      const devices = this.#media.devices[FIELDS[name].kind];
      const current = this.#media[name]?.getSettings?.().deviceId ?? chosen[name];
      const options = devices.map(({ deviceId, label }, index) =>
        h("option", { value: deviceId }, label || `${FIELDS[name].label} ${index + 1}`));
      if (options.length === 0) options.push(h("option", { value: "" }, "None found"));
      select.replaceChildren(...options);
      select.disabled = devices.length === 0;
      if (devices.some(({ deviceId }) => deviceId === current)) select.value = current;
      // Firefox and Safari let the system choose the loudspeaker.
      if (name === "speaker") select.closest(".field").hidden = devices.length === 0;
    }
  }
}

/** How many tiles a page of the gallery has, as a labelled `<select>`. */
export function tilesSelect(choices) {
  const options = [0, ...TILE_CHOICES].map((count) => (
    h("option", { value: count }, count ? `Up to ${count}` : "As many as fit well")));
  const select = h("select", { name: "tiles", onChange: () => choices.setTiles(Number(select.value)) }, ...options);
  select.value = String(choices.tiles);
  return h("label.field", {}, h("span.field-label", {}, "Tiles on a page"),
    h("span.select", {}, icon("gallery"), select));
}

/** The camera's size, as a labelled `<select>`. */
export function qualitySelect(media) {
  const options = QUALITIES.map(([value, label]) => h("option", { value }, label));
  const select = h("select", { name: "quality", onChange: () => media.setQuality(select.value) }, ...options);
  select.value = preferences().quality;
  return h("label.field", {}, h("span.field-label", {}, "Camera quality"),
    h("span.select", {}, icon("sliders"), select));
}
