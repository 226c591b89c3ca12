"""Which port gets a floating address, and that nobody loses his."""

from types import SimpleNamespace

import pytest
from openstack_double import refusal, server

from holodeck_io.errors import HolodeckError
from holodeck_openstack import floating_ip


def _port(name, network, *addresses):
    fixed = [{"ip_address": address} for address in addresses]
    return SimpleNamespace(id=name, network_id=network, fixed_ips=fixed)


def _connection(*ports):
    return SimpleNamespace(network=SimpleNamespace(ports=lambda **_query: iter(ports)))


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ([{"uuid": "a"}, {"uuid": "b"}], "p-a"),
        ([{"uuid": "b"}, {"uuid": "a"}], "p-b"),
        ([{"port": "p-c"}, {"uuid": "a"}], "p-a"),
        ([{"port": "p-b"}, {"uuid": "a"}], "p-b"),
        ("auto", "p-b"),
        (None, "p-b"),
    ],
)
def test_port(asked, chosen):
    """The profile's first interface with IPv4, in whatever order ports are listed."""
    ports = _port("p-c", "c", "2001:db8::1"), _port("p-b", "b", "10.1.0.2")
    made = _connection(*ports, _port("p-a", "a", "10.0.0.2"))
    assert floating_ip.port(made, server("web1"), asked) == chosen


def test_port_without_one():
    """A server with IPv6 alone is told so."""
    with pytest.raises(HolodeckError, match="floating_ip: the server has no port"):
        floating_ip.port(
            _connection(_port("p", "a", "2001:db8::1")), server("web1"), None
        )


class Network:
    """A network service with one address, which another server may take meanwhile."""

    def __init__(self, port_id=None, *, error=None, thief=None):
        self.ip = SimpleNamespace(
            floating_ip_address="8.8.4.4", port_id=port_id, revision_number=3
        )
        self.error, self.thief, self.asked = error, thief, []

    def get_ip(self, _address):
        return self.ip

    def update_ip(self, _address, if_revision, port_id):
        self.asked.append(if_revision)
        self.ip.port_id = self.thief or port_id
        if self.error:
            raise self.error


def _given(network, locks):
    made = SimpleNamespace(network=network)
    return floating_ip.give(made, None, "mine", {"address": "id"}, locks)


@pytest.mark.parametrize("error", [None, refusal(412)])
def test_give_an_address_that_is_free(tmp_path, error):
    """It is taken as it was seen, and once: an answer may be of the second request."""
    network = Network(error=error)
    assert _given(network, tmp_path) == "8.8.4.4"
    assert network.asked == [3]


@pytest.mark.parametrize(
    "network",
    [
        Network("theirs"),
        Network(thief="theirs"),
        Network(thief="theirs", error=refusal(412)),
    ],
)
def test_give_an_address_of_two_servers(tmp_path, network):
    """The second server is refused; the first one keeps its address."""
    with pytest.raises(HolodeckError, match=r"8\.8\.4\.4 is at port theirs"):
        _given(network, tmp_path)


def test_give_an_address_that_was_taken_leaves_it_alone(tmp_path):
    """Nothing is asked of an address that has a port."""
    network = Network("theirs")
    with pytest.raises(HolodeckError):
        _given(network, tmp_path)
    assert network.asked == []
