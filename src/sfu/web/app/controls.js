/** The bar below the tiles, and the keys that do the same. */
import { canShareScreen } from "./capture.js";
import { openConnectionView } from "./connection_view.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { openMenu } from "./menu.js";
import { shareScreen } from "./presenting.js";
import { toast } from "./toasts.js";
import { toggleButton } from "./toggle.js";

const ARROWS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -1, PageDown: 1 };

export class Controls {
  #meeting;
  #media;
  #choices;
  #actions;
  #microphone;
  #camera;
  #screen;
  #hand;
  #view;
  #people;
  #chat;
  #react;
  #unread = h("span.round-count.unread", { "aria-hidden": "true", hidden: true });
  #count = h("span.round-count", { "aria-hidden": "true" });
  #keys;
  #onKey = (event) => this.#key(event);

  /**
   * @param {import("../sdk/sfu.js").Meeting} meeting
   * @param {import("./local_media.js").LocalMedia} media
   * @param {import("./choices.js").Choices} choices
   * @param {{leave: () => void, toggleMode: () => void, togglePeople: () => void, toggleChat: () => void,
   *   turn: (by: number) => void, reactions: (onDone: () => void) => HTMLElement[]}} actions
   */
  constructor(meeting, media, choices, actions) {
    this.#meeting = meeting;
    this.#media = media;
    this.#choices = choices;
    this.#actions = actions;
    this.#keys = {
      m: () => this.#toggleMicrophone(),
      v: () => this.#toggleCamera(),
      s: () => this.#toggleScreen(),
      h: () => this.#toggleHand(),
      g: actions.toggleMode,
      p: actions.togglePeople,
      c: actions.toggleChat,
      r: () => this.#openReactions(),
      q: () => openConnectionView(meeting),
    };
    this.#build();
    document.addEventListener("keydown", this.#onKey);
    choices.addEventListener("change", () => this.refresh());
    this.refresh();
  }

