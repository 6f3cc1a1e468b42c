/**
 * One RTCPeerConnection to the SFU. The SFU offers, this answers; sources are put on the ingress m-lines
 * with `replaceTrack`, so publishing and unpublishing need no negotiation. Knows nothing of participants.
 *
 * Event: `state` (detail: `RTCPeerConnection.connectionState`).
 */
import { configure, hint } from "./encodings.js";

export class Connection extends EventTarget {
  #pc;
  #ingress;
  #queue = Promise.resolve();
  /** @type {Map<string, MediaStreamTrack|null>} what each source should be sending, whether or not it can yet */
  #tracks = new Map();
  /** @type {Map<string, string>} the codec that somebody chose for a source */
  #codecs = new Map();
  /** @type {Map<string, Record<string, boolean>>} which encodings of a source the server wants; absent: all */
  #wanted = new Map();

  /**
   * @param {RTCIceServer[]} iceServers
   * @param {Record<string, string>} ingress source -> mid, from the join answer
   */
  constructor(iceServers, ingress) {
    super();
    this.#ingress = ingress;
    this.#pc = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.#pc.onconnectionstatechange = () => {
      this.dispatchEvent(new CustomEvent("state", { detail: this.#pc.connectionState }));
    };
  }

  get state() {
    return this.#pc.connectionState;
  }

  /**
   * Applies an offer of the SFU. No candidates are waited for: an ICE-lite server needs none of ours.
   * @param {string} sdp
   * @returns {Promise<string>} the answer's SDP
   */
  accept(sdp) {
    return this.#inOrder(() => this.#accept(sdp));
  }

  /**
   * Puts a track on a source's m-line, or takes it off with null. Before the first answer it is remembered.
   * @param {string} source
   * @param {MediaStreamTrack|null} track
   * @param {{codec?: string|null}} [options]
   */
  send(source, track, { codec = null } = {}) {
    this.#tracks.set(source, track);
    if (track) hint(source, track);
    if (codec) this.#codecs.set(source, codec);
    else this.#codecs.delete(source);
    return this.#inOrder(() => this.#attach(source));
  }

  /**
   * The server wants these encodings of a source, by rid; those that are not named are wanted.
   * @param {string} source
   * @param {Record<string, boolean>} active
   */
  want(source, active) {
    this.#wanted.set(source, { ...active });
    return this.#inOrder(() => this.#configure(source));
  }

  /** The whole state of a `welcome`: of sources that are not in the list everything is wanted. */
  wantOnly(list) {
    const changed = new Set([...this.#wanted.keys(), ...list.map(({ source }) => source)]);
    this.#wanted = new Map(list.map(({ source, active }) => [source, { ...active }]));
    return this.#inOrder(async () => {
      for (const source of changed) await this.#configure(source);
    });
  }

  async #accept(sdp) {
    await this.#pc.setRemoteDescription({ type: "offer", sdp });
    for (const source of Object.keys(this.#ingress)) {
      const transceiver = this.#transceiver(this.#ingress[source]);
      if (transceiver && !transceiver.stopped) transceiver.direction = "sendonly";
    }
    for (const source of this.#tracks.keys()) await this.#attach(source);
    await this.#pc.setLocalDescription(await this.#pc.createAnswer());
    // Codecs can be chosen from now on, since they are agreed.
    for (const source of this.#codecs.keys()) await this.#configure(source);
    return this.#pc.localDescription.sdp;
  }

  async #attach(source) {
    const sender = this.#sender(source);
    const track = this.#tracks.get(source) ?? null;
    if (!sender || sender.track === track || this.#pc.signalingState === "closed") return;
    await sender.replaceTrack(track);
    await this.#configure(source);
  }

  async #configure(source) {
    const sender = this.#sender(source);
    if (!sender?.track || this.#pc.signalingState === "closed") return;
    await configure(source, sender, { codec: this.#codecs.get(source), wanted: this.#wanted.get(source) });
  }

  /** One change at a time: an answer, a replaced track and new parameters must not overlap. */
  #inOrder(step) {
    const done = this.#queue.then(step);
    this.#queue = done.catch(() => {});
    return done;
  }

  /** @returns {RTCRtpReceiver|null} the receiving end of a slot's m-line */
  receiver(mid) {
    return this.#transceiver(mid)?.receiver ?? null;
  }

  /** @returns {Promise<RTCStatsReport>} */
  stats() {
    return this.#pc.getStats();
  }

  close() {
    this.#pc.onconnectionstatechange = null;
    this.#pc.close();
  }

  #transceiver(mid) {
    return this.#pc.getTransceivers().find((transceiver) => transceiver.mid === mid) ?? null;
  }

  #sender(source) {
    return this.#transceiver(this.#ingress[source])?.sender ?? null;
  }
}
