/** One row of the list of participants: who it is, what they send, and what a host may do about it. */
import { SOURCES } from "../sdk/sfu.js";
import { h, hueOf, initials } from "./dom.js";
import { icon } from "./icons.js";
import { openMenu } from "./menu.js";
import { itemsFor, leads } from "./person_menu.js";
import { toast } from "./toasts.js";

const ROLES = { host: "Host", cohost: "Co-host", audience: "Audience", participant: "" };

export class PeopleRow {
  #meeting;
  #shown = "";
  /** @type {import("../sdk/roster.js").Participant|null} whom it shows */
  participant = null;
  #face = h("span.row-face", { "aria-hidden": "true" });
  #name = h("span.row-name");
  #role = h("span.row-role");
  #signs = h("span.row-signs");
  #actions = h("span.row-actions");
  #menuActions;

  /**
   * @param {import("../sdk/sfu.js").Meeting} meeting
   * @param {{write?: (id: string) => void}} [actions]
   */
  constructor(meeting, actions = {}) {
    this.#meeting = meeting;
    this.#menuActions = actions;
    this.element = h("div.row", {}, this.#face, h("span.row-words", {}, this.#name, this.#role), this.#signs,
      this.#actions);
  }

  /** @param {import("../sdk/roster.js").Participant} participant */
  update(participant) {
    this.participant = participant;
    const { participantId, permissions } = this.#meeting;
    const isSelf = participant.id === participantId;
    const isHost = leads(permissions.role);
    const isLit = this.#meeting.moderation.spotlight.includes(participant.id);
    const { mode, direct } = this.#meeting.chat.settings;
    const { name, role, hand, sources, connected } = participant;
    const shown = JSON.stringify([name, role, hand, sources, connected, isSelf, permissions.role,
      isLit, mode, direct]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#face.style.setProperty("--hue", hueOf(name));
    this.#face.textContent = initials(name);
    this.#name.textContent = isSelf ? `${name} (you)` : name;
    this.#name.title = name;
    this.#role.textContent = connected ? ROLES[role] : "Connection lost";
    this.#signs.replaceChildren(...signsOf(participant, isHost, isLit));
    const actions = isHost ? this.#hostActions(participant, isSelf) : [];
    const hasMenu = itemsFor(this.#meeting, participant, this.#menuActions).length > 0;
    this.#setActions(hasMenu ? [...actions, this.#menuButton(participant.id, name)] : actions);
    this.element.setAttribute("aria-label", describe(participant, isSelf));
  }

  /** A button that has the focus gives it to the one in its place. */
  #setActions(buttons) {
    const focused = [...this.#actions.children].indexOf(document.activeElement);
    this.#actions.replaceChildren(...buttons);
    if (focused >= 0) (buttons[focused] ?? buttons.at(-1))?.focus();
  }

  /** What is in it is looked up when it opens: much changes meanwhile. */
  #menuButton(id, name) {
    const label = `More about ${name}`;
    const button = h("button.icon-button.more", {
      type: "button", "aria-label": label, title: "More", "aria-haspopup": "menu", "aria-expanded": "false",
      onClick: () => {
        const { participant } = this;
        if (participant?.id === id) openMenu(button, name, itemsFor(this.#meeting, participant, this.#menuActions));
      },
    }, icon("dots"));
    return button;
  }

  #hostActions({ id, name, role, hand }, isSelf) {
    const meeting = this.#meeting;
    const actions = [];
    if (hand !== null) actions.push(action("hand", `Lower ${name}’s hand`, () => meeting.lowerHand(id)));
    if (isSelf || leads(role)) return actions;
    if (role === "audience") {
      const permit = act(() => meeting.permit(id, [...SOURCES]));
      const label = `Let ${name} speak`;
      actions.push(h("button.pill", { type: "button", "aria-label": label, onClick: permit }, "Let speak"));
    } else {
      actions.push(action("seat", `Move ${name} to the audience`, () => meeting.permit(id, [])));
    }
    return actions;
  }
}

function action(symbol, label, run) {
  return h(`button.icon-button.${symbol}`, {
    type: "button", "aria-label": label, title: label, onClick: act(run),
  }, icon(symbol));
}

function act(run) {
  return () => run().catch((error) => toast(error.message, { tone: "bad" }));
}

/** For a host a raised hand is a button. */
function signsOf({ sources, hand }, isHost, isLit) {
  const sign = (symbol, style, title) => h(`span.sign.${style}`, { title }, icon(symbol));
  const { microphone, camera, screen } = sources;
  const hears = microphone && !microphone.muted;
  return [
    hand !== null && !isHost && sign("hand", "up", "Hand raised"),
    isLit && sign("star", "up", "In the spotlight"),
    screen && sign("screen", "on", "Shares the screen"),
    camera && !camera.muted && sign("camera", "on", "Camera on"),
    microphone && sign(hears ? "mic" : "mic-off", hears ? "on" : "off", hears ? "Microphone on" : "Muted"),
  ].filter(Boolean);
}

function describe({ name, role, hand, sources, connected }, isSelf) {
  const { microphone, camera, screen } = sources;
  const parts = [isSelf ? `${name} (you)` : name, ROLES[role].toLowerCase(), hand !== null && "hand raised"];
  parts.push(!microphone ? "no microphone" : microphone.muted ? "muted" : "microphone on");
  parts.push(camera && !camera.muted ? "camera on" : "camera off", screen && "shares the screen");
  parts.push(!connected && "connection lost");
  return parts.filter(Boolean).join(", ");
}
