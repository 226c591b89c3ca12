"""Checks written as data: their faults, and what they find."""

import json
import sys

import pytest

from holodeck_http import checks


class _Answer:
    charset = "utf-8"

    def __init__(self, status=200, body=b"", **headers):
        self.status_int = status
        self.body = body
        self.headers = headers


def test_problems_good_checks_have_none():
    """The documented example is accepted."""
    assert not checks.problems(
        [
            {
                "path": "/healthz",
                "status": [200, 204],
                "headers": {"Content-Type": "application/json"},
                "contains": ["ok", "fine"],
                "json": {"status": "ok", "checks.0.name": "database", "$..a": 1},
                "within_s": 0.5,
                "marks": ["smoke"],
            },
            {"path": "/"},
        ]
    )


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        ("/", "checks/0: should be a mapping"),
        ({}, "checks/0/path: should start with /"),
        ({"path": "healthz"}, "checks/0/path: should start with /"),
        ({"path": "/", "stauts": 200}, "checks/0/stauts: is unknown; use name, path"),
        ({"path": "/", "status": "200"}, "checks/0/status: has the wrong type"),
        ({"path": "/", "status": True}, "checks/0/status: has the wrong type"),
        ({"path": "/", "status": [700]}, "checks/0/status: should be 100 to 599"),
        ({"path": "/", "method": "FETCH"}, "checks/0/method: is 'FETCH'; use GET"),
        ({"path": "/", "marks": ["fast"]}, "checks/0/marks: 'fast' is unknown"),
        ({"path": "/", "within_s": 0}, "checks/0/within_s: should be more than 0"),
        ({"path": "/", "contains": [1]}, "checks/0/contains: should be text"),
        ({"path": "/", "json": "ok"}, "checks/0/json: has the wrong type"),
    ],
)
def test_problems_name_path_and_rule(check, fault):
    """Each fault names its place and the rule."""
    assert checks.problems([check])[0].startswith(fault)


@pytest.mark.parametrize("data", [None, [], {}, "path: /"])
def test_problems_no_checks_are_a_fault(data):
    """An empty list would prove nothing."""
    assert checks.problems(data)


def test_problems_are_collected():
    """All faults are shown at once."""
    assert len(checks.problems([{"path": "x", "method": "y"}, {"path": "z"}])) == 3


def test_names_are_distinct():
    """Two checks of one path can be told apart."""
    found = checks.names([{"path": "/"}, {"path": "/"}, {"path": "/", "name": "home"}])
    assert found == ["GET /", "GET / (2)", "home"]


@pytest.mark.parametrize(
    ("check", "answer", "seconds", "fault"),
    [
        ({}, _Answer(502), 0, "status: is 502, should be 200"),
        ({"status": [200, 301]}, _Answer(404), 0, "should be 200 or 301"),
        ({"headers": {"X-A": 1}}, _Answer(), 0, "header X-A: is None, should be '1'"),
        ({"contains": "Grüße"}, _Answer(body=b"Gr"), 0, "does not contain 'Grüße'"),
        ({"json": {"a": 1}}, _Answer(body=b"<html>"), 0, "is not JSON"),
        ({"json": {"a.1": 1}}, _Answer(body=b'{"a": [0]}'), 0, "json a.1: is missing"),
        ({"json": {"a": 1}}, _Answer(body=b'{"a": 2}'), 0, "is 2, should be 1"),
        ({"within_s": 1}, _Answer(), 1.5, "time: took 1.50 s, may take 1 s"),
    ],
)
def test_faults_say_is_and_should_be(check, answer, seconds, fault):
    """Each difference shows the found and the expected value."""
    (found,) = checks.faults({"path": "/", **check}, answer, seconds)
    assert fault in found


@pytest.mark.parametrize("path", ["a.0.b", "$.a[0].b", "a[0].b"])
def test_faults_json_paths_reach_into_lists(path):
    """Dots, brackets and a JSONPath query all name the same value."""
    body = json.dumps({"a": [{"b": None}]}).encode()
    assert (
        checks.faults({"path": "/", "json": {path: None}}, _Answer(body=body), 0) == []
    )


_BOOKS = {
    "books": [
        {"title": "Sayings", "price": 8.95, "tags": ["old"]},
        {"title": "Moby Dick", "price": 8.99, "isbn": "0-553-21311-3", "tags": []},
        {"title": "The Lord", "price": 22.99, "isbn": "0-395-19395-8"},
    ],
    "$odd": {"a.b": 1},
}


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("$.books[?@.price > 20].title", "The Lord"),
        ("$.books[?@.isbn].title", ["Moby Dick", "The Lord"]),
        ("$..title", ["Sayings", "Moby Dick", "The Lord"]),
        ("$.books[-1:].price", 22.99),
        ("$.books[?match(@.title, 'M.*')].isbn", "0-553-21311-3"),
        ("$.books[?length(@.tags) == 1].tags", ["old"]),
        ("$['$odd']['a.b']", 1),
        ("$", _BOOKS),
    ],
)
def test_faults_json_query_compares_what_it_finds(query, value):
    """A query's one match is compared as it is, and several as their list."""
    answer = _Answer(body=json.dumps(_BOOKS).encode())
    assert checks.faults({"path": "/", "json": {query: value}}, answer, 0) == []
    [fault] = checks.faults({"path": "/", "json": {query: "no"}}, answer, 0)
    assert fault == f"json {query}: is {value!r}, should be 'no'"


@pytest.mark.parametrize("value", [None, []])
def test_faults_json_query_without_a_match_is_missing(value):
    """What a query does not find is equal to nothing, not even to nothing."""
    check = {"path": "/", "json": {"$.books[?@.price > 99].title": value}}
    answer = _Answer(body=json.dumps(_BOOKS).encode())
    [fault] = checks.faults(check, answer, 0)
    assert "is missing, should be" in fault


def test_faults_json_query_that_cannot_be_followed_is_a_fault():
    """A document too deep for a query fails the check, in one line."""
    body = b'{"a":' * 200 + b"1" + b"}" * 200
    [fault] = checks.faults({"path": "/", "json": {"$..a": 1}}, _Answer(body=body), 0)
    assert fault.startswith("json $..a: ")
    assert "\n" not in fault


_QUERIES = [
    {"path": "/", "json": {"a.0": 1, "$.a[0]": 1}},
    {"path": "/", "name": "odd", "json": {"$.a[?@.b": 1, "$a": 1}},
]


def test_query_problems_name_the_check_and_the_query():
    """A query that is no JSONPath is told before any request is sent."""
    found = checks.query_problems(_QUERIES)
    assert [fault.split(" is no")[0] for fault in found] == [
        "odd: json $.a[?@.b:",
        "odd: json $a:",
    ]
    assert all("\n" not in fault for fault in found)


def test_query_problems_without_the_library_say_what_is_missing(monkeypatch):
    """A suite's own lock without the library is told so; dotted ways need none."""
    monkeypatch.setitem(sys.modules, "jsonpath", None)
    [fault] = checks.query_problems(_QUERIES[:1])
    assert fault == (
        "GET /: json $.a[0]: is JSONPath, which needs python-jsonpath; install it."
    )
    assert checks.problems(_QUERIES) == []
    answer = _Answer(body=b'{"a": [1]}')
    assert checks.faults({"path": "/", "json": {"a.0": 1}}, answer, 0) == []
