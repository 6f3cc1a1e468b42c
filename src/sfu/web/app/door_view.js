/** The meeting's door, for hosts: who waits, letting in and sending away, and the lock. A part of the list of people. */
import { h, hueOf, initials } from "./dom.js";
import { icon } from "./icons.js";
import { act } from "./mute_all.js";
import { announce } from "./toasts.js";

/** Shown one by one; the others are counted. */
const MOST_ROWS = 50;

export class DoorSection {
  #door;
  #heading = h("h3");
  #list = h("div.door-list", { role: "list", "aria-label": "People who wait" });
  #rest = h("p.door-rest");
  #all;
  #onChange = () => this.refresh();
  /** @type {Map<string, HTMLElement>} */
  #rows = new Map();

  /** @param {import("../sdk/door.js").Door} door */
  constructor(door) {
    this.#door = door;
    this.#all = h("button.button.primary.compact", { type: "button", onClick: () => act(door.admitAll()) }, "Admit all");
    this.element = h("section.door", { hidden: true, "aria-label": "Waiting room" },
      h("header", {}, this.#heading, h("span.spacer"), this.#all), this.#list, this.#rest);
    door.addEventListener("change", this.#onChange);
    this.refresh();
  }

  close() {
    this.#door.removeEventListener("change", this.#onChange);
  }

  refresh() {
    const { waiting, total } = this.#door;
    const shown = [...waiting.values()].slice(0, MOST_ROWS);
    const ids = new Set(shown.map(({ id }) => id));
    const isInside = this.#list.contains(document.activeElement);
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue;
      row.remove();
      this.#rows.delete(id);
    }
    for (const visitor of shown) this.#rows.has(visitor.id) || this.#add(visitor);
    if (isInside && !this.#list.contains(document.activeElement)) {
      (this.#list.querySelector("button") ?? this.element.closest("aside")?.querySelector("button"))?.focus();
    }
    this.element.hidden = total === 0;
    this.#heading.replaceChildren(icon("door"), `Waiting (${total})`);
    this.#all.hidden = total < 2;
    const rest = total - shown.length;
    this.#rest.hidden = rest <= 0;
    this.#rest.textContent = `and ${rest} more`;
  }

  #add({ id, name, known }) {
    const door = this.#door;
    const face = h("span.row-face", { "aria-hidden": "true" }, initials(name));
    face.style.setProperty("--hue", hueOf(name));
    const row = h("div.row.door-row", { role: "listitem", "aria-label": `${name}, waiting` }, face,
      h("span.row-words", {}, h("span.row-name", { title: name }, name), h("span.row-role", {}, known ? "" : "Guest")),
      h("span.row-actions", {},
        h("button.pill", { type: "button", "aria-label": `Admit ${name}`, onClick: () => act(door.admit(id)) }, "Admit"),
        h("button.icon-button", {
          type: "button", "aria-label": `Deny ${name}`, title: `Deny ${name}`, onClick: () => act(door.deny(id)),
        }, icon("close"))));
    this.#rows.set(id, row);
    this.#list.append(row);
  }
}

/** Over the stage while somebody waits: a host who looks at a screen must not overlook who stands outside. */
export class DoorBanner {
  #door;
  #text = h("span");
  #admit;
  #told = 0;

  /**
   * @param {import("../sdk/door.js").Door} door
   * @param {() => void} onView opens the list
   */
  constructor(door, onView) {
    this.#door = door;
    this.#admit = h("button.button.primary.compact", { type: "button", onClick: () => this.#letIn() });
    this.element = h("div.banner.door-banner", { hidden: true }, icon("door"), this.#text, this.#admit,
      h("button.button.quiet.compact", { type: "button", onClick: onView }, "View"));
    door.addEventListener("change", () => this.#refresh());
  }

  #letIn() {
    const [first] = this.#door.waiting.keys();
    act(this.#door.total === 1 && first ? this.#door.admit(first) : this.#door.admitAll());
  }

  #refresh() {
    const { waiting, total } = this.#door;
    const [first] = waiting.values();
    const text = total === 1 && first ? `${first.name} is waiting` : `${total} people are waiting`;
    this.element.hidden = total === 0;
    if (total > 0) this.#text.textContent = text;
    this.#admit.textContent = total === 1 ? "Admit" : "Admit all";
    if (total > this.#told) announce(text);
    this.#told = total;
  }
}

/** A button that locks the meeting and unlocks it. */
export class LockButton {
  #door;
  #onChange = () => this.refresh();

  /** @param {import("../sdk/door.js").Door} door */
  constructor(door) {
    this.#door = door;
    this.element = h("button.button.quiet.compact", {
      type: "button", "aria-pressed": "false", dataset: { control: "lock" }, onClick: () => act(door.lock(!door.locked)),
    });
    door.addEventListener("change", this.#onChange);
    this.refresh();
  }

  close() {
    this.#door.removeEventListener("change", this.#onChange);
  }

  refresh() {
    const { locked } = this.#door;
    this.element.setAttribute("aria-pressed", String(locked));
    this.element.replaceChildren(icon(locked ? "lock" : "unlock"), locked ? "Locked" : "Lock");
    this.element.title = locked ? "Let people in again" : "Nobody but hosts comes in any more";
  }
}
