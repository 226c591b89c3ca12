"""
The path that balancers check hosts by: no change of it takes down what serves.

The balancer is data that has the path of its own slice of pillar, as its state has.
"""

# ruff: noqa: ARG002 -- fakes take what the real ones take

import dataclasses
from pathlib import Path

import builder
import pytest
import web_server
from fake_fleet import NEW, OLD, THIRD, WEB, Killed, RefusedError
from fake_world import ORDER, newest, served, started

from holodeck import names, units
from holodeck_io.errors import HolodeckError
from holodeck_master import environments, fleet, pillar, release
from holodeck_webapp import deployments

_KEY = ("guestbook", "demo")
_OLD, _NEW = "/", "/new"


class Place:
    """A world with ``old`` in service, and what each commit answers."""

    def __init__(self, world, **answers):
        self.world, self.fleet = world, world.fleet
        self._answers = {OLD: {_OLD}, THIRD: {_OLD, _NEW}, NEW: {_NEW}, **answers}
        self._real = self.fleet._state_apply, self.fleet._balancer_ready
        self._all_serving = self.fleet._serving
        self.is_down = False
        self.highstate()
        for name in ("_state_apply", "_balancer_ready", "_serving", "_webapp_refusal"):
            setattr(self.fleet, name, getattr(self, name))

    def have(self, health):
        """Change pillar: the service has another path from now on."""
        services = self.world.definition.services
        service = dataclasses.replace(services["guestbook"], health=health)
        definition = dataclasses.replace(
            self.world.definition, services={"guestbook": service}
        )
        self.world = dataclasses.replace(self.world, definition=definition)

    def release(self, commit, health):
        """Release a commit with a path; it has to be good."""
        self.have(health)
        assert started(self.world, commit)["status"] == "good"

    def highstate(self):
        """Let the balancer have what its pillar says now."""
        found = pillar.slice_for(
            "demo-balancer1", self.world.definition, self.world.records, lambda *_: 0
        )
        self.path = found["services"]["guestbook"]["health"]

    def _state_apply(self, host, mods, queue):
        self._real[0](host, mods, queue)
        self.highstate()

    def _answers_it(self, host, path):
        return path in self._answers.get(self.fleet.hosts[host].commit, ())

    def _serving(self):
        up = [] if self.is_down else self._all_serving()
        return [host for host in up if self._answers_it(host, self.path)]

    def _balancer_ready(self, host, backend, servers, timeout_s):
        self._real[1](host, backend, servers, timeout_s)
        if not all(self._answers_it(server, self.path) for server in servers):
            raise RefusedError("not ready in time")

    def _webapp_refusal(self, host, name, path):
        is_well = self._answers_it(host, path)
        return None if is_well else f"GET {path} on port 8000 answers 404"


@pytest.fixture
def place(tmp_path):
    """The commit ``old`` in service: it answers the old path alone."""
    return Place(served(tmp_path))


def _rollback(place, to=""):
    return release.rollback(place.world, *_KEY, to, ORDER)


def _all_serve(place):
    assert place.fleet.dangers == []
    assert place.fleet._serving() == WEB


def test_release_of_a_path_that_what_serves_does_not_answer_is_refused(place):
    """One error names path, answer and hosts; nothing was changed, or is recorded."""
    place.fleet.applied.clear()
    place.have(_NEW)
    with pytest.raises(HolodeckError) as refused:
        started(place.world, OLD)
    assert str(refused.value).startswith(
        "Health of guestbook: what serves does not answer /new, and balancers would "
        "take it out (demo-web1, demo-web2, demo-web3: GET /new on port 8000 answers "
        "404). First release a commit that answers both paths, with the old `health`"
    )
    assert (place.fleet.applied, place.fleet.steps) == ([], [])
    assert newest(place.world)["id"] == "guestbook.demo.1"
    _all_serve(place)


def test_highstate_after_the_change_of_pillar_alone_changes_no_path(place):
    """Neither a balancer's highstate nor who else tells it brings an unasked path."""
    place.have(_NEW)
    place.highstate()
    _all_serve(place)
    environments.ensure(place.world, place.world.definition.environments["demo"])
    _all_serve(place)
    assert place.path == _OLD


def test_release_of_a_path_that_what_serves_answers_goes_through(place):
    """By way of a commit that answers both, a service changes its path under load."""
    place.release(THIRD, _OLD)
    place.release(NEW, _NEW)
    assert place.path == _NEW
    _all_serve(place)


def test_release_of_a_path_that_fails_goes_back(place):
    """What is brought back answers the new path too; pillar may have the old again."""
    place.release(THIRD, _OLD)
    place.fleet.faults["suite web2"] = "it broke"
    place.have(_NEW)
    assert started(place.world, NEW)["status"] == "bad"
    assert {host.commit for host in place.fleet.hosts.values()} == {THIRD}
    _all_serve(place)
    place.have(_OLD)
    assert started(place.world, THIRD)["unchanged"]
    assert place.path == _OLD
    _all_serve(place)


def test_release_of_a_path_asks_nobody_out_of_rotation(place):
    """A host that serves nobody holds up no release."""
    place.release(THIRD, _OLD)
    broken = place.fleet.hosts["demo-web2"]
    broken.rotation, broken.commit = False, OLD
    place.release(NEW, _NEW)
    _all_serve(place)


def test_release_of_a_path_asks_nobody_who_left_the_definition(place):
    """Its balancers are about to forget the host, whatever it answers."""
    place.release(THIRD, _OLD)
    real = place.fleet._balancer_status

    def status(host, backend="guestbook"):
        found = real(host, backend)
        found[backend]["gone-web9"] = {"status": "UP"}
        return found

    place.fleet._balancer_status = status
    place.release(NEW, _NEW)
    assert place.path == _NEW


