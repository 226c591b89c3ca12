"""
A bundle's bill of materials in CycloneDX 1.5, from the metadata of its packages.

Source of the format: https://cyclonedx.org/docs/1.5/json/. The document names no
time and no random serial number, so the same bundle has the same document.
"""

import uuid
from email import message_from_string

_FORMAT = "1.5"
# A namespace of this pack's own for serial numbers made from content.
_NAMESPACE = uuid.UUID("6d1f2b52-3f2e-5d7a-9a53-8a2f60c4a0de")


def component(metadata):
    """Return the component of one distribution, from its ``METADATA`` text."""
    fields = message_from_string(metadata)
    name, version = fields["Name"], fields["Version"]
    found = {
        "type": "library",
        "bom-ref": purl(name, version),
        "name": name,
        "version": version,
        "purl": purl(name, version),
    }
    if fields["Summary"]:
        found["description"] = fields["Summary"]
    licences = _licences(fields)
    return {**found, "licenses": licences} if licences else found


def document(name, commit, components, provenance):
    """Return the bill of one bundle as data."""
    ordered = sorted(components, key=lambda part: part["bom-ref"])
    root = f"{name}@{commit}"
    serial = uuid.uuid5(_NAMESPACE, f"{root} {provenance['lock_sha256']}")
    return {
        "bomFormat": "CycloneDX",
        "specVersion": _FORMAT,
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": name,
                "version": commit,
            },
            "properties": [
                {"name": f"holodeck:{key}", "value": str(value)}
                for key, value in sorted(provenance.items())
            ],
        },
        "components": ordered,
        "dependencies": [
            {"ref": root, "dependsOn": [part["bom-ref"] for part in ordered]}
        ],
    }


def purl(name, version):
    """Return the package URL; PyPI's names are lower-case with hyphens."""
    return f"pkg:pypi/{name.lower().replace('_', '-').replace('.', '-')}@{version}"


def _licences(fields):
    """
    Return the licence as an expression or as the author's own words.

    ``License-Expression`` is SPDX by its definition (PEP 639); the older
    ``License`` is free text, of which some packages make the whole licence.
    """
    expression, words = fields["License-Expression"], fields["License"]
    if expression:
        return [{"expression": expression}]
    first = (words or "").strip().splitlines()[:1]
    if first and first[0] not in {"", "UNKNOWN"}:
        return [{"license": {"name": first[0]}}]
    return []
