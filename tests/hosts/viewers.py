#!/usr/bin/python3 -B
"""Viewers of a cluster, for test_hosts.py: viewers.py API... -- CONTENT...

Each creates a session, plays two segments of a content through it and ends it, again and again, until standard input is closed;
then it prints {"good": N, "failures": [...]}. A request that gets no complete answer is tried once more, one to an api node at
the next one, as by a name with several addresses, and a creation with the same Idempotency-Key: only then it has failed."""

import http.client
import json
import random
import sys
import threading
import time
import urllib.parse
import uuid

VIEWERS, TIMEOUT_S, HOPS_MAX, BETWEEN_S = 4, 10, 3, 0.02


def ask(method, url, body=None, headers=None):
    for _ in range(HOPS_MAX):
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
        try:
            connection.request(method, f"{parts.path}?{parts.query}" if parts.query else parts.path, body, headers or {})
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        if answer.status != 307:
            return answer.status, said
        url = urllib.parse.urljoin(url, answer.getheader("Location"))
    return answer.status, said


class Viewers:
    def __init__(self, apis, contents):
        self.apis, self.contents = apis, contents
        self.good, self.failures, self.ending = 0, [], threading.Event()

    def insist(self, what, wanted, method, urls, *more):
        said = None
        for url in urls:
            try:
                status, body = ask(method, url, *more)
                if status in wanted:
                    return body
                said = f"{status} {body[:200]!r}"
            except (OSError, http.client.HTTPException) as error:
                said = repr(error)
        raise RuntimeError(f"{what} {url}: {said}")

    def watch(self, first, content):
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
        apis = [f"{self.apis[(first + i) % len(self.apis)]}/v1/sessions" for i in range(2)]
        wish = json.dumps({"content": content})
        session = json.loads(self.insist("create", (200, 201), "POST", apis, wish, headers))
        base = session["uri"].partition(f"/{content}/")[0] + f"/{content}/"
        for name in ("master.m3u8", "index.m3u8", "seg-0.m4s", "seg-1.m4s"):
            said = {"CMCD-Request": "bl=8000", "CMCD-Session": f'sid="{headers["Idempotency-Key"]}"'}
            self.insist("fetch", (200,), "GET", [base + name] * 2, None, said)
        self.insist("end", (200, 202, 204, 404), "DELETE", [f"{api}/{session['session']}" for api in apis])

    def loop(self, seed):
        choice = random.Random(seed)
        while not self.ending.wait(BETWEEN_S):
            try:
                self.watch(choice.randrange(len(self.apis)), choice.choice(self.contents))
                self.good += 1
            except (RuntimeError, ValueError, KeyError) as error:
                self.failures.append(f"{time.strftime('%T')} {error}")


def main():
    split = sys.argv.index("--")
    viewers = Viewers(sys.argv[1:split], sys.argv[split + 1:])
    threads = [threading.Thread(target=viewers.loop, args=(i,), daemon=True) for i in range(VIEWERS)]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    viewers.ending.set()
    for thread in threads:
        thread.join(60)
    print(json.dumps({"good": viewers.good, "failures": viewers.failures[:50], "failed": len(viewers.failures)}))


if __name__ == "__main__":
    main()
