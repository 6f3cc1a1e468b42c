/** Reactions: emoji that float up over the stage, and the little bar of those that one can send. */
import { h } from "./dom.js";
import { announce, toast } from "./toasts.js";

const QUICK = [["👍", "Thumbs up"], ["👏", "Applause"], ["❤️", "Heart"], ["😂", "Laughter"], ["😮", "Surprise"],
  ["🎉", "Celebration"]];
const FLOAT_MS = 3_200;
const MOST_FLOATING = 40;
/** Of one emoji in one message. */
const MOST_AT_ONCE = 8;
const SPREAD_MS = 700;
/** A screen reader hears of reactions no more often. */
const SPEAK_EVERY_MS = 5_000;

export class ReactionsView {
  #meeting;
  #spokenAt = -Infinity;

  /** @param {import("../sdk/sfu.js").Meeting} meeting */
  constructor(meeting) {
    this.#meeting = meeting;
    this.element = h("div.floats", { "aria-hidden": "true" });
    meeting.addEventListener("reactions", ({ detail }) => this.#show(detail));
  }

  /** The emoji to choose from. @param {() => void} onDone */
  bar(onDone) {
    const buttons = QUICK.map(([emoji, label]) => h("button.quick", {
      type: "button", role: "menuitem", tabindex: "-1", "aria-label": label, title: label,
      onClick: () => this.#react(emoji, onDone),
    }, emoji));
    return buttons;
  }

  async #react(emoji, onDone) {
    onDone();
    try {
      await this.#meeting.react(emoji);
    } catch (error) {
      toast(error.message, { tone: "bad" });
    }
  }

  #show(reactions) {
    for (const { emoji, count, by } of reactions) {
      for (let index = 0; index < Math.min(count, MOST_AT_ONCE); index += 1) this.#float(emoji, by[index]?.name ?? "");
    }
    this.#speak(reactions);
  }

  #float(emoji, name) {
    if (this.element.childElementCount >= MOST_FLOATING) return;
    const isOwn = name === this.#meeting.name;
    const item = h("div.float", {}, h("span.float-emoji", {}, emoji), name && h("span.float-name", {},
      isOwn ? "You" : name));
    item.style.setProperty("--x", `${Math.round(Math.random() * 100)}%`);
    const delay = Math.round(Math.random() * SPREAD_MS);
    item.style.animationDelay = `${delay}ms`;
    this.element.append(item);
    setTimeout(() => item.remove(), FLOAT_MS + delay);
  }

  #speak(reactions) {
    const others = reactions.flatMap(({ emoji, count, by }) => (
      by.filter(({ participantId }) => participantId !== this.#meeting.participantId)
        .slice(0, 1).map(({ name }) => ({ emoji, name, more: count - 1 }))));
    if (others.length === 0 || performance.now() - this.#spokenAt < SPEAK_EVERY_MS) return;
    this.#spokenAt = performance.now();
    const [{ emoji, name, more }] = others;
    announce(more > 0 ? `${name} and ${more} more: ${emoji}` : `${name}: ${emoji}`);
  }
}
