/** How good a picture is and why it is no better, in words for the person; see docs/signaling.md, "Quality". */

const WORDS = {
  "full none": "Best quality",
  "full tile_size": "As large as it is shown",
  "reduced network": "Reduced: your network is slow",
  "reduced publisher": "Reduced: no more is sent",
  "reduced server": "Reduced: the server has much to do",
  "reduced user": "Reduced by you",
  "reduced policy": "Reduced by the server",
  "paused network": "Paused: your network is too slow",
  "paused user": "Paused by you",
  "paused policy": "Paused by the server",
};

/** @param {import("../sdk/slots.js").Quality} quality */
export function wordsOf({ state, reason }) {
  return WORDS[`${state} ${reason}`] ?? { full: "Best quality", reduced: "Reduced", paused: "Paused" }[state] ?? "";
}

/** Whether the network keeps this picture away. */
export function isHeldBack(quality) {
  return quality?.state === "paused" && quality.reason === "network";
}

/** Whether the network makes this picture worse than it could be. */
export function isSoft(quality) {
  return quality?.state === "reduced" && quality.reason === "network";
}

/**
 * @param {import("../sdk/sfu.js").Meeting} meeting
 * @returns {{id: string, name: string, source: string, video: object}[]} every remote picture that there is to see
 */
export function picturesOf(meeting) {
  return meeting.videos().filter(({ state }) => state === "active").map(({ participantId: id, source, name }) => (
    { id, name: meeting.nameOf(id) ?? name, source, video: meeting.video(id, source) }));
}

/**
 * What to say of pictures that the network keeps away.
 * @returns {string} "" while there is none
 */
export function noticeOf(meeting) {
  const pictures = picturesOf(meeting);
  const held = pictures.filter(({ video }) => isHeldBack(video.quality));
  if (held.length === 0) return "";
  if (held.length === pictures.length) {
    return "Your network is too slow for video. Sound goes on, and pictures return by themselves.";
  }
  const names = [...new Set(held.map(({ name }) => name))];
  const whose = names.length > 2 ? `${names.length} people` : names.join(" and ");
  return `Your network is too slow for every picture. Paused: ${whose}.`;
}