  refresh() {
    const { microphone, microphoneOn, camera, screen, problems } = this.#media;
    this.#microphone.set(microphone !== null && microphoneOn, problems.microphone);
    this.#camera.set(camera !== null, problems.camera);
    this.#screen.set(screen !== null);
    this.#hand.set(this.#isHandUp);
    this.#microphone.element.hidden = !this.#may("microphone");
    this.#camera.element.hidden = !this.#may("camera");
    this.#screen.element.hidden = !canShareScreen() || !this.#may("screen");
    const isGallery = this.#choices.mode === "gallery";
    this.#view.set(isGallery);
    const total = Math.max(1, this.#meeting.total);
    const counted = total > 999 ? `${(total / 1000).toFixed(1)}k` : String(total);
    if (this.#count.textContent === counted) return;
    this.#count.textContent = counted;
    this.#people.setAttribute("aria-label", total === 1 ? "1 participant" : `${total} participants`);
  }

  /** @param {boolean} isOpen whether the list of participants is */
  setPeopleOpen(isOpen) {
    this.#people.setAttribute("aria-expanded", String(isOpen));
    this.#people.classList.toggle("active", isOpen);
    if (!isOpen && document.activeElement === document.body) this.#people.focus();
  }

  /** @param {{isOpen: boolean, unread: number}} state of the chat */
  setChat({ isOpen, unread }) {
    this.#chat.setAttribute("aria-expanded", String(isOpen));
    this.#chat.classList.toggle("active", isOpen);
    this.#unread.hidden = unread === 0;
    this.#unread.textContent = unread > 99 ? "99+" : String(unread);
    this.#chat.setAttribute("aria-label", unread === 0 ? "Chat" : `Chat, ${unread} unread`);
    if (!isOpen && document.activeElement === document.body) this.#chat.focus();
  }

  close() {
    document.removeEventListener("keydown", this.#onKey);
  }

  get #isHandUp() {
    return (this.#meeting.participants.get(this.#meeting.participantId)?.hand ?? null) !== null;
  }

  #may(source) {
    return this.#meeting.permissions.publish.includes(source);
  }

  #build() {
    const { m, v, s, h: hand, g } = this.#keys;
    this.#microphone = toggleButton("mic", "microphone", m, { on: "Mute", off: "Unmute", key: "m" });
    this.#camera = toggleButton("camera", "camera", v, { key: "v" });
    this.#screen = toggleButton("screen", "screen", s, {
      on: "Stop sharing", off: "Share screen", key: "s", icons: ["screen-off", "screen"],
    });
    this.#hand = toggleButton("hand", "hand", hand, {
      on: "Lower hand", off: "Raise hand", key: "h", icons: ["hand", "hand"],
    });
    this.#view = this.#viewButton(g);
    this.#people = h("button.round", {
      type: "button", title: "Participants (P)", "aria-expanded": "false", "aria-controls": "people",
      dataset: { control: "people" }, onClick: this.#actions.togglePeople,
    }, icon("people"), this.#count);
    this.#chat = h("button.round", {
      type: "button", title: "Chat (C)", "aria-label": "Chat", "aria-expanded": "false", "aria-controls": "chat",
      dataset: { control: "chat" }, onClick: this.#actions.toggleChat,
    }, icon("chat"), this.#unread);
    this.#react = h("button.round", {
      type: "button", title: "React (R)", "aria-label": "React", "aria-haspopup": "menu", "aria-expanded": "false",
      dataset: { control: "react" }, onClick: () => this.#openReactions(),
    }, icon("smile"));
    const leave = h("button.round.leave", {
      type: "button", "aria-label": "Leave", title: "Leave", dataset: { control: "leave" },
      onClick: this.#actions.leave,
    }, icon("leave"));
    this.element = h("footer.controls", { role: "group", "aria-label": "Meeting controls" },
      h("div.controls-main", {}, this.#microphone.element, this.#camera.element, this.#screen.element,
        this.#hand.element, this.#react, leave),
      h("div.controls-side", {}, this.#view.element, this.#chat, this.#people));
  }

  #openReactions() {
    const hand = { label: this.#isHandUp ? "Lower hand" : "Raise hand", symbol: "hand", run: () => this.#toggleHand() };
    openMenu(this.#react, "Reactions", [hand], this.#actions.reactions);
  }

  /** Shows what a press gives. */
  #viewButton(onClick) {
    const element = h("button.round", { type: "button", dataset: { control: "view" }, onClick });
    const set = (isGallery) => {
      const label = isGallery ? "Speaker view" : "Gallery view";
      if (element.title.startsWith(label)) return;
      element.replaceChildren(icon(isGallery ? "spotlight" : "gallery"));
      element.setAttribute("aria-label", label);
      element.title = `${label} (G)`;
    };
    return { element, set };
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, dialog") || document.querySelector("dialog[open]")) return;
    if (event.target.closest("[popover]")) return;
    if (event.key in ARROWS && !event.target.closest(".side")) {
      return this.#done(event, () => this.#actions.turn(ARROWS[event.key]));
    }
    const action = event.repeat ? null : this.#keys[event.key.toLowerCase()];
    if (action) this.#done(event, action);
  }

  #done(event, action) {
    event.preventDefault();
    action();
  }

  async #toggleMicrophone() {
    if (!this.#may("microphone")) return;
    if (!this.#meeting.permissions.mayUnmute && !this.#media.microphoneOn) {
      toast("The host has muted you. Raise your hand to speak.");
      return;
    }
    await this.#media.setMicrophone(!(this.#media.microphone && this.#media.microphoneOn));
    this.#tellProblem("microphone");
  }

  async #toggleCamera() {
    if (!this.#may("camera")) return;
    await this.#media.setCamera(!this.#media.cameraOn);
    this.#tellProblem("camera");
  }

  async #toggleScreen() {
    if (!canShareScreen() || !this.#may("screen")) return;
    if (this.#media.screen) return this.#media.stopScreen();
    await shareScreen(this.#media);
  }

  async #toggleHand() {
    const raised = !this.#isHandUp;
    try {
      await this.#meeting.raiseHand(raised);
    } catch (error) {
      toast(error.message, { tone: "bad" });
    }
  }

  #tellProblem(kind) {
    const problem = this.#media.problems[kind];
    if (problem) toast(problem, { tone: "bad" });
  }
}
