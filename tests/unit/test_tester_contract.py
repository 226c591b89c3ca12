"""The command of a contract check, and the verdict of its reports."""

import json

import pytest

from holodeck_io import toml
from holodeck_tester import contract, contract_report

_TARGET = {"name": "web1", "kind": "host", "url": "http://10.0.0.7:8000/"}
_TERMS = {
    "schema": "/v1/openapi.json", "seconds": 9, "checks": ["a", "b"],
    "headers": {"Authorization": 'Bearer ${TOKEN} "x"'},
}  # fmt: skip


def _argv(allow_writes=False, **target):
    return contract.argv(
        "/b/bin/python", {**_TARGET, **target}, _TERMS, config="c", report="r",
        cases="x", allow_writes=allow_writes,
    )  # fmt: skip


def test_argv_names_the_target_and_the_bounds():
    """The schema is the service's own, the origin is pinned, the time is bounded."""
    words = _argv()
    assert words[:3] == ["/b/bin/python", "-m", "schemathesis.cli"]
    assert "http://10.0.0.7:8000/v1/openapi.json" in words
    assert {"--origin=http://10.0.0.7:8000", "--max-time=9", "--seed=1"} <= set(words)
    assert {"--checks=a,b", "--max-redirects=0", "--config-file=c"} <= set(words)


def test_argv_reads_alone_unless_writes_are_allowed():
    """A read-only target gets the operations that read, and no others."""
    reads = [word for word in _argv() if word.startswith("--include-method")]
    assert [word.partition("=")[2] for word in reads] == ["GET", "HEAD", "OPTIONS"]
    assert not [word for word in _argv(allow_writes=True) if "method" in word]


def test_argv_of_a_target_with_tls():
    """The files of TLS come from the target."""
    words = _argv(ca="/ca", cert="/cert", key="/key")
    assert words[-3:] == [
        "--tls-verify=/ca", "--request-cert=/cert", "--request-cert-key=/key",
    ]  # fmt: skip


def test_settings_file_is_toml():
    """Headers stand there as they are, and what is only read is not written to."""
    text = contract.settings_file(_TARGET, _TERMS, allow_writes=False)
    assert toml.parsed(text) == {
        "headers": _TERMS["headers"],
        "phases": {"coverage": {"unexpected-methods": []}},
    }
    named = {**_TARGET, "host": "www.example.org"}
    text = contract.settings_file(named, _TERMS, allow_writes=True)
    assert toml.parsed(text) == {
        "headers": {**_TERMS["headers"], "Host": "www.example.org"}
    }


def _told(selected=1, tested=1, **facts):
    operations = {"total": 3, "selected": selected, "tested": tested}
    return json.dumps(
        {"operations": operations, "complete": True, "errors": [], **facts}
    )


_GOOD = '<testsuites><testcase name="GET /a"/></testsuites>'
_BAD = """<testsuites><testcase name="GET /a"><failure>1. Test Case ID: x1

- ST101 Server error

- ST103 Undocumented status code

    Received: 500

Reproduce with:

    curl -X GET http://h/a?b=1

2. Test Case ID: x2

- Response violates schema

    1 is not of type "string"

Reproduce with:

    curl -X GET http://h/a</failure></testcase>
<testcase name="GET /b"><skipped/></testcase></testsuites>"""
_ERROR = """<testsuites><testcase name="GET /a"><error>Schema Error

Unresolvable reference</error><error>Schema Error

Unresolvable reference</error></testcase></testsuites>"""


def test_judge_good_run_passes():
    """Every operation tested, none failed, and the run ended."""
    entry = contract_report.judge(_told(), _GOOD, exit_status=0)
    assert entry == {
        "state": "passed",
        "counts": {"passed": 1, "failed": 0, "error": 0, "skipped": 0,
                   "collected": 1, "total": 1},
        "failures": [],
    }  # fmt: skip


def test_judge_failures_have_ids_reasons_and_curl_lines():
    """Each request that showed a failure is one, under its operation's name."""
    entry = contract_report.judge(_told(2, 2), _BAD, exit_status=1)
    assert (entry["state"], entry["counts"]["failed"]) == ("failed", 1)
    first, second = entry["failures"]
    assert first["id"] == second["id"] == "GET /a"
    assert first["why"].splitlines()[0] == "Server error; Undocumented status code"
    assert "Received: 500" in first["why"]
    assert first["curl"] == "curl -X GET http://h/a?b=1"
    assert second["why"].startswith("Response violates schema\n")
    assert second["curl"] == "curl -X GET http://h/a"


def test_judge_repeated_error_is_told_once():
    """An operation that cannot be tested is an error, with its reason in one line."""
    entry = contract_report.judge(_told(), _ERROR, exit_status=1)
    assert entry["state"] == "error"
    assert entry["failures"] == [
        {"id": "GET /a", "why": "Schema Error: Unresolvable reference"}
    ]


_REFUSED = _told(operations=None, complete=False, errors=[{"title": "Loading Error"}])
_SAID = "...\n Loading Error\n\n Connection\n failed\n\nTip: wait\n\nReports:\n - a"


@pytest.mark.parametrize(
    ("report", "cases", "options", "state", "why"),
    [
        ("", "", {"timed_out": True}, "timeout", "The deadline ended the run."),
        ("", "", {"output": "no module"}, "error", "did not run (exit status 0).\nno"),
        ("[]", "", {}, "error", "did not run"),
        ('{"a": 1', "", {}, "error", "did not run"),
        (_REFUSED, "<testsuites/>", {"output": _SAID}, "error",
         "Loading Error: Connection failed"),
        (_REFUSED, "<testsuites/>", {"output": "?"}, "error", "Loading Error.\n?"),
        (_told(0, 0), "<testsuites/>", {}, "no-tests", "the schema has 3"),
        (_told(complete=False), _GOOD, {}, "error", "The run broke off"),
        (_told(4, 1), _GOOD, {}, "timeout", "3 of 4 operations were not tested in"),
        (_told(), _GOOD, {"exit_status": 3}, "error", "Nothing failed, but exit st"),
        (_told(), "<testsui", {}, "no-tests", "No operation was tested."),
        (_told(), "", {}, "no-tests", "No operation was tested."),
    ],
)  # fmt: skip
def test_judge_what_proves_nothing_does_not_pass(report, cases, options, state, why):
    """Nothing, a part, or an odd end: each is a state of its own with its reason."""
    entry = contract_report.judge(report, cases, **{"exit_status": 0, **options})
    assert entry["state"] == state
    assert why in entry["failures"][-1]["why"]
