/**
 * The home view's list of meetings: those to come, those that go on, those that are over; planning new ones, and
 * changing and ending them. For who may: with an API key, which this tab remembers, or on a server in development mode
 * without one.
 */
import { Api } from "../sdk/http.js";
import { open } from "./dialogs.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { planForm } from "./plan_form.js";
import { planRow } from "./plan_row.js";
import { apiKey } from "./store.js";
import { zoneName } from "./when.js";

const STATES = [["scheduled", "Upcoming"], ["active", "Running"], ["ended", "Past"]];
const EMPTY = { scheduled: "Nothing is planned.", active: "No meeting is open.", ended: "No meeting has ended." };
/** Whether the server, which says so in the page, tells everybody of its meetings. */
const IS_OPEN = document.documentElement.dataset.meetings === "open";
const PAGE = { scheduled: 200, active: 20, ended: 20 };

export class Plans {
  #api = new Api();
  #state = "scheduled";
  #next = null;
  /** An answer to an older question is none. */
  #asked = 0;
  #tabs = new Map();
  #list = h("ul.plan-list");
  #more = h("button.button.quiet.compact", { type: "button", hidden: true, onClick: () => this.#load(this.#next) },
    "Show more");
  #note = h("p.plan-note", { role: "status" });
  #body;
  #door;

  constructor() {
    for (const [state, text] of STATES) {
      const tab = h("button.plan-tab", {
        type: "button", "aria-pressed": String(state === this.#state), onClick: () => this.#choose(state),
      }, text);
      this.#tabs.set(state, tab);
    }
    const plan = h("button.button.primary.compact", { type: "button", onClick: () => this.#plan() },
      icon("plus"), "Plan a meeting");
    this.#body = h("div.plan-body", { hidden: true },
      h("header.plan-head", {}, h("h2", {}, "Meetings"), plan),
      h("div.plan-tabs", { role: "group", "aria-label": "Which meetings" }, ...this.#tabs.values(),
        h("span.plan-zone", {}, `Times in ${zoneName()}`)),
      this.#list, this.#note, this.#more);
    this.#door = this.#keyForm();
    this.element = h("section.plans", { "aria-label": "Meetings" }, this.#body, this.#door);
    if (apiKey.get() || IS_OPEN) this.#load();
    else this.#door.hidden = false;
  }

  #choose(state) {
    this.#state = state;
    for (const [name, tab] of this.#tabs) tab.setAttribute("aria-pressed", String(name === state));
    this.#load();
  }

  /** A meeting was changed here: the list is another, and the focus is where it begins. */
  async #again() {
    await this.#load();
    this.#tabs.get(this.#state).focus();
  }

  async #load(cursor = null) {
    const asked = ++this.#asked;
    try {
      const page = await this.#api.meetings({ status: this.#state, cursor, limit: PAGE[this.#state] }, apiKey.get());
      if (asked === this.#asked) this.#show(page, cursor !== null);
    } catch (error) {
      if (asked === this.#asked) this.#failed(error);
    }
  }

  #show({ meetings, next }, isMore) {
    this.#body.hidden = false;
    this.#door.hidden = true;
    this.#next = next;
    this.#more.hidden = next === null;
    const rows = meetings.map((meeting) => planRow(this.#api, meeting, () => this.#again()));
    // The server tells the latest first; of what is to come, what comes next is wanted first.
    const isToCome = this.#state === "scheduled";
    if (isToCome) rows.reverse();
    if (!isMore) this.#list.replaceChildren(...rows);
    else if (isToCome) this.#list.prepend(...rows);
    else this.#list.append(...rows);
    this.#note.textContent = this.#list.childElementCount === 0 ? EMPTY[this.#state] : "";
  }

  #failed(error) {
    if (error.code !== "unauthorized" && error.code !== "forbidden") {
      this.#note.textContent = error.message;
      return;
    }
    const was = apiKey.get();
    apiKey.forget();
    this.#body.hidden = true;
    this.#door.hidden = false;
    this.#door.querySelector(".field-error").textContent = was ? error.message : "";
  }

  #keyForm() {
    const input = h("input", {
      type: "password", autocomplete: "off", spellcheck: "false", maxlength: "512", placeholder: "API key",
      "aria-label": "API key",
    });
    const submit = (event) => {
      event.preventDefault();
      if (!input.value.trim()) return input.focus();
      apiKey.keep(input.value.trim());
      input.value = "";
      this.#load();
    };
    return h("details.plan-door", { hidden: true },
      h("summary", {}, "Plan and see meetings"),
      h("form.join-form", { onSubmit: submit, novalidate: true },
        h("p.plan-note", {}, "This server asks for an API key. It is forgotten when this tab is closed."),
        h("div.join-row", {}, h("span.input", {}, icon("lock"), input),
          h("button.button.quiet", { type: "submit" }, "Open")),
        h("p.field-error", { role: "alert" })));
  }

  #plan() {
    const form = planForm(this.#api, () => this.#choose("scheduled"));
    open("Plan a meeting", form, () => {});
  }
}
