"""Creates and destroys while the way to the cloud breaks at random: nothing is left."""

import contextlib
import os
import random

import pytest
from salt.exceptions import SaltCloudException

from faulty_proxy import PATIENCE_S, Proxy
from salt_cloud import PLAIN, SaltCloud

pytestmark = pytest.mark.timeout(7200)

# How many servers are made, and how many at once; `tests/openstack --cycles` has more.
CYCLES = int(os.environ.get("HOLODECK_OPENSTACK_CYCLES") or 6)
SEED = int(os.environ.get("HOLODECK_OPENSTACK_SEED") or 1)
_LANES = 3
_SHARE = 0.12
_TRIES = 8


def _profiles(key):
    """Return profiles that succeed, and some that fail at one step or another."""
    full = {**PLAIN, "floating_ip": "public", "public_key_file": f"{key}.pub"}
    never = {"wait_for_metadata": {"never": "there"}, "boot_timeout": 12}
    return {
        "bare": PLAIN,
        "full": full,
        "late": {**full, "boot_timeout": 2},
        "never": {**full, **never},
        "volume": {**full, "volume_gb": 1},
    }


@pytest.fixture
def proxy(monkeypatch):
    """The way to the cloud, for this process and its children."""
    with Proxy(SEED, 0).running() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        yield proxy


def test_nothing_is_left(tmp_path, stack, proxy, ssh_key, capsys):
    """Whatever breaks, a server is made whole or not at all, and destroyed whole."""
    profiles = _profiles(ssh_key)
    login = {"cloud": "lab", "clouds_file": str(stack.clouds)}
    options = {**login, "api_timeout": PATIENCE_S}
    cloud = SaltCloud(tmp_path, stack, options=options, **profiles)
    empty = {key: [] for key in cloud.world()}
    assert cloud.world() == empty
    chance, ends = random.Random(SEED), {"made": 0, "failed": 0}
    for first in range(0, CYCLES, _LANES):
        names = [f"cycle{n}" for n in range(first, min(first + _LANES, CYCLES))]
        proxy.share = _SHARE
        made = _created(cloud, {name: chance.choice([*profiles]) for name in names})
        proxy.share = 0
        _agrees(cloud, made)
        ends["made"] += len(made)
        ends["failed"] += len(names) - len(made)
        _destroy(cloud, made, proxy)
        assert cloud.world() == empty
    with capsys.disabled():
        print(f"\n{CYCLES} cycles by seed {SEED}: {ends}; of {proxy.asked} requests ")
        print(f"broke {sum(proxy.broken.values())}: {proxy.broken}")


def _created(cloud, wanted):
    """Create ``{name: profile}`` at once; return those that salt-cloud says it made."""
    by_profile = {}
    for name, profile in wanted.items():
        by_profile.setdefault(profile, []).append(name)
    done = cloud.client.map_run(map_data=by_profile, parallel=True)
    assert done.keys() == wanted.keys()
    for name, entry in done.items():
        assert "not all removed" not in entry.get("Error", ""), (name, entry)
    return {name: entry for name, entry in done.items() if "Error" not in entry}


def _agrees(cloud, made):
    """What was made is there, and what failed has left nothing."""
    world = cloud.world()
    assert world["servers"] == sorted(made)
    assert len(world["ports"]) == len(made)
    addresses = [address for node in made.values() for address in node["floating_ips"]]
    assert world["floating addresses"] == sorted(addresses)


def _destroy(cloud, made, proxy):
    """Destroy, as a user who tries again as long as the server is listed."""
    for _ in range(_TRIES):
        proxy.share = _SHARE
        with contextlib.suppress(SaltCloudException):
            cloud.destroy(*made)
        proxy.share = 0
        if not cloud.world()["servers"]:
            return
    pytest.fail(f"{sorted(made)} were not destroyed in {_TRIES} tries")
