"""A pytest plugin that gives kazoo's own test suite a server that runs
already, the one at SUITE_SERVER, in place of the ensemble that its harness
would start with java."""

import os
import sys
import types

# The harness makes certificates with these; here they are made already.
for name in ("OpenSSL", "jks"):
    sys.modules[name] = types.ModuleType(name)

from kazoo.testing import harness


class Server:
    address = os.environ["SUITE_SERVER"]
    secure_address = os.environ["SUITE_SECURE_SERVER"]
    running = True


class Cluster(list):
    def start(self):
        pass

    terminate = start

    def get_ssl_client_configuration(self):
        """The client's PEM file has its key and its certificate."""
        with open(os.environ["SUITE_CLIENT_PEM"], "rb") as f:
            pair = f.read()
        with open(os.environ["SUITE_CA_PEM"], "rb") as f:
            return {"client_key": pair, "client_cert": pair, "ca_cert": f.read()}


cluster = Cluster([Server()])
harness.get_global_cluster = lambda: cluster
