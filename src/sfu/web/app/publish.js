/**
 * Keeps what the meeting publishes in step with the person's devices and with what they may send; called after every
 * change of either.
 */
import { confirm } from "./dialogs.js";

export class LocalPublisher {
  #meeting;
  #media;
  #isAsking = false;

  /**
   * @param {import("../sdk/sfu.js").Meeting} meeting
   * @param {import("./local_media.js").LocalMedia} media
   */
  constructor(meeting, media) {
    this.#meeting = meeting;
    this.#media = media;
  }

  /** @throws {import("../sdk/sfu.js").SfuError} what the server refused */
  async refresh() {
    const { microphone, microphoneOn, camera } = this.#media;
    await Promise.all([
      this.#follow("microphone", microphone, !microphoneOn),
      this.#follow("camera", camera, false),
      this.#followScreen(),
    ]);
  }

  async #follow(source, track, muted, options = {}) {
    const meeting = this.#meeting;
    if (!track || !meeting.permissions.publish.includes(source)) return meeting.unpublish(source);
    if (meeting.published(source)?.track !== track) return meeting.publish(source, track, { muted, ...options });
    return meeting.mute(source, muted);
  }

  async #followScreen() {
    if (this.#isAsking) return;
    const { screen, screenAudio } = this.#media;
    try {
      await this.#follow("screen", screen, false);
    } catch (error) {
      if (error.code !== "conflict" || screen === null) return this.#giveUp(error);
      if (this.#isAsking) return;
      this.#isAsking = true;
      const isTaken = await this.#askToTakeOver().finally(() => (this.#isAsking = false));
      if (!isTaken) return this.#media.stopScreen();
      const taking = this.#follow("screen", this.#media.screen, false, { takeOver: true });
      await taking.catch((refusal) => this.#giveUp(refusal));
    }
    await this.#follow("screen_audio", screen && screenAudio, false);
  }

  #giveUp(error) {
    if (this.#media.screen) this.#media.stopScreen();
    throw error;
  }

  #askToTakeOver() {
    const { participants, participantId } = this.#meeting;
    const presenter = [...participants.values()].find(({ id, sources }) => id !== participantId && sources.screen);
    const who = presenter?.name ?? "Somebody else";
    const text = "Their screen is not shared any more when you share yours.";
    return confirm(`${who} is presenting. Take over?`, text, "Take over");
  }
}
