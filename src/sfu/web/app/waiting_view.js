/** What one sees who waits to be let in: for what, at which place, and oneself. */
import { h, show } from "./dom.js";
import { brand } from "./home.js";
import { icon } from "./icons.js";

const WORDS = {
  admission: ["Waiting for the host to let you in", "Stay here: you come in by yourself when they do."],
  host: ["The host has not come yet", "The meeting begins when they are here; you come in by yourself."],
  place: ["You are let in, but the meeting is full", "You come in as soon as somebody leaves."],
};

export class WaitingView {
  #meeting;
  #heading = h("h1", { tabindex: "-1", "data-autofocus": true });
  #text = h("p.lead");
  #place = h("p.waiting-place", { role: "status" });
  #video = h("video", { autoplay: true, playsinline: true, tabindex: "-1", "aria-hidden": "true" });
  #onMoved = ({ detail }) => this.#tell(detail);

  /**
   * @param {import("../sdk/sfu.js").Meeting} meeting
   * @param {import("./local_media.js").LocalMedia} media
   */
  constructor(meeting, media) {
    this.#meeting = meeting;
    this.#video.muted = true;
    if (media.camera) this.#video.srcObject = new MediaStream([media.camera]);
    const leave = h("button.button.quiet.large", { type: "button", onClick: () => meeting.leave() },
      icon("leave"), "Leave");
    this.element = h("main.left.waiting", {}, brand(), h("div.waiting-pulse", { "aria-hidden": "true" }, h("i"), h("i")),
      this.#heading, this.#text, this.#place, media.camera && h("div.waiting-self", {}, this.#video),
      h("div.left-actions", {}, leave));
    meeting.addEventListener("waiting", this.#onMoved);
    if (meeting.waitingPlace) this.#tell(meeting.waitingPlace);
  }

  open() {
    show(this.element, { title: "Waiting to be let in · sfu" });
  }

  close() {
    this.#meeting.removeEventListener("waiting", this.#onMoved);
    this.#video.srcObject = null;
  }

  #tell({ position, reason, opensAt }) {
    const [heading, text] = WORDS[reason] ?? opening(opensAt);
    if (this.#heading.textContent !== heading) this.#heading.textContent = heading;
    this.#text.textContent = text;
    const place = position === 1 ? "You are next in line." : `You are number ${position} in line.`;
    if (this.#place.textContent !== place) this.#place.textContent = place;
    this.#place.dataset.position = String(position);
  }
}

function opening(at) {
  const time = at ? new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : null;
  return [time ? `The meeting opens at ${time}` : "The meeting is not open yet", "You come in by yourself then."];
}
