"""System libraries of real wheels and compilers' output, beside the tools' answers."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import builder
import pytest

from holodeck import system_packages
from holodeck_build import libraries
from holodeck_io import process
from holodeck_io.errors import HolodeckError

_TOOLS = ("readelf", "gcc", "g++", "dpkg-query")
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, _TOOLS)), reason="needs binutils, gcc and dpkg"
)
# Private libraries under made-up names, a bare extension, C++, and a static program.
_WHEELS = ("pillow==11.3.0", "psycopg2-binary==2.9.10", "greenlet==3.2.3", "uv==0.8.0")
_ELFDEPS = Path("/usr/lib/rpm/elfdeps")
_C = {
    "zlib": "#include <zlib.h>\nvoid *f(void) { return (void *) gzbuffer; }\n",
    "math": "#include <math.h>\ndouble f(double x) { return cos(x); }\n",
    "own": "int own(void) { return 1; }\n",
    "user": "int own(void), getpid(void); int f(void) { return own() + getpid(); }\n",
    "cpp": """#include <stdexcept>
#include <string>
void f(const std::string &x) { throw std::invalid_argument(x); }
""",
}


def _run(*argv, cwd=None, stdin=None):
    return subprocess.run(
        argv, check=True, capture_output=True, text=True, cwd=cwd, input=stdin,
        timeout=300,
    ).stdout  # fmt: skip


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """A virtualenv with real wheels, as a builder fills it."""
    prefix = tmp_path_factory.mktemp("wheels") / "venv"
    uv = str(builder.PACK / ".venv/bin/uv")
    _run(uv, "venv", "--quiet", "--python", "/usr/bin/python3", str(prefix))
    _run(uv, "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:",
         "--python", str(prefix / "bin/python"), *_WHEELS)  # fmt: skip
    return prefix


@pytest.fixture
def tree(tmp_path):
    """An empty virtualenv with one package's folder."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to("/usr/bin/python3")
    tmp_path.joinpath("lib/python3/site-packages/pkg").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def compiled(tree):
    """Compile a named source to a shared object in the package's folder."""

    def made(name, *words, target=None):
        path = tree / "lib/python3/site-packages/pkg" / (target or f"{name}.so")
        path.parent.mkdir(exist_ok=True)
        tool = ["g++", "-x", "c++"] if name == "cpp" else ["gcc", "-x", "c"]
        _run(*tool, "-", "-x", "none", "-shared", "-fPIC", "-O0", "-o", str(path),
             *words, stdin=_C[name])  # fmt: skip
        return path

    return made


def _names(entries):
    return {entry.split()[0] for entry in entries}


def _floor(entries, name):
    [floor] = [re.findall(r">= ([^)]+)", entry) for entry in entries
               if entry.split()[0] == name]  # fmt: skip
    return floor[0] if floor else ""


def _shlibdeps(prefix, home):
    """Return dpkg-shlibdeps's entries for every library of a tree."""
    (home / "debian").mkdir(parents=True)
    (home / "debian/control").write_text("Source: x\n\nPackage: x\nArchitecture: any\n")
    files = [f"-e{path}" for path in prefix.rglob("*.so*") if not path.is_symlink()]
    private = [f"-l{path}" for path in prefix.rglob("*.libs")]
    text = _run("dpkg-shlibdeps", "-O", "--ignore-missing-info", *private, *files,
                cwd=home)  # fmt: skip
    return text.strip().partition("=")[2].split(", ")


def _as_needed(found, peer):
    """Tell whether each package's floor is at least the peer's."""
    return all(
        system_packages.compare(_floor(found, name), _floor(peer, name), "deb") >= 0
        for name in _names(peer)
    )


@pytest.mark.skipif(not shutil.which("dpkg-shlibdeps"), reason="needs dpkg-dev")
def test_depends_of_wheels_are_those_of_dpkg_shlibdeps(wheels, tmp_path):
    """The same packages, none from a version lower than Debian's tool says."""
    found = libraries.depends(wheels, "deb")
    peer = _shlibdeps(wheels, tmp_path)
    assert {"libc6", "zlib1g", "libstdc++6"} <= _names(peer)
    assert _names(found.depends) == _names(peer)
    assert _as_needed(found.depends, peer)
    assert found.missing == []


