"""Deployments on disk: written whole, switched by one rename, pruned."""

import contextlib
import hashlib
import json
import shutil
from pathlib import Path

from holodeck import names, units
from holodeck_io import files, lock, systemd
from holodeck_io.errors import HolodeckError

_DIGESTS = "digests.json"


def write(deployment):
    """
    Write a deployment's folder, complete and durable, or not at all.

    One that is there is left alone, but for the files that somebody changed.
    """
    folder = Path(deployment.folder)
    texts = _texts(deployment)
    if (folder / "deployment.json").is_file():
        _mend(folder, texts)
        return
    _make_private(folder.parent)
    staging = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(staging, ignore_errors=True)
    _write_all(staging, texts)
    staging.chmod(0o700)
    staging.rename(folder)
    files.sync_folder(folder.parent)


def _texts(deployment):
    texts = units.contents(deployment)
    digests = {name: _sha256(text.encode()) for name, text in texts.items()}
    return {**texts, _DIGESTS: json.dumps(digests, indent=2) + "\n"}


def _write_all(folder, texts):
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write_atomic(path, text, mode=0o600)


def _mend(folder, texts):
    found = _digests(folder)
    changed = {n: t for n, t in texts.items() if found.get(n) != _sha256(t.encode())}
    _write_all(folder, changed)
    for name in set(found) - set(texts):
        (folder / name).unlink()


