"""A bundle's bill of materials, the same for the same bundle."""

import json
import uuid

import pytest

from holodeck import sbom
from holodeck.distribution import Distribution
from holodeck.sbom import SystemPackage

COMMIT = "4f2c1e9d0a1b5c7788990011223344556677aabb"
_BANNER = "Python 3.11.2 (main, Apr 28 2025, 14:11:48) [GCC 12.2.0]"
_PROVENANCE = {
    "name": "guestbook", "commit": COMMIT, "lock_sha256": "a" * 64,
    "python": _BANNER, "format": 2,
}  # fmt: skip
_PYTHON = "pkg:generic/python@3.11.2"
_ROOT = f"guestbook@{COMMIT}"
_PARTS = [
    Distribution("guestbook", "0.1", (("expression", "MIT OR ISC"),), ("flask",)),
    Distribution(
        "Flask", "3.1.0", (("id", "MIT"), ("name", "a b")), ("absent", "jinja2")
    ),
    Distribution("Jinja2", "3.1", (), ("flask", "jinja2")),
]
_SYSTEM = [
    SystemPackage("deb", "debian", "libc6", "2.36-9+deb12u10", "amd64"),
    SystemPackage("rpm", "fedora", "libpq"),
]
_HASHES = {("flask", "3.1.0"): ["c" * 64, "b" * 64]}


def _document(parts=_PARTS, provenance=_PROVENANCE, hashes=_HASHES, system=_SYSTEM):
    return sbom.document(parts, provenance, hashes=hashes, system=system)


def _component(document, ref):
    [found] = [part for part in document["components"] if part["bom-ref"] == ref]
    return found


def _requirements(document):
    return {row["ref"]: row.get("dependsOn", []) for row in document["dependencies"]}


def test_document_is_valid():
    """The official JSON schema of CycloneDX takes it, the smallest one too."""
    reason = "cyclonedx-python-lib[json-validation] is not installed"
    checks = pytest.importorskip("cyclonedx.validation.json", reason=reason)
    pytest.importorskip("jsonschema", reason=reason)
    schema = pytest.importorskip("cyclonedx.schema", reason=reason)
    validator = checks.JsonStrictValidator(schema.SchemaVersion.V1_6)
    odd = [Distribution('x "y"', "1!2+é", (("name", "\ud800 </x>"),), ("x-y",))]
    for document in (
        _document(),
        _document([], hashes={}, system=()),
        _document(odd, provenance={**_PROVENANCE, "nested": {"a": [1]}}),
    ):
        assert validator.validate_str(sbom.dump(document)) is None
    assert validator.validate_str(sbom.dump({**_document(), "version": "x"}))


def test_document_is_the_same_whatever_the_order():
    """The same bundle has the same bill, byte for byte: no time and no chance in it."""
    mixed = _document(
        _PARTS[::-1],
        dict(reversed(_PROVENANCE.items())),
        {("Flask", "3.1.0"): ["b" * 64, "c" * 64]},
        [*_SYSTEM[::-1], _SYSTEM[0]],
    )
    assert sbom.dump(mixed) == sbom.dump(_document())
    assert sbom.dump(json.loads(sbom.dump(mixed))) == sbom.dump(mixed)


def test_document_of_another_bundle_has_another_serial():
    """Whatever differs makes another document."""
    serials = {
        uuid.UUID(found["serialNumber"])
        for found in (
            _document(),
            _document(_PARTS[:2]),
            _document(hashes={}),
            _document(system=()),
            _document(provenance={**_PROVENANCE, "commit": "0" * 40}),
        )
    }
    assert len(serials) == 5
    assert {serial.variant for serial in serials} == {uuid.RFC_4122}
    assert {serial.version for serial in serials} == {8}


def test_document_says_what_it_is_of():
    """The bill names the bundle and all that the recipe knows of its making."""
    found = _document()
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    assert found["metadata"]["component"] == {
        "type": "application", "bom-ref": _ROOT, "name": "guestbook", "version": COMMIT,
    }  # fmt: skip
    properties = {p["name"]: p["value"] for p in found["metadata"]["properties"]}
    assert properties == {
        "holodeck:name": "guestbook", "holodeck:commit": COMMIT,
        "holodeck:lock_sha256": "a" * 64, "holodeck:python": _BANNER,
        "holodeck:format": "2",
    }  # fmt: skip


