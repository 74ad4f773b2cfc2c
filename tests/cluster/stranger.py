"""A node of another version, as far as its neighbours can tell: says hello on a link, and what the test gives it.

    with Stranger(node, features=0) as peer:
        peer.say(HEARTBEAT, b"")
        frames = peer.hear_until(lambda heard: ROW_FRAME in kinds(heard), 10)

Messages are built of numbers of fields (rpc/proto/*.proto), so that one can be said that no schema knows. For clusters
without a cluster key. Not thread-safe but for its own thread, which reads and keeps the link alive.
"""

import os
import socket
import struct
import threading

from warmcluster import until

HELLO, REFUSAL, BYE, HEARTBEAT, DIGEST, ROW_FRAME = 2, 3, 4, 5, 6, 7
ANNOUNCE, PULL, TREE, RANGES, NAMED_FRAME, NAMED_ANNOUNCE, NAMED_PULL = 10, 11, 12, 13, 14, 15, 16
LEASE_ASK, LEASE_GRANT, LEASE_CLOSE, WARM, WARM_TOLD, WATCHED_ASK, WATCHED_TOLD = 17, 18, 19, 40, 41, 42, 43
BROADCAST, FINGERPRINTS, NAMES, LEASES, WARMS, WATCHES = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 8, 1 << 9
BEAT_S = 0.2


class Fixed(int):
    """A fixed64."""


def varint(n):
    out = b""
    while n >= 0x80:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def encode(fields):
    """Of (number, value) pairs: ints are varints, bytes and text as they are, lists are messages."""
    out = b""
    for number, value in fields:
        if isinstance(value, Fixed):
            out += varint(number << 3 | 1) + struct.pack("<Q", value)
        elif isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            data = encode(value) if isinstance(value, list) else value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def take_varint(data, at):
    n = shift = 0
    while True:
        n |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            return n, at


def decode(data):
    """[(number, value)] in their order; messages are left as bytes."""
    fields, at = [], 0
    while at < len(data):
        tag, at = take_varint(data, at)
        if tag & 7 == 0:
            value, at = take_varint(data, at)
        else:
            n, at = {1: lambda: (8, at), 5: lambda: (4, at), 2: lambda: take_varint(data, at)}[tag & 7]()
            value, at = data[at:at + n], at + n
        fields.append((tag >> 3, value))
    return fields


def kinds(heard):
    return {kind for kind, _ in heard}


class Stranger:
    def __init__(self, node, features, *, name="stranger", node_id=None, extra=()):
        """extra: fields that its hello has besides."""
        self.id, self.name = node_id or os.urandom(16), name
        self.heard, self.received, self.refused = [], 0, None
        self.lock, self.ending = threading.Lock(), threading.Event()
        host, port = node.rpc.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        self.socket.settimeout(BEAT_S)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        until("it is greeted", 10, lambda: self.heard)
        self.hello = dict(decode(dict(self.heard)[HELLO]))
        self.say(HELLO, encode([(1, self.hello[1]), (2, self.id), (3, name), (4, [(1, 1), (2, Fixed(7))]), (5, 1), (6, 9),
                                (7, Fixed(features)), (8, "9.9.9"), (9, "127.0.0.1:1"), *extra]))
        self.say(HEARTBEAT, b"")
        self.beats = threading.Thread(target=self.beat, daemon=True)
        self.beats.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.beats.join(10)
        self.reader.join(10)
        self.socket.close()

    def say(self, kind, body, extra=()):
        """extra: more fields of the envelope."""
        frame = encode([(1, self.received), (kind, body), *extra])
        with self.lock:
            self.socket.sendall(struct.pack(">I", len(frame)) + frame)

    def beat(self):
        while not self.ending.wait(BEAT_S):
            try:
                self.say(HEARTBEAT, b"")
            except OSError:
                return

    def read(self):
        data = b""
        while not self.ending.is_set():
            try:
                part = self.socket.recv(1 << 16)
            except TimeoutError:
                continue
            except OSError:
                return
            if not part:
                return
            data += part
            while len(data) >= 4 and len(data) >= 4 + struct.unpack(">I", data[:4])[0]:
                n = struct.unpack(">I", data[:4])[0]
                self.received += n
                self.heard += [(kind, body) for kind, body in decode(data[4:4 + n]) if kind != 1]
                data = data[4 + n:]

    def hear_until(self, is_it, deadline_s):
        """What was heard, once is_it(that) is true."""
        until(f"{self.name} hears what it waits for", deadline_s, lambda: is_it(self.heard))
        return list(self.heard)

    def beats_heard(self):
        return sum(kind == HEARTBEAT for kind, _ in list(self.heard))

    def hear_beats(self, n):
        """Waits for as many more of the peer's heartbeats: time in which it might have said something else."""
        want = self.beats_heard() + n
        until("heartbeats come", 30, lambda: self.beats_heard() >= want)

    def say_row(self, entries, owner=None, extra=()):
        """Its control row, of (key, value) pairs, whole."""
        told = [(11, [(1, i + 1), (2, key), (3, value)]) for i, (key, value) in enumerate(entries)]
        n = len(entries)
        self.say(ROW_FRAME, encode([(1, owner or self.id), (2, 0), (3, [(1, 1), (2, Fixed(7))]), (6, n), (7, n), *told, *extra]))

    def ask_all(self):
        """The rows that the peer has: {(owner, stream): {key: value}}."""
        self.say(DIGEST, encode([]))

        def rows():
            found = {}
            for kind, body in list(self.heard):
                fields = decode(body) if kind == ROW_FRAME else []
                of = dict(f for f in fields if f[0] != 11)
                row = found.setdefault((of.get(1), of.get(2, 0)), {})
                for number, entry in fields:
                    if number == 11:
                        e = dict(decode(entry))
                        row[e[2]] = e.get(3, b"")
            return found

        return rows
