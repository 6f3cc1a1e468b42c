/** A meeting for a calendar. In the tab that has the join token the file's link works by itself. */
import { h } from "./dom.js";
import { joinTokens } from "./store.js";
import { toast } from "./toasts.js";

const FILE = "meeting.ics";
/** A download has begun by then. */
const KEPT_MS = 60_000;

/**
 * @param {import("../sdk/http.js").Api} api
 * @param {{id: string, access?: string}} meeting
 * @param {string} tag
 * @param {Record<string, unknown>} props
 * @param {...(Node|string)} children
 */
export function calendarLink(api, { id, access }, tag, props, ...children) {
  const onClick = (event) => {
    const token = joinTokens.of(id);
    if (!token) return;
    event.preventDefault();
    save(api, id, token).catch((error) => toast(error.message, { tone: "bad" }));
  };
  const isLess = access === "token" && !joinTokens.of(id);
  const title = isLess ? "Add to calendar: without the whole link, which this tab does not have" : "Add to calendar";
  const href = `/meetings/${encodeURIComponent(id)}.ics`;
  return h(tag, { href, download: FILE, title, onClick, ...props }, ...children);
}

async function save(api, id, token) {
  const text = await api.calendarFile(id, token);
  const href = URL.createObjectURL(new Blob([text], { type: "text/calendar" }));
  h("a", { href, download: FILE }).click();
  setTimeout(() => URL.revokeObjectURL(href), KEPT_MS);
}
