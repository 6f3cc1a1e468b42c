/** The list of participants: search, raised hands in their order, everybody. */
import { Directory } from "./directory.js";
import { h } from "./dom.js";
import { DoorSection, LockButton } from "./door_view.js";
import { icon } from "./icons.js";
import { KeptOutSection } from "./kept_out_view.js";
import { act, askToMuteAll } from "./mute_all.js";
import { PeopleRow } from "./people_row.js";
import { leads } from "./person_menu.js";
import { VirtualList } from "./virtual_list.js";

const ROW_HEIGHT = 54;
/** Hands that are shown one by one; those who follow are in the list as well. */
const MOST_HANDS = 20;

export class PeoplePanel {
  #meeting;
  #onClose;
  #actions;
  #muteAll;
  #allowUnmute;
  #door;
  #keptOut;
  #lock;
  #directory;
  #list;
  #count = h("span.people-count");
  #found = h("p.people-found", { role: "status" });
  #input;
  #hands = h("div.hands-list", { role: "list", "aria-label": "Raised hands" });
  #handsBox;
  /** @type {Map<string, PeopleRow>} */
  #handRows = new Map();
  #onFloor = () => this.refresh();

  /**
   * @param {import("../sdk/sfu.js").Meeting} meeting
   * @param {() => void} onClose
   * @param {{write?: (id: string) => void}} [actions] what can be done about people besides
   */
  constructor(meeting, onClose, actions = {}) {
    this.#meeting = meeting;
    this.#onClose = onClose;
    this.#actions = actions;
    this.#directory = new Directory(meeting);
    this.#door = new DoorSection(meeting.door);
    this.#keptOut = new KeptOutSection(meeting);
    this.#lock = new LockButton(meeting.door);
    this.#list = new VirtualList({
      label: "All participants",
      rowHeight: ROW_HEIGHT,
      makeRow: () => new PeopleRow(meeting, actions),
      need: (index) => this.#directory.need(index),
    });
    this.#build();
    this.#directory.addEventListener("change", () => this.refresh());
    for (const event of ["permissions", "moderation"]) meeting.addEventListener(event, this.#onFloor);
    meeting.chat.addEventListener("settings", this.#onFloor);
    this.refresh();
  }

  /** Puts the cursor where one types. */
  focus() {
    this.#input.focus({ preventScroll: true });
  }

  refresh() {
    const { rows, total, search } = this.#directory;
    this.#list.show(rows, total);
    this.#count.textContent = String(Math.max(1, this.#meeting.total));
    const found = search === "" ? "" : total === 0 ? "Nobody found" : total === 1 ? "1 found" : `${total} found`;
    if (this.#found.textContent !== found) this.#found.textContent = found;
    this.#muteAll.parentElement.hidden = !leads(this.#meeting.permissions.role);
    this.#allowUnmute.hidden = this.#meeting.moderation.mayUnmute;
    this.#keptOut.become(this.#meeting.permissions.role);
    this.#refreshHands();
  }

  close() {
    for (const event of ["permissions", "moderation"]) this.#meeting.removeEventListener(event, this.#onFloor);
    this.#meeting.chat.removeEventListener("settings", this.#onFloor);
    this.#directory.close();
    this.#door.close();
    this.#keptOut.close();
    this.#lock.close();
    this.#list.close();
    this.element.remove();
  }

  #build() {
    this.#input = h("input", {
      type: "search", name: "search", autocomplete: "off", spellcheck: "false", placeholder: "Search by name",
      "aria-label": "Search participants", maxlength: "64", onInput: () => this.#find(),
    });
    this.#handsBox = h("section.hands", { hidden: true }, h("h3", {}, icon("hand"), "Raised hands"), this.#hands);
    const close = h("button.icon-button", {
      type: "button", "aria-label": "Close the list", title: "Close (P)", onClick: this.#onClose,
    }, icon("close"));
    this.#muteAll = h("button.button.quiet.compact", {
      type: "button", onClick: () => askToMuteAll(this.#meeting),
    }, icon("mic-off"), "Mute all");
    this.#allowUnmute = h("button.button.quiet.compact", {
      type: "button", hidden: true, onClick: () => act(this.#meeting.host.allowUnmute(true)),
    }, "Let them unmute");
    const order = h("div.people-order", { hidden: true }, this.#muteAll, this.#allowUnmute, this.#lock.element);
    const onKeydown = (event) => this.#key(event);
    this.element = h("aside.side.people", { id: "people", "aria-label": "Participants", onKeydown },
      h("header", {}, h("h2", {}, "Participants"), this.#count, h("span.spacer"), close),
      h("label.input.people-search", {}, icon("search"), this.#input), this.#found,
      h("div.people-tops", {}, this.#door.element, this.#handsBox), this.#list.element,
      this.#keptOut.element, order);
  }

  #find() {
    this.#directory.find(this.#input.value);
    this.#list.toStart();
  }

  #key(event) {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    if (this.#input.value === "") return this.#onClose();
    this.#input.value = "";
    this.#find();
  }

  #refreshHands() {
    const raised = [...this.#meeting.participants.values()].filter(({ hand }) => hand !== null);
    raised.sort((one, other) => one.hand - other.hand);
    const shown = this.#directory.search === "" ? raised.slice(0, MOST_HANDS) : [];
    const ids = new Set(shown.map(({ id }) => id));
    for (const [id, row] of this.#handRows) {
      if (ids.has(id)) continue;
      row.element.remove();
      this.#handRows.delete(id);
    }
    shown.forEach((participant, index) => {
      const row = this.#handRows.get(participant.id) ?? new PeopleRow(this.#meeting, this.#actions);
      this.#handRows.set(participant.id, row);
      row.element.setAttribute("role", "listitem");
      row.update(participant);
      const there = this.#hands.children[index] ?? null;
      if (there !== row.element) this.#hands.insertBefore(row.element, there);
    });
    this.#handsBox.hidden = shown.length === 0;
  }
}
