/**
 * The signaling socket (docs/signaling.md, "WebSocket"): requests with ids, notifications, and a socket
 * that comes back by itself. After each (re)connection it says `hello` and emits `welcome`, the whole
 * state, which the owner takes as the truth; of what happened meanwhile only the chat is replayed. Knows nothing of media.
 *
 * States: `idle -> connecting -> open -> waiting -> connecting -> …`, and from any of them `closed`.
 *
 * Events: `state` (detail: the state), `welcome` (detail: the message), `notification` (detail: the
 * message), `fatal` (detail: `{code, reason}`: the server does not want this token's socket any more).
 */
import { backoffMs, pause } from "./backoff.js";
import { SfuError } from "./errors.js";

const SUBPROTOCOL = "sfu.v1.json";
const REPLY_TIMEOUT_MS = 8_000;
/** A half-open TCP connection is found after one interval and one reply timeout. */
const PING_INTERVAL_MS = 10_000;

/** Close codes after which a new socket with the same token is of no use; see the table of close codes. */
const FATAL_CLOSE_CODES = new Map([
  [1000, "left"],
  [4401, "unauthorized"],
  [4403, "removed"],
  [4409, "replaced"],
]);

export class Signaling extends EventTarget {
  #url;
  #token;
  #known;
  #socket = null;
  #state = "idle";
  #nextId = 1;
  /** @type {Map<number, {resolve: Function, reject: Function, timer: number}>} */
  #pending = new Map();
  #attempt = 0;
  #pinger = 0;

  /** @param {() => object} [known] what `hello` says besides the token */
  constructor(url, token, known = () => ({})) {
    super();
    this.#url = url;
    this.#token = token;
    this.#known = known;
  }

  get state() {
    return this.#state;
  }

  /** Opens the socket and keeps it open until `close()` or a fatal close code. */
  open() {
    if (this.#state !== "idle" && this.#state !== "waiting") return;
    this.#become("connecting");
    const socket = new WebSocket(this.#url, SUBPROTOCOL);
    this.#socket = socket;
    socket.onopen = () => this.#hello(socket);
    socket.onmessage = ({ data }) => socket === this.#socket && this.#receive(data);
    socket.onclose = ({ code, reason }) => socket === this.#socket && this.#lost(code, reason);
  }

  /**
   * Sends one request and waits for its reply.
   * @returns {Promise<object>} the reply
   * @throws {SfuError} the server's error; `signaling_lost` when the socket went away; `timeout`
   */
  request(type, fields = {}) {
    if (this.#state !== "open") return Promise.reject(lost());
    return this.#send(type, fields);
  }

  /** Says goodbye where it can and stays closed. */
  close() {
    if (this.#state === "closed") return;
    this.#become("closed");
    this.#drop(1000);
  }

  async #hello(socket) {
    try {
      const welcome = await this.#send("hello", { token: this.#token, ...this.#known() });
      if (socket !== this.#socket || this.#state !== "connecting") return;
      this.#attempt = 0;
      this.#pinger = setInterval(() => this.#ping(socket), PING_INTERVAL_MS);
      this.#become("open");
      this.#emit("welcome", welcome);
    } catch (error) {
      if (socket !== this.#socket) return;
      // An unknown token may be said as an error before the close code says it too. A server that was started again
      // does not have the meeting at hand until somebody joins.
      if (error.code === "unauthorized" || error.code === "meeting_not_found") this.#fatal(4401, error.message);
      else this.#lost(1006, error.message);
    }
  }

  async #ping(socket) {
    try {
      await this.#send("ping", {});
    } catch (error) {
      if (socket === this.#socket && error.code === "timeout") this.#lost(1006, "no reply to ping");
    }
  }

  #send(type, fields) {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new SfuError("timeout", `The server did not answer "${type}" in time.`));
      }, REPLY_TIMEOUT_MS);
      this.#pending.set(id, { resolve, reject, timer });
      try {
        this.#socket.send(JSON.stringify({ type, id, ...fields }));
      } catch {
        this.#settle(id)?.reject(lost());
      }
    });
  }

  #receive(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    if (message === null || typeof message !== "object") return;
    if (message.reply === undefined || message.reply === null) return this.#emit("notification", message);
    const pending = this.#settle(message.reply);
    if (message.type !== "error") return pending?.resolve(message);
    pending?.reject(new SfuError(message.code, message.detail, { hint: message.hint }));
  }

  #settle(id) {
    const pending = this.#pending.get(id);
    if (pending) clearTimeout(pending.timer);
    this.#pending.delete(id);
    return pending;
  }

  async #lost(code, reason) {
    if (this.#state === "closed") return;
    if (FATAL_CLOSE_CODES.has(code)) return this.#fatal(code, reason);
    this.#drop();
    this.#become("waiting");
    await pause(backoffMs(this.#attempt++));
    if (this.#state === "waiting") this.open();
  }

  #fatal(code, reason) {
    this.#become("closed");
    this.#drop();
    this.#emit("fatal", { code: FATAL_CLOSE_CODES.get(code) ?? "closed", reason });
  }

  /** Lets go of the socket; every request in the air fails now rather than by its timeout. */
  #drop(code) {
    clearInterval(this.#pinger);
    const socket = this.#socket;
    this.#socket = null;
    for (const id of [...this.#pending.keys()]) this.#settle(id).reject(lost());
    if (socket && socket.readyState <= WebSocket.OPEN) socket.close(code);
  }

  #become(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.#emit("state", state);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function lost() {
  return new SfuError("signaling_lost", "The connection to the server was lost.");
}
