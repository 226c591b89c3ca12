"""The tests of a release as JUnit XML, which CI servers read."""

import re
import xml.etree.ElementTree as ET

# XML 1.0 has no place for these, escaped or not.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAGS = {"F": "failure", "E": "error"}


def xml(record, rows, tests):
    """
    Return the document as text: a suite for each target, a case for each test.

    record
        The release's record.
    rows
        ``{target: entry}`` with its failures.
    tests
        ``{target: {id: [outcome, ms]}}``.
    """
    root = ET.Element("testsuites", name=record["id"])
    if record["status"] != "good":
        why = record.get("reason") or f"it is {record['status']}"
        _suite(
            root, "release", {"failures": [{"id": record["status"], "why": why}]}, {}
        )
    for target in sorted({*rows, *tests}):
        _suite(root, target, rows.get(target, {}), tests.get(target, {}))
    ET.indent(root)
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    return head + ET.tostring(root, encoding="unicode") + "\n"


def _suite(root, target, entry, cases):
    whys = {each["id"]: each["why"] for each in entry.get("failures", [])}
    letters = [letter for letter, _ in cases.values()]
    # What is no test, a dead tester or a target that was never ready, is an error too.
    others = {name: why for name, why in whys.items() if name not in cases}
    suite = ET.SubElement(
        root, "testsuite", name=target,
        tests=str(len(cases) + len(others)), failures=str(letters.count("F")),
        errors=str(letters.count("E") + len(others)), skipped=str(letters.count("S")),
        time=_seconds(sum(ms for _, ms in cases.values())),
    )  # fmt: skip
    for name, (letter, ms) in cases.items():
        _case(suite, target, name, ms, letter, whys.get(name, ""))
    for name, why in others.items():
        _case(suite, target, name, 0, "E", why)


def _case(suite, target, name, ms, letter, why):
    file, _, test = name.partition("::")
    case = ET.SubElement(
        suite, "testcase", classname=_legal(f"{target}.{file}"),
        name=_legal(test or file), time=_seconds(ms),
    )  # fmt: skip
    if letter == "S":
        ET.SubElement(case, "skipped")
    elif letter in _TAGS:
        first = (why.splitlines() or [""])[0]
        found = ET.SubElement(case, _TAGS[letter], message=_legal(first))
        found.text = _legal(why)


def _seconds(ms):
    return f"{ms / 1000:.3f}"


def _legal(text):
    return _ILLEGAL.sub("\ufffd", text)
