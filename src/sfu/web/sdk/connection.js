/**
 * One RTCPeerConnection to the SFU. The SFU offers, this answers; sources are put on the ingress m-lines
 * with `replaceTrack`, so publishing and unpublishing need no negotiation. Knows nothing of participants.
 *
 * Event: `state` (detail: `RTCPeerConnection.connectionState`).
 */
import { configure, hint } from "./encodings.js";
import { SfuError } from "./errors.js";
import { spatialLayers } from "./scalability.js";
import { withSilence, withoutSimulcast } from "./sdp.js";

export class Connection extends EventTarget {
  #pc;
  #ingress;
  #queue = Promise.resolve();
  /** @type {Map<string, MediaStreamTrack|null>} what each source should be sending, whether or not it can yet */
  #tracks = new Map();
  /** @type {Map<string, {codec?: string, scalabilityMode?: string}>} what somebody chose for a source */
  #choices = new Map();
  /** @type {Map<string, import("./encodings.js").Wanted>} what of a source the server wants; absent: all */
  #wanted = new Map();
  /** @type {boolean|null} whether the camera is one stream; null before the first offer. It stays what it is. */
  #isCameraOne = null;
  /** @type {Set<string>} sources that send next to nothing in silence */
  #silent = new Set();
  /** @type {Map<string, RTCRtpTransceiver>} by mid; asked for often, and an m-line never goes away */
  #transceivers = new Map();
  /** The newest offer, as it came. */
  #offer = null;

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
   * @param {Choices} [choices]
   * @typedef {{codec?: string|null, scalabilityMode?: string|null, dtx?: boolean, content?: string}} Choices of how
   *   it is encoded; `content`: "motion", "detail" or "text"
   */
  send(source, track, choices = {}) {
    this.#tracks.set(source, track);
    if (track) hint(source, track, choices.content);
    const { codec, scalabilityMode, dtx = false } = choices;
    if (codec) this.#choices.set(source, { codec, scalabilityMode: scalabilityMode ?? undefined });
    else this.#choices.delete(source);
    return this.#inOrder(async () => {
      if (track && dtx !== this.#silent.has(source)) await this.#keepSilent(source, dtx);
      await this.#attach(source);
    });
  }

  /**
   * Looks whether a source can be encoded so on the m-line that it has.
   * @param {string} source
   * @param {Choices} choices
   * @throws {SfuError} `conflict`: layers of several sizes for a camera that is simulcast already
   */
  require(source, { scalabilityMode }) {
    if (source !== "camera" || this.#isCameraOne !== false || spatialLayers(scalabilityMode) === 1) return;
    throw new SfuError("conflict", `The camera is simulcast in this meeting, it cannot become ${scalabilityMode}.`, {
      hint: "publish it so before join()",
    });
  }

  /**
   * The server wants these encodings of a source, and of them these layers; those that are not named are wanted.
   * @param {{source: string, active: Record<string, boolean>, spatial_layers?: Record<string, number>}} message
   */
  want(message) {
    this.#wanted.set(message.source, wantedBy(message));
    return this.#inOrder(() => this.#configure(message.source));
  }

  /** The whole state of a `welcome`: of sources that are not in the list everything is wanted. */
  wantOnly(list) {
    const changed = new Set([...this.#wanted.keys(), ...list.map(({ source }) => source)]);
    this.#wanted = new Map(list.map((message) => [message.source, wantedBy(message)]));
    return this.#inOrder(async () => {
      for (const source of changed) await this.#configure(source);
    });
  }

  /** The offer says it, so an offer that is accepted already is accepted anew: nothing in the answer is. */
  async #keepSilent(source, dtx) {
    if (dtx) this.#silent.add(source);
    else this.#silent.delete(source);
    if (this.#offer !== null && this.#pc.signalingState === "stable") await this.#accept(this.#offer);
  }

  async #accept(sdp) {
    this.#offer = sdp;
    this.#isCameraOne ??= spatialLayers(this.#choices.get("camera")?.scalabilityMode) > 1;
    let offer = this.#isCameraOne ? withoutSimulcast(sdp, this.#ingress.camera) : sdp;
    for (const source of this.#silent) offer = withSilence(offer, this.#ingress[source]);
    await this.#pc.setRemoteDescription({ type: "offer", sdp: offer });
    for (const source of Object.keys(this.#ingress)) {
      const transceiver = this.#transceiver(this.#ingress[source]);
      if (transceiver && !transceiver.stopped) transceiver.direction = "sendonly";
    }
    for (const source of this.#tracks.keys()) await this.#attach(source);
    await this.#pc.setLocalDescription(await this.#pc.createAnswer());
    // Codecs can be chosen from now on, since they are agreed.
    for (const source of this.#choices.keys()) await this.#configure(source);
    return this.#pc.localDescription.sdp;
  }

  async #attach(source) {
    const sender = this.#sender(source);
    const track = this.#tracks.get(source) ?? null;
    if (!sender || this.#pc.signalingState === "closed") return;
    if (sender.track !== track) await sender.replaceTrack(track);
    await this.#configure(source);
  }

  async #configure(source) {
    const sender = this.#sender(source);
    if (!sender?.track || this.#pc.signalingState === "closed") return;
    await configure(source, sender, { ...this.#choices.get(source), wanted: this.#wanted.get(source) });
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
    if (!this.#transceivers.has(mid)) {
      for (const transceiver of this.#pc.getTransceivers()) {
        if (transceiver.mid !== null) this.#transceivers.set(transceiver.mid, transceiver);
      }
    }
    return this.#transceivers.get(mid) ?? null;
  }

  #sender(source) {
    return this.#transceiver(this.#ingress[source])?.sender ?? null;
  }
}

function wantedBy({ active, spatial_layers: layers }) {
  return { active: { ...active }, layers: { ...layers } };
}