def test_path_taken_while_nobody_served_goes_back_with_the_hosts(place):
    """What they miss comes back, and they serve by the path that they answer."""
    place.is_down = True
    place.fleet.faults["suite web2"] = "it broke"
    place.have(_NEW)
    assert started(place.world, NEW)["status"] == "bad"
    place.is_down = False
    assert place.path == _OLD
    assert place.fleet._serving() == WEB


@pytest.mark.parametrize(
    ("error", "lost"), [("is silent.", True), ("HAProxy: timed out", False)]
)
def test_release_of_a_path_without_an_answer_is_refused(place, error, lost):
    """A balancer that does not say to whom it sends gets no other path."""
    place.have(_NEW)
    real = place.fleet._reply

    def reply(host, function, arguments):
        if function == "balancer.status":
            return fleet.Reply(host, error=error, lost=lost)
        return real(host, function, arguments)

    place.fleet._reply = reply
    with pytest.raises(HolodeckError, match=f"demo-balancer1: {error}"):
        started(place.world, OLD)
    place.highstate()
    assert place.path == _OLD


def test_resume_goes_on_with_the_path(place):
    """The runner died after balancers were told; whoever resumes finds them so."""
    place.release(THIRD, _OLD)
    place.fleet.faults["drain web2"] = Killed()
    place.have(_NEW)
    with pytest.raises(Killed):
        started(place.world, NEW)
    place.fleet.dead = False
    assert release.resume(place.world, *_KEY)["status"] == "good"
    assert place.path == _NEW
    _all_serve(place)


def test_rollback_brings_the_old_path_back(place):
    """Where what serves answers it, balancers have the path of that time again."""
    place.release(THIRD, _OLD)
    place.release(THIRD, _NEW)
    record = _rollback(place, "guestbook.demo.1")
    assert (record["status"], record["health"]) == ("good", _OLD)
    assert place.path == _OLD
    _all_serve(place)


def test_rollback_keeps_the_path_that_what_serves_alone_answers(place):
    """Nobody in a hurry is refused: what it goes back to answers the new path too."""
    place.release(THIRD, _OLD)
    place.release(NEW, _NEW)
    record = _rollback(place)
    assert (record["status"], record["to"]) == ("good", "guestbook.demo.2")
    assert place.path == _NEW
    _all_serve(place)


def test_rollback_to_what_answers_no_common_path_leaves_all_as_it_was(place):
    """It fails on the first hosts, which come back; the others serve all the time."""
    place.release(THIRD, _OLD)
    place.release(THIRD, _NEW)
    place.release(NEW, _NEW)
    assert _rollback(place, "guestbook.demo.1")["status"] == "bad"
    assert {host.commit for host in place.fleet.hosts.values()} == {NEW}
    _all_serve(place)


def test_suite_waits_for_the_path_of_the_release_that_it_tests(place):
    """After the change of pillar a rollback is tested by the path of its own time."""
    place.release(THIRD, _OLD)
    place.release(THIRD, _NEW)
    real, asked = place.fleet._webtest_run, set()

    def run(host, **arguments):
        asked.add(arguments["ready"])
        return real(host, **arguments)

    place.fleet._webtest_run = run
    _rollback(place)
    assert asked == {_OLD}


def test_path_of_balancers_that_nobody_noted_is_asked_for(place):
    """Records of an older pack have no path; a changed one is asked for by anybody."""
    place.world.records.keep_environment("demo", health={})
    place.have(_NEW)
    with pytest.raises(HolodeckError, match="demo-web3: GET /new"):
        environments.ensure(place.world, place.world.definition.environments["demo"])
    _all_serve(place)


def test_host_says_how_it_answers_another_path(tmp_path, monkeypatch):
    """What runs is asked, by its own port: nothing for a 2xx, else what it answers."""
    monkeypatch.setattr(names, "CONFIG", str(tmp_path / "config"))

    def app(environ, start):
        is_new = environ["PATH_INFO"] == _NEW
        start("204 No Content" if is_new else "404 Not Found", [])
        return []

    with web_server.serving(app) as server:
        port = server.server_port
        deployment = units.Deployment(
            service="guestbook", environment="demo", commit=OLD, config="c" * 12,
            port=port, health="/", processes={"web": "x"}, settings={}, files={},
        )  # fmt: skip
        deployments.write(deployment)
        current = Path(names.CONFIG, "guestbook", "current")
        current.symlink_to(deployment.name)
        refusal = builder.functions(tmp_path)["webapp.refusal"]
        assert refusal("guestbook", _NEW) is None
        words = f"GET /other on port {port} answers 404"
        assert refusal("guestbook", "/other") == words


def test_release_of_the_same_says_which_balancers_it_told(place):
    """It changed no host; but what it told a balancer may have ended an outage."""
    assert started(place.world, OLD)["told"] == []
    place.world.records.keep_environment("demo", balancers={})
    record = started(place.world, OLD)
    assert (record["unchanged"], record["told"]) == (True, ["demo-balancer1"])


def test_release_that_ends_with_nobody_in_service_says_so(place):
    """A bad release names the balancers that have nobody left to send to."""
    place.fleet.faults["suite web1"] = "it broke"
    assert started(place.world, THIRD)["unserved"] == {}
    place.path, place.fleet.in_service = "/nowhere", False
    place.fleet.faults["build new"] = "it broke"
    record = started(place.world, NEW)
    assert record["unserved"] == {"demo-balancer1": "3 of 3 servers are DOWN"}
