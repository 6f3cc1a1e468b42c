/** Sharing the screen, as far as the browser and the person allow. */
import { toast } from "./toasts.js";

/** @param {import("./local_media.js").LocalMedia} media */
export async function shareScreen(media) {
  try {
    await media.shareScreen();
  } catch (error) {
    // NotAllowedError is the person pressing "Cancel".
    if (error.name !== "NotAllowedError") toast("The screen cannot be shared here.", { tone: "bad" });
  }
}
