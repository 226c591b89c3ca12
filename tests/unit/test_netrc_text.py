"""The netrc: read in every dialect, written in one."""

import netrc

import pytest

from holodeck import netrc_text

_GIT = {"machine": "git.example.org", "login": "x", "password": "y"}
_LINE = "machine git.example.org login x password y\n"


@pytest.mark.parametrize(
    "text",
    [
        _LINE,
        f"# my hosts, all of them\n{_LINE}",
        f"#{_LINE}{_LINE}",
        _LINE.replace("y", 'y # of "machine" two'),
        _LINE.replace(" ", "\n\t"),
        _LINE.replace("\n", "\r\n"),
        _LINE.replace("login", "user"),
        _LINE.replace("login", "port 443 login"),
        f"{_LINE}pass word\n",
        f"password z {_LINE}",
        f"macdef init\nmachine no login no\n\n{_LINE}",
        f"{_LINE}macdef init\nmachine no login no",
        f"{_LINE}password",
        'machine "git.example.org" login "x" password "y"',
        'machine git.example.org login \\x password "\\y"',
    ],
)
def test_parsed_passes_over_what_is_no_login(text):
    """Comments, macros and unknown words cost no login that stands beside them."""
    assert netrc_text.parsed(text) == [_GIT]


def test_parsed_keeps_logins_in_their_order():
    """A host may have several, and the default stands for all others."""
    text = f"{_LINE}machine a password #p default login d\n{_LINE}"
    assert netrc_text.parsed(text) == [
        _GIT,
        {"machine": "a", "password": "#p"},
        {"machine": None, "login": "d"},
        _GIT,
    ]


@pytest.mark.parametrize(
    "value", ["a b", 'a"b', "\\", "#x", "machine", "ä\u2028\u00a0", '"', "\ufffd"]
)
def test_written_is_read_as_it_was(value, tmp_path):
    """Values may have any character, for us and for Python's reader."""
    login = {"machine": "h", "login": value, "account": value, "password": value}
    text = netrc_text.written([login, _GIT])
    assert netrc_text.parsed(text) == [login, _GIT]
    (tmp_path / "netrc").write_text(text, encoding="utf-8")
    assert netrc.netrc(tmp_path / "netrc").hosts == {
        "h": (value, value, value),
        "git.example.org": ("x", "", "y"),
    }
