"""Deployments on disk: whole or absent, switched at once, private."""

# ruff: noqa: ARG005 -- fakes take what the real ones take

import json
from pathlib import Path

import pytest

from holodeck import names, units
from holodeck_io import files, systemd
from holodeck_io.errors import HolodeckError
from holodeck_webapp import deployments, health

OLD, NEW = "0" * 40, "1" * 40


class Systemd:
    """Remembers what systemd was told; ``running`` is what its processes have read."""

    def __init__(self, monkeypatch):
        self.told = []
        self.running = {}
        for verb in ("reload", "restart", "stop"):
            monkeypatch.setattr(systemd, verb, getattr(self, verb))

    def reload(self):
        """Units are read anew."""
        self.told.append("reload")

    def restart(self, names_, sockets=(), moved=()):
        """Each process starts with the environment that is current now."""
        self.told.append("restart " + " ".join([*names_, *sockets]))
        self.told += [f"move {unit}" for unit in moved]
        for unit in names_:
            assert (systemd.UNITS / unit).resolve().is_file()
            text = (systemd.UNITS / unit).resolve().parents[1] / "environment"
            self.running[unit] = text.read_text()
        return 7.5

    def stop(self, names_):
        """Each process ends."""
        self.told.append("stop " + " ".join(names_))
        for unit in names_:
            self.running.pop(unit, None)


@pytest.fixture
def host(tmp_path, monkeypatch):
    """An empty host: its folders below tmp_path, its systemd a notebook."""
    for name in ("PREFIX", "CONFIG"):
        monkeypatch.setattr(names, name, str(tmp_path / name.lower()))
    monkeypatch.setattr(systemd, "UNITS", tmp_path / "systemd")
    monkeypatch.setattr(systemd, "_WANTS", tmp_path / "systemd" / "wants")
    for commit in (OLD, NEW):
        Path(names.bundle_root("guestbook", commit)).mkdir(parents=True)
    return Systemd(monkeypatch)


def _deployment(
    commit=OLD, greeting="hello", processes=("web",), service="guestbook", **more
):
    return units.Deployment(
        service=service,
        environment="demo",
        commit=commit,
        config=greeting.ljust(12, "0"),
        health="/",
        processes=dict.fromkeys(processes, "gunicorn app"),
        **{"port": 8000, **more},
        settings={"GREETING": greeting, "SECRET": "hunter2"},
        files={"key.pem": "hunter3"},
    )


def _put(deployment):
    deployments.write(deployment)
    summary = deployments.summary(deployment.service, deployment.name)
    return deployments.activate(summary, deployment.name)


def _current():
    """Return the deployment that ``current`` leads to, which must be whole."""
    home = Path(names.CONFIG, "guestbook", "current").resolve()
    there = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    wanted = json.loads((home / "deployment.json").read_text())["units"]
    expected = {"deployment.json", "digests.json", "environment", "files/key.pem"}
    assert there == expected | {f"units/{unit}" for unit in wanted}
    return home.name


def test_write_is_private_to_root(host):
    """No folder or file of a deployment can be read by another user."""
    deployments.write(_deployment())
    home = Path(names.CONFIG, "guestbook")
    for path in [home, *home.rglob("*")]:
        wanted = 0o700 if path.is_dir() else 0o600
        assert path.stat().st_mode & 0o777 == wanted, path


def test_write_again_leaves_it_alone(host):
    """A deployment never changes once it is written."""
    deployments.write(_deployment())
    file = Path(_deployment().folder, "environment")
    before = file.stat()
    deployments.write(_deployment())
    assert file.stat() == before


def test_write_after_a_cut_starts_anew(host, monkeypatch):
    """What a killed write left behind is neither used nor in the way."""
    real = files.write_atomic
    _cut(monkeypatch, files, "write_atomic", 3)
    with pytest.raises(_PowerLoss):
        deployments.write(_deployment())
    assert deployments.existing("guestbook") == []
    monkeypatch.setattr(files, "write_atomic", real)
    _put(_deployment())
    assert _current() == _deployment().name


def test_activate_links_units_and_both_currents(host):
    """After a switch units, configuration and bundle are those of the new commit."""
    _put(_deployment(OLD))
    assert _put(_deployment(NEW)) == 7.5, "the moment of the new processes"
    assert _current() == _deployment(NEW).name
    assert Path(names.PREFIX, "guestbook", "current").readlink() == Path(NEW)
    unit = systemd.UNITS / "holodeck-guestbook.web.service"
    assert NEW in unit.read_text()
    assert (systemd.UNITS / "wants" / unit.name).resolve() == unit.resolve()
    assert host.told[-2:] == ["reload", "restart holodeck-guestbook.web.service"]


