/** What each tile shows: from the meeting and the own devices to the models of tiles. */
import { isHeldBack, isSoft } from "./quality.js";
import { MORE, videoOf } from "./scene.js";

const NO_PICTURE = Object.freeze({ track: null, note: "", isHeldBack: false, isSoft: false });

/**
 * @param {string} key
 * @param {import("../sdk/sfu.js").Meeting} meeting
 * @param {import("./local_media.js").LocalMedia} media
 * @param {number} more how many are not shown one by one
 * @returns {import("./tile.js").TileModel}
 */
export function modelOf(key, meeting, media, more) {
  if (key === MORE) return { key, name: `${more} more` };
  return key.startsWith("self") ? ownModel(key, meeting, media) : remoteModel(key, meeting);
}

function ownModel(key, meeting, { microphone, microphoneOn, camera, screen }) {
  const isScreen = key === "self/screen";
  return {
    ...NO_PICTURE,
    key,
    id: meeting.participantId,
    name: meeting.name,
    isSelf: true,
    source: isScreen ? "screen" : "camera",
    track: isScreen ? screen : camera,
    microphone: microphone ? microphoneState({ muted: !microphoneOn }) : "none",
    hand: meeting.participants.get(meeting.participantId)?.hand ?? null,
  };
}

function remoteModel(key, meeting) {
  const { participantId: id, source } = videoOf(key);
  const { name, sources, connected, hand } = meeting.participants.get(id) ?? unknown(id, meeting);
  const picture = pictureOf(meeting, id, source, sources);
  if (!connected && source === "camera") picture.note = "Connection lost";
  const microphone = microphoneState(sources.microphone);
  return { ...picture, key, id, name, isSelf: false, source, microphone, hand: hand ?? null };
}

/** Somebody of whom only a slot tells, in a meeting too large to know everyone. */
function unknown(id, meeting) {
  const muted = !meeting.speakers.audible.includes(id);
  const sources = { camera: { muted: false }, screen: { muted: false }, microphone: { muted } };
  return { name: meeting.nameOf(id) ?? "…", sources, connected: true, hand: null };
}

function pictureOf(meeting, id, source, sources) {
  if (!sources[source] || sources[source].muted) return { ...NO_PICTURE };
  const video = meeting.video(id, source);
  if (video?.state === "unsupported_codec") {
    return { ...NO_PICTURE, note: `This browser cannot decode ${video.codec ?? "this video"}` };
  }
  if (video?.state !== "active") return { ...NO_PICTURE };
  const held = isHeldBack(video.quality);
  const note = held ? "Video paused: your network is too slow" : "";
  return { track: video.track, note, isHeldBack: held, isSoft: isSoft(video.quality) };
}

function microphoneState(microphone) {
  if (!microphone) return "none";
  return microphone.muted ? "muted" : "on";
}
