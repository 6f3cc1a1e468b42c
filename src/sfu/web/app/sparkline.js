/** Small charts of the last minutes: drawn with SVG, read out as one sentence. */

const SVG = "http://www.w3.org/2000/svg";
/** In units of the drawing, which is stretched to its box. */
const WIDTH = 300;
const HEIGHT = 60;

/** A chart that is drawn anew with `draw`; series later in the list lie on top. */
export class Sparkline {
  #paths;

  /** @param {{style: string, filled?: boolean}[]} series one class name each */
  constructor(series) {
    this.element = document.createElementNS(SVG, "svg");
    this.element.classList.add("sparkline");
    this.element.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.element.setAttribute("preserveAspectRatio", "none");
    this.element.setAttribute("role", "img");
    this.#paths = series.map(({ style, filled = false }) => {
      const path = document.createElementNS(SVG, "path");
      path.classList.add(style);
      this.element.append(path);
      return { path, filled };
    });
  }

  /**
   * @param {(number|null)[][]} columns of each series, the newest value last; null: not known
   * @param {{length: number, top: number, label: string}} frame how many values are the whole width, and which value
   *   is at the upper edge
   */
  draw(columns, { length, top, label }) {
    this.#paths.forEach(({ path, filled }, index) => {
      path.setAttribute("d", line(columns[index] ?? [], { length, top, filled }));
    });
    this.element.setAttribute("aria-label", label);
  }
}

/** A round value at or above all, so that the scale does not jump with each second. */
export function ceilingOf(values, least) {
  const highest = Math.max(least, ...values.filter((value) => value !== null));
  const step = 10 ** Math.floor(Math.log10(highest)) / 2;
  return Math.ceil(highest / step) * step;
}

function line(values, { length, top, filled }) {
  const at = (index) => [
    (WIDTH * (length - values.length + index)) / Math.max(1, length - 1),
    HEIGHT - 1 - ((HEIGHT - 3) * Math.min(top, values[index])) / top,
  ];
  return runs(values).map(([first, last]) => {
    const points = [];
    for (let index = first; index <= last; index += 1) points.push(at(index).map((value) => value.toFixed(1)).join(" "));
    const drawn = `M${points.join("L")}`;
    if (!filled) return drawn;
    return `${drawn}L${at(last)[0].toFixed(1)} ${HEIGHT}L${at(first)[0].toFixed(1)} ${HEIGHT}Z`;
  }).join("");
}

/** @returns {[number, number][]} first and last index of each stretch of known values */
function runs(values) {
  const found = [];
  values.forEach((value, index) => {
    if (value === null) return;
    if (index > 0 && values[index - 1] !== null) found.at(-1)[1] = index;
    else found.push([index, index]);
  });
  return found;
}
