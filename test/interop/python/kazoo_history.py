"""A client of a history: python kazoo_history.py HOSTS ID SEED TIMEOUT_MS BEGAN_NS KEYS GENERATION_MS.

It works until its standard input ends, and writes a line with tabs for each
operation: op VERB KEY VALUE VERSION CALL_NS END_NS CODE VALUE VERSION, or seq
TEXT CALL_NS END_NS PATH for the creation of a sequential znode. A code
"unknown", or an empty path, is an outcome that nobody knows. A line "bad TEXT"
is something that no server should do.
"""

import logging
import os
import random
import sys
import threading
import time

from kazoo import exceptions as ex
from kazoo.client import KazooClient
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.retry import KazooRetry

# What the faults do to a client: the outcome is unknown, or the session over.
LOST = (
    ex.ConnectionLoss, ex.SessionExpiredError, ex.SessionMovedError,
    ex.ConnectionClosedError, ex.OperationTimeoutError, KazooTimeoutError,
)
CODES = {ex.NoNodeError: -101, ex.BadVersionError: -103, ex.NodeExistsError: -110}
VERBS = ["create"] * 3 + ["set"] * 5 + ["set in a multi"] * 2 + ["delete"] + ["read behind a write"] * 4 + ["read"] * 2 + ["seq"] * 2


class Client:
    def __init__(self, hosts, number, seed, timeout, began, keys, generation):
        self.random = random.Random(int(seed) * 1000 + int(number))
        self.number, self.began = int(number), int(began)
        self.keys, self.generation = int(keys), int(generation) * 1000000
        self.values, self.seen, self.session = 0, {}, None
        self.barrier = "/barrier-" + number
        self.zk = KazooClient(
            hosts=hosts, timeout=int(timeout) / 1000.0,
            connection_retry=KazooRetry(max_tries=-1, delay=0.02, max_delay=0.2),
        )
        self.zk.start(timeout=60)

    def turn(self):
        verb = self.random.choice(VERBS)
        self.values += 1
        if verb == "seq":
            return self.sequential("k%d-%d" % (self.number, self.values))
        key = (time.monotonic_ns() - self.began) // self.generation * self.keys + self.random.randrange(self.keys)
        value = self.number * 10000000 + self.values
        version = -1
        if verb in ("set", "set in a multi", "delete") and self.random.randrange(3) > 0:
            version = self.seen.get(key, (0, 0))[1]
        session, call = self.zk.client_id, time.monotonic_ns()
        code, read, stat = self.attempt(verb, "/key-%d" % key, value, version)
        end = time.monotonic_ns()
        if stat is not None:
            self.remember(session, key, stat)
        print("op", verb, key, value, version, call, end, code, read, stat.version if stat else 0, sep="\t", flush=True)

    def attempt(self, verb, path, value, version):
        """Code, value and stat of one operation."""
        try:
            data, stat = self.do(verb, path, str(value).encode(), version)
            return 0, int(data), stat
        except tuple(CODES) as refused:
            return CODES[type(refused)], 0, None
        except LOST:
            return "unknown", 0, None

    def do(self, verb, path, data, version):
        zk = self.zk
        if verb == "create":
            return data, zk.create(path, data, include_data=True)[1]
        if verb == "set":
            return data, zk.set(path, data, version)
        if verb == "set in a multi":
            multi = zk.transaction()
            multi.check(path, version)
            multi.set_data(path, data)
            results = multi.commit()
            for result in results:
                if isinstance(result, Exception) and not isinstance(result, (ex.RuntimeInconsistency, ex.RolledBackError)):
                    raise result
            return data, results[1]
        if verb == "delete":
            zk.delete(path, version)
            return b"0", None
        if verb == "read behind a write":
            zk.set(self.barrier, b"")
        return zk.get(path)

    def remember(self, session, key, stat):
        if session != self.session:
            self.session, self.seen = session, {}
        before = self.seen.get(key, (0, 0))[0]
        if stat.mzxid < before and self.zk.client_id == session:
            print("bad", "the session has gone back from zxid 0x%x to 0x%x" % (before, stat.mzxid), sep="\t", flush=True)
        self.seen[key] = (stat.mzxid, stat.version)

    def sequential(self, text):
        call, path = time.monotonic_ns(), ""
        try:
            path = self.zk.create("/numbers/n-", text.encode(), sequence=True)
        except LOST:
            pass
        print("seq", text, call, time.monotonic_ns(), path, sep="\t", flush=True)


def main():
    logging.basicConfig(level=logging.CRITICAL)
    client = Client(*sys.argv[1:])
    over = threading.Event()

    def listen():
        sys.stdin.read()
        over.set()

    threading.Thread(target=listen, daemon=True).start()
    while not over.wait(0.005):
        client.turn()
    sys.stdout.flush()
    os._exit(0)


main()
