/** Who is heard, and how loud: read from the audio receivers without a statistics report. */

/** A level older than this is of someone who stopped talking: with DTX little is sent in silence. */
const MAX_AGE_MS = 400;

/**
 * @param {import("./slots.js").Slot[]} slots the audio slots
 * @param {(mid: string) => RTCRtpReceiver|null} receiver
 * @returns {Map<string, number>} participant id -> microphone level now, 0..1
 */
export function levelsOf(slots, receiver) {
  const levels = new Map();
  const now = performance.timeOrigin + performance.now();
  for (const { mid, participantId, source } of slots) {
    if (!participantId || source !== "microphone") continue;
    const [heard] = receiver(mid)?.getSynchronizationSources() ?? [];
    const fresh = heard && now - heard.timestamp < MAX_AGE_MS;
    levels.set(participantId, fresh ? (heard.audioLevel ?? 0) : 0);
  }
  return levels;
}
