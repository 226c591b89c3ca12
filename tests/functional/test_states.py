"""The states, loaded by Salt, on a host whose modules are data."""

# ruff: noqa: ARG002, ARG005 -- fakes take what the real ones take

from pathlib import Path

import pytest
import salt.config
import salt.loader
from salt.exceptions import CommandExecutionError, SaltInvocationError

from holodeck import names

_PACK = Path(__file__).parents[2]
OLD, NEW = "0" * 40, "1" * 40
CONFIG = "c" * 12
LAYERS = [{"package": "holodeck-deps-1"}, {"package": "holodeck-guestbook-1"}]


class Host:
    """What a host has, and which calls changed it."""

    def __init__(self):
        self.packages = set()
        self.bundles = {}
        self.deployments = set()
        self.current = None
        self.fault = None
        self.damage = []
        self.changed = []
        self.error = None

    def functions(self):
        """Return the execution modules' functions, as states call them."""
        return {
            "bundle.missing": self._missing,
            "bundle.install": self._install,
            "bundle.list": lambda name: dict(self.bundles),
            "bundle.prune": self._prune,
            "webapp.current": self._current,
            "webapp.status": self._status,
            "webapp.has": lambda name, deployment: deployment in self.deployments,
            "webapp.wanted": lambda name, commit: names.deployment(commit, CONFIG),
            "webapp.switch": self._switch,
            "webapp.remove": self._remove,
            "webapp.platform": lambda: "Debian 12 x86_64",
        }

    def _change(self, what):
        self.changed.append(what)
        if self.error:
            raise self.error

    def _missing(self, name, commit, layers):
        return [x["package"] for x in layers if x["package"] not in self.packages]

    def _install(self, name, commit, layers, provenance, signature):
        self._change(f"install {commit}")
        self.packages |= {layer["package"] for layer in layers}

    def _prune(self, name, keep):
        self._change("prune")
        current = self.current[:12] if self.current else None
        self.bundles[name] = [
            c for c in self.bundles[name] if c in keep or c[:12] == current
        ]

    def _current(self, name):
        if self.current is None:
            return None
        commit, config = self.current.split("-")
        full = OLD if OLD.startswith(commit) else NEW
        return {"commit": full, "config": config}

    def _status(self):
        services = {}
        if self.current:
            services["guestbook"] = {
                "deployment": self.current,
                "fault": self.fault,
                "changed": self.damage,
            }
        return {"services": services}

    def _switch(self, name, commit, deployment, timeout_s):
        self._change(f"switch {deployment}")
        self.current = deployment or names.deployment(commit, CONFIG)
        self.deployments.add(self.current)
        self.fault = None
        self.damage = []

    def _remove(self, name):
        self._change("remove")
        self.current = None


@pytest.fixture
def host():
    """A host with nothing on it."""
    return Host()


@pytest.fixture
def apply(host, tmp_path):
    """Apply a state through Salt's loader; ``test=True`` is test mode."""
    opts = salt.config.minion_config(None)
    opts.update(
        root_dir=str(tmp_path),
        module_dirs=[str(_PACK / "salt")],
        utils_dirs=[str(_PACK / "_utils")],
        file_client="local",
        grains={},
    )

    def applied(function, *arguments, test=False, **options):
        opts["test"] = test
        states = salt.loader.states(opts, host.functions(), {}, {})
        return states[function](*arguments, **options)

    return applied


def _here(host, commit=OLD, config=CONFIG):
    host.current = names.deployment(commit, config)
    host.deployments.add(host.current)


def _bundles(host):
    host.bundles["guestbook"] = [OLD, NEW]


# state, arguments, what the host has before
_CASES = {
    "install": (("bundle.installed", "guestbook", NEW, LAYERS), lambda host: None),
    "install one layer": (
        ("bundle.installed", "guestbook", NEW, LAYERS),
        lambda host: host.packages.add("holodeck-deps-1"),
    ),
    "remove bundles": (("bundle.absent", "guestbook"), _bundles),
    "remove bundles but one": (("bundle.absent", "guestbook", [OLD]), _bundles),
    "deploy first": (("webapp.deployed", "guestbook", NEW), lambda host: None),
    "deploy next": (("webapp.deployed", "guestbook", NEW), _here),
    "deploy released": (
        ("webapp.deployed", "guestbook", NEW, names.deployment(NEW, "d" * 12)),
        lambda host: host.deployments.add(names.deployment(NEW, "d" * 12)),
    ),
    "heal": (
        ("webapp.deployed", "guestbook", OLD),
        lambda host: (_here(host), setattr(host, "fault", "it is dead")),
    ),
    "remove": (("webapp.absent", "guestbook"), _here),
}


@pytest.fixture(params=_CASES)
def case(request, host):
    """One state with a host that it has to change."""
    call, prepare = _CASES[request.param]
    prepare(host)
    return call


