/**
 * A browser's statistics report reduced to what a person or an integrator asks for.
 *
 * @typedef {{rttMs: number|null, dtls: string, cipher: string, srtp: string, sendBps: number,
 *   receiveBps: number, packetsLost: number, packetsReceived: number, sending: string[],
 *   pictures: Map<string, {width: number, height: number, fps: number}>}} Summary `pictures`: received, by mid
 */
const DTLS_VERSIONS = new Map([["FEFF", "1.0"], ["FEFD", "1.2"], ["FEFC", "1.3"]]);

/** Rates need two reports: this remembers the one before. */
export class StatsSummary {
  #before = null;

  /**
   * @param {RTCStatsReport} report
   * @returns {Summary}
   */
  read(report) {
    const entries = [...report.values()];
    const transport = entries.find(({ type }) => type === "transport") ?? {};
    const pair = report.get(transport.selectedCandidatePairId) ?? {};
    const inbound = entries.filter(({ type }) => type === "inbound-rtp");
    const outbound = entries.filter(({ type, bytesSent }) => type === "outbound-rtp" && bytesSent > 0);
    const rates = this.#rates(transport);
    return {
      ...rates,
      rttMs: Number.isFinite(pair.currentRoundTripTime) ? pair.currentRoundTripTime * 1000 : null,
      dtls: DTLS_VERSIONS.get(transport.tlsVersion) ?? transport.tlsVersion ?? "",
      cipher: transport.dtlsCipher ?? "",
      srtp: transport.srtpCipher ?? "",
      packetsLost: sum(inbound, "packetsLost"),
      packetsReceived: sum(inbound, "packetsReceived"),
      pictures: picturesOf(inbound),
      sending: outbound.filter(({ framesPerSecond }) => framesPerSecond > 0).map(describe),
    };
  }

  #rates({ timestamp = 0, bytesSent = 0, bytesReceived = 0 }) {
    const before = this.#before;
    this.#before = { timestamp, bytesSent, bytesReceived };
    const seconds = before ? (timestamp - before.timestamp) / 1000 : 0;
    if (seconds <= 0) return { sendBps: 0, receiveBps: 0 };
    return {
      sendBps: Math.max(0, (8 * (bytesSent - before.bytesSent)) / seconds),
      receiveBps: Math.max(0, (8 * (bytesReceived - before.bytesReceived)) / seconds),
    };
  }
}

function picturesOf(inbound) {
  const shown = inbound.filter(({ kind, mid, frameWidth }) => kind === "video" && mid && frameWidth > 0);
  return new Map(shown.map(({ mid, frameWidth, frameHeight, framesPerSecond = 0 }) =>
    [mid, { width: frameWidth, height: frameHeight, fps: Math.round(framesPerSecond) }]));
}

function sum(entries, field) {
  return entries.reduce((total, entry) => total + (entry[field] ?? 0), 0);
}

function describe({ rid, frameWidth, frameHeight, framesPerSecond }) {
  return `${rid ? `${rid}: ` : ""}${frameWidth}×${frameHeight} at ${Math.round(framesPerSecond)} fps`;
}
