/** Planning a meeting, and the link in the end, which the server tells this once; and changing one that is planned. */
import { calendarLink } from "./calendar.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { apiKey, authority, hostTokens, joinTokens } from "./store.js";
import { toast } from "./toasts.js";
import { localTime, soon, zoneName } from "./when.js";

const MINUTES = [15, 30, 45, 60, 90, 120, 240];
const ACCESS = [["token", "Whoever has the link"], ["waiting_room", "Whom a host lets in"], ["open", "Whoever knows its name"]];
const WHEN_MISSING = "Say when it starts.";
const CHANGED_MEANWHILE = "Somebody else has changed it meanwhile. Load the page again and look first.";

/**
 * @param {import("../sdk/http.js").Api} api
 * @param {() => void} onPlanned
 * @returns {HTMLElement} for a dialog
 */
export function planForm(api, onPlanned) {
  const { title, start, length, access, fields } = asked({ start: soon(), minutes: 30, access: "token" });
  const keep = h("input", { type: "checkbox" });
  const body = h("div");
  const plan = async () => {
    const made = await api.createMeeting({
      title: title.value, scheduled_start: instant(start.value), duration_s: 60 * Number(length.value),
      access: access.value, options: { keep_chat: keep.checked },
    }, apiKey.get());
    hostTokens.keep(made.id, made.host_token);
    joinTokens.keep(made.id, made.join_token);
    body.replaceChildren(...planned(api, made));
    onPlanned();
  };
  body.append(form([...fields, h("label.plan-check", {}, keep, "Keep what is said in the chat")], "Plan it", start, plan));
  return body;
}

/**
 * @param {import("../sdk/http.js").Api} api
 * @param {object} meeting as docs/api.md has it
 * @param {() => void} onChanged
 * @returns {HTMLElement} for a dialog
 */
export function changeForm(api, meeting, onChanged) {
  const { scheduled_start: planned, duration_s: seconds } = meeting;
  const before = {
    title: meeting.title, access: meeting.access,
    start: planned ? localTime(new Date(planned)) : "", minutes: seconds ? seconds / 60 : "",
  };
  const { title, start, length, access, fields } = asked(before);
  const change = async () => {
    // What is as it was is not sent: a start may have seconds, which the field does not show.
    const changes = {};
    if (title.value !== before.title) changes.title = title.value;
    if (start.value !== before.start) changes.scheduled_start = instant(start.value);
    if (length.value !== String(before.minutes)) changes.duration_s = length.value ? 60 * Number(length.value) : null;
    if (access.value !== before.access) changes.access = access.value;
    if (Object.keys(changes).length > 0) {
      await api.updateMeeting(meeting.id, changes, { token: authority(meeting.id), version: meeting.version });
      toast("Changed", { tone: "good" });
    }
    onChanged();
  };
  return form(fields, "Save", planned ? start : null, change);
}

/** What is asked of a meeting; without a `start` it has none and is not asked for one. */
function asked({ title: called = "", start: begin, minutes, access: who }) {
  const title = h("input", {
    maxlength: "200", autocomplete: "off", placeholder: "Weekly", autofocus: true, value: called,
  });
  const start = h("input", { type: "datetime-local", value: begin, required: true });
  const choices = [...new Set([minutes, ...MINUTES])].sort((one, other) => one - other);
  const length = h("select", {}, ...choices.map((count) =>
    h("option", { value: count, selected: count === minutes }, count === "" ? "Not said" : `${count} minutes`)));
  const access = h("select", {}, ...ACCESS.map(([value, text]) => h("option", { value, selected: value === who }, text)));
  const fields = [
    field("Title", h("span.input", {}, title)),
    begin && field(`Start, in ${zoneName(new Date(begin))}`, h("span.input", {}, start)),
    begin && field("Length", h("span.select", {}, length)),
    field("Who gets in", h("span.select", {}, access)),
  ];
  return { title, start, length, access, fields };
}

/** `start`: the field that must be filled, if any. What `run` is rejected with is said below the fields. */
function form(fields, text, start, run) {
  const error = h("p.field-error", { role: "alert" });
  const button = h("button.button.primary.wide", { type: "submit" }, text);
  const onSubmit = async (event) => {
    event.preventDefault();
    error.textContent = "";
    if (start && !instant(start.value)) {
      error.textContent = WHEN_MISSING;
      return start.focus();
    }
    button.disabled = true;
    try {
      await run();
    } catch (failure) {
      error.textContent = failure.code === "precondition_failed" ? CHANGED_MEANWHILE : failure.message;
    }
    button.disabled = false;
  };
  return h("form.fields", { onSubmit, novalidate: true }, ...fields, error, button);
}

function instant(local) {
  const at = new Date(local);
  return Number.isNaN(at.getTime()) ? null : at.toISOString();
}

function field(label, control) {
  return h("label.field", {}, h("span.field-label", {}, label), control);
}

function planned(api, made) {
  const link = h("input", { readonly: true, value: made.join_url, "aria-label": "Link of the meeting" });
  const copy = async () => {
    link.select();
    await navigator.clipboard.writeText(made.join_url);
    toast("Link copied");
  };
  return [h("div.fields", {},
    h("p.plan-note", {}, "Send this link to those who are to come. It is shown this once; in this tab you are the host."),
    h("span.input", {}, icon("link"), link),
    h("div.question-answers", {},
      calendarLink(api, made, "a.button.quiet", {}, icon("calendar"), "Calendar file"),
      h("button.button.primary", { type: "button", onClick: () => copy().catch(() => {}) }, "Copy link")))];
}
