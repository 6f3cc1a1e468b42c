/** The page's own icons: 24x24, drawn with strokes, coloured by the text around them. */

const SLASH = "M4 4l16 16";
const PATHS = {
  mic: ["M12 3.5a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0v-5a3 3 0 0 1 3-3z", "M5.5 11.5a6.5 6.5 0 0 0 13 0", "M12 18v2.5"],
  "mic-off": ["M9 9v2.5a3 3 0 0 0 4.6 2.5", "M15 11v-4.5a3 3 0 0 0-5.9-.7", "M5.5 11.5a6.5 6.5 0 0 0 10.3 5.3",
    "M18.5 11.5c0 .9-.2 1.8-.5 2.6", "M12 18v2.5", SLASH],
  camera: ["M5 6.5h8a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2h-8a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2z", "M15 10.8l5.5-3.3v9l-5.5-3.3"],
  "camera-off": ["M9.5 6.5h3.5a2 2 0 0 1 2 2v3.5", "M15 15.2v.3a2 2 0 0 1-2 2h-8a2 2 0 0 1-2-2v-7a2 2 0 0 1 1.7-2",
    "M15 10.8l5.5-3.3v9l-2.5-1.5", SLASH],
  screen: ["M5 4.5h14a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-14a2 2 0 0 1-2-2v-8a2 2 0 0 1 2-2z", "M8.5 20h7", "M12 13.5v-6",
    "M9.3 10l2.7-2.7 2.7 2.7"],
  "screen-off": ["M5 4.5h14a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-14a2 2 0 0 1-2-2v-8a2 2 0 0 1 2-2z", "M8.5 20h7",
    "M9.8 8.3l4.4 4.4", "M14.2 8.3l-4.4 4.4"],
  leave: ["M3 14.8c-.9-1-.9-2.3 0-3.3 5-4.7 13-4.7 18 0 .9 1 .9 2.3 0 3.3l-1 1c-.5.5-1.3.6-1.9.2l-2.3-1.4" +
    "c-.5-.3-.7-.8-.7-1.4v-1.7c-2-.6-4.2-.6-6.2 0v1.7c0 .6-.2 1.1-.7 1.4l-2.3 1.4c-.6.4-1.4.3-1.9-.2z"],
  link: ["M10 13.5a4 4 0 0 0 5.7.3l3-3a4 4 0 0 0-5.7-5.7l-1 1", "M14 10.5a4 4 0 0 0-5.7-.3l-3 3a4 4 0 0 0 5.7 5.7l1-1"],
  check: ["M5 12.5l4.5 4.5 9.5-10"],
  sliders: ["M4 7h9", "M17 7h3", "M4 17h3", "M11 17h9", "M15 5v4", "M9 15v4"],
  people: ["M9 11a3.2 3.2 0 1 0 0-6.4a3.2 3.2 0 0 0 0 6.4z", "M3 19.5c.3-3.3 2.8-5.3 6-5.3s5.7 2 6 5.3",
    "M15.5 5a3 3 0 0 1 0 5.8", "M17.5 14.6c2 .7 3.3 2.4 3.5 4.9"],
  person: ["M12 11.5a3.8 3.8 0 1 0 0-7.6a3.8 3.8 0 0 0 0 7.6z", "M5 20c.4-3.7 3.200-5.8 7-5.8s6.6 2.1 7 5.8"],
  pin: ["M9 4h6l-.7 6 2.7 3h-10l2.7-3z", "M12 13v7"],
  close: ["M6 6l12 12", "M18 6l-12 12"],
  speaker: ["M4 9.5h3.5l4.5-4v13l-4.5-4h-3.5z", "M15.5 9a4 4 0 0 1 0 6", "M18 6.5a7.5 7.5 0 0 1 0 11"],
  "signal-low": ["M4.5 20v-6", "M9.5 20v-11", "M14.5 20v-1", "M19.5 20v-1"],
  info: ["M12 21a9 9 0 1 0 0-18a9 9 0 0 0 0 18z", "M12 11v5", "M12 7.8v.2"],
  arrow: ["M5 12h14", "M13 6l6 6-6 6"],
  plus: ["M12 5v14", "M5 12h14"],
};

const SVG = "http://www.w3.org/2000/svg";

/** @param {keyof PATHS} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon");
  for (const d of PATHS[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}
