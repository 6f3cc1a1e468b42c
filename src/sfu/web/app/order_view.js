/** What this person is told, and asked, by those who keep order: muted, asked to unmute, in the spotlight, a new role. */
import { confirm } from "./dialogs.js";
import { toast } from "./toasts.js";

export class OrderView {
  #meeting;
  #media;
  #isLit = false;
  /** What it was when one was told last; null until the meeting is entered. */
  #role = null;
  #mayUnmute = true;
  #isAsked = false;

  /**
   * @param {import("../sdk/sfu.js").Meeting} meeting
   * @param {import("./local_media.js").LocalMedia} media
   */
  constructor(meeting, media) {
    this.#meeting = meeting;
    this.#media = media;
    meeting.addEventListener("muted", ({ detail }) => this.#muted(detail));
    meeting.addEventListener("unmute-asked", ({ detail }) => this.#asked(detail));
    meeting.addEventListener("moderation", ({ detail }) => this.#moderated(detail));
    meeting.addEventListener("permissions", ({ detail }) => this.#permitted(detail));
  }

  /** The meeting is entered: from now on another role is news. */
  begin() {
    this.#role = this.#meeting.permissions.role;
  }

  #muted({ source, byName }) {
    if (source !== "microphone") return;
    this.#media.holdMicrophone();
    const how = this.#meeting.permissions.mayUnmute ? "" : ". Raise your hand to speak";
    toast(`${byName ?? "The host"} muted you${how}`);
  }

  async #asked({ byName }) {
    if (this.#isAsked || (this.#media.microphone && this.#media.microphoneOn)) return;
    this.#isAsked = true;
    const text = "Nobody hears you until you do.";
    const isYes = await confirm(`${byName ?? "The host"} asks you to unmute`, text, "Unmute");
    this.#isAsked = false;
    if (isYes && this.#meeting.state !== "closed") await this.#media.setMicrophone(true);
  }

  #moderated({ spotlight }) {
    const isLit = spotlight.includes(this.#meeting.participantId);
    if (isLit !== this.#isLit) toast(isLit ? "You are in the spotlight for everyone" : "The spotlight on you has ended");
    this.#isLit = isLit;
  }

  #permitted({ role, mayUnmute }) {
    if (mayUnmute && !this.#mayUnmute) toast("You may unmute yourself again");
    this.#mayUnmute = mayUnmute;
    const before = this.#role;
    if (before === null || before === role) return;
    this.#role = role;
    if (role === "host") toast("You are the host now", { tone: "good" });
    else if (role === "cohost") toast("You are a co-host now", { tone: "good" });
    else if (before === "cohost" || before === "host") toast("You are no longer a co-host");
  }
}
