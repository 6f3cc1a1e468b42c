/**
 * The person's own devices: open or not, on or off, and what is wrong with them. Used by the pre-join view
 * and by the meeting alike, so tracks survive the step from one to the other.
 *
 * The microphone stays open while muted (unmuting must not clip the first word); a camera that is off is
 * closed, so that its light goes out.
 *
 * Event: `change`, after anything that a view shows has changed.
 */
import { listDevices, openBoth, openDevice, openScreen, problemOf } from "./capture.js";
import { preferences, remember } from "./store.js";

export class LocalMedia extends EventTarget {
  microphone = null;
  microphoneOn = false;
  camera = null;
  screen = null;
  screenAudio = null;
  problems = { microphone: "", camera: "" };
  devices = { audioinput: [], videoinput: [], audiooutput: [] };
  #generation = 0;
  #onDeviceChange = () => this.#refreshDevices();

  get cameraOn() {
    return this.camera !== null;
  }

  /** Opens what the person had on last time; never throws, see `problems`. */
  async open() {
    navigator.mediaDevices?.addEventListener?.("devicechange", this.#onDeviceChange);
    const wanted = preferences();
    this.microphoneOn = wanted.microphoneOn;
    if (wanted.cameraOn) {
      await this.#openBoth(wanted);
    } else {
      await this.#open("microphone");
    }
    await this.#refreshDevices();
  }

  async #openBoth(wanted) {
    try {
      const { microphone, camera } = await openBoth(wanted);
      this.#adopt("microphone", microphone);
      this.#adopt("camera", camera);
      this.#changed();
    } catch {
      // One of them fails: each alone tells which, and the other one still works.
      await this.#open("microphone");
      await this.#open("camera");
    }
  }

  async setMicrophone(on) {
    remember({ microphoneOn: on });
    this.microphoneOn = on;
    if (on && !this.microphone) await this.#open("microphone");
    else if (this.microphone) this.microphone.enabled = on;
    this.#changed();
  }

  /** Somebody else muted it; what the person prefers stays remembered. */
  holdMicrophone() {
    if (!this.microphoneOn) return;
    this.microphoneOn = false;
    if (this.microphone) this.microphone.enabled = false;
    this.#changed();
  }

  async setCamera(on) {
    remember({ cameraOn: on });
    if (on) await this.#open("camera");
    else this.#release("camera");
    this.#changed();
  }

  /** @param {"microphone"|"camera"} kind */
  async choose(kind, deviceId) {
    remember({ [kind]: deviceId });
    if (this[kind]) await this.#open(kind);
  }

  async setQuality(quality) {
    remember({ quality });
    if (this.camera) await this.#open("camera");
  }

  /** @throws {DOMException} `NotAllowedError` when the person changes their mind */
  async shareScreen() {
    const stream = await openScreen();
    this.stopScreen();
    this.screen = stream.getVideoTracks()[0] ?? null;
    this.screenAudio = stream.getAudioTracks()[0] ?? null;
    this.screen?.addEventListener("ended", () => this.stopScreen());
    this.#changed();
  }

  stopScreen() {
    this.screen?.stop();
    this.screenAudio?.stop();
    this.screen = null;
    this.screenAudio = null;
    this.#changed();
  }

  /** Closes what may not be sent any more; what the person prefers stays remembered. */
  withdraw(source) {
    if (source === "screen" || source === "screen_audio") return this.screen && this.stopScreen();
    if (source === "microphone") this.microphoneOn = false;
    this.#release(source);
    this.#changed();
  }

  /** Closes every device. */
  close() {
    this.#generation += 1;
    navigator.mediaDevices?.removeEventListener?.("devicechange", this.#onDeviceChange);
    this.#release("microphone");
    this.#release("camera");
    this.stopScreen();
  }

  async #open(kind) {
    const generation = this.#generation;
    const { [kind]: deviceId, quality } = preferences();
    // Some cameras open only once: the old track goes first.
    this.#release(kind);
    try {
      const track = await openDevice(kind, { deviceId, quality });
      if (generation !== this.#generation) return track.stop();
      this.#adopt(kind, track);
    } catch (error) {
      this.problems[kind] = problemOf(kind, error);
    }
    await this.#refreshDevices();
  }

  #adopt(kind, track) {
    this.#release(kind);
    this.problems[kind] = "";
    this[kind] = track;
    if (kind === "microphone") track.enabled = this.microphoneOn;
    track.addEventListener("ended", () => {
      if (this[kind] !== track) return;
      this[kind] = null;
      this.problems[kind] = kind === "camera" ? "The camera was disconnected." : "The microphone was disconnected.";
      this.#changed();
    });
  }

  #release(kind) {
    this[kind]?.stop();
    this[kind] = null;
  }

  async #refreshDevices() {
    this.devices = await listDevices();
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
