/** The chat: lines, where one writes, and for hosts who may write. */
import { chatLine } from "./chat_line.js";
import { Composer } from "./composer.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { leads } from "./person_menu.js";
import { toast } from "./toasts.js";

/** Lines on the page: a day's talk must not weigh the tab down. */
const MOST_LINES = 600;
/** So near the end somebody reads along, CSS pixels. */
const AT_END = 60;
const MODES = { everyone: "Everyone can write", hosts: "Only hosts can write", off: "Nobody can write" };

export class ChatPanel {
  #meeting;
  #onClose;
  #list = h("div.lines", {
    role: "list", "aria-label": "Messages", tabindex: "0", onScroll: () => this.#scrolled(),
  });
  #older = h("button.button.quiet.compact.lines-older", { type: "button", onClick: () => this.#loadOlder() },
    "Earlier messages");
  #empty = h("p.lines-empty", {}, icon("chat"), h("span", {}, "Nobody has written yet."));
  #jump;
  #composer;
  #mode;
  #isLoading = false;
  #onLines = ({ detail }) => this.#linesChanged(detail);
  #onReset = () => this.#showAll();
  #onSettings = () => this.refresh();

  /**
   * @param {import("../sdk/sfu.js").Meeting} meeting
   * @param {() => void} onClose
   */
  constructor(meeting, onClose) {
    this.#meeting = meeting;
    this.#onClose = onClose;
    this.#composer = new Composer(meeting, (text, to) => this.#say(text, to));
    this.#build();
    const { chat } = meeting;
    chat.addEventListener("lines", this.#onLines);
    chat.addEventListener("reset", this.#onReset);
    chat.addEventListener("settings", this.#onSettings);
    this.#showAll();
    this.refresh();
    if (chat.hasOlder && chat.lines.length === 0) this.#loadOlder();
  }

  /** Puts the cursor where one writes, at the newest lines. */
  focus() {
    this.#toEnd();
    this.#composer.focus();
  }

  writeTo(id) {
    this.#composer.writeTo(id, this.#meeting.nameOf(id) ?? "…");
  }

  /** Roles, people or settings are others. */
  refresh() {
    const { chat, permissions } = this.#meeting;
    this.#mode.hidden = !leads(permissions.role);
    this.#mode.querySelector("select").value = chat.settings.mode;
    this.#composer.refresh();
  }

  close() {
    const { chat } = this.#meeting;
    chat.removeEventListener("lines", this.#onLines);
    chat.removeEventListener("reset", this.#onReset);
    chat.removeEventListener("settings", this.#onSettings);
    this.element.remove();
  }

  #build() {
    const close = h("button.icon-button", {
      type: "button", "aria-label": "Close the chat", title: "Close (C)", onClick: this.#onClose,
    }, icon("close"));
    const select = h("select", { "aria-label": "Who can write", onChange: () => this.#configure(select) },
      ...Object.entries(MODES).map(([value, text]) => h("option", { value }, text)));
    this.#mode = h("label.select.chat-mode", { hidden: true }, select);
    this.#jump = h("button.chip.lines-jump", { type: "button", hidden: true, onClick: () => this.#toEnd() },
      icon("down"), h("span", {}, "New messages"));
    const onKeydown = (event) => this.#key(event);
    this.element = h("aside.side.chat", { id: "chat", "aria-label": "Chat", onKeydown },
      h("header", {}, h("h2", {}, "Chat"), h("span.spacer"), close), this.#mode,
      h("div.lines-box", {}, this.#list, this.#jump), this.#composer.element);
  }

  #key(event) {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    this.#onClose();
  }

  async #configure(select) {
    try {
      await this.#meeting.chat.configure({ mode: select.value });
    } catch (error) {
      toast(error.message, { tone: "bad" });
    }
    this.refresh();
  }

  async #say(text, to) {
    try {
      await this.#meeting.chat.send(text, { to });
      this.#toEnd();
    } catch (error) {
      toast(error.hint ? `${error.message}: ${error.hint}` : error.message, { tone: "bad" });
      throw error;
    }
  }

  async #loadOlder() {
    if (this.#isLoading) return;
    this.#isLoading = true;
    const fromEnd = this.#list.scrollHeight - this.#list.scrollTop;
    try {
      await this.#meeting.chat.loadOlder();
      this.#list.scrollTop = this.#list.scrollHeight - fromEnd;
    } catch (error) {
      toast(error.message, { tone: "bad" });
    }
    this.#isLoading = false;
    this.#refreshEnds();
  }

  #linesChanged({ added, changed, isNew }) {
    if (!isNew) return this.#showAll();
    const isAtEnd = this.#isAtEnd;
    const { lines } = this.#meeting.chat;
    for (const line of changed) this.#replace(line);
    added.forEach((line, index) => {
      const before = lines.at(index - added.length - 1);
      this.#list.append(this.#element(line, lines.length > added.length || index > 0 ? before : undefined));
    });
    while (this.#list.querySelectorAll(".line").length > MOST_LINES) this.#list.querySelector(".line").remove();
    if (isAtEnd || added.some(({ participantId }) => participantId === this.#meeting.participantId)) this.#toEnd();
    else if (added.length > 0) this.#jump.hidden = false;
    this.#refreshEnds();
  }

  #showAll() {
    const lines = this.#meeting.chat.lines.slice(-MOST_LINES);
    this.#list.replaceChildren(this.#older, this.#empty, ...lines.map((line, index) => (
      this.#element(line, lines[index - 1]))));
    this.#refreshEnds();
  }

  #refreshEnds() {
    const { chat } = this.#meeting;
    this.#older.hidden = !chat.hasOlder || this.#isLoading;
    this.#empty.hidden = chat.lines.length > 0 || chat.hasOlder;
  }

  #replace(line) {
    const there = this.#list.querySelector(`[data-seq="${line.seq}"]`);
    const { lines } = this.#meeting.chat;
    there?.replaceWith(this.#element(line, lines[lines.findIndex(({ seq }) => seq === line.seq) - 1]));
  }

  #element(line, before) {
    const { participantId, permissions, chat } = this.#meeting;
    const isOwn = line.participantId === participantId;
    if (line.to === participantId) this.#composer.remember(line.participantId, line.name);
    const canAnswer = !isOwn && chat.settings.direct && chat.settings.mode === "everyone";
    return chatLine(line, before, {
      ownId: participantId,
      onDelete: isOwn || leads(permissions.role) ? () => this.#delete(line.seq) : null,
      onAnswer: canAnswer ? () => this.#composer.writeTo(line.participantId, line.name) : null,
    });
  }

  async #delete(seq) {
    try {
      await this.#meeting.chat.delete(seq);
    } catch (error) {
      toast(error.message, { tone: "bad" });
    }
  }

  get #isAtEnd() {
    const { scrollTop, scrollHeight, clientHeight } = this.#list;
    return scrollHeight - scrollTop - clientHeight < AT_END;
  }

  #toEnd() {
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#jump.hidden = true;
  }

  #scrolled() {
    if (this.#isAtEnd) this.#jump.hidden = true;
  }
}
