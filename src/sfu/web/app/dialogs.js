/** The dialogs of a meeting, each made when it is opened: what they have in common, and the settings. */
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { DeviceSelects, qualitySelect } from "./select.js";

/** Opens a modal dialog; `onClose` runs however it is closed (button, Escape, click beside it). */
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
}

/**
 * @param {import("../sdk/sfu.js").Meeting} meeting
 * @param {import("./local_media.js").LocalMedia} media
 */
export function openSettings(meeting, media) {
  const selects = new DeviceSelects(media, { speaker: (id) => meeting.audio.setSpeaker(id).catch(console.warn) });
  const shortcuts = [["M", "microphone"], ["V", "camera"], ["S", "screen"], ["Q", "connection"]];
  const keys = h("p.keys", {}, ...shortcuts.flatMap(([key, action]) => [h("kbd", {}, key), ` ${action}`]));
  open("Settings", h("div.fields", {}, selects.element, qualitySelect(media), keys), () => selects.close());
}
