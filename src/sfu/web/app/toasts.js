/** Short messages: seen as toasts, heard through the page's live region. */
import { h } from "./dom.js";
import { icon } from "./icons.js";

const SHOWN_MS = 4_000;
const MOST = 3;

/** For screen readers only. */
export function announce(text) {
  document.getElementById("live").textContent = text;
}

/**
 * @param {string} text
 * @param {{tone?: "plain"|"good"|"bad"}} [options]
 */
export function toast(text, { tone = "plain" } = {}) {
  announce(text);
  const box = document.getElementById("toasts");
  // Said again, it is said once.
  for (const other of [...box.children]) if (other.textContent === text) other.remove();
  const symbol = tone === "good" ? icon("check") : tone === "bad" ? icon("info") : null;
  const item = h(`div.toast.${tone}`, {}, symbol, h("span", {}, text));
  box.append(item);
  while (box.children.length > MOST) box.firstChild.remove();
  setTimeout(() => item.remove(), SHOWN_MS);
}
