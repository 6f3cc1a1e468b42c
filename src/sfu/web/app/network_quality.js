/** How good one's own connection is, in three grades and in words: a pure function, and what smooths it. */

/** Above these a grade is lost. Shares of packets, ms. */
const LIMITS = { fair: { loss: 0.025, rttMs: 250 }, poor: { loss: 0.08, rttMs: 500 } };
const RANK = { good: 0, fair: 1, poor: 2 };
/** It is called better again when it was better so many times in a row. */
const TIMES_BETTER = 2;

/**
 * @typedef {{grade: "good"|"fair"|"poor", reason: string}} Grade `reason`: "" while it is good
 * @param {{rttMs: number|null, loss: number, held: number, soft: number}} now round trip; share of packets that were
 *   lost on the way here; pictures that the network keeps away, and that it makes worse
 * @returns {Grade}
 */
export function gradeOf({ rttMs, loss, held, soft }) {
  const is = (grade, reason) => ({ grade, reason });
  if (held > 0) return is("poor", "video is paused");
  if (loss > LIMITS.poor.loss) return is("poor", "much is lost on the way");
  if ((rttMs ?? 0) > LIMITS.poor.rttMs) return is("poor", "everything comes late");
  if (soft > 0) return is("fair", "pictures are reduced");
  if (loss > LIMITS.fair.loss) return is("fair", "some is lost on the way");
  if ((rttMs ?? 0) > LIMITS.fair.rttMs) return is("fair", "everything comes a little late");
  return is("good", "");
}

/** Worse counts at once, better when it lasts. */
export class SteadyGrade {
  /** @type {Grade|null} */
  current = null;
  #better = 0;

  /** @param {Grade} next @returns {Grade} */
  follow(next) {
    const isBetter = this.current !== null && RANK[next.grade] < RANK[this.current.grade];
    this.#better = isBetter ? this.#better + 1 : 0;
    if (!isBetter || this.#better >= TIMES_BETTER) {
      this.current = next;
      this.#better = 0;
    }
    return this.current;
  }
}

/** The share of packets lost since the call before. */
export class LossShare {
  #before = null;

  /** @param {{packetsLost: number, packetsReceived: number}} totals */
  follow({ packetsLost, packetsReceived }) {
    const before = this.#before ?? { packetsLost, packetsReceived };
    this.#before = { packetsLost, packetsReceived };
    const lost = Math.max(0, packetsLost - before.packetsLost);
    const received = Math.max(0, packetsReceived - before.packetsReceived);
    return lost + received > 0 ? lost / (lost + received) : 0;
  }
}
