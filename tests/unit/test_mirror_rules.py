"""Mirrors: who asks which first, and for what."""

import collections

import pytest

from holodeck import mirror_rules

_MIRRORS = ("http://a", "http://b", "http://c")


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_in_turn_is_each_mirror_once(count):
    """Whatever a host begins with, it leaves none out and repeats none."""
    for host in map(str, range(20)):
        found = mirror_rules.in_turn(_MIRRORS[:count], host)
        assert sorted(found) == sorted(_MIRRORS[:count])


def test_in_turn_begins_elsewhere_on_another_host():
    """Hosts share the mirrors out, and each stays with its own."""
    hosts = [f"demo-web{n}" for n in range(300)]
    firsts = [mirror_rules.in_turn(_MIRRORS, host)[0] for host in hosts]
    assert firsts == [mirror_rules.in_turn(_MIRRORS, host)[0] for host in hosts]
    assert min(collections.Counter(firsts).values()) > 70


def test_in_turn_goes_on_in_the_order_given():
    """After its first a host takes the next ones of the list, and then those before."""
    orders = {tuple(mirror_rules.in_turn(_MIRRORS, str(n))) for n in range(50)}
    a, b, c = _MIRRORS
    assert orders == {(a, b, c), (b, c, a), (c, a, b)}


@pytest.mark.parametrize("mirror", ["http://m/bundles", "http://m/bundles/"])
def test_url_is_the_stores_layout(mirror):
    """The digest is a folder, and the name is one segment whatever is in it."""
    artefact = {"sha256": "d" * 64, "filename": "a~rc1+x.deb"}
    found = mirror_rules.url(mirror, artefact)
    assert found == f"http://m/bundles/{'d' * 64}/a~rc1%2Bx.deb"
