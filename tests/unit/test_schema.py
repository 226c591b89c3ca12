"""Checks of a document: the path, the value and the rule, all at once."""

import re

import pytest

from holodeck import schema

_KEYS = {
    "name": schema.Key(schema.text(re.compile(r"[a-z]+")), required=True),
    "port": schema.Key(schema.integer(1, 10)),
    "on": schema.Key(schema.boolean()),
    "kind": schema.Key(schema.one_of("deb", "rpm")),
    "table": schema.Key(schema.table()),
    "list": schema.Key(schema.sequence(str)),
    "even": schema.Key(schema.check(lambda value: value % 2 == 0, "is odd")),
}
_LEGAL = {
    "name": "abc", "port": 10, "on": False, "kind": "deb", "table": {1: 2},
    "list": ["a"], "even": 2,
}  # fmt: skip


def _faults(data):
    faults = schema.Faults()
    schema.mapping(data, "root", _KEYS, faults)
    return faults


def test_mapping_legal_document_is_returned_whole():
    """What is legal comes back as it is, without a fault."""
    faults = schema.Faults()
    assert schema.mapping(_LEGAL, "root", _KEYS, faults) == _LEGAL
    assert faults == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"name": 7}, "root/name: should be text, not 7."),
        ({"name": ""}, "root/name: should be text, not ''."),
        ({"name": "abc1"}, "root/name: 'abc1' does not match [a-z]+."),
        ({"port": 0}, "root/port: should be a whole number from 1 to 10, not 0."),
        ({"port": 11}, "root/port: should be a whole number from 1 to 10, not 11."),
        ({"port": True}, "root/port: should be a whole number from 1 to 10, not True."),
        ({"port": "8"}, "root/port: should be a whole number from 1 to 10, not '8'."),
        ({"port": 1.5}, "root/port: should be a whole number from 1 to 10, not 1.5."),
        ({"on": "yes"}, "root/on: should be true or false, not 'yes'."),
        ({"on": 1}, "root/on: should be true or false, not 1."),
        ({"kind": "apk"}, "root/kind: should be deb or rpm, not 'apk'."),
        ({"kind": []}, "root/kind: should be deb or rpm, not []."),
        ({"table": [1]}, "root/table: should be a mapping, not list."),
        ({"list": "a"}, "root/list: should be a list of strs."),
        ({"list": ["a", 1]}, "root/list: should be a list of strs."),
        ({"even": 3}, "root/even: 3 is odd."),
        ({"oops": 1}, f"root/oops: is unknown; the keys here are {', '.join(_KEYS)}."),
        ({"prot": 1}, ("root/prot: is unknown; did you mean port? the keys here are "
                       f"{', '.join(_KEYS)}.")),
        ({7: 1}, f"root/7: is unknown; the keys here are {', '.join(_KEYS)}."),
    ],
)  # fmt: skip
def test_mapping_broken_rule_names_path_value_and_rule(change, fault):
    """Each broken rule is one fault with its path, the value and what is legal."""
    assert _faults({**_LEGAL, **change}) == [fault]


def test_mapping_missing_key_is_a_fault():
    """A required key that is not there is named."""
    assert _faults({}) == ["root/name: is missing."]


@pytest.mark.parametrize("data", [None, [], "text", 7])
def test_mapping_something_else_is_a_fault(data):
    """What is no mapping is said to be none, and gives an empty one."""
    assert _faults(data) == [f"root: should be a mapping, not {data!r}."]


def test_mapping_collects_every_fault():
    """All faults come at once, so that a person mends them at once."""
    assert len(_faults({"name": 1, "port": 0, "on": 2, "oops": 3})) == 4


def test_fault_shows_the_beginning_of_a_long_value():
    """A long value does not fill the screen."""
    fault = _faults({**_LEGAL, "kind": "x" * 500})[0]
    assert len(fault) < 120
    assert "xxx..." in fault
