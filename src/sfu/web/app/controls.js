/** The bar below the tiles, and the keys that do the same. */
import { canShareScreen } from "./capture.js";
import { openConnectionView } from "./connection_view.js";
import { openSettings } from "./dialogs.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { toast } from "./toasts.js";
import { toggleButton } from "./toggle.js";

export class Controls {
  #media;
  #microphone;
  #camera;
  #screen;
  #actions;
  #onKey = (event) => this.#key(event);

  /**
   * @param {import("../sdk/sfu.js").Meeting} meeting
   * @param {import("./local_media.js").LocalMedia} media
   * @param {() => void} onLeave
   */
  constructor(meeting, media, onLeave) {
    this.#media = media;
    this.#actions = {
      m: () => this.#toggleMicrophone(),
      v: () => this.#toggleCamera(),
      s: () => this.#toggleScreen(),
      q: () => openConnectionView(meeting),
    };
    this.#microphone = toggleButton("mic", "microphone", this.#actions.m, { on: "Mute", off: "Unmute", key: "m" });
    this.#camera = toggleButton("camera", "camera", this.#actions.v, { key: "v" });
    this.#screen = toggleButton("screen", "screen", this.#actions.s, {
      on: "Stop sharing", off: "Share screen", key: "s",
    });
    this.#screen.element.classList.add("share");
    this.#screen.element.hidden = !canShareScreen();
    const settings = h("button.round", {
      type: "button", "aria-label": "Settings", title: "Settings", dataset: { control: "settings" },
      onClick: () => openSettings(meeting, media),
    }, icon("sliders"));
    const leave = h("button.round.leave", {
      type: "button", "aria-label": "Leave", title: "Leave", dataset: { control: "leave" }, onClick: onLeave,
    }, icon("leave"));
    this.element = h("footer.controls", { role: "group", "aria-label": "Meeting controls" },
      this.#microphone.element, this.#camera.element, this.#screen.element, settings, leave);
    document.addEventListener("keydown", this.#onKey);
    this.refresh();
  }

  refresh() {
    const { microphone, microphoneOn, camera, screen, problems } = this.#media;
    this.#microphone.set(microphone !== null && microphoneOn, problems.microphone);
    this.#camera.set(camera !== null, problems.camera);
    this.#setScreen(screen !== null);
  }

  close() {
    document.removeEventListener("keydown", this.#onKey);
  }

  /** A shared screen is the exception, so here "on" is what stands out. */
  #setScreen(on) {
    const { element } = this.#screen;
    this.#screen.set(on);
    element.replaceChildren(icon(on ? "screen-off" : "screen"));
    element.classList.remove("off");
    element.classList.toggle("active", on);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest("input, select, textarea, dialog") || document.querySelector("dialog[open]")) return;
    const action = this.#actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  }

  async #toggleMicrophone() {
    await this.#media.setMicrophone(!(this.#media.microphone && this.#media.microphoneOn));
    this.#tellProblem("microphone");
  }

  async #toggleCamera() {
    await this.#media.setCamera(!this.#media.cameraOn);
    this.#tellProblem("camera");
  }

  async #toggleScreen() {
    if (!canShareScreen()) return;
    if (this.#media.screen) return this.#media.stopScreen();
    try {
      await this.#media.shareScreen();
    } catch (error) {
      // NotAllowedError is the person pressing "Cancel".
      if (error.name !== "NotAllowedError") toast("The screen cannot be shared here.", { tone: "bad" });
    }
  }

  #tellProblem(kind) {
    const problem = this.#media.problems[kind];
    if (problem) toast(problem, { tone: "bad" });
  }
}
