"""The kazoo suite of the interop ring: python kazoo_suite.py HOST:PORT CASE.

Every function whose name begins with case_ is one case; `--list` names them.
A case raises when something is wrong. It may ask the harness for something by
a line on standard output ("@kill", "@start", "@restart") and then reads one
line, which comes when it is done.
"""

import ast
import datetime
import logging
import os
import sys
import threading
import uuid

from kazoo import exceptions as ex
from kazoo.client import KazooClient, KazooState
from kazoo.protocol.states import EventType
from kazoo.recipe.barrier import Barrier, DoubleBarrier
from kazoo.recipe.cache import TreeCache, TreeEvent
from kazoo.recipe.lease import NonBlockingLease
from kazoo.recipe.lock import Lock
from kazoo.recipe.partitioner import SetPartitioner
from kazoo.retry import KazooRetry
from kazoo.security import ACL, Id, make_acl, make_digest_acl

WAIT = 30
HOSTS = ""


def ask(what):
    print("@" + what, flush=True)
    answer = sys.stdin.readline().strip()
    assert answer == "done", answer


def client(**options):
    options.setdefault("timeout", 10)
    retry = KazooRetry(max_tries=-1, delay=0.05, max_delay=0.2)
    zk = KazooClient(hosts=HOSTS, connection_retry=retry, **options)
    zk.start(timeout=WAIT)
    return zk


