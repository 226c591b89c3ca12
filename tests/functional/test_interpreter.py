"""The interpreter of a bundle, and the package that hosts have it by."""

import shutil
from pathlib import Path

import pytest
import rpm_host

from holodeck_build.interpreter import Interpreter
from holodeck_io.errors import HolodeckError

pytestmark = pytest.mark.skipif(not shutil.which("dpkg-query"), reason="needs dpkg")
_STATUS = """\
Package: {name}
Status: install ok installed
Maintainer: x
Architecture: amd64
Version: 1
Description: x

"""


@pytest.fixture
def python(tmp_path):
    """A Python in a folder of its own, behind a link."""
    real = Path("/usr/bin/python3").resolve()
    path = tmp_path / "own" / "bin" / real.name
    path.parent.mkdir(parents=True)
    shutil.copy(real, path)
    (tmp_path / "python").symlink_to(path)
    return path


def _database(home, monkeypatch, **files):
    """Give dpkg a database with packages, each of one file."""
    (home / "info").mkdir(parents=True)
    (home / "updates").mkdir()
    (home / "info" / "format").write_text("1\n")
    for name, path in files.items():
        (home / "info" / f"{name}.list").write_text(f"{path}\n")
    (home / "status").write_text("".join(_STATUS.format(name=name) for name in files))
    monkeypatch.setenv("DPKG_ADMINDIR", str(home))


def test_the_system_s_python_is_had_by_its_own_name():
    """Not by the minimal package, which has the file but no standard library."""
    found = Interpreter.find()
    assert found.dependency("deb") == f"python{found.short}"
    assert found.dependency("rpm") == f"/usr/bin/python{found.short}"


def test_another_python_is_had_by_the_package_that_owns_it(
    tmp_path, python, monkeypatch
):
    """The name of its file says nothing: Debian's own package may be called so."""
    _database(tmp_path / "dpkg", monkeypatch, acme=python)
    found = Interpreter.find(str(tmp_path / "python"))
    assert found.path == str(python)
    assert found.dependency("deb") == "acme"


@pytest.mark.skipif(
    not all(map(shutil.which, ("rpm", "nfpm"))), reason="needs rpm and nfpm"
)
def test_another_python_of_an_rpm_is_had_by_that(tmp_path, python, monkeypatch):
    """Where dpkg knows nothing of it, rpm is asked."""
    host = rpm_host.Host(tmp_path / "host")
    layer = host.package("acme", str(python.parents[1]), "text")
    python.rename(python.parent / "say")
    host.rpm("--install", "--justdb", "--nodeps", "--nosignature", str(layer["file"]))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".rpmmacros").write_text(f"%_dbpath {host.database}\n")
    found = Interpreter.find(str(python.parent / "say"))
    assert found.dependency("rpm") == "acme"


def test_a_python_of_no_package_is_refused(tmp_path, python):
    """Before any work: no host could be told to have it."""
    with pytest.raises(HolodeckError) as caught:
        Interpreter.find(str(tmp_path / "python"))
    assert str(caught.value).startswith(
        f"Python {python}: is of no package on this builder"
    )
    assert "install it as a package" in str(caught.value)


@pytest.mark.parametrize("kind", ["deb", "rpm"])
def test_what_somebody_put_beside_the_system_s_python_is_refused(kind):
    """A path like the system's own does not make a package."""
    stray = Interpreter("/usr/bin/python3.99", "Python 3.99.0", "3.99", "cpython-399")
    with pytest.raises(HolodeckError, match=r"python3.99: is of no package"):
        stray.dependency(kind)