def test_state_twice_changes_nothing_more(case, host, apply):
    """The first run changes the host; the second finds nothing to do."""
    first = apply(*case)
    assert first["result"] is True
    assert first["changes"]
    host.changed.clear()
    second = apply(*case)
    assert (second["result"], second["changes"]) == (True, {})
    assert host.changed == []


def test_state_test_mode_tells_and_touches_nothing(case, host, apply):
    """Test mode reports the changes of the real run, and makes none of them."""
    planned = apply(*case, test=True)
    assert host.changed == []
    assert planned["result"] is None
    assert "would be" in planned["comment"]
    done = apply(*case)
    assert planned["changes"] == done["changes"]
    assert apply(*case, test=True)["result"] is True


@pytest.mark.parametrize(
    "error", [CommandExecutionError("no disk"), SaltInvocationError("bad commit")]
)
def test_state_error_is_a_failed_result(case, host, apply, error):
    """What goes wrong is said in a failed result, never raised through Salt."""
    host.error = error
    result = apply(*case)
    assert result["result"] is False
    assert result["changes"] == {}
    assert result["comment"].startswith("Could not ")
    assert str(error) in result["comment"]


@pytest.mark.parametrize(
    "state", [("bundle.installed", "guestbook", NEW, LAYERS),
              ("webapp.deployed", "guestbook", NEW)], ids=["bundle", "service"],
)  # fmt: skip
def test_state_leaves_a_new_host_of_another_system_alone(state, host, apply):
    """What was built for another system would fail there; a release builds it anew."""
    result = apply(*state, platform="Debian 11 x86_64")
    assert (result["result"], result["changes"], host.changed) == (True, {}, [])
    assert "was built for Debian 11 x86_64" in result["comment"]
    assert apply(*state, platform="Debian 12 x86_64")["changes"]


def test_installed_names_each_missing_package(host, apply):
    """Only the layers that are missing count as changes."""
    host.packages.add("holodeck-deps-1")
    result = apply("bundle.installed", "guestbook", NEW, LAYERS)
    assert list(result["changes"]) == ["holodeck-guestbook-1"]


def test_absent_never_removes_the_bundle_that_runs(host, apply):
    """The commit that is current stays, whatever was asked."""
    _bundles(host)
    _here(host, OLD)
    result = apply("bundle.absent", "guestbook")
    assert list(result["changes"]) == [NEW]
    assert host.bundles["guestbook"] == [OLD]


def test_deployed_leaves_a_released_configuration_alone(host, apply):
    """A changed pillar reaches a host by a release alone, not by highstate."""
    released = names.deployment(OLD, "d" * 12)
    _here(host, OLD, "d" * 12)
    result = apply("webapp.deployed", "guestbook", OLD, released)
    assert (result["result"], result["changes"]) == (True, {})
    assert result["comment"] == "guestbook is already at 000000000000."


def test_deployed_new_host_takes_the_pillar(host, apply):
    """A host that never had the released deployment gets what pillar says now."""
    released = names.deployment(OLD, "d" * 12)
    result = apply("webapp.deployed", "guestbook", OLD, released)
    assert result["changes"]["guestbook"]["new"] == names.deployment(OLD, CONFIG)
    assert host.changed == ["switch None"]


@pytest.mark.parametrize("test", [True, False])
def test_deployed_leaves_a_release_alone(host, apply, test):
    """A highstate in the middle of a release switches nothing, however things are."""
    _here(host)
    host.fault = "it is drained"
    result = apply("webapp.deployed", "guestbook", NEW, test=test, busy=True)
    assert (result["result"], result["changes"]) == (True, {})
    assert result["comment"] == "guestbook is being released; left alone."
    assert host.changed == []


def test_deployed_healing_shows_what_was_wrong(host, apply):
    """A service that is at its commit but not healthy is switched again."""
    _here(host)
    host.fault = "the unit is failed"
    result = apply("webapp.deployed", "guestbook", OLD)
    assert result["changes"] == {
        "guestbook": {"old": "the unit is failed", "new": "healthy"}
    }


def test_deployed_mends_files_that_somebody_changed(host, apply):
    """A setting edited on the host by hand is put back as it was released."""
    _here(host)
    host.damage = ["environment"]
    result = apply("webapp.deployed", "guestbook", OLD)
    assert result["changes"] == {"guestbook": {"old": "environment", "new": "healthy"}}
    assert apply("webapp.deployed", "guestbook", OLD)["changes"] == {}


def test_deployed_leaves_alone_what_it_could_not_mend(host, apply):
    """Of a configuration that pillar no longer makes only the digests are known."""
    released = names.deployment(OLD, "d" * 12)
    _here(host, OLD, "d" * 12)
    host.damage = ["environment"]
    assert apply("webapp.deployed", "guestbook", OLD, released)["changes"] == {}
    assert host.changed == []
