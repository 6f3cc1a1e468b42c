/** One meeting of the home view's list, and what may be done about it. */
import { calendarLink } from "./calendar.js";
import { confirm, open } from "./dialogs.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { openMenu } from "./menu.js";
import { changeForm } from "./plan_form.js";
import { authority } from "./store.js";
import { toast } from "./toasts.js";
import { whenOf } from "./when.js";

const ACCESS = { open: "open to all", token: "by its link", waiting_room: "waiting room" };

/**
 * @param {import("../sdk/http.js").Api} api
 * @param {object} meeting as docs/api.md has it
 * @param {() => void} onChange it is another now
 */
export function planRow(api, meeting, onChange) {
  const isOver = meeting.status === "ended";
  const title = titleOf(meeting);
  const facts = [meeting.host, isOver ? null : ACCESS[meeting.access], presence(meeting)].filter(Boolean);
  const calendar = meeting.scheduled_start && !isOver
    && calendarLink(api, meeting, "a.icon-button", { "aria-label": `Add ${title} to a calendar` }, icon("calendar"));
  const go = !isOver && h("a.button.quiet.compact", {
    href: `/m/${encodeURIComponent(meeting.id)}`, "aria-label": `Open ${title}`,
  }, "Open");
  return h("li.plan", {},
    h("div.plan-when", {}, ...whenOf(meeting).map((text) => h("span", {}, text))),
    h("div.plan-what", {}, h("h3", {}, title), h("p", {}, facts.join(" · "))),
    h("div.plan-do", {}, calendar, !isOver && menuButton(api, meeting, onChange), go));
}

function menuButton(api, meeting, onChange) {
  const title = titleOf(meeting);
  const isRunning = meeting.status === "active";
  const change = () => {
    const end = open(`Change ${title}`, changeForm(api, meeting, () => {
      end();
      onChange();
    }), () => {});
  };
  const items = [
    { label: "Change", symbol: "pencil", run: change },
    {
      label: isRunning ? "End for everybody" : "Cancel the meeting", symbol: "close", isBad: true,
      run: () => end(api, meeting, onChange),
    },
  ];
  const button = h("button.icon-button.more", {
    type: "button", "aria-label": `More about ${title}`, title: "More", "aria-haspopup": "menu",
    "aria-expanded": "false", onClick: () => openMenu(button, title, items),
  }, icon("dots"));
  return button;
}

async function end(api, meeting, onChange) {
  const title = titleOf(meeting);
  const isRunning = meeting.status === "active";
  const there = meeting.participants > 0 ? `${presence(meeting)}: they have to leave. ` : "";
  const isYes = isRunning
    ? await confirm(`End ${title} for everybody?`, `${there}Nobody can join it any more. This is not undone.`,
      "End it", { no: "Let it go on", isFinal: true })
    : await confirm(`Cancel ${title}?`, "Its link is good no longer, and nobody can join. This is not undone.",
      "Cancel the meeting", { no: "Keep it", isFinal: true });
  if (!isYes) return;
  try {
    await api.endMeeting(meeting.id, authority(meeting.id));
    toast(isRunning ? `${title} was ended` : `${title} was cancelled`, { tone: "good" });
    onChange();
  } catch (error) {
    toast(error.message, { tone: "bad" });
  }
}

function titleOf({ title }) {
  return title || "Untitled meeting";
}

function presence({ status, participants }) {
  // Null: the server that has it can not be asked now.
  if (status !== "active" || participants === null) return null;
  return participants === 1 ? "1 person in it" : `${participants} people in it`;
}