@pytest.mark.skipif(not _ELFDEPS.exists(), reason="needs rpm")
def test_requires_of_wheels_are_those_of_rpm_but_for_private_libraries(wheels):
    """Each entry is one of elfdeps's; what it has more is in the tree itself."""
    found = libraries.depends(wheels, "rpm")
    plain = [p for p in wheels.rglob("*") if p.is_file() and not p.is_symlink()]
    files = [p for p in plain if p.read_bytes()[:4] == b"\x7fELF"]
    text = _run(str(_ELFDEPS), "--requires", stdin="".join(f"{f}\n" for f in files))
    own = {path.name for path in wheels.rglob("*.libs/*")}
    peer = {entry for entry in text.split()
            if entry.split("(")[0] not in own | {"rtld"}}  # fmt: skip
    assert set(found.depends) == peer
    assert "libc.so.6()(64bit)" in peer
    assert found.missing == []


def test_depends_of_cpp_ask_for_the_compilers_own_library(compiled):
    """The newest symbol version of libstdc++ gives the package's floor."""
    compiled("cpp")
    found = libraries.depends(compiled("zlib", "-lz").parents[4], "deb").depends
    assert _names(found) == {"libstdc++6", "libgcc-s1", "zlib1g"}
    # std::string's new ABI came with GCC 5; gzbuffer with zlib 1.2.4 or so.
    assert system_packages.compare(_floor(found, "libstdc++6"), "5", "deb") > 0
    assert _floor(found, "zlib1g").startswith("1:1.2.")


def test_depends_ask_for_the_glibc_of_the_newest_symbol(compiled, tree):
    """The floor of libc6 is what readelf shows as the highest version."""
    path = compiled("math", "-lm", target="math.so")
    versions = re.findall(r"GLIBC_(2[.\d]+)", _run("readelf", "-V", str(path)))
    newest = max(versions, key=system_packages.debian_key)
    assert libraries.depends(tree, "deb").depends == [f"libc6 (>= {newest})"]


def test_rpm_requires_are_exact(compiled, tree):
    """One small library: each name and each version, no more."""
    compiled("zlib", "-lz", "-nostdlib")
    assert libraries.depends(tree, "rpm").depends == [
        "libz.so.1()(64bit)", "libz.so.1(ZLIB_1.2.3.5)(64bit)",
    ]  # fmt: skip


def test_private_libraries_are_found_through_rpath_and_links(compiled, tree):
    """A library beside the package, under a linked name too, is no dependency."""
    target = "../pkg_x.libs/libown-0f.so"
    own = compiled("own", "-Wl,-soname,libown.so.1", target=target)
    compiled("user", str(own), "-Wl,-rpath,$ORIGIN/../pkg_x.libs")
    assert libraries.depends(tree, "deb").missing == []
    compiled("own", target=target)
    assert len(libraries.depends(tree, "deb").missing) == 1
    (own.parent / "libown.so.1").symlink_to(own.name)
    found = libraries.depends(tree, "deb")
    assert _names(found.depends) == {"libc6"}
    assert found.missing == []


def test_a_library_of_nobody_is_a_warning_with_the_file_that_links_it(compiled, tree):
    """The rest is found all the same; the sentence says what to write where."""
    own = compiled("own", "-Wl,-soname,libgone.so.7")
    compiled("user", str(own))
    own.unlink()
    found = libraries.depends(tree, "deb")
    assert _names(found.depends) == {"libc6"}
    [sentence] = found.missing
    assert sentence.startswith(
        "Library libgone.so.7: lib/python3/site-packages/pkg/user.so link it"
    )
    assert libraries.depends(tree, "rpm").missing == [sentence]


def test_a_library_of_no_package_is_a_warning(compiled, tree, tmp_path_factory):
    """What somebody compiled onto the builder is not on the hosts."""
    place = tmp_path_factory.mktemp("local") / "libstray.so.1"
    own = compiled("own", "-Wl,-soname,libstray.so.1")
    shutil.move(own, place)
    compiled("user", str(place), f"-Wl,-rpath,{place.parent}")
    found = libraries.depends(tree, "deb")
    assert _names(found.depends) == {"libc6"}
    [sentence] = found.missing
    assert sentence.startswith(f"Library libstray.so.1: {place} on the builder")


def _foreign(content):
    """Return a library's bytes as one of another machine."""
    return content[:18] + b"\xb7\x00" + content[20:]


