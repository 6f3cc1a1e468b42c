/** Whom hosts keep out, and letting them back: a part of the list of people, shut until somebody looks. */
import { confirm } from "./dialogs.js";
import { h, hueOf, initials } from "./dom.js";
import { icon } from "./icons.js";
import { act } from "./mute_all.js";
import { leads } from "./person_menu.js";

/** Shown one by one, the last first; of the others it is said that there are more. */
const MOST_ROWS = 50;
const WHO = "Somebody without a name";

export class KeptOutSection {
  #door;
  #leads = false;
  #asked = 0;
  #timer = 0;
  #summary = h("summary");
  #list = h("div.door-list", { role: "list", "aria-label": "People who are kept out" });
  #rest = h("p.door-rest", { hidden: true }, "and others before them");
  #onChange = () => this.#look();

  /** @param {import("../sdk/sfu.js").Meeting} meeting */
  constructor({ door }) {
    this.#door = door;
    this.element = h("details.kept-out", { hidden: true }, this.#summary, this.#list, this.#rest);
    door.addEventListener("keptout", this.#onChange);
  }

  close() {
    this.#door.removeEventListener("keptout", this.#onChange);
    this.#leads = false;
    clearTimeout(this.#timer);
  }

  /** This participant's role, now or again: hosts alone see it. */
  become(role) {
    if (leads(role) === this.#leads) return;
    this.#leads = leads(role);
    this.#look();
  }

  async #look() {
    const asked = ++this.#asked;
    clearTimeout(this.#timer);
    if (!this.#leads) return this.#show([], null);
    try {
      const page = await this.#door.keptOut({ limit: MOST_ROWS });
      if (asked === this.#asked && this.#leads) this.#show(page.kept_out, page.next);
    } catch {
      // No host any more, or no socket: the next role or welcome asks again.
    }
  }

  #show(people, next) {
    const isInside = this.#list.contains(document.activeElement);
    this.#list.replaceChildren(...people.map((person) => this.#row(person)));
    this.element.hidden = people.length === 0;
    this.#rest.hidden = next === null;
    this.#summary.replaceChildren(icon("lock"), `Kept out (${people.length}${next === null ? "" : "+"})`);
    if (isInside) (this.#list.querySelector("button") ?? this.element.closest("aside")?.querySelector("button"))?.focus();
    // A denial ends by itself, of which nobody is told.
    const ends = people.filter(({ until }) => until !== null).map(({ until }) => new Date(until).getTime());
    if (ends.length > 0) this.#timer = setTimeout(this.#onChange, Math.max(1000, Math.min(...ends) - Date.now() + 500));
  }

  #row({ id, name, reason, at, until }) {
    const called = name || WHO;
    const face = h("span.row-face", { "aria-hidden": "true" }, initials(called));
    face.style.setProperty("--hue", hueOf(called));
    const why = reason === "removed" ? `Removed at ${timeOf(at)}` : `Not let in, until ${timeOf(until)}`;
    const readmit = async () => {
      const text = reason === "removed"
        ? "They can come again, like everybody who has the link."
        : "They can ask again to be let in.";
      if (!await confirm(`Let ${called} come again?`, text, "Let them come")) return;
      await act(this.#door.readmit(id), `${called} may come again`);
    };
    return h("div.row.door-row", { role: "listitem", "aria-label": `${called}, kept out` }, face,
      h("span.row-words", {}, h("span.row-name", { title: called }, called), h("span.row-role", {}, why)),
      h("span.row-actions", {}, h("button.pill", {
        type: "button", "aria-label": `Let ${called} come again`, onClick: readmit,
      }, "Let back")));
  }
}

function timeOf(at) {
  return new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" }).format(new Date(at));
}
