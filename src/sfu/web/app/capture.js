/** getUserMedia and getDisplayMedia with this page's constraints, and their errors in plain sentences. */

/** What "camera quality" means, by the height that is asked of the camera. */
const CAMERA_SIZES = { 720: [1280, 720], 360: [640, 360], 180: [320, 180] };

export const QUALITIES = [
  ["720", "High (720p)"],
  ["360", "Medium (360p), saves data"],
  ["180", "Low (180p), for slow networks"],
];

/** `ideal`, never `exact`: a device that is gone must not keep anyone from being heard. */
function constraints(kind, deviceId, quality) {
  const device = deviceId ? { deviceId: { ideal: deviceId } } : {};
  if (kind === "microphone") {
    return { audio: { ...device, echoCancellation: true, noiseSuppression: true, autoGainControl: true } };
  }
  const [width, height] = CAMERA_SIZES[quality] ?? CAMERA_SIZES[720];
  return { video: { ...device, width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: 30 } } };
}

/**
 * @param {"microphone"|"camera"} kind
 * @returns {Promise<MediaStreamTrack>}
 */
export async function openDevice(kind, { deviceId = "", quality = "720" } = {}) {
  return (await getUserMedia(constraints(kind, deviceId, quality))).getTracks()[0];
}

/** Both with one permission prompt. @returns {Promise<{microphone: MediaStreamTrack, camera: MediaStreamTrack}>} */
export async function openBoth({ microphone, camera, quality }) {
  const both = { ...constraints("microphone", microphone), ...constraints("camera", camera, quality) };
  const stream = await getUserMedia(both);
  return { microphone: stream.getAudioTracks()[0], camera: stream.getVideoTracks()[0] };
}

function getUserMedia(wanted) {
  if (!navigator.mediaDevices?.getUserMedia) throw new DOMException("insecure context", "SecurityError");
  return navigator.mediaDevices.getUserMedia(wanted);
}

export function canShareScreen() {
  return Boolean(navigator.mediaDevices?.getDisplayMedia);
}

/** @returns {Promise<MediaStream>} the screen, and its sound where the browser and the person agree */
export function openScreen() {
  return navigator.mediaDevices.getDisplayMedia({
    video: { frameRate: { ideal: 30, max: 30 } },
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    selfBrowserSurface: "exclude",
    systemAudio: "include",
  });
}

/** @returns {Promise<Record<"audioinput"|"videoinput"|"audiooutput", MediaDeviceInfo[]>>} */
export async function listDevices() {
  const lists = { audioinput: [], videoinput: [], audiooutput: [] };
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  for (const device of devices) {
    if (device.deviceId) lists[device.kind]?.push(device);
  }
  return lists;
}

/** @returns {string} what went wrong with a device and what to do, for the person */
export function problemOf(kind, error) {
  const device = kind === "camera" ? "camera" : "microphone";
  switch (error?.name) {
    case "NotAllowedError":
      return `The ${device} is blocked. Allow it in the address bar, or join without it.`;
    case "NotFoundError":
    case "OverconstrainedError":
      return `No ${device} was found. You can join without it.`;
    case "NotReadableError":
    case "AbortError":
      return `The ${device} is in use by another application.`;
    case "SecurityError":
      return `The browser gives out the ${device} only over HTTPS or on localhost.`;
    default:
      return `The ${device} could not be opened.`;
  }
}