def test_components_are_named_as_the_index_names_them():
    """The package URL is the index's; the name stays the author's own."""
    found = _component(_document(), "pkg:pypi/flask@3.1.0")
    assert (found["name"], found["version"]) == ("Flask", "3.1.0")
    assert found["licenses"] == [
        {"license": {"id": "MIT"}},
        {"license": {"name": "a b"}},
    ]
    assert sbom.purl("Zope.._Interface-x", "1!2.0+l") == (
        "pkg:pypi/zope-interface-x@1%212.0%2Bl"
    )


def test_components_carry_the_hashes_that_the_lock_allows():
    """Any of the lock's files may have been installed: they are a reference's."""
    document = _document()
    [reference] = _component(document, "pkg:pypi/flask@3.1.0")["externalReferences"]
    assert reference["type"] == "distribution"
    assert reference["hashes"] == [
        {"alg": "SHA-256", "content": letter * 64} for letter in "bc"
    ]
    for ref in ("pkg:pypi/jinja2@3.1", _PYTHON):
        assert "externalReferences" not in _component(document, ref)


def test_components_include_what_the_system_brings():
    """The interpreter and the system's packages are in the bill as well."""
    document = _document()
    assert _component(document, _PYTHON)["type"] == "platform"
    libc = "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64"
    assert _component(document, libc)["version"] == "2.36-9+deb12u10"
    assert "version" not in _component(document, "pkg:rpm/fedora/libpq")
    assert not _document([], {**_PROVENANCE, "python": ""}, {}, ())["components"]


def test_dependencies_lead_from_the_bundle_to_everything():
    """What is required is an edge where it is there; circles are reached too."""
    found = _requirements(_document())
    assert found["pkg:pypi/guestbook@0.1"] == ["pkg:pypi/flask@3.1.0"]
    assert found["pkg:pypi/flask@3.1.0"] == ["pkg:pypi/jinja2@3.1"]
    assert found["pkg:pypi/jinja2@3.1"] == ["pkg:pypi/flask@3.1.0"]
    assert found[_ROOT] == sorted(
        [_PYTHON, "pkg:pypi/guestbook@0.1", *(package.purl for package in _SYSTEM)]
    )
    circle = _requirements(_document(_PARTS[1:], hashes={}, system=()))
    assert circle[_ROOT] == [_PYTHON, "pkg:pypi/flask@3.1.0"]


def test_a_distribution_in_both_layers():
    """Equal ones are one component; of two versions each is one."""
    parts = [*_PARTS, _PARTS[2], Distribution("jinja2", "4.0")]
    document = _document(parts)
    assert _requirements(document)["pkg:pypi/flask@3.1.0"] == [
        "pkg:pypi/jinja2@3.1", "pkg:pypi/jinja2@4.0",
    ]  # fmt: skip
    assert len(document["components"]) == 7
    assert sbom.summary(_document([Distribution("a", "2"), Distribution("a", "1")]))[
        "packages"
    ]["a"] == "1, 2"  # fmt: skip


def test_summary_says_what_people_ask():
    """How many, under which licences, in which versions."""
    assert sbom.summary(_document(system=_SYSTEM[1:])) == {
        "components": 5,
        "licenses": {
            "MIT": ["Flask"], "MIT OR ISC": ["guestbook"], "a b": ["Flask"],
            "unknown": ["Jinja2", "Python", "libpq"],
        },
        "packages": {
            "Flask": "3.1.0", "Jinja2": "3.1", "Python": "3.11.2", "guestbook": "0.1",
            "libpq": "",
        },
    }  # fmt: skip
    assert sbom.summary({}) == {"components": 0, "licenses": {}, "packages": {}}


def test_lock_hashes_of_a_requirements_text():
    """As uv and pip-tools write it: folded, with extras, markers and comments."""
    digests = ["a" * 64, "b" * 64]
    text = (
        "# a comment==1\n--index-url x\n"
        "Flask[async]==3.1.0 ; python_version >= '3.8' \\\n"
        f"    --hash=sha256:{digests[1]} \\\n"
        f"    --hash=sha256:{digests[0]}\n    # via guestbook\n"
        f"zope.event===5.0 --hash=sha256:{digests[0]} --hash=sha512:{'c' * 128}\n"
        "bare==1\r\nlocal @ file:///x\nloose>=2\n"
    )
    assert sbom.lock_hashes(text) == {
        ("flask", "3.1.0"): digests,
        ("zope-event", "5.0"): digests[:1],
        ("bare", "1"): [],
    }
