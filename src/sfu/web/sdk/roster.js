/**
 * Who is in the meeting. Keeps the map in step with the server and tells what changed, so that a lost
 * socket looks to the owner like the joins and leaves that happened meanwhile.
 *
 * @typedef {{id: string, name: string, joinedAt: string, connected: boolean,
 *   sources: Record<string, {muted: boolean}>}} Participant
 * @typedef {{type: "joined"|"updated"|"left", participant: Participant, reason?: string}} Change
 */
export class Roster {
  /** @type {Map<string, Participant>} in order of joining */
  participants = new Map();

  /** @returns {Change[]} what the whole state of a `welcome` changes */
  replace(list) {
    const present = new Set(list.map(({ id }) => id));
    const gone = [...this.participants.keys()].filter((id) => !present.has(id));
    return [...gone.flatMap((id) => this.remove(id, "left")), ...list.flatMap((entry) => this.put(entry))];
  }

  /** @returns {Change[]} */
  put(entry) {
    const participant = participantOf(entry);
    const type = this.participants.has(participant.id) ? "updated" : "joined";
    this.participants.set(participant.id, participant);
    return [{ type, participant }];
  }

  /** @returns {Change[]} */
  remove(id, reason) {
    const participant = this.participants.get(id);
    if (!participant) return [];
    this.participants.delete(id);
    return [{ type: "left", participant, reason }];
  }
}

function participantOf({ id, name, joined_at, connected, sources }) {
  return { id, name, joinedAt: joined_at, connected: connected !== false, sources: { ...sources } };
}
