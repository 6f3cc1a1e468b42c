/** Planning a meeting: what is asked, and the link in the end, which the server tells this once. */
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { apiKey, hostTokens, joinTokens } from "./store.js";
import { toast } from "./toasts.js";
import { soon, zoneName } from "./when.js";

const MINUTES = [15, 30, 45, 60, 90, 120, 240];
const ACCESS = [["token", "Whoever has the link"], ["waiting_room", "Whom a host lets in"], ["open", "Whoever knows its name"]];

/**
 * @param {import("../sdk/http.js").Api} api
 * @param {() => void} onPlanned
 * @returns {HTMLElement} for a dialog
 */
export function planForm(api, onPlanned) {
  const title = h("input", { maxlength: "200", autocomplete: "off", placeholder: "Weekly", autofocus: true });
  const start = h("input", { type: "datetime-local", value: soon(), required: true });
  const length = h("select", {}, ...MINUTES.map((minutes) =>
    h("option", { value: minutes, selected: minutes === 30 }, `${minutes} minutes`)));
  const access = h("select", {}, ...ACCESS.map(([value, text]) => h("option", { value }, text)));
  const keep = h("input", { type: "checkbox" });
  const error = h("p.field-error", { role: "alert" });
  const button = h("button.button.primary.wide", { type: "submit" }, "Plan it");
  const body = h("div");
  const submit = async (event) => {
    event.preventDefault();
    const at = new Date(start.value);
    if (Number.isNaN(at.getTime())) {
      error.textContent = "Say when it starts.";
      return start.focus();
    }
    button.disabled = true;
    try {
      const made = await api.createMeeting({
        title: title.value, scheduled_start: at.toISOString(), duration_s: 60 * Number(length.value),
        access: access.value, options: { keep_chat: keep.checked },
      }, apiKey.get());
      hostTokens.keep(made.id, made.host_token);
      joinTokens.keep(made.id, made.join_token);
      body.replaceChildren(...planned(made));
      onPlanned();
    } catch (failure) {
      error.textContent = failure.message;
      button.disabled = false;
    }
  };
  body.append(h("form.fields", { onSubmit: submit, novalidate: true },
    field("Title", h("span.input", {}, title)),
    field(`Start, in ${zoneName()}`, h("span.input", {}, start)),
    field("Length", h("span.select", {}, length)),
    field("Who gets in", h("span.select", {}, access)),
    h("label.plan-check", {}, keep, "Keep what is said in the chat"),
    error, button));
  return body;
}

function field(label, control) {
  return h("label.field", {}, h("span.field-label", {}, label), control);
}

function planned(made) {
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
      h("a.button.quiet", {
        href: `/meetings/${encodeURIComponent(made.id)}.ics`, download: "meeting.ics",
      }, icon("calendar"), "Calendar file"),
      h("button.button.primary", { type: "button", onClick: () => copy().catch(() => {}) }, "Copy link")))];
}
