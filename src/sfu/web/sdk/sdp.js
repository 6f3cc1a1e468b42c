/**
 * The changes that the SDK makes to the SFU's offer before the browser sees it: what a sender does follows from what it
 * is told that the other side would like. The SFU takes all of it.
 */

/**
 * An offer whose m-line `mid` takes a single stream, as if the SFU had not asked for simulcast there (RFC 8853).
 * @param {string} sdp
 * @param {string} mid
 */
export function withoutSimulcast(sdp, mid) {
  return changed(sdp, mid, (section) => section.replace(/^a=(rid|simulcast):.*\r?\n/gm, ""));
}

/**
 * An offer whose m-line `mid` prefers that next to nothing is sent in silence (`usedtx`, RFC 7587 §6.1).
 * @param {string} sdp
 * @param {string} mid
 */
export function withSilence(sdp, mid) {
  return changed(sdp, mid, (section) => {
    const opus = /^a=rtpmap:(\d+) opus\//im.exec(section)?.[1];
    return section.replace(new RegExp(`^(a=fmtp:${opus} [^\\r\\n]*)`, "m"), "$1;usedtx=1");
  });
}

function changed(sdp, mid, change) {
  const sections = sdp.split(/^(?=m=)/m);
  const isIts = (section) => section.split(/\r?\n/).includes(`a=mid:${mid}`);
  return sections.map((section) => (isIts(section) ? change(section) : section)).join("");
}
