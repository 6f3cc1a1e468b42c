/** The pre-join view: see and hear yourself, choose devices, say your name, join. */
import { findMeeting } from "../sdk/sfu.js";
import { h, hueOf, initials, show } from "./dom.js";
import { brand } from "./home.js";
import { icon } from "./icons.js";
import { LevelMeter } from "./meter.js";
import { DeviceSelects } from "./select.js";
import { preferences, remember } from "./store.js";
import { toggleButton } from "./toggle.js";

const METER_INTERVAL_MS = 60;

export class PreJoin {
  #media;
  #onJoin;
  #selects;
  #video = h("video", { autoplay: true, playsinline: true, tabindex: "-1" });
  #avatar = h("div.avatar", { "aria-hidden": "true" });
  #meterBar = h("div.meter",
    { role: "meter", "aria-label": "Microphone level", "aria-valuemin": 0, "aria-valuemax": 100 }, h("i"));
  #problems = h("div.problems", { role: "status" });
  #preview;
  #name;
  #button;
  #who = h("p.who", { role: "status" });
  #microphone;
  #camera;
  #meter = null;
  #metered = null;
  #timer = setInterval(() => this.#showLevel(), METER_INTERVAL_MS);
  #onChange = () => this.#refresh();

  /**
   * @param {string} id the meeting's
   * @param {import("./local_media.js").LocalMedia} media
   * @param {(name: string) => void} onJoin
   */
  constructor(id, media, onJoin) {
    this.#media = media;
    this.#onJoin = onJoin;
    this.#selects = new DeviceSelects(media);
    this.#video.muted = true;
    const isHeard = () => media.microphone !== null && media.microphoneOn;
    this.#microphone = toggleButton("mic", "microphone", () => media.setMicrophone(!isHeard()));
    this.#camera = toggleButton("camera", "camera", () => media.setCamera(!media.cameraOn));
    media.addEventListener("change", this.#onChange);
    this.#build();
    this.#refresh();
    this.#look(id);
  }

  close() {
    clearInterval(this.#timer);
    this.#meter?.close();
    this.#selects.close();
    this.#media.removeEventListener("change", this.#onChange);
  }

  #build() {
    this.#name = h("input", {
      name: "name", autocomplete: "name", placeholder: "Your name", maxlength: "64", "aria-label": "Your name",
      required: true, "data-autofocus": true, onInput: () => this.#refresh(),
    });
    this.#name.value = preferences().name;
    this.#button = h("button.button.primary.large.wide", { type: "submit" }, "Join", icon("arrow"));
    this.#preview = h("div.preview", {}, this.#avatar, this.#video, this.#meterBar,
      h("div.preview-controls", {}, this.#microphone.element, this.#camera.element));
    const form = h("form.join-card", { onSubmit: (event) => this.#submit(event), novalidate: true },
      h("h1", {}, "Ready to join?"), this.#who,
      h("label.field", {}, h("span.field-label", {}, "Name"), h("span.input", {}, icon("person"), this.#name)),
      this.#button);
    show(h("main.prejoin", {}, h("header.prejoin-head", {}, brand()),
      h("div.prejoin-body", {}, h("section.prejoin-preview", {}, this.#preview, this.#problems), form,
        h("section.prejoin-devices", { "aria-label": "Devices" }, this.#selects.element))),
    { title: "Join the meeting · sfu" });
  }

  #submit(event) {
    event.preventDefault();
    const name = this.#name.value.trim();
    if (!name) return this.#name.focus();
    remember({ name });
    this.#onJoin(name);
  }

  #refresh() {
    const { camera, microphone, microphoneOn, problems } = this.#media;
    const name = this.#name.value.trim();
    if (this.#video.srcObject?.getVideoTracks()[0] !== (camera ?? undefined)) {
      this.#video.srcObject = camera ? new MediaStream([camera]) : null;
    }
    this.#preview.classList.toggle("has-video", camera !== null);
    this.#preview.style.setProperty("--hue", hueOf(name));
    this.#avatar.replaceChildren(h("span", {}, name ? initials(name) : icon("person")));
    this.#microphone.set(microphone !== null && microphoneOn, problems.microphone);
    this.#camera.set(camera !== null, problems.camera);
    this.#meterBar.hidden = microphone === null || !microphoneOn;
    const texts = [...new Set(Object.values(problems).filter(Boolean))];
    this.#problems.replaceChildren(...texts.map((text) => h("p.problem", {}, icon("info"), h("span", {}, text))));
    this.#button.disabled = name === "";
    this.#meterMicrophone(microphone);
  }

  #meterMicrophone(microphone) {
    if (microphone === this.#metered) return;
    this.#meter?.close();
    this.#metered = microphone;
    this.#meter = microphone ? new LevelMeter(microphone) : null;
  }

  #showLevel() {
    const level = this.#meter?.level() ?? 0;
    this.#meterBar.style.setProperty("--level", level.toFixed(3));
    this.#meterBar.setAttribute("aria-valuenow", String(Math.round(level * 100)));
  }

  async #look(id) {
    try {
      const { title, participants } = await findMeeting(id);
      const counted = participants === 1 ? "1 person is here." : `${participants} people are here.`;
      const others = participants > 0 ? counted : "Nobody else is here yet.";
      this.#who.textContent = title ? `${title} · ${others}` : others;
    } catch (error) {
      this.#who.textContent = error.code === "meeting_not_found" ? "There is no meeting at this link." : error.message;
      this.#who.classList.add("bad");
    }
  }
}
