/** Plain text with its web addresses made clickable. Whatever the text is, it becomes text nodes and links alone. */
import { h } from "./dom.js";

const ADDRESS = /\bhttps?:\/\/[^\s<>"'`\u2028\u2029]+/gi;
/** What ends a sentence does not belong to an address at its end. */
const TRAILING = /[.,;:!?…)\]}]+$/;

/**
 * @param {string} text
 * @returns {(string|HTMLAnchorElement)[]} for `append`
 */
export function richText(text) {
  const parts = [];
  let end = 0;
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = trimmed(found);
    const url = parse(address);
    if (!url) continue;
    parts.push(text.slice(end, index), link(url, address));
    end = index + address.length;
  }
  parts.push(text.slice(end));
  return parts.filter((part) => part !== "");
}

/** A closing bracket stays where the address itself opened it. */
function trimmed(found) {
  const tail = TRAILING.exec(found)?.[0] ?? "";
  const bare = found.slice(0, found.length - tail.length);
  return tail.startsWith(")") && bare.includes("(") ? `${bare})` : bare;
}

function parse(address) {
  const url = URL.canParse(address) ? new URL(address) : null;
  return url && (url.protocol === "http:" || url.protocol === "https:") && url.hostname !== "" ? url : null;
}

/** What is read is what is opened: a user name in an address, which looks like a host, is shown as the browser has it. */
function link(url, address) {
  const shown = url.username || url.password ? url.href : address;
  return h("a", { href: url.href, target: "_blank", rel: "noopener noreferrer nofollow" }, shown);
}
