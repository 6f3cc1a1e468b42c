/** The chat as a whole: its panel while it is open; while it is not, how many lines nobody has read. */
import { spoken } from "./chat_line.js";
import { ChatPanel } from "./chat_panel.js";
import { announce, toast } from "./toasts.js";

/** Faster than this nobody listens to what is read out. */
const SPEAK_EVERY_MS = 1_500;

export class ChatView {
  #meeting;
  #place;
  #onChange;
  /** @type {ChatPanel|null} while it is open */
  #panel = null;
  #unread = 0;
  #spokenAt = -Infinity;
  #unspoken = 0;
  #timer = 0;

  /**
   * @param {import("../sdk/sfu.js").Meeting} meeting
   * @param {HTMLElement} place where the panel goes
   * @param {(state: {isOpen: boolean, unread: number}) => void} onChange
   */
  constructor(meeting, place, onChange) {
    this.#meeting = meeting;
    this.#place = place;
    this.#onChange = onChange;
    meeting.chat.addEventListener("lines", ({ detail }) => detail.isNew && this.#said(detail.added));
  }

  get isOpen() {
    return this.#panel !== null;
  }

  toggle() {
    if (this.#panel) {
      this.#panel.close();
      this.#panel = null;
    } else {
      this.#panel = new ChatPanel(this.#meeting, () => this.toggle());
      this.#place.append(this.#panel.element);
      this.#panel.focus();
      this.#unread = 0;
    }
    this.#tell();
  }

  writeTo(id) {
    if (!this.#panel) this.toggle();
    this.#panel.writeTo(id);
  }

  refresh() {
    this.#panel?.refresh();
  }

  close() {
    clearTimeout(this.#timer);
    this.#panel?.close();
  }

  #said(lines) {
    const { participantId } = this.#meeting;
    const others = lines.filter((line) => line.participantId !== participantId && line.text !== null);
    if (others.length === 0) return;
    if (!this.#panel) {
      this.#unread += others.length;
      this.#tell();
    }
    const direct = this.#panel ? undefined : others.findLast(({ to }) => to !== null);
    if (direct) toast(spoken(direct, participantId));
    else this.#speak(others);
  }

  /** Politely, and in a lively chat only how much was said. */
  #speak(lines) {
    const wait = this.#spokenAt + SPEAK_EVERY_MS - performance.now();
    if (wait > 0 || this.#unspoken > 0) {
      this.#unspoken += lines.length;
      this.#timer ||= setTimeout(() => this.#speakOfMany(), wait);
      return;
    }
    this.#spokenAt = performance.now();
    announce(lines.length === 1 ? spoken(lines[0], this.#meeting.participantId) : `${lines.length} messages`);
  }

  #speakOfMany() {
    this.#timer = 0;
    this.#spokenAt = performance.now();
    announce(this.#unspoken === 1 ? "1 more message" : `${this.#unspoken} more messages`);
    this.#unspoken = 0;
  }

  #tell() {
    this.#onChange({ isOpen: this.#panel !== null, unread: this.#unread });
  }
}
