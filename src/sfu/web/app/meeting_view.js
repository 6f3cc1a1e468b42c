/** The meeting itself: the stage between the top bar and the controls, kept in step with the SDK's events. */
import { Banners } from "./banners.js";
import { ChatView } from "./chat_view.js";
import { Controls } from "./controls.js";
import { openSettings } from "./dialogs.js";
import { h, show } from "./dom.js";
import { DoorBanner } from "./door_view.js";
import { FloorView } from "./floor_view.js";
import { Gathering } from "./gathering.js";
import { OrderView } from "./order_view.js";
import { PeoplePanel } from "./people_panel.js";
import { LocalPublisher } from "./publish.js";
import { ReactionsView } from "./reactions_view.js";
import { StageView } from "./stage_view.js";
import { hostTokens, preferences } from "./store.js";
import { toast } from "./toasts.js";
import { WaitingView } from "./waiting_view.js";
import { copyButton, meetingLink, TopBar } from "./topbar.js";

export class MeetingView {
  #meeting;
  #media;
  #onClosed;
  #publisher;
  #stage;
  #topBar;
  #controls;
  #banners;
  #floor;
  #alone;
  /** @type {PeoplePanel|null} while it is open */
  #people = null;
  #middle;
  #chat;
  #reactions;
  #order;
  #main;
  /** @type {WaitingView|null} while one waits to be let in */
  #waiting = null;
  #entered = false;
  #isScheduled = false;
  #joined = new Gathering("joined", (text) => toast(text));
  #left = new Gathering("left", (text) => toast(text));
  #onMedia = () => this.#mediaChanged();
  #onKey = ({ key }) => key === "Escape" && !document.querySelector("dialog[open]") && this.#stage.choices.unpinAll();

  /**
   * @param {import("../sdk/sfu.js").Meeting} meeting not joined yet
   * @param {import("./local_media.js").LocalMedia} media
   * @param {(reason: string) => void} onClosed
   */
  constructor(meeting, media, onClosed) {
    this.#meeting = meeting;
    this.#media = media;
    this.#onClosed = onClosed;
    this.#publisher = new LocalPublisher(meeting, media);
    this.#floor = new FloorView(meeting, media);
    this.#banners = new Banners(meeting);
    this.#alone = h("aside.alone", { hidden: true },
      h("p", {}, "You are the only one here. Send the link to invite others."),
      h("div.alone-row", {}, h("code", {}, meetingLink(meeting.id).replace(/^https?:\/\//, "")),
        copyButton(meeting.id, { label: "Copy", style: "button.primary.compact" })));
    const togglePeople = () => this.#togglePeople();
    this.#reactions = new ReactionsView(meeting);
    this.#order = new OrderView(meeting, media);
    this.#stage = new StageView(meeting, media, { onMore: togglePeople }, this.#alone, this.#banners.element,
      this.#reactions.element);
    this.#topBar = new TopBar(meeting, () => openSettings(meeting, media, this.#stage.choices));
    this.#controls = new Controls(meeting, media, this.#stage.choices, {
      leave: () => meeting.leave(),
      toggleMode: () => this.#stage.toggleMode(),
      togglePeople,
      toggleChat: () => this.#toggleChat(),
      reactions: (onDone) => this.#reactions.bar(onDone),
      turn: (by) => this.#stage.turn(by),
    });
    this.#middle = h("div.meeting-middle", {}, this.#stage.element);
    this.#banners.element.prepend(new DoorBanner(meeting.door, () => this.#people || togglePeople()).element);
    this.#main = h("main.meeting", {}, this.#topBar.element, this.#middle, this.#controls.element);
    this.#chat = new ChatView(meeting, this.#middle, (state) => this.#controls.setChat(state));
  }

  /** Shows the view and joins; every end, failed joins too, goes to `onClosed`. */
  async open() {
    show(this.#main, { title: "Meeting · sfu" });
    this.#listen();
    this.#mediaChanged();
    this.#stateChanged("joining");
    this.#stage.layOut();
    try {
      await this.#meeting.join();
      this.#entered = true;
      this.#order.begin();
      hostTokens.keep(this.#meeting.id, this.#meeting.hostToken);
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
    document.addEventListener("keydown", this.#onKey);
    meeting.addEventListener("state", ({ detail }) => this.#stateChanged(detail.state, detail.reason));
    meeting.addEventListener("participant-joined", ({ detail }) => this.#cameOrWent(detail.participant, this.#joined));
    meeting.addEventListener("participant-left", ({ detail }) => this.#cameOrWent(detail.participant, this.#left));
    meeting.addEventListener("speakers", () => this.#stage.refreshSpeakers());
    meeting.addEventListener("permissions", () => this.#mediaChanged());
    for (const event of ["slots", "quality", "participant-updated", "view", "moderation", "permissions"]) {
      meeting.addEventListener(event, () => this.#refresh());
    }
  }

  #cameOrWent({ id, name }, gathering) {
    if (this.#entered && id !== this.#meeting.participantId) gathering.add(name, this.#meeting.total);
    this.#refresh();
  }

  #mediaChanged() {
    this.#publisher.refresh().catch((error) => toast(error.message, { tone: "bad" }));
    this.#controls.refresh();
    this.#stage.refresh();
  }

  /** One message may bring a hundred events: what they change is looked at once. */
  #refresh() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.#refreshNow());
  }

  #refreshNow() {
    this.#isScheduled = false;
    if (this.#meeting.state === "closed") return;
    this.#topBar.refresh(this.#meeting);
    this.#controls.refresh();
    this.#stage.refresh();
    this.#banners.refresh();
    this.#chat.refresh();
    this.#alone.hidden = !this.#entered || this.#meeting.total > 1;
  }

  #togglePeople() {
    if (this.#people) {
      this.#people.close();
      this.#people = null;
    } else {
      if (this.#chat.isOpen) this.#chat.toggle();
      const write = (id) => this.#writeTo(id);
      this.#people = new PeoplePanel(this.#meeting, () => this.#togglePeople(), { write });
      this.#middle.append(this.#people.element);
      this.#people.focus();
    }
    this.#controls.setPeopleOpen(this.#people !== null);
  }

  /** One panel at a time: the tiles need the room. */
  #toggleChat() {
    if (this.#people) this.#togglePeople();
    this.#chat.toggle();
  }

  #writeTo(id) {
    if (this.#people) this.#togglePeople();
    this.#chat.writeTo(id);
  }

  #stateChanged(state, reason) {
    this.#banners.stateChanged(state);
    if (state === "closed") return this.#close(reason);
    this.#showWaiting(state === "waiting");
    if (state === "reconnecting") toast("Connection lost, reconnecting…");
    this.#refresh();
  }

  /** While one waits there is nothing of the meeting to be seen. */
  #showWaiting(waits) {
    if (waits === (this.#waiting !== null)) return;
    if (waits) {
      this.#waiting = new WaitingView(this.#meeting, this.#media);
      return this.#waiting.open();
    }
    this.#waiting.close();
    this.#waiting = null;
    show(this.#main, { title: "Meeting · sfu" });
    this.#stage.layOut();
    toast("You are in", { tone: "good" });
  }

  #close(reason) {
    this.#waiting?.close();
    this.#media.removeEventListener("change", this.#onMedia);
    document.removeEventListener("keydown", this.#onKey);
    this.#media.close();
    const parts = [this.#controls, this.#topBar, this.#stage, this.#banners, this.#floor, this.#joined, this.#left,
      this.#chat];
    for (const part of [...parts, this.#people]) part?.close();
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    this.#onClosed(reason);
  }
}
