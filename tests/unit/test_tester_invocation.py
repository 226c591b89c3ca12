"""What a tester runs, and the targets it accepts."""

import pytest

from holodeck_http import urls
from holodeck_tester import invocation

_GOOD = {"name": "web1", "kind": "host", "url": "http://10.0.0.7:8000"}


def test_target_problems_good_targets_have_none():
    """IPv4, IPv6, names, TLS and a Host header are accepted."""
    assert not invocation.target_problems(
        [
            _GOOD,
            {"name": "web2", "kind": "host", "url": "http://[fd00::7]:8000"},
            {
                "name": "lb",
                "kind": "balancer",
                "url": "https://10.0.0.1",
                "host": "www.example.org",
                "ca": "/etc/ssl/ours.pem",
            },
        ]
    )


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"name": "../../etc"}, "targets/0/name"),
        ({"name": None}, "targets/0/name"),
        ({"kind": "router"}, "targets/0/kind: is 'router'; use host or balancer"),
        ({"url": None}, "targets/0/url"),
        ({"url": "10.0.0.7:8000"}, "targets/0/url"),
        ({"url": "http://10.0.0.7:99999"}, "targets/0/url"),
        ({"url": "http://u:p@10.0.0.7"}, "targets/0/url"),
        ({"url": "http://10.0.0.7/app"}, "targets/0/url"),
        ({"hots": "x"}, "targets/0/hots: is unknown"),
        ({"host": ""}, "targets/0/host"),
        ({"part": [2, 2]}, "targets/0/part: is [2, 2]; use [which, of how many]"),
        ({"part": "0/2"}, "targets/0/part"),
    ],
)
def test_target_problems_name_path_and_rule(change, fault):
    """Each fault names its place."""
    assert invocation.target_problems([{**_GOOD, **change}])[0].startswith(fault)


@pytest.mark.parametrize("targets", [None, [], {}, "web1"])
def test_target_problems_no_targets_are_a_fault(targets):
    """A run without targets is refused, not passed."""
    assert invocation.target_problems(targets)


def test_target_problems_twins_are_a_fault():
    """Two targets of one name would hide one another."""
    assert "twice" in invocation.target_problems([_GOOD, _GOOD])[0]


def test_environment_holds_nothing_of_the_minion(monkeypatch):
    """Proxies and WebTest's own switch never reach a suite."""
    monkeypatch.setenv("http_proxy", "http://proxy.invalid")
    monkeypatch.setenv("WEBTEST_TARGET_URL", "http://live.invalid")
    env = invocation.environment(
        library="/l", home="/h", commit="c", run_id="t",
        settings={"PASSWORD": 7, "PATH": "/mine"},
    )  # fmt: skip
    assert not {"http_proxy", "WEBTEST_TARGET_URL"} & set(env)
    # What the definition gives comes along, and replaces nothing of ours.
    assert env["PASSWORD"] == "7"
    assert env["PATH"].startswith("/usr/local/bin")


def test_escape_keeps_escapes_and_mends_the_rest():
    """What is escaped stays, what must be escaped becomes so."""
    assert urls.escape("/a%2Fb%3Fc d%é") == "/a%2Fb%3Fc%20d%25%C3%A9"
