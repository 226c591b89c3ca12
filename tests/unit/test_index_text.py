"""Package indexes in pillar, and what uv gets of them."""

import netrc

import pytest

from holodeck import index_text

_ENTRY = {
    "url": "https://index.example.org/simple",
    "username": "ci",
    "password": "p1w2x3",
}
_OTHER = {"url": "https://other.example.org/simple"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"url": "index.example.org"}, "url should be like"),
        ({"url": "https://[x/simple"}, "url should be like"),
        ({"url": None}, "url should be like"),
        ({"url": "https://ci:p1w2x3@index.example.org/"}, "holds a credential"),
        ({"password": 123456}, "password should be text in quotes"),
        ({"password": "p1w2x3\nmachine x"}, "on one line"),
        ({"username": ""}, "username should be text"),
        ({"token": "p1w2x3"}, "has token; known are"),
        ({"default": "yes"}, "true or false"),
    ],
)
def test_checked_names_each_fault(change, named):
    """The entry's number and the key are shown, the password never is."""
    with pytest.raises(index_text.InvalidIndexError) as caught:
        index_text.checked([_OTHER, {**_ENTRY, **change}])
    assert "Package index 2: " in str(caught.value)
    assert named in str(caught.value)
    assert "p1w2x3" not in str(caught.value)


@pytest.mark.parametrize(
    ("entries", "named"),
    [
        ({"url": "https://h"}, "list of mappings"),
        (["https://h"], "should be a mapping"),
        ([{"url": "https://h", "username": "x"}], "give both or none"),
        ([_ENTRY, {**_ENTRY, "password": "other1"}], "has two users"),
        ([{**_ENTRY, "default": True}, {**_OTHER, "default": True}], "more than one"),
    ],
)
def test_checked_refuses_what_uv_would_guess_at(entries, named):
    """Two users of one host, two defaults and half a login are faults."""
    with pytest.raises(index_text.InvalidIndexError, match=named):
        index_text.checked(entries)


def test_variables_have_no_credentials():
    """Extra indexes stand before an administrator's; the default replaces PyPI."""
    known = {"UV_INDEX": "x=https://own/simple"}
    assert index_text.variables([_ENTRY], known) == {
        "UV_INDEX": f"{_ENTRY['url']} x=https://own/simple"
    }
    assert index_text.variables([{**_ENTRY, "default": True}], {}) == {
        "UV_DEFAULT_INDEX": _ENTRY["url"],
        "UV_INDEX_URL": None,
    }


def test_netrc_puts_ours_before_what_was_there(tmp_path):
    """An administrator's logins for other hosts still count."""
    known = "machine own.example.org login me password mine\n"
    (tmp_path / "netrc").write_text(index_text.netrc([_ENTRY, _OTHER], known))
    assert netrc.netrc(tmp_path / "netrc").hosts == {
        "index.example.org": ("ci", "", "p1w2x3"),
        "own.example.org": ("me", "", "mine"),
    }


def test_netrc_has_our_login_alone_for_our_hosts():
    """What an administrator has for the same host does not count; the default does."""
    known = (
        "machine INDEX.example.org login me password old\n"
        "machine other.example.org login me password mine\n"
        "machine index.example.org password older\n"
        "default login any password one\n"
    )
    assert index_text.netrc([_ENTRY, _OTHER], known).splitlines() == [
        'machine "index.example.org" login "ci" password "p1w2x3"',
        'machine "other.example.org" login "me" password "mine"',
        'default login "any" password "one"',
    ]


def test_masked_takes_passwords_and_userinfo_out():
    """Credentials of URLs that are not ours go, too, whole."""
    text = "p1w2x3 at https://ci:p1w2x3@h/a and http://token@h/b, https://x:y@z@h/c@d"
    assert index_text.masked(text, [_ENTRY]) == (
        "****** at https://******@h/a and http://******@h/b, https://******@h/c@d"
    )


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("An index (https://index.example.org/simple) … (401 Unauthorized)", _ENTRY),
        ("error (403 Forbidden) for url (https://other.example.org/f/x)", _OTHER),
        ("error (401 Unauthorized) for url (https://third/x)", None),
        ("not found: https://index.example.org/simple", None),
    ],
)
def test_refused_finds_the_index(text, entry):
    """An error of uv names an index, or a file on its host."""
    assert index_text.refused(text, [_ENTRY, _OTHER]) == entry
