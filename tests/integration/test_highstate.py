"""Highstate and hosts that come, go, or were tampered with."""

import pytest
from waiting import until

pytestmark = pytest.mark.integration
WEB = ("demo-web1", "demo-web2", "demo-web3")


def test_highstate_after_a_release_changes_nothing(at_main):
    """Every host of the environment is as its highstate wants it."""
    for states in at_main.salt("*", "state.apply").values():
        assert [s["comment"] for s in states.values() if not s["result"]] == []
        assert [s["changes"] for s in states.values() if s["changes"]] == []


def test_highstate_starts_what_was_stopped(at_main):
    """A stopped service runs again, at the released commit; then nothing changes."""
    at_main.inside("demo-web2", "systemctl", "stop", "holodeck-guestbook.web")
    planned = _webapp(at_main, "demo-web2", "test=True")
    assert planned["result"] is None
    done = _webapp(at_main, "demo-web2")
    assert done["result"] is True
    assert done["changes"] == planned["changes"]
    assert _webapp(at_main, "demo-web2")["changes"] == {}
    assert not any(row["drift"] for row in at_main.hosts().values())


def test_highstate_never_applies_a_bad_commit(at_main):
    """After a failed release highstate keeps the last good one."""
    assert at_main.release("broken")[0] == 1
    assert _webapp(at_main, "demo-web1")["changes"] == {}
    assert at_main.hosts()["demo-web1"]["commit"] == at_main.commit("main")


def test_tampered_file_is_shown_and_mended(at_main):
    """An edited file of a bundle is drift to status, and repaired by highstate."""
    commit = at_main.commit("main")
    path = f"/opt/holodeck/guestbook/{commit}/lib/python3.11/site-packages/guestbook"
    at_main.inside("demo-web3", "sh", "-c", f"echo '# edited' >> {path}/app.py")
    code, _ = at_main.runner("status", "guestbook")
    assert code == 1
    assert "files differ" in at_main.hosts()["demo-web3"]["drift"][0]
    at_main.salt("demo-web3", "state.apply")
    assert at_main.hosts()["demo-web3"]["drift"] == []


def test_released_again_after_tampering_mends_it(at_main):
    """A release of what should be there already notices and repairs the bytes."""
    commit = at_main.commit("main")
    at_main.inside("demo-web1", "rm", f"/opt/holodeck/guestbook/{commit}/holodeck.json")
    code, record = at_main.release("main")
    assert (code, record.get("unchanged")) == (0, None)
    assert at_main.hosts()["demo-web1"]["drift"] == []


def test_host_comes_back_by_itself_after_a_power_loss(at_main):
    """A host that lost power serves the released commit after its start."""
    cloud = at_main.lab.cloud()
    cloud.action(fun="kill", names=["demo-web1"])
    code, data = at_main.runner("release", "guestbook", "commit=next", "env=demo")
    assert code == 1
    assert "demo-web1" in data["release"]["reason"]
    cloud.action(fun="start", names=["demo-web1"])
    # Its minion may take half a minute until it hears the master again.
    ping = ("salt", "--timeout=5", "demo-web1", "test.ping")
    until(lambda: "True" in at_main.lab.run(*ping, check=False).stdout, "a minion")
    code, record = at_main.release("main")
    assert code == 0, record["reason"]
    assert not any(row["drift"] for row in at_main.hosts().values())


def test_destroyed_host_is_made_again_and_joins(at_main):
    """A missing host is created, gets the last good release, and takes traffic."""
    at_main.lab.cloud().destroy(["demo-web3"])
    code, record = at_main.release("main")
    assert code == 0, record["reason"]
    row = at_main.hosts()["demo-web3"]
    assert (row["commit"], row["drift"]) == (at_main.commit("main"), [])


def test_old_releases_are_pruned_but_not_those_to_go_back_to(at_main):
    """Hosts keep as many releases as the definition says, and the current one."""
    for number in range(5):
        branch = f"change-{number}"
        at_main.repository.branch(
            branch, f"Change {number}",
            lambda n=number: at_main.repository.edit(
                "guestbook/templates/layout.html", "</title>", f" {n}</title>"
            ),
        )  # fmt: skip
        at_main.repository.push()
        assert at_main.release(branch)[0] == 0
    for name in WEB:
        kept = at_main.salt(name, "bundle.list", "guestbook")[name]["guestbook"]
        assert len(kept) == 3
        assert at_main.commit("change-4") in kept


def _webapp(world, host, *words):
    states = world.salt(host, "state.apply", *words)[host]
    return next(
        s for key, s in states.items() if key.startswith("webapp_|-holodeck-gu")
    )
