"""One host without a balancer: systemd holds its connections through a switch."""

import urllib.request

import pytest

from probe import Probe

pytestmark = pytest.mark.integration
_SOLO = """
    solo:
      hosts:
        web: {profile: local-small, count: 1}
        tester: {profile: local-small, count: 1}
        builder: {profile: local-builder, count: 1}
      cidr: %s.0/24
      services:
        guestbook:
          settings: {GUESTBOOK_SECRET: only-for-this-demo}
          allow_writes: true
"""


@pytest.fixture(scope="module")
def solo(world):
    """The environment `solo`, with main released."""
    example = world.lab.home / "pillar/holodeck/example.sls"
    text = example.read_text()
    socket = text.replace(
        "      port: 8000\n", "      port: 8000\n      socket: true\n"
    )
    example.write_text(socket + _SOLO % world.lab.prefix)
    try:
        code, data = _release(world, "main")
        assert code == 0, data
        yield world
    finally:
        world.runner("destroy", "solo")
        example.write_text(text)


def _release(world, branch):
    return world.runner("release", "guestbook", f"commit={branch}", "env=solo")


def _url(world):
    return f"http://{world.lab.nodes()['solo-web1']['private_ips'][0]}:8000"


def test_switch_of_the_only_host_refuses_no_connection(solo):
    """While the only host switches, requests wait and none fails."""
    with Probe(_url(solo)) as probe:
        code, data = _release(solo, "next")
    assert code == 0, data
    assert not probe.tally.failed
    assert set(probe.tally.commits) == {solo.commit("main"), solo.commit("next")}


@pytest.mark.parametrize("branch", ["broken", "crash"])
def test_bad_commit_on_the_only_host_goes_back(solo, branch):
    """What fails goes back by itself, and the host serves the last good commit."""
    good = solo.runner("history", "guestbook", "env=solo")[1]["history"]
    good = next(row["commit"] for row in good if row["status"] == "good")
    code, data = _release(solo, branch)
    assert (code, data["release"]["status"]) == (1, "bad")
    with urllib.request.urlopen(f"{_url(solo)}/healthz") as answer:
        assert answer.headers["X-Holodeck-Commit"] == good
    [place] = solo.runner("status", "guestbook", "solo")[1]["status"]
    assert place["agree"]
