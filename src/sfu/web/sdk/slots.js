/**
 * The receive slots and what feeds each: a table by mid, kept in step with `welcome`, offers and `slots`
 * notifications. Who is behind a slot changes often; the slot's track never does.
 *
 * @typedef {{mid: string, kind: "audio"|"video", participantId: string|null, name: string|null, source: string|null,
 *   state: "active"|"idle"|"muted"|"unsupported_codec", codec: string|null}} Slot
 * @typedef {{state: "full"|"reduced"|"paused", reason: string}} Quality see docs/signaling.md, "Quality"
 */
const FULL = Object.freeze({ state: "full", reason: "none" });

export class SlotTable {
  /** @type {Map<string, Slot>} */
  #slots = new Map();
  /** @type {Map<string, Quality>} by mid; told when it changes, so it outlives the feed of a slot */
  #qualities = new Map();

  /** The m-lines that exist, from the join answer or an offer; feeds that are known already stay. */
  declare(list) {
    for (const { mid, kind } of list) {
      if (this.#slots.has(mid)) continue;
      this.#slots.set(mid, { mid, kind, participantId: null, name: null, source: null, state: "idle", codec: null });
    }
  }

  /** Takes over what the server says feeds these slots. */
  update(list) {
    for (const entry of list) {
      const slot = this.#slots.get(entry.mid) ?? { mid: entry.mid, kind: entry.kind ?? "video" };
      this.#slots.set(entry.mid, {
        ...slot,
        participantId: entry.participant_id ?? null,
        name: entry.name ?? null,
        source: entry.source ?? null,
        state: entry.state ?? "idle",
        codec: entry.codec ?? null,
      });
    }
  }

  clear() {
    this.#slots.clear();
    this.#qualities.clear();
  }

  /** @param {{mid: string, state: string, reason: string}[]} list everything that was ever told of a slot */
  replaceQualities(list) {
    this.#qualities.clear();
    for (const entry of list) this.setQuality(entry);
  }

  setQuality({ mid, state, reason }) {
    this.#qualities.set(mid, Object.freeze({ state, reason }));
  }

  /** @returns {Quality} */
  quality(mid) {
    return this.#qualities.get(mid) ?? FULL;
  }

  /** @returns {Slot|null} */
  get(mid) {
    return this.#slots.get(mid) ?? null;
  }

  /** @returns {Slot[]} */
  ofKind(kind) {
    return [...this.#slots.values()].filter((slot) => slot.kind === kind);
  }

  /** @returns {string|null} the name of somebody who is in a slot */
  nameOf(participantId) {
    for (const slot of this.#slots.values()) if (slot.participantId === participantId) return slot.name;
    return null;
  }

  /** @returns {Slot|null} the slot that shows this source of this participant */
  find(participantId, source) {
    for (const slot of this.#slots.values()) {
      if (slot.participantId === participantId && slot.source === source) return slot;
    }
    return null;
  }
}

/** Slots come in steps, so that people who arrive one by one do not cost one negotiation each. */
const STEP = 4;
/** The server's own limit. */
export const MAX_VIDEO_SLOTS = 49;

/**
 * @param {number} sources video sources that others publish
 * @param {number} slots video slots that were asked for
 * @param {number} limit the most that the caller wants
 * @returns {number|null} how many to ask for; null when it is right as it is. Where there are more sources than the
 *   caller wants it is exactly that many: so large are the pages of the gallery
 */
export function wantedSlots(sources, slots, limit = MAX_VIDEO_SLOTS) {
  const most = Math.min(limit, MAX_VIDEO_SLOTS);
  if (sources > most) return most === slots ? null : most;
  const wanted = Math.min(most, Math.ceil(sources / STEP) * STEP);
  return wanted > slots ? wanted : null;
}
