"""Names, versions and relations of system packages."""

import pytest

from holodeck import system_packages
from holodeck.system_packages import Wanted

_DEB = (
    "installed\tdpkg\tamd64\t1.21.22\t\n"
    "installed\tmawk\tamd64\t1.3.4\tawk\n"
    "installed\tsysvinit-utils\tamd64\t3.06-4\tlsb-base (= 11.1.0), other\n"
    "installed\tpython3-x\tall\t1:2.0~rc1-1\t\n"
    "installed\tlibold\ti386\t1.0\t\n"
    "triggers-pending\tman-db\tamd64\t2.11\t\n"
    "half-installed\tbroken\tamd64\t1.0\t\n"
    "unpacked\topen\tamd64\t1.0\t\n"
    "config-files\tgone\tamd64\t1.0\t\n"
    "not-installed\tnever\t\t\t\n"
)
_RPM = (
    "no package provides nosuch\n"
    "provide\tzlib\t1.2.11-40.el9\n"
    "provide\tlibz.so.1()(64bit)\t\n"
    "provide\tvim\t2:8.2.2637-20.el9\n"
    "file\t/usr/bin/python3.11\t\n"
    "(none)\n"
)


def _missing(text, kind, *entries):
    installed = system_packages.parse_installed(text, kind)
    return system_packages.missing(entries, installed, kind)


@pytest.mark.parametrize(
    "name",
    [
        "libpq-dev",
        "g++",
        "libstdc++6",
        "python3.11",
        "R",
        "libX11-devel",
        "perl_x",
        "7zip",
    ],
)
def test_is_package_takes_names_of_debian_and_rpm(name):
    """What the distributions use is legal."""
    assert system_packages.is_package(name)


@pytest.mark.parametrize(
    "name",
    [
        "", "-y", "--purge", "libc6-", "a b", "a=1", "a/stable", "./a.deb", "a:i386",
        "a (>= 1)", "a|b", "a*", "^web", "a\n", "a;b", "$(a)", "ä", "a,b", "a" * 129,
        None, 1, ["a"],
    ],
)  # fmt: skip
def test_is_package_refuses_what_apt_or_dnf_take_for_more(name):
    """Options, removals, patterns, files, releases and non-text are no names."""
    assert not system_packages.is_package(name)


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        ("python3.11", (Wanted("python3.11"),)),
        ("libc6 (>= 2.34)", (Wanted("libc6", "", ">=", "2.34"),)),
        ("libc6(<<3)", (Wanted("libc6", "", "<<", "3"),)),
        ("a:any | b:i386 (= 1)", (Wanted("a", "any"), Wanted("b", "i386", "=", "1"))),
        ("a (2)", ()),
        ("-y", ()),
        ("", ()),
        ("a |", ()),
        ("a [amd64]", ()),
    ],
)
def test_parse_reads_debian_entries(entry, wanted):
    """Names, versions, machines and alternatives are told apart; the rest is none."""
    assert system_packages.parse(entry, "deb") == wanted


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        ("libz.so.1()(64bit)", (Wanted("libz.so.1()(64bit)"),)),
        ("zlib >= 1.2", (Wanted("zlib", "", ">=", "1.2"),)),
        ("/usr/bin/python3.11", (Wanted("/usr/bin/python3.11"),)),
        ("--all", ()),
        ("a b", ()),
        ("a, b", ()),
    ],
)
def test_parse_reads_rpm_entries(entry, wanted):
    """Packages, libraries and files are entries; options are not."""
    assert system_packages.parse(entry, "rpm") == wanted


@pytest.mark.parametrize(
    "entry",
    [
        "mawk", "awk", "mawk:any", "mawk:amd64", "mawk:native", "python3-x",
        "lsb-base (>= 11.0)", "lsb-base (= 11.1.0)", "other", "nosuch | awk",
        "python3-x (>= 1:2.0~)", "python3-x (<< 1:2.0)", "libold:i386", "man-db",
        "python3-x (<= 1:2.0~rc1-1)", "libold:any",
    ],
)  # fmt: skip
def test_missing_is_silent_on_what_is_there(entry):
    """A package, or what provides it in that version, fulfils an entry."""
    assert _missing(_DEB, "deb", entry) == []


@pytest.mark.parametrize(
    "entry",
    [
        "nosuch", "broken", "open", "gone", "never", "libold", "mawk:i386",
        "awk (>= 1)", "lsb-base (>= 12)", "python3-x (>= 2:1)", "a | b", "3.06-4",
        "python3-x (>> 1:2.0~rc1-1)",
    ],
)  # fmt: skip
def test_missing_names_what_is_not_there_whole(entry):
    """Half-installed, too old, of another machine, or provided without a version."""
    assert _missing(_DEB, "deb", "mawk", entry) == [entry]


def test_missing_knows_rpms_provides_and_files():
    """Libraries and files are provided too; a release counts where both have one."""
    there = [
        "zlib", "zlib >= 1.2", "zlib = 1.2.11", "zlib < 1.2.11-41", "vim > 9",
        "libz.so.1()(64bit)", "libz.so.1()(64bit) >= 1", "/usr/bin/python3.11",
    ]  # fmt: skip
    absent = ["zlib > 1.2.11", "zlib >= 1.2.11-41", "vim > 2:9", "nosuch", "/usr/bin/x"]
    assert _missing(_RPM, "rpm", *there, *absent) == absent


@pytest.mark.parametrize(
    ("one", "other", "sign"),
    [
        ("1.0~rc1", "1.0", -1), ("1.0", "1.0-0", 0), ("1.9", "1.10", -1),
        ("1:0", "9", 1), ("1.0a", "1.0+", -1), ("01", "1", 0), ("", "0", 0),
        ("0~", "", -1), ("1-2-3", "1-2-10", -1), ("1:2:3", "1:2:4", -1),
    ],
)  # fmt: skip
def test_compare_orders_debian_versions(one, other, sign):
    """As deb-version(7) says: ``~`` before the end, letters before signs."""
    assert system_packages.compare(one, other, "deb") == sign
    assert system_packages.compare(other, one, "deb") == -sign


@pytest.mark.parametrize(
    ("one", "other", "sign"),
    [
        ("1.0~rc1", "1.0", -1), ("1.0^git1", "1.0", 1), ("1.0^git1", "1.0.1", -1),
        ("1.0-1", "1.0", 0), ("1.0a", "1.0.1", -1), ("1_0", "1.0", 0),
        ("1:1", "2", 1), ("1.0-2", "1.0-10", -1),
    ],
)  # fmt: skip
def test_compare_orders_rpm_versions(one, other, sign):
    """As rpmvercmp does: ``~`` before the end, ``^`` after it, numbers last."""
    assert system_packages.compare(one, other, "rpm") == sign
    assert system_packages.compare(other, one, "rpm") == -sign
