/**
 * Who is in the meeting, as far as it is known: at most the first 100 come with a `welcome`, then everybody who comes,
 * changes or goes, and those who were looked for. Tells what changed, so that a lost socket looks to the owner like the
 * joins and leaves that happened meanwhile.
 *
 * @typedef {{id: string, name: string, joinedAt: string, connected: boolean, role: "host"|"cohost"|"participant"|"audience",
 *   hand: number|null, sources: Record<string, {muted: boolean, content?: string}>}} Participant
 * @typedef {{type: "joined"|"updated"|"left", participant: Participant, reason?: string}} Change
 */
export class Roster {
  /** @type {Map<string, Participant>} */
  participants = new Map();
  /** How many there are, known or not. */
  total = 0;

  /** @returns {Change[]} what the state of a `welcome` changes */
  replace(list, total) {
    this.total = total;
    const present = new Set(list.map(({ id }) => id));
    const gone = [...this.participants.keys()].filter((id) => !present.has(id));
    return [...gone.flatMap((id) => this.#remove(id, "left")), ...this.put(list)];
  }

  /** @returns {Change[]} what a `roster` notification changes */
  apply({ joined, updated, left, total }) {
    this.total = total;
    const gone = left.flatMap(({ participant_id: id, reason }) => this.#remove(id, reason));
    return [...gone, ...this.put(joined), ...this.put(updated)];
  }

  /** @returns {Change[]} what these are, new or not */
  put(list) {
    return list.map((entry) => {
      const participant = participantOf(entry);
      const type = this.participants.has(participant.id) ? "updated" : "joined";
      this.participants.set(participant.id, participant);
      return { type, participant };
    });
  }

  /** @returns {Change[]} */
  #remove(id, reason) {
    const participant = this.participants.get(id);
    if (!participant) return [];
    this.participants.delete(id);
    return [{ type: "left", participant, reason }];
  }
}

/** @returns {Participant} an entry of the protocol as the SDK gives it */
export function participantOf({ id, name, joined_at, connected, role, hand, sources }) {
  return {
    id, name, joinedAt: joined_at, connected: connected !== false, role: role ?? "participant", hand: hand ?? null,
    sources: { ...sources },
  };
}
