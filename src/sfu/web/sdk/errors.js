/**
 * Errors of the SDK. One class: what a caller acts on is `code`, which is the server's own stable code
 * (docs/signaling.md, "Error codes") or one of those that only a client can find:
 *
 * | code            | meaning                                                     |
 * |-----------------|-------------------------------------------------------------|
 * | `network`       | the server could not be reached                             |
 * | `signaling_lost`| the socket closed before the reply came                     |
 * | `timeout`       | no reply in time                                            |
 * | `bad_reply`     | the server's answer is not what the protocol says           |
 * | `closed`        | the meeting was left, or ended, before the call finished    |
 * | `unsupported_codec`, `unsupported_scalability` | this browser cannot send a video so; `hint` names what it can |
 */
export class SfuError extends Error {
  /**
   * @param {string} code stable, for programs
   * @param {string} detail one sentence, for people
   * @param {{hint?: string, status?: number}} [more] what to do about it; the HTTP status, 0 where none
   */
  constructor(code, detail, { hint = "", status = 0 } = {}) {
    super(detail);
    this.name = "SfuError";
    this.code = code;
    this.hint = hint;
    this.status = status;
  }
}
