"""A provider's settings: every fault is named, and names fit the kernel."""

import pytest

from holodeck_io.errors import HolodeckError
from holodeck_nspawn import provider

GOOD = {"directory": "/srv/hosts", "bridge": "hd-demo0", "network": "10.77.0.0/24"}


def test_parse_fills_in_what_is_not_said():
    """The machine has the first address, and images live in the user's cache."""
    local = provider.parse(GOOD, environ={"HOME": "/home/me"})
    assert local.gateway == local.master == "10.77.0.1"
    assert str(local.cache) == "/home/me/.cache/holodeck"
    assert (local.images / "bookworm.conf").is_file()


def test_parse_takes_what_is_said():
    """Settings win over defaults."""
    said = {"cache": "/cache", "images": "/images", "master": "10.77.0.9"}
    local = provider.parse({**GOOD, **said})
    assert (str(local.cache), str(local.images)) == ("/cache", "/images")
    assert (local.master, local.gateway) == ("10.77.0.9", "10.77.0.1")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bridge", "a-name-of-16-chr"),
        ("bridge", "with space"),
        ("bridge", None),
        ("directory", None),
        ("directory", "relative/path"),
        ("directory", "/with:colon"),
        ("cache", "/with,comma"),
        ("images", "with/no/root"),
        ("network", "10.77.0.1/24"),
        ("network", "10.77.0.0/30"),
        ("network", None),
    ],
)
def test_parse_refuses(key, value):
    """A value that cannot work is refused by its name."""
    with pytest.raises(HolodeckError, match=f"{key}: "):
        provider.parse({**GOOD, key: value})


def test_parse_names_all_faults_at_once():
    """Nobody mends one fault to be told the next."""
    with pytest.raises(HolodeckError, match=r"bridge: .*directory: .*network: "):
        provider.parse({})


def test_link_fits_an_interface_and_differs():
    """The longest host's name still makes a name of 15 characters, of its own."""
    local, other = provider.parse(GOOD), provider.parse({**GOOD, "bridge": "hd-two0"})
    names = [f"{'x' * 62}{index:02}" for index in range(100)]
    links = {each.link(name) for each in (local, other) for name in names}
    assert len(links) == 200
    assert max(map(len, links)) <= 15


def test_tag_tells_clones_apart():
    """Two clones whose bridges are named alike never take each other's hosts."""
    local, other = provider.parse(GOOD), provider.parse({**GOOD, "directory": "/srv/b"})
    assert local.tag.startswith("hd-demo0-")
    assert local.tag == provider.parse(GOOD).tag != other.tag
    assert local.namespace("web1") != other.namespace("web1")
    assert local.link("web1") != other.link("web1")


@pytest.mark.parametrize("name", ["web1", "a", "Web-1.example.com", "x" * 64])
def test_check_name_takes(name):
    """A host's name is what a minion's name usually is."""
    provider.check_name(name)


@pytest.mark.parametrize("name", ["", "-a", "a-", "a..b", "../a", "a/b", "x" * 65, "ä"])
def test_check_name_refuses(name):
    """A name that could leave its folder, or is no hostname, is refused."""
    with pytest.raises(HolodeckError, match="cannot be a host's name"):
        provider.check_name(name)
