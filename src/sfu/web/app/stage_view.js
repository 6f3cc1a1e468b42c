/** What is between the top bar and the controls: tiles, pages, the choice of a screen, who speaks unseen. */
import { Choices } from "./choices.js";
import { ScreenChooser } from "./chooser.js";
import { h } from "./dom.js";
import { Pager } from "./pager.js";
import { SpeakingChip } from "./speaking_chip.js";
import { Tiles } from "./tiles.js";
import { announce } from "./toasts.js";

export class StageView {
  choices = new Choices();
  #meeting;
  #tiles;
  #pager;
  #chooser;
  #chip;

  /**
   * @param {import("../sdk/sfu.js").Meeting} meeting
   * @param {import("./local_media.js").LocalMedia} media
   * @param {{onMore: () => void}} actions
   * @param {...Node} above what lies above the tiles
   */
  constructor(meeting, media, { onMore }, ...above) {
    this.#meeting = meeting;
    this.#tiles = new Tiles(meeting, media, this.choices, onMore);
    this.#pager = new Pager(this.choices);
    this.#chooser = new ScreenChooser(meeting, this.choices);
    this.#chip = new SpeakingChip(meeting, (id) => this.#reveal(id));
    const box = h("div.stage-box", {}, this.#tiles.element, this.#chip.element, ...above);
    this.element = h("section.stage", { "aria-label": "Stage" }, this.#chooser.element, box, this.#pager.element);
    this.#pager.followSwipes(box);
    this.#tiles.addEventListener("scene", () => this.#sceneChanged());
  }

  /** At once; see `Tiles.layOut`. */
  layOut() {
    this.#tiles.layOut();
  }

  refresh() {
    this.#tiles.refresh();
  }

  refreshSpeakers() {
    this.#tiles.refreshSpeakers();
  }

  /** @param {number} by pages */
  turn(by) {
    this.#pager.turn(by);
  }

  toggleMode() {
    const mode = this.choices.mode === "gallery" ? "speaker" : "gallery";
    this.choices.setMode(mode);
    announce(mode === "gallery" ? "Gallery view" : "Speaker view");
  }

  close() {
    this.#chip.close();
    this.#tiles.close();
  }

  #sceneChanged() {
    const { scene, screens } = this.#tiles;
    this.#pager.show(scene);
    this.#chooser.show(screens, scene.large);
    this.#chip.refresh((key) => this.#tiles.isShown(key));
  }

  /** Who speaks is on the first page of the gallery, if there is a picture; whoever is not there is pinned. */
  #reveal(id) {
    const { mode, page } = this.choices;
    const hasCamera = this.#meeting.participants.get(id)?.sources.camera?.muted === false;
    if (mode === "gallery" && page > 0 && hasCamera) this.choices.turnTo(0);
    else this.choices.togglePin(id);
  }
}
