/**
 * Scalability modes: one stream of several sizes and frame rates (W3C webrtc-svc). `L3T3_KEY`: three spatial layers,
 * each of half the width and height of the next, three temporal ones, and between the sizes pictures refer to each
 * other at keyframes alone. Modes whose sizes differ by 1.5 (`h`) and streams side by side (`S…`) are not used: the
 * server serves neither by layer.
 */
import { SfuError } from "./errors.js";

const MODE = /^L([1-3])T([1-3])(_KEY)?$/;
const MODES = [1, 2, 3].flatMap((spatial) =>
  [1, 2, 3].flatMap((temporal) => {
    const mode = `L${spatial}T${temporal}`;
    return spatial > 1 ? [mode, `${mode}_KEY`] : [mode];
  }),
);
/** What a layer less leaves of the bit rate; as much as the encodings of simulcast differ. */
const RATE_OF_HALF = 0.3;
/** What is asked about; it matters to no browser's answer. */
const ASKED = { width: 1280, height: 720, bitrate: 1_500_000, framerate: 30 };

/** @returns {number} spatial layers of a mode; 1 without one */
export function spatialLayers(mode) {
  return Number(MODE.exec(mode ?? "")?.[1] ?? 1);
}

/**
 * A mode without the layers that nobody receives: the others keep their sizes, so the picture is made smaller.
 * @param {string} mode
 * @param {number} [layers] how many spatial layers are wanted; by default all
 * @returns {{scalabilityMode: string, scaleResolutionDownBy: number, rate: number}} `rate`: share of the bit rate
 */
export function limited(mode, layers = Infinity) {
  const all = spatialLayers(mode);
  const kept = Math.max(1, Math.min(all, layers));
  const [, , temporal, key = ""] = MODE.exec(mode) ?? [];
  return {
    scalabilityMode: kept === all ? mode : `L${kept}T${temporal}${kept > 1 ? key : ""}`,
    scaleResolutionDownBy: 2 ** (all - kept),
    rate: RATE_OF_HALF ** (all - kept),
  };
}

/**
 * Looks whether this browser can send a video so.
 * @param {string|null} codec "VP9"
 * @param {string|null} mode
 * @throws {SfuError} `unsupported_codec`, `unsupported_scalability`; their text names what there is
 */
export async function check(codec, mode) {
  const codecs = sendable();
  if (codec && !codecs.includes(codec.toUpperCase())) {
    throw new SfuError("unsupported_codec", `This browser cannot send ${codec}.`, { hint: `one of ${codecs.join(", ")}` });
  }
  if (!mode) return;
  if (!codec) throw new SfuError("unsupported_scalability", "A scalability mode needs a codec.", { hint: "name both" });
  if (MODES.includes(mode) && (await isSupported(codec, mode))) return;
  const supported = await Promise.all(MODES.map((other) => isSupported(codec, other)));
  throw new SfuError("unsupported_scalability", `${codec} cannot be sent as ${mode}.`, {
    hint: `one of ${MODES.filter((_, index) => supported[index]).join(", ")}`,
  });
}

/** @returns {string[]} names of the codecs of videos that this browser sends */
function sendable() {
  const { codecs = [] } = RTCRtpSender.getCapabilities("video") ?? {};
  const names = codecs.map(({ mimeType }) => mimeType.split("/")[1].toUpperCase());
  return [...new Set(names)].filter((name) => ["VP8", "VP9", "H264", "AV1"].includes(name));
}

/** A browser that cannot tell is believed to: what it then refuses is sent without layers. */
async function isSupported(codec, scalabilityMode) {
  const video = { contentType: `video/${codec}`, scalabilityMode, ...ASKED };
  try {
    return (await navigator.mediaCapabilities.encodingInfo({ type: "webrtc", video })).supported;
  } catch {
    return true;
  }
}
