// Plays a URI with one of three players in headless Chromium and tells what happens, one JSON object a line:
//   {"request": {"host", "path", "status", "at_ms"}}          each answer to a request for media or steering (0: none came)
//   {"state": {"at_ms", "time_s", "stalls", "buffer_s", "error"}}   four times a second
// Ends with its standard input.
//
//   node play.mjs hls|shaka|dash URI BUFFER_S
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const [player, uri, bufferS] = process.argv.slice(2);
const libraries = {
  hls: "hls.js/dist/hls.min.js",
  shaka: "shaka-player/dist/shaka-player.compiled.js",
  dash: "dashjs/dist/modern/umd/dash.all.min.js",
};
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const began = performance.now();
const now = () => Math.round(performance.now() - began);

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required", "--mute-audio"],
});
const page = await browser.newPage();
const told = (request, status) => {
  const url = new URL(request.url());
  if (url.protocol.startsWith("http"))
    say({ request: { host: url.hostname, path: url.pathname + url.search, status, at_ms: now() } });
};
page.on("response", (response) => told(response.request(), response.status()));
page.on("requestfailed", (request) => told(request, 0));
page.on("pageerror", (error) => say({ problem: String(error) }));
await page.setContent("<video id=v muted playsinline></video>");
await page.addScriptTag({ path: fileURLToPath(new URL("node_modules/" + libraries[player], import.meta.url)) });

await page.evaluate(async ({ player, uri, bufferS }) => {
  const video = document.getElementById("v");
  const seen = (window.seen = { stalls: 0, started: false, error: null });
  video.addEventListener("playing", () => (seen.started = true));
  video.addEventListener("waiting", () => (seen.stalls += seen.started && video.currentTime > 0.5 ? 1 : 0));
  video.addEventListener("ended", () => (seen.started = false));
  if (player === "hls") {
    const hls = new Hls({ maxBufferLength: bufferS, maxMaxBufferLength: bufferS });
    hls.on(Hls.Events.ERROR, (_, data) => (seen.error = data.fatal ? data.details : seen.error));
    hls.loadSource(uri);
    hls.attachMedia(video);
  } else if (player === "shaka") {
    shaka.polyfill.installAll();
    const p = new shaka.Player();
    p.addEventListener("error", (e) => (seen.error = String(e.detail.code)));
    await p.attach(video);
    p.configure({ streaming: { bufferingGoal: bufferS, rebufferingGoal: 1 } });
    await p.load(uri);
  } else {
    const p = dashjs.MediaPlayer().create();
    // It calls "error" what it goes on after, so only what stops it shows: in the time that stands still.
    p.initialize(video, uri, true);
    p.updateSettings({ streaming: { buffer: { bufferTimeDefault: bufferS, bufferTimeAtTopQuality: bufferS,
      bufferTimeAtTopQualityLongForm: bufferS } } });
  }
  video.play().catch(() => {});
}, { player, uri, bufferS: Number(bufferS) });

const timer = setInterval(async () => {
  const state = await page.evaluate(() => {
    const v = document.getElementById("v"), n = v.buffered.length;
    return { time_s: v.currentTime, stalls: seen.stalls, error: seen.error, ended: v.ended,
      buffer_s: n > 0 ? v.buffered.end(n - 1) - v.currentTime : 0 };
  }).catch(() => null);
  if (state !== null)
    say({ state: { at_ms: now(), ...state } });
}, 250);
process.stdin.resume();
await new Promise((done) => process.stdin.on("end", done));
clearInterval(timer);
await browser.close();
