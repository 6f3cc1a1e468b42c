/** Times of meetings in the words of this browser and in its time zone. */

/** @returns {string} like "Europe/Berlin (GMT+1)" */
export function zoneName(at = new Date()) {
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
  const parts = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" }).formatToParts(at);
  const short = parts.find(({ type }) => type === "timeZoneName")?.value;
  return short && short !== timeZone ? `${timeZone} (${short})` : timeZone;
}

/** @returns {[string, string]} its day, and from when to when */
export function whenOf({ status, scheduled_start: planned, started_at: started, ended_at: ended, created_at: made,
  duration_s: seconds }) {
  const isPlan = planned && status !== "ended";
  const start = new Date(isPlan ? planned : started ?? made);
  const end = isPlan ? seconds && new Date(start.getTime() + 1000 * seconds) : ended && new Date(ended);
  const year = start.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  const day = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", year });
  const time = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
  return [day.format(start), end ? `${time.format(start)} – ${time.format(end)}` : time.format(start)];
}

/** @returns {string} the next half hour but one, as `localTime` */
export function soon(now = new Date()) {
  return localTime(new Date(Math.ceil((now.getTime() + 30 * 60_000) / 1_800_000) * 1_800_000));
}

/** @returns {string} what a `datetime-local` field takes */
export function localTime(at) {
  const two = (number) => String(number).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}
