"""Debian's own notes on libraries become Depends."""

import pytest

from holodeck import elf, shlibs

_SYMBOLS = """\
ld-linux-x86-64.so.2 libc6 #MINVER#
| libc6 (>> 2.36), libc6 (<< 2.37)
 GLIBC_2.2.5@GLIBC_2.2.5 2.2.5
libc.so.6 libc6 #MINVER#
| libc6 (>> 2.36), libc6 (<< 2.37)
* Build-Depends-Package: libc6-dev
#MISSING: 2.20# gone@GLIBC_2.2.5 2.2.5
 GLIBC_2.34@GLIBC_2.34 2.34
 GLIBC_2.9@GLIBC_2.9 2.9
 __secret@GLIBC_PRIVATE 0 1
 free@GLIBC_2.2.5 2.2.5
 late@GLIBC_2.9 2.10~rc1
libq.so.1 libq1 #MINVER#
 open@Base 1:1.0
"""
_PACKAGES = {
    name: ("libc6:amd64", shlibs.parse_symbols(_SYMBOLS, name), None)
    for name in ("libc.so.6", "libq.so.1")
}


def _depends(*, symbols=(), versions=(), needed=("libc.so.6",), packages=None):
    file = elf.File("a.so", needed=needed, symbols=symbols, versions=versions)
    return shlibs.depends([file], {}, packages or _PACKAGES)


def test_parse_symbols_reads_one_librarys_part():
    """Other libraries' symbols and deprecated ones are left out."""
    found = shlibs.parse_symbols(_SYMBOLS, "libq.so.1")
    assert found == shlibs.Symbols(
        ("libq1 #MINVER#",), {"open@Base": ("1:1.0", 0)}, "1:1.0"
    )
    assert "gone@GLIBC_2.2.5" not in _PACKAGES["libc.so.6"][1].versions
    assert shlibs.parse_symbols(_SYMBOLS, "libq.so.2") is None


@pytest.mark.parametrize(
    ("needs", "entries"),
    [
        ({"symbols": ("free@GLIBC_2.2.5",)}, ["libc6 (>= 2.2.5)"]),
        ({"symbols": ("free@GLIBC_2.2.5", "late@GLIBC_2.9")}, ["libc6 (>= 2.10~rc1)"]),
        ({"symbols": ("late@GLIBC_2.9",), "versions": (("libc.so.6", "GLIBC_2.34"),)},
         ["libc6 (>= 2.34)"]),
        ({"versions": (("libother.so", "GLIBC_2.34"),)}, ["libc6"]),
        ({"symbols": ("__secret@GLIBC_PRIVATE",)},
         ["libc6", "libc6 (<< 2.37)", "libc6 (>> 2.36)"]),
        ({"needed": ("libq.so.1",)}, ["libq1 (>= 1:1.0)"]),
        ({"needed": ("libq.so.1", "libc.so.6"), "symbols": ("free@GLIBC_2.2.5",)},
         ["libc6 (>= 2.2.5)", "libq1 (>= 1:1.0)"]),
        ({"needed": ("libnone.so.1",)}, []),
    ],
)  # fmt: skip
def test_depends_takes_the_highest_minimum_of_what_is_used(needs, entries):
    """The newest symbol decides, by Debian's order of versions."""
    assert _depends(**needs) == entries


@pytest.mark.parametrize(
    ("shlib", "entries"),
    [
        ("libq1 (>= 1.2), libq1 (>= 1.10)", ["libq1 (>= 1.10)"]),
        ("libq1 (>= 0~20220623.0-1)", ["libq1 (>= 0~20220623.0-1)"]),
        ("libq1, libq1 (>= 0~2), libq1 (>= 0~10)", ["libq1 (>= 0~10)"]),
        ("libblas3 | libblas.so.3", ["libblas3 | libblas.so.3"]),
        ("", ["libq1t64"]),
        (None, ["libq1t64"]),
    ],
)
def test_depends_without_symbols_takes_shlibs_or_the_bare_name(shlib, entries):
    """A library without notes still makes its package a dependency."""
    packages = {"libq.so.1": ("libq1t64:amd64", None, shlib)}
    assert _depends(needed=("libq.so.1",), packages=packages) == entries


@pytest.mark.parametrize(
    ("needs", "entries"),
    [
        ({}, ["libt1 (>= 0~2014)"]),
        ({"symbols": ("f@Base",)}, ["libt1 (>= 0~2014)"]),
        ({"symbols": ("f@Base", "g@Base")}, ["libt1 (>= 0~2017)"]),
    ],
)
def test_depends_keep_a_library_whose_versions_are_before_0(needs, entries):
    """A minimum like 0~2014, which sorts before the empty version, is one."""
    text = "libt.so.1 libt1 #MINVER#\n f@Base 0~2014\n g@Base 0~2017\n"
    symbols = shlibs.parse_symbols(text, "libt.so.1")
    packages = {"libt.so.1": ("libt1:amd64", symbols, None)}
    assert _depends(needed=("libt.so.1",), packages=packages, **needs) == entries


@pytest.mark.parametrize(
    ("library", "found"),
    [
        ("libz.so.1", "zlib1g (>= 1:1.2)"),
        ("libdb-5.3.so", "libdb5.3"),
        ("libz.so.2", None),
        ("libz.so", None),
        ("libx.so.3", "right"),
    ],
)
def test_parse_shlibs_finds_a_librarys_line(library, found):
    """Both forms of sonames are known; the installer's packages are not ours."""
    text = (
        "libz 1 zlib1g (>= 1:1.2)\nudeb: libz 1 zlib1g-udeb\nlibdb 5.3 libdb5.3\n"
        "libx 3 wrong\ndeb: libx 3 right\n\n# libz 2 no\n"
    )
    assert shlibs.parse_shlibs(text, library) == found


def test_parse_owners_keeps_the_machine_and_passes_over_diversions():
    """What dpkg says of a file beside its package is not a package."""
    text = (
        "diversion by nvidia from: /usr/lib/libGL.so.1\n"
        "zlib1g:amd64: /lib/x86_64-linux-gnu/libz.so.1\n"
        "libx1, libx1-alt: /usr/lib/libx.so.1\n"
    )
    assert shlibs.parse_owners(text) == {
        "/lib/x86_64-linux-gnu/libz.so.1": "zlib1g:amd64",
        "/usr/lib/libx.so.1": "libx1",
    }


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("/usr/lib/x/libz.so.1", "/lib/x/libz.so.1"),
        ("/lib/x/libz.so.1", "/usr/lib/x/libz.so.1"),
        ("/lib64/ld.so", "/usr/lib64/ld.so"),
    ],
)
def test_aliases_are_both_names_of_a_file_with_merged_usr(path, other):
    """Dpkg knows a file by the name that it was packed with."""
    assert shlibs.aliases(path) == [path, other]
    assert shlibs.aliases("/opt/lib/x") == ["/opt/lib/x"]
