"""What `check` says of a master and hosts that a release would stumble over."""

import dataclasses
import time

import pytest
from fake_cloud import accept, by, clouded
from fake_world import served

from holodeck.model import Hosts
from holodeck_master import checkup


@pytest.fixture
def world(tmp_path):
    """A master as it should be, and hosts that are well."""
    world = clouded(served(tmp_path))
    settings = {"file_recv": True, "ext_pillar": [{"holodeck": {}}]}
    accept(world, *world.definition.environments["demo"].all_members())
    return dataclasses.replace(world, opts={**world.opts, **settings})


def _faults(world, only=""):
    return [(each["name"], each["why"]) for each in checkup.find(world, only)]


def _set(world, **settings):
    return dataclasses.replace(world, opts={**world.opts, **settings})


def _with(world, **hosts):
    demo = world.definition.environments["demo"]
    demo = dataclasses.replace(demo, hosts={**demo.hosts, **hosts})
    return by(world, dataclasses.replace(world.definition, environments={"demo": demo}))


def test_nothing_is_found_where_all_is_well(world):
    """Whoever asks for no reason is not bothered."""
    assert _faults(world) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"file_recv": False}, "`file_recv: true`"),
        ({"file_roots": {"base": []}}, "Add it under `base`"),
        ({"ext_pillar": []}, "`- holodeck: {}`"),
        ({"fileserver_followsymlinks": False}, "fileserver_followsymlinks is off"),
    ],
    ids=["file_recv", "file_roots", "ext_pillar", "links"],
)
def test_configuration_of_the_master(world, settings, words):
    """What the pack needs of a master is named with its own key."""
    [(name, why)] = _faults(_set(world, **settings))
    assert name == "master"
    assert words in why


def test_full_disk_of_the_master(world, monkeypatch):
    """Records and bundles lie there."""
    usage = type("usage", (), {"free": 100 * 2**20})
    monkeypatch.setattr(checkup.shutil, "disk_usage", lambda _: usage)
    [(name, why)] = _faults(world)
    assert (name, why.split(" at ")[0]) == ("master", "100 MB are left")


def test_host_without_an_accepted_key(world):
    """One by its id that nobody has accepted; one that is still to be made is none."""
    named = Hosts(ids=("lb1.example.org",))
    world = _with(world, balancer=named, web=Hosts(profile="small", count=4))
    [(name, why)] = _faults(world)
    assert name == "lb1.example.org"
    assert "`salt-key -a lb1.example.org`" in why


def test_silent_host(world, monkeypatch):
    """It is asked nothing else, and keeps nobody from asking others."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: round(now))
    world.fleet.hosts["demo-web2"].lost = True
    world.fleet.skews["demo-web3"] = 3600
    assert dict(_faults(world)) == {
        "demo-web2": "is silent for 20 s. Look at the host, and at its salt-minion",
        "demo-web3": "its clock is 3600 s ahead of the master's; both want NTP, "
        "systemd-timesyncd or chrony",
    }


def test_salt_whose_jobs_stay(world):
    """A minion that needs a setting for its version, and lacks it, is named."""
    world.fleet.versions = {"demo-web1": "3007.16", "demo-web2": "3007.16"}
    world.fleet.versions["demo-web3"] = "3007.14"
    world.fleet.tries = {"demo-web2": 1}
    [(name, why)] = _faults(world)
    assert name == "demo-web1"
    assert "Salt 3007.16" in why
    assert "`return_retry_tries: 1`" in why


@pytest.mark.parametrize("off", [-90, 90])
def test_clock(world, off):
    """Which way it is wrong is said; some seconds are nothing."""
    world.fleet.skews = {"demo-web1": off, "demo-tester1": 5}
    [(name, why)] = _faults(world)
    assert name == "demo-web1"
    assert ("ahead of" if off > 0 else "behind") in why


def test_full_disk(world):
    """The mount that bundles are on is named, not the root that has no room."""
    world.fleet.free_kb["demo-web1"] = 200 * 1024
    (name, opt), (_, var) = _faults(world)
    assert name == "demo-web1"
    assert "200 MB are left at /opt, which has /opt/holodeck" in opt
    assert "200 MB are left at /var, which has /var/cache/salt" in var


def test_missing_tools(world):
    """Without them a suite would run as root; nothing could be built."""
    world.fleet.lacking = {
        "demo-tester1": ["unshare"], "demo-builder1": ["uv"], "demo-web1": ["git"]
    }  # fmt: skip
    assert dict(_faults(world)) == {
        "demo-builder1": "uv is missing; install uv",
        "demo-tester1": "unshare is missing; install util-linux",
    }


@pytest.mark.parametrize("url", ["/srv/guestbook", "file:///srv/guestbook"])
def test_folder_that_builders_do_not_have(world, url):
    """A path of the master's, as somebody gave it to init, is nothing to a builder."""
    services = world.definition.services
    placed = dataclasses.replace(services["guestbook"], repository=url)
    services = {"guestbook": placed}
    world = by(world, dataclasses.replace(world.definition, services=services))
    assert dict(_faults(world)) == {
        "demo-builder1": "has no folder /srv/guestbook, the repository of guestbook; "
        "name the URL that builders clone from"
    }
    world.fleet.folders = {"/srv/guestbook"}
    assert _faults(world) == []


def test_platforms_that_differ(world, monkeypatch):
    """Bundles would be built on something else than what they run on."""
    real = type(world.fleet)._webapp_status

    def status(self, host):
        found = real(self, host)
        return found | ({"platform": "Rocky 9"} if "builder" in host else {})

    monkeypatch.setattr(type(world.fleet), "_webapp_status", status)
    [(name, why)] = _faults(world)
    assert name == "demo"
    assert "Platforms differ" in why


def test_only_one_environment(world):
    """With a name the other ones' hosts are not asked."""
    world.fleet.skews = {"demo-web1": 90}
    assert _faults(world, "staging") == []
