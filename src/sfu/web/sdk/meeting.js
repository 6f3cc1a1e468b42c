/**
 * A meeting as one participant sees it: who is there, what they send, what this one sends. Joins, keeps
 * the local sources published through reconnections, and joins again when the server has forgotten us.
 * The events and states are described in docs/sdk.md. It is long because it is the SDK's whole public surface; what
 * there is to do is done by the classes that it holds together.
 *
 * States: `idle -> joining -> connected <-> reconnecting -> closed`; `waiting` in between, where one has to be let in.
 */
import { Chat } from "./chat.js";
import { Door } from "./door.js";
import { kindOf } from "./encodings.js";
import { SfuError } from "./errors.js";
import { Floor } from "./floor.js";
import { Host } from "./host.js";
import { Api } from "./http.js";
import { Incoming } from "./incoming.js";
import { Publications } from "./publications.js";
import { participantOf, Roster } from "./roster.js";
import { Sessions } from "./sessions.js";
import { MAX_VIDEO_SLOTS } from "./slots.js";
import { StatsSummary } from "./stats.js";
import { Entrance } from "./waiting.js";

/** While a window is being resized the number of tiles changes often, and each number may cost a negotiation. */
const SLOTS_SETTLE_MS = 300;

export class Meeting extends EventTarget {
  #api;
  #sessions;
  #state = "idle";
  #roster = new Roster();
  #floor = new Floor();
  /** How many videos the page shows at once. */
  #shown = MAX_VIDEO_SLOTS;
  #slotsTimer = 0;
  #publications = new Publications({
    connection: () => this.#session?.connection,
    tell: (type, fields) => this.#tell(type, fields),
    emit: (type, detail) => this.#emit(type, detail),
  });
  #incoming;
  #stats = new StatsSummary();
  #entered = Promise.withResolvers();
  #onPageHide = () => this.#sessions.leaveByHttp();

  /**
   * @param {object} options
   * @param {string} options.id the meeting's id
   * @param {string} options.name shown to the others
   * @param {string|URL} [options.server] base address; by default where the SDK was loaded from
   * @param {number} [options.maxVideo] most remote videos to receive at once, 0..49
   * @param {string} [options.hostToken] of `createMeeting`: joins as the host
   * @param {"audience"} [options.role] joins to receive only
   * @param {string} [options.joinToken] of the meeting's link
   * @param {string} [options.accessToken] a JWT of the operator's, see docs/auth.md
   * @param {string} [options.browser] anything that stays the same in this browser: who was removed is known by it
   */
  constructor({ id, name, server, maxVideo = MAX_VIDEO_SLOTS, hostToken, role, joinToken, accessToken, browser }) {
    super();
    this.id = id;
    this.name = name;
    this.title = "";
    /** @type {string|null} makes one the host; a server for development gives it to whoever makes a meeting */
    this.hostToken = hostToken ?? null;
    this.#incoming = new Incoming(maxVideo, (layout) => this.#sayLayout(layout));
    this.#entered.promise.catch(() => {});
    const api = new Api(server);
    this.#api = api;
    this.#sessions = new Sessions(
      {
        join: (formerToken) => {
          const video = this.#incoming.most(this.#shown);
          const by = { joinToken, accessToken, browser, formerToken };
          const as = { hostToken: this.hostToken ?? undefined, role, video, ...by };
          return this.#entrance.enter(() => api.join(id, name, as));
        },
        leave: (token) => api.leave(id, token, { keepalive: true }),
        known: () => this.chat.known(),
      },
      {
        begin: (session) => this.#begin(session),
        lost: () => this.#become("reconnecting"),
        over: (reason, error) => this.#close(reason, error),
      },
    );
  }

  /** @type {Chat} what is said; see chat.js */
  chat = new Chat((type, fields) => this.#request(type, fields));
  /** @type {Host} what hosts and co-hosts do; see host.js */
  host = new Host((type, fields) => this.#request(type, fields));
  /** @type {Door} who waits to be let in, for hosts, and who is removed; see door.js */
  door = new Door((type, fields) => this.#request(type, fields));
  #entrance = new Entrance((place) => this.#waits(place));

  get state() {
    return this.#state;
  }

  /** @returns {import("./waiting.js").Place|null} one's place in line while the state is `waiting` */
  get waitingPlace() {
    return this.#entrance.place;
  }

  /** @returns {import("./audio.js").AudioOutput} plays the others; where the loudspeaker is chosen */
  get audio() {
    return this.#incoming.audio;
  }

  /** @returns {string|null} this participant's id; it may change when the meeting is joined again */
  get participantId() {
    return this.#session?.joined.participant_id ?? null;
  }

  /**
   * @returns {Map<string, import("./roster.js").Participant>} those who are known, this participant too: everybody in a
   *   meeting of up to 100; in a larger one the first 100, and who came or changed since
   */
  get participants() {
    return this.#roster.participants;
  }

  /** @returns {number} how many participants there are, known or not */
  get total() {
    return this.#roster.total;
  }

  /**
   * A page of the list of participants, in the order of joining. See `roster` in docs/signaling.md.
   * @param {{after?: string|null, limit?: number, search?: string}} [options] `after`: the `next` of the page before;
   *   `limit`: 1..200; `search`: only those one of whose words begins so
   * @returns {Promise<{participants: import("./roster.js").Participant[], next: string|null, total: number}>} `total`:
   *   on all pages
   * @throws {SfuError} `rate_limited`, `participant_not_found` (begin without `after`), `signaling_lost`
   */
  async searchParticipants({ after = null, limit = 50, search = "" } = {}) {
    const page = await this.#request("roster", { after, limit, search });
    return { participants: page.participants.map(participantOf), next: page.next, total: page.total };
  }

  /** @returns {import("./floor.js").Speakers} who speaks, who spoke before, who is audible: ids; see `speakers` */
  get speakers() {
    return this.#floor.speakers;
  }

  /** @returns {import("./floor.js").Permissions} this participant's role, and which sources it may publish */
  get permissions() {
    return this.#floor.permissions;
  }

  /** @returns {import("./floor.js").Moderation} whether others may unmute themselves, and who is in the spotlight */
  get moderation() {
    return this.#floor.moderation;
  }

  /** @returns {import("./floor.js").Paging} how many remote videos there are to see, and which page is received */
  get paging() {
    return this.#floor.paging;
  }

  /** @returns {string|null} the name of somebody who is known, seen or heard */
  nameOf(participantId) {
    return this.participants.get(participantId)?.name ?? this.#incoming.nameOf(participantId);
  }

  /**
   * Joins. Resolves when the server has told who is there; media follows.
   * @throws {SfuError} with the server's code, or `network`
   */
  async join() {
    if (this.#state !== "idle") throw new SfuError("closed", "A Meeting is joined once; make a new one.");
    this.#become("joining");
    try {
      await this.#sessions.start();
    } catch (error) {
      this.#close(error.code ?? "failed", error);
    }
    await this.#entered.promise;
  }

  /** Leaves; nothing of this object works afterwards. Tracks are the caller's to stop. */
  async leave() {
    const session = this.#session;
    this.#entrance.leave();
    const said = session?.signalingOpen ? session.request("leave").catch(() => {}) : this.#sessions.leaveByHttp();
    this.#close("left", null, said);
    await said;
  }

  /**
   * Publishes a track as a source, or replaces the track that is published as it. May be called before
   * `join`. The caller keeps the track; when it ends, the source is unpublished and `source-ended` follows.
   * @param {"microphone"|"camera"|"screen"|"screen_audio"} source
   * @param {MediaStreamTrack} track
   * @param {{muted?: boolean, codec?: "VP8"|"VP9"|"H264"|"AV1", scalabilityMode?: string, dtx?: boolean,
   *   content?: "motion"|"detail"|"text", takeOver?: boolean}} [options] of a video `content`: what it shows;
   *   of a screen `takeOver`: in place of who presents; of a video `codec`: by default what browser and server agree on
   *   first; and `scalabilityMode`, with a codec: "L3T3_KEY" sends VP9 or AV1 as one stream of three sizes and frame
   *   rates, a camera is to be published so before `join`. Of a sound `dtx`: send next to nothing in silence
   * @throws {SfuError} `unsupported_codec`, `unsupported_scalability`, `conflict`: it is not sent so; `conflict` of a
   *   screen: somebody else presents, see `takeOver`; `forbidden`, `limit_reached`. What was refused is not published
   */
  publish(source, track, options) {
    return this.#publications.publish(source, track, options);
  }

  /** Takes a source away; the others see it go. Does not stop the track. */
  unpublish(source) {
    return this.#publications.unpublish(source);
  }

  /** Sends silence (or black) and tells the others; the device stays open for a quick return. */
  mute(source, muted) {
    return this.#publications.mute(source, muted);
  }

  /** Raises or lowers one's own hand; who raised one is told by `participants`, `hand`. */
  raiseHand(raised = true) {
    return this.#request("raise_hand", { raised });
  }

  /** Shows one emoji to everybody for a moment. @throws {SfuError} `bad_request`: it is none; `rate_limited` */
  react(emoji) {
    return this.#request("react", { emoji });
  }

  /** Lowers somebody else's hand. @throws {SfuError} `forbidden`: only a host may */
  lowerHand(participantId) {
    return this.#request("lower_hand", { participant_id: participantId });
  }

  /**
   * Says what somebody may publish from now on: nothing makes them audience.
   * @param {string} participantId
   * @param {string[]} publish sources
   * @throws {SfuError} `forbidden`: only a host may; `limit_reached`
   */
  permit(participantId, publish) {
    return this.#request("permit", { participant_id: participantId, publish });
  }

  /** @returns {{track: MediaStreamTrack, muted: boolean}|null} what this participant publishes as `source` */
  published(source) {
    return this.#publications.published(source);
  }

  /**
   * @returns {{mid: string, track: MediaStreamTrack|null, state: string, codec: string|null,
   *   quality: import("./slots.js").Quality}|null} the remote video of a participant's `camera` or `screen`; null
   *   when no slot shows it
   */
  video(participantId, source) {
    return this.#incoming.video(participantId, source);
  }

  /** @returns {{mid: string, participantId: string, source: "camera"|"screen", name: string, state: string}[]} the
   *   remote videos that are received, in the order of their slots: one that stays keeps its place */
  videos() {
    return this.#incoming.videos();
  }

  /**
   * Says what is to be received where not everything can be: which view, which page of the gallery, who in any case,
   * and how many videos at once. What is left out stays as it was. See "Layout" in docs/signaling.md.
   * @param {{mode?: "gallery"|"speaker", page?: number, pins?: {participantId: string, source: string}[],
   *   videos?: number}} options `page` from 0; `pins`: at most 9; `videos`: 0..49
   */
  view({ mode, page, pins, videos }) {
    const asked = { ...this.#incoming.views.asked };
    if (mode !== undefined) asked.mode = mode;
    if (page !== undefined) asked.page = page;
    if (pins) asked.pins = pins.map(({ participantId, source }) => ({ participant_id: participantId, source }));
    this.#incoming.views.ask(asked);
    if (videos === undefined || videos === this.#shown) return;
    this.#shown = videos;
    clearTimeout(this.#slotsTimer);
    this.#slotsTimer = setTimeout(() => this.#askForSlots(), SLOTS_SETTLE_MS);
  }

  /**
   * Says that an element shows a remote video, so that as much is received as can be seen: its size, scrolling and
   * the tab's visibility are followed from now on. Once any element is observed, videos that none shows count as out
   * of view. Again with other options or another participant: takes them over.
   * @param {Element} element a `<video>` or what stands for it
   * @param {string} participantId
   * @param {"camera"|"screen"} source
   * @param {{pinned?: boolean, fps?: number}} [options] `pinned`: the person chose it, it comes first;
   *   `fps`: frames a second that are worth sending, 1..120; left out: 30, or 15 for a camera of 200 pixels or less
   */
  observe(element, participantId, source, options) {
    this.#incoming.views.observe(element, participantId, source, options);
  }

  /** The element shows it no longer. */
  unobserve(element) {
    this.#incoming.views.unobserve(element);
  }

  /**
   * Caps the layers that a video slot gets; omit both for the best. `paused`: sends nothing of it until false.
   * See `layers` in docs/signaling.md.
   */
  setLayers(mid, { spatial, temporal, paused } = {}) {
    return this.#tell("layers", { mid, spatial, temporal, paused });
  }

  /**
   * What this participant received, second by second, and why it was no better. See "Quality" in docs/signaling.md.
   * @param {number} [seconds] how far back, 1..900
   * @returns {Promise<object|null>} null before the meeting is joined
   */
  async timeline(seconds = 60) {
    const id = this.participantId;
    return id ? this.#api.quality(this.id, id, seconds, this.#session.joined.token) : null;
  }

  /** @returns {Map<string, number>} participant id -> microphone level now, 0..1; cheap, call it often */
  levels() {
    return this.#incoming.levels();
  }

  /** @returns {Promise<import("./stats.js").Summary|null>} call it at a steady pace: rates are between calls */
  async stats() {
    return this.#session ? this.#stats.read(await this.#session.connection.stats()) : null;
  }

  get #session() {
    return this.#sessions.current;
  }

  /** @param {import("./waiting.js").Place|null} place null: it waits no longer */
  #waits(place) {
    if (this.#state === "closed") return;
    this.#become(place ? "waiting" : "joining");
    if (place) this.#emit("waiting", place);
  }

  #begin(session) {
    const { joined, connection } = session;
    this.title = joined.meeting.title ?? "";
    this.#incoming.begin(connection, joined.slots);
    this.hostToken = joined.host_token ?? this.hostToken;
    this.#publications.begin(connection);
    session.addEventListener("state", ({ detail }) => this.#onSessionState(detail));
    session.addEventListener("welcome", ({ detail }) => this.#onWelcome(detail));
    session.addEventListener("notification", ({ detail }) => this.#onNotification(detail));
    session.addEventListener("negotiated", () => this.#slotsChanged());
    addEventListener("pagehide", this.#onPageHide);
  }

  #onSessionState(state) {
    if (state === "connected") this.#sessions.settle();
    if (state === "connected") this.#become("connected");
    else if (this.#state === "connected") this.#become("reconnecting");
  }

  #onWelcome(welcome) {
    const { participants, total, slots, quality, encodings } = welcome;
    const floor = this.#floor.welcome(welcome);
    this.#incoming.limit(welcome.permissions?.max_video ?? MAX_VIDEO_SLOTS);
    this.#emitChanges(this.#roster.replace(participants, total));
    this.#incoming.replace({ slots, quality });
    this.#session.connection.wantOnly(encodings ?? []);
    this.#slotsChanged();
    this.#emitFloor(floor);
    this.door.become(this.permissions.role);
    if (welcome.chat) this.chat.welcome(welcome.chat, welcome.participant_id);
    if (this.permissions.mutedByHost) this.#muted({ source: "microphone" });
    const known = this.participants.get(this.participantId)?.sources ?? {};
    this.#publications.bringTogether(known, (source) => this.#floor.may(source));
    this.#entered.resolve();
  }

  #onNotification(message) {
    const handlers = {
      roster: () => this.#emitChanges(this.#roster.apply(message)),
      offer: () => this.#incoming.declare(message.slots),
      slots: () => {
        this.#incoming.update(message.slots);
        this.#slotsChanged();
      },
      quality: () => message.slots.forEach((slot) => this.#emit("quality", this.#incoming.judge(slot))),
      encodings: () => this.#session?.connection.want(message),
      speakers: () => this.#emitFloor(this.#floor.notify(message)),
      permissions: () => {
        this.#incoming.limit(message.max_video ?? MAX_VIDEO_SLOTS);
        this.#emitFloor(this.#floor.notify(message));
        this.door.become(message.role);
      },
      view: () => this.#emitFloor(this.#floor.notify(message)),
      lock: () => this.door.notify(message),
      waiting_room: () => this.door.notify(message),
      kept_out: () => this.door.notify(message),
      unpublished: () => this.#publications.withdrawn(message),
      muted: () => this.#muted(message),
      unmute_asked: () => this.#emit("unmute-asked", { by: message.by, byName: message.by_name }),
      moderation: () => this.#emitFloor(this.#floor.notify(message)),
      reactions: () => this.#emit("reactions", message.reactions.map(reactionOf)),
      chat: () => this.chat.apply(message.entries),
      chat_settings: () => this.chat.settle(message),
      meeting_ended: () => this.#close(message.reason),
    };
    handlers[message.type]?.();
  }

  #muted({ source, by = null, by_name: byName = null }) {
    if (this.#publications.mutedByHost(source)) this.#emit("muted", { source, by, byName });
  }

  #slotsChanged() {
    this.#emit("slots", this.#incoming.refresh());
  }

  /** @param {string[]} events of `Floor` */
  #emitFloor(events) {
    for (const event of events) this.#emit(event, this.#floor.detail(event));
    if (events.includes("view")) this.#askForSlots();
  }

  /** More slots when more is to be seen than there are slots for; a refusal leaves what there is. */
  #askForSlots() {
    if (this.#state === "closed") return;
    const known = [...this.participants.values()].filter(({ id }) => id !== this.participantId);
    const videos = known.reduce((sum, { sources }) => sum + Object.keys(sources).filter(isVideo).length, 0);
    const video = this.#incoming.shortage(Math.max(videos, this.paging.videos), this.#shown);
    if (video !== null) this.#tell("slots", { video }).catch(console.warn);
  }

  /** @returns {Promise<boolean>} whether the server has it */
  async #sayLayout(layout) {
    const session = this.#session;
    if (!session?.signalingOpen) return false;
    try {
      await session.request("layout", layout);
      return true;
    } catch (error) {
      if (error.code !== "signaling_lost") console.warn("sfu: layout:", error.message);
      return false;
    }
  }

  async #request(type, fields) {
    if (!this.#session) throw new SfuError("closed", "The meeting is not joined.");
    return this.#session.request(type, fields);
  }

  /** Sends a request now, or not at all: after a lost socket the next `welcome` brings both sides together. */
  async #tell(type, fields) {
    try {
      if (this.#session?.signalingOpen) await this.#session.request(type, fields);
    } catch (error) {
      if (error.code !== "signaling_lost") throw error;
    }
  }

  #close(reason, error = null, after = Promise.resolve()) {
    if (this.#state === "closed") return;
    removeEventListener("pagehide", this.#onPageHide);
    clearTimeout(this.#slotsTimer);
    this.#become("closed", reason);
    this.#sessions.stop();
    this.#incoming.stop();
    this.chat.close();
    this.#publications.clear();
    after.then(() => this.#session?.close());
    this.#entered.reject(error ?? new SfuError("closed", `The meeting is closed: ${reason}.`));
  }

  #become(state, reason = null) {
    if (state === this.#state) return;
    this.#state = state;
    this.#emit("state", { state, reason });
  }

  #emitChanges(changes) {
    for (const { type, participant, reason } of changes) {
      this.#emit(`participant-${type}`, { participant, reason: reason ?? null });
    }
    if (changes.length > 0) this.#askForSlots();
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** @returns {{emoji: string, count: number, by: {participantId: string, name: string}[]}} */
function reactionOf({ emoji, count, by }) {
  return { emoji, count, by: by.map(({ participant_id: participantId, name }) => ({ participantId, name })) };
}

function isVideo(source) {
  return kindOf(source) === "video";
}
