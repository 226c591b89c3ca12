"""Checks written as data: their faults, and what they find."""

import json

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
                "json": {"status": "ok", "checks.0.name": "database"},
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
    """Dots, brackets and a leading $ all name the same value."""
    body = json.dumps({"a": [{"b": None}]}).encode()
    assert (
        checks.faults({"path": "/", "json": {path: None}}, _Answer(body=body), 0) == []
    )
