/** Who stands where: tiles move only where they must. */

/**
 * Those who stay keep their places; who comes takes a place that somebody left, the first one first, or stands at the
 * end; what nobody takes is closed up.
 * @param {string[]} before keys, as they stood
 * @param {string[]} now keys that there are, as they would stand if nobody were there yet
 * @returns {string[]} the keys of `now`
 */
export function settle(before, now) {
  const present = new Set(now);
  const known = new Set(before);
  const fresh = now.filter((key) => !known.has(key));
  const places = before.map((key) => (present.has(key) ? key : (fresh.shift() ?? null)));
  return [...places.filter((key) => key !== null), ...fresh];
}
