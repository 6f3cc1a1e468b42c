/**
 * What each source is encoded as: tables. The simulcast encodings themselves come from the SFU's offer
 * (`a=simulcast:recv q;h;f`); here they get their sizes and ceilings.
 */
import { limited } from "./scalability.js";

/**
 * How many simulcast encodings libwebrtc really sends, by captured pixels (its `kSimulcastFormats`). It
 * leaves out the *last* rids, which would be the largest pictures: a 640x360 camera at 4:2:1 would never
 * be sent larger than 320x180 (measured with Chromium 156). So small captures use fewer encodings, and
 * the last one that is used is always the full size.
 */
const CAMERA_BY_PIXELS = [
  {
    atLeast: 960 * 540,
    rids: {
      q: { active: true, scaleResolutionDownBy: 4, maxBitrate: 150_000 },
      h: { active: true, scaleResolutionDownBy: 2, maxBitrate: 500_000 },
      f: { active: true, scaleResolutionDownBy: 1, maxBitrate: 1_800_000 },
    },
  },
  {
    atLeast: 480 * 270,
    rids: {
      q: { active: true, scaleResolutionDownBy: 2, maxBitrate: 200_000 },
      h: { active: true, scaleResolutionDownBy: 1, maxBitrate: 700_000 },
      f: { active: false, scaleResolutionDownBy: 1 },
    },
  },
  {
    atLeast: 0,
    rids: {
      q: { active: true, scaleResolutionDownBy: 1, maxBitrate: 300_000 },
      h: { active: false, scaleResolutionDownBy: 1 },
      f: { active: false, scaleResolutionDownBy: 1 },
    },
  },
];

/**
 * Of each video encoding: frame rates of a half and a quarter can be had of it too. For simulcast it has to be said:
 * without it Chromium sends VP9 as one stream of layers.
 */
const SCALABILITY = "L1T3";

const PROFILES = {
  microphone: { contentHint: "speech", single: { maxBitrate: 40_000 } },
  camera: { contentHint: "motion", degradation: "balanced", single: { maxBitrate: 1_800_000 } },
  // Text must stay sharp: the frame rate gives way, never the size.
  screen: {
    contentHint: "detail",
    degradation: "maintain-resolution",
    single: { scaleResolutionDownBy: 1, maxBitrate: 2_500_000, maxFramerate: 30 },
  },
  screen_audio: { contentHint: "music", single: { maxBitrate: 128_000 } },
};

/** Sources that a participant can send, in the order of the offer. */
export const SOURCES = Object.freeze(Object.keys(PROFILES));

/** @returns {"audio"|"video"} */
export function kindOf(source) {
  return source === "camera" || source === "screen" ? "video" : "audio";
}

/** Tells the encoder what the pixels or samples are; `content` where somebody knows better. */
export function hint(source, track, content = null) {
  if ("contentHint" in track) track.contentHint = content ?? PROFILES[source].contentHint;
}

/**
 * Sizes and ceilings of the camera's encodings for a capture of this size.
 * @returns {Record<string, RTCRtpEncodingParameters>} by rid
 */
export function cameraEncodings(width, height) {
  return CAMERA_BY_PIXELS.find(({ atLeast }) => width * height >= atLeast).rids;
}

/**
 * Applies the tables to a sender. A browser that refuses a field keeps its own default: worse, not broken.
 * @param {string} source
 * @param {RTCRtpSender} sender with the track that it sends, or is going to send
 * @param {object} [choices]
 * @param {string} [choices.codec] "VP9"; by default what the two sides agreed on first
 * @param {string} [choices.scalabilityMode] "L3T3_KEY"; by default three frame rates
 * @param {Wanted} [choices.wanted] by default everything
 * @typedef {{active?: Record<string, boolean>, layers?: Record<string, number>}} Wanted by rid, "" without rids:
 *   `active`: false where nobody receives it; `layers`: how many spatial layers, where not all are wanted
 */
export async function configure(source, sender, choices = {}) {
  const parameters = sender.getParameters();
  if (!parameters.encodings?.length) return;
  const changes = encodingsFor(source, parameters, sender.track, choices);
  if (await tryChange(sender, changes, PROFILES[source].degradation)) return;
  // A codec, or a browser, without temporal layers.
  const plain = changes.map(({ scalabilityMode, ...rest }) => rest);
  if (await tryChange(sender, plain, PROFILES[source].degradation)) return;
  console.warn(`sfu: the browser kept its own encoding of ${source}`);
}

async function tryChange(sender, changes, degradation) {
  // What was read is good for one try alone.
  const parameters = sender.getParameters();
  parameters.encodings.forEach((encoding, index) => Object.assign(encoding, changes[index]));
  if (degradation) parameters.degradationPreference = degradation;
  try {
    await sender.setParameters(parameters);
    return true;
  } catch {
    return false;
  }
}

/** @returns {RTCRtpEncodingParameters[]} what to change of each encoding */
function encodingsFor(source, { encodings, codecs = [] }, track, { codec, scalabilityMode = SCALABILITY, wanted = {} }) {
  const { width = 1280, height = 720 } = track?.getSettings() ?? {};
  const rids = source === "camera" ? cameraEncodings(width, height) : {};
  const chosen = codec && codecs.find(({ mimeType }) => mimeType.toLowerCase() === `video/${codec}`.toLowerCase());
  return encodings.map(({ rid = "" }) => {
    const fields = { active: true, ...(rids[rid] ?? PROFILES[source].single) };
    fields.active &&= wanted.active?.[rid] !== false;
    if (kindOf(source) !== "video") return fields;
    const { rate, ...layers } = limited(scalabilityMode, wanted.layers?.[rid]);
    return {
      ...fields,
      scalabilityMode: layers.scalabilityMode,
      scaleResolutionDownBy: layers.scaleResolutionDownBy * (fields.scaleResolutionDownBy ?? 1),
      ...(fields.maxBitrate && { maxBitrate: Math.round(rate * fields.maxBitrate) }),
      // A choice that is taken back leaves the field out.
      codec: chosen || undefined,
    };
  });
}
