/** The page's entry: `/` is the home view; `/m/{id}` goes pre-join -> meeting -> left. */
import { Meeting } from "../sdk/sfu.js";
import { home, meetingIdIn, tokenIn } from "./home.js";
import { left } from "./left.js";
import { LocalMedia } from "./local_media.js";
import { MeetingView } from "./meeting_view.js";
import { PreJoin } from "./prejoin.js";
import { browserName, hostTokens, joinTokens, preferences, stay } from "./store.js";

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
  const joinToken = joinTokens.of(id);
  const meeting = new Meeting({ id, name, hostToken: hostTokens.of(id), joinToken, browser: browserName() });
  const view = new MeetingView(meeting, media, (reason) => {
    stay.end();
    // Of a meeting that was there before under the same name.
    if (reason === "forbidden") hostTokens.forget(id);
    left(reason, () => preJoin(id));
  });
  view.open();
}

const id = location.pathname.startsWith("/m/") ? meetingIdIn(location.pathname) : null;
// The link's token is in the fragment, which is sent to nobody.
if (id) joinTokens.keep(id, tokenIn(location.hash));
if (!id) home();
else if (stay.is(id) && preferences().name) returnTo(id);
else preJoin(id);
