/**
 * One stay in a meeting: a participant token with its socket and its media connection, from the join
 * answer until it is over. Brings both back when they break; says `over` when only a new join can help.
 *
 * State: `connecting` until both work for the first time, then `connected`, or `interrupted` while one of
 * them is being restored.
 *
 * Events: `state`, `welcome`, `notification` (detail: the message), `negotiated` (m-lines are in place),
 * `over` (detail: `{reason}`: `unauthorized`, `transport`, `replaced`, `left`, `negotiation`, `removed`,
 * `revoked`, `expired`).
 */
import { Connection } from "./connection.js";
import { Recovery } from "./recovery.js";
import { Signaling } from "./signaling.js";

export class Session extends EventTarget {
  #signaling;
  #recovery;
  #state = "connecting";
  #over = false;
  #version = null;
  #answer = null;
  #answered = null;
  /** Why the server sent this participant away, when it said so. */
  #removed = null;

  /**
   * @param {object} joined the join answer of docs/signaling.md
   * @param {() => object} known what `hello` says besides the token
   */
  constructor(joined, known) {
    super();
    this.joined = joined;
    this.connection = new Connection(joined.ice_servers ?? [], joined.ingress);
    this.#signaling = new Signaling(joined.signaling_url, joined.token, () => ({
      ...known(),
      offer: this.#version ?? undefined,
    }));
    this.#recovery = new Recovery({ restart: () => this.#restartIce(), giveUp: () => this.#end("transport") });
    this.connection.addEventListener("state", ({ detail }) => this.#onMedia(detail));
    this.#signaling.addEventListener("state", () => this.#update());
    this.#signaling.addEventListener("welcome", ({ detail }) => this.#onWelcome(detail));
    this.#signaling.addEventListener("notification", ({ detail }) => this.#onNotification(detail));
    this.#signaling.addEventListener("fatal", ({ detail }) => this.#end(this.#removed ?? detail.code));
  }

  get state() {
    return this.#state;
  }

  get signalingOpen() {
    return this.#signaling.state === "open";
  }

  /** Opens the socket and answers the offer side by side: the first frame waits for the slower, not for both. */
  start() {
    this.#signaling.open();
    this.#negotiate(this.joined.offer);
  }

  /** @returns {Promise<object>} see `Signaling.request` */
  request(type, fields) {
    return this.#signaling.request(type, fields);
  }

  /** Ends it for good, without telling the server; see `Meeting.leave`. */
  close() {
    this.#over = true;
    this.#recovery.stop();
    this.#signaling.close();
    this.connection.close();
  }

  #onWelcome(welcome) {
    this.#emit("welcome", welcome);
    this.#negotiate(welcome.offer ?? null);
    if (welcome.transport === "closed") this.#end("transport");
    else this.#recovery.observe(this.connection.state);
  }

  #onNotification(message) {
    this.#emit("notification", message);
    if (message.type === "removed") this.#removed = message.reason;
    if (message.type === "offer") this.#negotiate(message);
    else if (message.type === "transport" && message.state === "closed") this.#end("transport");
  }

  /**
   * Applies a new offer and sends the answer as soon as the socket allows. With null, or an offer that is
   * applied already, it sends again what the server has not got.
   */
  async #negotiate(offer) {
    try {
      if (offer && offer.version !== this.#version) {
        this.#version = offer.version;
        this.#answer = this.connection.accept(offer.sdp);
        this.#answer.then(() => this.#emit("negotiated"), () => {});
      }
      const version = this.#version;
      const sdp = await this.#answer;
      if (!this.signalingOpen || version !== this.#version) return;
      if (this.#answered === version) return;
      this.#answered = version;
      await this.request("answer", { version, sdp });
    } catch (error) {
      this.#negotiationFailed(error);
    }
  }

  #negotiationFailed(error) {
    // `conflict`: a newer offer is on its way. Lost sockets: the next `welcome` brings the offer again.
    if (this.#over || error.code === "conflict") return;
    if (error.code === "signaling_lost" || error.code === "timeout") {
      this.#answered = null;
      return;
    }
    console.error("sfu: negotiation failed:", error);
    this.#end("negotiation");
  }

  #onMedia(state) {
    this.#recovery.observe(state);
    this.#update();
  }

  #restartIce() {
    // Without a socket nothing can be asked; the clock goes on, and the next `welcome` observes again.
    if (this.signalingOpen) this.request("restart_ice").catch(() => {});
  }

  #update() {
    const up = this.signalingOpen && this.connection.state === "connected";
    const next = up ? "connected" : this.#state === "connecting" ? "connecting" : "interrupted";
    if (next === this.#state || this.#over) return;
    this.#state = next;
    this.#emit("state", next);
  }

  #end(reason) {
    if (this.#over) return;
    this.close();
    this.#emit("over", { reason });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
