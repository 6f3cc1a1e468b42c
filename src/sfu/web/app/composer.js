/** Where one writes: to whom, what, and why one cannot. Enter sends, Shift and Enter begins a new line. */
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { leads } from "./person_menu.js";

const MOST_CHARS = 2000;
/** From here on is said how many characters are left. */
const TELL_LEFT = 200;
/** People in the list of whom to write to; of more, who was written to and hosts. */
const MOST_PEOPLE = 60;
const EVERYONE = "";

export class Composer {
  #meeting;
  #to = h("select", { "aria-label": "Send to", onChange: () => this.#chosen() });
  #text;
  #send;
  #left = h("span.composer-left", { role: "status" });
  #why = h("p.composer-why", { role: "status", tabindex: "-1", hidden: true });
  #form;
  #shownPeople = "";
  /** @type {Map<string, string>} names of those who were written to, or who wrote directly, by id */
  #partners = new Map();

  /**
   * @param {import("../sdk/sfu.js").Meeting} meeting
   * @param {(text: string, to: string|null) => Promise<void>} onSend
   */
  constructor(meeting, onSend) {
    this.#meeting = meeting;
    this.#text = h("textarea", {
      rows: "1", placeholder: "Message", "aria-label": "Message", maxlength: String(MOST_CHARS), dir: "auto",
      onInput: () => this.#typed(), onKeydown: (event) => this.#key(event),
    });
    this.#send = h("button.send", { type: "submit", "aria-label": "Send", title: "Send (Enter)" }, icon("send"));
    const onSubmit = (event) => {
      event.preventDefault();
      this.#submit(onSend);
    };
    this.#form = h("form.composer-form", { onSubmit }, h("label.composer-to", {}, "To", this.#to),
      h("div.composer-box", {}, this.#text, this.#send), this.#left);
    this.element = h("div.composer", {}, this.#why, this.#form);
    this.refresh();
  }

  focus() {
    (this.#form.hidden ? this.#why : this.#text).focus({ preventScroll: true });
  }

  /** The next message is for this one. */
  writeTo(id, name) {
    this.#partners.set(id, name);
    this.#refreshPeople();
    this.#to.value = id;
    this.#chosen();
    this.focus();
  }

  /** Who wrote directly can be answered. */
  remember(id, name) {
    if (this.#partners.get(id) === name) return;
    this.#partners.set(id, name);
    this.#refreshPeople();
  }

  refresh() {
    const { mode } = this.#meeting.chat.settings;
    const why = mode === "off" ? "The chat is switched off." : "";
    if (this.#why.textContent !== why) {
      const isWriting = this.#form.contains(document.activeElement);
      this.#why.textContent = why;
      this.#why.hidden = why === "";
      this.#form.hidden = why !== "";
      if (isWriting) this.#why.focus();
    }
    this.#refreshPeople();
  }

  get #mayWriteToAll() {
    const { chat, permissions } = this.#meeting;
    return chat.settings.mode === "everyone" || leads(permissions.role);
  }

  #refreshPeople() {
    const { participants, participantId, chat } = this.#meeting;
    const others = [...participants.values()].filter(({ id }) => id !== participantId);
    const isLarge = others.length > MOST_PEOPLE;
    const listed = others.filter(({ id, role }) => leads(role) || (this.#mayWriteToAll
      && (!isLarge || this.#partners.has(id))));
    const people = new Map(chat.settings.direct ? listed.map(({ id, name }) => [id, name]) : []);
    for (const [id, name] of chat.settings.direct && this.#mayWriteToAll ? this.#partners : []) people.set(id, name);
    const options = [...people].sort(([, one], [, other]) => one.localeCompare(other));
    if (this.#mayWriteToAll) options.unshift([EVERYONE, "Everyone"]);
    else if (options.length === 0) options.push([EVERYONE, "Nobody: only hosts may write"]);
    const shown = JSON.stringify([options, this.#mayWriteToAll]);
    if (shown === this.#shownPeople) return;
    this.#shownPeople = shown;
    const before = this.#to.value;
    this.#to.replaceChildren(...options.map(([value, name]) => h("option", { value }, name)));
    if (options.some(([value]) => value === before)) this.#to.value = before;
    this.#chosen();
  }

  #chosen() {
    const isDirect = this.#to.value !== EVERYONE;
    this.#form.classList.toggle("direct", isDirect);
    const name = this.#to.selectedOptions[0]?.textContent ?? "";
    this.#text.placeholder = isDirect ? `Only ${name} will see this` : "Message everyone";
    this.#typed();
  }

  #typed() {
    const { value } = this.#text;
    const left = MOST_CHARS - value.length;
    this.#left.textContent = left < TELL_LEFT ? `${left} left` : "";
    const isSendable = value.trim() !== "" && (this.#to.value !== EVERYONE || this.#mayWriteToAll);
    this.#send.setAttribute("aria-disabled", String(!isSendable));
    if (!this.#text.isConnected) return;
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight}px`;
  }

  #key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#form.requestSubmit();
  }

  /** What was refused is written again for who wrote it. */
  async #submit(onSend) {
    if (this.#send.getAttribute("aria-disabled") === "true") return;
    const text = this.#text.value;
    this.#text.value = "";
    this.#typed();
    try {
      await onSend(text, this.#to.value || null);
    } catch {
      if (this.#text.value === "") this.#text.value = text;
      this.#typed();
    }
  }
}
