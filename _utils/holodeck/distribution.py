"""
One installed distribution, from the ``METADATA`` of its ``dist-info`` folder.

The format: https://packaging.python.org/en/latest/specifications/core-metadata/. Only
the header is read, by hand: ``email`` takes ten times as long and does more.
"""

import re
from dataclasses import dataclass

# A line of blanks goes on with the value before it, as in folded licences.
_END = re.compile(rb"\r?\n\r?\n")
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_OLD = "License :: "
# Classifiers that stand for one SPDX licence. "BSD License", "Apache
# Software License" and the like leave the version open.
_SPDX = {
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "zlib/libpng License": "Zlib",
}
# What authors write by themselves in `License` that is an identifier already.
_IDENTIFIERS = frozenset(_SPDX.values()) | {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "LGPL-2.1-only",
    "LGPL-2.1-or-later", "PSF-2.0", "ZPL-2.1",
}  # fmt: skip


@dataclass(frozen=True)
class Distribution:
    """
    What one distribution says of itself.

    ``licences`` are pairs of a kind (``expression``, ``id`` or ``name``) and its
    words; an expression stands alone. ``requires`` are normalised names.
    """

    name: str
    version: str
    licences: tuple = ()
    requires: tuple = ()

    @property
    def key(self):
        """The name as indexes write it."""
        return normalised(self.name)


def normalised(name):
    """Return a name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def parse(metadata, folder):
    """
    Return the :class:`Distribution` of a ``METADATA`` file's bytes.

    folder
        The name of its folder, which has name and version too: it stands in for what
        the file does not say.
    """
    fields = _fields(metadata)
    name, _, version = folder.removesuffix(".dist-info").partition("-")
    return Distribution(
        name=_one(fields, "name") or name,
        version=_one(fields, "version") or version,
        licences=tuple(_licences(fields)),
        requires=tuple(_requires(fields.get("requires-dist", ()))),
    )


def _fields(metadata):
    """Return ``{name in small letters: [value, …]}`` of the header."""
    header = _END.split(metadata.lstrip(b"\xef\xbb\xbf\r\n"), maxsplit=1)[0]
    found, values = {}, []
    for line in header.decode("utf-8", "replace").split("\n"):
        if line[:1] in {" ", "\t"} and values:
            values[-1] += "\n" + line.strip()
        elif ":" in line:
            name, _, value = line.partition(":")
            values = found.setdefault(name.strip().lower(), [])
            values.append(value.strip())
    return found


def _one(fields, name):
    value = fields.get(name, ("",))[0]
    return "" if value == "UNKNOWN" else value.strip()


def _licences(fields):
    """
    Return the licences in the author's best words.

    ``License-Expression`` (PEP 639) is SPDX by definition. The older ``License`` is
    free text, of which some make the whole licence: then the classifiers say more.
    """
    expression, words = _one(fields, "license-expression"), _one(fields, "license")
    classified = [
        value.removeprefix(_OLD).split(" :: ")[-1]
        for value in fields.get("classifier", ())
        if value.startswith(_OLD) and not value.endswith(":: OSI Approved")
    ]
    if expression:
        return [("expression", expression)]
    if words and ("\n" not in words or not classified):
        return [_licence(words.split("\n")[0])]
    return sorted({_licence(_SPDX.get(name, name)) for name in classified})


def _licence(words):
    return ("id" if words in _IDENTIFIERS else "name", words)


def _requires(lines):
    names = (_NAME.match(line) for line in lines)
    return sorted({normalised(found[1]) for found in names if found})
