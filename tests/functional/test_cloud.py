"""salt-cloud's client, whose errors must show: what it knows, makes and destroys."""

# ruff: noqa: ARG002, ARG005 -- fakes take what the real ones take

from types import SimpleNamespace

import pytest
import salt.cloud
from salt.exceptions import SaltCloudSystemExit

from holodeck_io.errors import HolodeckError
from holodeck_master import cloud

_PROVIDERS = {"lab": {"nspawn": {}}, "far": {"ec2": {}}}
_PROFILES = {"small": {"provider": "lab:nspawn"}, "big": {"provider": "far:ec2"}}


class Client:
    """Two providers, and what each says of its hosts: names, or an error."""

    def __init__(self):
        self.opts = {"providers": _PROVIDERS, "profiles": _PROFILES}
        self.nodes = {"lab": {"web1": {}}, "far": {}}
        self.made = {}
        self.destroyed = []
        self.refused = set()

    def query(self):
        """Return what salt-cloud says: a provider that fails has no hosts."""
        return {
            alias: {driver: nodes if isinstance(nodes, dict) else {}}
            for alias, nodes in self.nodes.items()
            for driver in _PROVIDERS[alias]
        }

    def map_run(self, map_data, parallel):
        """Return what was made."""
        self.wanted = map_data
        return self.made

    def destroy(self, names):
        """Destroy by name, or fail."""
        if isinstance(self.destroyed, Exception):
            raise self.destroyed
        self.destroyed += names
        for nodes in self.nodes.values():
            for name in set(names) - self.refused:
                nodes.pop(name, None)

    def list_nodes(self, alias):
        """Return the driver's function."""

        def function():
            print("noise of a driver")  # noqa: T201
            if isinstance(self.nodes[alias], Exception):
                raise self.nodes[alias]
            return self.nodes[alias]

        return function


@pytest.fixture
def client(monkeypatch):
    """What salt-cloud's client is replaced by."""
    fake = Client()
    functions = {
        f"{driver}.list_nodes": fake.list_nodes(alias)
        for alias, drivers in _PROVIDERS.items()
        for driver in drivers
    }
    loaded = SimpleNamespace(clouds=functions)
    monkeypatch.setattr(salt.cloud, "CloudClient", lambda path: fake)
    monkeypatch.setattr(salt.cloud, "Cloud", lambda opts: loaded)
    return fake


@pytest.fixture
def hosts(client):
    """The cloud of a master."""
    return cloud.Cloud({"conf_file": "/etc/salt/master"})


def test_known_asks_the_hosts_own_provider(hosts, capsys):
    """A host is known when its provider has it; drivers' words stay out of the way."""
    assert hosts.known({"web1": "small", "web2": "small", "db1": "big"}) == {"web1"}
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "error", [RuntimeError("no route to the API"), SaltCloudSystemExit("denied")]
)
def test_known_of_a_provider_that_fails_shows_its_error(hosts, client, error):
    """A provider that does not answer is never one without hosts."""
    client.nodes["lab"] = error
    with pytest.raises(HolodeckError, match=f"Cloud provider lab: {error}"):
        hosts.known({"web1": "small"})
    with pytest.raises(HolodeckError, match="Cloud provider lab: "):
        hosts.destroy({"web1": "small"})
    assert client.destroyed == []


def test_known_name_at_two_providers_is_refused(hosts, client):
    """salt-cloud takes every host of a name: a stranger's is never destroyed."""
    client.nodes["far"] = {"web1": {}}
    with pytest.raises(HolodeckError, match="Host web1: exists at far too"):
        hosts.destroy({"web1": "small"})
    assert client.destroyed == []


def test_known_unknown_profile_names_the_others(hosts):
    """A misspelt profile is refused with those that there are."""
    with pytest.raises(HolodeckError, match=r"profile huge: .* there are big, small"):
        hosts.known({"web1": "huge"})


def test_create_names_each_host_that_was_not_made(hosts, client):
    """A host that failed, or of which nothing is said, is named with the reason."""
    client.made = {"web1": {"id": 1}, "web2": {"Error": "no room"}}
    profiles = dict.fromkeys(("web1", "web2", "web3"), "small")
    with pytest.raises(HolodeckError, match=r"(?s)web2: no room\nweb3: .*its log"):
        hosts.create(profiles)
    assert client.wanted == {"small": [{"web1": None}, {"web2": None}, {"web3": None}]}


@pytest.mark.parametrize(("configured", "at_once"), [({}, 16), ({"pool_size": 3}, 3)])
def test_create_of_many_machines_is_bounded(hosts, client, configured, at_once):
    """Sixty hosts at once would boot a machine to death: it is so many at a time."""
    client.opts |= configured
    client.made = {"web1": {"id": 1}}
    hosts.create({"web1": "small"})
    assert client.opts["pool_size"] == at_once


def test_create_gives_each_host_its_own_options(hosts, client):
    """What one host has of its own goes to salt-cloud as a map has it."""
    client.made = {"web1": {"id": 1}, "web2": {"id": 2}}
    own = {"web2": {"ssh_host": "10.0.0.2"}, "db1": {"ssh_host": "10.0.0.9"}}
    hosts.create(dict.fromkeys(("web1", "web2"), "small"), own)
    wanted = [{"web1": None}, {"web2": {"ssh_host": "10.0.0.2"}}]
    assert client.wanted == {"small": wanted}


def test_destroy_takes_what_is_there(hosts, client):
    """Hosts that are gone already are no fault."""
    assert hosts.destroy({"web1": "small", "web2": "small"}) == ["web1"]
    assert client.destroyed == ["web1"]
    assert hosts.destroy({"web2": "small"}) == []


def test_destroy_that_does_nothing_is_told(hosts, client):
    """A driver that says an error and raises none has not destroyed the host."""
    client.refused = {"web1"}
    with pytest.raises(HolodeckError, match="did not destroy web1"):
        hosts.destroy({"web1": "small"})


def test_destroy_that_fails_shows_why(hosts, client):
    """The driver's error is shown, not a traceback."""
    client.destroyed = SaltCloudSystemExit("in use")
    with pytest.raises(HolodeckError, match="could not destroy hosts: in use"):
        hosts.destroy({"web1": "small"})
