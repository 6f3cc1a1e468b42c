/**
 * Who has the floor: who speaks, what this participant may send, and how many videos there are to see. Kept in step
 * with `welcome` and the notifications `speakers`, `permissions`, `moderation` and `view` of docs/signaling.md.
 *
 * @typedef {{dominant: string|null, recent: string[], audible: string[]}} Speakers ids; `recent`: the newest first
 * @typedef {{role: "host"|"cohost"|"participant"|"audience", publish: string[], maxVideo: number,
 *   mayUnmute: boolean, mutedByHost: boolean}} Permissions `maxVideo`: how many videos may be received at once;
 *   `mayUnmute`: whether one may unmute one's microphone oneself
 * @typedef {{mayUnmute: boolean, spotlight: string[]}} Moderation whether those who are no hosts may unmute themselves;
 *   ids of those who are in front for everybody
 * @typedef {{videos: number, page: number, pages: number}} Paging how many remote videos there are for this
 *   participant, and which page of the gallery is received
 */
import { SOURCES } from "./encodings.js";
import { MAX_VIDEO_SLOTS } from "./slots.js";

const NOBODY = Object.freeze({ dominant: null, recent: [], audible: [] });
const ONE_PAGE = Object.freeze({ videos: 0, page: 0, pages: 1 });
const EVERYTHING = Object.freeze({
  role: "participant", publish: [...SOURCES], maxVideo: MAX_VIDEO_SLOTS, mayUnmute: true, mutedByHost: false,
});
const AT_EASE = Object.freeze({ mayUnmute: true, spotlight: [] });

export class Floor {
  /** @type {Speakers} */
  speakers = NOBODY;
  /** @type {Permissions} */
  permissions = EVERYTHING;
  /** @type {Moderation} */
  moderation = AT_EASE;
  /** @type {Paging} */
  paging = ONE_PAGE;

  /** @returns {string[]} the events that this brings: `speakers`, `view`, `permissions`, `moderation` */
  welcome({ speakers, view, permissions, moderation }) {
    return [
      ...(speakers ? this.#become("speakers", speakersOf(speakers)) : []),
      ...(view ? this.#become("view", pagingOf(view)) : []),
      ...(permissions ? this.#become("permissions", permissionsOf(permissions)) : []),
      ...(moderation ? this.#become("moderation", moderationOf(moderation)) : []),
    ];
  }

  /** @param {object} message a notification of one of these types @returns {string[]} */
  notify(message) {
    return this.welcome({ [message.type]: message });
  }

  /** @returns {boolean} whether this participant may send such a source */
  may(source) {
    return this.permissions.publish.includes(source);
  }

  /** @returns {Speakers|Permissions|Moderation|Paging} what an event is about */
  detail(event) {
    return this[event === "view" ? "paging" : event];
  }

  #become(event, state) {
    const name = event === "view" ? "paging" : event;
    if (JSON.stringify(this[name]) === JSON.stringify(state)) return [];
    this[name] = Object.freeze(state);
    return [event];
  }
}

function speakersOf({ dominant, recent, audible }) {
  return { dominant: dominant ?? null, recent: [...(recent ?? [])], audible: [...(audible ?? [])] };
}

function pagingOf({ videos, page, pages }) {
  return { videos, page, pages };
}

function permissionsOf({ role, publish, max_video: maxVideo, may_unmute: mayUnmute, muted_by_host: mutedByHost }) {
  return {
    role, publish: [...publish], maxVideo: maxVideo ?? MAX_VIDEO_SLOTS, mayUnmute: mayUnmute ?? true,
    mutedByHost: mutedByHost ?? false,
  };
}

function moderationOf({ may_unmute: mayUnmute, spotlight }) {
  return { mayUnmute, spotlight: [...spotlight] };
}
