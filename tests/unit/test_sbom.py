"""A bundle's bill of materials, the same for the same bundle."""

import json

import pytest

from holodeck import sbom

COMMIT = "4f2c1e9d0a1b5c7788990011223344556677aabb"
_FLASK = "Metadata-Version: 2.4\nName: Flask\nVersion: 3.1.0\n"
_PROVENANCE = {"lock_sha256": "a" * 64, "python": "3.11.2", "format": 2}


@pytest.mark.parametrize(
    ("lines", "licences"),
    [
        ("License-Expression: BSD-3-Clause\n", [{"expression": "BSD-3-Clause"}]),
        ("License: MIT\n", [{"license": {"name": "MIT"}}]),
        ("License: The whole\n        licence\n", [{"license": {"name": "The whole"}}]),
        ("License-Expression: MIT\nLicense: other\n", [{"expression": "MIT"}]),
        ("License: UNKNOWN\n", None), ("License:\n", None), ("", None),
    ],
)  # fmt: skip
def test_component_has_the_licence_the_author_gave(lines, licences):
    """An SPDX expression wins over free words, and no words are made up."""
    assert sbom.component(_FLASK + lines).get("licenses") == licences


def test_component_is_named_as_the_index_names_it():
    """The package URL is PyPI's; the name stays the author's own."""
    text = _FLASK.replace("Flask", "Zope.Interface_x") + "Summary: What it is\n\nLong\n"
    found = sbom.component(text)
    assert found["name"] == "Zope.Interface_x"
    assert found["purl"] == found["bom-ref"] == "pkg:pypi/zope-interface-x@3.1.0"
    assert found["description"] == "What it is"


def _document(components, commit=COMMIT, provenance=_PROVENANCE):
    return sbom.document("guestbook", commit, components, provenance)


def test_document_is_the_same_whatever_the_order():
    """The same bundle has the same bill, byte for byte: no time and no chance in it."""
    parts = [sbom.component(_FLASK.replace("Flask", n)) for n in ("b", "a", "c")]
    texts = {json.dumps(_document(each)) for each in (parts, parts[::-1])}
    assert len(texts) == 1
    assert [part["name"] for part in _document(parts)["components"]] == ["a", "b", "c"]


def test_document_of_another_bundle_has_another_serial():
    """Another commit or another lock is another document."""
    serials = {
        found["serialNumber"]
        for found in (
            _document([]),
            _document([], commit="0" * 40),
            _document([], provenance={**_PROVENANCE, "lock_sha256": "b" * 64}),
        )
    }
    assert len(serials) == 3
    assert all(serial.startswith("urn:uuid:") for serial in serials)


def test_document_says_what_it_is_of():
    """The bill names the bundle, what it depends on, and how it was built."""
    found = _document([sbom.component(_FLASK)])
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.5")
    assert found["metadata"]["component"]["bom-ref"] == f"guestbook@{COMMIT}"
    assert found["dependencies"] == [
        {"ref": f"guestbook@{COMMIT}", "dependsOn": ["pkg:pypi/flask@3.1.0"]}
    ]
    properties = found["metadata"]["properties"]
    assert {"name": "holodeck:python", "value": "3.11.2"} in properties
