/**
 * What hosts and co-hosts do to keep order; see "Keeping order" in docs/signaling.md. Each returns a promise that is
 * rejected with `SfuError` `forbidden` where this participant's role, or the other one's, does not allow it, and
 * `participant_not_found`.
 */
export class Host {
  #request;

  /** @param {(type: string, fields: object) => Promise<object>} request */
  constructor(request) {
    this.#request = request;
  }

  /** Mutes somebody's microphone, in the server. `mayUnmute` false: until somebody asks them to unmute. */
  mute(participantId, { mayUnmute = true } = {}) {
    return this.#request("mute_participant", { participant_id: participantId, may_unmute: mayUnmute });
  }

  /** Mutes everybody of a lower role; `mayUnmute` holds for those who join later, too. */
  muteAll({ mayUnmute = true } = {}) {
    return this.#request("mute_all", { may_unmute: mayUnmute });
  }

  /** Whether those of a lower role may unmute themselves. */
  allowUnmute(allowed) {
    return this.#request("allow_unmute", { allowed });
  }

  askToUnmute(participantId) {
    return this.#request("ask_to_unmute", { participant_id: participantId });
  }

  /** @param {"cohost"|"participant"} [role] */
  promote(participantId, role = "cohost") {
    return this.#request("promote", { participant_id: participantId, role });
  }

  /** @param {"participant"|"audience"} [role] */
  demote(participantId, role = "participant") {
    return this.#request("demote", { participant_id: participantId, role });
  }

  /** Makes somebody the host, and oneself a co-host. */
  transfer(participantId) {
    return this.#request("transfer_host", { participant_id: participantId });
  }

  /** Who is in front for everybody; at most 9, none ends it. @param {string[]} participantIds */
  spotlight(participantIds) {
    return this.#request("spotlight", { participant_ids: participantIds });
  }
}