def test_activate_stops_processes_that_are_gone(host):
    """A process that the new deployment does not have is stopped and unlinked."""
    _put(_deployment(OLD, processes=("web", "worker")))
    _put(_deployment(NEW))
    assert "stop holodeck-guestbook.worker.service" in host.told
    assert deployments._linked("guestbook") == ["holodeck-guestbook.web.service"]
    assert list(host.running) == ["holodeck-guestbook.web.service"]


def test_activate_leaves_other_services_alone(host):
    """``guestbook`` never touches the units of ``guestbook-2``."""
    Path(names.bundle_root("guestbook-2", OLD)).mkdir(parents=True)
    _put(_deployment(service="guestbook-2"))
    _put(_deployment())
    deployments.remove("guestbook")
    assert list(host.running) == ["holodeck-guestbook-2.web.service"]
    assert deployments._linked("guestbook-2") == ["holodeck-guestbook-2.web.service"]


def test_activate_without_bundle_changes_nothing(host):
    """A bundle that is not installed is refused before any link moves."""
    _put(_deployment(OLD))
    with pytest.raises(HolodeckError, match="is not installed; install it first"):
        _put(_deployment("2" * 40))
    assert _current() == _deployment(OLD).name


class _PowerLoss(BaseException):
    """Everything stops here."""


def _cut(monkeypatch, module, name, after):
    """Let ``module.name`` work ``after`` times, and then end everything."""
    real, calls = getattr(module, name), []

    def counted(*args, **options):
        calls.append(args)
        if len(calls) > after:
            raise _PowerLoss
        return real(*args, **options)

    monkeypatch.setattr(module, name, counted)


_CUTS = [
    (module, name, after)
    for module, name, times in (
        (files, "link_atomic", 4), (systemd, "link", 2), (systemd, "stop", 1),
        (systemd, "unlink", 1), (systemd, "reload", 1), (systemd, "restart", 1),
    )
    for after in range(times)
]  # fmt: skip


@pytest.mark.parametrize(
    ("module", "name", "after"), _CUTS, ids=[f"{n}{a}" for _, n, a in _CUTS]
)
def test_activate_cut_anywhere_is_whole_and_converges(
    host, monkeypatch, module, name, after
):
    """A kill at any step leaves a whole deployment, and doing it again ends well."""
    _put(_deployment(OLD, processes=("web", "worker")))
    with monkeypatch.context() as patch:
        _cut(patch, module, name, after)
        with pytest.raises(_PowerLoss):
            _put(_deployment(NEW, processes=("web", "mail")))
    assert _current() in {_deployment(OLD).name, _deployment(NEW).name}
    _put(_deployment(NEW, processes=("web", "mail")))
    assert _current() == _deployment(NEW).name
    assert sorted(host.running) == [
        "holodeck-guestbook.mail.service", "holodeck-guestbook.web.service",
    ]  # fmt: skip
    assert all(NEW in text for text in host.running.values())


def test_fault_old_configuration_of_the_same_commit(host, monkeypatch):
    """A kill between link and restart is seen even when the commit is the same."""
    _put(_deployment(OLD, "hello"))
    with monkeypatch.context() as patch:
        _cut(patch, systemd, "restart", 0)
        with pytest.raises(_PowerLoss):
            _put(_deployment(OLD, "goodbye"))
    started = dict(
        line.replace('"', "").split("=", 1)
        for line in host.running["holodeck-guestbook.web.service"].splitlines()
    )
    assert started["GREETING"] == "hello"
    monkeypatch.setattr(health, "_http_fault", lambda port, path: None)
    monkeypatch.setattr(systemd, "environment", lambda pid: started)
    seen = {"holodeck-guestbook.web.service": {"ActiveState": "active", "MainPID": 1}}
    summary = deployments.summary("guestbook", deployments.current("guestbook"))
    assert health.fault(summary, seen) is not None


def test_prune_keeps_current_and_wanted(host):
    """Only what is neither current nor to be kept goes."""
    for greeting in ("a", "b", "c", "d"):
        _put(_deployment(greeting=greeting))
    keep = _deployment(greeting="b").name
    gone = deployments.prune("guestbook", [keep])
    assert gone == sorted(_deployment(greeting=g).name for g in "ac")
    assert deployments.existing("guestbook") == sorted([keep, _current()])


def test_prune_cut_off_leaves_nothing_half(host, monkeypatch):
    """A deployment whose removal was cut off is written anew when it is wanted."""
    _put(_deployment(OLD))
    _put(_deployment(NEW))
    doomed = Path(_deployment(OLD).folder)

    def half(path, **options):
        Path(path, "deployment.json").unlink()
        raise _PowerLoss

    with monkeypatch.context() as patch:
        patch.setattr(deployments.shutil, "rmtree", half)
        with pytest.raises(_PowerLoss):
            deployments.prune("guestbook", [])
    deployments.write(_deployment(OLD))
    assert (doomed / "deployment.json").is_file()


