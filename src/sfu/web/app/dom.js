/** Elements without a framework. Text is only ever set as text, so names cannot become markup. */

/**
 * @param {string} tag with optional classes: `"div.card.wide"`
 * @param {Record<string, unknown>} [props] `on…` functions are listeners, `dataset` an object, booleans
 *   become present or absent attributes, null and undefined are skipped, the rest attributes
 * @param {...(Node|string|null|undefined|false)} children
 */
export function h(tag, props = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length > 0) element.classList.add(...classes);
  for (const [key, value] of Object.entries(props)) setProp(element, key, value);
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function setProp(element, key, value) {
  if (value === null || value === undefined || value === false) return;
  if (key === "dataset") Object.assign(element.dataset, value);
  else if (key.startsWith("on")) element.addEventListener(key.slice(2).toLowerCase(), value);
  else element.setAttribute(key, value === true ? "" : String(value));
}

/** Shows a view in place of the one before; focus goes to its heading, as after a page load. */
export function show(view, { title = "sfu" } = {}) {
  document.title = title;
  document.getElementById("app").replaceChildren(view);
  view.querySelector("[data-autofocus]")?.focus();
}

/** Up to two letters that stand for a name. */
export function initials(name) {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  return letters.map((word) => [...word][0].toLocaleUpperCase()).join("") || "?";
}

/** A hue that is the same for the same name on every screen. */
export function hueOf(name) {
  let hash = 2_166_136_261;
  for (const letter of name) hash = Math.imul(hash ^ letter.codePointAt(0), 16_777_619);
  return (hash >>> 8) % 360;
}
