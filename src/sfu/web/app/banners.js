/** What stands over the stage for as long as it is true: no sound, no video, no connection yet. */
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { noticeOf, picturesOf } from "./quality.js";
import { announce, toast } from "./toasts.js";

/** Where media has not come through by then, something on the way blocks it. */
const SLOW_MS = 12_000;
/** Pictures that come a moment later, as in the first second, are no trouble. */
const HELD_MS = 1_500;

export class Banners {
  #meeting;
  #sound;
  #slow = h("div.banner.warn", { role: "status", hidden: true }, icon("info"),
    h("span", {}, "Still connecting. If this stays, a firewall on the way may be blocking UDP."));
  #timer = 0;
  #heldText = h("span");
  #held = h("div.banner.warn", { hidden: true, dataset: { notice: "video-paused" } }, icon("info"), this.#heldText);
  #heldTimer = 0;
  #isScheduled = false;

  /** @param {import("../sdk/sfu.js").Meeting} meeting */
  constructor(meeting) {
    this.#meeting = meeting;
    this.#sound = h("button.banner", { type: "button", hidden: true, onClick: () => meeting.audio.resume() },
      icon("speaker"), h("span", {}, "The browser holds back the sound. Click to hear the others."));
    this.element = h("div.banners", {}, this.#sound, this.#held, this.#slow);
    meeting.audio.addEventListener("blocked", ({ detail }) => (this.#sound.hidden = !detail));
  }

  /** Looks again soon; however many events say so. */
  refresh() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setTimeout(() => {
      this.#isScheduled = false;
      if (this.#meeting.state !== "closed") this.#tellHeldBack();
    }, 0);
  }

  stateChanged(state) {
    clearTimeout(this.#timer);
    this.#slow.hidden = true;
    if (state === "joining" || state === "reconnecting") {
      this.#timer = setTimeout(() => (this.#slow.hidden = false), SLOW_MS);
    }
  }

  close() {
    clearTimeout(this.#timer);
    clearTimeout(this.#heldTimer);
  }

  /** A picture that the network keeps away must not look like a fault: says so, until it is back. */
  #tellHeldBack() {
    const text = noticeOf(this.#meeting);
    if (text === "") return this.#tellBack();
    if (!this.#held.hidden) return this.#tell(text);
    this.#heldTimer ||= setTimeout(() => this.#tell(noticeOf(this.#meeting)), HELD_MS);
  }

  #tell(text) {
    this.#heldTimer = 0;
    if (text === "" || (text === this.#heldText.textContent && !this.#held.hidden)) return;
    this.#heldText.textContent = text;
    this.#held.hidden = false;
    announce(text);
  }

  #tellBack() {
    clearTimeout(this.#heldTimer);
    this.#heldTimer = 0;
    if (this.#held.hidden) return;
    this.#held.hidden = true;
    if (picturesOf(this.#meeting).length > 0) toast("Your network carries video again", { tone: "good" });
  }
}
