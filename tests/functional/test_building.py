"""What a builder answers is its own words: looked at before anybody acts on it."""

import pytest
from fake_cloud import clouded
from fake_fleet import NEW
from fake_world import opened, served, started

from holodeck import names
from holodeck_io.errors import HolodeckError
from holodeck_master import views


@pytest.fixture
def answered(fresh, monkeypatch):
    """Release with a builder whose answer is changed; return the record."""

    def released(change):
        real = fresh.fleet._bundle_build_all

        def build_all(host, **arguments):
            manifests = real(host, **arguments)
            change(manifests["guestbook"])
            return manifests

        monkeypatch.setattr(fresh.fleet, "_bundle_build_all", build_all)
        return started(fresh)

    return released


def _place(name, commit):
    """Let the answer be of another bundle, in that bundle's own place."""

    def change(manifest):
        manifest |= {"name": name, "commit": commit}
        manifest["layers"][0] |= {
            "root": names.bundle_root(name, commit),
            "package": names.app_package(name, commit),
        }

    return change


@pytest.mark.parametrize("root", ["/etc", "/opt/holodeck/guestbook/current", None])
def test_build_elsewhere_is_refused(answered, fresh, root):
    """A layer outside of its bundle's place stops the release before any host."""
    record = answered(lambda manifest: manifest["layers"][0].update(root=root))
    assert record["status"] == "bad"
    assert "which is no place of it; look at that builder" in record["reason"]
    assert not [step for step in fresh.fleet.steps if step.startswith("stage")]


@pytest.mark.parametrize(
    ("name", "commit"), [("kinto", NEW), ("guestbook", "9" * 40)],
    ids=["other service", "other commit"],
)  # fmt: skip
def test_build_of_another_bundle_is_refused(answered, fresh, name, commit):
    """An answer that is of another service or commit than was asked for is none."""
    record = answered(_place(name, commit))
    assert "look at that builder" in record.get("reason", "")
    assert not [step for step in fresh.fleet.steps if step.startswith("stage")]


def test_history_tells_a_dead_runner(world):
    """A record that still says running, while no lock is held, is of a dead runner."""
    record = world.records.begin("guestbook", "demo", commit=NEW, kind="release")
    assert record["status"] == "running"
    [row, before] = views.history(world, "guestbook", "demo", "20")
    assert (row["status"], before["status"]) == ("dead", "good")
    assert row["reason"] == (
        "its runner died; holodeck.resume guestbook demo, or holodeck.abort"
    )


def test_release_of_a_lock_alone_has_one_commit(tmp_path):
    """A service without a repository takes its lock's digest for a commit, or none."""
    world = opened(tmp_path)
    service = world.definition.services["guestbook"]
    bare = type(service)(
        **{**vars(service), "repository": "", "requirements": "x --hash=y"}
    )
    world.definition.services["guestbook"] = bare
    with pytest.raises(HolodeckError, match="its lock alone says what it is"):
        started(world, "main")
    assert world.fleet.steps == []


def test_release_of_a_branch_makes_hosts_while_nobody_listens(tmp_path):
    """salt-cloud forks: a bus that is open then is a screen of warnings per child."""
    world = clouded(served(tmp_path))
    world.cloud.lose(["demo-web3"])
    record = started(world, "main")
    assert (record["status"], world.cloud.steps) == ("good", ["create web3"])
    assert world.fleet.dangers == []


def test_release_of_what_a_builder_cannot_fetch_names_the_builder(tmp_path):
    """It may be the master's own file: who did not reach it is said first."""
    world = opened(tmp_path)
    said = "cannot fetch /srv/shop: fatal: '/srv/shop' is no repository"
    fault = {"resolve main": said}
    world.fleet.fuse = lambda _: world.fleet.faults.update(fault)
    with pytest.raises(HolodeckError) as refused:
        started(world, "main")
    assert str(refused.value) == f"demo-builder1 {said}"
