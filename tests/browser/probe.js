// Runs in every page before the page's own scripts: remembers peer connections and sockets, so that tests can
// read what the browser itself reports. Changes nothing of what the page does, but for the server's address where a
// test has put a bad network in between (`__relay`: {from, to}, as they stand in candidates). What comes and goes on the
// page by itself, as toasts do, is kept, so that a test that looks late has not missed it.
(() => {
  const connections = [];
  const sockets = [];
  const requests = [];
  const speakers = [];
  const said = [];
  const toasts = [];
  const floats = [];
  const probe = {
    connections, sockets, requests, speakers, said, toasts, floats, participantId: null, clickedAt: null, firstFrameAt: null,
  };
  globalThis.__probe = probe;

  globalThis.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...args) {
      super(...args);
      connections.push(this);
    }

    setRemoteDescription(description) {
      const { from, to } = globalThis.__relay ?? {};
      const sdp = from ? description.sdp.replaceAll(` ${from} typ`, ` ${to} typ`) : description.sdp;
      return super.setRemoteDescription({ type: description.type, sdp });
    }
  };
  globalThis.WebSocket = class extends WebSocket {
    constructor(...args) {
      super(...args);
      sockets.push(this);
      this.addEventListener("message", ({ data }) => heard(JSON.parse(data)));
    }

    send(text) {
      requests.push({ at: performance.now(), ...JSON.parse(text) });
      super.send(text);
    }
  };

  function heard(message) {
    if (message.type === "welcome") probe.participantId = message.participant_id;
    if (message.type !== "speakers") return;
    speakers.push({ at: probe.now(), ...message });
    probe.settle?.();
  }

  // What screen readers were told, what toasts said, and what floated up, in order.
  new MutationObserver((changes) => {
    for (const { target, addedNodes } of changes) {
      const { id, className } = target.nodeType === Node.ELEMENT_NODE ? target : target.parentElement ?? {};
      if (id === "live" && target.textContent) said.push(target.textContent);
      const list = id === "toasts" ? toasts : className === "floats" ? floats : null;
      // Of what comes elsewhere it is not asked whether it is seen: the page would have to be laid out for the answer.
      list?.push(...[...addedNodes].filter((node) => node.checkVisibility?.()).map(({ textContent }) => textContent));
    }
  }).observe(document, { subtree: true, childList: true, characterData: true });

  // Whether such a text came, of what came after the one that was found last; if not, what came.
  const found = { said: 0, toasts: 0, floats: 0 };
  probe.came = (where, text) => {
    const later = probe[where].slice(found[where]);
    const index = later.findIndex((one) => one.includes(text));
    if (index < 0) return later;
    found[where] += index + 1;
    return true;
  };

  // A clock that all pages of a machine share, ms.
  probe.now = () => performance.timeOrigin + performance.now();

  // The last layout that the server was told of.
  probe.layout = () => requests.findLast(({ type }) => type === "layout") ?? null;

  probe.connection = () => connections.findLast((pc) => pc.connectionState !== "closed") ?? null;

  probe.stats = async () => {
    const report = await probe.connection()?.getStats();
    return report ? [...report.values()] : [];
  };

  // Tiles as a person sees them: label, and how many frames of the picture were decoded.
  probe.tiles = async () => {
    const inbound = (await probe.stats()).filter(({ type }) => type === "inbound-rtp");
    return [...document.querySelectorAll(".tile")].map((tile) => {
      const video = tile.querySelector("video");
      const track = video.srcObject?.getVideoTracks()[0] ?? null;
      const stats = inbound.find(({ trackIdentifier }) => trackIdentifier === track?.id) ?? null;
      return {
        key: tile.dataset.key,
        label: tile.getAttribute("aria-label"),
        source: tile.dataset.source,
        own: tile.classList.contains("self"),
        hasVideo: tile.classList.contains("has-video"),
        frames: stats?.framesDecoded ?? 0,
        height: stats?.frameHeight ?? 0,
        timestamp: stats?.timestamp ?? 0,
        freezes: stats?.totalFreezesDuration ?? 0,
      };
    });
  };

  // The colour in the middle of a tile's picture, as [r, g, b].
  probe.colour = (key) => {
    const video = document.querySelector(`.tile[data-key="${key}"] video`);
    if (!video?.videoWidth) return null;
    const canvas = new OffscreenCanvas(1, 1);
    const context = canvas.getContext("2d");
    context.drawImage(video, video.videoWidth / 2, video.videoHeight / 2, 1, 1, 0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };

  // From now on: the longest time in ms between two frames of a tile, as they were put on the screen.
  probe.watchGaps = (key) => {
    const video = document.querySelector(`.tile[data-key="${key}"] video`);
    let last = performance.now();
    probe.longestGap = 0;
    const onFrame = (now) => {
      probe.longestGap = Math.max(probe.longestGap, now - last);
      last = now;
      video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
    probe.gapNow = () => Math.max(probe.longestGap, performance.now() - last);
  };

  // From now on: when each frame of a video was put on the screen, and how large it was; the last 20 minutes at 30 fps.
  probe.follow = (video) => {
    const frames = [];
    probe.frames = frames;
    const onFrame = (now, { height }) => {
      if (frames.length < 36_000) frames.push({ at: now, height });
      video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
  };

  // From now on: who is large, since when, and when the first picture after that was put on the screen. Nothing is looked
  // at again and again, neither here nor from outside: a page that is asked all the time has less time to draw.
  probe.followMain = () => {
    const mains = [];
    let waiting = [];
    probe.mains = mains;
    probe.settle = () => (waiting = waiting.filter((isOver) => !isOver()));
    const look = () => {
      const tile = document.querySelector(".tile.large");
      if (!tile || tile.dataset.key === mains.at(-1)?.id) return;
      const main = { id: tile.dataset.key, at: probe.now(), shownAt: null };
      mains.push(main);
      tile.querySelector("video").requestVideoFrameCallback(() => {
        main.shownAt = probe.now();
        probe.settle();
      });
    };
    new MutationObserver(look).observe(document.querySelector(".tiles"), { subtree: true, attributeFilter: ["class"] });
    look();
    const when = (times) => new Promise((done) => {
      waiting.push(() => {
        const { id, at, shownAt } = mains.at(-1);
        const found = shownAt && times(id, at);
        if (found) done({ ...found, large: at, shown: shownAt });
        return Boolean(found);
      });
      probe.settle();
    });
    // Once this page shows that participant large: when it was told that they have the floor, when they became large,
    // and when they were seen.
    probe.shows = (wanted, since) => when((id) => {
      const told = probe.speakers.find(({ at, dominant }) => at >= since && dominant === wanted);
      return told && id === wanted && { told: told.at };
    });
    // The same of a change that the person makes: somebody else is pinned, nobody has to be asked or told.
    probe.pins = () => {
      const tile = document.querySelector(".tile.has-video:not(.large, .self)");
      const told = probe.now();
      tile.dispatchEvent(new MouseEvent("dblclick"));
      return when((id, at) => id === tile.dataset.key && at >= told && { told });
    };
    probe.unpins = () => document.querySelector(".tile.pinned").dispatchEvent(new MouseEvent("dblclick"));
  };

  addEventListener("submit", () => {
    probe.clickedAt = performance.now();
    const watch = async () => {
      const stats = await probe.stats();
      if (stats.some(({ type, kind, framesDecoded }) => type === "inbound-rtp" && kind === "video" && framesDecoded > 0)) {
        probe.firstFrameAt = performance.now();
      } else {
        setTimeout(watch, 10);
      }
    };
    watch();
  }, true);
})();
