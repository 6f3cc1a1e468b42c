/** The dialogs of a meeting, each made when it is opened: what they have in common, and the settings. */
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { DeviceSelects, qualitySelect, tilesSelect } from "./select.js";

/**
 * Opens a modal dialog; `onClose` runs however it is closed (button, Escape, click beside it).
 * @returns {() => void} closes it
 */
export function open(title, body, onClose) {
  const end = () => dialog.close();
  const close = h("button.icon-button", { type: "button", "aria-label": "Close", onClick: end }, icon("close"));
  const dialog = h("dialog.dialog", { "aria-label": title, onClick: (event) => event.target === dialog && end() },
    h("div.dialog-body", {}, h("header", {}, h("h2", {}, title), close), body));
  dialog.addEventListener("close", () => {
    onClose();
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
  return end;
}

/**
 * Asks a question that has two answers.
 * @param {string} title the question
 * @param {string} text what a yes does
 * @param {string} yes what the button says
 * @param {{no?: string, isFinal?: boolean}} [options] `no`: what the other button says; `isFinal`: what a yes does is
 *   not undone, so it is not what Enter answers
 * @returns {Promise<boolean>} false however else it is closed
 */
export function confirm(title, text, yes, { no = "Cancel", isFinal = false } = {}) {
  return new Promise((resolve) => {
    let answer = false;
    const button = h(`button.button.${isFinal ? "danger" : "primary"}`, {
      type: "button", autofocus: !isFinal, onClick: () => {
        answer = true;
        end();
      },
    }, yes);
    const cancel = h("button.button.quiet", { type: "button", autofocus: isFinal, onClick: () => end() }, no);
    const body = h("div.question", {}, h("p", {}, text), h("div.question-answers", {}, cancel, button));
    const end = open(title, body, () => resolve(answer));
  });
}

/**
 * @param {import("../sdk/sfu.js").Meeting} meeting
 * @param {import("./local_media.js").LocalMedia} media
 * @param {import("./choices.js").Choices} choices
 */
export function openSettings(meeting, media, choices) {
  const selects = new DeviceSelects(media, { speaker: (id) => meeting.audio.setSpeaker(id).catch(console.warn) });
  const shortcuts = [["M", "microphone"], ["V", "camera"], ["S", "screen"], ["H", "hand"], ["G", "view"],
    ["P", "participants"], ["C", "chat"], ["R", "react"], ["Page Up", "back"], ["Page Down", "on"], ["Esc", "unpin"], ["Q", "connection"]];
  const keys = h("p.keys", {}, ...shortcuts.map(([key, action]) => h("span", {}, h("kbd", {}, key), ` ${action}`)));
  const fields = h("div.fields", {}, selects.element, tilesSelect(choices), qualitySelect(media), keys);
  open("Settings", fields, () => selects.close());
}
