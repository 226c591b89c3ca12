"""Environments that pushes make: as many as may be, gone when they have passed."""

import dataclasses
import json
import time

import pytest
from fake_fleet import NEW
from fake_world import opened

from holodeck import ephemeral as rules
from holodeck import webhook_signatures as signatures
from holodeck_io.errors import HolodeckError
from holodeck_master import ephemeral, pillar, pushes, pushing, receiving, registry

_SECRET = "a-secret-of-the-service"
_TAG = f"{receiving.TAG}guestbook"
_NAME = rules.name_of("preview", "feature/login")
_KEY = ("guestbook", _NAME)


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A master whose pushes of ``feature/…`` make two environments at most."""
    found = opened(tmp_path)
    service = dataclasses.replace(
        found.definition.services["guestbook"],
        webhook={"scheme": "holodeck", "secrets": [_SECRET]},
    )
    demo = found.definition.environments["demo"]
    placement = dataclasses.replace(demo.services["guestbook"], push="feature/*")
    template = dataclasses.replace(
        demo, name="preview", services={"guestbook": placement},
        ephemeral={"most": 2, "hours": 4},
    )  # fmt: skip
    definition = dataclasses.replace(
        found.definition, services={"guestbook": service},
        templates={"preview": template},
    )  # fmt: skip
    monkeypatch.setattr(pillar, "load", lambda opts: _extended(definition, opts))
    return dataclasses.replace(found, definition=definition)


@pytest.fixture
def destroyed(monkeypatch):
    """The environments whose hosts were destroyed."""
    gone = []
    monkeypatch.setattr(
        ephemeral.environments, "destroy", lambda _world, env: gone.append(env.name)
    )
    return gone


@pytest.fixture
def ends(monkeypatch):
    """How releases end; a function in ``during`` runs in the first one."""
    how = {"status": "good", "during": None}

    def release(world, service, environment, ref, order, check):
        during, how["during"] = how["during"], None
        if during:
            during()
        return {"id": order["reserved"], "status": how["status"], "reason": "it broke"}

    monkeypatch.setattr(pushing.release, "release", release)
    return how


def _extended(definition, opts):
    return rules.extended(definition, registry.Registry(opts).all())


def _push(world, branch="feature/login", n=0):
    body = json.dumps(
        {"service": "guestbook", "ref": f"refs/heads/{branch}", "after": NEW, "n": n}
    )
    stamp = str(int(time.time()))
    signature = signatures.sign(_SECRET, stamp, body)
    headers = {"X-Holodeck-Timestamp": stamp, "X-Holodeck-Signature": signature}
    data = {"body": body, "headers": headers}
    return receiving.Receiver(world.opts).reaction(_TAG, data)


def _work(world):
    def open_world(say):
        definition = pillar.load(world.opts)
        return dataclasses.replace(world, say=say, definition=definition)

    return pushing.work_off(world.opts, _KEY, open_world)


def test_push_makes_an_environment_that_goes_when_it_passed(world, destroyed, ends):
    """One branch, one environment; after a good release nothing of it is left."""
    assert list(_push(world)) == [f"push of guestbook to {_NAME}"]
    assert list(registry.Registry(world.opts).all()) == [_NAME]
    assert [each["state"] for each in _work(world)] == ["good"]
    assert destroyed == [_NAME]
    assert registry.Registry(world.opts).all() == {}


def test_environment_that_failed_is_kept_until_its_time_is_over(world, destroyed, ends):
    """Somebody wants to look at it; the same branch gets the same one again."""
    ends["status"] = "bad"
    _push(world)
    assert [each["state"] for each in _work(world)] == ["bad"]
    assert destroyed == []
    _push(world, n=1)
    assert list(registry.Registry(world.opts).all()) == [_NAME]
    _work(world)
    world = dataclasses.replace(world, definition=pillar.load(world.opts))
    desk = pushes.Desk(world.opts)
    assert ephemeral.expire(world, desk) == []
    assert ephemeral.expire(world, desk, time.time() + 5 * 3600) == [_NAME]
    assert destroyed == [_NAME]


def test_no_more_environments_than_may_be(world, destroyed, ends):
    """The third branch hears why, and the first two go on."""
    assert _push(world, "feature/a")
    assert _push(world, "feature/b")
    assert _push(world, "feature/c") == {}
    told = [json.loads(p.read_text()) for p in pushes.Desk(world.opts).told.iterdir()]
    [refused] = [each for each in told if each["state"] == "refused"]
    assert "there are 2 environments after preview already" in refused["lines"][-1]
    assert _push(world, "other") == {}
    assert len(registry.Registry(world.opts).all()) == 2


def test_fixed_environment_takes_its_branch_beside_a_full_template(world, monkeypatch):
    """What has no room for one more environment keeps no other from its push."""
    fixed = world.definition.environments["demo"]
    placement = dataclasses.replace(fixed.services["guestbook"], push="feature/c")
    fixed = dataclasses.replace(fixed, services={"guestbook": placement})
    definition = dataclasses.replace(
        world.definition, environments={**world.definition.environments, "demo": fixed},
        templates=world.definition.templates,
    )  # fmt: skip
    monkeypatch.setattr(pillar, "load", lambda opts: _extended(definition, opts))
    assert _push(world, "feature/a")
    assert _push(world, "feature/b")
    assert list(_push(world, "feature/c")) == ["push of guestbook to demo"]
    assert len(registry.Registry(world.opts).all()) == 2


def test_push_while_it_is_tested_keeps_it(world, destroyed, ends):
    """The next commit of the branch is released to the hosts that are there."""
    _push(world)
    ends["during"] = lambda: _push(world, n=1)
    assert [each["state"] for each in _work(world)] == ["good", "good"]
    assert destroyed == [_NAME]


def test_push_while_it_is_destroyed_makes_it_anew(world, monkeypatch, ends):
    """A push that meets the very end is not lost."""
    gone = []

    def destroy(_world, environment):
        gone.append(environment.name)
        if len(gone) == 1:
            _push(world, n=1)

    monkeypatch.setattr(ephemeral.environments, "destroy", destroy)
    _push(world)
    assert [each["state"] for each in _work(world)] == ["good", "good"]
    assert gone == [_NAME, _NAME]
    assert registry.Registry(world.opts).all() == {}


def test_environment_without_its_template_is_named(world, destroyed, ends):
    """Nobody forgets its hosts in silence."""
    _push(world)
    world.definition.templates.clear()
    with pytest.raises(HolodeckError, match=f"Environments {_NAME}: their template"):
        ephemeral.expire(world, pushes.Desk(world.opts))
