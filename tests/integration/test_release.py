"""Releases on real hosts, under a steady load."""

import os
import re
import signal
import subprocess
import time
import urllib.request

import pyte
import pytest

from probe import Probe

pytestmark = pytest.mark.integration


def test_first_release_creates_the_hosts_and_serves(first, at_main):
    """One command brings a service from nothing to a page behind the balancer."""
    code, record = first
    assert (code, record["status"]) == (0, "good")
    commit = at_main.commit("main")
    with urllib.request.urlopen(f"{at_main.url}/healthz") as answer:
        assert answer.headers["X-Holodeck-Commit"] == commit
    assert {row["commit"] for row in at_main.hosts().values()} == {commit}


def test_every_host_holds_the_same_bytes(at_main):
    """Each host's own digests equal those of the release's record."""
    release = at_main.history()[0]["id"]
    record = at_main.runner("show", release)[1]["show"]
    expected = {x["root"]: x["tree"] for x in record["bundle"]["layers"]}
    words = ("guestbook", record["commit"])
    for name in ("demo-web1", "demo-web2", "demo-web3"):
        proof = at_main.salt(name, "bundle.verify", *words)[name]
        assert proof == {"ok": True, "differs": {}}
        held = at_main.salt(name, "bundle.show", *words)[name]["layers"]
        assert {layer["root"]: layer["tree"] for layer in held} == expected


def test_release_again_changes_nothing_and_says_so(at_main):
    """The same release a second time touches no host and leaves no record."""
    before = at_main.history()
    pids = _main_pids(at_main)
    assert "0" not in pids.values()
    code, record = at_main.release("main")
    assert (code, record["unchanged"]) == (0, True)
    assert at_main.history() == before
    assert _main_pids(at_main) == pids
    text = at_main.runner("release", "guestbook", "env=demo", out="holodeck")[1]
    assert "nothing was changed" in text


def test_good_release_costs_no_request(at_main):
    """Rolling a second commit over loses no request, kept or new connections."""
    with Probe(at_main.url) as probe:
        code, record = at_main.release("next")
        time.sleep(1)
    assert (code, record["status"]) == (0, "good")
    assert probe.tally.sent > 100
    assert not probe.tally.failed
    assert set(probe.tally.commits) == {at_main.commit("main"), at_main.commit("next")}


