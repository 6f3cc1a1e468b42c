/** The home view: start a meeting, or go to one by its link or code. */
import { createMeeting } from "../sdk/sfu.js";
import { h, show } from "./dom.js";
import { icon } from "./icons.js";
import { Plans } from "./plans.js";
import { apiKey, hostTokens, joinTokens } from "./store.js";
import { toast } from "./toasts.js";

/** @returns {string|null} the meeting's id in a link or code that a person pasted */
export function meetingIdIn(text) {
  const trimmed = text.trim();
  const path = /\/m\/([^/?#\s]+)/.exec(trimmed);
  if (path) return decode(path[1]);
  return /^[\w-]{1,128}$/.test(trimmed) ? trimmed : null;
}

/** @returns {string|undefined} the join token in a link or its fragment */
export function tokenIn(text) {
  return /#([\w-]{1,256})$/.exec(text.trim())?.[1];
}

/** @returns {string|null} null for a malformed escape, which is no id of ours */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

function open(id) {
  location.assign(`/m/${encodeURIComponent(id)}`);
}

async function start(button) {
  button.disabled = true;
  try {
    const { id, host_token: token, join_url: link } = await createMeeting({ apiKey: apiKey.get() });
    hostTokens.keep(id, token);
    joinTokens.keep(id, tokenIn(link));
    open(id);
  } catch (error) {
    toast(error.message, { tone: "bad" });
    button.disabled = false;
  }
}

function joinForm() {
  const input = h("input", {
    name: "code", autocomplete: "off", spellcheck: "false", placeholder: "Link or code", maxlength: "512",
    "aria-label": "Meeting link or code", "aria-describedby": "code-error", onInput: () => (error.textContent = ""),
  });
  const error = h("p.field-error", { id: "code-error", role: "alert" });
  const submit = (event) => {
    event.preventDefault();
    const id = meetingIdIn(input.value);
    if (id) {
      joinTokens.keep(id, tokenIn(input.value));
      return open(id);
    }
    error.textContent = "That is not a meeting link or code.";
    input.focus();
  };
  return h("form.join-form", { onSubmit: submit, novalidate: true },
    h("div.join-row", {}, h("span.input", {}, icon("link"), input),
      h("button.button.quiet", { type: "submit" }, "Join")),
    error);
}

/** The picture beside the words: a meeting, drawn with the page's own tiles. */
function picture() {
  const faces = [["Ada", 160], ["Bo", 28], ["Cléo", 265], ["Dara", 205]];
  const tiles = faces.map(([name, hue], index) => {
    const tile = h("div.demo-tile", {}, h("span.demo-face"), h("span.demo-name", {}, name));
    tile.style.setProperty("--hue", hue);
    if (index === 0) tile.classList.add("speaking");
    return tile;
  });
  return h("div.demo", { "aria-hidden": "true" }, ...tiles,
    h("div.demo-bar", {}, h("i", {}, icon("mic")), h("i", {}, icon("camera")), h("i", {}, icon("screen")),
      h("i.leave", {}, icon("leave"))));
}

export function home() {
  const startButton = h("button.button.primary.large", { type: "button", onClick: () => start(startButton) },
    icon("plus"), "Start a meeting");
  const view = h("main.home", {},
    h("section.home-text", {},
      brand(),
      h("h1", {}, "Meet face to face, from any browser."),
      h("p.lead", {}, "Start a meeting and send the link. Whoever opens it is in: no account, nothing to install."),
      startButton,
      h("div.divider", {}, h("span", {}, "or join one")),
      joinForm()),
    picture(), new Plans().element);
  show(view);
}

export function brand() {
  return h("a.brand", { href: "/", "aria-label": "sfu, home" },
    h("img", { src: "/web/icon.svg", alt: "", width: 32, height: 32 }), h("span", {}, "sfu"));
}
