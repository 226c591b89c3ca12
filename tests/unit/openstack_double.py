"""A cloud of lists, for what the driver does when it forgets, lags or disagrees."""

from types import SimpleNamespace

from openstack.exceptions import HttpException


def refusal(status):
    """Return an error of the SDK's with an HTTP status."""
    error = HttpException("no")
    error.status_code = status
    return error


def server(name, mark=None, **more):
    """Return a server as the SDK has it."""
    known = {
        "id": f"id-of-{name}", "name": name, "metadata": {}, "is_locked": False,
        "attached_volumes": [], "status": "ACTIVE", "task_state": None,
    }  # fmt: skip
    if mark:
        known["metadata"] = {"holodeck": mark}
    return SimpleNamespace(**{**known, **more})


class Cloud:
    """
    A connection; what it has can be changed at any time.

    ``removed`` is what was removed, in order.
    """

    current_project_id = "ours"

    def __init__(self):
        self.removed, self.has_network = [], True
        self.found_servers, self.pairs, self.addresses = [], [], []
        self.volumes = []
        self.compute = SimpleNamespace(
            servers=lambda **_query: list(self.found_servers),
            keypairs=lambda: list(self.pairs),
            delete_server=self._deletion("found_servers"),
            delete_keypair=self._deletion("pairs"),
        )
        self.network = SimpleNamespace(
            ips=lambda **_query: list(self.addresses),
            delete_ip=self._deletion("addresses"),
        )
        self.block_storage = SimpleNamespace(
            volumes=lambda **_query: list(self.volumes),
            delete_volume=self._deletion("volumes"),
        )

    def has_service(self, name):
        """Tell whether there is such a service."""
        return self.has_network or name != "network"

    def _deletion(self, kind):
        def delete(thing, ignore_missing=True):
            self.removed.append(thing.id)
            getattr(self, kind).remove(thing)

        return delete
