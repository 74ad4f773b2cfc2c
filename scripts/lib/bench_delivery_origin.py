"""A slow origin store for scripts/bench delivery: HTTP, LATENCY_MS to each answer, MBIT_S for all of them together.

    bench_delivery_origin.py HOST:PORT LATENCY_MS MBIT_S

/.../N-ANYTHING is an object of N bytes; what has "stalled" in its path is accepted and never answered. /-/counts says in
JSON how often each path was asked for. Ends with its standard input.
"""

import asyncio
import hashlib
import json
import os
import random
import re
import sys

CHUNK = 32 << 10
BEHIND_S = 0.005
LATENCY_S, BYTES_S = 0.0, 0.0


class Line:
    """What all answers share: bytes go out no faster than it carries, but for the time that a late wake-up lost."""

    free_at = 0.0

    async def take(self, n):
        now = asyncio.get_running_loop().time()
        self.free_at = max(self.free_at, now - BEHIND_S) + n / BYTES_S
        if self.free_at > now:
            await asyncio.sleep(self.free_at - now)


line, counts = Line(), {}


def range_of(header, length):
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", header or "")
    if not found or int(found[1]) >= length:
        return None
    return int(found[1]), min(int(found[2] or length - 1), length - 1)


def head_of(path, length, part):
    fields = {"Content-Type": "video/iso.segment", "Content-Length": length if part is None else part[1] - part[0] + 1,
              "ETag": f'"{hashlib.md5(path.encode()).hexdigest()}"', "Last-Modified": "Sat, 01 Jan 2022 00:00:00 GMT",
              "Cache-Control": "max-age=86400", "Accept-Ranges": "bytes"}
    if part is not None:
        fields["Content-Range"] = f"bytes {part[0]}-{part[1]}/{length}"
    status = "200 OK" if part is None else "206 Partial Content"
    return (f"HTTP/1.1 {status}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n").encode()


async def send_object(writer, method, path, headers):
    length = int(re.search(r"/(\d+)-[^/]*$", path)[1])
    part = range_of(headers.get("range"), length)
    first, last = part or (0, length - 1)
    block = random.Random(path).randbytes(CHUNK)
    await asyncio.sleep(LATENCY_S)
    writer.write(head_of(path, length, part))
    while first <= last and method == "GET":
        n = min(CHUNK - first % CHUNK, last - first + 1)
        await line.take(n)
        writer.write(block[first % CHUNK:first % CHUNK + n])
        await writer.drain()
        first += n


async def answer(reader, writer):
    method, path, _ = (await reader.readline()).decode().split()
    headers = {}
    while (text := (await reader.readline()).decode().strip()):
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    if path == "/-/counts":
        body = json.dumps(counts).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    elif "stalled" in path:
        counts[path] = counts.get(path, 0) + 1
        await reader.read()  # until who asked gives up
        raise ConnectionResetError
    elif re.search(r"/\d+-[^/]*$", path):
        counts[path] = counts.get(path, 0) + 1
        await send_object(writer, method, path, headers)
    else:
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()


async def serve(reader, writer):
    try:
        while not reader.at_eof():
            await answer(reader, writer)
    except (OSError, ValueError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main(address):
    host, _, port = address.rpartition(":")
    server = await asyncio.start_server(serve, host, int(port), backlog=4096)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin, lambda: os.read(0, 4096) or ended.set())
    async with server:
        await ended.wait()


if __name__ == "__main__":
    LATENCY_S, BYTES_S = float(sys.argv[2]) / 1000, float(sys.argv[3]) * 1e6 / 8
    asyncio.run(main(sys.argv[1]))
