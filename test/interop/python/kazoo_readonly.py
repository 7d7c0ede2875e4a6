"""kazoo and an ensemble that loses its quorum: python kazoo_readonly.py HOSTS CASE."""

import sys

import kazoo_suite as suite
from kazoo import exceptions as ex
from kazoo.protocol.states import KeeperState


def case_read_only_mode():
    zk = suite.client()
    zk.create("/kazoo", b"kept")
    zk.stop()
    suite.ask("outage")
    zk = suite.client(read_only=True)
    assert zk.client_state == KeeperState.CONNECTED_RO, zk.client_state
    assert zk.get("/kazoo")[0] == b"kept"
    assert "kazoo" in zk.get_children("/")
    suite.raises(ex.NotReadOnlyCallError, zk.set, "/kazoo", b"lost")
    suite.raises(ex.NotReadOnlyCallError, zk.create, "/lost")
    suite.raises(ex.NotReadOnlyCallError, zk.sync, "/")
    states = suite.Seen()
    zk.add_listener(lambda _: states(zk.client_state))
    suite.ask("start")
    states.wait(lambda s: s[-1:] == [(KeeperState.CONNECTED,)], "connected again")
    zk.retry(zk.set, "/kazoo", b"after")
    zk.retry(zk.create, "/kazoo/e", ephemeral=True)
    zk.stop()


if __name__ == "__main__":
    suite.HOSTS = sys.argv[1]
    {"read_only_mode": case_read_only_mode}[sys.argv[2]]()
