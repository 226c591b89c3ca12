"""What a distribution says of itself, however badly."""

import pytest

from holodeck import distribution

_FOLDER = "zope_interface-5.1.dist-info"
_HEAD = "Metadata-Version: 2.4\nName: zope.interface\nVersion: 5.1\n"
_OSI = "Classifier: License :: OSI Approved :: "


def _parsed(text, folder=_FOLDER):
    data = text if isinstance(text, bytes) else text.encode()
    return distribution.parse(data, folder)


@pytest.mark.parametrize(
    ("lines", "licences"),
    [
        ("License-Expression: MIT OR ISC", [("expression", "MIT OR ISC")]),
        (f"License-Expression: MIT\nLicense: x\n{_OSI}BSD License",
         [("expression", "MIT")]),
        ("License: MIT", [("id", "MIT")]),
        ("License: 3-clause BSD", [("name", "3-clause BSD")]),
        (f"License: BSD-3-Clause\n{_OSI}BSD License", [("id", "BSD-3-Clause")]),
        (f"License: The whole\n        \n        text\n{_OSI}MIT License",
         [("id", "MIT")]),
        ("License: The whole\n        \n        text", [("name", "The whole")]),
        (f"License: UNKNOWN\n{_OSI}ISC License (ISCL)", [("id", "ISC")]),
        (f"{_OSI}BSD License\n{_OSI}Apache Software License\n{_OSI}MIT License",
         [("id", "MIT"), ("name", "Apache Software License"), ("name", "BSD License")]),
        ("Classifier: License :: Public Domain", [("name", "Public Domain")]),
        ("Classifier: License :: OSI Approved", []),
        ("Classifier: Topic :: License", []), ("License:", []), ("", []),
    ],
)  # fmt: skip
def test_licences_in_the_authors_best_words(lines, licences):
    """SPDX wins, one line of free words is next, then classifiers; none is made up."""
    assert list(_parsed(f"{_HEAD}{lines}\n\nText").licences) == licences


def test_requires_are_names_alone():
    """Versions, extras, markers and addresses go; the rest compares as PEP 503 says."""
    lines = (
        "Requires-Dist: Zope.Event>=4", "Requires-Dist: zope_event; extra == 'x'",
        "Requires-Dist: celery[redis] (~=5.0)", "Requires-Dist: a @ file:///a",
        "Requires-Dist: ;", "Requires-Dist:", "requires-dist: LOWER",
    )  # fmt: skip
    text = _HEAD + "\n".join(lines) + "\n\nRequires-Dist: in-the-description\n"
    assert _parsed(text).requires == ("a", "celery", "lower", "zope-event")


@pytest.mark.parametrize(
    "text",
    [
        "", "\n\n", "Text without a colon", "Name: UNKNOWN\nVersion:\n",
        b"\xff\xfe\0\0", b"Summary: caf\xe9\n", " folded\n at the start",
        "\nName\n", "Version: UNKNOWN",
    ],
)  # fmt: skip
def test_folder_stands_in_for_what_the_file_does_not_say(text):
    """What is installed is named, whatever its metadata is."""
    found = _parsed(text)
    assert (found.name, found.version) == ("zope_interface", "5.1")
    assert found.key == "zope-interface"


def test_folder_without_a_version():
    """Not even that is an error."""
    found = _parsed("", "broken.dist-info")
    assert (found.name, found.version) == ("broken", "")


@pytest.mark.parametrize(
    "text",
    [
        _HEAD, _HEAD.replace("\n", "\r\n"), "\ufeff" + _HEAD, "\n" + _HEAD,
        _HEAD + "\n" + _HEAD.replace("5.1", "6"),
        _HEAD.encode() + b"Author: Andr\xe9\n\xff\xff: x\n",
        _HEAD.replace("Name", "NAME"),
    ],
)  # fmt: skip
def test_name_is_the_authors_own(text):
    """Line ends, byte order marks and bytes of other encodings are no matter."""
    found = _parsed(text, "x-1.dist-info")
    assert (found.name, found.version) == ("zope.interface", "5.1")
