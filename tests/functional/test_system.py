"""System packages of this machine, asked of dpkg and rpm themselves."""

import itertools
import os
import shutil
import subprocess

import pytest

from holodeck import system_packages
from holodeck_bundle import system
from holodeck_io import process
from holodeck_io.errors import HolodeckError

_VERSIONS = (
    "0", "1", "1.0", "1.0.0", "1.0-0", "1.0-1", "1.0~rc1", "1.0~~", "1.0+dfsg",
    "1.0+b1", "1.0a", "1.0z", "1.00", "1.10", "1.9", "1:0", "0:1.0", "2:1.0-1~bpo12+1",
    "1.0-1+deb12u1", "1.0-1.1", "2.36-9+deb12u10", "20220623.1", "1.0.",
)  # fmt: skip
_RPM_VERSIONS = (
    "1", "1.0", "1.0.0", "1.00", "1.10", "1.9", "1.0~rc1", "1.0~rc1^g1", "1.0^g1",
    "1.0^", "1.0a", "1.0z", "1.0.a", "a", "1_0", "20220623", "1.0.", "2.el9", "2.el10",
)  # fmt: skip
_STATUS = """\
Package: dpkg
Status: install ok installed
Architecture: amd64
Version: 1.21.22

Package: kept
Status: hold ok installed
Architecture: amd64
Version: 1.0

Package: broken
Status: install reinstreq half-installed
Architecture: amd64
Version: 1.0

Package: open
Status: install ok unpacked
Architecture: amd64
Version: 1.0

Package: half
Status: install ok half-configured
Architecture: amd64
Version: 1.0

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0

Package: server
Status: install ok installed
Architecture: all
Version: 3.0
Provides: mail, postman (= 2.0)
"""


@pytest.fixture
def database(tmp_path, monkeypatch):
    """A dpkg database with packages in every state."""
    # dpkg wants two more fields of every package.
    text = "\n\n".join(
        f"{block.strip()}\nMaintainer: A <a@localhost>\nDescription: a package"
        for block in _STATUS.split("\n\n")
    )
    (tmp_path / "status").write_text(f"{text}\n\n")
    (tmp_path / "available").touch()
    (tmp_path / "info").mkdir()
    (tmp_path / "updates").mkdir()
    monkeypatch.setenv("DPKG_ADMINDIR", str(tmp_path))


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="needs dpkg")
def test_missing_knows_this_machines_packages():
    """What is installed, provided, or there in another alternative is not missing."""
    there = ["dpkg", "awk", "libc6 (>= 2.17)", "nosuch-package | dpkg", "dpkg:any"]
    absent = ["nosuch-package", "libc6 (>= 99:1)", "libc6 (<< 2)", "awk (>= 0)"]
    assert system.missing([*absent, *there], "deb") == absent


def test_missing_counts_whole_packages_alone(database):
    """A package on hold is there; one half unpacked or removed is not."""
    there = ["kept", "server", "mail", "postman", "postman (>= 1.5)", "server (= 3.0)"]
    absent = [
        "broken", "open", "half", "gone", "mail (>= 0)", "postman (>> 2.0)",
        "server:i386", "gone | open",
    ]  # fmt: skip
    assert system.missing(there + absent, "deb") == absent


def test_missing_runs_one_command(monkeypatch):
    """However many packages there are; and none for none."""
    argvs = []
    real = process.run
    monkeypatch.setattr(
        process, "run", lambda argv, **rest: argvs.append(argv) or real(argv, **rest)
    )
    system.missing(["a", "b (>= 1)", "c | d"], "deb")
    assert len(argvs) == 1
    assert system.missing([], "deb") == []
    assert len(argvs) == 1


@pytest.mark.parametrize("kind", ["deb", "rpm"])
@pytest.mark.parametrize("entry", ["--help", "", "a |", "-a", "a, b"])
def test_missing_refuses_what_is_no_entry(entry, kind):
    """An option never reaches the package manager's command line."""
    with pytest.raises(HolodeckError, match=f"System package {entry!r}: is no entry"):
        system.missing(["fine", entry], kind)


@pytest.mark.skipif(not shutil.which("dpkg"), reason="needs dpkg")
def test_versions_are_compared_as_dpkg_does():
    """Every pair of these has the order that dpkg gives it."""
    for one, other in itertools.combinations(_VERSIONS, 2):
        sign = system_packages.compare(one, other, "deb")
        relation = {-1: "lt", 0: "eq", 1: "gt"}[sign]
        argv = ["dpkg", "--compare-versions", one, relation, other]
        assert subprocess.run(argv, check=False).returncode == 0, (one, other, sign)


@pytest.mark.skipif(not shutil.which("rpm"), reason="needs rpm")
def test_versions_are_compared_as_rpm_does():
    """Every pair of these has the order that rpm gives it."""
    pairs = list(itertools.product(_RPM_VERSIONS, repeat=2))
    calls = "".join(f'print(rpm.vercmp("{a}", "{b}"), "\\n")' for a, b in pairs)
    done = subprocess.run(
        ["rpm", "--eval", f"%{{lua: {calls}}}"],
        check=True,
        capture_output=True,
        text=True,
    )
    expected = list(map(int, done.stdout.split()))
    assert [system_packages.compare(a, b, "rpm") for a, b in pairs] == expected


@pytest.fixture
def rpms(tmp_path, monkeypatch):
    """An rpm database with one package that was built here."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".rpmmacros").write_text(
        f"%_dbpath {tmp_path}/db\n%_topdir {tmp_path}/build\n"
    )
    monkeypatch.setenv("HOME", str(home))
    spec = tmp_path / "one.spec"
    spec.write_text(
        "Name: one\nVersion: 1.2\nRelease: 3\nEpoch: 1\nSummary: s\nLicense: none\n"
        "BuildArch: noarch\nProvides: libone.so.1()(64bit)\nProvides: bare\n"
        "Provides: other = 2.0\n%description\nd\n%install\nmkdir -p %{buildroot}/opt\n"
        "echo x > %{buildroot}/opt/one-file\n%files\n/opt/one-file\n"
    )
    subprocess.run(
        ["rpmbuild", "-bb", "--quiet", spec], check=True, capture_output=True
    )
    [built] = tmp_path.glob("build/RPMS/noarch/*.rpm")
    subprocess.run(["rpm", "--install", "--justdb", "--nodeps", built], check=True,
                   capture_output=True)  # fmt: skip


@pytest.mark.skipif(
    not shutil.which("rpmbuild") or os.geteuid() != 0, reason="needs rpmbuild and root"
)
def test_missing_knows_rpm_packages_provides_and_files(rpms):
    """By name, by a library, by a file, and by version."""
    there = [
        "one", "one >= 1:1.0", "one = 1:1.2", "one = 1:1.2-3", "bare", "bare >= 7",
        "libone.so.1()(64bit)", "other >= 1.5", "/opt/one-file", "nosuch | one",
    ]  # fmt: skip
    absent = [
        "nosuch", "one > 1:1.2", "one < 1", "other > 2.0", "/opt/no-file",
        "/usr/bin/env", "libone.so.1(A_1)(64bit)",
    ]  # fmt: skip
    assert system.missing(there + absent, "rpm") == absent
