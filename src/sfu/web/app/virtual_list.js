/** A list of any length that has elements only for the rows in view. All rows are equally high. */
import { h } from "./dom.js";

/** Rows above and below the view, so that scrolling does not show gaps. */
const MARGIN = 6;

export class VirtualList {
  #rowHeight;
  #makeRow;
  #need;
  #body = h("div.virtual-body", { role: "presentation" });
  /** @type {Map<string, {element: HTMLElement, update: (item: any) => void}>} */
  #rows = new Map();
  #items = [];
  #total = 0;
  #isScheduled = false;
  #height = 0;
  #observer = new ResizeObserver(([{ contentRect }]) => {
    this.#height = contentRect.height;
    this.#schedule();
  });

  /**
   * @param {object} options
   * @param {string} options.label
   * @param {number} options.rowHeight CSS pixels
   * @param {(item: {id: string}) => {element: HTMLElement, update: (item: any) => void}} options.makeRow
   * @param {(index: number) => void} options.need called with the last row in view
   */
  constructor({ label, rowHeight, makeRow, need }) {
    this.#rowHeight = rowHeight;
    this.#makeRow = makeRow;
    this.#need = need;
    const onScroll = () => this.#schedule();
    this.element = h("div.virtual", { role: "list", "aria-label": label, tabindex: "0", onScroll }, this.#body);
    this.#observer.observe(this.element);
  }

  /** @param {{id: string}[]} items the first rows @param {number} total how many rows there are */
  show(items, total) {
    this.#items = items;
    if (total !== this.#total) {
      this.#total = total;
      this.#body.style.height = `${total * this.#rowHeight}px`;
    }
    this.#draw();
  }

  toStart() {
    this.element.scrollTop = 0;
  }

  close() {
    this.#observer.disconnect();
  }

  #schedule() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    requestAnimationFrame(() => {
      this.#isScheduled = false;
      this.#draw();
    });
  }

  #draw() {
    const first = Math.max(0, Math.floor(this.element.scrollTop / this.#rowHeight) - MARGIN);
    const last = first + Math.ceil(this.#height / this.#rowHeight) + 2 * MARGIN;
    const shown = this.#items.slice(first, last);
    const ids = new Set(shown.map(({ id }) => id));
    for (const [id, { element }] of this.#rows) {
      // Who is on a button of a row keeps it, wherever the list goes.
      if (ids.has(id) || element.contains(document.activeElement)) continue;
      element.remove();
      this.#rows.delete(id);
    }
    shown.forEach((item, index) => this.#place(item, first + index));
    if (this.#total > 0) this.#need(Math.min(last, this.#total) - 1);
  }

  #place(item, index) {
    let row = this.#rows.get(item.id);
    if (!row) {
      row = this.#makeRow(item);
      row.element.setAttribute("role", "listitem");
      this.#rows.set(item.id, row);
      this.#body.append(row.element);
    }
    row.update(item);
    const place = `${index}/${this.#total}`;
    if (place === row.element.dataset.place) return;
    row.element.dataset.place = place;
    row.element.style.transform = `translateY(${index * this.#rowHeight}px)`;
    row.element.setAttribute("aria-posinset", index + 1);
    row.element.setAttribute("aria-setsize", this.#total);
  }
}
