/**
 * How long to wait before the next try: doubling, capped, with jitter so that the participants of a
 * server that comes back do not all knock in the same instant.
 */
const FIRST_MS = 250;
const LAST_MS = 5_000;

/**
 * @param {number} attempt 0 for the first retry
 * @param {() => number} [random] uniform in [0, 1)
 * @returns {number} milliseconds
 */
export function backoffMs(attempt, random = Math.random) {
  const ceiling = Math.min(LAST_MS, FIRST_MS * 2 ** Math.min(attempt, 16));
  return ceiling * (0.5 + 0.5 * random());
}

/** Resolves after `ms`, or at once when the browser reports that the network is back. */
export function pause(ms) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    globalThis.addEventListener?.("online", done);
  });
}
