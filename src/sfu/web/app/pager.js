/** Pages of the gallery: two buttons, where one is, and the keys and the swipe that do the same. */
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { announce } from "./toasts.js";

/** How far a finger goes for a page, CSS pixels. */
const SWIPE = 56;

export class Pager {
  #choices;
  #page = 0;
  #pages = 1;
  #text = h("span.pager-text", { "aria-hidden": "true" });
  #back;
  #on;

  /** @param {import("./choices.js").Choices} choices */
  constructor(choices) {
    this.#choices = choices;
    const button = (label, by, key, symbol) => h("button.icon-button", {
      type: "button", "aria-label": label, title: `${label} (${key})`, onClick: () => this.turn(by),
    }, icon(symbol));
    this.#back = button("Previous page", -1, "Page Up", "back");
    this.#on = button("Next page", 1, "Page Down", "forward");
    this.element = h("nav.pager", { "aria-label": "Pages", hidden: true }, this.#back, this.#text, this.#on);
  }

  /** @param {{page: number, pages: number}} scene */
  show({ page, pages }) {
    if (page === this.#page && pages === this.#pages) return;
    this.#page = page;
    this.#pages = pages;
    this.element.hidden = pages < 2;
    this.#text.textContent = `${page + 1} / ${pages}`;
    this.element.setAttribute("aria-label", `Pages: ${page + 1} of ${pages}`);
    // Not `disabled`: the button must not lose the focus on the last page.
    this.#back.setAttribute("aria-disabled", String(page === 0));
    this.#on.setAttribute("aria-disabled", String(page === pages - 1));
  }

  /** @param {number} by pages, back where negative */
  turn(by) {
    const page = Math.min(this.#pages - 1, Math.max(0, this.#page + by));
    if (page === this.#page) return;
    this.#choices.turnTo(page);
    announce(`Page ${page + 1} of ${this.#pages}`);
  }

  /** Turns pages with a finger that goes across this element. */
  followSwipes(element) {
    let start = null;
    element.addEventListener("touchstart", ({ touches }) => {
      start = touches.length === 1 ? { x: touches[0].clientX, y: touches[0].clientY } : null;
    }, { passive: true });
    element.addEventListener("touchend", ({ changedTouches: [touch] }) => {
      if (!start) return;
      const [across, along] = [touch.clientX - start.x, touch.clientY - start.y];
      start = null;
      if (Math.abs(across) > SWIPE && Math.abs(across) > 2 * Math.abs(along)) this.turn(across < 0 ? 1 : -1);
    }, { passive: true });
  }
}
