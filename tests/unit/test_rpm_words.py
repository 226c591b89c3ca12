"""What rpm is told, what it says, and the heads of its packages."""

import pytest

from holodeck import rpm_header, rpm_words


def test_register_touches_the_database_alone():
    """No file is touched, no older package stays, and nothing else is upgraded."""
    argv = rpm_words.register_argv(["/x.rpm"])
    assert {"--justdb", "--upgrade", "--oldpackage", "--replacepkgs"} <= set(argv)
    assert argv[-1] == "/x.rpm"
    assert "--test" not in argv


def test_unmet_changes_nothing():
    """Asking for dependencies enters nothing, and does ask."""
    argv = rpm_words.unmet_argv("/x.rpm")
    assert "--test" in argv
    assert "--nodeps" not in argv


@pytest.mark.parametrize(
    "argv",
    [
        rpm_words.register_argv(["/x.rpm"], "/db"),
        rpm_words.unmet_argv("/x.rpm", "/db"),
        rpm_words.remove_argv(["x"], "/db"), rpm_words.installed_argv("/db"),
    ],
    ids=["register", "unmet", "remove", "installed"],
)  # fmt: skip
def test_database_of_its_own(argv):
    """Each command can be pointed at another database."""
    assert argv[:3] == ["rpm", "--dbpath", "/db"]


def test_extract_leaves_the_hosts_database_alone():
    """Unpacking has a root and a database within its folder."""
    argv = rpm_words.extract_argv("/x.rpm", "/srv/new")
    assert argv[argv.index("--root") + 1] == "/srv/new"
    assert argv[argv.index("--dbpath") + 1] == f"/{rpm_words.SCRATCH_DATABASE}"


def test_parse_unmet_names_capabilities_once():
    """Capabilities are taken whole, with versions; our own packages are left out."""
    text = (
        "rpm: a warning\nerror: Failed dependencies:\n"
        "\t/usr/bin/python3.11 is needed by holodeck-x-1-1.x86_64\n"
        "\tlibz.so.1()(64bit) is needed by holodeck-x-1-1.x86_64\n"
        "\tlibz.so.1()(64bit) is needed by holodeck-x-1-1.x86_64\n"
        "\tpg >= 15 is needed by holodeck-x-1-1.x86_64\n"
        "\tholodeck-deps-1 is needed by holodeck-x-1-1.x86_64\n"
    )
    assert rpm_words.parse_unmet(text) == [
        "/usr/bin/python3.11", "libz.so.1()(64bit)", "pg >= 15",
    ]  # fmt: skip


def test_parse_unmet_of_nothing_is_empty():
    """No complaint, no needs."""
    assert rpm_words.parse_unmet("") == []


def test_header_length_of_another_file_is_refused():
    """What is no header is not taken for one."""
    with pytest.raises(ValueError, match="no rpm header"):
        rpm_header.length(b"!<arch>\ndebian-b")


_VERIFIED = """\
.M.......    /opt
missing     /srv/x/lib/gone
missing   d /srv/x/doc (Permission denied)
S.5....T.    /srv/x/file
..5....T.  c /srv/x/settings with space
....L....    /srv/x/link
.M.......    /srv/x/bin/say
.......T.    /srv/x/touched
.....UG..    /srv/x/owned
S.5....T.    /srv/xx/file
Unsatisfied dependencies for holodeck-x-1-1.x86_64:
\tlibz.so.1 is needed by holodeck-x-1-1.x86_64
"""


def test_parse_verified_says_how_each_file_differs():
    """Files below the layer's folder alone, and of what counts as its bytes alone."""
    assert rpm_words.parse_verified(_VERIFIED, "/srv/x") == [
        "lib/gone is missing",
        "doc (Permission denied) is missing",
        "file has other content",
        "settings with space has other content",
        "link has other content",
        "bin/say has another mode",
    ]


def test_parse_verified_of_nothing_is_empty():
    """Rpm says nothing of what is as it was."""
    assert rpm_words.parse_verified("", "/srv/x") == []


@pytest.mark.parametrize("words", [rpm_words.verify_argv, rpm_words.list_argv])
def test_question_about_one_package(words):
    """Verifying and listing ask of one package, and change nothing."""
    argv = words("holodeck-x", "/db")
    assert argv[:3] == ["rpm", "--dbpath", "/db"]
    assert argv[-1] == "holodeck-x"
    assert {"--verify", "--query"} & set(argv)
    assert not {"--erase", "--upgrade"} & set(argv)