def test_remove_leaves_nothing_but_bundles(host):
    """A removed service has no unit, no configuration, no process; data stays."""
    _put(_deployment())
    assert deployments.remove("guestbook") is True
    assert host.running == {}
    assert [path for path in systemd.UNITS.rglob("*") if not path.is_dir()] == []
    assert not Path(names.CONFIG, "guestbook").exists()
    assert Path(names.bundle_root("guestbook", OLD)).is_dir()
    assert deployments.remove("guestbook") is False


@pytest.mark.parametrize("step", ["stop", "unlink", "reload"])
def test_remove_cut_anywhere_converges(host, monkeypatch, step):
    """A removal that was cut off is finished by the next one."""
    _put(_deployment())
    with monkeypatch.context() as patch:
        _cut(patch, systemd, step, 0)
        with pytest.raises(_PowerLoss):
            deployments.remove("guestbook")
    assert deployments.current("guestbook") is not None
    assert deployments.remove("guestbook") is True
    assert host.running == {}


def test_summary_holds_no_secret(host):
    """What status and records show is free of settings and files."""
    deployments.write(_deployment())
    shown = json.dumps(deployments.summary("guestbook", _deployment().name))
    assert "hunter" not in shown


def test_summary_unknown_deployment_names_those_there_are(host):
    """A deployment that is not here is refused with the ones that are."""
    deployments.write(_deployment())
    with pytest.raises(HolodeckError, match=f"there are {_deployment().name} of"):
        deployments.summary("guestbook", "nothing")


_HARM = {
    "edited": lambda home: (home / "environment").write_text("GREETING=bye\n"),
    "emptied": lambda home: (home / "environment").write_text(""),
    "unit edited": lambda home: next(home.glob("units/*")).write_text("[Service]\n"),
    "removed": lambda home: (home / "files/key.pem").unlink(),
    "added": lambda home: (home / "files/more").write_text("x"),
    "digests damaged": lambda home: (home / "digests.json").write_text("{"),
}


@pytest.mark.parametrize("harm", _HARM)
def test_differences_names_the_file_and_write_mends_it(host, harm):
    """A file that somebody changed is named, and written again as it was."""
    deployment = _deployment()
    deployments.write(deployment)
    home = Path(deployment.folder)
    before = {p: p.read_bytes() for p in home.rglob("*") if p.is_file()}
    assert deployments.differences("guestbook", deployment.name) == []
    _HARM[harm](home)
    [name] = deployments.differences("guestbook", deployment.name)
    assert name in {
        "environment", "files/key.pem", "files/more", "digests.json",
        "units/holodeck-guestbook.web.service",
    }  # fmt: skip
    deployments.write(deployment)
    assert {p: p.read_bytes() for p in home.rglob("*") if p.is_file()} == before
    assert deployments.differences("guestbook", deployment.name) == []


_SOCKET = "holodeck-guestbook.web.socket"


def test_differences_of_a_deployment_without_digests_are_none(host):
    """What was written before digests were kept is not called changed for ever."""
    deployment = _deployment()
    deployments.write(deployment)
    (Path(deployment.folder) / "digests.json").unlink()
    assert deployments.differences("guestbook", deployment.name) == []


def test_socket_is_linked_and_started_with_its_service(host):
    """Where systemd listens, the socket is a unit of the deployment like any other."""
    _put(_deployment(OLD, socket=True))
    assert host.told[-1] == f"restart holodeck-guestbook.web.service {_SOCKET}"
    assert "ListenStream=8000\n" in (systemd.UNITS / _SOCKET).read_text()
    host.told.clear()
    _put(_deployment(NEW, socket=True))
    assert not [told for told in host.told if told.startswith(("stop", "move"))]


def test_socket_that_listens_elsewhere_is_moved(host):
    """A new port takes the socket down and up; nothing else does."""
    _put(_deployment(OLD, socket=True))
    _put(_deployment(NEW, socket=True, port=8001))
    assert host.told[-1] == f"move {_SOCKET}"


def test_socket_ends_with_the_last_deployment_that_has_one(host):
    """A version without a socket, or a removal, leaves none behind that listens."""
    _put(_deployment(OLD, socket=True))
    _put(_deployment(NEW))
    assert f"stop {_SOCKET}" in host.told
    assert not (systemd.UNITS / _SOCKET).is_symlink()
    _put(_deployment(OLD, socket=True))
    deployments.remove("guestbook")
    assert host.told[-2] == f"stop holodeck-guestbook.web.service {_SOCKET}"
    assert systemd.linked("holodeck-*") == []
