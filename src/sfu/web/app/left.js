/** What is shown after a meeting: why it is over, and the ways on. */
import { h, show } from "./dom.js";
import { brand } from "./home.js";

/** reason of the SDK's `closed` state -> heading, explanation, whether joining again makes sense */
const REASONS = {
  left: ["You left the meeting", "", true],
  ended: ["The meeting has ended", "", false],
  server_stopping: ["The meeting has ended", "The server is being stopped.", false],
  replaced: ["You joined from somewhere else", "This tab was disconnected because another one took over.", true],
  meeting_not_found: ["There is no meeting here", "The link is wrong, or the meeting is over.", false],
  meeting_full: ["The meeting is full", "Someone has to leave before you can join.", true],
  forbidden: ["You could not join as the host", "This is another meeting than the one that you started.", true],
  removed: ["You were removed from the meeting", "A host decided so. You can not come back.", false],
  denied: ["You were not let in", "The host decided so.", true],
  revoked: ["Your invitation is not good any more", "Ask who invited you for a new link.", false],
  expired: ["Your time in this meeting is over", "Your invitation was for so long.", true],
  locked: ["The meeting is locked", "Nobody else gets in until a host unlocks it.", true],
  join_token_required: ["This link is not complete", "Open the whole link that you were sent, or ask for a new one.", false],
  too_early: ["The meeting is not open yet", "Come back shortly before it begins.", true],
  waiting_room_full: ["Too many people are waiting", "Try again in a few minutes.", true],
  duplicate_identity: ["You are in this meeting already", "Leave it there first.", true],
  not_admitted: ["You were not let in", "You waited for long, or something else was in the way.", true],
  unauthorized: ["Your invitation is not good", "It has expired, or is for something else.", false],
  rate_limited: ["Too many people are trying to join", "Try again in a few seconds.", true],
  network: ["The server cannot be reached", "Check your connection and try again.", true],
};
const UNKNOWN = ["You were disconnected", "Something went wrong on the way.", true];

/**
 * @param {string} reason
 * @param {() => void} onRejoin
 */
export function left(reason, onRejoin) {
  const [heading, text, again] = REASONS[reason] ?? UNKNOWN;
  const rejoin = again && h("button.button.primary.large",
    { type: "button", onClick: onRejoin, "data-autofocus": true }, reason === "left" ? "Join again" : "Try again");
  show(h("main.left", {}, brand(), h("h1", {}, heading), text && h("p.lead", {}, text),
    h("div.left-actions", {}, rejoin, h("a.button.quiet.large", { href: "/" }, "To the start page"))),
  { title: `${heading} · sfu` });
}
