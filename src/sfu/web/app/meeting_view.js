/** The meeting itself: tiles between the top bar and the controls, kept in step with the SDK's events. */
import { Controls } from "./controls.js";
import { h, show } from "./dom.js";
import { icon } from "./icons.js";
import { publishLocal } from "./publish.js";
import { noticeOf, picturesOf } from "./quality.js";
import { preferences } from "./store.js";
import { Tiles } from "./tiles.js";
import { announce, toast } from "./toasts.js";
import { copyButton, meetingLink, TopBar } from "./topbar.js";

/** Where media has not come through by then, something on the way blocks it. */
const SLOW_MS = 12_000;

export class MeetingView {
  #meeting;
  #media;
  #onClosed;
  #tiles;
  #topBar;
  #controls;
  #alone;
  #soundBlocked;
  #slow = h("div.banner.warn", { role: "status", hidden: true }, icon("info"),
    h("span", {}, "Still connecting. If this stays, a firewall on the way may be blocking UDP."));
  #slowTimer = 0;
  #heldBackText = h("span");
  #heldBack = h("div.banner.warn", { hidden: true, dataset: { notice: "video-paused" } }, icon("info"),
    this.#heldBackText);
  #entered = false;
  #onMedia = () => this.#mediaChanged();

  /**
   * @param {import("../sdk/sfu.js").Meeting} meeting not joined yet
   * @param {import("./local_media.js").LocalMedia} media
   * @param {(reason: string) => void} onClosed
   */
  constructor(meeting, media, onClosed) {
    this.#meeting = meeting;
    this.#media = media;
    this.#onClosed = onClosed;
    this.#tiles = new Tiles(meeting, media);
    this.#topBar = new TopBar(meeting);
    this.#controls = new Controls(meeting, media, () => meeting.leave());
    this.#alone = h("aside.alone", { hidden: true },
      h("p", {}, "You are the only one here. Send the link to invite others."),
      h("div.alone-row", {}, h("code", {}, meetingLink(meeting.id).replace(/^https?:\/\//, "")),
        copyButton(meeting.id, { label: "Copy", style: "button.primary.compact" })));
    this.#soundBlocked = h("button.banner", { type: "button", hidden: true, onClick: () => meeting.audio.resume() },
      icon("speaker"), h("span", {}, "The browser holds back the sound. Click to hear the others."));
  }

  /** Shows the view and joins; every end, failed joins too, goes to `onClosed`. */
  async open() {
    const banners = h("div.banners", {}, this.#soundBlocked, this.#heldBack, this.#slow);
    const stage = h("div.stage", {}, this.#tiles.element, this.#alone, banners);
    show(h("main.meeting", {}, this.#topBar.element, stage, this.#controls.element), { title: "Meeting · sfu" });
    this.#listen();
    this.#mediaChanged();
    this.#stateChanged("joining");
    try {
      await this.#meeting.join();
      this.#entered = true;
      this.#refresh();
      const { speaker } = preferences();
      if (speaker) await this.#meeting.audio.setSpeaker(speaker);
    } catch (error) {
      console.warn("sfu:", error);
    }
  }

  #listen() {
    const meeting = this.#meeting;
    this.#media.addEventListener("change", this.#onMedia);
    meeting.addEventListener("state", ({ detail }) => this.#stateChanged(detail.state, detail.reason));
    meeting.addEventListener("slots", () => this.#refresh());
    meeting.addEventListener("quality", () => this.#refresh());
    meeting.addEventListener("participant-updated", () => this.#refresh());
    meeting.addEventListener("participant-joined", ({ detail }) => this.#cameOrWent(detail.participant, "joined"));
    meeting.addEventListener("participant-left", ({ detail }) => this.#cameOrWent(detail.participant, "left"));
    meeting.audio.addEventListener("blocked", ({ detail }) => (this.#soundBlocked.hidden = !detail));
  }

  #cameOrWent({ id, name }, what) {
    if (this.#entered && id !== this.#meeting.participantId) toast(`${name} ${what}`);
    this.#refresh();
  }

  #mediaChanged() {
    publishLocal(this.#meeting, this.#media).catch((error) => toast(error.message, { tone: "bad" }));
    this.#controls.refresh();
    this.#tiles.refresh();
  }

  #refresh() {
    if (this.#meeting.state === "closed") return;
    this.#topBar.refresh(this.#meeting);
    this.#tiles.refresh();
    this.#tellHeldBack();
    this.#alone.hidden = !this.#entered || this.#meeting.participants.size > 1;
  }

  /** A picture that the network keeps away must not look like a fault: says so, until it is back. */
  #tellHeldBack() {
    const text = noticeOf(this.#meeting);
    if (text === this.#heldBackText.textContent) return;
    const wasHidden = this.#heldBack.hidden;
    this.#heldBackText.textContent = text;
    this.#heldBack.hidden = text === "";
    if (text) announce(text);
    else if (!wasHidden && picturesOf(this.#meeting).length > 0) toast("Your network carries video again", { tone: "good" });
  }

  #stateChanged(state, reason) {
    clearTimeout(this.#slowTimer);
    this.#slow.hidden = true;
    if (state === "closed") return this.#close(reason);
    if (state !== "connected") this.#slowTimer = setTimeout(() => (this.#slow.hidden = false), SLOW_MS);
    if (state === "reconnecting") toast("Connection lost, reconnecting…");
    this.#refresh();
  }

  #close(reason) {
    this.#media.removeEventListener("change", this.#onMedia);
    this.#media.close();
    this.#controls.close();
    this.#tiles.close();
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    this.#onClosed(reason);
  }
}
