"""
A bundle's bill of materials in CycloneDX 1.6, as data.

The format: https://cyclonedx.org/docs/1.6/json/. No time and no random serial number
is in it, so the same bundle has the same document, byte for byte.
"""

import hashlib
import json
import re
import urllib.parse
from dataclasses import dataclass

from holodeck.distribution import normalised

_SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
_PINNED = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*===?\s*([^\s;\\]+)(.*)")
_HASH = re.compile(r"--hash[=\s]sha256:([0-9a-f]{64})")
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class SystemPackage:
    """A package of the operating system that a bundle needs."""

    kind: str
    vendor: str
    name: str
    version: str = ""
    architecture: str = ""

    @property
    def purl(self):
        """The package's URL, such as ``pkg:deb/debian/libc6@2.36-9?arch=amd64``."""
        arch = f"?arch={_quoted(self.architecture)}" if self.architecture else ""
        path = f"{self.kind}/{_quoted(self.vendor)}/{_quoted(self.name)}"
        return f"pkg:{path}{_at(self.version)}{arch}"


def document(distributions, provenance, hashes=None, system=()):
    """
    Return the bill of one bundle.

    distributions
        What is installed, as :class:`holodeck.distribution.Distribution`.
    provenance
        What the bundle was made from: ``name``, ``commit``, ``python`` and more.
    hashes
        ``{(name, version): [sha256, …]}`` of the files that the lock allows, as
        :func:`lock_hashes` returns it.
    system
        :class:`SystemPackage` that it needs besides.
    """
    found = {purl(part.name, part.version): part for part in distributions}
    allowed = {
        (normalised(name), version): digests
        for (name, version), digests in (hashes or {}).items()
    }
    components = [
        _library(part, allowed.get((part.key, part.version))) for part in found.values()
    ]
    components += [_native(package) for package in set(system)]
    components += _interpreter(provenance.get("python", ""))
    return _whole(provenance, components, _edges(found))


def dump(document):
    """Return a bill as the text of its file."""
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)
    # A lone half of a surrogate pair would not be UTF-8.
    return text.encode("utf-8", "replace").decode() + "\n"


def summary(document):
    """
    Return what people ask of a bill.

    ``components`` is their number, ``licenses`` is ``{licence: [name, …]}``, and
    ``packages`` is ``{name: version}``, several versions with commas between.
    """
    licences, packages = {}, {}
    components = document.get("components", [])
    for part in components:
        name = part["name"]
        packages.setdefault(name, set()).add(part.get("version", ""))
        for words in _words(part):
            licences.setdefault(words, set()).add(name)
    return {
        "components": len(components),
        "licenses": {words: sorted(licences[words]) for words in sorted(licences)},
        "packages": {
            name: ", ".join(sorted(packages[name])) for name in sorted(packages)
        },
    }


def lock_hashes(text):
    """Return ``{(name, version): [sha256, …]}`` of a hashed requirements text."""
    joined = re.sub(r"\\\r?\n", " ", text)
    lines = (_PINNED.match(line.strip()) for line in joined.splitlines())
    return {
        (normalised(line[1]), line[2]): sorted(_HASH.findall(line[3]))
        for line in lines
        if line
    }


def purl(name, version):
    """Return the package URL of a distribution; PEP 503 says how names are written."""
    return f"pkg:pypi/{_quoted(normalised(name))}{_at(version)}"


def _whole(provenance, components, edges):
    root = f"{provenance['name']}@{provenance['commit']}"
    ordered = sorted(components, key=lambda part: part["bom-ref"])
    edges = {part["bom-ref"]: edges.get(part["bom-ref"], []) for part in ordered}
    edges[root] = _tops(edges)
    bill = {
        "$schema": _SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": _metadata(root, provenance),
        "components": ordered,
        "dependencies": [
            {"ref": ref, "dependsOn": edges[ref]} if edges[ref] else {"ref": ref}
            for ref in sorted(edges)
        ],
    }
    return {**bill, "serialNumber": f"urn:uuid:{_serial(dump(bill))}"}


def _metadata(root, provenance):
    return {
        "component": {
            "type": "application",
            "bom-ref": root,
            "name": provenance["name"],
            "version": provenance["commit"],
        },
        "properties": [
            {"name": f"holodeck:{key}", "value": _text(provenance[key])}
            for key in sorted(provenance)
        ],
    }


def _text(value):
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _library(part, digests):
    ref = purl(part.name, part.version)
    found = {
        "type": "library",
        "bom-ref": ref,
        "name": part.name,
        "version": part.version,
        "purl": ref,
    }
    if part.licences:
        found["licenses"] = [
            {kind: words} if kind == "expression" else {"license": {kind: words}}
            for kind, words in part.licences
        ]
    if digests:
        # One of several files was installed: none of these is the component's hash.
        found["externalReferences"] = [
            {
                "type": "distribution",
                "url": ref,
                "comment": "any of the files that the lock allows",
                "hashes": [{"alg": "SHA-256", "content": d} for d in sorted(digests)],
            }
        ]
    return found


def _native(package):
    found = {"type": "library", "bom-ref": package.purl, "name": package.name}
    if package.version:
        found["version"] = package.version
    return {**found, "purl": package.purl}


def _interpreter(banner):
    """Return Python itself, from ``Python 3.11.2 (main, …) [GCC …]``."""
    words = banner.split()
    if len(words) < 2:  # noqa: PLR2004  # its name and its version
        return []
    ref = f"pkg:generic/{_quoted(words[0].lower())}{_at(words[1])}"
    return [
        {
            "type": "platform",
            "bom-ref": ref,
            "name": words[0],
            "version": words[1],
            "description": banner,
            "purl": ref,
        }
    ]


def _edges(found):
    """
    Return ``{ref: [ref, …]}`` of what requires what, as far as it is there.

    Markers are not evaluated: a requirement of another system is simply absent.
    """
    present = {}
    for ref, part in found.items():
        present.setdefault(part.key, []).append(ref)
    return {
        ref: sorted(
            needed
            for name in part.requires
            for needed in present.get(name, ())
            if needed != ref
        )
        for ref, part in found.items()
    }


def _tops(edges):
    """Return what the bundle itself depends on, so that all is reached from it."""
    below = {needed for several in edges.values() for needed in several}
    tops, seen = [], set()
    # What only requires itself in a circle comes last, and just once.
    for ref in [*sorted(edges.keys() - below), *sorted(below)]:
        if ref not in seen:
            tops.append(ref)
            waiting = [ref]
            while waiting:
                here = waiting.pop()
                if here not in seen:
                    seen.add(here)
                    waiting += edges[here]
    return sorted(tops)


def _words(part):
    several = part.get("licenses") or [{"license": {"name": _UNKNOWN}}]
    return [
        one.get("expression") or one["license"].get("id") or one["license"]["name"]
        for one in several
    ]


def _serial(text):
    """Return a UUID (RFC 9562, version 8) that is made of what a bill says."""
    digits = hashlib.sha256(text.encode()).hexdigest()
    variant = "89ab"[int(digits[16], 16) % 4]
    return (
        f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-{variant}{digits[17:20]}-"
        f"{digits[20:32]}"
    )


def _quoted(text):
    return urllib.parse.quote(text, safe="")


def _at(version):
    return f"@{_quoted(version)}" if version else ""
