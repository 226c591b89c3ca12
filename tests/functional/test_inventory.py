"""Bills of real site-packages, written into a bundle and read back."""

import importlib.metadata
import json
import site
from pathlib import Path

import pytest

from holodeck import distribution, sbom
from holodeck_bundle import inventory
from holodeck_io.errors import HolodeckError

_PROVENANCE = {"name": "guestbook", "commit": "4f2c1e9d" * 5, "python": "Python 3.11.2"}
_SITE = site.getsitepackages()[0]


def _bundle(folder, *sites, provenance=_PROVENANCE):
    folder.mkdir()
    (folder / "holodeck.json").write_text(json.dumps(provenance))
    inventory.write(folder, sites, provenance)
    return folder


def _installed(site_folder, name, text="", version="1.0"):
    home = site_folder / f"{name}-{version}.dist-info"
    home.mkdir(parents=True)
    (home / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n{text}\n")


def test_write_lists_all_that_is_installed(tmp_path):
    """The standard library's reader sees the same names, versions and licences."""
    packages = sbom.summary(inventory.read(_bundle(tmp_path / "b", _SITE))["sbom"])
    expected = {
        part.name: part.version
        for part in importlib.metadata.distributions(path=[_SITE])
    }
    assert len(expected) > 20
    assert expected.items() <= packages["packages"].items()
    for part in importlib.metadata.distributions(path=[_SITE]):
        if expression := part.metadata["License-Expression"]:
            assert part.name in packages["licenses"][expression]


def test_write_of_two_layers(tmp_path):
    """What the application requires is found in the layer below."""
    _installed(tmp_path / "deps", "flask")
    _installed(tmp_path / "app", "guestbook", "Requires-Dist: Flask>=1\n")
    layers = (tmp_path / "deps", tmp_path / "app", tmp_path / "none")
    found = inventory.read(_bundle(tmp_path / "b", *layers))
    assert found["provenance"] == _PROVENANCE
    assert {
        "ref": "pkg:pypi/guestbook@1.0", "dependsOn": ["pkg:pypi/flask@1.0"],
    } in found["sbom"]["dependencies"]  # fmt: skip


def test_write_is_the_same_each_time(tmp_path):
    """The same bundle has the same bytes, in whatever folder it is made."""
    texts = {
        (_bundle(tmp_path / name, _SITE) / "sbom.cdx.json").read_bytes()
        for name in "ab"
    }
    assert len(texts) == 1
    assert str(tmp_path).encode() not in texts.pop()


def test_write_reads_what_is_broken(tmp_path):
    """A distribution without a METADATA file is in the bill all the same."""
    (tmp_path / "deps" / "odd-2.dist-info").mkdir(parents=True)
    found = inventory.read(_bundle(tmp_path / "b", tmp_path / "deps"))["sbom"]
    assert sbom.summary(found)["packages"] == {"Python": "3.11.2", "odd": "2"}


@pytest.mark.parametrize("name", ["holodeck.json", "sbom.cdx.json"])
@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "has no .*older pack"), ("{", "is damaged"), ("[]", "holds a list")],
)
def test_read_of_a_bundle_without_its_papers(name, content, message, tmp_path):
    """What is missing or damaged is named, with what to do."""
    bundle = _bundle(tmp_path / "b")
    (bundle / name).unlink()
    if content:
        (bundle / name).write_text(content)
    with pytest.raises(HolodeckError, match=f"{bundle}: .*{message}") as failed:
        inventory.read(bundle)
    assert name in str(failed.value)


def test_read_of_a_bundle_that_is_not_there(tmp_path):
    """A bundle that is not installed is said to be that."""
    with pytest.raises(HolodeckError, match="is not on this host"):
        inventory.read(tmp_path / "none")


def test_distributions_are_those_of_the_folder(tmp_path):
    """Only installed distributions count, each by its own name."""
    _installed(tmp_path, "b")
    _installed(tmp_path, "a")
    Path(tmp_path, "a").mkdir()
    assert inventory.distributions(tmp_path) == [
        distribution.Distribution(name, "1.0") for name in "ab"
    ]
