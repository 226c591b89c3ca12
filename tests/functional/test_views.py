"""What status and plan say: where things stand, and what would happen."""

import dataclasses
from pathlib import Path

from fake_fleet import NEW, OLD, THIRD, WEB
from fake_world import opened, served, started

from holodeck_master import answering, views
from holodeck_master.plan import plan_for

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


def _answering(world, **changes):
    """Return where users meet the service of a place that has changes."""
    plan = plan_for(world, *_KEY)
    of_place = {k: v for k, v in changes.items() if k in {"url", "listen"}}
    of_environment = {k: v for k, v in changes.items() if k not in of_place}
    plan = dataclasses.replace(
        plan,
        placement=dataclasses.replace(plan.placement, **of_place),
        environment=dataclasses.replace(plan.environment, **of_environment),
    )
    return answering.urls(world, plan)


def test_release_and_status_say_where_the_service_answers(tmp_path):
    """Each balancer's address with the bind's port; a bad release has none."""
    world = served(tmp_path, balancers=2)
    [place] = views.status(world, *_KEY)
    assert place["answers"] == ["http://10.0.0.3", "http://10.0.0.4"]
    assert answering.told(world, started(world))["answers"] == place["answers"]
    world.fleet.faults["suite web1"] = "it broke"
    assert "answers" not in answering.told(world, started(world, THIRD))


def test_address_that_users_know_stands_alone(world):
    """A name, or the address that balancers share; without balancers the web hosts'."""
    assert _answering(world, listen="*:443 ssl crt /x") == ["https://10.0.0.3"]
    assert _answering(world, virtual_address="10.0.0.9/24") == ["http://10.0.0.9"]
    shop = "https://shop.example.org"
    assert _answering(world, virtual_address="10.0.0.9/24", url=shop) == [shop]
    web = {"web": plan_for(world, *_KEY).environment.hosts["web"]}
    assert _answering(world, hosts=web) == [
        f"http://10.0.0.{number}:8000" for number in range(3)
    ]


def test_address_that_nobody_knows_yet_is_not_said(world):
    """A host that is still to be made has none."""
    world.records.keep_environment("demo", addresses={})
    assert _answering(world) == []


def test_show_names_the_page_of_the_report(world):
    """Where it is, as long as it is there."""
    record = started(world)
    page = world.opts["cachedir"] + f"/holodeck/reports/{record['id']}.html"
    assert views.show(world, record["id"])["report"] == page
    Path(page).unlink()
    assert "report" not in views.show(world, record["id"])


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
