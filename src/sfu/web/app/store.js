/** What the page remembers in this browser. Storage may be forbidden (private windows): then nothing is. */
const KEY = "sfu.preferences";
const STAY_KEY = "sfu.inMeeting";
const HOST_KEY = "sfu.host.";
const JOIN_KEY = "sfu.join.";
const BROWSER_KEY = "sfu.browser";
const KEY_KEY = "sfu.apiKey";

const DEFAULTS = {
  name: "",
  microphone: "",
  camera: "",
  speaker: "",
  microphoneOn: true,
  cameraOn: true,
  quality: "720",
  view: "gallery",
  tiles: 0,
};

/** @returns {typeof DEFAULTS} */
export function preferences() {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(KEY)) };
  } catch {
    return { ...DEFAULTS };
  }
}

/** @param {Partial<typeof DEFAULTS>} changes */
export function remember(changes) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...preferences(), ...changes }));
  } catch {
    // Remembered next time, where storage is allowed.
  }
}

/** The meeting that this tab is in, so that a reload goes straight back. */
export const stay = {
  is(id) {
    return session((storage) => storage.getItem(STAY_KEY)) === id;
  },
  begin(id) {
    session((storage) => storage.setItem(STAY_KEY, id));
  },
  end() {
    session((storage) => storage.removeItem(STAY_KEY));
  },
};

/** What makes this tab the host of meetings that it started. */
export const hostTokens = {
  of(id) {
    return session((storage) => storage.getItem(HOST_KEY + id)) ?? undefined;
  },
  keep(id, token) {
    if (token) session((storage) => storage.setItem(HOST_KEY + id, token));
  },
  forget(id) {
    session((storage) => storage.removeItem(HOST_KEY + id));
  },
};

/** The join tokens of links that this tab followed. */
export const joinTokens = {
  of(id) {
    return session((storage) => storage.getItem(JOIN_KEY + id)) ?? undefined;
  },
  keep(id, token) {
    if (token) session((storage) => storage.setItem(JOIN_KEY + id, token));
  },
};

/** The key of who plans meetings here, for as long as this tab is open. */
export const apiKey = {
  get() {
    return session((storage) => storage.getItem(KEY_KEY)) ?? undefined;
  },
  keep(key) {
    session((storage) => storage.setItem(KEY_KEY, key));
  },
  forget() {
    session((storage) => storage.removeItem(KEY_KEY));
  },
};

/** @returns {string|undefined} by what this tab may change a meeting */
export function authority(id) {
  return apiKey.get() ?? hostTokens.of(id);
}

/** @returns {string|undefined} what this browser calls itself: a guest whom a host removed is known by it */
export function browserName() {
  try {
    const known = localStorage.getItem(BROWSER_KEY);
    if (known) return known;
    const random = crypto.getRandomValues(new Uint8Array(16));
    const name = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    localStorage.setItem(BROWSER_KEY, name);
    return name;
  } catch {
    return undefined;
  }
}

function session(use) {
  try {
    return use(sessionStorage);
  } catch {
    return null;
  }
}