def raises(error, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except error:
        return
    raise AssertionError("%s did not raise %s" % (function, error))


class Seen:
    """Collects what a callback gets and waits until it is what it should be."""

    def __init__(self):
        self.items = []
        self.changed = threading.Condition()

    def __call__(self, *args):
        with self.changed:
            self.items.append(args)
            self.changed.notify_all()

    def wait(self, condition, what):
        with self.changed:
            if not self.changed.wait_for(lambda: condition(self.items), WAIT):
                raise AssertionError("%s; got %s" % (what, self.items))


def case_create_read_update_delete():
    zk = client()
    assert zk.create("/a", b"one") == "/a"
    data, stat = zk.get("/a")
    assert data == b"one" and stat.version == 0 and stat.data_length == 3
    assert stat.czxid == stat.mzxid == stat.pzxid and stat.ephemeralOwner == 0
    stat = zk.set("/a", b"two", version=0)
    assert stat.version == 1 and stat.mzxid > stat.czxid
    raises(ex.BadVersionError, zk.set, "/a", b"x", version=0)
    raises(ex.NodeExistsError, zk.create, "/a")
    raises(ex.NoNodeError, zk.create, "/b/c")
    zk.create("/b/c/d", b"", makepath=True)
    raises(ex.NotEmptyError, zk.delete, "/b")
    raises(ex.BadVersionError, zk.delete, "/a", version=7)
    zk.delete("/b", recursive=True)
    assert zk.exists("/b") is None and zk.exists("/a").version == 1
    path, stat = zk.create("/s", b"with stat", include_data=True)
    assert path == "/s" and stat.data_length == 9
    assert sorted(zk.get_children("/")) == ["a", "s", "zookeeper"]
    children, stat = zk.get_children("/", include_data=True)
    assert stat.children_count == len(children) == 3
    big = b"x" * 1000000
    zk.create("/big", big)
    assert zk.get("/big")[0] == big
    zk.create("/\u4e2d\u6587 \u00fc", b"u")
    assert zk.get("/\u4e2d\u6587 \u00fc")[0] == b"u"
    zk.sync("/a")
    zk.stop()


def case_sequence_and_ephemeral():
    zk, other = client(), client()
    zk.create("/q")
    names = [zk.create("/q/n-", sequence=True) for _ in range(5)]
    assert names == ["/q/n-%010d" % i for i in range(5)], names
    mine = zk.create("/q/e-", ephemeral=True, sequence=True)
    assert mine == "/q/e-0000000005"
    assert other.exists(mine).ephemeralOwner == zk.client_id[0]
    raises(ex.NoChildrenForEphemeralsError, zk.create, mine + "/child")
    gone = Seen()
    other.exists(mine, watch=gone)
    zk.stop()
    gone.wait(lambda seen: seen and seen[0][0].type == EventType.DELETED, "the ephemeral did not go with its session")
    other.stop()


def case_pipelined_async():
    zk = client()
    zk.create("/p")
    results = [zk.create_async("/p/%04d" % i, b"%d" % i) for i in range(2000)]
    assert [r.get(timeout=WAIT) for r in results] == ["/p/%04d" % i for i in range(2000)]
    reads = [zk.get_async("/p/%04d" % i) for i in range(2000)]
    assert [r.get(timeout=WAIT)[0] for r in reads] == [b"%d" % i for i in range(2000)]
    assert len(zk.get_children("/p")) == 2000
    zk.stop()


def case_transaction():
    zk = client()
    zk.create("/t", b"v")
    t = zk.transaction()
    t.check("/t", 0)
    t.create("/t/a", b"1")
    t.create("/t/s-", sequence=True)
    t.set_data("/t", b"w")
    t.delete("/t/a")
    results = t.commit()
    assert results[0] is True and results[1] == "/t/a" and results[2] == "/t/s-0000000001", results
    assert results[3].version == 1 and results[4] is True, results
    t = zk.transaction()
    t.create("/t/b", b"1")
    t.check("/t", 99)
    t.delete("/t/b")
    results = t.commit()
    assert isinstance(results[0], ex.RolledBackError), results
    assert isinstance(results[1], ex.BadVersionError), results
    assert isinstance(results[2], ex.RuntimeInconsistency), results
    assert zk.exists("/t/b") is None
    zk.stop()


def case_one_shot_watches():
    zk, other = client(), client()
    zk.create("/w", b"1")
    data, kids, there = Seen(), Seen(), Seen()
    zk.get("/w", watch=data)
    zk.get_children("/w", watch=kids)
    zk.exists("/w/later", watch=there)
    other.set("/w", b"2")
    other.set("/w", b"3")
    other.create("/w/later", b"")
    data.wait(lambda s: [e[0].type for e in s] == ["CHANGED"], "data watch")
    kids.wait(lambda s: [e[0].type for e in s] == ["CHILD"], "child watch")
    there.wait(lambda s: [e[0].type for e in s] == ["CREATED"], "exists watch")
    zk.stop()
    other.stop()


def case_data_and_children_watch():
    zk, other = client(), client()
    data, kids = Seen(), Seen()
    zk.DataWatch("/d", lambda d, stat: data(d))
    other.create("/d", b"1")
    data.wait(lambda s: s[-1:] == [(b"1",)], "created")
    zk.ChildrenWatch("/d", lambda names: kids(sorted(names)))
    for i in range(5):
        other.set("/d", b"v%d" % i)
        data.wait(lambda s: s[-1:] == [(b"v%d" % i,)], "value %d" % i)
        other.create("/d/c%d" % i)
        kids.wait(lambda s: s[-1:] == [(["c%d" % n for n in range(i + 1)],)], "child %d" % i)
    other.delete("/d", recursive=True)
    data.wait(lambda s: s[-1:] == [(None,)], "deleted")
    zk.stop()
    other.stop()


def case_lock():
    clients = [client() for _ in range(4)]
    inside, order = [], []

    def worker(zk, name):
        for _ in range(5):
            with zk.Lock("/lock", name):
                inside.append(name)
                assert len(inside) == 1, inside
                order.append(name)
                inside.pop()

    threads = [threading.Thread(target=worker, args=(zk, "w%d" % i)) for i, zk in enumerate(clients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(WAIT)
    assert len(order) == 20, order
    lock, waiting = clients[0].Lock("/lock", "holder"), clients[1].Lock("/lock", "waiter")
    assert lock.acquire() and not waiting.acquire(blocking=False)
    assert waiting.contenders() == ["holder"]
    lock.release()
    for zk in clients:
        zk.stop()


def case_lock_goes_with_its_session():
    holder, zk = client(), client()
    assert holder.Lock("/lock", "one").acquire()
    second = Lock(zk, "/lock", "two")
    got = threading.Thread(target=lambda: second.acquire(timeout=WAIT))
    got.start()
    holder.stop()
    got.join(WAIT)
    assert second.is_acquired
    zk.stop()


def case_read_write_lock_and_semaphore():
    zk, other = client(), client()
    r1, r2, w = zk.ReadLock("/rw"), other.ReadLock("/rw"), other.WriteLock("/rw")
    assert r1.acquire(timeout=WAIT) and r2.acquire(timeout=WAIT)
    assert not w.acquire(blocking=False)
    r1.release()
    r2.release()
    assert w.acquire(timeout=WAIT) and not zk.ReadLock("/rw").acquire(blocking=False)
    w.release()
    held = [c.Semaphore("/sem", max_leases=2) for c in (zk, other)]
    assert all(s.acquire(timeout=WAIT) for s in held)
    third = zk.Semaphore("/sem", max_leases=2)
    assert not third.acquire(blocking=False)
    held[0].release()
    assert third.acquire(timeout=WAIT)
    zk.stop()
    other.stop()


def case_election():
    clients = [client() for _ in range(3)]
    led, done = Seen(), threading.Event()
    elections = [zk.Election("/election", "c%d" % i) for i, zk in enumerate(clients)]

    def lead(name):
        led(name)
        done.wait(WAIT)

    threads = []
    for i, e in enumerate(elections):
        threads.append(threading.Thread(target=e.run, args=(lead, "c%d" % i)))
        threads[-1].start()
        if i == 0:
            led.wait(lambda s: s == [("c0",)], "first leader")
    done.set()
    led.wait(lambda s: sorted(s) == [("c0",), ("c1",), ("c2",)], "everybody leads in turn")
    for t in threads:
        t.join(WAIT)
    for zk in clients:
        zk.stop()


def case_queue_and_locking_queue():
    zk, other = client(), client()
    queue = zk.Queue("/queue")
    for i in range(10):
        queue.put(b"%d" % i, priority=100 - i)
    assert [other.Queue("/queue").get() for _ in range(10)] == [b"%d" % i for i in reversed(range(10))]
    locking = zk.LockingQueue("/locking")
    locking.put_all([b"a", b"b"])
    theirs = other.LockingQueue("/locking")
    assert locking.get(timeout=WAIT) == b"a" and theirs.get(timeout=WAIT) == b"b"
    assert locking.consume() and theirs.consume()
    assert len(zk.LockingQueue("/locking")) == 0
    zk.stop()
    other.stop()


def case_barrier_counter_party():
    zk, other = client(), client()
    barrier = Barrier(zk, "/barrier")
    barrier.create()
    waits = threading.Thread(target=lambda: Barrier(other, "/barrier").wait(WAIT))
    waits.start()
    barrier.remove()
    waits.join(WAIT)
    assert not waits.is_alive()
    both = [DoubleBarrier(c, "/double", 2) for c in (zk, other)]
    threads = [threading.Thread(target=lambda b=b: (b.enter(), b.leave())) for b in both]
    for t in threads:
        t.start()
    for t in threads:
        t.join(WAIT)
    assert not any(t.is_alive() for t in threads)

    def count(c):
        counter = c.Counter("/counter", default=0)
        for _ in range(25):
            counter += 1

    threads = [threading.Thread(target=count, args=(c,)) for c in (zk, other)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(WAIT)
    assert zk.Counter("/counter").value == 50
    parties = [c.Party("/party", str(i)) for i, c in enumerate((zk, other))]
    for p in parties:
        p.join()
    assert sorted(parties[0]) == ["0", "1"] and len(parties[1]) == 2
    zk.stop()
    other.stop()


def case_tree_cache_and_partitioner():
    zk, other = client(), client()
    zk.create("/cache/a/b", b"deep", makepath=True)
    cache, events = TreeCache(zk, "/cache"), Seen()
    cache.listen(lambda e: events(e.event_type, e.event_data and e.event_data.path))
    cache.start()
    events.wait(lambda s: (TreeEvent.INITIALIZED, None) in s, "initialized")
    other.set("/cache/a/b", b"new")
    other.create("/cache/c")
    events.wait(lambda s: (TreeEvent.NODE_ADDED, "/cache/c") in s, "added")
    other.delete("/cache/c")
    events.wait(lambda s: (TreeEvent.NODE_UPDATED, "/cache/a/b") in s, "updated")
    events.wait(lambda s: (TreeEvent.NODE_REMOVED, "/cache/c") in s, "removed")
    assert cache.get_data("/cache/a/b").data == b"new"
    cache.close()
    shares, settled = {}, threading.Event()

    def partition(c, name):
        part = SetPartitioner(c, "/parts", set=range(6), identifier=name, time_boundary=0.2)
        while not settled.is_set():
            if part.acquired:
                shares[name] = set(part)
                if len(shares) == 2 and sorted(sum(map(list, shares.values()), [])) == list(range(6)):
                    settled.set()
                settled.wait(0.05)
            elif part.release:
                shares.pop(name, None)
                part.release_set()
            elif part.allocating:
                part.wait_for_acquire(1)
            else:
                return
        part.finish()

    threads = [threading.Thread(target=partition, args=(c, str(i))) for i, c in enumerate((zk, other))]
    for t in threads:
        t.start()
    assert settled.wait(WAIT), shares
    for t in threads:
        t.join(WAIT)
    minute = datetime.timedelta(seconds=60)
    assert NonBlockingLease(zk, "/lease", minute)
    assert not NonBlockingLease(other, "/lease", minute, identifier="x")
    zk.stop()
    other.stop()


def case_auth_and_acls():
    zk, other = client(), client()
    zk.add_auth("digest", "user:pw")
    mine = make_digest_acl("user", "pw", all=True)
    zk.create("/mine", b"secret", acl=[mine])
    raises(ex.NoAuthError, other.get, "/mine")
    raises(ex.NoAuthError, other.set, "/mine", b"x")
    raises(ex.NoAuthError, other.get_acls, "/mine")
    other.add_auth("digest", "user:pw")
    assert other.get("/mine")[0] == b"secret"
    zk.create("/auth", acl=[make_acl("auth", "", all=True)])
    acls, stat = zk.get_acls("/auth")
    assert acls == [ACL(31, Id("digest", mine.id.id))] and stat.aversion == 0, acls
    reader = [make_acl("world", "anyone", read=True), mine]
    assert zk.set_acls("/mine", reader).aversion == 1
    third = client()
    assert third.get("/mine")[0] == b"secret"
    assert third.get_acls("/mine")[0][1].id.id == "user:x"
    raises(ex.InvalidACLError, zk.create, "/bad", acl=[make_acl("nosuch", "x", all=True)])
    raises(ex.AuthFailedError, client(auth_data=[("digest", "a:b")]).add_auth, "nosuch", "x:y")
    zk.stop()
    other.stop()
    third.stop()


def case_chroot_and_commands():
    zk = client()
    zk.create("/root")
    inner = KazooClient(hosts=HOSTS + "/root")
    inner.start(timeout=WAIT)
    inner.create("/x", b"1")
    assert zk.get("/root/x")[0] == b"1" and inner.get_children("/") == ["x"]
    assert zk.command(b"ruok") == "imok"
    assert zk.server_version()[:2] == (3, 9), zk.server_version()
    assert "Mode: standalone" in zk.command(b"srvr")
    inner.stop()
    zk.stop()


def case_reconfig_refused():
    zk = client()
    raises(ex.ReconfigDisabledError if hasattr(ex, "ReconfigDisabledError") else ex.ZookeeperError,
           zk.reconfig, joining="server.2=127.0.0.1:1:2:participant;3", leaving=None, new_members=None)
    zk.stop()


def case_read_only_client():
    zk = client(read_only=True)
    zk.create("/r", b"w")
    assert zk.get("/r")[0] == b"w"
    zk.stop()


def reconnects(kill, start):
    zk, other = client(), client()
    states = Seen()
    zk.add_listener(states)
    zk.create("/base", b"0")
    mine = zk.create("/base/e-", ephemeral=True, sequence=True)
    data, kids = Seen(), Seen()
    zk.DataWatch("/base", lambda d, stat: data(d))
    zk.ChildrenWatch("/base", lambda names: kids(len(names)))
    session = zk.client_id
    ask(kill)
    states.wait(lambda s: (KazooState.SUSPENDED,) in s, "suspended")
    ask(start)
    states.wait(lambda s: s[-1:] == [(KazooState.CONNECTED,)], "connected again")
    assert zk.client_id == session
    assert zk.exists(mine).ephemeralOwner == session[0]
    other.retry(other.create, "/base/later", b"")
    other.retry(other.set, "/base", b"after")
    data.wait(lambda s: s[-1:] == [(b"after",)], "a data watch was lost")
    kids.wait(lambda s: s[-1:] == [(2,)], "a child watch was lost")
    zk.stop()
    other.stop()


def case_reconnect_after_kill():
    reconnects("kill", "start")


def case_reconnect_after_stop():
    reconnects("stop", "start")


def case_session_expires_while_away():
    # A client dies without a word: another process, which leaves by _exit.
    reader, writer = os.pipe()
    if os.fork() == 0:
        zk = client(timeout=4)
        zk.create("/e", ephemeral=True)
        os.write(writer, repr(zk.client_id).encode())
        os._exit(0)
    old = ast.literal_eval(os.read(reader, 1000).decode())
    zk = client(timeout=20)
    gone = Seen()
    if zk.exists("/e", watch=gone):
        gone.wait(lambda s: [e[0].type for e in s] == ["DELETED"], "the session did not expire")
    again = KazooClient(hosts=HOSTS, timeout=4, client_id=old)
    again.start(timeout=WAIT)
    assert again.client_id[0] != old[0], "an expired session was taken up"
    again.stop()
    zk.stop()


def case_unlocked_by_many():
    """Thirty clients come and go, each with a few ephemerals."""
    zk = client()
    zk.create("/many")

    def visit(name):
        c = client()
        for _ in range(3):
            c.create("/many/%s-" % name, ephemeral=True, sequence=True)
        c.stop()
        c.close()

    threads = [threading.Thread(target=visit, args=(uuid.uuid4().hex,)) for _ in range(30)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(WAIT)
    assert zk.get_children("/many") == []
    zk.stop()


def main():
    global HOSTS
    cases = {k[5:]: v for k, v in globals().items() if k.startswith("case_")}
    if sys.argv[1] == "--list":
        print("\n".join(cases))
        return
    logging.basicConfig(level=logging.CRITICAL)
    HOSTS = sys.argv[1]
    cases[sys.argv[2]]()


if __name__ == "__main__":
    main()
