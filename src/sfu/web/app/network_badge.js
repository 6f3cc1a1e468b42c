/** Whether one is connected and how well; a click tells more. */
import { openConnectionView } from "./connection_view.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { gradeOf, LossShare, SteadyGrade } from "./network_quality.js";
import { isHeldBack, isSoft, picturesOf } from "./quality.js";

const INTERVAL_MS = 3_000;
const STATES = { joining: "Connecting…", reconnecting: "Reconnecting…", connected: "Connected" };
const GRADES = { good: "Good", fair: "Fair", poor: "Poor" };

export class NetworkBadge {
  #meeting;
  #text = h("span.badge-text");
  #loss = new LossShare();
  #steady = new SteadyGrade();
  #timer = setInterval(() => this.#measure(), INTERVAL_MS);

  /** @param {import("../sdk/sfu.js").Meeting} meeting */
  constructor(meeting) {
    this.#meeting = meeting;
    this.element = h("button.badge", { type: "button", onClick: () => openConnectionView(meeting) },
      icon("signal"), this.#text);
    this.refresh();
  }

  refresh() {
    const { state } = this.#meeting;
    const grade = state === "connected" ? this.#steady.current : null;
    const text = grade ? GRADES[grade.grade] : (STATES[state] ?? "Disconnected");
    const reason = grade?.reason ? `: ${grade.reason}` : "";
    const words = grade ? `${text} connection${reason}` : text;
    const { dataset } = this.element;
    if (dataset.state === state && dataset.words === words) return;
    dataset.state = state;
    dataset.words = words;
    dataset.grade = grade?.grade ?? "";
    this.#text.textContent = text;
    this.element.title = `${words}. Press for more (Q)`;
    this.element.setAttribute("aria-label", `${words}. Connection and picture quality`);
  }

  close() {
    clearInterval(this.#timer);
  }

  async #measure() {
    if (document.hidden || this.#meeting.state !== "connected") return;
    const stats = await this.#meeting.stats().catch(() => null);
    if (!stats) return;
    const qualities = picturesOf(this.#meeting).map(({ video }) => video.quality);
    this.#steady.follow(gradeOf({
      rttMs: stats.rttMs,
      loss: this.#loss.follow(stats),
      held: qualities.filter(isHeldBack).length,
      soft: qualities.filter(isSoft).length,
    }));
    this.refresh();
  }
}
