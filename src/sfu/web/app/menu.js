/** A menu beside a button: opens above everything, is walked through by arrow keys, and closes by Escape or a click. */
import { h } from "./dom.js";
import { icon } from "./icons.js";

const MARGIN = 8;
const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

/**
 * @typedef {{label: string, symbol?: string, run: () => void, isBad?: boolean}} Item
 * @param {HTMLElement} button that it belongs to
 * @param {string} label what it is about
 * @param {Item[]} items
 * @param {(close: () => void) => HTMLElement[]} [makeRow] makes a row of small ones above them
 */
export function openMenu(button, label, items, makeRow = () => []) {
  const close = () => menu.hidePopover();
  const entries = items.map(({ label: text, symbol, run, isBad }) => h(`button.menu-item${isBad ? ".bad" : ""}`, {
    type: "button", role: "menuitem", tabindex: "-1", onClick: () => {
      close();
      run();
    },
  }, symbol ? icon(symbol) : null, h("span", {}, text)));
  const small = makeRow(close);
  const all = [...small, ...entries];
  const onKeydown = (event) => walk(event, all);
  const menu = h("div.menu", { role: "menu", "aria-label": label, popover: "auto", onKeydown },
    small.length > 0 && h("div.menu-row", { role: "none" }, ...small), ...entries);
  menu.addEventListener("toggle", ({ newState }) => {
    if (newState !== "closed") return;
    button.setAttribute("aria-expanded", "false");
    if (menu.contains(document.activeElement) || document.activeElement === document.body) button.focus();
    menu.remove();
  });
  document.body.append(menu);
  menu.showPopover();
  button.setAttribute("aria-expanded", "true");
  place(menu, button.getBoundingClientRect());
  all[0]?.focus();
}

function walk(event, entries) {
  event.stopPropagation();
  const now = entries.indexOf(document.activeElement);
  const places = { Home: 0, End: entries.length - 1 };
  const next = event.key in STEPS ? now + STEPS[event.key] : places[event.key];
  if (next === undefined) return;
  event.preventDefault();
  entries[(next + entries.length) % entries.length].focus();
}

/** Below the button where there is room, its right edge at the button's. */
function place({ style, offsetWidth, offsetHeight }, { right, bottom, top }) {
  const isBelow = bottom + offsetHeight + MARGIN <= innerHeight;
  const y = isBelow ? bottom + 4 : Math.max(MARGIN, top - offsetHeight - 4);
  const x = Math.min(Math.max(MARGIN, right - offsetWidth), innerWidth - offsetWidth - MARGIN);
  style.left = `${Math.round(x)}px`;
  style.top = `${Math.round(y)}px`;
}
