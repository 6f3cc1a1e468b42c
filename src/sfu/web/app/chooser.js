/** Which of several shared screens is large: a row of buttons above the stage. */
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { videoOf } from "./scene.js";

export class ScreenChooser {
  #meeting;
  #choices;
  #shown = "";

  constructor(meeting, choices) {
    this.#meeting = meeting;
    this.#choices = choices;
    this.element = h("div.chooser", { role: "group", "aria-label": "Shared screens", hidden: true });
  }

  /**
   * @param {string[]} screens keys of all that the others share
   * @param {string[]} large keys of what is large now
   */
  show(screens, large) {
    const buttons = screens.map((key) => ({ key, name: this.#nameOf(key), isLarge: large.includes(key) }));
    const text = JSON.stringify(buttons);
    if (text === this.#shown) return;
    this.#shown = text;
    this.element.hidden = screens.length < 2;
    const focused = document.activeElement?.dataset.screen;
    this.element.replaceChildren(...buttons.map((button) => this.#button(button)));
    if (focused) this.element.querySelector(`[data-screen="${CSS.escape(focused)}"]`)?.focus();
  }

  #button({ key, name, isLarge }) {
    return h("button.chip", {
      type: "button", "aria-pressed": String(isLarge), dataset: { screen: key },
      onClick: () => this.#choices.chooseScreen(key),
    }, icon("screen"), h("span", {}, name));
  }

  #nameOf(key) {
    return this.#meeting.nameOf(videoOf(key).participantId) ?? "Screen";
  }
}
