"""Commands that change hosts, killed at any write: the next one mends."""

import dataclasses

import pytest
from fake_cloud import redefined, replacing
from fake_fleet import NEW, THIRD
from fake_world import ORDER, started

from holodeck_master import keeping, orphans, records, release, scaling

_KEY = ("guestbook", "demo")
_LATER = "2999-01-01T00:00:00Z"
_MOST = 60


class _Killed(BaseException):
    """Its runner ends before a write."""


def _release(world, commit=NEW):
    return started(world.present(), commit)


def _scale(world, **numbers):
    return scaling.scale(world.present(), "demo", numbers)


def _expire(world):
    return keeping.expire(world.present(), now=_LATER)


def _rollback(world):
    return release.rollback(world.present(), *_KEY, "", ORDER)


def _pair(root):
    """Two balancers with an address, and hosts that were replaced once."""
    world = redefined(replacing(root, balancers=2), virtual_address="10.0.0.9/24")
    scaling.create(world.present(), "demo")
    _release(world)
    return world


def _lowered(root):
    world = _pair(root)
    hosts = world.definition.environments["demo"].hosts
    web = dataclasses.replace(hosts["web"], count=2)
    balancer = dataclasses.replace(hosts["balancer"], count=1)
    return redefined(world, hosts={**hosts, "web": web, "balancer": balancer})


def _scaled(root):
    world = _pair(root)
    _scale(world, web=5, balancer=3)
    return world


def _back(root):
    world = _pair(root)
    _rollback(world)
    return world


_DEEDS = {
    "scale up again": (_scaled, _scale),
    "scale to a lowered definition": (_lowered, _scale),
    "scale down beside kept hosts": (_pair, lambda world: _scale(world, web=2)),
    "scale up into kept hosts": (_back, lambda world: _scale(world, web=5)),
    "release at a lowered definition": (
        _lowered,
        lambda world: _release(world, THIRD),
    ),
    "rollback at a lowered definition": (_lowered, _rollback),
    "expire": (_pair, _expire),
}


def _is_killed(monkeypatch, number, deed):
    """Do a deed whose runner dies before a write; tell whether it had so many."""
    seen, real = [], records.Records._keep

    def keep(self, *words):
        seen.append(words)
        if len(seen) > number:
            raise _Killed
        return real(self, *words)

    with monkeypatch.context() as patch:
        patch.setattr(records.Records, "_keep", keep)
        try:
            deed()
        except _Killed:
            return True
    return False


@pytest.mark.parametrize("then", ["scale", "release"])
@pytest.mark.parametrize("name", _DEEDS)
def test_next_command_mends(tmp_path, monkeypatch, name, then):
    """Every pillar compiles; then one commit serves, on the hosts that there are."""
    prepare, deed = _DEEDS[name]
    for number in range(_MOST):
        root = tmp_path / str(number)
        root.mkdir()
        world = prepare(root)
        if not _is_killed(monkeypatch, number, lambda world=world: deed(world)):
            break
        for machine in world.fleet.machines:
            # It compiles.
            assert world.fleet.pillar(machine) is not None
        if world.records.unfinished(*_KEY):
            release.abort(world.present(), *_KEY, "ann")
        if then == "release":
            record = _release(world, THIRD)
            assert record["status"] == "good", (number, record["reason"])
        _scale(world)
        _expire(world)
        orphans.remove(world.present())
        _check(world, number)
    assert 1 < number < _MOST - 1


def _check(world, number):
    demo, hosts = world.present().definition.environments["demo"], world.fleet.hosts
    serving = [name for name, host in hosts.items() if host.rotation]
    assert sorted(serving) == sorted(demo.members("web")), number
    assert len({hosts[name].commit for name in serving}) == 1, number
    assert orphans.find(world.present()) == ([], []), number
    assert world.fleet.dangers == [], number
