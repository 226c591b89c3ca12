"""What is removed of a server, and what never is."""

from types import SimpleNamespace

import pytest
from openstack.exceptions import ServiceDisabledException
from openstack_double import Cloud, refusal
from openstack_double import server as a_server

from holodeck_io.errors import HolodeckError
from holodeck_openstack import nodes, options, server
from holodeck_openstack.errors import KeptError
from holodeck_openstack.owned import Owned

_MARK = "holodeck-1"
_IMAGE = {"image": "a"}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Looks follow each other at once."""
    monkeypatch.setattr("time.sleep", lambda _seconds: None)


@pytest.fixture
def cloud():
    return Cloud()


@pytest.fixture
def mine(cloud):
    return Owned(cloud, "web1", _MARK)


def _address(name, description):
    return SimpleNamespace(id=name, description=description)


def test_remove_where_there_is_no_network_service(cloud, mine):
    """Rackspace's legacy cloud, whose SDK refuses to name the service, is cleaned."""

    class Disabled:
        def __getattr__(self, name):
            raise ServiceDisabledException(name)

    cloud.has_network, cloud.network = False, Disabled()
    cloud.found_servers = [a_server("web1", _MARK)]
    mine.remove()
    assert cloud.removed == ["id-of-web1"]


def test_addresses_of_others_are_never_taken(cloud, mine):
    """A cloud that does not know the filter lists all addresses: most are others'."""
    cloud.addresses = [_address("theirs", ""), _address("ours", _MARK)]
    mine.remove()
    assert cloud.removed == ["ours"]


def test_remove_of_a_server_that_is_still_in_the_making(cloud, mine):
    """What an interrupted request makes a moment later is removed too."""

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mine.make("server", interrupted)
    there = [a_server("web1", _MARK)]
    listed = iter([[], [], there, there])
    cloud.compute.servers = lambda **_query: next(listed, [])
    cloud.compute.delete_server = lambda found, **_options: cloud.removed.append(found)
    mine.remove()
    assert cloud.removed == there


def test_remove_of_what_was_refused_looks_once(cloud, mine):
    """What the cloud refused to make is not waited for."""
    looks = []
    cloud.compute.servers = lambda **_query: looks.append(1) or []

    def refused():
        raise refusal(403)

    with pytest.raises(type(refusal(403))):
        mine.make("server", refused)
    mine.remove()
    assert len(looks) == 1


@pytest.mark.parametrize("volumes", [True, False])
def test_remove_of_a_failed_servers_volume(cloud, mine, volumes):
    """A volume that nova keeps goes with a failed server, and others' never do."""
    disk = {"attached_volumes": [{"id": "v1"}]}
    cloud.found_servers = [a_server("web1", _MARK, **disk)]
    cloud.volumes = [SimpleNamespace(id="v1"), SimpleNamespace(id="v2")]
    mine.remove(volumes=volumes)
    assert cloud.removed == ["id-of-web1", *(["v1"] if volumes else [])]


def test_destroy_of_a_locked_server_takes_nothing_from_it(cloud):
    """A server that nova will not delete keeps its address."""
    cloud.found_servers = [a_server("web1", _MARK, is_locked=True)]
    cloud.addresses = [_address("ours", _MARK)]
    with pytest.raises(HolodeckError, match=r"is locked; .*unlock_server server=id-of"):
        server.destroy(cloud, "web1")
    assert cloud.removed == []


def test_one_is_not_of_another_case(cloud):
    """A cloud whose database ignores case has found another server."""
    cloud.found_servers = [a_server("WEB1"), a_server("web1")]
    assert nodes.one(cloud, "web1").id == "id-of-web1"


def _create(cloud, monkeypatch, error, *, made, keep=False, **more):
    """Create a server that ends with an error, with or without having made one."""
    disk = {"attached_volumes": [{"id": each.id} for each in cloud.volumes]}

    def fails(connection, order, mine, *rest):
        if made:
            connection.found_servers = [a_server("web1", mine.mark, **disk)]
        raise error

    monkeypatch.setattr(server, "_make", fails)
    monkeypatch.setattr(server.resolve, "server_request", lambda *_words: ({}, None))
    chosen = options.parse({"size": "b", "keep_failed": keep, **(more or _IMAGE)})
    server.create(cloud, server.Order("web1", chosen, None, None, None))


@pytest.mark.parametrize(
    ("source", "gone"),
    [
        ({"image": "a", "volume_gb": 4, "keep_volume": True}, ["v1"]),
        ({"boot_volume": "v1", "keep_volume": True}, []),
        ({"image": "a", "volume_gb": 4}, []),
    ],
)
def test_volume_of_a_create_that_failed(cloud, monkeypatch, source, gone):
    """What nova made and keeps is removed; never a volume of the user's."""
    cloud.volumes = [SimpleNamespace(id="v1")]
    with pytest.raises(HolodeckError, match="late"):
        _create(cloud, monkeypatch, HolodeckError("late."), made=True, **source)
    assert cloud.removed == ["id-of-web1", *gone]


def test_failed_server_is_kept(cloud, monkeypatch):
    """A server that failed is kept for a look where the profile says so."""
    error = HolodeckError("late.")
    with pytest.raises(KeptError, match=r"late\. What was made is kept"):
        _create(cloud, monkeypatch, error, made=True, keep=True)
    assert cloud.removed == []


def test_nothing_is_kept_of_a_server_that_was_not_made(cloud, monkeypatch):
    """Without a server there is nothing to look at, and its key is taken back."""
    error = HolodeckError("refused.")
    with pytest.raises(HolodeckError, match="refused") as caught:
        _create(cloud, monkeypatch, error, made=False, keep=True)
    assert not isinstance(caught.value, KeptError)


def test_interruption_stays_one(cloud, monkeypatch):
    """Who presses Ctrl-C gets his prompt, and pays for no server."""
    with pytest.raises(KeyboardInterrupt):
        _create(cloud, monkeypatch, KeyboardInterrupt(), made=True, keep=True)
    assert cloud.removed == ["id-of-web1"]


def test_failure_that_cannot_be_cleaned_keeps_its_reason(cloud, monkeypatch):
    """The first error is told first, whatever kind the second one is."""

    def refuse(thing, ignore_missing=True):
        raise ServiceDisabledException("gone")

    cloud.compute.delete_server = refuse
    with pytest.raises(HolodeckError, match=r"late\. What was made is not all removed"):
        _create(cloud, monkeypatch, HolodeckError("late."), made=True, keep=False)


def test_act_that_is_late_names_no_option_of_a_profile(cloud):
    """Nobody can give a reboot more time by an option that is of creates."""
    stopped = a_server("web1", status="SHUTOFF")
    cloud.found_servers = [stopped]
    cloud.compute.get_server = lambda _id: stopped
    cloud.compute.reboot_server = lambda _server, _how: None
    with pytest.raises(HolodeckError, match="not ACTIVE, after 0 s; look at") as caught:
        server.act(cloud, "reboot", "web1", timeout_s=0)
    assert "boot_timeout" not in str(caught.value)
