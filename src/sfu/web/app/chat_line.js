/** One line of the chat. Names and texts are set as text alone: nothing that somebody writes becomes markup. */
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { richText } from "./rich_text.js";

const TIME = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
/** Lines of one author within this time stand together. */
const TOGETHER_MS = 120_000;

/**
 * @param {import("../sdk/chat.js").Line} line
 * @param {import("../sdk/chat.js").Line|undefined} before the line above it
 * @param {{ownId: string|null, onDelete: (() => void)|null, onAnswer: (() => void)|null}} options
 */
export function chatLine(line, before, { ownId, onDelete, onAnswer }) {
  const { seq, at, name, text } = line;
  const isOwn = line.participantId === ownId;
  const goesOn = isContinued(line, before);
  const classes = ["div.line", isOwn && "own", line.to !== null && "direct", text === null && "gone", goesOn && "on"];
  const head = h("div.line-head", {}, h("span.line-name", { dir: "auto" }, isOwn ? "You" : name),
    line.to === null ? null : h("span.line-to", {}, "to ", h("bdi", {}, line.to === ownId ? "you" : line.toName),
      " only"),
    h("time.line-time", { datetime: at.toISOString() }, TIME.format(at)));
  const body = text === null ? h("p.line-text", {}, "Message deleted") : h("p.line-text", { dir: "auto" },
    ...richText(text));
  const actions = text === null ? [] : [
    onAnswer && action("back", `Answer ${name} directly`, onAnswer), onDelete && action("trash", "Delete", onDelete),
  ];
  // It takes the focus of a tap, by which its actions show where nothing hovers.
  return h(classes.filter(Boolean).join("."), { role: "listitem", tabindex: "-1", dataset: { seq: String(seq) } },
    head, body, h("span.line-actions", {}, ...actions));
}

/** What a screen reader is told of a line. */
export function spoken({ name, text, to }, ownId) {
  if (text === null) return "";
  const words = text.length > 200 ? `${text.slice(0, 200)}…` : text;
  return to === ownId && to !== null ? `${name}, to you only: ${words}` : `${name}: ${words}`;
}

function isContinued(line, before) {
  return before !== undefined && before.participantId === line.participantId && before.to === line.to
    && line.at - before.at < TOGETHER_MS;
}

function action(symbol, label, onClick) {
  return h("button.icon-button", { type: "button", "aria-label": label, title: label, onClick }, icon(symbol));
}
