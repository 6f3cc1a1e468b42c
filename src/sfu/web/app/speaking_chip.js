/** Who is speaking and cannot be seen; a click shows them. */
import { h } from "./dom.js";
import { icon } from "./icons.js";

/** The words stay for a moment, so that they can be read and clicked. */
const LINGER_MS = 1_500;

export class SpeakingChip {
  #meeting;
  #onShow;
  #id = null;
  #timer = 0;
  #text = h("span");

  /** @param {(id: string) => void} onShow */
  constructor(meeting, onShow) {
    this.#meeting = meeting;
    this.#onShow = onShow;
    this.element = h("button.chip.speaking-chip", {
      type: "button", hidden: true, title: "Show", onClick: () => this.#id && this.#onShow(this.#id),
    }, icon("speaker"), this.#text);
  }

  /** @param {(key: string) => boolean} isShown whether that tile is on the screen */
  refresh(isShown) {
    const { audible, dominant } = this.#meeting.speakers;
    const heard = dominant !== null && audible.includes(dominant) ? [dominant] : [];
    const hidden = [...heard, ...audible].find((id) => id !== this.#meeting.participantId && !isShown(id)) ?? null;
    if (this.#id !== null && isShown(this.#id)) this.#show(null);
    if (hidden === null) {
      if (this.#id !== null) this.#timer ||= setTimeout(() => this.#show(null), LINGER_MS);
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (hidden !== this.#id) this.#show(hidden);
  }

  close() {
    clearTimeout(this.#timer);
  }

  #show(id) {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#id = id;
    this.element.hidden = id === null;
    if (id === null) return;
    const words = `${this.#meeting.nameOf(id) ?? "Somebody"} is speaking`;
    this.#text.textContent = words;
    this.element.setAttribute("aria-label", `${words}. Show`);
  }
}
