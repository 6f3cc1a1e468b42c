// A mediasoup application as small as one can be: one worker, one router, a WebRtcTransport for each client, all of them
// on the one port of a WebRtcServer, which costs the worker less than a port for each.
//
//   node server.mjs PORT     with SFU_MEDIASOUP naming the folder whose node_modules holds mediasoup
//
// JSON over HTTP on loopback:
//   GET /                    {workerPid}
//   POST /publish            {room, dtlsParameters, producers: [{kind, rtpParameters}]} -> Transport
//   POST /subscribe          {room, dtlsParameters, rtpCapabilities} -> Transport
//   Transport                {iceParameters, iceCandidates, dtlsParameters, consumers: [{kind, rtpParameters}]}
// What is asked wrongly is answered with status 400 and {error}. The types are mediasoup's own.

import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

const LOOPBACK = "127.0.0.1";
const MAX_BODY_BYTES = 65_536;
// Above what the load sends by default, so that nothing is held for too much. Far above it, mediasoup would fill the path
// with probes up to this rate, and spend its time on them.
const INITIAL_BITRATE_BPS = 2_500_000;
// With the payload types that the load generator offers, so that nothing is renumbered which need not be.
const CODECS = [
  { kind: "audio", mimeType: "audio/opus", preferredPayloadType: 111, clockRate: 48_000, channels: 2 },
  { kind: "video", mimeType: "video/VP8", preferredPayloadType: 96, clockRate: 90_000 },
];

const mediasoup = createRequire(path.resolve(process.env.SFU_MEDIASOUP ?? ".", "index.js"))("mediasoup");
const worker = await mediasoup.createWorker({ logLevel: "warn" });
worker.on("died", (error) => {
  console.error(`the worker died: ${error}`);
  process.exit(1);
});
const router = await worker.createRouter({ mediaCodecs: CODECS });
const webRtcServer = await worker.createWebRtcServer({ listenInfos: [{ protocol: "udp", ip: LOOPBACK }] });
const producersOf = new Map();

async function connectedTransport(dtlsParameters) {
  const transport = await router.createWebRtcTransport({
    webRtcServer,
    initialAvailableOutgoingBitrate: INITIAL_BITRATE_BPS,
  });
  await transport.connect({ dtlsParameters });
  return transport;
}

function described(transport, consumers) {
  return {
    iceParameters: transport.iceParameters,
    iceCandidates: transport.iceCandidates,
    dtlsParameters: transport.dtlsParameters,
    consumers: consumers.map(({ kind, rtpParameters }) => ({ kind, rtpParameters })),
  };
}

async function publish({ room, dtlsParameters, producers }) {
  const transport = await connectedTransport(dtlsParameters);
  producersOf.set(room, await Promise.all(producers.map((options) => transport.produce(options))));
  return described(transport, []);
}

async function subscribe({ room, dtlsParameters, rtpCapabilities }) {
  const producers = producersOf.get(room);
  if (producers === undefined) {
    throw new Error(`nobody publishes in ${room}`);
  }
  const transport = await connectedTransport(dtlsParameters);
  // mediasoup numbers extensions in its own way and takes no other from a consumer.
  const wanted = new Set(rtpCapabilities.headerExtensions.map(({ uri }) => uri));
  const headerExtensions = router.rtpCapabilities.headerExtensions.filter(({ uri }) => wanted.has(uri));
  const capabilities = { codecs: rtpCapabilities.codecs, headerExtensions };
  const consumers = await Promise.all(
    producers.map(({ id }) => transport.consume({ producerId: id, rtpCapabilities: capabilities })),
  );
  return described(transport, consumers);
}

const ACTIONS = {
  "GET /": async () => ({ workerPid: worker.pid }),
  "POST /publish": async (request) => publish(await bodyOf(request)),
  "POST /subscribe": async (request) => subscribe(await bodyOf(request)),
};

async function bodyOf(request) {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) {
    text += chunk;
    if (text.length > MAX_BODY_BYTES) {
      throw new Error(`more than ${MAX_BODY_BYTES} bytes`);
    }
  }
  return JSON.parse(text);
}

async function answer(request, response) {
  let status = 200;
  let body;
  try {
    const action = ACTIONS[`${request.method} ${request.url}`];
    if (action === undefined) {
      throw new Error(`no ${request.method} ${request.url}`);
    }
    body = await action(request);
  } catch (error) {
    status = 400;
    body = { error: String(error) };
  }
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}

http.createServer(answer).listen(Number(process.argv[2]), LOOPBACK);
process.on("SIGTERM", () => {
  worker.close();
  process.exit(0);
});