def test_terminal_has_a_row_for_each_host(at_main):
    """Who releases by hand sees hosts change in place, and one summary below them."""
    release = f"holodeck.release guestbook env=demo commit={at_main.commit('next')}"
    words = f"{at_main.lab.home / 'bin/salt-run'} {release}"
    done = subprocess.run(
        ["script", "--quiet", "--return", "--command", words, "/dev/null"],
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
        stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip
    screen = pyte.Screen(100, 300)
    pyte.ByteStream(screen).feed(done.stdout)
    text = "\n".join(screen.display)
    assert done.returncode == 0, text
    for number in (1, 2, 3):
        assert re.findall(rf"demo-web{number} .*", text) == [
            f"demo-web{number}  back in rotation".ljust(100 - 11)
        ]
    assert re.search(r"hold the same bytes[^=]*back in rotation[^=]*is good\.", text)
    assert b"waits" in done.stdout
    assert "waits" not in text


@pytest.mark.parametrize(
    ("branch", "reason"),
    [("broken", "The suite did not pass"), ("crash", "is not healthy")],
)
def test_bad_commit_never_meets_a_user(at_main, branch, reason):
    """A commit that fails gets no traffic, and its hosts go back by themselves."""
    with Probe(at_main.url) as probe:
        code, record = at_main.release(branch)
        time.sleep(1)
    assert (code, record["status"]) == (1, "bad")
    assert reason in record["reason"]
    # Both are told with the service's own words.
    assert re.search(r": \w+Error: ", record["reason"])
    assert not probe.tally.failed
    assert set(probe.tally.commits) == {at_main.commit("main")}
    assert not any(row["drift"] for row in at_main.hosts().values())


def test_rollback_brings_the_release_before_back(at_main):
    """One command returns to exactly the earlier bundle and configuration."""
    before = at_main.hosts()
    assert at_main.release("next")[0] == 0
    with Probe(at_main.url) as probe:
        code, data = at_main.runner("rollback", "guestbook", "env=demo")
    assert (code, data["rollback"]["kind"]) == (0, "rollback")
    assert at_main.hosts() == before
    assert at_main.history()[1]["status"] == "rolled-back"
    assert not probe.tally.failed


def test_changed_setting_is_released_like_a_commit(at_main):
    """The same commit with another setting rolls over and shows the new value."""
    example = at_main.lab.home / "pillar/holodeck/example.sls"
    text = example.read_text()
    example.write_text(text.replace("Welcome to the demo", "Welcome, whoever"))
    try:
        assert "unchanged" not in at_main.release("main")[1]
        page = urllib.request.urlopen(at_main.url).read().decode()
        assert "Welcome, whoever" in page
    finally:
        example.write_text(text)


def test_faulty_definition_names_the_path_and_the_rule(at_main):
    """A wrong value in pillar stops the release with path, value and rule."""
    example = at_main.lab.home / "pillar/holodeck/example.sls"
    text = example.read_text()
    example.write_text(text.replace("port: 8000", "port: 80000"))
    try:
        code, data = at_main.runner("release", "guestbook", "env=demo")
    finally:
        example.write_text(text)
    assert code == 1
    assert "services/guestbook/port: should be a whole number" in data["error"]


def test_second_release_at_once_is_refused(at_main):
    """While one release runs another of the same service is told by whom."""
    running = _start(at_main, "next")
    try:
        _wait_for_phase(running, "building|built before")
        code, data = at_main.runner("release", "guestbook", "commit=main", "env=demo")
    finally:
        running.communicate()
    assert code == 1
    assert "is being released since" in data["error"]
    assert running.returncode == 0


def test_killed_runner_leaves_what_the_next_release_mends(at_main):
    """SIGKILL in the middle costs no request, and the next release converges."""
    with Probe(at_main.url) as probe:
        running = _start(at_main, "next")
        _wait_for_phase(running, "demo-web2: out of rotation")
        running.kill()
        running.communicate()
        code, _ = at_main.release("next")
    assert code == 0
    assert at_main.history()[1]["status"] == "aborted"
    assert not any(row["drift"] for row in at_main.hosts().values())
    assert not probe.tally.failed


def test_secrets_stand_in_no_job_log_or_record(at_main):
    """What pillar keeps secret is nowhere in the master's caches, jobs or logs."""
    home = at_main.lab.home
    places = [home / "cache/jobs", home / "cache/holodeck", home / "master.log"]
    done = subprocess.run(
        ["grep", "-rl", "only-for-this-demo", *places],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout


def test_public_package_is_deployed_by_pillar_alone(at_main):
    """A lock, an ini file and a list of checks in pillar are a whole service."""
    code, record = at_main.release("", service="kinto")
    assert (code, record["status"]) == (0, "good")
    with urllib.request.urlopen(f"{at_main.url}:8888/v1/") as answer:
        assert b'"project_name":"kinto"' in answer.read()


def test_service_runs_hardened(at_main):
    """The processes have a user of their own, no capability and no new privilege."""
    pid = _main_pids(at_main)["demo-web1"]
    status = at_main.inside("demo-web1", "cat", f"/proc/{pid}/status").stdout
    assert int(re.search(r"^Uid:\s+(\d+)", status, re.MULTILINE)[1]) >= 61184
    assert re.search(r"^CapBnd:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)


def _main_pids(world):
    return {
        name: world.inside(
            name, "systemctl", "show", "--property=MainPID", "--value",
            "holodeck-guestbook.web.service",
        ).stdout.strip()
        for name in ("demo-web1", "demo-web2", "demo-web3")
    }  # fmt: skip


def _start(world, branch):
    return subprocess.Popen(
        [world.lab.home / "bin/salt-run", "holodeck.release", "guestbook",
         f"commit={world.commit(branch)}", "env=demo"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def _wait_for_phase(process, pattern):
    for line in process.stdout:
        if re.search(pattern, line):
            return
    raise AssertionError(f"{pattern} was never said")


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGHUP])
def test_interrupted_release_goes_back(at_main, sign):
    """Ctrl-C or a closed terminal brings every host back, and says so."""
    with Probe(at_main.url) as probe:
        running = _start(at_main, "next")
        _wait_for_phase(running, "demo-web2: out of rotation")
        running.send_signal(sign)
        text, _ = running.communicate()
    assert running.returncode == 1
    assert "is aborted: It was interrupted" in text
    assert "Exception occurred in runner" not in text
    assert not any(row["drift"] for row in at_main.hosts().values())
    assert not probe.tally.failed


@pytest.mark.parametrize(
    "words",
    [
        ["release", "guestbook", "enviroment=demo"],
        ["release"],
        ["release", "guestbook", "commit=", "env=demo"],
        ["status", "env=nowhere"],
        ["history", "guestbook", "env=demo", "limit=many"],
        ["rollback", "kinto", "env=nowhere"],
    ],
)
def test_wrong_call_says_why_and_exits_with_1(world, words):
    """A script that calls wrongly is told so by the exit code too."""
    code, data = world.runner(*words)
    assert code == 1
    assert data["kind"] == "error"


def test_new_service_reaches_standing_balancers(at_main):
    """A service added to pillar is released without touching a balancer by hand."""
    extra = at_main.lab.home / "pillar/holodeck/kinto/init.sls"
    text = extra.read_text()
    extra.write_text(text.replace("'*:8888'", "'*:8889'"))
    try:
        assert at_main.release("", service="kinto")[0] == 0
        with urllib.request.urlopen(f"{at_main.url}:8889/v1/") as answer:
            assert answer.status == 200
        assert not any(row["drift"] for row in at_main.hosts().values())
    finally:
        extra.write_text(text)
        at_main.release("", service="kinto")


def test_balancer_refuses_to_empty_its_pool(at_main):
    """A drain that leaves too few servers does nothing, and says who serves."""
    web = ["demo-web1", "demo-web2", "demo-web3"]
    words = ["balancer.drain", "guestbook", str(web), "floor=1"]
    [said] = at_main.salt("demo-balancer1", *words).values()
    assert "only 0 would serve, and 1 have to" in said
    assert {tuple(row["rotation"]) for row in at_main.hosts().values()} == {("UP",)}