def differences(service, deployment):
    """Return the files of a deployment that are not as they were written, sorted."""
    folder = Path(names.CONFIG, service, deployment)
    found = _digests(folder)
    try:
        wanted = json.loads((folder / _DIGESTS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        # Written before digests were kept.
        return []
    except ValueError:
        return [_DIGESTS]
    found.pop(_DIGESTS)
    changed = {
        name for name in {*wanted, *found} if wanted.get(name) != found.get(name)
    }
    return sorted(changed)


def _digests(folder):
    """Return ``{relative path: sha256}`` of what lies in a deployment's folder."""
    return {
        str(path.relative_to(folder)): files.sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _sha256(content):
    return hashlib.sha256(content).hexdigest()


def summary(service, deployment):
    """Return what :func:`write` kept about a deployment."""
    path = Path(names.CONFIG, service, deployment, "deployment.json")
    if not path.is_file():
        raise HolodeckError(
            f"Deployment {deployment}: is not on this host; there are "
            f"{', '.join(existing(service)) or 'none'} of {service}."
        )
    return json.loads(path.read_text(encoding="utf-8"))


@contextlib.contextmanager
def turn(service, order):
    """
    Hold this host's lock of a service, unless a later call came before.

    A job that the master took for lost may wake up when its host has been brought
    back already; it must not switch then.
    """
    mark = _mark(service)
    mark.parent.mkdir(parents=True, exist_ok=True)
    with lock.held(_mark(f"{service}.lock")):
        last = last_turn(service)
        if order and order < last:
            raise HolodeckError(
                f"{service}: a later switch came before this one, which was taken for "
                "lost; nothing was changed."
            )
        if order:
            files.write_atomic(mark, str(order))
        yield


def last_turn(service):
    """Return the number of the last switch on this host, 0 before the first."""
    mark = _mark(service)
    return int(mark.read_text(encoding="ascii")) if mark.is_file() else 0


def note_switch(service, since):
    """Remember since which moment what is written is of the present processes."""
    files.write_atomic(_mark(f"{service}.since"), str(since), durable=False)


def switched_at(service):
    """Return the moment that :func:`note_switch` was told, or ``None``."""
    mark = _mark(f"{service}.since")
    return float(mark.read_text(encoding="ascii")) if mark.is_file() else None


def _mark(name):
    return Path(names.STATE, "turns", name)


def activate(summary, deployment):
    """
    Make a deployment current and restart its processes.

    The units are links through ``current``: the one rename switches all of
    them, and a power loss leaves either all old or all new.

    Returns the moment since which the journal is of the new processes.
    """
    service = summary["service"]
    home = Path(names.CONFIG, service)
    bundle = Path(names.bundle_root(service, summary["commit"]))
    if not bundle.is_dir():
        raise HolodeckError(f"Bundle {bundle}: is not installed; install it first.")
    sockets = summary.get("sockets", [])
    new = {*summary["units"], *sockets}
    moved = [name for name in sockets if _changes(home, deployment, name)]
    for unit in sorted(new):
        systemd.link(unit, f"{home}/current/units/{unit}")
    files.link_atomic(home / "current", deployment)
    files.link_atomic(bundle.with_name("current"), bundle.name)
    stale = set(_linked(service)) - new
    if stale:
        systemd.stop(sorted(stale))
    for unit in stale:
        systemd.unlink(unit)
    if not sockets:
        # While systemd reads its units. Who comes to a socket would start the old one.
        systemd.begin_stop(summary["units"])
    systemd.reload()
    return systemd.restart(summary["units"], sockets, moved)


def _changes(home, deployment, unit):
    """Tell whether a unit is another one in a deployment than in the current one."""
    here, there = home / "current/units" / unit, home / deployment / "units" / unit
    return here.is_file() and here.read_bytes() != there.read_bytes()


def secrets(summary):
    """Return the values of a deployment's settings and the lines of its files."""
    name = names.deployment(summary["commit"], summary["config"])
    folder = Path(names.CONFIG, summary["service"], name)
    values = units.values(_text(folder / "environment"))
    # Of a value with lines, a key in PEM, one line alone is secret too.
    values += [line for value in values for line in value.splitlines()]
    for path in (folder / "files").glob("*"):
        values += _text(path).splitlines()
    return values


def _text(path):
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def current(service):
    """Return the name of the current deployment, or ``None``."""
    link = Path(names.CONFIG, service, "current")
    return link.readlink().name if link.is_symlink() else None


def services():
    """Return the services that have a current deployment here."""
    return sorted(link.parent.name for link in Path(names.CONFIG).glob("[!.]*/current"))


def existing(service):
    """Return the deployments of a service on this host."""
    home = Path(names.CONFIG, service)
    return sorted(path.parent.name for path in home.glob("[!.]*/deployment.json")
                  if not path.parent.is_symlink())  # fmt: skip


def prune(service, keep):
    """Remove the deployments other than the current one and those to keep."""
    doomed = set(existing(service)) - set(keep) - {current(service)}
    home = Path(names.CONFIG, service)
    for deployment in doomed:
        # Out of the way in one step: a removal that is cut off leaves no half.
        (home / deployment).rename(home / f".{deployment}.gone")
    for gone in home.glob(".*.gone"):
        shutil.rmtree(gone)
    return sorted(doomed)


def remove(service):
    """Stop a service and remove its units, configuration and link."""
    found = _linked(service)
    if found:
        systemd.stop(found)
    for unit in found:
        systemd.unlink(unit)
    if found:
        systemd.reload()
    Path(names.PREFIX, service, "current").unlink(missing_ok=True)
    home = Path(names.CONFIG, service)
    gone = home.with_name(f".{service}.gone")
    there = home.is_dir() or gone.is_dir()
    shutil.rmtree(gone, ignore_errors=True)
    if home.is_dir():
        # Out of the way in one step: a removal that is cut off leaves no half.
        home.rename(gone)
        shutil.rmtree(gone)
    return bool(found) or there


def _linked(service):
    """Return the linked units of exactly this service, not of ``SERVICE-2``."""
    home = f"{names.CONFIG}/{service}/current/"
    return [
        unit
        for unit in systemd.linked(f"holodeck-{service}.*")
        if str((systemd.UNITS / unit).readlink()).startswith(home)
    ]


def _make_private(folder):
    Path(names.CONFIG).mkdir(mode=0o755, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
