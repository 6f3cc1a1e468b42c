/**
 * The connection's details: numbers of now, what the network carried over the last minutes, and for each picture how
 * good it is and why it is no better.
 */
import { open } from "./dialogs.js";
import { h } from "./dom.js";
import { picturesOf, wordsOf } from "./quality.js";
import { ceilingOf, Sparkline } from "./sparkline.js";

const NUMBERS_INTERVAL_MS = 1_000;
const TIMELINE_INTERVAL_MS = 2_000;
const MINUTES = 3;
const SECONDS = 60 * MINUTES;
/** The lowest upper edges of the charts, kbit/s: a still picture does not look like a storm. */
const LEAST_TOTAL_KBPS = 200;
const LEAST_PICTURE_KBPS = 100;

/** Opens it; it keeps itself up to date until it is closed. */
export function openConnectionView(meeting) {
  const numbers = h("dl.details");
  const network = new NetworkChart();
  const pictures = new PictureList();
  const body = h("div.connection", {}, network.element, pictures.element, numbers);
  let stats = null;
  const readNumbers = async () => {
    stats = (await meeting.stats()) ?? stats;
    if (stats) fill(numbers, stats);
    pictures.show(meeting, stats);
  };
  const readTimeline = async () => {
    const timeline = await meeting.timeline(SECONDS).catch(() => null);
    if (!timeline) return;
    network.draw(timeline);
    pictures.draw(timeline);
  };
  const timers = [setInterval(readNumbers, NUMBERS_INTERVAL_MS), setInterval(readTimeline, TIMELINE_INTERVAL_MS)];
  readNumbers().then(readTimeline);
  open("Connection", body, () => timers.forEach(clearInterval));
}

/** Everything together: what the network is held to carry, and what was sent. */
class NetworkChart {
  #chart = new Sparkline([{ style: "sent", filled: true }, { style: "estimate" }]);
  #scale = h("span.chart-scale", { "aria-hidden": "true" });
  #estimate = h("b");
  #sent = h("b");
  #estimateKey = h("span.key.estimate", {}, "Network carries ", this.#estimate);

  constructor() {
    const keys = h("div.chart-keys", { "aria-hidden": "true" }, h("span.key.sent", {}, "Received ", this.#sent),
      this.#estimateKey);
    this.element = h("section.chart", { "aria-label": "Network", hidden: true },
      h("div.chart-box", {}, this.#chart.element, this.#scale), keys,
      h("p.chart-time", { "aria-hidden": "true" }, h("span", {}, `${MINUTES} minutes ago`), h("span", {}, "now")));
  }

  draw(timeline) {
    const { estimate_kbps: estimate } = timeline;
    const sent = totalOf(timeline);
    const top = ceilingOf([...estimate, ...sent], LEAST_TOTAL_KBPS);
    const [nowEstimate, nowSent] = [lastOf(estimate), lastOf(sent)];
    this.element.hidden = false;
    this.#scale.textContent = rate(top);
    this.#sent.textContent = rate(nowSent);
    this.#estimate.textContent = rate(nowEstimate);
    this.#estimateKey.hidden = nowEstimate === null;
    const carries = nowEstimate === null ? "" : `, the network carries ${rate(nowEstimate)}`;
    const label = `The last ${MINUTES} minutes. Received now ${rate(nowSent)}${carries}.`;
    this.#chart.draw([sent, estimate], { length: SECONDS, top, label });
  }
}

/** One row a picture. Rows stay as long as their picture does, so that a screen reader keeps its place. */
class PictureList {
  #rows = new Map();
  #list = h("ul.pictures");

  constructor() {
    this.element = h("section", { "aria-label": "Pictures", hidden: true }, h("h3", {}, "Pictures you receive"), this.#list);
  }

  show(meeting, stats) {
    const pictures = picturesOf(meeting);
    const mids = new Set(pictures.map(({ video }) => video.mid));
    for (const [mid, row] of this.#rows) {
      if (mids.has(mid)) continue;
      row.element.remove();
      this.#rows.delete(mid);
    }
    for (const picture of pictures) {
      const { mid } = picture.video;
      if (!this.#rows.has(mid)) this.#add(mid);
      this.#rows.get(mid).show(picture, stats?.pictures.get(mid) ?? null);
    }
    this.element.hidden = pictures.length === 0;
  }

  draw({ slots }) {
    for (const slot of slots) this.#rows.get(slot.mid)?.draw(slot);
  }

  #add(mid) {
    const row = new PictureRow();
    this.#rows.set(mid, row);
    this.#list.append(row.element);
  }
}

class PictureRow {
  #name = h("span.picture-name");
  #size = h("span.picture-size");
  #state = h("span.picture-state");
  #chart = new Sparkline([{ style: "sent", filled: true }]);

  constructor() {
    this.element = h("li.picture", {}, h("div.picture-words", {}, this.#name, this.#state),
      h("div.picture-numbers", {}, this.#chart.element, this.#size));
  }

  show({ name, source, video: { quality } }, received) {
    this.#name.textContent = source === "screen" ? `${name}’s screen` : name;
    this.#state.textContent = wordsOf(quality);
    this.element.dataset.state = quality.state;
    this.element.dataset.reason = quality.reason;
    const isShown = received !== null && quality.state !== "paused";
    this.#size.textContent = isShown ? `${received.width}×${received.height}, ${received.fps} fps` : "";
  }

  draw({ sent_kbps: sent }) {
    const top = ceilingOf(sent, LEAST_PICTURE_KBPS);
    this.#chart.draw([sent], { length: SECONDS, top, label: `Received now ${rate(lastOf(sent) ?? 0)}` });
  }
}

/** What was sent altogether; where the server does not measure that, what the pictures took. */
function totalOf({ sent_kbps: total, slots }) {
  const columns = slots.map(({ sent_kbps: column }) => column);
  return total.map((value, index) => {
    if (value !== null) return value;
    // Columns end at the same second; some begin later.
    const known = columns.map((column) => column.at(index - total.length) ?? null).filter((rate) => rate !== null);
    return known.length > 0 ? known.reduce((sum, rate) => sum + rate, 0) : null;
  });
}

function lastOf(column) {
  return column.findLast((value) => value !== null) ?? null;
}

function fill(list, stats) {
  const rows = rowsOf(stats).filter(([, value]) => value !== "");
  list.replaceChildren(...rows.flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
}

function rowsOf({ rttMs, dtls, cipher, srtp, sendBps, receiveBps, packetsLost, packetsReceived, sending }) {
  const total = packetsLost + packetsReceived;
  return [
    ["Round trip", rttMs === null ? "" : `${Math.round(rttMs)} ms`],
    ["Sending", rate(sendBps / 1e3)],
    ["Receiving", rate(receiveBps / 1e3)],
    ["Lost on the way here", total > 0 ? `${((100 * packetsLost) / total).toFixed(1)} %` : ""],
    ["Video sent", sending.join("; ")],
    ["Key exchange", dtls && `DTLS ${dtls}${cipher ? `, ${cipher}` : ""}`],
    ["Media encryption", srtp],
  ];
}

function rate(kbps) {
  if (kbps === null) return "–";
  return kbps >= 1_000 ? `${(kbps / 1e3).toFixed(1)} Mbit/s` : `${Math.round(kbps)} kbit/s`;
}
