/**
 * The SDK's public entry: everything an integrator uses comes from here; the other files are private.
 * docs/sdk.md has the description and a complete page.
 */
import { Api } from "./http.js";

export { SfuError } from "./errors.js";
export { SOURCES } from "./encodings.js";
export { Meeting } from "./meeting.js";
export { MAX_VIDEO_SLOTS } from "./slots.js";

/**
 * Creates a meeting.
 * @param {{title?: string, server?: string|URL, options?: object, apiKey?: string}} [settings] `options`: who may publish
 *   what, and how much; see `POST /meetings` in docs/signaling.md; `apiKey`: where the server asks for one
 * @returns {Promise<{id: string, title: string, join_url: string, created_at: string, host_token: string}>} who joins
 *   with `host_token` is the host
 */
export function createMeeting({ title, server, options, apiKey } = {}) {
  return new Api(server).createMeeting({ title, options }, apiKey);
}

/**
 * Looks a meeting up without joining it.
 * @returns {Promise<{id: string, title: string, join_url: string, created_at: string, participants: number}>}
 * @throws {import("./errors.js").SfuError} `meeting_not_found`
 */
export function findMeeting(id, { server } = {}) {
  return new Api(server).meeting(id);
}
