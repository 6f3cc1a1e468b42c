/** What the person is told of permissions, hands and who presents. */
import { Gathering } from "./gathering.js";
import { leads } from "./person_menu.js";
import { announce, toast } from "./toasts.js";

export class FloorView {
  #meeting;
  #media;
  #wasSpeaker = null;
  /** @type {Set<string>} ids of those whose raised hands were told */
  #hands = new Set();
  #raised = new Gathering("raised a hand", (text) => toast(text));

  /**
   * @param {import("../sdk/sfu.js").Meeting} meeting
   * @param {import("./local_media.js").LocalMedia} media
   */
  constructor(meeting, media) {
    this.#meeting = meeting;
    this.#media = media;
    meeting.addEventListener("permissions", ({ detail }) => this.#permitted(detail));
    meeting.addEventListener("unpublished", ({ detail }) => this.#unpublished(detail));
    meeting.addEventListener("participant-updated", ({ detail }) => this.#updated(detail.participant));
  }

  close() {
    this.#raised.close();
  }

  #permitted({ publish }) {
    for (const source of ["microphone", "camera", "screen"]) {
      if (!publish.includes(source)) this.#media.withdraw(source);
    }
    const isSpeaker = publish.includes("microphone");
    if (isSpeaker === this.#wasSpeaker) return;
    const wasSpeaker = this.#wasSpeaker;
    this.#wasSpeaker = isSpeaker;
    if (wasSpeaker === null && isSpeaker) return;
    if (isSpeaker) toast("You can speak now. Turn on your microphone when you like.", { tone: "good" });
    else if (wasSpeaker) toast("You are in the audience now.");
    else toast("You are in the audience. Raise your hand to speak.");
  }

  #unpublished({ source, reason, by }) {
    this.#media.withdraw(source);
    if (source !== "screen" || reason !== "taken_over") return;
    toast(`${this.#meeting.nameOf(by) ?? "Somebody else"} is presenting now`);
  }

  /** Hosts are told; one's own hand is told to oneself, for those who do not see the button. */
  #updated({ id, name, hand }) {
    const isUp = hand !== null;
    if (isUp === this.#hands.has(id)) return;
    if (isUp) this.#hands.add(id);
    else this.#hands.delete(id);
    if (id === this.#meeting.participantId) announce(isUp ? "Your hand is raised" : "Your hand is lowered");
    else if (isUp && leads(this.#meeting.permissions.role)) this.#raised.add(name, 0);
  }
}
