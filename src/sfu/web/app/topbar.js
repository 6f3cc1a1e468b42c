/** The bar above the tiles: which meeting, how the connection is, the link to send, the settings. */
import { h } from "./dom.js";
import { brand } from "./home.js";
import { icon } from "./icons.js";
import { NetworkBadge } from "./network_badge.js";
import { joinTokens } from "./store.js";
import { toast } from "./toasts.js";

const COPIED_MS = 1_800;

/** The link that brings others here. */
export function meetingLink(id) {
  const token = joinTokens.of(id);
  return new URL(`/m/${encodeURIComponent(id)}${token ? `#${token}` : ""}`, location.origin).href;
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
  #badge;
  #title = h("h1.meeting-title", {});

  /**
   * @param {import("../sdk/sfu.js").Meeting} meeting
   * @param {() => void} onSettings
   */
  constructor(meeting, onSettings) {
    this.#badge = new NetworkBadge(meeting);
    const settings = h("button.icon-button", {
      type: "button", "aria-label": "Settings", title: "Settings", dataset: { control: "settings" },
      onClick: onSettings,
    }, icon("sliders"));
    this.element = h("header.topbar", {}, brand(), this.#title, this.#badge.element, h("span.spacer"),
      copyButton(meeting.id), settings);
  }

  /** @param {import("../sdk/sfu.js").Meeting} meeting */
  refresh(meeting) {
    this.#badge.refresh();
    const title = meeting.title || meeting.id;
    if (this.#title.textContent !== title) this.#title.textContent = title;
  }

  close() {
    this.#badge.close();
  }
}
