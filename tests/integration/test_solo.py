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
      cidr: PREFIX.0/24
      services:
        guestbook:
          settings: {GUESTBOOK_SECRET: only-for-this-demo}
          allow_writes: true
"""


def _listening(example):
    port = "      port: 8000\n"
    return example.replace(port, f"{port}      socket: true\n")


@pytest.fixture(scope="module")
def solo(world):
    """The environment `solo`, with main released."""
    with world.beside("solo", _SOLO, _listening):
        yield world


def _url(world):
    return f"http://{world.lab.nodes()['solo-web1']['private_ips'][0]}:8000"


def test_switch_of_the_only_host_refuses_no_connection(solo):
    """While the only host switches, requests wait and none fails."""
    with Probe(_url(solo)) as probe:
        code, record = solo.release("next", env="solo")
    assert code == 0, record
    assert not probe.tally.failed
    assert set(probe.tally.commits) == {solo.commit("main"), solo.commit("next")}


@pytest.mark.parametrize("branch", ["broken", "crash"])
def test_bad_commit_on_the_only_host_goes_back(solo, branch):
    """What fails goes back by itself, and the host serves the last good commit."""
    good = solo.runner("history", "guestbook", "env=solo")[1]["history"]
    good = next(row["commit"] for row in good if row["status"] == "good")
    code, record = solo.release(branch, env="solo")
    assert (code, record["status"]) == (1, "bad")
    with urllib.request.urlopen(f"{_url(solo)}/healthz") as answer:
        assert answer.headers["X-Holodeck-Commit"] == good
    [place] = solo.runner("status", "guestbook", "solo")[1]["status"]
    assert place["agree"]
