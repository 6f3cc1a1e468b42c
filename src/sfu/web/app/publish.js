/** Keeps what the meeting publishes in step with the person's devices; called after every change of them. */

/**
 * @param {import("../sdk/sfu.js").Meeting} meeting
 * @param {import("./local_media.js").LocalMedia} media
 */
export function publishLocal(meeting, media) {
  const wanted = [
    ["microphone", media.microphone, !media.microphoneOn],
    ["camera", media.camera, false],
    ["screen", media.screen, false],
    ["screen_audio", media.screenAudio, false],
  ];
  return Promise.all(wanted.map(([source, track, muted]) => {
    const published = meeting.published(source);
    if (!track) return meeting.unpublish(source);
    if (published?.track !== track) return meeting.publish(source, track, { muted });
    return meeting.mute(source, muted);
  }));
}