def test_what_is_no_library_of_this_machine_is_passed_over(compiled, tree):
    """Scripts, links to nowhere, pipes, and broken or foreign ELF files."""
    own = compiled("own", "-Wl,-soname,libgone.so.1")
    bad = compiled("user", str(own))
    content = bad.read_bytes()
    bad.unlink()
    (own.parent / "script.so").write_text("/* GNU ld script */ INPUT(libc.so.6)\n")
    (own.parent / "empty.so").touch()
    (own.parent / "short.so").write_bytes(content[:10])
    (own.parent / "half.so").write_bytes(content[: len(content) // 2])
    (own.parent / "noise.so").write_bytes(content[:64] + os.urandom(4096))
    (own.parent / "arm.so").write_bytes(_foreign(content))
    (own.parent / "small.so").write_bytes(content[:4] + b"\x01" + content[5:])
    (own.parent / "nowhere.so").symlink_to("none.so")
    (own.parent / "circle.so").symlink_to("circle.so")
    os.mkfifo(own.parent / "pipe.so")
    own.unlink()
    assert libraries.depends(tree, "deb") == ([], [])


def test_names_that_mean_more_to_readelf_are_only_names(compiled, tree):
    """A file is no option, no list of arguments, and no second line."""
    content = compiled("zlib", "-lz", "-nostdlib").read_bytes()
    names = ("@list.so", "--help.so", "with space\nand line.so")
    for name in names:
        (tree / name).write_bytes(content)
    (tree / "lib/python3/site-packages/pkg/zlib.so").unlink()
    read = libraries._read(tree, names[:2], symbols=False)
    assert [file.needed for file in read] == [("libz.so.1",)] * 2
    assert _names(libraries.depends(tree, "deb").depends) == {"zlib1g"}


def test_a_library_of_another_machine_is_not_the_one_that_is_needed(
    compiled, tree, tmp_path_factory
):
    """The builder may have one name for several machines; the right file counts."""
    folder = tmp_path_factory.mktemp("foreign")
    path = compiled("zlib", "-lz", "-nostdlib", f"-Wl,-rpath,{folder}")
    (folder / "libz.so.1").write_bytes(_foreign(path.read_bytes()))
    found = libraries.depends(tree, "deb")
    assert _names(found.depends) == {"zlib1g"}
    assert found.missing == []


def test_musl_wheels_are_named_as_missing(compiled, tree):
    """A wheel for another C library cannot be loaded here, and the record says so."""
    libc = compiled("own", "-nostdlib", "-Wl,-soname,libc.musl-x86_64.so.1")
    compiled("user", "-nostdlib", str(libc))
    libc.unlink()
    found = libraries.depends(tree, "deb")
    assert found.depends == []
    [sentence] = found.missing
    assert sentence.startswith("Library libc.musl-x86_64.so.1: ")


@pytest.mark.parametrize("kind", ["deb", "rpm"])
def test_a_virtualenv_without_compiled_files_needs_nothing(tree, kind):
    """Pure Python has no libraries, and runs no readelf."""
    (tree / "lib/python3/site-packages/pkg/__init__.py").write_text("")
    assert libraries.depends(tree, kind) == ([], [])


def test_only_candidates_are_opened(tree, monkeypatch):
    """Thousands of plain files are passed over by name and mode alone."""
    folder = tree / "lib/python3/site-packages/pkg"
    for number in range(50):
        (folder / f"{number}.py").write_text("")
    (folder / "tool").write_text("")
    (folder / "tool").chmod(0o755)
    (folder / "x.so.1").write_text("")
    opened = []
    real = libraries._identity
    monkeypatch.setattr(
        libraries,
        "_identity",
        lambda path: opened.append(Path(path).name) or real(path),
    )
    libraries.depends(tree, "deb")
    python = Path("/usr/bin/python3").resolve().name
    assert sorted(opened) == sorted([python, "tool", "x.so.1"])


def test_many_files_are_read_in_several_commands(compiled, tree, monkeypatch):
    """No command line is too long; the last chunk may be one file."""
    for number in range(5):
        compiled("math", "-lm", target=f"{number}.so")
    compiled("zlib", "-lz", target="5.so")
    monkeypatch.setattr(libraries, "_ARGV_MAX", 100)
    argvs = []
    real = process.run
    monkeypatch.setattr(
        process, "run", lambda argv, **rest: argvs.append(argv) or real(argv, **rest)
    )
    assert _names(libraries.depends(tree, "deb").depends) == {"libc6", "zlib1g"}
    assert len([argv for argv in argvs if argv[0] == "readelf"]) > 2


def test_a_builder_without_readelf_is_told_what_to_install(
    compiled, tree, monkeypatch, tmp_path
):
    """The error names the program and its package."""
    compiled("math", "-lm")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HolodeckError, match=r"readelf: .*install the package binutils"):
        libraries.depends(tree, "deb")
