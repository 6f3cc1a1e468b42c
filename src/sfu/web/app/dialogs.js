/** The dialogs of a meeting: settings, and the connection's details. Each is made when it is opened. */
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { DeviceSelects, qualitySelect } from "./select.js";

const STATS_INTERVAL_MS = 1_000;

/** Opens a modal dialog; `onClose` runs however it is closed (button, Escape, click beside it). */
function open(title, body, onClose) {
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
  const shortcuts = [["M", "microphone"], ["V", "camera"], ["S", "screen"]];
  const keys = h("p.keys", {}, ...shortcuts.flatMap(([key, action]) => [h("kbd", {}, key), ` ${action}`]));
  open("Settings", h("div.fields", {}, selects.element, qualitySelect(media), keys), () => selects.close());
}

export function openConnectionDetails(meeting) {
  const list = h("dl.details");
  const refresh = async () => {
    const stats = await meeting.stats();
    if (!stats) return;
    const rows = rowsOf(stats).filter(([, value]) => value !== "");
    list.replaceChildren(...rows.flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
  };
  const timer = setInterval(refresh, STATS_INTERVAL_MS);
  refresh();
  open("Connection", list, () => clearInterval(timer));
}

function rowsOf({ rttMs, dtls, cipher, srtp, sendBps, receiveBps, packetsLost, packetsReceived, sending }) {
  const total = packetsLost + packetsReceived;
  return [
    ["Round trip", rttMs === null ? "" : `${Math.round(rttMs)} ms`],
    ["Sending", bitrate(sendBps)],
    ["Receiving", bitrate(receiveBps)],
    ["Lost on the way here", total > 0 ? `${((100 * packetsLost) / total).toFixed(1)} %` : ""],
    ["Video sent", sending.join("; ")],
    ["Key exchange", dtls && `DTLS ${dtls}${cipher ? `, ${cipher}` : ""}`],
    ["Media encryption", srtp],
  ];
}

function bitrate(bps) {
  return bps >= 1e6 ? `${(bps / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bps / 1e3)} kbit/s`;
}
