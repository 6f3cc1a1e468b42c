/** The one change that the SDK makes to the SFU's offer. */

/**
 * An offer whose m-line `mid` takes a single stream, as if the SFU had not asked for simulcast there (RFC 8853).
 * @param {string} sdp
 * @param {string} mid
 */
export function withoutSimulcast(sdp, mid) {
  const sections = sdp.split(/^(?=m=)/m);
  const isIts = (section) => section.split(/\r?\n/).includes(`a=mid:${mid}`);
  return sections.map((section) => (isIts(section) ? section.replace(/^a=(rid|simulcast):.*\r?\n/gm, "") : section)).join("");
}
