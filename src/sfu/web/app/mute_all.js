/** Muting everybody: asks first, and whether they may unmute themselves. */
import { open } from "./dialogs.js";
import { h } from "./dom.js";
import { toast } from "./toasts.js";

/** @param {import("../sdk/sfu.js").Meeting} meeting */
export function askToMuteAll(meeting) {
  const may = h("input", { type: "checkbox", checked: true });
  const yes = h("button.button.primary", {
    type: "button", autofocus: true, onClick: () => {
      end();
      act(meeting.host.muteAll({ mayUnmute: may.checked }), "Everyone is muted");
    },
  }, "Mute all");
  const cancel = h("button.button.quiet", { type: "button", onClick: () => end() }, "Cancel");
  const text = "Everyone but hosts is muted. If people may not unmute themselves, those who join later are muted too.";
  const body = h("div.question", {}, h("p", {}, text),
    h("label.check", {}, may, h("span", {}, "People may unmute themselves")),
    h("div.question-answers", {}, cancel, yes));
  const end = open("Mute everyone?", body, () => {});
}

/** Does it, and says that it is done, or why not. @param {Promise<unknown>} doing @param {string} [done] */
export async function act(doing, done = "") {
  try {
    await doing;
    if (done) toast(done, { tone: "good" });
  } catch (error) {
    toast(error.message, { tone: "bad" });
  }
}
