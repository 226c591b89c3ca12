"""What status and plan say: where things stand, and what would happen."""

import dataclasses

from fake_fleet import NEW, OLD, WEB
from fake_world import opened, started

from holodeck_master import views

_KEY = ("guestbook", "demo")


def _drift(world):
    [place] = views.status(world, *_KEY)
    return {row["host"]: row["drift"] for row in place["hosts"]}


def test_status_names_changed_configuration_and_overridden_units(world):
    """Files edited by hand and units with drop-ins are drift, each by its name."""
    one = world.fleet.hosts[WEB[1]]
    one.changed = ["environment"]
    one.overridden = ["holodeck-guestbook.web.service has /etc/x.conf"]
    found = _drift(world)
    assert found.pop(WEB[1]) == [
        "configuration differs: environment",
        "holodeck-guestbook.web.service has /etc/x.conf",
    ]
    assert set(map(tuple, found.values())) == {()}


def test_release_of_changed_configuration_is_a_real_one(world):
    """The same release again mends a host whose settings somebody edited."""
    world.fleet.hosts[WEB[1]].changed = ["environment"]
    assert "unchanged" not in started(world, OLD)


def test_status_shows_a_freeze(world):
    """Whoever looks sees that nothing can be released, by whom and since when."""
    assert views.status(world, *_KEY)[0]["frozen"] is None
    world.records.keep_freeze(*_KEY, user="ann", since="today")
    assert views.status(world, *_KEY)[0]["frozen"]["user"] == "ann"


def test_plan_names_settings_and_shows_no_value(world, tmp_path):
    """A plan says which setting changed, and neither the old nor the new value."""
    other = dataclasses.replace(
        world, definition=opened(tmp_path / "x", greeting="hunter2").definition
    )
    shown = views.preview(other, *_KEY, NEW)
    assert shown["configuration"] == "changed"
    assert shown["settings"] == {"settings/GREETING": "changed"}
    assert "hunter2" not in str(shown)


def test_plan_names_packages_that_change(world):
    """Between two built commits a plan names each package with both versions."""
    started(world, NEW)
    for record in world.records.history(*_KEY):
        version = "2" if record["commit"] == NEW else "1"
        bill = {"components": [{"name": "flask", "version": version}]}
        world.records.save({**record, "bundle": {**record["bundle"], "sbom": bill}})
    for key, manifest in world.records.bundles().items():
        version = "2" if manifest["commit"] == NEW else "1"
        bill = {"components": [{"name": "flask", "version": version}]}
        world.records.keep_bundle(key, {**manifest, "sbom": bill})
    shown = views.preview(world, *_KEY, OLD)
    assert shown["dependencies"] == {"flask": ["2", "1"]}


def test_plan_of_what_is_not_built_knows_no_packages(world):
    """What was never built is said to be unknown, not unchanged."""
    assert views.preview(world, *_KEY, NEW)["dependencies"] is None


def test_plan_shows_the_batches_of_the_rules(tmp_path):
    """Batches and floor are those that a release would take."""
    world = opened(tmp_path, count=6, batch=[1, "50%"], floor=4)
    shown = views.preview(world, *_KEY, OLD)
    assert [len(batch) for batch in shown["batches"]] == [1, 2, 2, 1]
