/**
 * The HTTP half of the protocol (docs/signaling.md, "HTTP"): create, look up, join and leave a meeting.
 * Owns no state but the server's address.
 */
import { SfuError } from "./errors.js";

/** A join that takes longer than this is tried again by whoever asked. */
const REQUEST_TIMEOUT_MS = 10_000;

export class Api {
  /** @param {string|URL} [server] base address; by default the server that this file came from */
  constructor(server = new URL("../../", import.meta.url)) {
    this.server = new URL(server, globalThis.location?.href);
    if (!this.server.pathname.endsWith("/")) this.server.pathname += "/";
  }

  /**
   * @param {object} [plan] what docs/api.md says of `POST /meetings`
   * @param {string} [key] an API key, where the server asks for one
   * @returns {Promise<{id: string, title: string, join_url: string, created_at: string, host_token: string}>}
   */
  createMeeting({ title, ...plan } = {}, key) {
    return this.#call("POST", "meetings", { body: { title: title || undefined, ...plan }, token: key });
  }

  /**
   * @param {{status?: string, cursor?: string|null, limit?: number}} [wanted]
   * @param {string} [key] as of `createMeeting`
   * @returns {Promise<{meetings: object[], next: string|null}>}
   */
  meetings(wanted = {}, key) {
    const given = Object.entries(wanted).filter(([, value]) => value !== undefined && value !== null);
    return this.#call("GET", `meetings?${new URLSearchParams(given)}`, { token: key });
  }

  /**
   * Changes what was agreed of a meeting.
   * @param {object} changes what docs/api.md says of `PATCH /meetings/{id}`
   * @param {{token?: string, version?: number}} [as] `token`: an API key, or the host token; `version`: of the meeting
   *   that is to be changed. Where it is another one now it is rejected with `precondition_failed`.
   * @returns {Promise<object>} the meeting as it is now
   */
  updateMeeting(id, changes, { token, version } = {}) {
    const match = version === undefined ? undefined : `"${version}"`;
    return this.#call("PATCH", `meetings/${encodeURIComponent(id)}`, { body: changes, token, match });
  }

  /** Everybody in it leaves, and nobody joins it any more. `token` as of `updateMeeting`. */
  endMeeting(id, token) {
    return this.#call("POST", `meetings/${encodeURIComponent(id)}/end`, { token });
  }

  /** @returns {Promise<string>} a planned meeting for calendars; its link works by itself with the `joinToken` alone */
  calendarFile(id, joinToken) {
    return this.#call("GET", `meetings/${encodeURIComponent(id)}.ics`, { token: joinToken, read: (text) => text });
  }

  /** @returns {Promise<{id: string, title: string, join_url: string, participants: number}>} */
  meeting(id) {
    return this.#call("GET", `meetings/${encodeURIComponent(id)}`);
  }

  /**
   * @param {{hostToken?: string, joinToken?: string, accessToken?: string, browser?: string, role?: "audience",
   *   video?: number, formerToken?: string}} [as] `video`: how many videos are shown at once; `formerToken`: of a stay
   *   that the server has lost, whose seat one wants back
   * @returns {Promise<object>} the join answer of docs/signaling.md, or the waiting answer, which has a `waiting_id`
   */
  join(id, name, { hostToken, joinToken, accessToken, browser, role, video, formerToken } = {}) {
    const body = {
      name, host_token: hostToken, join_token: joinToken, browser, role, video, former_token: formerToken,
    };
    return this.#call("POST", `meetings/${encodeURIComponent(id)}/join`, { body, token: accessToken });
  }

  /** @returns {Promise<object>} what somebody received, second by second; docs/signaling.md, "Quality" */
  quality(id, participantId, seconds, token) {
    const who = `${encodeURIComponent(id)}/participants/${encodeURIComponent(participantId)}`;
    return this.#call("GET", `meetings/${who}/quality?seconds=${seconds}`, { token });
  }

  /** Leaves by HTTP. With `keepalive` the request outlives the page, which is what `pagehide` needs. */
  leave(id, token, { keepalive = false } = {}) {
    return this.#call("POST", `meetings/${encodeURIComponent(id)}/leave`, { token, keepalive });
  }

  async #call(method, path, { body, token, match, keepalive = false, read = JSON.parse } = {}) {
    const headers = {};
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (token) headers.Authorization = `Bearer ${token}`;
    if (match) headers["If-Match"] = match;
    let response;
    let payload;
    try {
      response = await fetch(new URL(path, this.server), {
        method,
        headers,
        keepalive,
        cache: "no-store",
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: keepalive ? undefined : AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
      payload = await parse(response, response.ok ? read : JSON.parse);
    } catch (error) {
      throw new SfuError("network", "The server cannot be reached.", { hint: String(error?.message ?? error) });
    }
    if (!response.ok) throw problem(response, payload);
    return payload;
  }
}

async function parse(response, read) {
  if (response.status === 204) return null;
  const text = await response.text();
  try {
    return read(text);
  } catch {
    return null;
  }
}

/** RFC 9457 problem details -> SfuError; a proxy's own error page has no code and becomes `bad_reply`. */
function problem(response, payload) {
  const code = typeof payload?.code === "string" ? payload.code : "bad_reply";
  const detail = payload?.detail ?? payload?.title ?? `The server answered ${response.status}.`;
  return new SfuError(code, String(detail), { status: response.status, hint: String(payload?.hint ?? "") });
}
