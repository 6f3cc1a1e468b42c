/** The bar above the tiles: which meeting, how the connection is, who is here, the link to send. */
import { openConnectionView } from "./connection_view.js";
import { h } from "./dom.js";
import { brand } from "./home.js";
import { icon } from "./icons.js";
import { toast } from "./toasts.js";

const BADGES = {
  joining: "Connecting…",
  connected: "Connected",
  reconnecting: "Reconnecting…",
};
const COPIED_MS = 1_800;

/** The link that brings others here. */
export function meetingLink(id) {
  return new URL(`/m/${encodeURIComponent(id)}`, location.origin).href;
}

export function copyButton(id, { label = "Copy link", style = "button.quiet.compact" } = {}) {
  const text = h("span.copy-text", {}, label);
  const symbol = h("span.copy-icon", {}, icon("link"));
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(meetingLink(id));
    } catch {
      return toast(meetingLink(id));
    }
    toast("Link copied", { tone: "good" });
    symbol.replaceChildren(icon("check"));
    setTimeout(() => symbol.replaceChildren(icon("link")), COPIED_MS);
  };
  return h(`button.${style}`, {
    type: "button", onClick: copy, "aria-label": label, title: label, dataset: { control: "copy-link" },
  }, symbol, text);
}

export class TopBar {
  #badgeText = h("span.badge-text");
  #badge;
  #count = h("span");
  #people = h("span.people", {}, icon("people"), this.#count);
  #title;

  /** @param {import("../sdk/sfu.js").Meeting} meeting */
  constructor(meeting) {
    this.#badge = h("button.badge", {
      type: "button", title: "Connection and picture quality (Q)", onClick: () => openConnectionView(meeting),
    }, h("i.badge-dot", { "aria-hidden": "true" }), this.#badgeText);
    this.#title = h("h1.meeting-title", {});
    this.element = h("header.topbar", {}, brand(), this.#title, this.#badge, h("span.spacer"), this.#people,
      copyButton(meeting.id));
  }

  /** @param {import("../sdk/sfu.js").Meeting} meeting */
  refresh(meeting) {
    const text = BADGES[meeting.state] ?? "Disconnected";
    this.#badgeText.textContent = text;
    this.#badge.dataset.state = meeting.state;
    this.#badge.setAttribute("aria-label", `${text}. Connection and picture quality`);
    this.#title.textContent = meeting.title || meeting.id;
    const count = Math.max(1, meeting.participants.size);
    this.#count.textContent = String(count);
    const words = count === 1 ? "1 participant" : `${count} participants`;
    this.#people.title = words;
    this.#people.setAttribute("aria-label", words);
  }
}
