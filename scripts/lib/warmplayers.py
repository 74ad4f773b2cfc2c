"""Players of the real kind for tests and benchmarks: hls.js, Shaka and dash.js in a headless browser (tests/browser), ffmpeg,
and a film for them."""

import json
import pathlib
import subprocess
import threading

BROWSER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "browser"
SEGMENT_S = 2
LOOK_MS = 250  # of play.mjs


def make_film(folder, duration_s):
    """Two renditions and sound as CMAF segments, by an HLS master playlist and a DASH manifest."""
    folder.mkdir(parents=True)
    subprocess.run(
        ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y",
         "-f", "lavfi", "-i", f"testsrc2=size=320x180:rate=25:duration={duration_s}",
         "-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={duration_s}",
         "-map", "0:v", "-map", "0:v", "-map", "1:a", "-c:v", "libx264", "-preset", "ultrafast", "-profile:v", "baseline",
         "-pix_fmt", "yuv420p", "-g", str(25 * SEGMENT_S), "-keyint_min", str(25 * SEGMENT_S), "-sc_threshold", "0",
         "-b:v:0", "300k", "-b:v:1", "150k", "-c:a", "aac", "-b:a", "64k", "-ac", "2",
         "-f", "dash", "-seg_duration", str(SEGMENT_S), "-use_template", "1", "-use_timeline", "0",
         "-adaptation_sets", "id=0,streams=0,1 id=1,streams=2", "-init_seg_name", "init-$RepresentationID$.mp4",
         "-media_seg_name", "seg-$RepresentationID$-$Number%05d$.m4s", "-hls_playlist", "1", "-hls_master_name", "master.m3u8",
         str(folder / "manifest.mpd")], check=True, timeout=120 + duration_s)


class Screen:
    """A browser that plays; `requests` and `states` as play.mjs tells them, in their order."""

    def __init__(self, player, uri, buffer_s, prefix=()):
        self.requests, self.states, self.problems = [], [], []
        self.process = subprocess.Popen([*prefix, "node", BROWSER / "play.mjs", player, uri, str(buffer_s)], cwd=BROWSER,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            told = json.loads(line)
            if "request" in told:
                self.requests.append(told["request"])
            elif "state" in told:
                self.states.append(told["state"])
            else:
                self.problems.append(told)

    def time_s(self):
        return self.states[-1]["time_s"] if self.states else 0

    def hosts(self, since=0):
        """Of segments that came after so many requests."""
        return [r["host"] for r in self.requests[since:] if r["status"] == 200 and r["path"].endswith(".m4s")]

    def stalls(self):
        return self.states[-1]["stalls"] if self.states else 0

    def stood_still_ms(self, since=0):
        """The longest time in which the picture did not move after it began to, as far as looks four times a second tell."""
        seen = self.states[since:]
        moved = [now["at_ms"] for before, now in zip(seen, seen[1:]) if now["time_s"] > before["time_s"]]
        if not moved:
            return seen[-1]["at_ms"] - seen[0]["at_ms"] if seen else 0
        if not seen[-1]["ended"]:
            moved.append(seen[-1]["at_ms"])
        return max([0, *(after - before - LOOK_MS for before, after in zip(moved, moved[1:]))])

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
