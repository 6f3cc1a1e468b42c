/** The page's entry: `/` is the home view; `/m/{id}` goes pre-join -> meeting -> left. */
import { Meeting } from "../sdk/sfu.js";
import { home, meetingIdIn } from "./home.js";
import { left } from "./left.js";
import { LocalMedia } from "./local_media.js";
import { MeetingView } from "./meeting_view.js";
import { PreJoin } from "./prejoin.js";
import { hostTokens, preferences, stay } from "./store.js";

function preJoin(id) {
  const media = new LocalMedia();
  const view = new PreJoin(id, media, (name) => {
    view.close();
    enter(id, name, media);
  });
  media.open();
}

/** Straight back after a reload: joins while the devices are being opened. */
function returnTo(id) {
  const media = new LocalMedia();
  media.open();
  enter(id, preferences().name, media);
}

function enter(id, name, media) {
  stay.begin(id);
  const view = new MeetingView(new Meeting({ id, name, hostToken: hostTokens.of(id) }), media, (reason) => {
    stay.end();
    // Of a meeting that was there before under the same name.
    if (reason === "forbidden") hostTokens.forget(id);
    left(reason, () => preJoin(id));
  });
  view.open();
}

const id = location.pathname.startsWith("/m/") ? meetingIdIn(location.pathname) : null;
if (!id) home();
else if (stay.is(id) && preferences().name) returnTo(id);
else preJoin(id);
