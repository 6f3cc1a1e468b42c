/** A round button for something that is on or off: microphone, camera, screen, hand. */
import { h } from "./dom.js";
import { icon } from "./icons.js";

/**
 * @param {string} symbol icon while on; `${symbol}-off` while off
 * @param {string} noun "microphone", "camera"
 * @param {() => unknown} onClick
 * @param {{on?: string, off?: string, key?: string, icons?: [string, string]}} [words] labels, and the key that does
 *   the same; `icons`: while on and while off, of what is the exception, so that "on" stands out and "off" is no warning
 */
export function toggleButton(symbol, noun, onClick, words = {}) {
  const shortcut = words.key ? ` (${words.key.toUpperCase()})` : "";
  const element = h("button.round", { type: "button", onClick, dataset: { control: noun } });
  const [iconOn, iconOff] = words.icons ?? [symbol, `${symbol}-off`];
  let shown = "";
  const set = (on, problem = "") => {
    if (shown === `${on} ${problem}`) return;
    shown = `${on} ${problem}`;
    const label = on ? (words.on ?? `Turn off ${noun}`) : (words.off ?? `Turn on ${noun}`);
    element.replaceChildren(icon(on ? iconOn : iconOff), problem ? h("span.round-alert", {}, "!") : "");
    element.setAttribute("aria-label", label);
    element.setAttribute("aria-pressed", String(on));
    element.title = problem || label + shortcut;
    element.classList.toggle("off", !on && !words.icons);
    element.classList.toggle("active", on && Boolean(words.icons));
  };
  return { element, set };
}
